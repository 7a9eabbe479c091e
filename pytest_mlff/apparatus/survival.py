"""Does the model survive a short run of the liquid? Everything that needs a trajectory asks here first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pytest_mlff.apparatus.context import CheckContext
from pytest_mlff.apparatus.declaration import Row
from pytest_mlff.apparatus.judging import unmeasured, without_verdict
from pytest_mlff.apparatus.work import Work
from pytest_mlff.errors import MlffError, UnstableError
from pytest_mlff.schema import Record
from pytest_mlff.simulation.md import Run, engine_identity, simulate

STATE = "100K-256"
"""Liquid in which the stability run is made."""
SHARE = "stability"
"""What its force calls are called."""


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
    starts, state = context.starts(f"start/{STATE}", 1).positions, context.system.state(STATE)
    run = Run(state=state, seed=context.seed, equilibration_steps=0, segment_frames=frames)
    try:
        simulate(context.workshop, run, starts, n_frames=frames)
    except UnstableError as error:
        return str(error)
    return ""


def survival_work(context: CheckContext) -> Work:
    """Count the force calls of the stability run, which every long check shares."""
    atoms = context.system.state(STATE).n_atoms
    return Work(share=SHARE, calls=context.protocol.stability_steps, atoms=atoms, replicas=1)


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
    text = f"not run: the stability run failed ({reason})"
    return {row.id: replace(without_verdict(context, row, "NOT_APPLICABLE", text), blocked_by=SHARE) for row in rows}
