"""Melting: does the crystal grow below its melting point and melt above it, and where is that point."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_mlff.analysis.statistics import replica_estimate
from pytest_mlff.checks.catalogue import Row
from pytest_mlff.checks.context import CheckContext
from pytest_mlff.checks.judge import Finding, sequential
from pytest_mlff.checks.stability import skip_unstable
from pytest_mlff.reference.melting import BRACKET_SEGMENT, melting_point, rung_drift
from pytest_mlff.reference.observables import estimate
from pytest_mlff.schema import Record
from pytest_mlff.simulation.slabs import BRACKET, COEXISTENCE_LADDER, PAPER_LADDER

_LADDERS = {"melting_point-paper": PAPER_LADDER, "melting_point": COEXISTENCE_LADDER}


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
    assert context.protocol.melting is not None
    replicas = context.protocol.melting.replicas
    if row.key in BRACKET:
        return _bracket(context, row, replicas, frames)
    ladder = _LADDERS[row.key]
    slabs, _ = context.starts(f"slab/{ladder.name}", replicas)
    reference = context.reference.observable(ladder.name, "melting_point")
    return Finding(
        candidate=melting_point(context.workshop, ladder, slabs, seed=context.seed),
        reference=estimate(reference, "T"),
        force_calls=replicas * len(ladder.rungs) * ladder.frames * context.system.frame_stride,
        note=f"{slabs.shape[1]} atoms, {replicas} slabs at {len(ladder.rungs)} temperatures",
    )


def _bracket(context: CheckContext, row: Row, replicas: int, frames: int) -> Finding:
    rung = BRACKET[row.key]
    slabs, _ = context.starts(f"slab/{rung.geometry.name}", replicas)
    drift = rung_drift(context.workshop, rung, slabs, frames=frames, seed=context.seed, segment_frames=BRACKET_SEGMENT)
    reference = context.reference.observable(row.key, "drift")
    return Finding(
        candidate=replica_estimate(drift["drift_replica"].values),
        reference=estimate(reference, "drift"),
        force_calls=int(drift.attrs["force_calls"]),
        note=f"{slabs.shape[1]} atoms, {replicas} slabs at {rung.temperature:g} K",
    )
