"""Virial pressure of the frames of a trajectory, by whatever forces: those that made it, or others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pytest_mlff.simulation.forces import ModelForces

PRESSURE_STRIDE = {256: 4, 4000: 10}
"""Frames between those whose pressure is taken, by number of atoms: it forgets itself in 0.4 ps, and a frame of 4000
atoms holds as much as sixteen of 256."""


def virial_pressure(stress: np.ndarray) -> float:
    """Pressure of a stress of ASE's sign, which is positive under tension.

    Parameters
    ----------
    stress : ndarray, shape (3, 3)
        In eV/Å³.

    Returns
    -------
    float
        Minus a third of its trace, in eV/Å³: the part of the interactions, without the kinetic one.
    """
    return float(-np.trace(stress) / 3.0)


def pressure_frames(n_frames: int, n_atoms: int) -> range:
    """Pick the frames whose pressure is taken.

    Parameters
    ----------
    n_frames, n_atoms : int
        Of the trajectory.

    Returns
    -------
    range
        Their indices.
    """
    return range(0, n_frames, PRESSURE_STRIDE[min(PRESSURE_STRIDE, key=lambda size: abs(size - n_atoms))])


def frame_pressures(
    forces: ModelForces, positions: np.ndarray, *, before: Callable[[int], None] = lambda count: None
) -> np.ndarray:
    """Virial pressure of configurations.

    Parameters
    ----------
    forces : ModelForces
        Of a model that provides a stress.
    positions : ndarray, shape (..., atom, xyz)
        In Å.
    before : callable, optional
        Told before each configuration how many are done.

    Returns
    -------
    ndarray, shape (...)
        In eV/Å³, finite or not.
    """
    flat = positions.reshape(-1, *positions.shape[-2:]).astype(float)
    found = []
    for count, configuration in enumerate(flat):
        before(count)
        found.append(virial_pressure(forces.stress(configuration)))
    return np.array(found).reshape(positions.shape[:-2])
