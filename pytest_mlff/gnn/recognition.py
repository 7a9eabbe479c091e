"""Telling a checkpoint from any other file by its bytes, without torch and without unpickling anything."""

from __future__ import annotations

import zipfile
from pathlib import Path

from pytest_mlff.settings.files import what_is

FORMAT = "pytest-mlff-gnn"
"""Stands in every checkpoint."""
_BEGINNING = 2**16  # bytes of data.pkl in which it stands: the whole could be made to fill the memory


def is_checkpoint(path: str | Path) -> bool:
    """Tell by its bytes whether a file is a checkpoint of this format; nothing is unpickled.

    Parameters
    ----------
    path : str or Path
        Any file or folder.

    Returns
    -------
    bool
        False for whatever is not a zip archive with the format's name in its first member of data.
    """
    try:
        if what_is(Path(path)) != "file":
            return False
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            with archive.open(names[0]) as stream:
                return FORMAT.encode() in stream.read(_BEGINNING)
    except Exception:  # zipfile raises BadZipFile, OSError, UnicodeDecodeError, NotImplementedError, ...
        return False
