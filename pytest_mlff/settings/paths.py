"""Paths as users write them: ``~`` is the home folder, with no shell in between (``--option=~/x``, ini files)."""

from __future__ import annotations

import os.path

from pytest_mlff.errors import SpecError
from pytest_mlff.foreign import one_line


def at_home(text: str) -> str:
    """Put the home folder in place of ``~`` or ``~user`` at the beginning of a path.

    Parameters
    ----------
    text : str
        What the user wrote, a path or anything else.

    Returns
    -------
    str
        The same where it begins with no ``~``.

    Raises
    ------
    SpecError
        When there is no such user, or no home folder.
    """
    try:
        found = os.path.expanduser(text)
    except ValueError:  # a null byte in the name of a user
        found = text
    if found.startswith("~"):
        raise SpecError(f"{one_line(text, 160)}: there is no such home folder")
    return found
