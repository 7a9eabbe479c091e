"""A force call as it is timed: on a crystal whose atoms move from call to call."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pytest_mlff.apparatus.context import CheckContext
from pytest_mlff.systems.system import System

_SHAKEN, _MOVED = 0.15, 0.005
"""Displacements in Å: once, to leave the perfect crystal, and from call to call, as far as a step of MD moves atoms
(a neighbour list with a skin is then used as in MD, and no call sees the same positions)."""


def call_target(context: CheckContext, atoms: int) -> Callable[[], None]:
    """Make a force call on a shaken crystal, its atoms a little elsewhere each time.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    atoms : int
        Those of a cube of unit cells.

    Returns
    -------
    callable
        Not warmed up.
    """
    n = cells_along(context.system, atoms)
    lattice = context.system.crystal.repeated((n, n, n))
    forces = context.forces(lattice.numbers, lattice.cell)
    rng = np.random.default_rng(0)
    shaken = lattice.positions + rng.normal(0.0, _SHAKEN, lattice.positions.shape)

    def call() -> None:
        forces(shaken + rng.normal(0.0, _MOVED, shaken.shape))

    return call


def cells_along(system: System, atoms: int) -> int:
    """Count the unit cells along each vector of a crystal of so many atoms."""
    count: int = round((atoms / len(system.crystal.numbers)) ** (1 / 3))
    return count
