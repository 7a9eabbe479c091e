"""What lies at a path, found out before anything is opened: a pipe or a device would be read for ever."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Literal

MOST_BYTES = 2**24
"""Largest text file that is read: a thousand times a long configuration."""


def what_is(path: Path) -> Literal["file", "folder", "device", "nothing"]:
    """Tell what lies at a path, links followed.

    Parameters
    ----------
    path : Path
        Any path, also a text that cannot be one.

    Returns
    -------
    {"file", "folder", "device", "nothing"}
        ``device`` for whatever is neither a regular file nor a folder: devices, pipes, sockets. Never raises.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # nothing there, a loop of links, too long a name, a null byte
        return "nothing"
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "device"


def read_text(path: Path, *, errors: str = "strict") -> str:
    """Read a text file that is not to be large.

    Parameters
    ----------
    path : Path
        The file.
    errors : str
        What becomes of bytes that are not UTF-8, as ``bytes.decode`` has it.

    Returns
    -------
    str
        Its text, from UTF-8.

    Raises
    ------
    OSError
        If it cannot be read, is no regular file, or is larger than ``MOST_BYTES``.
    UnicodeDecodeError
        If it is not UTF-8 and `errors` is ``strict``.
    """
    if what_is(path) == "device":
        raise OSError("it is no regular file")
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except ValueError as error:  # a null byte in the name
        raise OSError(str(error)) from None
    if len(content) > MOST_BYTES:
        raise OSError(f"it is larger than {MOST_BYTES // 2**20} MiB")
    return content.decode("utf-8", errors).replace("\r\n", "\n")
