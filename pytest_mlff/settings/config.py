"""The configuration file: which tables and keys there are, and what may stand in them.

Names of tolerances and of state points are checked by the rooms that own them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pytest_mlff.errors import SpecError
from pytest_mlff.foreign import one_line
from pytest_mlff.settings.names import shown, suggest
from pytest_mlff.settings.parsers import LARGEST, positive, whole
from pytest_mlff.settings.systems import known_system
from pytest_mlff.settings.toml import parsed, read_toml

Config = Mapping[str, Mapping[str, Any]]

NO_CONFIG: Config = MappingProxyType({})
"""What a user who wrote no configuration has."""


def _looks(value: Any) -> tuple[int, ...]:
    hint = "expected a list of step counts, each larger than the one before, such as [1160, 2320]"
    if not isinstance(value, list) or not value:
        raise ValueError(hint)
    if any(isinstance(step, bool) or not isinstance(step, int) or not 1 <= step <= LARGEST for step in value):
        raise ValueError(hint)
    if any(later <= earlier for earlier, later in pairwise(value)):
        raise ValueError(hint)
    return tuple(value)


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(name, str) and name for name in value):
        raise ValueError('expected a list of names such as ["100K-256"]')
    if len(set(value)) != len(value):
        raise ValueError("expected each name once")
    return tuple(value)


# A mean needs two replicas for an error bar, a distance of curves three; without one there is no verdict.
_TABLES: Mapping[str, Mapping[str, Callable[[Any], Any]]] = {
    "liquid": {"replicas": whole(3), "looks": _looks, "state_points": _names},
    "solid": {"replicas": whole(3), "steps": whole(1)},
    "melting": {"replicas": whole(2), "steps": whole(1)},
    "forces": {"configurations": whole(2)},
    "speed": {"max_ms_per_call": positive, "max_mb_per_1000_calls": positive},
}


_NEAR = 0.5
"""Least similarity of a key that is suggested: their beginnings are what is typed."""


def validate_config(tables: Mapping[str, Any], *, where: str) -> Config:
    """Check a parsed configuration and freeze it.

    Parameters
    ----------
    tables : mapping
        What TOML gave.
    where : str
        File (and table) it came from, for messages.

    Returns
    -------
    mapping of str to mapping
        Read-only, numbers as ``float`` or ``int``, lists as tuples. Names of tolerances and of state points
        are checked by those who own them.

    Raises
    ------
    SpecError
        Naming the unknown table or key with the nearest known one, or the value that does not fit.
    """
    if not isinstance(tables, Mapping):
        raise SpecError(f"{where} = {shown(tables)} must be a table")
    known = ("tolerances", *_TABLES)
    frozen: dict[str, Mapping[str, Any]] = {}
    for table, content in tables.items():
        if table not in known:
            raise SpecError(
                f"{where}: unknown table [{one_line(table)}]{suggest(table, known)}; known: {', '.join(known)}"
            )
        if not isinstance(content, Mapping):
            raise SpecError(f"{where}: {table} = {shown(content)} must be a table: [{table}]")
        frozen[table] = MappingProxyType(
            {key: _validate_key(table, key, value, where) for key, value in content.items()}
        )
    return MappingProxyType(frozen)


def _validate_key(table: str, key: str, value: Any, where: str) -> Any:
    parsers = _TABLES.get(table)
    if parsers is not None and key not in parsers:
        near, known = suggest(key, parsers, cutoff=_NEAR), ", ".join(parsers)
        raise SpecError(f"{where}: unknown key {shown(key)} in [{table}]{near}; known: {known}")
    return parsed(where, f"[{table}] {key}", value, positive if parsers is None else parsers[key])


def read_config(path: Path) -> tuple[Config, str | None]:
    """Read and check a configuration file.

    Parameters
    ----------
    path : Path
        A TOML file; of a ``pyproject.toml`` only ``[tool.mlff]`` is read.

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
        return validate_config(tables, where=where), None
    system = parsed(where, "system", tables["system"], known_system)
    return validate_config({key: value for key, value in tables.items() if key != "system"}, where=where), system
