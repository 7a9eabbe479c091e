"""Telling a checkpoint from any other file by its bytes, without torch and without unpickling anything."""

from __future__ import annotations

import zipfile
from pathlib import Path

FORMAT = "pytest-mlff-gnn"
"""Stands in every checkpoint."""


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
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            return bool(names) and FORMAT.encode() in archive.read(names[0])
    except Exception:  # zipfile raises BadZipFile, OSError, UnicodeDecodeError, NotImplementedError, ...
        return False
