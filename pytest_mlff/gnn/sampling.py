"""Trajectories that training configurations are taken from: native Lennard-Jones dynamics with one thermostat schedule.

Every kind of run is the same thing: a start, steps at the first temperature, then frames while the temperature goes
linearly to the last one. May import ``gnn.composition``, ``simulation``, ``analysis``, ``units`` and ``errors``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import openmm

from pytest_mlff.cells import wrap
from pytest_mlff.gnn.composition import SPLITS, Composition, Kind, Split, State
from pytest_mlff.potentials import lennard_jones
from pytest_mlff.simulation.openmm_system import exact_context, native_context, openmm_system
from pytest_mlff.simulation.slabs import prepare_slab
from pytest_mlff.systems.system import System, as_cell
from pytest_mlff.units import ANGSTROM_PER_NM, BOLTZMANN_EV, KJ_PER_MOL_PER_EV

MELT_TEMPERATURE = 300.0
"""Temperature in K at which a lattice is melted."""
MELT_STEPS = 1000
"""Steps there (11 ps): atoms of the melt then have moved by several distances."""
_BLOCK = 10
"""Steps between two changes of temperature in a ramp."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """One trajectory to run: plain data, the same in every process.

    Attributes
    ----------
    source : int
        Index of its run in the composition.
    kind : {"liquid", "solid", "ramp", "slab"}
        How it starts.
    split : {"train", "validation", "test"}
        Where all of its configurations go.
    state : State
        Where it runs.
    seed : int
        Of its velocities, and of its melt.
    frames, spacing_steps, equilibration_steps : int
        As in :class:`pytest_mlff.gnn.composition.Run`.
    """

    source: int
    kind: Kind
    split: Split
    state: State
    seed: int
    frames: int
    spacing_steps: int
    equilibration_steps: int

    @property
    def steps(self) -> int:
        """Steps of the run, those of a melt included."""
        melt = MELT_STEPS if self.kind == "liquid" else 0
        return melt + self.equilibration_steps + self.frames * self.spacing_steps


def trajectories(composition: Composition) -> Iterator[Trajectory]:
    """List what a composition asks for.

    Parameters
    ----------
    composition : Composition
        The composition.

    Yields
    ------
    Trajectory
        Run by run, state by state, each with a seed of its own.
    """
    for source, run in enumerate(composition.runs):
        for place, state in enumerate(run.states):
            for part, split in enumerate(SPLITS):
                for number in range(run.trajectories[split]):
                    sequence = np.random.SeedSequence([composition.seed, source, place, part, number])
                    yield Trajectory(
                        source=source,
                        kind=run.kind,
                        split=split,
                        state=state,
                        seed=int(sequence.generate_state(1)[0] >> 1),
                        frames=run.frames,
                        spacing_steps=run.spacing_steps,
                        equilibration_steps=run.equilibration_steps,
                    )


def frame_temperatures(trajectory: Trajectory) -> np.ndarray:
    """Temperature of the thermostat at each frame.

    Parameters
    ----------
    trajectory : Trajectory
        The trajectory.

    Returns
    -------
    ndarray, shape (frame,)
        In K.
    """
    first, last = trajectory.state.temperatures
    return first + (last - first) * np.arange(1, trajectory.frames + 1) / trajectory.frames


def run_trajectory(trajectory: Trajectory, system: System) -> np.ndarray:
    """Run a trajectory and keep its frames.

    Parameters
    ----------
    trajectory : Trajectory
        What to run.
    system : System
        The material.

    Returns
    -------
    ndarray of float32, shape (frame, atom, xyz)
        Positions in Å, in the half-open cell 0 ≤ x < L.
    """
    state, (first, last) = trajectory.state, trajectory.state.temperatures
    dynamics = _Dynamics(state, system)
    if state.slab is not None:
        slab = prepare_slab(state.slab, system, first, calculator=lennard_jones(), seed=trajectory.seed)
        dynamics.place(slab, first, trajectory.seed)
    else:
        cells = round((state.n_atoms / 4) ** (1 / 3))
        lattice = system.crystal.repeated((cells, cells, cells), np.diag(state.box)).positions
        hot = trajectory.kind == "liquid"
        dynamics.place(lattice, MELT_TEMPERATURE if hot else first, trajectory.seed)
        if hot:
            dynamics.step(MELT_STEPS)
    dynamics.heat(first)
    dynamics.step(trajectory.equilibration_steps)
    total = trajectory.frames * trajectory.spacing_steps
    frames = np.empty((trajectory.frames, state.n_atoms, 3), dtype=np.float32)
    for frame in range(trajectory.frames):
        for done in range(0, trajectory.spacing_steps, _BLOCK):
            steps = min(_BLOCK, trajectory.spacing_steps - done)
            dynamics.heat(first + (last - first) * (frame * trajectory.spacing_steps + done + steps) / total)
            dynamics.step(steps)
        frames[frame] = _wrapped(dynamics.positions(), state.box)
    return frames


def _wrapped(position: np.ndarray, box: Any) -> np.ndarray:
    """Wrap and round to float32: rounding must not put an atom onto the far face."""
    rounded = wrap(position, np.diag(box)).astype(np.float32)
    return np.where(rounded >= np.asarray(box), np.float32(0.0), rounded)


def reference_forces(frames: np.ndarray, box: Any, system: System) -> np.ndarray:
    """Evaluate the reference potential in double precision.

    Parameters
    ----------
    frames : ndarray, shape (frame, atom, xyz)
        Positions in Å.
    box : array_like, shape (3,)
        Edges of the cell in Å.
    system : System
        The material.

    Returns
    -------
    ndarray of float64, shape (frame, atom, xyz)
        eV/Å.
    """
    context = exact_context(_native_system(frames.shape[1], box, system), openmm.VerletIntegrator(system.timestep))
    forces = np.empty(frames.shape)
    for frame, position in enumerate(frames):
        context.setPositions(position.astype(float) / ANGSTROM_PER_NM)
        found = context.getState(getForces=True).getForces(asNumpy=True)._value
        forces[frame] = np.asarray(found) / (KJ_PER_MOL_PER_EV * ANGSTROM_PER_NM)
    return forces


def _native_system(n_atoms: int, box: Any, system: System) -> Any:
    masses = [_mass(system)] * n_atoms
    return openmm_system(masses, lennard_jones().openmm_force(n_atoms), as_cell(box))


def _mass(system: System) -> float:
    return float(system.masses_of(system.crystal.numbers)[0])


class _Dynamics:
    """Native dynamics of one cell; its thermostat can be moved while it runs, which ``Engine`` does not offer."""

    def __init__(self, state: State, system: System) -> None:
        self._n_atoms, self._system = state.n_atoms, system
        self._temperature, chain = 0.0, system.thermostat
        self._integrator = openmm.NoseHooverIntegrator(
            state.temperatures[0], chain.collision_rate, system.timestep, chain.chain_length, 1, 1
        )
        self._context = native_context(_native_system(state.n_atoms, state.box, system), self._integrator)

    def place(self, position: np.ndarray, temperature: float, seed: int) -> None:
        """Set positions in Å and draw velocities without net momentum."""
        velocity = np.random.default_rng([seed, 1]).standard_normal((self._n_atoms, 3))
        velocity -= velocity.mean(axis=0)
        speed2 = BOLTZMANN_EV * KJ_PER_MOL_PER_EV * temperature / _mass(self._system)
        self._context.setPositions(position / ANGSTROM_PER_NM)
        self._context.setVelocities(velocity * np.sqrt(speed2))
        self.heat(temperature)

    def heat(self, temperature: float) -> None:
        """Set the thermostat in K; its chain counts 3N degrees of freedom, of which 3N − 3 carry the temperature."""
        if temperature != self._temperature:
            self._integrator.setTemperature(temperature * (1 - 1 / self._n_atoms))
            self._temperature = temperature

    def step(self, steps: int) -> None:
        self._integrator.step(steps)

    def positions(self) -> np.ndarray:
        """Unwrapped, in Å."""
        state = self._context.getState(getPositions=True)
        return np.asarray(state.getPositions(asNumpy=True)._value) * ANGSTROM_PER_NM
