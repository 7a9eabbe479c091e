"""Solid–liquid slabs to start melting runs from: their geometry, and how the reference prepares them.

A slab is an FCC crystal whose cell is split along z: one part stays solid, the other is melted while the atoms
of the first are held. Both interfaces are (100) faces. Only the reference prepares slabs; both sides of a check
then start from the same ones. May import ``openmm_system``, ``systems``, ``potentials``, ``units`` and
``errors``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import openmm

from pytest_mlff.errors import SpecError
from pytest_mlff.potentials import ARGON_SIGMA
from pytest_mlff.simulation.openmm_system import native_context, openmm_system
from pytest_mlff.systems.system import State, System, as_cell
from pytest_mlff.units import ANGSTROM_PER_NM


@dataclass(frozen=True, slots=True, kw_only=True)
class SlabGeometry:
    """Size and densities of a slab.

    Attributes
    ----------
    name : str
        Key in the reference data.
    lateral_cells : int
        Cubic cells along x and along y.
    solid_cells, liquid_cells : int
        Layers of cubic cells along z of either part.
    solid_density, liquid_density : float
        Reduced densities ρσ³ of cubic cells of four atoms, σ that of argon. The lateral spacing is the
        solid's, so the solid is not strained; the liquid's layers are farther apart.
    """

    name: str
    lateral_cells: int
    solid_cells: int
    liquid_cells: int
    solid_density: float
    liquid_density: float

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return 4 * self.lateral_cells**2 * (self.solid_cells + self.liquid_cells)

    @property
    def solid_fraction(self) -> float:
        """Fraction of the atoms in the part that stays solid."""
        return self.solid_cells / (self.solid_cells + self.liquid_cells)

    @property
    def spacings(self) -> tuple[float, float]:
        """Lattice parameter of the solid, and spacing of the liquid part's layers of cubic cells along z, in Å."""
        solid = float(ARGON_SIGMA * (4.0 / self.solid_density) ** (1 / 3))
        return solid, solid * self.solid_density / self.liquid_density

    def state(self, system: System, temperature: float) -> State:
        """State of a run in this cell.

        Parameters
        ----------
        system : System
            The material; its potential must fit twice into the shortest edge.
        temperature : float
            In K.

        Returns
        -------
        State
            Named ``"slab-<geometry>-<T>K"``.

        Raises
        ------
        SpecError
            If an atom could see two images of another.
        """
        solid, liquid = self.spacings
        lateral = self.lateral_cells * solid
        if lateral < 2 * system.cutoff:
            raise SpecError(
                f"slab {self.name!r} is {lateral:.2f} Å wide; the potential needs {2 * system.cutoff:g} Å, "
                f"that is {int(np.ceil(2 * system.cutoff / solid))} lateral cells"
            )
        return State(
            name=f"slab-{self.name}-{temperature:g}K",
            phase="slab",
            temperature=temperature,
            numbers=system.crystal.numbers[:1] * self.n_atoms,
            cell=as_cell([lateral, lateral, self.solid_cells * solid + self.liquid_cells * liquid]),
        )


def slab_sites(geometry: SlabGeometry, system: System) -> tuple[np.ndarray, np.ndarray]:
    """Lattice sites of both parts, before anything is melted.

    Parameters
    ----------
    geometry : SlabGeometry
        The slab.
    system : System
        The material.

    Returns
    -------
    position : ndarray, shape (atom, 3)
        In Å, the solid part from z = 0 on.
    solid : ndarray of bool, shape (atom,)
        True for atoms of the part that stays solid.
    """
    spacing, liquid_spacing = geometry.spacings
    n, layers = geometry.lateral_cells, geometry.solid_cells + geometry.liquid_cells
    crystal = replace(system.crystal, cell=as_cell([spacing, spacing, spacing]))
    sites = crystal.repeated((n, n, layers)).positions
    depth = sites[:, 2] - geometry.solid_cells * spacing
    solid = depth < -1e-6 * spacing
    sites[~solid, 2] += depth[~solid] * (liquid_spacing / spacing - 1.0)
    return sites, solid


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """How a slab is made from its lattice; lengths in steps of the system's timestep.

    Attributes
    ----------
    melt_temperature : float
        In K: hot enough to melt the liquid part in a few ps at any density used here.
    melt_steps : int
        With the solid part held. Atoms of the melt then move by about their distance, so slabs of different
        seeds have different liquids.
    quench_steps : int
        At the start temperature, the solid part still held: else the hot melt would heat and melt it.
    relax_steps : int
        At the start temperature, all atoms free: the solid gets its thermal motion, the interface its width.
    """

    melt_temperature: float = 300.0
    melt_steps: int = 1500
    quench_steps: int = 500
    relax_steps: int = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One temperature of a bracket or ladder.

    Attributes
    ----------
    geometry : SlabGeometry
        The slab and its cell.
    temperature : float
        Of the run, in K.
    start_temperature : float
        At which its slabs are prepared, in K.
    """

    geometry: SlabGeometry
    temperature: float
    start_temperature: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Temperatures whose drifts give a melting point.

    Attributes
    ----------
    name : str
        Of the geometry.
    rungs : tuple of Rung
        By temperature.
    preparation : Preparation
        Of the slabs; all rungs start from the same ones.
    skip : float
        Time in ps after the change of temperature that is not used.
    frames : int
        Frames of each run.
    degree : int or None
        Of the polynomial through the drifts; None interpolates.
    criterion : str
        By which atoms count as solid, see ``analysis.interface``.
    """

    name: str
    rungs: tuple[Rung, ...]
    preparation: Preparation
    skip: float
    frames: int
    degree: int | None
    criterion: str


def prepare_slab(
    geometry: SlabGeometry,
    system: System,
    temperature: float,
    *,
    calculator: Any,
    seed: int,
    preparation: Preparation | None = None,
) -> np.ndarray:
    """Melt one part of a crystal with the reference potential.

    Parameters
    ----------
    geometry : SlabGeometry
        The slab.
    system : System
        The material.
    temperature : float
        Start temperature in K.
    calculator : object
        The reference; it offers ``openmm_force``.
    seed : int
        Of the velocities; another seed gives another melt.
    preparation : Preparation, optional
        Temperatures and lengths.

    Returns
    -------
    ndarray, shape (atom, 3)
        Positions in Å.

    Raises
    ------
    SpecError
        If the cell is too narrow for the potential.
    """
    plan = preparation or Preparation()
    state = geometry.state(system, temperature)
    position, solid = slab_sites(geometry, system)
    stages = (
        (plan.melt_temperature, plan.melt_steps, solid),
        (temperature, plan.quench_steps, solid),
        (temperature, plan.relax_steps, np.zeros_like(solid)),
    )
    for stage, (kelvin, steps, held) in enumerate(stages):
        stage_seed = int(np.random.SeedSequence([seed, stage]).generate_state(1)[0] >> 1) or 1
        position = _run_stage(system, replace(state, temperature=kelvin), calculator, position, steps, held, stage_seed)
    return position


def _run_stage(
    system: System,
    state: State,
    calculator: Any,
    position: np.ndarray,
    steps: int,
    held: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Native NVT dynamics with some atoms held: OpenMM does not move atoms of mass zero."""
    masses = np.where(held, 0.0, system.masses_of(state.numbers)).tolist()
    omm = openmm_system(masses, calculator.openmm_force(len(position)), state.cell)
    thermostat = system.thermostat
    integrator = openmm.NoseHooverIntegrator(
        state.temperature, thermostat.collision_rate, system.timestep, thermostat.chain_length, 1, 1
    )
    context = native_context(omm, integrator)
    context.setPositions(position / ANGSTROM_PER_NM)
    context.setVelocitiesToTemperature(state.temperature, seed)
    integrator.step(steps)
    final = context.getState(getPositions=True).getPositions(asNumpy=True)._value
    return np.asarray(final, dtype=float) * ANGSTROM_PER_NM


def _geometry(name: str, cells: tuple[int, int, int], densities: tuple[float, float]) -> SlabGeometry:
    lateral, solid, liquid = cells
    return SlabGeometry(
        name=name,
        lateral_cells=lateral,
        solid_cells=solid,
        liquid_cells=liquid,
        solid_density=densities[0],
        liquid_density=densities[1],
    )


def _settled(geometry: SlabGeometry, temperature: float) -> Rung:
    return Rung(geometry=geometry, temperature=temperature, start_temperature=temperature)


BRACKET_CENTRE, BRACKET_OFFSET = 74.0, 15.0
"""Temperature in K at which slabs like the bracket's neither grow nor melt at zero pressure, and K to either side.

The first measured in the cell of 74 K (halves at ρ* 0.9441 and 0.8276): ``docs/melting.md``.
"""

BRACKET = {
    "melting_below": _settled(_geometry("below", (4, 3, 4), (0.9818, 0.8858)), BRACKET_CENTRE - BRACKET_OFFSET),
    "melting_above": _settled(_geometry("above", (4, 4, 4), (0.8997, 0.7644)), BRACKET_CENTRE + BRACKET_OFFSET),
}
"""By tolerance row.

Each has the cell in which solid and liquid are free of pressure at its own temperature (zero virial, from NVT
runs at 65, 80 and 95 K). In one cell for both, pressure follows temperature and takes the melting point along:
half of the drift, and four times the force calls for the same certainty. Thinner slabs freeze or melt by
themselves: with three liquid layers the drift at 74 K is +0.010 ± 0.002 /ps. Slabs are relaxed at their own
temperature by the reference, so that a right candidate spends no force call on a transient.

An interface diffuses, so certainty grows with √(force calls) whatever the estimator, and colder or denser slabs do
not grow more surely.
"""

_PAPER_GEOMETRY = _geometry("paper", (6, 8, 8), (0.844, 0.844))
_COEXISTENCE_GEOMETRY = _geometry("coexistence", (4, 6, 6), (0.93, 0.81))

PAPER_LADDER = Ladder(
    name="paper",
    rungs=tuple(
        Rung(geometry=_PAPER_GEOMETRY, temperature=kelvin, start_temperature=55.0) for kelvin in (20.0, 61.36, 100.0)
    ),
    preparation=Preparation(relax_steps=500),
    skip=2.0,
    frames=300,
    degree=None,
    criterion="bonds",
)
"""The paper's protocol: one density, three temperatures, interpolation.

The crystal is stretched at this density and breathes for 20 ps when it is cooled to 20 K, and the paper's count
follows (its melting point moves between 58.9 and 64.1 K with the window); the bonds do not: 60.6 to 61.4 K.
"""

COEXISTENCE_LADDER = Ladder(
    name="coexistence",
    rungs=tuple(
        Rung(geometry=_COEXISTENCE_GEOMETRY, temperature=kelvin, start_temperature=70.0)
        for kelvin in (40.0, 50.0, 60.0, 70.0, 80.0, 90.0)
    ),
    preparation=Preparation(relax_steps=500),
    skip=2.0,
    frames=250,
    degree=1,
    criterion="count",
)
"""Halves near coexistence in one fixed cell.

The standard deviation of one replica's ladder, from 12 of them, is 2.7 K (with ``"bonds"`` 3.7 K; a parabola gives 3.5
and 4.3 K). A melting point to a sixth of 5 % so takes 22 replicas.
"""
