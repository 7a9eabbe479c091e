"""The material under test and the states it is run in, as plain data.

A :class:`StatePoint` says what to run, never how long; it can be written to JSON, hashed into a cache key and
sent to another process. May import ``potentials``, ``units`` and ``errors``.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from pytest_mlff.errors import SpecError
from pytest_mlff.potentials import ARGON_CUTOFF, ARGON_EPSILON, ARGON_SIGMA, LennardJones, lennard_jones

FCC_BASIS = np.array([(0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)])
"""The four sites of the conventional cubic cell, in units of its edge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A one-component material and the integrator settings both sides share.

    Attributes
    ----------
    name, symbol : str
        Name of the system and chemical symbol of its atoms.
    mass : float
        Mass of an atom in amu.
    epsilon, sigma, cutoff : float
        Reference potential: well depth in eV, diameter and truncation radius in Å.
    timestep : float
        Integration step in ps.
    frame_stride : int
        Steps between stored frames.
    collision_rate : float
        Collision frequency of the Nosé–Hoover chain in 1/ps.
    chain_length : int
        Length of that chain.
    lattice_parameter : float
        Edge of the static FCC cell at zero pressure in Å.
    """

    name: str
    symbol: str
    mass: float
    epsilon: float
    sigma: float
    cutoff: float
    timestep: float
    frame_stride: int
    collision_rate: float
    chain_length: int
    lattice_parameter: float

    @property
    def frame_interval(self) -> float:
        """Time between frames in ps."""
        return self.timestep * self.frame_stride

    def potential(self) -> LennardJones:
        """Make the reference potential as an ASE calculator.

        Returns
        -------
        LennardJones
            A fresh calculator.
        """
        return lennard_jones(epsilon=self.epsilon, sigma=self.sigma, cutoff=self.cutoff)


ARGON = System(
    name="argon",
    symbol="Ar",
    mass=39.948,
    epsilon=ARGON_EPSILON,
    sigma=ARGON_SIGMA,
    cutoff=ARGON_CUTOFF,
    timestep=0.01078,
    frame_stride=10,
    collision_rate=5.0,
    chain_length=5,
    lattice_parameter=5.2687,
)
"""Argon as in Mohanty et al. (2023); the collision frequency and lattice parameter are ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatePoint:
    """Temperature, size and cell of a run at constant volume.

    Attributes
    ----------
    name : str
        Key in the reference data, for example ``"100K-256"``.
    phase : str
        ``"liquid"``, ``"solid"`` or ``"slab"``.
    temperature : float
        Temperature in K.
    n_atoms : int
        Number of atoms.
    box : tuple of float
        Edges of the orthorhombic cell in Å.
    """

    name: str
    phase: str
    temperature: float
    n_atoms: int
    box: tuple[float, float, float]


LIQUID_DENSITIES = {95.0: 0.777, 100.0: 0.760, 110.0: 0.714}
"""Reduced density ρσ³ of the liquid state points by temperature in K; they give the paper's tables back."""
LIQUID_SIZES = (256, 4000)
SOLID_TEMPERATURE = 20.0
SOLID_LATTICE_PARAMETER = 5.3157
"""Edge in Å of the reference's FCC cell at 20 K and zero virial pressure (NVT runs at 5.30, 5.31, 5.32 Å)."""


def state_points(system: System = ARGON) -> dict[str, StatePoint]:
    """All state points that the shipped reference covers.

    Parameters
    ----------
    system : System, optional
        The material.

    Returns
    -------
    dict of str to StatePoint
        Liquids named ``"<T>K-<atoms>"``, solids named ``"20K-solid-<atoms>"``.
    """
    points = {}
    for temperature, reduced_density in LIQUID_DENSITIES.items():
        for n_atoms in LIQUID_SIZES:
            edge = (n_atoms * system.sigma**3 / reduced_density) ** (1 / 3)
            name = f"{temperature:g}K-{n_atoms}"
            points[name] = StatePoint(
                name=name, phase="liquid", temperature=temperature, n_atoms=n_atoms, box=(edge, edge, edge)
            )
    for n_cells in (4, 10):
        points_edge = n_cells * SOLID_LATTICE_PARAMETER
        name = f"{SOLID_TEMPERATURE:g}K-solid-{4 * n_cells**3}"
        points[name] = StatePoint(
            name=name,
            phase="solid",
            temperature=SOLID_TEMPERATURE,
            n_atoms=4 * n_cells**3,
            box=(points_edge, points_edge, points_edge),
        )
    return points


def state_point(name: str, system: System = ARGON) -> StatePoint:
    """Look a state point up by name.

    Parameters
    ----------
    name : str
        As in :func:`state_points`.
    system : System, optional
        The material.

    Returns
    -------
    StatePoint
        The state.

    Raises
    ------
    SpecError
        Naming the states there are.
    """
    points = state_points(system)
    if name not in points:
        raise SpecError(f"no state point {name!r} in the {system.name} reference; there are {', '.join(points)}")
    return points[name]


def fcc_positions(n_cells: tuple[int, int, int], lattice_parameter: float) -> np.ndarray:
    """Positions of a perfect FCC crystal of conventional cells.

    Parameters
    ----------
    n_cells : tuple of int
        Cells along x, y and z.
    lattice_parameter : float
        Edge of the cubic cell in Å.

    Returns
    -------
    ndarray, shape (4·nx·ny·nz, 3)
        Positions in Å, from the origin on.
    """
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in n_cells), indexing="ij"), axis=-1).reshape(-1, 1, 3)
    return np.asarray((grid + FCC_BASIS).reshape(-1, 3) * lattice_parameter, dtype=float)


def make_atoms(system: System, positions: np.ndarray, box: Any) -> Any:
    """Periodic ``ase.Atoms`` of this material.

    Parameters
    ----------
    system : System
        The material.
    positions : ndarray, shape (atom, 3)
        In Å.
    box : array_like, shape (3,)
        Cell edges in Å.

    Returns
    -------
    ase.Atoms
        With the system's mass, and no calculator.
    """
    from ase import Atoms

    n = len(positions)
    return Atoms([system.symbol] * n, positions=positions, cell=np.asarray(box), pbc=True, masses=[system.mass] * n)


def extended_xyz(images: Sequence[Any]) -> bytes:
    """Write structures as a file for people and viewers.

    Parameters
    ----------
    images : sequence of ase.Atoms
        One frame each.

    Returns
    -------
    bytes
        Extended XYZ.
    """
    from ase.io import write

    buffer = io.StringIO()
    write(buffer, list(images), format="extxyz")
    return buffer.getvalue().encode()


def shortest_distance(positions: np.ndarray, box: Any) -> float:
    """Distance of the two atoms that are nearest to each other, images of an atom included.

    Parameters
    ----------
    positions : ndarray, shape (atom, 3)
        In Å, wrapped or not.
    box : array_like, shape (3,) or (3, 3)
        Cell edges in Å, or cell vectors as rows.

    Returns
    -------
    float
        In Å; NaN where a position is not finite.
    """
    from scipy.spatial import cKDTree

    if not np.isfinite(positions).all():
        return float("nan")
    cell = np.diag(box) if np.ndim(box) == 1 else np.asarray(box, dtype=float)
    inside = np.mod(positions @ np.linalg.inv(cell), 1.0) @ cell
    shifts = np.array(list(product((0, -1, 1), repeat=3))) @ cell
    everyone = (inside + shifts[:, None]).reshape(-1, 3)
    return float(cKDTree(everyone).query(inside, k=2)[0][:, 1].min())
