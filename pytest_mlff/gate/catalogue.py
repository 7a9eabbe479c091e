"""Which rows a run has, in which order, and which function makes each of them.

The checks are found in the folder of :mod:`pytest_mlff.checks`: adding one is adding a file. Read at collection by the
plugin: imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

import pytest_mlff.checks
from pytest_mlff.apparatus.declaration import Check, Declared, Row
from pytest_mlff.apparatus.judging import unmeasured, without_verdict
from pytest_mlff.errors import MlffError, SpecError
from pytest_mlff.schema import Record
from pytest_mlff.settings.names import shown
from pytest_mlff.simulation.surroundings import surroundings_of
from pytest_mlff.systems.protocols import PROTOCOLS, STATE_ATOMS, Protocol

if TYPE_CHECKING:
    from pytest_mlff.apparatus.context import CheckContext


def module_of(check: str) -> ModuleType:
    """Import the file of a check.

    Parameters
    ----------
    check : str
        Its name.

    Returns
    -------
    module
        With ``ROWS``, ``run`` and ``work``.
    """
    return import_module(f"{pytest_mlff.checks.__name__}.{check}")


def _checks() -> dict[str, Check]:
    """Find the checks and put them into their order."""
    names = [found.name for found in iter_modules(pytest_mlff.checks.__path__)]
    found = {name: getattr(module_of(name), "CHECK", Check()) for name in names}
    return dict(sorted(found.items(), key=lambda item: (item[1].order, item[0])))


def _table() -> dict[str, Declared]:
    """Gather the rows that the checks declare."""
    table: dict[str, Declared] = {}
    for check in CHECKS:
        for row in module_of(check).ROWS:
            if row.key in table:
                raise RuntimeError(f"the checks {table[row.key].check} and {check} both declare a row {row.key!r}")
            table[row.key] = replace(row, check=check)
    return table


CHECKS: Mapping[str, Check] = MappingProxyType(_checks())
"""The checks by name, in the order in which they run: cheap ones first."""
TABLE: Mapping[str, Declared] = MappingProxyType(_table())
"""Every row of the suite by its key, in the order of the run."""


def chosen_protocol(name: str, config: Mapping[str, Mapping[str, Any]]) -> Protocol:
    """Find a protocol and apply a user's changes to it.

    Parameters
    ----------
    name : str
        Key of :data:`~pytest_mlff.systems.protocols.PROTOCOLS`.
    config : mapping
        Settings of each check, by its name.

    Returns
    -------
    Protocol
        The protocol to run. Changes of what it does not run at all are checked and stay out.

    Raises
    ------
    SpecError
        For what the reference does not cover, or a length that is too short or no whole number of frames.
    """
    chosen = PROTOCOLS[name]
    for check, about in CHECKS.items():
        given = config.get(check, {})
        for setting in about.settings:
            if setting.name in given:
                value = given[setting.name]
                try:
                    chosen = setting.change(chosen, value)
                except ValueError as error:
                    raise SpecError(f"[check.{check}] {setting.name} = {shown(value)}: {error}") from None
    return chosen


def rows(protocol_name: str, config: Mapping[str, Mapping[str, Any]]) -> tuple[Row, ...]:
    """List the rows of a run, cheap checks first.

    Parameters
    ----------
    protocol_name : str
        ``smoke``, ``ci`` or ``full``.
    config : mapping
        Settings of each check, by its name.

    Returns
    -------
    tuple of Row
        In the order in which they should run.

    Raises
    ------
    SpecError
        If the configuration asks for what there is not.
    """
    chosen = chosen_protocol(protocol_name, config)
    return tuple(
        row for declared in TABLE.values() if protocol_name in declared.protocols for row in _rows_of(declared, chosen)
    )


def _rows_of(declared: Declared, chosen: Protocol) -> list[Row]:
    key, states = declared.key, chosen.liquid_states
    if not (declared.per_state and states):
        return [Row(id=key, declared=declared, atoms=declared.atoms)]
    several = len(states) > 1
    return [
        Row(id=f"{key}-{state}" if several else key, declared=declared, state=state, atoms=STATE_ATOMS[state])
        for state in states
    ]


def able(wanted: Iterable[Row], provides: Collection[str]) -> list[Row]:
    """Leave out the rows for which a model lacks what they need.

    Parameters
    ----------
    wanted : iterable of Row
        Some rows.
    provides : collection of str
        What the model provides.

    Returns
    -------
    list of Row
        Those that can be measured.
    """
    return [row for row in wanted if row.declared.needs <= set(provides)]


def run_check(check: str, context: CheckContext) -> dict[str, Record]:
    """Run one check of one model.

    Parameters
    ----------
    check : str
        One of :data:`CHECKS`.
    context : CheckContext
        Model, protocol, reference and the rest.

    Returns
    -------
    dict of str to Record
        By row id, one for every row of the check; NOT_APPLICABLE where the model lacks what the row needs, FAIL where
        it lists it and does not deliver. What this package raises on purpose and no row caught is the record of all.
    """
    records: dict[str, Record] = {}
    wanted = [row for row in rows(context.protocol.name, context.config) if row.check == check]
    measured = able(wanted, context.model.provides)
    for row in wanted:
        if row not in measured:
            records[row.id] = _lacking(context, row, row.declared.needs - context.model.provides)
    if not measured:
        return records
    try:
        with surroundings_of(context.model).around(), context.meter.task(f"{context.model.name} {check}"):
            records |= module_of(check).run(context, measured)
    except MlffError as error:
        records |= {row.id: unmeasured(context, row, error) for row in measured}
    return records


def _lacking(context: CheckContext, row: Row, missing: frozenset[str]) -> Record:
    """Say what a row needs and the model does not provide, or provides so that it cannot be used."""
    unusable: Mapping[str, str] = getattr(context.model, "unusable", {})
    silent = " and no ".join(sorted(missing - unusable.keys()))
    told = [unusable[need] for need in sorted(missing & unusable.keys())]
    reason = "; ".join([*told, f"the model provides no {silent}"] if silent else told)
    listed = missing & getattr(context.model, "listed", frozenset())
    return without_verdict(context, row, "FAIL" if listed else "NOT_APPLICABLE", reason)
