"""Force parity on held-out configurations, liquid and solid, small and large."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.analysis.parity import common_force_share, force_error_sd, force_parity, force_slope, one_minus_r2
from pytest_mlff.checks.catalogue import Row
from pytest_mlff.checks.context import CheckContext
from pytest_mlff.checks.judge import Finding, measured
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.schema import Record
from pytest_mlff.simulation.forces import ModelForces
from pytest_mlff.units import MEV, suspect
from pytest_mlff.verdict.format import format_estimate

if TYPE_CHECKING:
    import xarray as xr

CHUNK = 20
"""Configurations per cached piece: what a killed run can lose."""
PROPORTIONAL = 0.05
"""Largest residual, as a share of the candidate's squared forces, where the slope may be that of a unit."""


def run(context: CheckContext, rows: Sequence[Row]) -> dict[str, Record]:
    """Judge the parity rows.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    rows : sequence of Row
        ``parity-<phase>-<atoms>``.

    Returns
    -------
    dict of str to Record
        By row id.
    """
    counts = dict(context.protocol.parity)
    records = {}
    for row in rows:
        name = row.key.removeprefix("parity-")
        # a model too large for 4000 atoms still has its 256
        records[row.id] = measured(context, row, partial(_parity, context, name, counts[name]))
    return records


def parity_forces(context: CheckContext, name: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Compute the forces of the candidate and of the reference on held-out configurations.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    name : str
        ``"<phase>-<atoms>"``.
    count : int
        Configurations, from the first on.

    Returns
    -------
    candidate, exact : ndarray, shape (configuration, atom, xyz)
        In eV/Å; the candidate's as they are, finite or not.

    Raises
    ------
    BudgetExhausted
        If candidate forces are not in the cache and no wall time is left for them.
    """
    positions, boxes = context.reference.configurations(f"parity/{name}")
    positions, boxes = positions[:count], np.broadcast_to(boxes, (len(positions), 3))[:count]
    candidate = _candidate_forces(context, name, positions, boxes)
    native = ReferenceModel(context.system)
    exact = [ModelForces(native, context.system, box)(position) for position, box in zip(positions, boxes, strict=True)]
    return candidate, np.stack(exact)


def _parity(context: CheckContext, name: str, count: int) -> Finding:
    candidate, exact = parity_forces(context, name, count)
    parity = force_parity(candidate, exact)
    error = force_error_sd(parity)
    note = (
        f"{_slope(parity)}; {count} configurations, "
        f"force error s.d. {error.value * MEV:.3g} ± {error.stderr * MEV:.1g} meV/Å "
        f"of {float(parity['force_rms']) * MEV:.3g} meV/Å rms, "
        f"{common_force_share(candidate, exact):.0%} of its square one force on all atoms"
    )
    return Finding(candidate=one_minus_r2(parity), force_calls=count, note=note)


def _slope(parity: xr.Dataset) -> str:
    """Slope of the forces, and the unit that it points at, where a line through zero fits them."""
    slope = force_slope(parity)
    text = f"slope {format_estimate(slope.value, slope.stderr)}"
    found = suspect(slope.value) if float(parity["slope_residual"]) <= PROPORTIONAL else None
    return text if found is None else f"{text}: forces look like {found.look}, multiply by {found.factor:.4g}"


def _candidate_forces(context: CheckContext, name: str, positions: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    pieces = []
    context.progress.start(f"{context.model.name} parity {name}", len(positions))
    try:
        for first in range(0, len(positions), CHUNK):
            chosen = slice(first, first + CHUNK)
            parts = {"set": name, "first": first, "count": len(positions[chosen])}
            compute = partial(_forces, context, name, positions[chosen], boxes[chosen])
            pieces.append(context.memo("parity", parts, compute)["forces"])
            context.progress.advance(len(positions[chosen]))
    finally:
        context.progress.finish()
    return np.concatenate(pieces)


def _forces(context: CheckContext, name: str, positions: np.ndarray, boxes: np.ndarray) -> dict[str, np.ndarray]:
    context.budget.check(f"the parity of {name}")
    # counted by the analysis, so that a row tells how many configurations are spoiled
    evaluate = partial(ModelForces, context.model, context.system)
    found = [evaluate(box)(position) for position, box in zip(positions, boxes, strict=True)]
    return {"forces": np.stack(found)}
