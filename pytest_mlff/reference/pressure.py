"""Pressure and bulk modulus of the reference: runs of its own at three volumes of each state.

The pressure is that of the virial of the forces. The plainly truncated potential has an impulsive part beside it, which
pairs add that cross the cutoff; no run feels it at constant volume, and both sides leave it out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.analysis.pressure import bulk_modulus, mean_pressure
from pytest_mlff.reference.packing import number
from pytest_mlff.reference.runs import SEED, Plan, reference_trajectory
from pytest_mlff.schema import Estimate
from pytest_mlff.simulation.forces import ModelForces
from pytest_mlff.simulation.md import Workshop
from pytest_mlff.simulation.pressure import frame_pressures, pressure_frames
from pytest_mlff.systems.system import State, as_cell

if TYPE_CHECKING:
    import xarray as xr

VOLUME_STEP = 0.03
"""Relative change of the volume to either side for the bulk modulus."""
PLANS = {
    ("liquid", 256): Plan(replicas=32, equilibration_steps=930, frames=232),
    ("liquid", 4000): Plan(replicas=4, equilibration_steps=930, frames=116),
    ("solid", 256): Plan(replicas=8, equilibration_steps=930, frames=116),
}
"""Runs at the volume of the state, by phase and size."""
STRAINED_PLANS = {
    ("liquid", 256): Plan(replicas=16, equilibration_steps=930, frames=232),
    ("solid", 256): Plan(replicas=8, equilibration_steps=930, frames=116),
}
"""Runs at the other two volumes; the bulk modulus of 256 atoms serves 4000 as well."""


def pressure_part(workshop: Workshop) -> Iterator[tuple[str, xr.Dataset]]:
    """Run and measure every state that a pressure is compared at.

    Parameters
    ----------
    workshop : Workshop
        Of the reference.

    Yields
    ------
    key : str
        ``"<state>/pressure"``.
    dataset : xr.Dataset
        ``pressure`` and ``bulk_modulus`` with their errors, in eV/Å³.
    """
    moduli: dict[tuple[str, float], Estimate] = {}
    for state in sorted(workshop.system.states, key=lambda point: point.n_atoms):
        kind = state.phase, state.temperature
        if (state.phase, state.n_atoms) not in PLANS:
            continue
        if (state.phase, state.n_atoms) in STRAINED_PLANS:
            moduli[kind] = measured_modulus(workshop, state, STRAINED_PLANS[state.phase, state.n_atoms])
        pressure = measured_pressure(workshop, state, PLANS[state.phase, state.n_atoms])
        yield f"{state.name}/pressure", pressure_dataset(pressure, moduli[kind])


def pressure_dataset(pressure: Estimate, modulus: Estimate) -> xr.Dataset:
    """Make the data set of a state.

    Parameters
    ----------
    pressure, modulus : Estimate
        In eV/Å³.

    Returns
    -------
    xr.Dataset
        Both with their errors; the degrees of freedom of the pressure + 1 in ``attrs["replicas"]``.
    """
    found = number("pressure", pressure, "eV/Å³")
    return found.merge(number("bulk_modulus", modulus, "eV/Å³").drop_attrs(deep=False))


def measured_pressure(
    workshop: Workshop, state: State, plan: Plan, *, volume: float = 1.0, seed: int = SEED
) -> Estimate:
    """Run a state, or one that is strained evenly, and take its pressure.

    Parameters
    ----------
    workshop : Workshop
        Of the reference.
    state : State
        The state.
    plan : Plan
        Lengths.
    volume : float, optional
        In volumes of the state.
    seed : int, optional
        Of the run.

    Returns
    -------
    Estimate
        In eV/Å³.
    """
    if volume != 1.0:
        cell = as_cell(volume ** (1 / 3) * np.array(state.cell))
        state = replace(state, name=f"{state.name}-volume-{volume:g}", cell=cell)
    return trajectory_pressure(workshop, state, reference_trajectory(workshop, state, plan, seed=seed))


def trajectory_pressure(workshop: Workshop, state: State, trajectory: xr.Dataset) -> Estimate:
    """Take the pressure of a trajectory of the workshop's model.

    Parameters
    ----------
    workshop : Workshop
        With the model that made it.
    state : State
        Where it ran.
    trajectory : xr.Dataset
        As ``schema`` describes it.

    Returns
    -------
    Estimate
        In eV/Å³.
    """
    forces = ModelForces(workshop.model, workshop.system, state.numbers, state.cell)
    wanted = list(pressure_frames(trajectory.sizes["frame"], state.n_atoms))
    virial = frame_pressures(forces, trajectory["position"].values[:, wanted])
    return mean_pressure(virial, atoms=state.n_atoms, volume=state.volume, temperature=state.temperature)


def measured_modulus(workshop: Workshop, state: State, plan: Plan, *, seed: int = SEED) -> Estimate:
    """Take the bulk modulus of a state from runs at two other volumes.

    Parameters
    ----------
    workshop : Workshop
        Of the reference.
    state : State
        The state.
    plan : Plan
        Lengths of either run.
    seed : int, optional
        Of the runs.

    Returns
    -------
    Estimate
        In eV/Å³.
    """
    volumes = 1.0 - VOLUME_STEP, 1.0 + VOLUME_STEP
    compressed, expanded = (measured_pressure(workshop, state, plan, volume=volume, seed=seed) for volume in volumes)
    return bulk_modulus(compressed, expanded, volume_ratio=volumes[1] / volumes[0])
