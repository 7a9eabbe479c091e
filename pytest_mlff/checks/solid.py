"""Structure of the crystal at 20 K."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_mlff.analysis.rdf import distance2
from pytest_mlff.apparatus.context import CheckContext, segment_of
from pytest_mlff.apparatus.judging import Finding, sequential
from pytest_mlff.apparatus.work import Work, run_work
from pytest_mlff.checks.stability import skip_unstable
from pytest_mlff.checks.stability import work as stability_work
from pytest_mlff.gate.catalogue import Row
from pytest_mlff.reference.observables import measure
from pytest_mlff.schema import Record

STATE = "20K-solid-256"


def run(context: CheckContext, rows: Sequence[Row]) -> dict[str, Record]:
    """Judge g(r) of the crystal.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    rows : sequence of Row
        ``solid_rdf``.

    Returns
    -------
    dict of str to Record
        By row id.
    """
    skipped = skip_unstable(context, rows)
    if skipped is not None:
        return skipped
    reference = context.reference.observable(STATE, "rdf")

    def evaluate(frames: int, wanted: Sequence[Row]) -> dict[str, Finding]:
        trajectory = context.trajectory(STATE, replicas=context.protocol.solid_replicas, frames=frames)
        found = distance2(measure("rdf", trajectory), reference)
        calls = int(trajectory.attrs["force_calls"])
        return {row.id: Finding(candidate=found, force_calls=calls) for row in wanted}

    return sequential(context, rows, (context.protocol.solid_frames,), evaluate)


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
    yield from run_work(
        context,
        STATE,
        atoms=context.system.state(STATE).n_atoms,
        replicas=context.protocol.solid_replicas,
        looks=(context.protocol.solid_frames,),
        equilibration=context.protocol.equilibration_steps,
        segment=segment_of(context.protocol.solid_frames),
    )
