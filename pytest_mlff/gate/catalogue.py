"""Which rows a run has, in which order, and which function makes each of them.

Read at collection by the plugin: imports nothing heavy. A *row* is one line of the result table: an entry of
the tolerance table at one state point. A check that declares its rows is added by its name in :data:`CHECKS` alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pytest_mlff.apparatus.declaration import Declared
from pytest_mlff.errors import MlffError
from pytest_mlff.schema import Record
from pytest_mlff.simulation.surroundings import surroundings_of
from pytest_mlff.systems.protocols import Protocol, protocol
from pytest_mlff.verdict.tolerances import TOLERANCES, Hint, Tolerance

if TYPE_CHECKING:
    from pytest_mlff.apparatus.context import CheckContext

CHECKS = (
    *("forces", "energy", "solid_hessian", "phonons", "speed", "memory", "invariance", "stability"),
    *("solid", "solid_pressure", "liquid", "xpcs", "pressure", "melting"),
)
"""Order in which checks run: those that need no trajectory, then the shortest, then the long ones."""

# beginning of a row's key → test of the suite that carries it
_TESTS = (
    ("parity-", "check_forces.test_parity"),
    ("translation", "check_invariance.test_symmetry"),
    ("rotation", "check_invariance.test_symmetry"),
    ("permutation", "check_invariance.test_symmetry"),
    ("wrapping", "check_invariance.test_symmetry"),
    ("supercell", "check_invariance.test_symmetry"),
    ("small_cell", "check_invariance.test_symmetry"),
    ("determinism", "check_invariance.test_symmetry"),
    ("momentum", "check_invariance.test_conservation"),
    ("torque", "check_invariance.test_conservation"),
    ("energy_forces", "check_invariance.test_conservation"),
    ("stress", "check_invariance.test_conservation"),
    ("nve_drift", "check_invariance.test_conservation"),
    ("cutoff_continuity", "check_invariance.test_extremes"),
    ("dimer", "check_invariance.test_extremes"),
    ("hot", "check_invariance.test_extremes"),
    ("symmetry-", "check_solid.test_hessian"),
    ("pdos", "check_phonons.test_density_of_states"),
    ("negative_modes", "check_phonons.test_density_of_states"),
    ("ms_per_", "check_speed.test_cost"),
    ("memory_growth", "check_speed.test_memory"),
    ("stability", "check_liquid.test_stability"),
    ("solid_rdf", "check_solid.test_structure"),
    ("net_force", "check_liquid.test_stability"),
    ("rdf", "check_liquid.test_structure"),
    ("structure_factor", "check_liquid.test_structure"),
    ("diffusion", "check_liquid.test_transport"),
    ("gamma_", "check_xpcs.test_relaxation"),
    ("mean_relaxation_rate", "check_xpcs.test_relaxation"),
    ("xsvs_time", "check_xpcs.test_contrast"),
    ("melting_", "check_melting.test_melting"),
)
_PER_STATE = ("liquid", "xpcs")


def _declared() -> tuple[Declared, ...]:
    """Gather the rows of the checks that declare them; the others stand in the table of ``verdict``."""
    standing = {row.check for row in TOLERANCES.values()}
    declaring = [check for check in CHECKS if check not in standing]
    return tuple(row for check in declaring for row in import_module(f"pytest_mlff.checks.{check}").ROWS)


_DECLARED = _declared()
TABLE: Mapping[str, Tolerance] = MappingProxyType({**TOLERANCES, **{row.key: row for row in _DECLARED}})
"""Every row of the suite by its key."""
HINTS: Mapping[str, Hint] = MappingProxyType({row.key: row.hint for row in _DECLARED})
"""What the failures of declared rows usually mean, by key."""

UNSTABLE = "not run: the stability run failed"
"""How the reason of a row begins that was not worth running; such a model is refused, whatever rows were chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the result table.

    Attributes
    ----------
    id : str
        Name in test ids and records: the key, and the state point where a run has several.
    key : str
        Key in the tolerance table.
    check : str
        One of :data:`CHECKS`.
    test : str
        ``module.function`` of the suite that carries it.
    state : str
        State point, or empty.
    """

    id: str
    key: str
    check: str
    test: str
    state: str = ""


def rows(protocol_name: str, config: Mapping[str, Mapping[str, Any]]) -> tuple[Row, ...]:
    """List the rows of a run, cheap checks first.

    Parameters
    ----------
    protocol_name : str
        ``smoke``, ``ci`` or ``full``.
    config : mapping
        Tables of the configuration file.

    Returns
    -------
    tuple of Row
        In the order in which they should run.

    Raises
    ------
    SpecError
        If the configuration asks for what there is not.
    """
    chosen = protocol(protocol_name, config)
    found = []
    for tolerance in TABLE.values():
        if protocol_name in tolerance.protocols:
            found.extend(_rows_of(tolerance, chosen))
    return tuple(sorted(found, key=lambda row: CHECKS.index(row.check)))


def _rows_of(tolerance: Tolerance, chosen: Protocol) -> list[Row]:
    key, check = tolerance.key, tolerance.check
    assert check is not None, "a row of the package comes from one of its checks"
    if isinstance(tolerance, Declared):
        test, per_state = tolerance.test, tolerance.per_state
    else:
        test, per_state = next(test for prefix, test in _TESTS if key.startswith(prefix)), check in _PER_STATE
    if not (per_state and chosen.liquid_states):
        return [Row(id=key, key=key, check=check, test=test)]
    several = len(chosen.liquid_states) > 1
    return [
        Row(id=f"{key}-{state}" if several else key, key=key, check=check, test=test, state=state)
        for state in chosen.liquid_states
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
    return [row for row in wanted if TABLE[row.key].needs <= set(provides)]


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
    from pytest_mlff.apparatus.judging import unmeasured

    module = import_module(f"pytest_mlff.checks.{check}")
    records: dict[str, Record] = {}
    wanted = [row for row in rows(context.protocol.name, context.config) if row.check == check]
    measured = able(wanted, context.model.provides)
    for row in wanted:
        if row not in measured:
            records[row.id] = _lacking(context, row, TABLE[row.key].needs - context.model.provides)
    if not measured:
        return records
    try:
        with surroundings_of(context.model).around(), context.meter.task(f"{context.model.name} {check}"):
            records |= module.run(context, measured)
    except MlffError as error:
        records |= {row.id: unmeasured(context, row, error) for row in measured}
    return records


def _lacking(context: CheckContext, row: Row, missing: frozenset[str]) -> Record:
    """Say what a row needs and the model does not provide, or provides so that it cannot be used."""
    from pytest_mlff.apparatus.judging import without_verdict

    unusable: Mapping[str, str] = getattr(context.model, "unusable", {})
    silent = " and no ".join(sorted(missing - unusable.keys()))
    told = [unusable[need] for need in sorted(missing & unusable.keys())]
    reason = "; ".join([*told, f"the model provides no {silent}"] if silent else told)
    listed = missing & getattr(context.model, "listed", frozenset())
    return without_verdict(context, row, "FAIL" if listed else "NOT_APPLICABLE", reason)
