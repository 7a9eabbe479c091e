"""Relaxation of the liquid: Γ(q) in three forms, the mean relaxation rate, and the XSVS correlation time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.apparatus.context import CheckContext
from pytest_mlff.apparatus.judging import Finding
from pytest_mlff.checks.liquid import by_state, work
from pytest_mlff.gate.catalogue import Row
from pytest_mlff.reference.observables import VARIABLES, estimate, measure
from pytest_mlff.schema import Record

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["run", "work"]  # the trajectories are the liquid's


def run(context: CheckContext, rows: Sequence[Row]) -> dict[str, Record]:
    """Judge the relaxation rows at every state point.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    rows : sequence of Row
        Of the check ``xpcs``.

    Returns
    -------
    dict of str to Record
        By row id.
    """
    measured: dict[tuple[str, str, int], xr.Dataset] = {}

    def finding(context: CheckContext, row: Row, trajectory: xr.Dataset) -> Finding:
        name, _, shell = row.key.partition("-")
        where = (row.state, name, trajectory.sizes["frame"])
        if where not in measured:  # one measurement serves the rows of all its shells
            measured[where] = measure(name, trajectory)
        return _compare(context, row, measured[where], shell, int(trajectory.attrs["force_calls"]))

    return by_state(context, rows, finding)


def _compare(context: CheckContext, row: Row, candidate: xr.Dataset, shell: str, calls: int) -> Finding:
    name = row.key.partition("-")[0]
    reference = context.reference.observable(row.state, name)
    variable = VARIABLES[name]
    if not shell:
        longest = "a lower bound: the contrast stays above half of its first value up to the longest exposure"
        return Finding(
            candidate=estimate(candidate, variable),
            reference=estimate(reference, variable),
            force_calls=calls,
            note=longest if candidate.attrs.get("bounded") else "",
        )
    index = int(np.argmin(np.abs(candidate["q"].values - float(shell))))
    actual = float(candidate["mean_q"][index])
    note = f"{int(candidate['n_vectors'][index])} wave vectors, mean |q| {actual:.3f} 1/Å"
    return Finding(
        candidate=estimate(candidate, variable, index),
        reference=estimate(reference, variable, index),
        force_calls=calls,
        note=note,
    )
