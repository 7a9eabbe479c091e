"""The engine in cells without right angles and with several species."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from ase.geometry import cellpar_to_cell

from pytest_mlff.errors import UnstableError
from pytest_mlff.potentials import lennard_jones
from pytest_mlff.simulation.engine import Engine
from pytest_mlff.simulation.forces import ModelForces
from pytest_mlff.simulation.openmm_system import native_vectors
from pytest_mlff.systems.atoms import make_atoms
from pytest_mlff.systems.reading import load_system
from pytest_mlff.systems.system import State, Thermostat, UnitCell, as_cell

ARGON = load_system("argon")
GOLD, ALUMINIUM = 79, 13
KELVIN = 300.0
ALLOY = replace(
    ARGON,
    name="alloy",
    # L1₀, two atoms a cell, described by vectors of which no two are at right angles
    crystal=UnitCell(
        numbers=(GOLD, ALUMINIUM),
        fractions=((0.0, 0.0, 0.0), (0.5, 0.5, 0.5)),
        cell=((2.87, 0.0, 0.0), (2.87, 2.87, 0.0), (-2.87, 5.74, 4.06)),
    ),
    masses=((ALUMINIUM, 26.98), (GOLD, 196.97)),
    timestep=0.002,
    closest_approach=2.0,
)


def alloy_state(repeats=(3, 3, 2)):
    lattice = ALLOY.crystal.repeated(repeats)
    return State(
        name="alloy",
        phase="solid",
        temperature=KELVIN,
        numbers=tuple(lattice.numbers.tolist()),
        cell=as_cell(lattice.cell),
        repeats=repeats,
    )


def model(calculator):
    return SimpleNamespace(name="m", calculator=calculator, fingerprint="m", repeatable=True)


def velocities(engine):
    """In Å/ps."""
    state = engine._context.getState(getVelocities=True)
    return 10.0 * np.asarray(state.getVelocities(asNumpy=True)._value)


def kinetic(engine, masses):
    return 0.5 * 1.0364269656e-4 * float(np.sum(masses[:, None] * velocities(engine) ** 2))


def test_no_angle_of_the_alloy_is_right():
    cell = np.array(alloy_state().cell)
    assert np.abs(cell @ cell.T)[np.triu_indices(3, 1)].min() > 0.5


def test_energy_is_kept_by_several_species_in_a_skewed_cell():
    """With a thermostat that takes ages: the total moves by a thirtieth of what goes to and fro, and stays."""
    state, calculator = alloy_state(), EMT()
    weak = replace(ALLOY, timestep=0.001, thermostat=Thermostat(collision_rate=1e-5))
    engine = Engine(model(calculator), weak, state, seeds=[3])
    assert not engine.native
    engine.start(weak.lattice(state).positions[None])
    masses = weak.masses_of(state.numbers)
    atoms = make_atoms(weak, weak.lattice(state))
    atoms.calc = EMT()
    total, potential = [], []
    for _ in range(90):
        engine.step(2)
        atoms.positions = engine._positions()
        potential.append(atoms.get_potential_energy())
        total.append(potential[-1] + kinetic(engine, masses))
    assert np.ptp(potential) > 0.3
    assert np.ptp(total) < 0.033 * np.ptp(potential)  # kinetic energy is that of half a step before
    assert abs(np.mean(total[45:]) - np.mean(total[:45])) < 0.005 * np.ptp(potential)
    momentum = (masses[:, None] * velocities(engine)).sum(axis=0)
    assert np.abs(momentum).max() < 1e-6 * np.sum(masses)


def test_every_species_starts_at_the_temperature_and_none_drifts():
    """Equipartition: light atoms are as warm as heavy ones, though nearly three times as fast."""
    state = alloy_state()
    masses, warmth = ALLOY.masses_of(state.numbers), {GOLD: [], ALUMINIUM: []}
    engine = Engine(model(EMT()), ALLOY, state, seeds=[0])
    for seed in range(60):
        engine.seeds = (seed,)
        engine.start(ALLOY.lattice(state).positions[None])
        found = velocities(engine)
        assert np.abs((masses[:, None] * found).sum(axis=0)).max() < 1e-6 * masses.sum()
        assert kinetic(engine, masses) == pytest.approx(0.5 * (3 * state.n_atoms - 3) * 8.617333e-5 * KELVIN, rel=1e-6)
        for number, kept in warmth.items():
            chosen = np.array(state.numbers) == number
            kept.append(1.0364269656e-4 * np.mean(masses[chosen, None] * found[chosen] ** 2) / 8.617333e-5)
    for kept in warmth.values():
        assert np.mean(kept) == pytest.approx(KELVIN, abs=4 * np.std(kept) / np.sqrt(len(kept)) + 0.02 * KELVIN)


def test_the_thermostat_holds_a_skewed_cell_of_two_species_at_its_temperature():
    """Argon's potential between light and heavy atoms; either kind is as warm as the other."""
    light, heavy = 18, 36
    system = replace(ARGON, masses=((light, 20.0), (heavy, 120.0)), timestep=0.008, frame_stride=3)
    structure = shaken((3, 3, 3))
    numbers = np.where(np.arange(108) % 3, light, heavy)
    state = argon_state(replace(structure, numbers=numbers), LONGER @ structure.cell)
    masses = system.masses_of(numbers)
    engine = Engine(model(SimpleNamespace(get_forces=lennard_jones().get_forces)), system, state, seeds=[5])
    engine.start(structure.positions[None])
    engine.equilibrate(100)
    kelvin, apart = [], []
    for _ in range(150):
        kelvin.append(engine.sample(1).temperature[0, 0])
        warmth = 1.0364269656e-4 * masses[:, None] * velocities(engine) ** 2 / 8.617333e-5
        apart.append(warmth[numbers == light].mean() - warmth[numbers == heavy].mean())
    error = np.reshape(kelvin, (10, -1)).mean(axis=1).std(ddof=1) / np.sqrt(10)
    assert np.mean(kelvin) == pytest.approx(state.temperature, abs=4 * error)
    assert error < 0.05 * state.temperature
    assert abs(np.mean(apart)) < 0.25 * state.temperature  # equally fast, the heavy ones were six times as warm


LONGER = np.array([[1, 0, 0], [1, 1, 0], [-1, 2, 1]])
"""Unimodular: other vectors of the same lattice."""


def shaken(repeats=(3, 3, 3), edge=5.4):
    crystal = replace(ARGON.crystal, cell=as_cell([edge] * 3)).repeated(repeats)
    return crystal.at(crystal.positions + np.random.default_rng(2).normal(0.0, 0.1, crystal.positions.shape))


def argon_state(structure, cell):
    return State(
        name="argon", phase="solid", temperature=40.0, numbers=tuple(structure.numbers.tolist()), cell=as_cell(cell)
    )


def test_other_vectors_of_the_same_lattice_give_the_same_forces_and_the_same_run():
    structure = shaken()
    straight, skewed = argon_state(structure, structure.cell), argon_state(structure, LONGER @ structure.cell)
    frames = {}
    for name, state in (("straight", straight), ("skewed", skewed)):
        potential = lennard_jones()
        calculator = SimpleNamespace(get_forces=potential.get_forces)
        forces = ModelForces(model(calculator), ARGON, state.numbers, state.cell)(structure.positions)
        engine = Engine(model(calculator), ARGON, state, seeds=[1])
        engine.start(structure.positions[None])
        frames[name] = forces, engine.sample(4).position
    np.testing.assert_allclose(frames["skewed"][0], frames["straight"][0], atol=1e-12)
    np.testing.assert_allclose(frames["skewed"][1], frames["straight"][1], atol=1e-5)


@pytest.mark.parametrize("repeats", [(1, 1, 1), (2, 3, 2)])
def test_a_crystal_of_one_atom_primitive_cells_has_the_forces_of_its_cubic_one(repeats):
    """A phonon that fits into both: every atom's force depends on its place alone."""
    edge = 5.4
    conventional = replace(ARGON.crystal, cell=as_cell([edge] * 3)).repeated((4, 4, 4))
    primitive = UnitCell(numbers=(18,), fractions=((0.0, 0.0, 0.0),), cell=as_cell(edge / 2 * (1.0 - np.eye(3))))
    small = primitive.repeated((4 * repeats[0], 4 * repeats[1], 4 * repeats[2]))
    wave = 2 * np.pi * np.linalg.inv(edge / 2 * (1.0 - np.eye(3)))[:, 0] / 2  # at the zone boundary: fits into both

    def forces(structure):
        shift = 0.05 * np.cos(structure.positions @ wave)[:, None] * np.array([0.2, -0.5, 0.8])
        calculator = SimpleNamespace(get_forces=lennard_jones().get_forces)
        found = ModelForces(model(calculator), ARGON, structure.numbers, structure.cell)(structure.positions + shift)
        return {
            round(float(np.cos(place @ wave))): force for place, force in zip(structure.positions, found, strict=True)
        }

    large, little = forces(conventional), forces(small)
    assert large.keys() == little.keys() == {1, -1}
    for sign in large:
        assert np.abs(large[sign]).max() > 1e-3
        np.testing.assert_allclose(little[sign], large[sign], atol=1e-10)


def test_native_forces_run_in_leaning_cells_that_openmm_takes():
    """One-atom primitive cells, the first vector along x: the same run natively and through the calculator."""
    cell = cellpar_to_cell([22.0, 22.0, 22.0, 60.0, 60.0, 60.0])
    unit = UnitCell(numbers=(18,), fractions=((0.0, 0.0, 0.0),), cell=as_cell(cell / 6))
    lattice = unit.repeated((6, 6, 6))
    positions = lattice.positions + np.random.default_rng(0).normal(0.0, 0.1, lattice.positions.shape)
    state = argon_state(lattice, np.array([[1, 0, 0], [2, 1, 0], [-1, 1, 1]]) @ cell)  # not reduced
    python = SimpleNamespace(get_forces=lennard_jones().get_forces)
    runs = []
    for calculator, native in ((lennard_jones(), True), (python, False)):
        engine = Engine(model(calculator), ARGON, state, seeds=[4])
        assert engine.native is native
        engine.start(positions[None])
        runs.append(engine.sample(2).position[0])
    np.testing.assert_allclose(runs[0], runs[1], atol=1e-3)
    assert np.abs(runs[0][-1] - positions).max() > 0.05


def test_a_turned_cell_goes_through_the_calculator():
    turn = np.array([[0.6, -0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
    structure = shaken((4, 4, 4))
    state = argon_state(structure, structure.cell @ turn.T)
    engine = Engine(model(lennard_jones()), ARGON, state, seeds=[4])
    assert not engine.native
    engine.start(structure.positions[None] @ turn.T)
    straight = Engine(model(lennard_jones()), ARGON, argon_state(structure, structure.cell), seeds=[4])
    assert straight.native
    turned = ModelForces(model(lennard_jones()), ARGON, state.numbers, state.cell)(structure.positions @ turn.T)
    atoms = Atoms(numbers=structure.numbers, positions=structure.positions, cell=structure.cell, pbc=True)
    np.testing.assert_allclose(turned, lennard_jones().get_forces(atoms) @ turn.T, atol=1e-12)


def test_native_vectors_are_reduced_and_of_the_same_lattice():
    cell = np.array([[10.0, 0.0, 0.0], [17.0, 9.0, 0.0], [-6.0, 14.0, 8.0]])
    found = native_vectors(cell)
    steps = found @ np.linalg.inv(cell)
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-12)
    assert abs(np.linalg.det(steps)) == pytest.approx(1.0)
    assert (np.abs(found[1:, 0]) <= 5.0).all()
    assert abs(found[2, 1]) <= 4.5
    assert native_vectors(np.roll(cell, 1, axis=1)) is None
    np.testing.assert_array_equal(native_vectors(np.diag([4.0, 5.0, 6.0])), np.diag([4.0, 5.0, 6.0]))


def test_overlap_is_seen_across_a_skewed_boundary():
    structure = shaken((3, 3, 3))
    cell = LONGER @ structure.cell
    positions = structure.positions.copy()
    positions[1] = positions[0] + cell[2] + np.array([1.0, 0.5, 0.0])
    still = SimpleNamespace(get_forces=lambda atoms: np.zeros((len(atoms), 3)))
    engine = Engine(model(still), ARGON, argon_state(structure, cell), seeds=[0])
    engine.start(positions[None])
    with pytest.raises(UnstableError, match=r"1\.\d\d Å apart, below 2\.38 Å \(atoms 0, 1\)"):
        engine.equilibrate(1)
