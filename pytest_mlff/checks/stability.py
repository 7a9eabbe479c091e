"""Does the model survive a short run of the liquid? Everything that needs a trajectory asks here first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from pytest_mlff.apparatus.context import CheckContext
from pytest_mlff.apparatus.judging import Finding, measured, unmeasured, without_verdict
from pytest_mlff.apparatus.work import Work
from pytest_mlff.errors import MlffError, UnstableError
from pytest_mlff.gate.catalogue import UNSTABLE, Row
from pytest_mlff.schema import Estimate, Record
from pytest_mlff.simulation.md import Run, engine_identity, simulate

STATE = "100K-256"
"""Liquid in which the stability run is made."""


def failure(context: CheckContext) -> str:
    """Why the stability run failed.

    Parameters
    ----------
    context : CheckContext
        Of the run.

    Returns
    -------
    str
        The message of the failure; empty if the model survived. Kept in the cache either way.

    Raises
    ------
    BudgetExhausted
        If there was no time for it.
    ModelError
        If the calculator raised: that says nothing about physics, and may have been the machine's fault.
    """
    parts = {
        **engine_identity(),
        "state": STATE,
        "steps": context.protocol.stability_steps,
        "seed": context.seed,
    }
    found = context.memo("stability", parts, lambda: {"failure": np.array(_run(context))}, holds=["failure"])
    return str(found["failure"])


def _run(context: CheckContext) -> str:
    frames = context.protocol.stability_steps // context.system.frame_stride
    starts = context.starts(f"start/{STATE}", 1).positions
    run = Run(state=context.system.state(STATE), seed=context.seed, equilibration_steps=0, segment_frames=frames)
    try:
        simulate(context.workshop, run, starts, n_frames=frames)
    except UnstableError as error:
        return str(error)
    return ""


def run(context: CheckContext, rows: Sequence[Row]) -> dict[str, Record]:
    """Judge whether the model survives.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    rows : sequence of Row
        The row ``stability``.

    Returns
    -------
    dict of str to Record
        PASS, or FAIL naming step, time and atoms; INCONCLUSIVE if the budget was spent before.
    """
    return {row.id: measured(context, row, partial(_finding, context)) for row in rows}


def _finding(context: CheckContext) -> Finding:
    reason = failure(context)
    return Finding(
        candidate=Estimate(1.0 if reason else 0.0, 0.0),
        force_calls=context.protocol.stability_steps,
        note=reason or f"survived {context.protocol.stability_steps} steps at {STATE}",
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
        One; every long check shares it.
    """
    atoms = context.system.state(STATE).n_atoms
    yield Work(share="stability", calls=context.protocol.stability_steps, atoms=atoms, replicas=1)


def skip_unstable(context: CheckContext, rows: Sequence[Row]) -> dict[str, Record] | None:
    """Make the records of a long check that is not worth running.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    rows : sequence of Row
        Of the long check.

    Returns
    -------
    dict of str to Record, or None
        None when the model survived the stability run, NOT_APPLICABLE when it did not, and what the map of errors says
        where nobody could find out.
    """
    try:
        reason = failure(context)
    except MlffError as error:
        return {row.id: unmeasured(context, row, error) for row in rows}
    if not reason:
        return None
    text = f"{UNSTABLE} ({reason})"
    return {row.id: without_verdict(context, row, "NOT_APPLICABLE", text) for row in rows}
