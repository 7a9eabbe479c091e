"""What the archive of a checkpoint declares, held against its file before torch takes memory for any of it.

``torch.save`` stores every member as it is, uncompressed: one for each tensor, and ``data.pkl`` for what holds them. So
the size of the file says how much memory an honest one needs. One that asks for more was made to fill the memory: by
members that are compressed or share their bytes, a pickle of millions of containers, a call that makes an array as
large as a number says. Needs no torch.
"""

from __future__ import annotations

import pickletools
import re
import zipfile
from pathlib import Path

from pytest_mlff.errors import SpecError
from pytest_mlff.settings.files import what_is

MOST_PICKLED = 2**22
"""Bytes of ``data.pkl``, hundreds of times those of the networks here."""
MOST_OBJECTS = 200_000
"""Containers and tensors in it; each takes up to a kilobyte."""

_GLOBALS = re.compile(r"collections OrderedDict|torch\._utils _rebuild_tensor_v2|torch \w+Storage")
_MAKERS = frozenset("MARK EMPTY_DICT EMPTY_LIST EMPTY_SET TUPLE TUPLE1 TUPLE2 TUPLE3 REDUCE NEWOBJ".split())
_MAGIC = b"PK\x03\x04"
_FOREIGN = "carries objects that are neither tensors nor plain data; nothing of it was executed; {}"


def check_archive(path: str | Path) -> None:
    """Refuse what is not a whole archive as torch writes it, or declares more than its file holds.

    Parameters
    ----------
    path : str or Path
        The file.

    Raises
    ------
    SpecError
        One line; nothing was unpickled.
    """
    place = Path(path)
    kind = what_is(place)
    if kind == "nothing":
        raise SpecError(f"there is no file {path}")
    if kind == "device":
        raise SpecError(f"{path} is no checkpoint: it is another kind of file, a device or a pipe")
    try:
        with zipfile.ZipFile(place) as archive, place.open("rb") as stream:
            if stream.read(4) != _MAGIC:
                raise zipfile.BadZipFile("something stands before the archive")  # torch would read that
            problem = _excess(archive, place.stat().st_size) or _damage(archive) or _foreign(archive)
    except Exception as error:  # zipfile raises BadZipFile, OSError, UnicodeDecodeError, NotImplementedError, ...
        raise SpecError(
            f"{path} is no checkpoint: it is damaged, cut short or another kind of file ({short(error)})"
        ) from error
    if problem:
        raise SpecError(f"{path} {problem}")


def short(error: Exception) -> str:
    """Write an exception into a message.

    Parameters
    ----------
    error : Exception
        Of torch or ``zipfile``.

    Returns
    -------
    str
        Type and beginning of the text, on one line.
    """
    return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"


def _excess(archive: zipfile.ZipFile, size: int) -> str:
    """Say what a file of `size` bytes declares beyond them; nothing is read but the list of members."""
    members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        return "is no checkpoint: its members are compressed, and torch writes none that are"
    if len({member.filename for member in members}) != len(members):
        return "is no checkpoint: two of its members have one name"
    declared = sum(member.file_size for member in members)
    if declared > size:
        return f"is no checkpoint: it declares {declared} bytes in {size}"
    pickled = sum(member.file_size for member in members if member.filename.endswith("data.pkl"))
    if pickled > MOST_PICKLED:
        return f"is no checkpoint: {pickled} bytes beside its tensors, where {MOST_PICKLED} are the most"
    return ""


def _damage(archive: zipfile.ZipFile) -> str:
    """Say which member has a wrong checksum: torch itself passes over those of the weights."""
    damaged = archive.testzip()
    return f"is damaged: the checksum of {damaged} in it is wrong; copy it again, or train it again" if damaged else ""


def _foreign(archive: zipfile.ZipFile) -> str:
    """Say what a pickle holds that a network does not need; it is read word by word, and nothing is made of it."""
    for name in archive.namelist():
        made = 0
        for word, argument, _ in pickletools.genops(archive.read(name)) if name.endswith("data.pkl") else ():
            if "GLOBAL" in word.name and not _GLOBALS.fullmatch(str(argument)):
                return _FOREIGN.format("write the checkpoint again with `pytest-mlff train`")
            made += word.name in _MAKERS
            if made > MOST_OBJECTS:
                return f"is no checkpoint: it declares more than {MOST_OBJECTS} tensors and containers"
    return ""
