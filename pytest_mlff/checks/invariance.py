"""Symmetries and conservation laws: which row is measured how, and its record."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import pytest_mlff
from pytest_mlff.apparatus import conservation, extremes, learned, symmetries
from pytest_mlff.apparatus.context import CheckContext
from pytest_mlff.apparatus.judging import Finding, measured
from pytest_mlff.apparatus.work import Work
from pytest_mlff.apparatus.workbench import Workbench
from pytest_mlff.gate.catalogue import Row
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.schema import Record
from pytest_mlff.simulation.cache import Cache
from pytest_mlff.simulation.meter import Meter

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
    with bench.context.meter.task(f"{bench.context.model.name} {row.id}"):
        return _MEASURES[row.key](bench)


def work(context: CheckContext, rows: Sequence[Row]) -> Iterator[Work]:
    """Count the force calls of the rows, by running them with the reference in place of the candidate.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    rows : sequence of Row
        Of this check.

    Yields
    ------
    Work
        For each row one for each size; where a model fails, the search for a small structure comes on top.
    """
    parts = {
        "kind": "invariance calls",
        "rows": [row.key for row in rows],
        "cases": context.protocol.invariance_cases,
        "seed": context.seed,
        "provides": sorted(context.model.provides),
        "system": context.system.identity,
        "reference": context.reference.version,
        "version": pytest_mlff.__version__,
    }
    found = context.cache.memo(parts, partial(_counted, context, rows), context.meter, holds=("row", "atoms", "calls"))
    for number, atoms, calls in zip(*(found[name].tolist() for name in ("row", "atoms", "calls")), strict=True):
        yield Work(share=rows[number].id, calls=calls, atoms=atoms)


def _counted(context: CheckContext, rows: Sequence[Row]) -> dict[str, np.ndarray]:
    """Count the calls of the reference in each row, by the number of atoms."""
    counted: list[tuple[int, int, int]] = []
    with tempfile.TemporaryDirectory(prefix="pytest-mlff-") as folder:
        cache, meter = Cache(Path(folder)), Meter()
        stand_in = _StandIn(_ThroughPython(ReferenceModel(context.system).calculator), context.model.provides)
        bench = Workbench(replace(context, model=stand_in, cache=cache, meter=meter, keep=None))
        for number, row in enumerate(rows):
            before = meter.sizes.copy()
            _MEASURES[row.key](bench)
            counted.extend((number, atoms, calls) for atoms, calls in sorted((meter.sizes - before).items()))
    names = ("row", "atoms", "calls")
    return dict(zip(names, np.array(counted, dtype=int).reshape(-1, 3).T, strict=True))


class _ThroughPython:
    """A calculator without its native force, whose steps nobody could count."""

    def __init__(self, calculator: Any) -> None:
        for name in ("get_forces", "get_potential_energy", "get_stress"):
            setattr(self, name, getattr(calculator, name))


@dataclass(frozen=True)
class _StandIn:
    """A model that is cheap, and passes."""

    calculator: Any
    provides: frozenset[str]
    name = spec = fingerprint = "the reference"
    repeatable = True
