"""What a model may offer beyond ``get_forces``: a batched call and a native OpenMM force.

The engine uses an offer in place of ``get_forces``, and the verdict is read as one on the calculator; so an
offer that computes other forces is refused here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mlff.errors import SpecError
from pytest_mlff.models.call import explained
from pytest_mlff.models.probe import PROBE_BOX, Probe, probe_positions
from pytest_mlff.units import ANGSTROM_PER_NM, KJ_PER_MOL_PER_EV

AGREEMENT = 1e-3
"""Largest difference to ``get_forces``, in units of the largest component; far above float32 rounding."""


def check_offers(calculator: Any, found: Probe) -> None:
    """Compare ``batch_forces`` and ``openmm_force``, where a calculator has them, with its own forces.

    Parameters
    ----------
    calculator : object
        The ASE calculator.
    found : Probe
        Its forces on the probe configurations.

    Raises
    ------
    SpecError
        When an offer raises, returns another shape, or disagrees by more than ``AGREEMENT``.
    """
    if not found.repeatable:  # there is nothing firm to compare with
        return
    pair = np.stack(probe_positions()[1:])
    expected = np.stack(found.forces[1:])
    if callable(getattr(calculator, "batch_forces", None)):
        with explained("batch_forces(positions, numbers, box)", None):
            box = np.full(3, PROBE_BOX)
            forces = np.asarray(calculator.batch_forces(pair, np.full(pair.shape[1], 18), box), dtype=float)
        _compare("batch_forces", forces, expected)
    if callable(getattr(calculator, "openmm_force", None)):
        with explained("openmm_force(n_atoms)", None):
            forces = _native_forces(calculator.openmm_force(pair.shape[1]), pair[0])
        _compare("openmm_force", forces, expected[0])


def _compare(name: str, forces: NDArray[np.float64], expected: NDArray[np.float64]) -> None:
    if forces.shape != expected.shape:
        raise SpecError(f"{name} returned forces of shape {forces.shape}, expected {expected.shape}")
    largest = float(np.abs(expected).max())
    worst = float(np.abs(forces - expected).max())
    if not worst <= AGREEMENT * largest:
        raise SpecError(
            f"{name} disagrees with get_forces by {worst:.2g} eV/Å where the largest component is "
            f"{largest:.2g}; correct it or remove it from the calculator"
        )


def _native_forces(force: Any, positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Evaluate an OpenMM force on one probe configuration, in eV/Å."""
    import openmm

    system = openmm.System()
    edge = PROBE_BOX / ANGSTROM_PER_NM
    system.setDefaultPeriodicBoxVectors((edge, 0, 0), (0, edge, 0), (0, 0, edge))
    for _ in positions:
        system.addParticle(39.948)
    system.addForce(force)
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(positions / ANGSTROM_PER_NM)
    forces = context.getState(getForces=True).getForces(asNumpy=True)
    unit = openmm.unit.kilojoule_per_mole / openmm.unit.nanometer
    return np.asarray(forces.value_in_unit(unit), dtype=np.float64) / (KJ_PER_MOL_PER_EV * ANGSTROM_PER_NM)
