"""Pieces of OpenMM that every run needs alike: the periodic system, and the platform that native forces run on.

May import ``units``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import openmm

from pytest_mlff.units import ANGSTROM_PER_NM


def periodic_system(masses: Iterable[float], box: Sequence[float], force: Any) -> Any:
    """Atoms in an orthorhombic cell under one force.

    Parameters
    ----------
    masses : iterable of float
        Of the atoms in amu; OpenMM does not move atoms of mass zero.
    box : sequence of float
        Three edges of the cell in Å.
    force : openmm.Force
        What acts on the atoms; the system takes it over.

    Returns
    -------
    openmm.System
        For a context.
    """
    system = openmm.System()
    x, y, z = (float(edge) / ANGSTROM_PER_NM for edge in box)
    system.setDefaultPeriodicBoxVectors((x, 0, 0), (0, y, 0), (0, 0, z))
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
