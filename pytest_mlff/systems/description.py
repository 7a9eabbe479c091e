"""What a file says of a system, and the system that it makes where it says all. May import ``units`` and ``errors``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pytest_mlff.cells import volume
from pytest_mlff.errors import SpecError
from pytest_mlff.systems.system import Cell, Repeats, State, System, Thermostat, UnitCell, as_cell
from pytest_mlff.units import G_PER_CM3

MOST_ATOMS = 10**6
"""Of a state: a hundred times those of a long run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateDescription:
    """A ``[[state]]``: temperature in K, pressure in bar, density in g/cm³, cell in Å; None where it is left out."""

    name: str
    phase: str
    temperature: float
    pressure: float | None = None
    density: float | None = None
    cell: Cell | None = None
    repeats: Repeats | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a file says of a system: time in ps, lengths in Å, masses in amu; None where it is left out."""

    path: Path
    name: str
    crystal: UnitCell
    masses: tuple[tuple[int, float], ...]
    states: tuple[StateDescription, ...]
    reference: str | None = None
    timestep: float | None = None
    frame_stride: int | None = None
    thermostat: Thermostat = field(default_factory=Thermostat)
    cutoff: float | None = None
    closest_approach: float | None = None


def complete(description: Description) -> System:
    """Make the system of a description that leaves nothing out.

    Raises
    ------
    SpecError
        Naming what is missing.
    """
    found = description
    known = (found.timestep, found.frame_stride, found.cutoff, found.closest_approach, found.reference)
    keys = ("timestep_fs", "frame_stride", "cutoff", "closest_approach", "calculator")
    timestep, frame_stride, cutoff, closest_approach, reference = known
    if timestep is None or frame_stride is None or cutoff is None or closest_approach is None or reference is None:
        missing = [key for key, value in zip(keys, known, strict=True) if value is None]
        raise SpecError(f"{found.path}: the system {found.name} does not say {', '.join(missing)}")
    return System(
        name=found.name,
        crystal=found.crystal,
        masses=found.masses,
        timestep=timestep,
        frame_stride=frame_stride,
        thermostat=found.thermostat,
        states=tuple(_state(found, state) for state in found.states),
        reference=reference,
        cutoff=cutoff,
        closest_approach=closest_approach,
    )


def _state(description: Description, state: StateDescription) -> State:
    if state.repeats is None:
        raise SpecError(f"{description.path}: the state {state.name} does not say repeats, the cells that fill it")
    cells = math.prod(state.repeats)
    if cells * len(description.crystal.numbers) > MOST_ATOMS:
        raise SpecError(f"{description.path}: the state {state.name} has more than {MOST_ATOMS} atoms")
    numbers = description.crystal.numbers * cells
    return State(
        name=state.name,
        phase=state.phase,
        temperature=state.temperature,
        numbers=numbers,
        cell=state.cell or _filled(description, state, state.repeats, numbers),
        repeats=state.repeats,
        pressure=state.pressure,
    )


def _filled(description: Description, state: StateDescription, repeats: Repeats, numbers: tuple[int, ...]) -> Cell:
    """Cell of so many unit cells at the density that is asked for: of their shape."""
    unit = np.array(description.crystal.cell)
    shape = unit * np.array(repeats)[:, None]
    if state.density is None:
        return as_cell(shape)
    counts = [(numbers.count(each), mass) for each, mass in description.masses]
    edge = (sum(count * mass for count, mass in counts) * G_PER_CM3 / state.density) ** (1 / 3)
    if _is_cube(shape):
        return as_cell([edge, edge, edge])
    return as_cell(shape * edge / volume(shape) ** (1 / 3))


def _is_cube(shape: np.ndarray) -> bool:
    return bool(np.array_equal(shape, shape[0, 0] * np.eye(3)))
