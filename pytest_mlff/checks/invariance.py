"""Symmetries and conservation laws: which row is measured how, and its record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from pytest_mlff.checks import conservation, extremes, learned, symmetries
from pytest_mlff.checks.catalogue import Row
from pytest_mlff.checks.context import CheckContext
from pytest_mlff.checks.judge import Finding, measured
from pytest_mlff.checks.workbench import Workbench
from pytest_mlff.schema import Record

_MEASURES: Mapping[str, Callable[[Workbench], Finding]] = {
    **{key: partial(symmetries.exact, key=key) for key in symmetries.EXACT},
    "determinism": symmetries.determinism,
    "small_cell": symmetries.small_cell,
    "rotation": learned.rotation,
    "momentum": learned.momentum,
    "torque": learned.torque,
    "energy_forces": conservation.energy_forces,
    "stress": conservation.stress,
    "nve_drift": conservation.nve_drift,
    "cutoff_continuity": extremes.cutoff_continuity,
    "dimer": extremes.dimer_curve,
    "hot": extremes.hot,
}


def run(context: CheckContext, rows: Sequence[Row]) -> dict[str, Record]:
    """Judge the rows of symmetries and conservation laws.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    rows : sequence of Row
        Of the check ``invariance``.

    Returns
    -------
    dict of str to Record
        By row id. A failing record names the structure that was kept.
    """
    bench = Workbench(context)
    # what one structure breaks, another may bear
    return {row.id: measured(context, row, partial(_finding, bench, row)) for row in rows}


def _finding(bench: Workbench, row: Row) -> Finding:
    bench.context.budget.check(f"the row {row.id}")
    return _MEASURES[row.key](bench)
