"""The long runs behind the reference data: which ones, how long, from which starts.

All of them go through :func:`pytest_mlff.simulation.md.simulate`, so they are cached, resumable and shared
between processes like any run of the gate. May import ``simulation`` and below.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.simulation.md import Run, Workshop, simulate
from pytest_mlff.systems.system import State

if TYPE_CHECKING:
    import xarray as xr

MELT_TEMPERATURE = 300.0
"""Temperature in K at which a lattice is melted before a liquid run."""
MELT_SPACING = 19
"""Frames (2 ps at 300 K) between configurations taken from the melt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Lengths of the reference runs of one state point.

    Attributes
    ----------
    replicas : int
        Independent runs.
    equilibration_steps : int
        Steps before the first frame.
    frames : int
        Frames of each run.
    """

    replicas: int
    equilibration_steps: int
    frames: int


PLANS = {
    ("liquid", 256): Plan(replicas=64, equilibration_steps=1860, frames=928),
    ("liquid", 4000): Plan(replicas=8, equilibration_steps=1860, frames=1392),
    ("solid", 256): Plan(replicas=16, equilibration_steps=1860, frames=464),
    ("solid", 4000): Plan(replicas=5, equilibration_steps=930, frames=232),
}
"""By phase and size; fitted so that each judged quantity is known to a tenth of its tolerance."""
SEED = 20231


def reference_trajectory(workshop: Workshop, state: State, plan: Plan, *, seed: int = SEED) -> xr.Dataset:
    """Run (or read from the cache) the reference trajectory of a state point.

    Parameters
    ----------
    workshop : Workshop
        With the reference potential as model.
    state : State
        A liquid or solid state.
    plan : Plan
        Lengths.
    seed : int, optional
        Of velocities, and of the melt that a liquid starts from.

    Returns
    -------
    xr.Dataset
        The trajectory.
    """
    starts = workshop.system.lattice(state).positions[None].repeat(plan.replicas, axis=0)
    if state.phase == "liquid":
        starts = _melt(workshop, state, plan.replicas, seed=seed)
    run = Run(state=state, seed=seed, equilibration_steps=plan.equilibration_steps)
    return simulate(workshop, run, starts, n_frames=plan.frames)


def _melt(workshop: Workshop, state: State, count: int, *, seed: int = SEED) -> np.ndarray:
    """Take configurations of the hot liquid at the same density, two picoseconds apart."""
    hot = replace(state, name=f"melt-{state.name}", temperature=MELT_TEMPERATURE)
    run = Run(state=hot, seed=seed, equilibration_steps=1000)
    start = workshop.system.lattice(state).positions[None]
    trajectory = simulate(workshop, run, start, n_frames=count * MELT_SPACING)
    return np.asarray(trajectory["position"].values[0, MELT_SPACING - 1 :: MELT_SPACING])
