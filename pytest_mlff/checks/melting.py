"""Melting: does the crystal grow below its melting point and melt above it, and where is that point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from pytest_mlff.apparatus.declaration import (
    CALIBRATED,
    CHOICE,
    CI,
    FULL,
    MEASURED,
    PAPER_SOURCE,
    Check,
    Declared,
    Setting,
)
from pytest_mlff.apparatus.judging import Finding, sequential
from pytest_mlff.apparatus.lengths import STRIDE, frames_of, melting_looks, refuse_more_than
from pytest_mlff.settings.parsers import whole
from pytest_mlff.systems.protocols import STARTS, Protocol

if TYPE_CHECKING:
    import xarray as xr

    from pytest_mlff.apparatus.context import CheckContext
    from pytest_mlff.apparatus.declaration import Row
    from pytest_mlff.apparatus.work import Work
    from pytest_mlff.schema import Record
    from pytest_mlff.simulation.slabs import Ladder

_BOTH = "Melting needs both phases right: compare parity, rdf and solid_rdf of each."
_ANSWER = "After one look it may be the slab's first answer to another potential, not steady motion: pdos tells."
_STABLE = f"The solid is too stable, so the melting point too high, as with attractions too strong. {_BOTH}"
_WEAK = f"The solid is not stable enough, so the melting point too low, as with attractions too weak. {_BOTH}"

ROWS = (
    *(
        Declared(
            key=key,
            atoms=atoms,
            test="check_melting.test_melting",
            observable=f"drift of the solid fraction at {kelvin} K, 15 K {words} melting",
            kind="sign",
            limit=sign,
            unit="1/ps",
            reason=f"the solid must {'grow' if sign > 0 else 'melt'} {words} its melting point; interfaces creep near "
            "it, so what is found is off by more than the bracket's 15 K",
            source=f"slabs rest at 74.2 ± 0.8 K at zero pressure, {MEASURED}; {CALIBRATED}",
            protocols=CI,
            hint=f"{cause} {_ANSWER}",
            panel="melting",
        )
        for key, sign, words, kelvin, atoms, cause in (
            ("melting_below", 1.0, "below", 59, 448, _WEAK),
            ("melting_above", -1.0, "above", 89, 512, _STABLE),
        )
    ),
    Declared(
        key="melting_point-paper",
        test="check_melting.test_melting",
        observable="melting point, the paper's geometry",
        kind="absolute",
        limit=2.7,
        unit="K",
        reason="twice the paper's error bar of 1.34 K; its networks are off by 0.6 and 1.2 K",
        source=PAPER_SOURCE,
        protocols=FULL,
        hint=(_STABLE, _WEAK),
    ),
    Declared(
        key="melting_point",
        test="check_melting.test_melting",
        observable="melting point, coexistence geometry",
        kind="relative",
        limit=0.05,
        unit="K",
        reason="3.5 K at 70 K, where one slab's ladder spreads by 2.7 K",
        source=f"{CHOICE}; spread {MEASURED}",
        protocols=FULL,
        hint=(_STABLE, _WEAK),
    ),
)


def _replicas(protocol: Protocol, count: int) -> Protocol:
    refuse_more_than(protocol.melting.slabs if protocol.melting else STARTS, count)
    return replace(protocol, melting=protocol.melting and replace(protocol.melting, replicas=count))


def _steps(protocol: Protocol, steps: int) -> Protocol:
    frames = frames_of(steps)
    if frames < 2:
        raise ValueError(f"expected at least {2 * STRIDE}: a drift needs two frames")
    return replace(protocol, melting=protocol.melting and replace(protocol.melting, looks=(frames,)))


CHECK = Check(
    order=160,
    looks=melting_looks,
    settings=(
        Setting(name="replicas", meaning="slabs per temperature", read=whole(2), change=_replicas),
        Setting(name="steps", meaning="one look of the bracket at that length", read=whole(1), change=_steps),
    ),
)


def _ladders() -> Mapping[str, Ladder]:
    from pytest_mlff.simulation.slabs import COEXISTENCE_LADDER, PAPER_LADDER

    return {"melting_point-paper": PAPER_LADDER, "melting_point": COEXISTENCE_LADDER}


def run(context: CheckContext, rows: Sequence[Row]) -> dict[str, Record]:
    """Judge the melting rows."""
    from pytest_mlff.apparatus.survival import skip_unstable
    from pytest_mlff.simulation.slabs import BRACKET

    skipped = skip_unstable(context, rows)
    if skipped is not None:
        return skipped
    lengths = context.protocol.melting
    assert lengths is not None, "a protocol with melting rows has their lengths"
    records: dict[str, Record] = {}
    for row in rows:
        looks = lengths.looks if row.key in BRACKET else (_ladders()[row.key].frames,)
        records |= sequential(
            context,
            [row],
            looks,
            lambda frames, wanted: {row.id: _finding(context, row, frames) for row in wanted},
        )
    return records


def _finding(context: CheckContext, row: Row, frames: int) -> Finding:
    from pytest_mlff.reference.melting import ladder_drifts, melting_point
    from pytest_mlff.reference.observables import estimate
    from pytest_mlff.simulation.slabs import BRACKET

    if row.key in BRACKET:
        return _bracket(context, row, frames)
    assert context.protocol.melting is not None
    replicas = context.protocol.melting.replicas
    ladder = _ladders()[row.key]
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
    from pytest_mlff.reference.melting import BRACKET_SEGMENT, rung_drift
    from pytest_mlff.simulation.slabs import BRACKET

    assert context.protocol.melting is not None
    rung = BRACKET[key]
    slabs = context.starts(f"slab/{rung.geometry.name}", context.protocol.melting.replicas).positions
    return rung_drift(context.workshop, rung, slabs, frames=frames, seed=context.seed, segment_frames=BRACKET_SEGMENT)


def _bracket(context: CheckContext, row: Row, frames: int) -> Finding:
    from pytest_mlff.analysis.statistics import replica_estimate
    from pytest_mlff.reference.observables import estimate
    from pytest_mlff.simulation.slabs import BRACKET

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
    """Count the force calls of the rows: those of the stability run first, then a set for each look."""
    from pytest_mlff.apparatus.survival import survival_work
    from pytest_mlff.apparatus.work import run_work
    from pytest_mlff.reference.melting import BRACKET_SEGMENT, LADDER_SEGMENT
    from pytest_mlff.simulation.slabs import BRACKET

    ladders = _ladders()
    yield survival_work(context)
    lengths = context.protocol.melting
    assert lengths is not None, "a protocol with melting rows has their lengths"
    for row in rows:
        rungs = [BRACKET[row.key]] if row.key in BRACKET else ladders[row.key].rungs
        looks = lengths.looks if row.key in BRACKET else (ladders[row.key].frames,)
        for rung in rungs:
            where = f"{row.id}, {rung.temperature:g} K"
            how: dict[str, Any] = {"replicas": lengths.replicas, "looks": looks, "equilibration": 0}
            how["segment"] = BRACKET_SEGMENT if row.key in BRACKET else LADDER_SEGMENT
            yield from run_work(context, where, atoms=rung.geometry.n_atoms, **how)
