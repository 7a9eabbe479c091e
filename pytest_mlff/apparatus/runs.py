"""The candidate's own runs, which several checks look at: of the liquid at its state points, and of the crystal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from pytest_mlff.apparatus.context import CheckContext, segment_of
from pytest_mlff.apparatus.declaration import Row
from pytest_mlff.apparatus.judging import Finding, sequential
from pytest_mlff.apparatus.survival import skip_unstable, survival_work
from pytest_mlff.apparatus.work import Work, run_work
from pytest_mlff.schema import Record

if TYPE_CHECKING:
    import xarray as xr

    Finder = Callable[[CheckContext, Row, xr.Dataset], Finding]

CRYSTAL = "20K-solid-256"
"""State in which the crystal is run."""


def by_state(context: CheckContext, rows: Sequence[Row], finding: Finder) -> dict[str, Record]:
    """Run the sequential loop at each state point of some rows.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    rows : sequence of Row
        Each with its state.
    finding : callable
        ``(context, row, trajectory) → Finding``.

    Returns
    -------
    dict of str to Record
        By row id; NOT_APPLICABLE for all if the stability run failed.
    """
    skipped = skip_unstable(context, rows)
    if skipped is not None:
        return skipped
    records: dict[str, Record] = {}
    for state in dict.fromkeys(row.state for row in rows):
        records |= sequential(
            context,
            [row for row in rows if row.state == state],
            context.protocol.looks,
            lambda frames, wanted, state=state: _look(context, state, frames, wanted, finding),  # type: ignore[misc]
        )
    return records


def _look(context: CheckContext, state: str, frames: int, wanted: Sequence[Row], finding: Finder) -> dict[str, Finding]:
    trajectory = context.trajectory(state, replicas=context.protocol.replicas, frames=frames)
    return {row.id: finding(context, row, trajectory) for row in wanted}


def liquid_work(context: CheckContext, rows: Sequence[Row]) -> Iterator[Work]:
    """Count the force calls of the liquid's runs.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    rows : sequence of Row
        Each with its state.

    Yields
    ------
    Work
        Those of the stability run first, then one for each look.
    """
    yield survival_work(context)
    for state in dict.fromkeys(row.state for row in rows):
        yield from run_work(
            context,
            state,
            atoms=context.system.state(state).n_atoms,
            replicas=context.protocol.replicas,
            looks=context.protocol.looks,
            equilibration=context.protocol.equilibration_steps,
            segment=segment_of(context.protocol.looks[0]),
        )


def crystal_run_work(context: CheckContext) -> Iterator[Work]:
    """Count the force calls of the crystal's runs: those of the stability run first, then a set for each look."""
    yield survival_work(context)
    yield from run_work(
        context,
        CRYSTAL,
        atoms=context.system.state(CRYSTAL).n_atoms,
        replicas=context.protocol.solid_replicas,
        looks=(context.protocol.solid_frames,),
        equilibration=context.protocol.equilibration_steps,
        segment=segment_of(context.protocol.solid_frames),
    )
