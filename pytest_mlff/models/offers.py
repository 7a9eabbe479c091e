"""What a model may offer beyond ``get_forces``: a batched call and a native OpenMM force.

The engine uses an offer in place of ``get_forces``, and the verdict is read as one on the calculator; so an
offer that computes other forces is refused here.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mlff.errors import ModelError, SpecError
from pytest_mlff.models.call import explained
from pytest_mlff.models.probe import PROBE_BOX, Probe, probe_forces, probe_positions
from pytest_mlff.simulation.answers import real_numbers
from pytest_mlff.units import ANGSTROM_PER_NM, KJ_PER_MOL_PER_EV

AGREEMENT = 1e-3
"""Largest difference to ``get_forces``, in units of the largest component; far above float32 rounding."""
NOISE_MARGIN = 5
"""What is added to it where forces do not repeat, in units of the largest difference between two calls."""
EDGES = (PROBE_BOX, 2 * PROBE_BOX, 4 * PROBE_BOX)
"""Edges in Å of the cells in which a native force is tried; the gate's own are below 60 Å."""


def check_offers(calculator: Any, found: Probe) -> list[str]:
    """Compare ``batch_forces`` and ``openmm_force``, where a calculator has them, with its own forces.

    Parameters
    ----------
    calculator : object
        The ASE calculator.
    found : Probe
        Its forces on the probe configurations, and how well they repeat.

    Returns
    -------
    list of str
        What is odd but no reason to refuse the model.

    Raises
    ------
    SpecError
        When an offer raises, returns what are no forces, is a ``PythonForce``, or disagrees by more than
        ``AGREEMENT`` and ``NOISE_MARGIN`` times the noise of the calculator's own forces.
    """
    pair = np.stack(probe_positions()[1:])
    expected = np.stack(found.forces[1:])
    if callable(getattr(calculator, "batch_forces", None)):
        with explained("batch_forces(positions, numbers, cell)", None):
            cell = PROBE_BOX * np.eye(3)
            answer = calculator.batch_forces(pair, np.full(pair.shape[1], 18), cell)
        try:
            forces = real_numbers(answer, "forces", pair.shape)
        except ModelError as error:
            raise SpecError(f"batch_forces: {error}") from error
        _compare("batch_forces", forces, expected, found.noise)
    if not callable(getattr(calculator, "openmm_force", None)):
        return []
    with explained("openmm_force(n_atoms)", None):
        forces, edge = _native_forces(calculator, pair[0])
    if edge == PROBE_BOX:
        _compare("openmm_force", forces, expected[0], found.noise)
        return []
    own = probe_forces(calculator, pair[0], edge=edge)
    _compare("openmm_force", forces, own, found.noise)
    return [
        f"openmm_force refuses a cell of {PROBE_BOX:g} Å and was compared in one of {edge:g} Å; "
        "cells that it refuses run on get_forces"
    ]


def _compare(name: str, forces: NDArray[np.float64], expected: NDArray[np.float64], noise: float) -> None:
    largest = float(np.abs(expected).max())
    worst = float(np.abs(forces - expected).max())
    if not worst <= AGREEMENT * largest + NOISE_MARGIN * noise:
        raise SpecError(
            f"{name} disagrees with get_forces by {worst:.2g} eV/Å where the largest component is "
            f"{largest:.2g}; correct it or remove it from the calculator"
        )


def _native_forces(calculator: Any, positions: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Evaluate the native force in the first cell that it takes; forces in eV/Å, edge in Å.

    OpenMM refuses cells narrower than twice the cutoff. There the engine falls back to the calculator; in
    the gate's larger cells the native force runs, so that it has to be compared all the same.
    """
    import openmm

    for edge in EDGES[:-1]:
        with suppress(openmm.OpenMMException):
            return _in_cell(calculator.openmm_force(len(positions)), positions, edge), edge
    return _in_cell(calculator.openmm_force(len(positions)), positions, EDGES[-1]), EDGES[-1]


def _in_cell(force: Any, positions: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Evaluate an OpenMM force on one probe configuration in a cubic cell, in eV/Å."""
    import openmm

    from pytest_mlff.simulation.openmm_system import exact_context, openmm_system

    if isinstance(force, openmm.PythonForce):  # OpenMM loses what it raises, Ctrl-C included
        raise SpecError("openmm_force returns a PythonForce; leave it out: the gate makes one of get_forces itself")
    system = openmm_system([39.948] * len(positions), force, width * np.eye(3))
    context = exact_context(system, openmm.VerletIntegrator(0.001))
    context.setPositions(positions / ANGSTROM_PER_NM)
    forces = context.getState(getForces=True).getForces(asNumpy=True)
    unit = openmm.unit.kilojoule_per_mole / openmm.unit.nanometer
    return np.asarray(forces.value_in_unit(unit), dtype=np.float64) / (KJ_PER_MOL_PER_EV * ANGSTROM_PER_NM)
