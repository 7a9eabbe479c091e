"""A material as plain data: its crystal, its states, and how both sides run it.

Everything here can be written to JSON, hashed into a cache key and sent to another process. May import ``errors`` and
``settings``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from pytest_mlff.cells import volume
from pytest_mlff.errors import SpecError
from pytest_mlff.settings.names import suggest
from pytest_mlff.systems.structure import Structure

Vector: TypeAlias = tuple[float, float, float]
Cell: TypeAlias = tuple[Vector, Vector, Vector]
Repeats: TypeAlias = tuple[int, int, int]

PHASES = ("solid", "liquid", "glass")


def as_cell(vectors: ArrayLike) -> Cell:
    """Write three edges or three vectors, in Å, as plain numbers."""
    cell = np.asarray(vectors, dtype=float)
    x, y, z = (np.diag(cell) if cell.ndim == 1 else cell).tolist()
    return tuple(x), tuple(y), tuple(z)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCell:
    """What a crystal repeats.

    Attributes
    ----------
    numbers : tuple of int
        Atomic numbers.
    fractions : tuple of (float, float, float)
        Positions in units of the cell's vectors.
    cell : Cell
        Its vectors in Å.
    """

    numbers: tuple[int, ...]
    fractions: tuple[Vector, ...]
    cell: Cell

    def repeated(self, repeats: Repeats, cell: ArrayLike | None = None) -> Structure:
        """Perfect crystal of so many cells, cell by cell from the origin on; it fills ``cell`` where that is given."""
        unit = np.array(self.cell)
        whole = unit * np.array(repeats)[:, None] if cell is None else np.asarray(cell, dtype=float)
        if cell is not None:
            unit = whole / np.array(repeats)[:, None]
        grid = np.stack(np.meshgrid(*(np.arange(n) for n in repeats), indexing="ij"), axis=-1).reshape(-1, 1, 3)
        positions = (grid + np.array(self.fractions)).reshape(-1, 3) @ unit
        return Structure(numbers=np.tile(self.numbers, len(grid)), positions=positions, cell=whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where a run takes place, at constant volume: what is run, never how long.

    Attributes
    ----------
    name : str
        Key in the reference data; nothing is read from it.
    phase : str
        ``"liquid"``, ``"solid"``, ``"glass"`` or ``"slab"``.
    temperature : float
        In K.
    numbers : tuple of int
        Atomic numbers.
    cell : Cell
        In Å.
    repeats : tuple of int, optional
        Cells of the system's crystal that fill the cell, where runs start from the crystal or its melt.
    pressure : float, optional
        In bar, where the volume was chosen for one.
    """

    name: str
    phase: str
    temperature: float
    numbers: tuple[int, ...]
    cell: Cell
    repeats: Repeats | None = None
    pressure: float | None = None

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.numbers)

    @property
    def volume(self) -> float:
        """In Å³."""
        return volume(np.array(self.cell))


@dataclass(frozen=True, slots=True, kw_only=True)
class Thermostat:
    """Nosé–Hoover chain of both sides: collision frequency in 1/ps and length."""

    collision_rate: float = 5.0
    chain_length: int = 5


@dataclass(frozen=True, kw_only=True)
class System:
    """A material, and the settings that both sides of a check share.

    Attributes
    ----------
    name : str
        What it is called.
    crystal : UnitCell
        Of the static lattice at zero pressure.
    masses : tuple of (int, float)
        Atomic number and mass in amu of each species.
    timestep : float
        Integration step in ps.
    frame_stride : int
        Steps between stored frames.
    thermostat : Thermostat
        Of every run.
    states : tuple of State
        Those that the reference covers.
    reference : str
        SPEC of the reference calculator.
    cutoff : float
        Distance in Å from which atoms do not see each other.
    closest_approach : float
        Distance in Å below which atoms come at no state.
    """

    name: str
    crystal: UnitCell
    masses: tuple[tuple[int, float], ...]
    timestep: float
    frame_stride: int
    thermostat: Thermostat
    states: tuple[State, ...]
    reference: str
    cutoff: float
    closest_approach: float

    @property
    def frame_interval(self) -> float:
        """Time between frames in ps."""
        return self.timestep * self.frame_stride

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """What results depend on beside state and reference, for cache keys: a state more or less changes no other."""
        own = asdict(self)
        del own["states"], own["reference"]
        return own

    @cached_property
    def _mass(self) -> Mapping[int, float]:
        return dict(self.masses)

    def masses_of(self, numbers: ArrayLike) -> np.ndarray:
        """Masses in amu of atoms by their atomic numbers.

        Raises
        ------
        SpecError
            For a species that the system does not have.
        """
        try:
            return np.array([self._mass[int(number)] for number in np.asarray(numbers)])
        except KeyError as error:
            raise SpecError(f"{self.name} has no mass for the atomic number {error}") from None

    def state(self, name: str) -> State:
        """Look a state up by name.

        Raises
        ------
        SpecError
            Naming the states there are.
        """
        for state in self.states:
            if state.name == name:
                return state
        names = [state.name for state in self.states]
        raise SpecError(
            f"no state {name!r} in the system {self.name}{suggest(name, names)}; there are {', '.join(names)}"
        )

    def lattice(self, state: State) -> Structure:
        """Perfect crystal that fills the cell of a state."""
        if state.repeats is None:
            raise SpecError(f"the state {state.name} is not filled by cells of the crystal of {self.name}")
        return self.crystal.repeated(state.repeats, state.cell)
