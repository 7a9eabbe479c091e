"""A force call as it is timed: on a crystal whose atoms move from call to call."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pytest_mlff.apparatus.context import CheckContext
from pytest_mlff.simulation.systems import fcc_positions

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
        Four times a cube.

    Returns
    -------
    callable
        Not warmed up.
    """
    n_cells = round((atoms / 4) ** (1 / 3))
    edge = context.system.lattice_parameter
    lattice = fcc_positions((n_cells, n_cells, n_cells), edge)
    forces = context.forces(np.full(3, n_cells * edge))
    rng = np.random.default_rng(0)
    shaken = lattice + rng.normal(0.0, _SHAKEN, lattice.shape)

    def call() -> None:
        forces(shaken + rng.normal(0.0, _MOVED, lattice.shape))

    return call
