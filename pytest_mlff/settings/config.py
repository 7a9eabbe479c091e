"""The configuration file: ``[check.<name>]`` tables, one for each check, and what may stand in them.

Which checks, settings and rows there are is said by the checks themselves, through :class:`CheckTable`; whether a value
fits the reference or a row is checked by the rooms that own them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pytest_mlff.errors import SpecError
from pytest_mlff.foreign import one_line
from pytest_mlff.settings.names import shown, suggest
from pytest_mlff.settings.parsers import positive
from pytest_mlff.settings.systems import known_system
from pytest_mlff.settings.toml import parsed, read_toml

Config = Mapping[str, Mapping[str, Any]]
"""Settings of each check, by its name; ``limits`` among them."""

NO_CONFIG: Config = MappingProxyType({})
"""What a user who wrote no configuration has."""
LIMITS = "limits"
"""The key of every check: what its rows are judged by."""

_NEAR = 0.5
"""Least similarity of a key that is suggested: their beginnings are what is typed."""
_GONE = {
    ("speed", "max_ms_per_call"): ("speed", "ms_per_call"),
    ("speed", "max_mb_per_1000_calls"): ("memory", "memory_growth"),
}
"""Settings that are limits now: check and row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckTable:
    """What the table of a check may hold.

    Attributes
    ----------
    settings : mapping of str to callable
        Its settings, each with what reads the value or raises ``ValueError`` with what it expected.
    rows : collection of str
        What may stand in its ``limits``: keys of rows, and quantities that several of them measure.
    """

    settings: Mapping[str, Callable[[Any], Any]]
    rows: Collection[str]


Known = Mapping[str, CheckTable]
"""The table of each check, by its name."""


def validate_config(tables: Mapping[str, Any], *, where: str, known: Known) -> Config:
    """Check a parsed configuration and freeze it.

    Parameters
    ----------
    tables : mapping
        What TOML gave.
    where : str
        File (and table) it came from, for messages.
    known : mapping of str to CheckTable
        What there is to configure.

    Returns
    -------
    mapping of str to mapping
        By check, read-only, numbers as ``float`` or ``int``, lists as tuples.

    Raises
    ------
    SpecError
        Naming the unknown table, check, setting or row with the nearest known one, or the value that does not fit.
    """
    if not isinstance(tables, Mapping):
        raise SpecError(f"{where} = {shown(tables)} must be a table")
    for table, content in tables.items():
        if table != "check":
            raise SpecError(f"{where}: {_not_a_check_table(table, content, known)}")
    checks = tables.get("check", {})
    if not isinstance(checks, Mapping):
        raise SpecError(f"{where}: check = {shown(checks)} must be a table of tables: [check.<name>]")
    return MappingProxyType({name: _check_table(name, content, where, known) for name, content in checks.items()})


def _check_table(name: str, content: Any, where: str, known: Known) -> Mapping[str, Any]:
    if name not in known:
        near = suggest(name, known)
        raise SpecError(f"{where}: unknown check [check.{one_line(name)}]{near}; known: {', '.join(known)}")
    if not isinstance(content, Mapping):
        raise SpecError(f"{where}: check.{name} = {shown(content)} must be a table: [check.{name}]")
    settings = known[name].settings
    found: dict[str, Any] = {}
    for key, value in content.items():
        if key == LIMITS:
            found[LIMITS] = _limits(name, value, where, known)
        elif key in settings:
            found[key] = parsed(where, f"[check.{name}] {key}", value, settings[key])
        else:
            near, names = suggest(key, [*settings, LIMITS], cutoff=_NEAR), ", ".join([*settings, LIMITS])
            raise SpecError(f"{where}: unknown key {shown(key)} in [check.{name}]{near}; known: {names}")
    return MappingProxyType(found)


def _limits(check: str, limits: Any, where: str, known: Known) -> Mapping[str, float]:
    place = f"[check.{check}] {LIMITS}"
    if not isinstance(limits, Mapping):
        example = f"{{ {_toml_key(next(iter(known[check].rows)))} = 0.1 }}"
        raise SpecError(f"{where}: {place} = {shown(limits)} must be a table, such as {example}")
    for row in limits:
        if row in known[check].rows:
            continue
        owner = next((name for name, table in known.items() if row in table.rows), None)
        if owner:
            raise SpecError(f"{where}: {place}: {row!r} is a row of the check {owner}: write it into [check.{owner}]")
        near = suggest(row, known[check].rows, cutoff=_NEAR) or suggest(row, _all_rows(known), cutoff=_NEAR)
        raise SpecError(f"{where}: {place}: no row {shown(row)}{near}; known: {', '.join(known[check].rows)}")
    return MappingProxyType({row: parsed(where, f"{place}: {row}", value, positive) for row, value in limits.items()})


def _all_rows(known: Known) -> list[str]:
    return [row for table in known.values() for row in table.rows]


def _not_a_check_table(table: str, content: Any, known: Known) -> str:
    """Say what to write instead of a table that there is not, line by line where it is one of before."""
    if table == "tolerances" or table in known:
        entries = content.items() if isinstance(content, Mapping) else ()
        lines = dict.fromkeys(filter(None, (_line_now(table, key, value, known) for key, value in entries)))
        return f"[{table}] is gone; write {'; '.join(lines) if lines else _form_now(table)}"
    near = suggest(table, known)
    return f"unknown table [{one_line(table)}]{near}; what there is to set stands in [check.<name>]: {', '.join(known)}"


def _form_now(table: str) -> str:
    return "[check.<name>] limits = { <row> = <limit> }" if table == "tolerances" else f"[check.{table}]"


def _line_now(table: str, key: str, value: Any, known: Known) -> str:
    if table == "tolerances":
        check = next((name for name, known_table in known.items() if key in known_table.rows), "<name>")
    elif (table, key) in _GONE:
        check, key = _GONE[table, key]
    else:
        return f"[check.{table}] {_toml_key(key)} = {_toml_value(value)}"
    return f"[check.{check}] {LIMITS} = {{ {_toml_key(key)} = {_toml_value(value)} }}"


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[\w-]+", key) else json.dumps(one_line(key), ensure_ascii=False)


def _toml_value(value: Any) -> str:
    try:
        return json.dumps(value) if isinstance(value, str | list | bool) else shown(value)
    except (ValueError, TypeError, RecursionError):  # integers of thousands of digits, times, deep nesting
        return shown(value)


def read_config(path: Path, *, known: Known) -> tuple[Config, str | None]:
    """Read and check a configuration file.

    Parameters
    ----------
    path : Path
        A TOML file; of a ``pyproject.toml`` only ``[tool.mlff]`` is read.
    known : mapping of str to CheckTable
        What there is to configure.

    Returns
    -------
    tables : mapping of str to mapping
        As :func:`validate_config` gives it; empty when a ``pyproject.toml`` has no such table.
    system : str or None
        The value of ``system``, where it stands there.

    Raises
    ------
    SpecError
        When the file cannot be read, is not TOML (with file and line), or holds something unknown.
    """
    tables, _ = read_toml(path, "configuration")
    where = str(path)
    if path.name == "pyproject.toml":
        tool = tables.get("tool", {})
        tables, where = tool.get("mlff", {}) if isinstance(tool, dict) else {}, f"{path} [tool.mlff]"
    if not isinstance(tables, Mapping) or "system" not in tables:
        return validate_config(tables, where=where, known=known), None
    system = parsed(where, "system", tables["system"], known_system)
    rest = {key: value for key, value in tables.items() if key != "system"}
    return validate_config(rest, where=where, known=known), system
