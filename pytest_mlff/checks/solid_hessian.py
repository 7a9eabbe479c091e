"""Symmetry of the Hessian, in the crystal (from the atoms of one primitive cell) and in the liquid (dense, a probe)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from pytest_mlff.analysis.hessian import crystal_symmetry, symmetry_estimate
from pytest_mlff.apparatus.context import CheckContext
from pytest_mlff.apparatus.crystal import crystal_response, crystal_work, relaxation
from pytest_mlff.apparatus.judging import Finding, measured
from pytest_mlff.apparatus.work import Work
from pytest_mlff.gate.catalogue import Row
from pytest_mlff.reference.observables import estimate
from pytest_mlff.schema import Record
from pytest_mlff.simulation.derivatives import CALLS_PER_ATOM, NOISE_CALLS, choose_step, dense_hessian, force_noise
from pytest_mlff.simulation.probe import PROBE_ATOMS


def run(context: CheckContext, rows: Sequence[Row]) -> dict[str, Record]:
    """Judge the symmetry rows.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    rows : sequence of Row
        ``symmetry-solid`` and ``symmetry-liquid``.

    Returns
    -------
    dict of str to Record
        By row id.
    """
    measure = {"symmetry-solid": _solid, "symmetry-liquid": _liquid}
    # what the crystal refuses, the liquid may allow
    return {row.id: measured(context, row, partial(measure[row.key], context)) for row in rows}


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
        One for each row.
    """
    for row in rows:
        if row.key == "symmetry-solid":
            yield crystal_work(context)
        else:
            yield Work(share=row.id, calls=NOISE_CALLS + CALLS_PER_ATOM * PROBE_ATOMS, atoms=PROBE_ATOMS)


def _solid(context: CheckContext) -> Finding:
    response = crystal_response(context)
    step = float(response["step"][0])
    atoms = response.sizes["atom"]
    reference = context.reference.observable(f"crystal-{atoms}", "symmetry")
    return Finding(
        candidate=crystal_symmetry(response),
        reference=estimate(reference, "S"),
        force_calls=int(response.attrs["force_calls"]),
        note=f"{atoms} atoms, difference step {step:.3g} Å{relaxation(response)}",
    )


def _liquid(context: CheckContext) -> Finding:
    positions, box = context.reference.configurations("probe/liquid")
    found = context.memo(
        "liquid-hessian", {}, lambda: _dense(context, positions[0], box), holds=["hessian", "step", "noise", "calls"]
    )
    step, noise = float(found["step"]), float(found["noise"])
    reference = context.reference.observable("probe-liquid", "symmetry")
    return Finding(
        candidate=symmetry_estimate(found["hessian"], step=step, force_noise=noise),
        reference=estimate(reference, "S"),
        force_calls=int(found["calls"]),
        note=f"{len(positions[0])} atoms, difference step {step:.3g} Å",
    )


def _dense(context: CheckContext, positions: np.ndarray, box: np.ndarray) -> dict[str, np.ndarray]:
    forces = context.forces(box)
    noise = force_noise(forces, positions, rng=np.random.default_rng(0))
    step = choose_step(noise)
    hessian = dense_hessian(forces, positions, step=step)
    return {
        "hessian": hessian,
        "step": np.array(step),
        "noise": np.array(noise.value),
        "calls": np.array(forces.calls),
    }
