"""Force parity on held-out configurations, liquid and solid, small and large."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pytest_mlff.analysis.parity import force_error_sd, force_parity, one_minus_r2
from pytest_mlff.checks.catalogue import Row
from pytest_mlff.checks.context import CheckContext
from pytest_mlff.checks.judge import Finding, Stopwatch, judge, without_verdict
from pytest_mlff.errors import BudgetExhausted, MlffError
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.schema import Estimate, Record
from pytest_mlff.simulation.forces import ModelForces
from pytest_mlff.units import MEV

CHUNK = 20
"""Configurations per cached piece: what a killed run can lose."""


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
        watch = Stopwatch()
        name = row.key.removeprefix("parity-")
        try:
            finding = _parity(context, name, counts[name])
        except BudgetExhausted as spent:
            records[row.id] = without_verdict(context, row, "INCONCLUSIVE", str(spent))
        except MlffError as error:  # a model too large for 4000 atoms still has its 256
            records[row.id] = without_verdict(context, row, "ERROR", str(error))
        else:
            records[row.id] = judge(context, row, finding, wall_s=watch.seconds)
    return records


def _parity(context: CheckContext, name: str, count: int) -> Finding:
    positions, boxes = context.reference.configurations(f"parity/{name}")
    positions, boxes = positions[:count], np.broadcast_to(boxes, (len(positions), 3))[:count]
    candidate = _candidate_forces(context, name, positions, boxes)
    bad = int(np.count_nonzero(~np.isfinite(candidate).all(axis=(1, 2))))
    if bad:
        note = f"forces are not finite in {bad} of {count} configurations"
        return Finding(candidate=Estimate(float("nan"), float("nan")), force_calls=count, note=note)
    native = ReferenceModel(context.system)
    exact = np.stack(
        [ModelForces(native, context.system, box)(position) for position, box in zip(positions, boxes, strict=True)]
    )
    parity = force_parity(candidate, exact)
    error = force_error_sd(parity)
    note = (
        f"{count} configurations, force error s.d. {error.value * MEV:.3g} ± {error.stderr * MEV:.1g} meV/Å "
        f"of {float(parity['force_rms']) * MEV:.3g} meV/Å rms"
    )
    return Finding(candidate=one_minus_r2(parity), force_calls=count, note=note)


def _candidate_forces(context: CheckContext, name: str, positions: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    pieces = []
    context.progress.start(f"{context.model.name} parity {name}", len(positions))
    try:
        for first in range(0, len(positions), CHUNK):
            chosen = slice(first, first + CHUNK)
            context.budget.check(f"the parity of {name}")
            parts = {"set": name, "first": first, "count": len(positions[chosen])}
            pieces.append(
                context.memo(
                    "parity",
                    parts,
                    lambda chosen=chosen: {"forces": _forces(context, positions[chosen], boxes[chosen])},
                )["forces"]
            )
            context.progress.advance(len(positions[chosen]))
    finally:
        context.progress.finish()
    return np.concatenate(pieces)


def _forces(context: CheckContext, positions: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    return np.stack([context.forces(box)(position) for position, box in zip(positions, boxes, strict=True)])
