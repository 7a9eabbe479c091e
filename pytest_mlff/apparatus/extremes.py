"""Two atoms from far inside the core to beyond the cutoff, and many of them at three times the temperature."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from pytest_mlff.analysis.continuity import find_jump, irregular_intervals, rounding_step, wrong_sign
from pytest_mlff.apparatus.judging import Finding
from pytest_mlff.apparatus.workbench import PROBE, Workbench
from pytest_mlff.errors import NonFiniteError, UnstableError
from pytest_mlff.schema import Estimate
from pytest_mlff.simulation.md import Run, simulate
from pytest_mlff.simulation.statics import StaticForces
from pytest_mlff.systems.structure import Structure
from pytest_mlff.systems.system import State, as_cell
from pytest_mlff.units import BOLTZMANN_EV, EV_PER_AMU_ANGSTROM2_PS2, MEV

T = TypeVar("T")

SPACING = 0.02
"""Distance in Å between the points of the dimer's curve."""
INNER, BEYOND = 0.8, 1.0
"""The curve begins at this many closest approaches and ends this many Å beyond the reference's cutoff."""
CORE = 1.0
"""Jumps are looked for from this many closest approaches on: no pair of a liquid comes closer."""
HOT_TEMPERATURE = 300.0
"""Temperature in K of the hot run."""
HOT_FRAMES = 19
"""Its length: 190 steps, 2 ps."""
SANE = 0.25
"""Largest deviation of the mean temperature over the second half, as a fraction."""
_BOX = 40.0
_DIRECTIONS = np.array([[1.0, 0.0, 0.0], [0.48, 0.6, 0.64]])
_SUSPECTS, _WIDTH = 6, 1e-5
"""Intervals that are looked into, and the width in Å at which that ends."""
_ROUNDED = 4.0
"""Finest steps of the energy that rounding, of it and of what it is summed from, may take for a jump."""


class _Dimer:
    """The candidate's curve of two atoms alone.

    Parameters
    ----------
    bench : Workbench
        Of the run.
    direction : ndarray, shape (3,)
        Unit vector from the first atom to the second.
    """

    def __init__(self, bench: Workbench, direction: np.ndarray) -> None:
        self.direction, self._numbers = direction, np.array(bench.context.system.crystal.numbers[:1] * 2)
        self.model: StaticForces = bench.evaluator(self.structure(_BOX))

    def positions(self, distance: float) -> np.ndarray:
        """Positions (2, xyz) in Å of atoms so far apart."""
        half = 0.5 * distance * self.direction
        return 0.5 * _BOX + np.stack([-half, half])

    def structure(self, distance: float) -> Structure:
        """Both atoms in their cell."""
        return Structure(numbers=self._numbers, positions=self.positions(distance), cell=_BOX * np.eye(3))

    def force(self, distance: float) -> float:
        """Force in eV/Å that drives the atoms apart."""
        return float(self.forces(np.array([distance]))[0])

    def forces(self, distances: np.ndarray) -> np.ndarray:
        """Those at many distances; a batched model gets them in one call."""
        found = self._at(lambda: self.model(np.stack([self.positions(float(distance)) for distance in distances])))
        return np.asarray(0.5 * (found[:, 1] - found[:, 0]) @ self.direction)

    def energy(self, distance: float) -> float:
        """Energy in eV."""
        return self._at(lambda: self.model.energy(self.positions(distance)))

    def _at(self, ask: Callable[[], T]) -> T:
        """Ask the model; what it refuses as not finite says at which distance."""
        try:
            return ask()
        except NonFiniteError as error:
            if error.structure is not None:
                apart = float(np.linalg.norm(np.subtract(*error.structure.positions)))
                error.args = (f"{error}, {apart:.3f} Å apart",)
            raise


def cutoff_continuity(bench: Workbench) -> Finding:
    """Look for the largest jump of force and energy along the dimer's curve.

    In units of the reference's own jump of the force at its cutoff. A jump δE of the energy counts as the force that
    does the same work over the 0.02 Å by which two atoms come closer in a time step, where it is more than the steps in
    which a rounded energy comes.
    """
    system = bench.context.system
    grid = np.arange(CORE * system.closest_approach, system.cutoff + BEYOND, SPACING)
    unit, stretch = _reference_jump(bench), _thermal_step(bench)
    before, found, hidden = bench.calls, [(0.0, float(grid[-1]), "force", 0.0)], ""
    for number, direction in enumerate(_DIRECTIONS):
        dimer = _Dimer(bench, direction)
        for place in irregular_intervals(dimer.forces(grid), count=_SUSPECTS):
            jump = find_jump(dimer.force, float(grid[place]), float(grid[place + 1]), width=_WIDTH)
            found.append((jump.height / unit, jump.position, "force", jump.height))
        if number == 0 and "energy" in bench.context.model.provides:
            energies = np.array([dimer.energy(float(distance)) for distance in grid])
            coarse = _ROUNDED * rounding_step(energies)
            for place in irregular_intervals(energies, count=_SUSPECTS):
                jump = find_jump(dimer.energy, float(grid[place]), float(grid[place + 1]), width=_WIDTH)
                if jump.height > coarse:
                    found.append((jump.height / stretch / unit, jump.position, "energy", jump.height))
            if coarse > bench.limit("cutoff_continuity") * unit * stretch:
                hidden = f"; the energy is rounded: jumps below {coarse * MEV:.2g} meV would not be seen"
        bench.calls += dimer.model.calls
    value, position, what, height = max(found)
    note = f"largest jump: {what}, {height * MEV:.3g} meV{'/Å' if what == 'force' else ''} at {position:.3f} Å{hidden}"
    if value > bench.limit("cutoff_continuity"):
        dimer = _Dimer(bench, _DIRECTIONS[0])
        frames = [dimer.structure(position + side * _WIDTH) for side in (-1, 1)]
        note += bench.keep("cutoff_continuity", [(frame, None) for frame in frames])
    return Finding(candidate=Estimate(value, 0.0), force_calls=bench.calls - before, note=note)


def dimer_curve(bench: Workbench) -> Finding:
    """Look for holes in the repulsion and bumps in the attraction of two atoms alone.

    Largest force of the wrong sign in eV/Å: attraction inside the minimum, repulsion beyond it, wherever between one
    and 1.35 closest approaches the curve likes its minimum best.
    """
    system, before = bench.context.system, bench.calls
    grid = np.arange(INNER * system.closest_approach, system.cutoff + BEYOND, SPACING)
    first, last = np.searchsorted(grid, [system.closest_approach, 1.35 * system.closest_approach])
    found = []
    for direction in _DIRECTIONS:
        dimer = _Dimer(bench, direction)
        forces = dimer.forces(grid)
        bench.calls += dimer.model.calls
        found.append((*wrong_sign(forces, first=int(first), last=int(last)), dimer))
    size, worst, dimer = max(found, key=lambda item: item[0])
    note = f"{len(grid)} distances from {grid[0]:.2f} to {grid[-1]:.2f} Å in {len(_DIRECTIONS)} directions"
    if size > 0.0:
        note = f"worst at {grid[worst]:.2f} Å; {note}"
    if size > bench.limit("dimer"):
        frame = dimer.structure(float(grid[worst]))
        note += bench.keep("dimer", [(frame, None)])
    return Finding(candidate=Estimate(size, 0.0), force_calls=bench.calls - before, note=note)


def hot(bench: Workbench) -> Finding:
    """Run the liquid at three times its temperature.

    Parameters
    ----------
    bench : Workbench
        Of the run.

    Returns
    -------
    Finding
        0 if the run survives with a sane temperature, 1 if not.

    Raises
    ------
    BudgetExhausted
        If there was no time for it.
    """
    context = bench.context
    starts = context.starts(PROBE, 1)
    n = len(starts.numbers)
    state = State(
        name=f"{HOT_TEMPERATURE:g}K-{n}",
        phase="liquid",
        temperature=HOT_TEMPERATURE,
        numbers=tuple(starts.numbers.tolist()),
        cell=as_cell(starts.cells[0]),
    )
    run = Run(state=state, seed=context.seed, equilibration_steps=0, segment_frames=HOT_FRAMES)
    calls = HOT_FRAMES * context.system.frame_stride
    try:
        trajectory = simulate(context.workshop, run, starts.positions, n_frames=HOT_FRAMES)
    except UnstableError as error:
        return Finding(candidate=Estimate(1.0, 0.0), force_calls=calls, note=str(error))
    mean = float(trajectory["temperature"].values[:, HOT_FRAMES // 2 :].mean())
    sane = abs(mean - HOT_TEMPERATURE) <= SANE * HOT_TEMPERATURE
    note = f"{calls} steps of {n} atoms at {HOT_TEMPERATURE:g} K: {mean:.0f} K on average over the second half"
    return Finding(candidate=Estimate(0.0 if sane else 1.0, 0.0), force_calls=calls, note=note)


def _thermal_step(bench: Workbench) -> float:
    """Distance in Å by which two atoms of the liquid change theirs in a time step, root mean square."""
    system = bench.context.system
    mass = float(system.masses_of(system.crystal.numbers[:1])[0]) * EV_PER_AMU_ANGSTROM2_PS2
    return system.timestep * math.sqrt(2 * BOLTZMANN_EV * system.state("100K-256").temperature / mass)


def _reference_jump(bench: Workbench) -> float:
    """Force of the reference in eV/Å just inside its cutoff."""
    inside = _Dimer(bench, _DIRECTIONS[0]).structure(bench.context.system.cutoff - 1e-9)
    return float(np.abs(bench.reference_forces(inside)).max())
