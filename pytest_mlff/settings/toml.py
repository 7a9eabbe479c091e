"""Reading a TOML file: one way in, and one way to say what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_mlff.errors import SpecError


def read_toml(path: Path, what: str) -> tuple[dict[str, Any], str]:
    """Read a TOML file.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What it is, such as ``"recipe"``, for the message.

    Returns
    -------
    tables : dict
        What it holds.
    text : str
        The file itself.

    Raises
    ------
    SpecError
        When it cannot be read or is not TOML, with file and line.
    """
    import tomllib

    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        place = f"{path}:{line[1]}" if line else f"{path}"
        raise SpecError(f"{place}: not valid TOML: {error}") from None
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not valid TOML: not UTF-8 at byte {error.start}") from None
    except OSError as error:
        raise SpecError(f"{path}: cannot read this {what}: {error.strerror or error}") from None


def parsed(where: str | Path, key: str, value: Any, parse: Callable[[Any], Any]) -> Any:
    """Parse the value of a key.

    Parameters
    ----------
    where : str or Path
        File (and table) it stands in, for the message.
    key : str
        Its name.
    value : object
        What TOML gave.
    parse : callable
        Gives what is used, or raises ``ValueError`` with what it expected.

    Returns
    -------
    object
        As ``parse`` gives it.

    Raises
    ------
    SpecError
        Naming place, key, value and expectation.
    """
    try:
        return parse(value)
    except ValueError as error:
        raise SpecError(f"{where}: {key} = {value!r}: {error}") from None
