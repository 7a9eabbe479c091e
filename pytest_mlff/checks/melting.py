"""Melting: does the crystal grow below its melting point and melt above it, and where is that point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from pytest_mlff.analysis.statistics import replica_estimate
from pytest_mlff.apparatus.context import CheckContext
from pytest_mlff.apparatus.judging import Finding, sequential
from pytest_mlff.apparatus.work import Work, run_work
from pytest_mlff.checks.stability import skip_unstable
from pytest_mlff.checks.stability import work as stability_work
from pytest_mlff.gate.catalogue import Row
from pytest_mlff.reference.melting import BRACKET_SEGMENT, LADDER_SEGMENT, ladder_drifts, melting_point, rung_drift
from pytest_mlff.reference.observables import estimate
from pytest_mlff.schema import Record
from pytest_mlff.simulation.slabs import BRACKET, COEXISTENCE_LADDER, PAPER_LADDER

if TYPE_CHECKING:
    import xarray as xr

_LADDERS = {"melting_point-full": PAPER_LADDER, "melting_point": COEXISTENCE_LADDER}


def run(context: CheckContext, rows: Sequence[Row]) -> dict[str, Record]:
    """Judge the melting rows.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    rows : sequence of Row
        Of the bracket or the ladders.

    Returns
    -------
    dict of str to Record
        By row id; NOT_APPLICABLE for all if the stability run failed.
    """
    skipped = skip_unstable(context, rows)
    if skipped is not None:
        return skipped
    lengths = context.protocol.melting
    assert lengths is not None, "a protocol with melting rows has their lengths"
    records: dict[str, Record] = {}
    for row in rows:
        looks = lengths.looks if row.key in BRACKET else (_LADDERS[row.key].frames,)
        records |= sequential(
            context,
            [row],
            looks,
            lambda frames, wanted: {row.id: _finding(context, row, frames) for row in wanted},
        )
    return records


def _finding(context: CheckContext, row: Row, frames: int) -> Finding:
    if row.key in BRACKET:
        return _bracket(context, row, frames)
    assert context.protocol.melting is not None
    replicas = context.protocol.melting.replicas
    ladder = _LADDERS[row.key]
    slabs = context.starts(f"slab/{ladder.name}", replicas).positions
    reference = context.reference.observable(ladder.name, "melting_point")
    drifts = ladder_drifts(context.workshop, ladder, slabs, seed=context.seed)
    found = melting_point(ladder, drifts)
    note = f"{slabs.shape[1]} atoms, {replicas} slabs at {len(ladder.rungs)} temperatures"
    if not isfinite(found.value):
        seen = zip(ladder.rungs, drifts, strict=True)
        rates = ", ".join(f"{float(drift['drift']):+.2g} at {rung.temperature:g} K" for rung, drift in seen)
        note += f"; no temperature at which the interface rests: solid fraction drifts by {rates} (1/ps)"
    return Finding(
        candidate=found,
        reference=estimate(reference, "T"),
        force_calls=replicas * len(ladder.rungs) * ladder.frames * context.system.frame_stride,
        note=note,
    )


def bracket_run(context: CheckContext, key: str, frames: int) -> xr.Dataset:
    """Run the slabs of the bracket at one of its temperatures.

    Parameters
    ----------
    context : CheckContext
        Of the run, of a protocol that has the bracket.
    key : str
        Row: key of :data:`pytest_mlff.simulation.slabs.BRACKET`.
    frames : int
        Length of each run.

    Returns
    -------
    xr.Dataset
        Solid fraction and drift, as :func:`pytest_mlff.reference.melting.rung_drift` gives them.
    """
    assert context.protocol.melting is not None
    rung = BRACKET[key]
    slabs = context.starts(f"slab/{rung.geometry.name}", context.protocol.melting.replicas).positions
    return rung_drift(context.workshop, rung, slabs, frames=frames, seed=context.seed, segment_frames=BRACKET_SEGMENT)


def _bracket(context: CheckContext, row: Row, frames: int) -> Finding:
    drift = bracket_run(context, row.key, frames)
    rung, atoms = BRACKET[row.key], BRACKET[row.key].geometry.n_atoms
    reference = context.reference.observable(row.key, "drift")
    return Finding(
        candidate=replica_estimate(drift["drift_replica"].values),
        reference=estimate(reference, "drift"),
        force_calls=int(drift.attrs["force_calls"]),
        note=f"{atoms} atoms, {drift.sizes['replica']} slabs at {rung.temperature:g} K",
    )


def work(context: CheckContext, rows: Sequence[Row]) -> Iterator[Work]:
    """Count the force calls of the rows.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    rows : sequence of Row
        Of this check.

    Yields
    ------
    Work
        Those of the stability run first, then one for each look.
    """
    yield from stability_work(context, rows)
    lengths = context.protocol.melting
    assert lengths is not None, "a protocol with melting rows has their lengths"
    for row in rows:
        rungs = [BRACKET[row.key]] if row.key in BRACKET else _LADDERS[row.key].rungs
        looks = lengths.looks if row.key in BRACKET else (_LADDERS[row.key].frames,)
        for rung in rungs:
            where = f"{row.id}, {rung.temperature:g} K"
            how: dict[str, Any] = {"replicas": lengths.replicas, "looks": looks, "equilibration": 0}
            how["segment"] = BRACKET_SEGMENT if row.key in BRACKET else LADDER_SEGMENT
            yield from run_work(context, where, atoms=rung.geometry.n_atoms, **how)
