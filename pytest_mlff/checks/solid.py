"""Structure of the crystal at 20 K."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_mlff.apparatus.declaration import CALIBRATED, CHOICE, PAPER_SOURCE, Check, Declared, Setting
from pytest_mlff.apparatus.judging import Finding, sequential
from pytest_mlff.apparatus.lengths import frames_of, refuse_more_than
from pytest_mlff.settings.parsers import whole
from pytest_mlff.systems.protocols import STARTS, Protocol

if TYPE_CHECKING:
    from pytest_mlff.apparatus.context import CheckContext
    from pytest_mlff.apparatus.declaration import Row
    from pytest_mlff.apparatus.work import Work
    from pytest_mlff.schema import Record

ROWS = (
    Declared(
        key="solid_rdf",
        share="solid",
        test="check_solid.test_structure",
        observable="distance of g(r) of the crystal from the reference",
        kind="upper",
        limit=0.05,
        reason="as in the liquid; it sees the shells' widths",
        source=f"{CHOICE}, after the agreement of the curves in {PAPER_SOURCE}; {CALIBRATED}",
        squared=True,
        hint="Shells too broad mean a crystal that is too soft, too narrow one that is too stiff; displaced shells one "
        "that is not stable there. Compare pdos; include solid configurations in the training data.",
        panel="g(r)",
    ),
)


def _replicas(protocol: Protocol, count: int) -> Protocol:
    refuse_more_than(STARTS, count)
    return replace(protocol, solid_replicas=count) if protocol.solid_replicas else protocol


def _steps(protocol: Protocol, steps: int) -> Protocol:
    frames = frames_of(steps)
    return replace(protocol, solid_frames=frames) if protocol.solid_replicas else protocol


CHECK = Check(
    order=110,
    worker="solid",
    settings=(
        Setting(name="replicas", meaning="independent runs", read=whole(3), change=_replicas),
        Setting(name="steps", meaning="steps per replica", read=whole(1), change=_steps),
    ),
)


def run(context: CheckContext, rows: Sequence[Row]) -> dict[str, Record]:
    """Judge g(r) of the crystal."""
    from pytest_mlff.analysis.rdf import distance2
    from pytest_mlff.apparatus.runs import CRYSTAL
    from pytest_mlff.apparatus.survival import skip_unstable
    from pytest_mlff.reference.observables import measure

    skipped = skip_unstable(context, rows)
    if skipped is not None:
        return skipped
    reference = context.reference.observable(CRYSTAL, "rdf")

    def evaluate(frames: int, wanted: Sequence[Row]) -> dict[str, Finding]:
        trajectory = context.trajectory(CRYSTAL, replicas=context.protocol.solid_replicas, frames=frames)
        found = distance2(measure("rdf", trajectory), reference)
        calls = int(trajectory.attrs["force_calls"])
        return {row.id: Finding(candidate=found, force_calls=calls) for row in wanted}

    return sequential(context, rows, (context.protocol.solid_frames,), evaluate)


def work(context: CheckContext, rows: Sequence[Row]) -> Iterator[Work]:
    """Count the force calls of the rows: that of the stability run first, then those of the crystal's runs."""
    from pytest_mlff.apparatus.runs import crystal_run_work

    yield from crystal_run_work(context)
