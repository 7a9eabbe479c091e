"""The Lennard-Jones potential: exact values, forces as derivatives, stress as strain derivative, the native force."""

from __future__ import annotations

import copy

import numpy as np
import openmm
import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones as AseLennardJones
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlff.potentials import ARGON_CUTOFF, ARGON_EPSILON, ARGON_SIGMA, lennard_jones
from pytest_mlff.systems.reading import load_system
from pytest_mlff.units import ANGSTROM_PER_NM, KJ_PER_MOL_PER_EV

ARGON = load_system("argon")

SEEDS = st.integers(0, 2**32 - 1)


def energy(distance: float, epsilon: float = ARGON_EPSILON, sigma: float = ARGON_SIGMA) -> float:
    """4ε[(σ/r)¹² − (σ/r)⁶], not shifted."""
    return 4 * epsilon * ((sigma / distance) ** 12 - (sigma / distance) ** 6)


def gas(seed: int, *, n: int = 24, pbc=True, closest: float = 2.9) -> Atoms:
    """Random atoms in a skew cell of about 20 Å, none closer than ``closest``."""
    rng = np.random.default_rng(seed)
    cell = 20.0 * np.eye(3) + rng.uniform(-2.0, 2.0, (3, 3))
    placed: list[np.ndarray] = []
    while len(placed) < n:
        candidate = rng.uniform(0, 1, 3)
        apart = [x - candidate - np.round(x - candidate) for x in placed]
        if all(np.linalg.norm(d @ cell) > closest for d in apart):
            placed.append(candidate)
    return Atoms(f"Ar{n}", scaled_positions=placed, cell=cell, pbc=pbc)


def pair(distance: float, **parameters: float) -> Atoms:
    atoms = Atoms("Ar2", [[0, 0, 0], [distance, 0, 0]])
    atoms.calc = lennard_jones(**parameters)
    return atoms


def test_a_pair_has_the_energy_of_the_formula_shifted_by_that_at_the_cutoff():
    for distance in (3.0, 3.4, 3.816, 5.0, 8.4999):
        atoms = pair(distance)
        assert atoms.get_potential_energy() == pytest.approx(energy(distance) - energy(ARGON_CUTOFF), rel=1e-9)
    assert pair(3.4).get_potential_energy() == pytest.approx(-energy(ARGON_CUTOFF))
    deepest = pair(2 ** (1 / 6) * ARGON_SIGMA)
    assert deepest.get_potential_energy() == pytest.approx(-ARGON_EPSILON - energy(ARGON_CUTOFF))
    np.testing.assert_allclose(deepest.get_forces(), 0.0, atol=1e-15)


def test_energy_is_continuous_at_the_cutoff_and_the_force_jumps_by_what_the_truncation_costs():
    inside, outside = pair(ARGON_CUTOFF - 1e-9), pair(ARGON_CUTOFF + 1e-9)
    assert inside.get_potential_energy() == pytest.approx(0.0, abs=1e-12)
    assert outside.get_potential_energy() == 0.0
    assert 1e3 * inside.get_forces()[0, 0] == pytest.approx(0.118, abs=5e-4)
    assert not outside.get_forces().any()


def test_parameters_scale_energy_and_length():
    one, other = pair(4.0), pair(4.0, epsilon=2 * ARGON_EPSILON)
    assert other.get_potential_energy() == pytest.approx(2 * one.get_potential_energy())
    stretched = pair(4.4, sigma=1.1 * ARGON_SIGMA, cutoff=1.1 * ARGON_CUTOFF)
    assert stretched.get_potential_energy() == pytest.approx(one.get_potential_energy())
    np.testing.assert_allclose(1.1 * stretched.get_forces(), one.get_forces(), rtol=1e-12)


def naive(atoms: Atoms) -> tuple[float, np.ndarray]:
    """Energy and forces by a loop over pairs and images."""
    total, forces, calc = 0.0, np.zeros((len(atoms), 3)), atoms.calc
    images = [range(-1, 2) if periodic else (0,) for periodic in atoms.pbc]
    for i in range(len(atoms)):
        for j in range(len(atoms)):
            for shift in np.stack(np.meshgrid(*images), axis=-1).reshape(-1, 3):
                d = atoms.positions[j] + shift @ atoms.cell.array - atoms.positions[i]
                r = np.linalg.norm(d)
                if 0 < r < calc.cutoff:
                    total += 0.5 * (energy(r, calc.epsilon, calc.sigma) - energy(calc.cutoff, calc.epsilon, calc.sigma))
                    x6 = (calc.sigma / r) ** 6
                    forces[i] -= 24 * calc.epsilon * (2 * x6**2 - x6) / r**2 * d
    return total, forces


PBC = [
    (True, True, True),
    (True, True, False),
    (False, True, False),
    (False, False, True),
    (False, False, False),
]


@pytest.mark.parametrize("pbc", PBC)
def test_any_mixture_of_periodic_directions_is_a_loop_over_pairs(pbc):
    atoms = gas(11, n=12, pbc=pbc)
    atoms.calc = lennard_jones(cutoff=8.0)
    total, forces = naive(atoms)
    assert atoms.get_potential_energy() == pytest.approx(total, rel=1e-10)
    np.testing.assert_allclose(atoms.get_forces(), forces, atol=1e-12)


@pytest.mark.parametrize("vector", [[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [19.0, 0.0, 0.1]])
def test_the_vector_of_a_free_direction_means_nothing(vector):
    """Missing, short or nearly parallel to the layer: atoms of a layer see no images through it."""
    layer = gas(5, n=12, pbc=(True, True, False))
    layer.positions[:, 2] *= 0.3
    expected = layer.copy()
    expected.calc = lennard_jones(cutoff=8.0)
    cell = layer.cell.array.copy()
    cell[2] = vector
    layer.set_cell(cell)
    layer.calc = lennard_jones(cutoff=8.0)
    np.testing.assert_allclose(layer.get_forces(), expected.get_forces(), atol=1e-12)
    assert layer.get_potential_energy() == pytest.approx(expected.get_potential_energy(), rel=1e-12)


@given(SEEDS)
def test_forces_are_minus_the_derivative_of_the_energy(seed):
    atoms = gas(seed)
    atoms.calc = lennard_jones()
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=(len(atoms), 3))
    direction /= np.linalg.norm(direction)
    h, energies = 1e-4, []
    forces = atoms.get_forces()
    for sign in (-1, 1):
        moved = atoms.copy()
        moved.calc = atoms.calc
        moved.positions += sign * h * direction
        energies.append(moved.get_potential_energy())
    slope = (energies[1] - energies[0]) / (2 * h)
    # a pair that crosses r_c within the step adds at most its force jump
    assert slope == pytest.approx(-np.sum(forces * direction), abs=3e-5, rel=1e-4)
    np.testing.assert_allclose(forces.sum(axis=0), 0.0, atol=1e-10)


@given(SEEDS)
def test_stress_is_the_strain_derivative_of_the_energy(seed):
    atoms = gas(seed)
    atoms.calc = lennard_jones()
    rng = np.random.default_rng(seed)
    strain = rng.normal(size=(3, 3))
    strain = (strain + strain.T) / np.linalg.norm(strain + strain.T)
    h, energies = 1e-6, []
    for sign in (-1, 1):
        strained = atoms.copy()
        strained.calc = atoms.calc
        strained.set_cell(atoms.cell.array @ (np.eye(3) + sign * h * strain), scale_atoms=True)
        energies.append(strained.get_potential_energy())
    slope = (energies[1] - energies[0]) / (2 * h) / atoms.get_volume()
    stress = atoms.get_stress(voigt=False)
    assert slope == pytest.approx(np.sum(stress * strain), rel=1e-4, abs=1e-7)


@given(SEEDS)
def test_symmetries(seed):
    atoms = gas(seed, n=16)
    atoms.calc = lennard_jones()
    forces, total = atoms.get_forces(), atoms.get_potential_energy()
    rng = np.random.default_rng(seed)
    order, turn = rng.permutation(16), np.linalg.qr(rng.normal(size=(3, 3)))[0]
    moved = atoms.copy()
    moved.positions += rng.normal(size=3) + rng.integers(-2, 3, (16, 3)) @ atoms.cell.array
    moved = moved[order]
    moved.set_cell(moved.cell.array @ turn, scale_atoms=True)
    moved.calc = atoms.calc
    assert moved.get_potential_energy() == pytest.approx(total, rel=1e-9, abs=1e-12)
    np.testing.assert_allclose(moved.get_forces(), forces[order] @ turn, atol=1e-9)


@given(SEEDS, st.floats(0.005, 0.02), st.floats(3.2, 3.6), st.floats(6.0, 9.0))
def test_the_native_force_is_that_of_the_calculator(seed, epsilon, sigma, cutoff):
    rng = np.random.default_rng(seed)
    edge, n = 20.0, 64
    lattice = np.stack(np.meshgrid(*[np.arange(4)] * 3), axis=-1).reshape(-1, 3) * edge / 4
    positions = lattice + rng.uniform(-0.5, 0.5, (n, 3)) + edge * rng.integers(-1, 2, (n, 3))
    atoms = Atoms(f"Ar{n}", positions, cell=[edge] * 3, pbc=True)
    calculator = lennard_jones(epsilon=epsilon, sigma=sigma, cutoff=cutoff)
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*(np.eye(3) * edge / ANGSTROM_PER_NM))
    for _ in range(n):
        system.addParticle(39.948)
    system.addForce(calculator.openmm_force(n))
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(positions / ANGSTROM_PER_NM)
    state = context.getState(getForces=True, getEnergy=True)
    native = np.asarray(state.getForces(asNumpy=True)._value) / (KJ_PER_MOL_PER_EV * ANGSTROM_PER_NM)
    expected = calculator.get_forces(atoms)
    assert np.abs(native - expected).max() < 1e-4 * np.abs(expected).max()
    # OpenMM does not shift: the difference is N_pairs V(r_c)
    distance = atoms.get_all_distances(mic=True)[np.triu_indices(n, k=1)]
    shift = np.count_nonzero(distance < cutoff) * energy(cutoff, epsilon, sigma)
    total = state.getPotentialEnergy()._value / KJ_PER_MOL_PER_EV
    assert total - shift == pytest.approx(calculator.get_potential_energy(atoms), rel=1e-6, abs=1e-8)


def test_small_cells_see_their_own_images():
    atoms = Atoms("Ar", cell=[5.3] * 3, pbc=True)
    ours, theirs = atoms.copy(), atoms.copy()
    ours.calc = lennard_jones()
    theirs.calc = AseLennardJones(sigma=ARGON_SIGMA, epsilon=ARGON_EPSILON, rc=ARGON_CUTOFF)
    assert ours.get_potential_energy() == pytest.approx(theirs.get_potential_energy(), rel=1e-10)
    np.testing.assert_allclose(ours.get_forces(), 0.0, atol=1e-14)
    np.testing.assert_allclose(ours.get_stress(), theirs.get_stress(), atol=1e-15)


def test_without_a_cell_there_is_no_stress():
    with pytest.raises(NotImplementedError):
        pair(4.0).get_stress()


def test_without_interaction_there_is_no_force():
    atoms = gas(1)
    atoms.calc = lennard_jones(epsilon=0.0)
    assert not atoms.get_forces().any()
    assert atoms.get_potential_energy() == 0.0
    alone = Atoms("Ar", calculator=lennard_jones())
    assert alone.get_potential_energy() == 0.0
    assert alone.get_forces().shape == (1, 3)


def test_a_copy_is_independent_and_equal():
    one = lennard_jones(epsilon=0.02)
    atoms = gas(3)
    other = copy.deepcopy(one)
    np.testing.assert_array_equal(one.get_forces(atoms), other.get_forces(atoms))
    assert (other.epsilon, other.sigma, other.cutoff) == (0.02, ARGON_SIGMA, ARGON_CUTOFF)


@pytest.mark.parametrize(
    "bad",
    [
        {"epsilon": -0.1},
        {"sigma": 0.0},
        {"sigma": -3.4},
        {"cutoff": 0.0},
        {"epsilon": float("nan")},
        {"cutoff": float("inf")},
        {"sigma": float("inf")},
    ],
)
def test_impossible_parameters_are_refused_with_what_was_given(bad):
    ((name, value),) = bad.items()
    with pytest.raises(ValueError, match=rf"lennard_jones\(.*{name}={value}.*must be positive, all finite"):
        lennard_jones(**bad)
