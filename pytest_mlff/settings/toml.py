"""Reading a TOML file: one way in, and one way to say what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_mlff.errors import SpecError
from pytest_mlff.foreign import one_line
from pytest_mlff.settings.files import read_text
from pytest_mlff.settings.names import shown


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
        text = read_text(path)
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        place = f"{path}:{line[1]}" if line else f"{path}"
        raise SpecError(f"{place}: not valid TOML: {one_line(str(error))}") from None
    except RecursionError:
        raise SpecError(f"{path}: not valid TOML here: it is nested too deep") from None
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not valid TOML: not UTF-8 at byte {error.start}") from None
    except ValueError as error:  # a number of more digits than Python reads
        raise SpecError(f"{path}: not valid TOML here: {one_line(str(error))}") from None
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
    except (ValueError, OverflowError) as error:
        raise SpecError(f"{where}: {one_line(key)} = {shown(value)}: {error}") from None
