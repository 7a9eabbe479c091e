"""Structure and transport of the liquid: g(r), S(q), self-diffusivity, and the net force that was removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.analysis import rdf, structure_factor
from pytest_mlff.analysis.statistics import replica_estimate
from pytest_mlff.apparatus.context import CheckContext, segment_of
from pytest_mlff.apparatus.judging import Finding, sequential
from pytest_mlff.apparatus.work import Work, run_work
from pytest_mlff.checks.stability import skip_unstable
from pytest_mlff.checks.stability import work as stability_work
from pytest_mlff.gate.catalogue import Row
from pytest_mlff.reference.observables import estimate, measure
from pytest_mlff.schema import Estimate, Record

if TYPE_CHECKING:
    import xarray as xr

    Finder = Callable[[CheckContext, Row, xr.Dataset], Finding]


def run(context: CheckContext, rows: Sequence[Row]) -> dict[str, Record]:
    """Judge the liquid's rows at every state point.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    rows : sequence of Row
        Of the check ``liquid``.

    Returns
    -------
    dict of str to Record
        By row id.
    """
    return by_state(context, rows, _finding)


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


def _finding(context: CheckContext, row: Row, trajectory: xr.Dataset) -> Finding:
    calls = int(trajectory.attrs["force_calls"])
    if row.key == "net_force":
        return Finding(candidate=_net_force(trajectory), force_calls=calls)
    candidate = measure(row.key, trajectory)
    reference = context.reference.observable(row.state, row.key)
    if row.key == "diffusion":
        return Finding(candidate=estimate(candidate, "D"), reference=estimate(reference, "D"), force_calls=calls)
    distance2 = {"rdf": rdf.distance2, "structure_factor": structure_factor.distance2}[row.key]
    return Finding(candidate=distance2(candidate, reference), force_calls=calls)


def _net_force(trajectory: xr.Dataset) -> Estimate:
    """Root mean square over frames of the net force per atom, in eV/Å."""
    squares = (trajectory["net_force"].values / trajectory.sizes["atom"]) ** 2
    return replica_estimate(np.sqrt(squares.mean(axis=1)))


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
