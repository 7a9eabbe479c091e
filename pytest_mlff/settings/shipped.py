"""Where the data that come with the package lie, in an installed tree and in a source tree."""

from __future__ import annotations

from pathlib import Path

import pytest_mlff
from pytest_mlff.errors import ReferenceDataError

MANIFEST = "manifest.json"


def default_directory(system: str = "argon") -> Path:
    """Where the reference data of a system that comes with the package lie.

    Parameters
    ----------
    system : str, optional
        Its name.

    Returns
    -------
    Path
        Folder of that name in ``_reference_data`` inside an installed package, else in ``reference_data`` beside the
        package's sources.

    Raises
    ------
    ReferenceDataError
        If neither is there.
    """
    package = Path(pytest_mlff.__file__).parent
    for candidate in (package / "_reference_data" / system, package.parent / "reference_data" / system):
        if (candidate / MANIFEST).is_file():
            return candidate
    raise ReferenceDataError(
        f"no reference data of {system} in {package} nor beside it; build them with "
        f"`pytest-mlff reference build {system}`"
    )
