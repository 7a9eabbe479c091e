"""A file of JSON lines, one for each piece of work, that a killed run goes on with.

A line begins with the fields that say which piece it is, then says what it was measured with, then holds the
values. What was measured with something else never enters one result.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_mlff.errors import SpecError


def _anything(values: Any) -> None:
    """Accept all values."""


def _latest(before: Any, after: Any) -> Any:
    """Take the values of the later line."""
    return after


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """Results of many pieces of work.

    Attributes
    ----------
    path : Path
        The file, made at the first result.
    keys : mapping of str to type
        Fields that name a piece of work, in their order, with their types.
    measured_with : mapping of str to str
        Fields that must be the same in every line, such as protocol and version.
    check : callable
        Called with the values of each line that is read; raises ``ValueError``, ``KeyError`` or ``TypeError`` where
        they are none of this kind.
    accepts : mapping of str to collection of str
        Other values of those fields that hold as well, such as an earlier version of data that were only added to.
    join : callable
        Puts the values of two lines of one piece of work together, the earlier ones first; by default the later
        ones stand.
    """

    path: Path
    keys: Mapping[str, type]
    measured_with: Mapping[str, str] = field(default_factory=dict)
    check: Callable[[Any], object] = _anything
    accepts: Mapping[str, Collection[str]] = field(default_factory=dict)
    join: Callable[[Any, Any], Any] = _latest

    def read(self) -> dict[tuple[Any, ...], Any]:
        """Read all results; what a killed run left of its last line is cut off the file.

        Returns
        -------
        dict
            Values by the key fields' values.

        Raises
        ------
        SpecError
            For a file that cannot be read, or that holds something else; it is left as it was.
        """
        place = str(self.path)
        done: dict[tuple[Any, ...], Any] = {}
        try:
            if self.path.is_fifo() or self.path.is_char_device():
                raise OSError("it is no regular file")  # and would be read for ever
            content = self.path.read_bytes()
            whole = content[: content.rfind(b"\n") + 1]
            for number, text in enumerate(whole.decode("utf-8").split("\n"), start=1):
                place = f"{self.path}:{number}"
                if text.strip():
                    key, values = self._parse(text, place)
                    done[key] = self.join(done[key], values) if key in done else values
            place, rest = str(self.path), content[len(whole) :].decode("utf-8", "replace")
            beginning = f'{{"{next(iter(self.keys))}": '
            if not rest.startswith(beginning[: len(rest)]):
                raise ValueError("its last line is of another kind")
            if rest:
                os.truncate(self.path, len(whole))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            why = error.strerror or error if isinstance(error, OSError) else f"not a line of such results ({error})"
            raise SpecError(f"{place}: cannot continue this file: {why}; name another --output") from None
        return done

    def append(self, key: tuple[Any, ...], values: Any) -> None:
        """Add a result.

        Parameters
        ----------
        key : tuple
            Values of the key fields.
        values : object
            What was measured; plain builtins.

        Raises
        ------
        SpecError
            If the file cannot be written.
        """
        line = {**dict(zip(self.keys, key, strict=True)), **self.measured_with, "values": values}
        self._write(json.dumps(line) + "\n")

    def touch(self) -> None:
        """Make the file if it is not there, before hours of work depend on it.

        Raises
        ------
        SpecError
            If it cannot be written.
        """
        self._write("")

    def _write(self, text: str) -> None:
        try:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(text)
        except OSError as error:
            raise SpecError(f"cannot write to {self.path}: {error.strerror or error}; name another --output") from None

    def _parse(self, text: str, place: str) -> tuple[tuple[Any, ...], Any]:
        line = json.loads(text)
        for what, wanted in self.measured_with.items():
            if line[what] != wanted and line[what] not in self.accepts.get(what, ()):
                raise SpecError(f"{place}: measured with {what} {line[what]}, this is {wanted}; name another --output")
        key, values = tuple(line[name] for name in self.keys), line["values"]
        for part, (name, kind) in zip(key, self.keys.items(), strict=True):
            if type(part) is not kind:
                raise TypeError(f"{name} {part!r}")
        self.check(values)
        return key, values
