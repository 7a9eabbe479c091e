"""OpenMM behind one door: replicas of one state point, stepped by the same integrator on both sides.

The reference (and any model that offers ``openmm_force``) runs as a native force where OpenMM takes the cell, every
other model as a ``PythonForce`` around its calculator, in any cell: OpenMM itself then needs none. What is specific to
OpenMM, and measured: NaN forces from a PythonForce pass silently, an exception inside it arrives without its type, and
a text that is no UTF-8 ends the process, so the wrapper keeps what happened; the state XML with integrator parameters
resumes a Nosé–Hoover chain exactly. Systems and platforms: ``openmm_system``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import openmm

from pytest_mlff.errors import ModelError, UnstableError
from pytest_mlff.schema import Model
from pytest_mlff.simulation.forces import ModelForces, calling
from pytest_mlff.simulation.frames import Frames, Stretch
from pytest_mlff.simulation.meter import Meter
from pytest_mlff.simulation.openmm_system import exact_context, native_context, native_vectors, openmm_system
from pytest_mlff.simulation.surroundings import surroundings_of
from pytest_mlff.simulation.velocities import thermal_velocities
from pytest_mlff.systems.structure import Structure, close_pairs
from pytest_mlff.systems.system import State, System
from pytest_mlff.units import ANGSTROM_PER_NM, BOLTZMANN_EV, KJ_PER_MOL_PER_EV

RUNAWAY_FACTOR = 3.0
"""A kinetic temperature above this multiple of the thermostat's ran away: nearly 40 s.d. for 256 atoms."""
OVERLAP = 0.7
"""Pairs closer than this part of the system's closest approach overlap: in argon that costs 300 kT at 100 K."""
_OVERLAP_STRIDE = 5
_LEFT = "the calculator raised"
"""All that OpenMM is told of an exception: it reads the text as C does, and dies of one that is no UTF-8."""


class _ForceWrapper:
    """The callable behind a PythonForce: checks, subtracts the net force per replica, remembers failures."""

    def __init__(self, forces: ModelForces, n_replicas: int) -> None:
        self.forces = forces
        self.error: BaseException | None = None
        self.bad: np.ndarray | None = None
        self.net_force = np.zeros(n_replicas)
        self._n_replicas = n_replicas

    def __call__(self, state: Any) -> tuple[float, np.ndarray]:
        try:
            positions = np.asarray(state.getPositions(asNumpy=True)._value) * ANGSTROM_PER_NM
            self._refuse_non_finite("positions", positions)
            forces = self.forces(positions.reshape(self._n_replicas, -1, 3))
            self._refuse_non_finite("forces", forces)
            net = forces.mean(axis=1, keepdims=True)
            self.net_force = np.linalg.norm(forces.sum(axis=1), axis=-1)
            return 0.0, (forces - net).reshape(-1, 3) * (KJ_PER_MOL_PER_EV * ANGSTROM_PER_NM)
        except BaseException as error:
            self.error = error
            raise RuntimeError(_LEFT) from None

    def _refuse_non_finite(self, what: str, values: np.ndarray) -> None:
        bad = _non_finite(values)
        if len(bad):
            self.bad = bad
            raise FloatingPointError(f"{what} are not finite")


def _non_finite(values: np.ndarray) -> np.ndarray:
    """Rows of (..., xyz) that hold a NaN or an infinity, counted through all leading dimensions."""
    return np.flatnonzero(~np.isfinite(values).all(axis=-1).ravel())


class Engine:
    """One OpenMM context that steps one or more copies of a state point.

    Parameters
    ----------
    model : Model
        The force field.
    system : System
        The material.
    state : State
        Temperature, atoms and cell.
    seeds : sequence of int
        Of the velocities, one for each copy (the dynamics itself is deterministic). More than one copy only
        for a model that is batched.
    meter : Meter, optional
        What every force call passes.

    Attributes
    ----------
    native : bool
        Whether the model's own OpenMM force is used.
    steps_done : int
        Steps since the start.
    """

    def __init__(
        self,
        model: Model,
        system: System,
        state: State,
        *,
        seeds: Sequence[int] = (0,),
        meter: Meter | None = None,
    ) -> None:
        self.system, self.state, self.seeds = system, state, tuple(seeds)
        self.n_replicas = len(self.seeds)
        self.steps_done = 0
        self.forces = ModelForces(model, system, state.numbers, state.cell, meter)
        self._masses = system.masses_of(state.numbers)
        self._relative = (self._masses / self._masses[0])[:, np.newaxis]
        self._vectors = native_vectors(state.cell)
        self._name = model.name
        self._last_sane: np.ndarray | None = None
        self._wrapper: _ForceWrapper | None = None
        offers = callable(getattr(model.calculator, "openmm_force", None))
        self.native = offers and self.n_replicas == 1 and self._vectors is not None
        if self.native:
            try:
                with calling("openmm_force", model), surroundings_of(model).around():
                    force = model.calculator.openmm_force(state.n_atoms)
                    self._context = self._make_context(force)
            except ModelError as error:
                if not isinstance(error.__cause__, openmm.OpenMMException):
                    raise
                self.native = False  # it knows no cutoff beyond half the cell; the calculator may
        if not self.native:
            self._wrapper = _ForceWrapper(self.forces, self.n_replicas)
            self._context = self._make_context(openmm.PythonForce(self._wrapper))

    def _make_context(self, force: Any) -> Any:
        masses = np.tile(self._masses, self.n_replicas).tolist()
        omm = openmm_system(masses, force, self._vectors if self.native else None)
        integrator = openmm.NoseHooverIntegrator(self.system.timestep)
        thermostat = self.system.thermostat
        # the chain counts 3N degrees of freedom, but momentum is conserved: 3N − 3 carry the temperature
        chain_temperature = self.state.temperature * (1 - 1 / self.state.n_atoms)
        for replica in range(self.n_replicas):
            first = replica * self.state.n_atoms
            integrator.addSubsystemThermostat(
                list(range(first, first + self.state.n_atoms)),
                [],
                chain_temperature,
                thermostat.collision_rate,
                1.0,  # of bonded pairs, of which there are none: must be positive
                1.0,
                thermostat.chain_length,
                1,
                1,
            )
        return native_context(omm, integrator) if self.native else exact_context(omm, integrator)

    def start(self, positions: np.ndarray) -> None:
        """Place the atoms and draw Maxwell–Boltzmann velocities without net momentum.

        Parameters
        ----------
        positions : ndarray, shape (replica, atom, xyz)
            In Å.
        """
        velocities = []
        for seed in self.seeds:
            rng = np.random.default_rng([seed, 0])
            velocity = thermal_velocities(rng, self._relative)
            # exact initial kinetic energy; thermostat and equilibration give it its fluctuations
            kinetic = (self._relative * velocity**2).sum() / (3 * self.state.n_atoms - 3)
            velocities.append(velocity * np.sqrt(self._thermal_speed2() / kinetic))
        self._context.setPositions(positions.reshape(-1, 3).astype(float) / ANGSTROM_PER_NM)
        self._context.setVelocities(np.concatenate(velocities))
        self._last_sane = positions.reshape(-1, 3).astype(float)

    def _thermal_speed2(self) -> float:
        """Variance of one velocity component of the first atom in (nm/ps)²: kT in kJ/mol over amu."""
        return BOLTZMANN_EV * KJ_PER_MOL_PER_EV * self.state.temperature / float(self._masses[0])

    def equilibrate(self, n_steps: int) -> None:
        """Step without keeping frames, but with the same checks.

        Parameters
        ----------
        n_steps : int
            Number of steps.

        Raises
        ------
        UnstableError, ModelError
            As :meth:`sample`.
        """
        for _ in self.take(self.stretch(n_steps, 0)):
            pass

    def sample(self, n_frames: int) -> Frames:
        """Step and keep a frame every ``system.frame_stride`` steps.

        Parameters
        ----------
        n_frames : int
            Frames to keep.

        Returns
        -------
        Frames
            The stretch.

        Raises
        ------
        UnstableError
            On non-finite numbers, a runaway temperature or overlapping atoms; names step, time and atoms.
        ModelError
            If the calculator raised.
        """
        stretch = self.stretch(0, n_frames)
        for _ in self.take(stretch):
            pass
        return stretch.frames

    def stretch(self, equilibration: int, n_frames: int) -> Stretch:
        """Make room for what a stretch of steps will produce.

        Parameters
        ----------
        equilibration : int
            Steps before the frames.
        n_frames : int
            Frames, one every ``system.frame_stride`` steps.

        Returns
        -------
        Stretch
            Of which nothing is done.
        """
        shape = (self.n_replicas, n_frames)
        position = np.empty((*shape, self.state.n_atoms, 3), dtype=np.float32)
        return Stretch(equilibration, Frames(position, np.empty(shape), np.zeros(shape)))

    def take(self, stretch: Stretch) -> Iterator[int]:
        """Take the steps of a stretch that are not done, each alone where a force call may be slow.

        Parameters
        ----------
        stretch : Stretch
            Filled on the way.

        Yields
        ------
        int
            Steps taken since the last time; between two of them a run may be left and taken up again.

        Raises
        ------
        UnstableError, ModelError
            As :meth:`sample`.
        """
        stride, n_frames = self.system.frame_stride, stretch.frames.position.shape[1]
        while stretch.done < stretch.equilibration + n_frames * stride:
            settled = stretch.done - stretch.equilibration
            # where the interval between two looks began, and where it ends
            begin = settled % stride if settled >= 0 else stretch.done % stride
            left = stride - begin if settled >= 0 else min(stride - begin, -settled)
            block = left if self.native else 1
            self.step(block)
            stretch.done += block
            if block == left:
                self._look(stretch)
            yield block

    def _look(self, stretch: Stretch) -> None:
        """Check what an interval led to, and keep it if it is a frame."""
        settled, stride = stretch.done - stretch.equilibration, self.system.frame_stride
        number = ((settled if settled > 0 else stretch.done) - 1) // stride
        flat, temperature = self._observe(check_overlap=number % _OVERLAP_STRIDE == 0)
        if settled > 0:
            stretch.frames.temperature[:, number] = temperature
            stretch.frames.position[:, number] = flat.reshape(self.n_replicas, -1, 3)
            if self._wrapper is not None:
                stretch.frames.net_force[:, number] = self._wrapper.net_force

    def step(self, n_steps: int) -> None:
        """Step, without looking at what comes out.

        Parameters
        ----------
        n_steps : int
            Number of steps.

        Raises
        ------
        UnstableError, ModelError
            If a step failed; names it. The original exception of a calculator is the cause.
        """
        try:
            self._context.getIntegrator().step(n_steps)
        except BaseException as error:
            wrapper = self._wrapper
            failure = error if wrapper is None or wrapper.error is None else wrapper.error
            if isinstance(failure, ModelError):
                raise failure.located(f"at {self.state.name}, {self._within(n_steps)}") from failure.__cause__
            if isinstance(failure, FloatingPointError):
                bad = None if wrapper is None else wrapper.bad
                raise self._unstable(str(failure), bad, self._within(n_steps)) from None
            if isinstance(failure, openmm.OpenMMException):
                bad = _non_finite(self._positions())
                if wrapper is not None and not len(bad):
                    # of a signal, on the way into the wrapper: OpenMM keeps the text
                    raise KeyboardInterrupt(str(failure)) from None
                raise self._unstable(str(failure), bad, self._within(n_steps)) from failure
            raise failure from failure.__cause__
        self.steps_done += n_steps

    def _positions(self) -> np.ndarray:
        state = self._context.getState(getPositions=True)
        return np.asarray(state.getPositions(asNumpy=True)._value) * ANGSTROM_PER_NM

    def _observe(self, *, check_overlap: bool) -> tuple[np.ndarray, np.ndarray]:
        """Positions (replica · atom, xyz) in Å and temperature (replica) in K, both sane."""
        state = self._context.getState(getPositions=True, getVelocities=True)
        flat = np.asarray(state.getPositions(asNumpy=True)._value) * ANGSTROM_PER_NM
        velocity = np.asarray(state.getVelocities(asNumpy=True)._value)
        bad = _non_finite(np.hstack([flat, velocity]))
        if len(bad):
            raise self._unstable("positions or velocities are not finite", bad)
        # of atoms that are all as heavy as the first
        speed2 = (self._relative * velocity.reshape(self.n_replicas, -1, 3) ** 2).sum(axis=2)
        freedom = 3 * self.state.n_atoms - 3
        temperature = speed2.sum(axis=1) / freedom / self._thermal_speed2() * self.state.temperature
        replica = int(np.argmax(temperature))
        if temperature[replica] > RUNAWAY_FACTOR * self.state.temperature:
            raise self._unstable(
                f"temperature ran away to {temperature[replica]:.0f} K (thermostat {self.state.temperature:g} K)",
                np.argsort(speed2[replica])[-3:][::-1] + replica * self.state.n_atoms,
            )
        if check_overlap:
            self._refuse_overlap(flat)
        self._last_sane = flat
        return flat, temperature

    def _refuse_overlap(self, flat: np.ndarray) -> None:
        limit = OVERLAP * self.system.closest_approach
        numbers, cell = np.array(self.state.numbers), np.array(self.state.cell)
        for replica, positions in enumerate(flat.reshape(self.n_replicas, -1, 3)):
            pairs = close_pairs(Structure(numbers=numbers, positions=positions, cell=cell), limit)
            if pairs:
                first, second, distance = pairs[0]
                raise self._unstable(
                    f"atoms overlap in {len(pairs)} pair(s): {distance:.2f} Å apart, below {limit:.2f} Å",
                    np.array([first, second]) + replica * self.state.n_atoms,
                )

    def _unstable(self, what: str, atoms: np.ndarray | None, when: str = "") -> UnstableError:
        """Make the error; ``atoms`` counts through all replicas, and the first one tells which is sick."""
        when = when or f"at step {self.steps_done} ({self.steps_done * self.system.timestep:.2f} ps)"
        n, replica, named = self.state.n_atoms, 0, ""
        if atoms is not None and len(atoms):
            replica = int(atoms[0]) // n
            copy = f"replica {replica}, " if self.n_replicas > 1 else ""
            named = f" ({copy}atoms {', '.join(str(int(atom) % n) for atom in atoms[:5])})"
        what = " ".join(what.split())
        error = UnstableError(f"{self._name} at {self.state.name}: {what}{named}, {when}")
        if self._last_sane is not None:
            error.last_sane = self._last_sane.reshape(self.n_replicas, n, 3)[replica]
        return error

    def _within(self, n_steps: int) -> str:
        """Tell when a step failed: OpenMM does not say which one of a block it was."""
        first = self.steps_done
        return f"between step {first} and {first + n_steps} ({first * self.system.timestep:.2f} ps)"

    def checkpoint(self) -> str:
        """Everything a continuation needs.

        Returns
        -------
        str
            OpenMM state XML with positions, velocities and the thermostat chain.
        """
        state = self._context.getState(getPositions=True, getVelocities=True, getIntegratorParameters=True)
        return str(openmm.XmlSerializer.serialize(state))

    def restore(self, checkpoint: str, steps_done: int) -> None:
        """Continue from a checkpoint, exactly.

        Parameters
        ----------
        checkpoint : str
            From :meth:`checkpoint`.
        steps_done : int
            Steps taken before it.
        """
        self._context.setState(openmm.XmlSerializer.deserialize(checkpoint))
        self.steps_done = steps_done
        self._last_sane = self._positions()
