"""Pieces of OpenMM that every run needs alike: the system, its cell, and the platform that native forces run on.

May import ``units``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import openmm
from numpy.typing import ArrayLike

from pytest_mlff.units import ANGSTROM_PER_NM


def native_vectors(cell: ArrayLike) -> np.ndarray | None:
    """Vectors of the same lattice as OpenMM's own forces want them; None for a cell that is turned away from the axes.

    The first vector lies along x, the second in the xy plane, and none leans by more than half of one before it.
    """
    vectors = np.array(cell, dtype=float)
    if np.any(np.abs(vectors[np.triu_indices(3, k=1)]) > 1e-9) or np.any(np.diagonal(vectors) <= 0.0):
        return None
    vectors[np.triu_indices(3, k=1)] = 0.0
    for row, before in ((2, 1), (2, 0), (1, 0)):
        vectors[row] -= vectors[before] * np.round(vectors[row, before] / vectors[before, before])
    return vectors


def openmm_system(masses: Iterable[float], force: Any, cell: ArrayLike | None = None) -> Any:
    """Atoms under one force.

    Parameters
    ----------
    masses : iterable of float
        Of the atoms in amu; OpenMM does not move atoms of mass zero.
    force : openmm.Force
        What acts on the atoms; the system takes it over.
    cell : array_like, shape (3, 3), optional
        As :func:`native_vectors` gives it, in Å, for a native force; a ``PythonForce`` knows its own.

    Returns
    -------
    openmm.System
        For a context.
    """
    system = openmm.System()
    if cell is not None:
        system.setDefaultPeriodicBoxVectors(*(np.asarray(cell, dtype=float) / ANGSTROM_PER_NM).tolist())
    for mass in masses:
        system.addParticle(mass)
    system.addForce(force)
    return system


def native_context(system: Any, integrator: Any) -> Any:
    """Context on the CPU platform that repeats bit for bit.

    Parameters
    ----------
    system : openmm.System
        Without a ``PythonForce``: that gains nothing from this platform.
    integrator : openmm.Integrator
        Not in use by another context.

    Returns
    -------
    openmm.Context
        One thread, which at these sizes is as fast as two; the platform sums in thread order unless
        ``DeterministicForces`` is set.
    """
    properties = {"Threads": "1", "DeterministicForces": "true"}
    return openmm.Context(system, integrator, openmm.Platform.getPlatformByName("CPU"), properties)


def exact_context(system: Any, integrator: Any) -> Any:
    """Context on the Reference platform: double precision throughout.

    Parameters
    ----------
    system : openmm.System
        With any force.
    integrator : openmm.Integrator
        Not in use by another context.

    Returns
    -------
    openmm.Context
        Slow for native forces.
    """
    return openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
