"""Reading a TOML file: one way in, and one way to say what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from pytest_mlff.errors import SpecError
from pytest_mlff.foreign import one_line
from pytest_mlff.settings.files import read_text
from pytest_mlff.settings.names import shown, suggest


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


class Table:
    """A TOML table of known keys; messages name its place.

    Parameters
    ----------
    where : str
        File and table.
    content : mapping
        What TOML gave.
    known : collection of str
        Keys that it may have.

    Raises
    ------
    SpecError
        For any other key, with the nearest known one.
    """

    def __init__(self, where: str, content: Mapping[str, Any], known: Collection[str]) -> None:
        self.where, self._content = where, content
        for key in content:
            if key not in known:
                raise SpecError(f"{where}: unknown key {shown(key)}{suggest(key, known)}; known: {', '.join(known)}")

    def __contains__(self, key: str) -> bool:
        return key in self._content

    def take(self, key: str, parse: Callable[[Any], Any], default: Any = ...) -> Any:
        """Parse the value of a key; without a default it must be there."""
        if key not in self._content:
            if default is not ...:
                return default
            raise SpecError(f"{self.where}: {key!r} is missing")
        return parsed(self.where, key, self._content[key], parse)
