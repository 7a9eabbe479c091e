"""Our Lennard-Jones potential against ASE's and against LAMMPS."""

import itertools

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones

from pytest_mlff.potentials import lennard_jones

EPSILON, SIGMA, CUTOFF = 0.0103, 3.4, 8.5
EDGE_ENERGY = 4 * EPSILON * ((SIGMA / CUTOFF) ** 12 - (SIGMA / CUTOFF) ** 6)


def jittered_crystal(cells, density, seed, spread=0.3):
    """Face-centred sites at a reduced density, each moved at random by ``spread`` Å and wrapped or not."""
    n = 4 * int(np.prod(cells))
    edge = SIGMA * (n / density / np.prod(cells)) ** (1 / 3)
    basis = np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
    corners = np.array(list(itertools.product(*(range(k) for k in cells))))
    rng = np.random.default_rng(seed)
    positions = edge * (corners[:, None] + basis).reshape(-1, 3) + rng.normal(0, spread, (n, 3))
    box = edge * np.array(cells, dtype=float)
    return positions + box * rng.integers(-1, 2, (n, 1)), box


def pairs_within(positions, box, cutoff):
    """Number of pairs within the cutoff, images included, by explicit sums over images."""
    shifts = np.array(list(itertools.product((-2, -1, 0, 1, 2), repeat=3))) * box
    wrapped, count = np.mod(positions, box), 0
    for shift in shifts:
        apart = wrapped[:, None] - wrapped[None] + shift
        count += np.count_nonzero(((apart**2).sum(-1) < cutoff**2) & ((apart**2).sum(-1) > 0))
    return count // 2


CASES = {
    "liquid": ((4, 4, 4), 0.76, 1, 0.4),
    "solid": ((4, 4, 4), 1.075, 2, 0.1),
    "box smaller than twice the cutoff": ((2, 3, 4), 0.844, 3, 0.3),
}


@pytest.mark.parametrize("case", CASES)
def test_forces_energy_and_stress_are_those_of_ase(case):
    """ASE shifts the energy by V(r_c) per pair and leaves the forces of the plain truncation, as we do."""
    positions, box = jittered_crystal(*CASES[case])
    atoms = Atoms(f"Ar{len(positions)}", positions, cell=box, pbc=True)
    ours, theirs = lennard_jones(), LennardJones(sigma=SIGMA, epsilon=EPSILON, rc=CUTOFF)
    force, expected = ours.get_forces(atoms), theirs.get_forces(atoms)
    np.testing.assert_allclose(force, expected, atol=1e-11 * np.abs(expected).max())
    energy = ours.get_potential_energy(atoms)
    assert energy == pytest.approx(theirs.get_potential_energy(atoms), rel=1e-12)
    np.testing.assert_allclose(ours.get_stress(atoms), theirs.get_stress(atoms), rtol=1e-9, atol=1e-15)


def test_pair_energy_and_force_are_the_closed_form():
    for distance in (3.2, 3.4, 2 ** (1 / 6) * SIGMA, 5.0, 8.49, 8.51):
        atoms = Atoms("Ar2", [[0, 0, 0], [distance, 0, 0]], cell=np.eye(3) * 30, pbc=True)
        power = (SIGMA / distance) ** 6
        inside = distance < CUTOFF
        energy = (4 * EPSILON * (power**2 - power) - EDGE_ENERGY) * inside
        force = 24 * EPSILON * (2 * power**2 - power) / distance * inside
        assert lennard_jones().get_potential_energy(atoms) == pytest.approx(energy, abs=1e-15)
        np.testing.assert_allclose(lennard_jones().get_forces(atoms)[1], [force, 0, 0], atol=1e-15)


@pytest.mark.parametrize("case", ["liquid", "solid"])
def test_forces_and_energy_are_those_of_lammps(case, lammps):
    positions, box = jittered_crystal(*CASES[case])
    n = len(positions)
    running = lammps(positions, box)
    running.command("run 0 post no")
    order = np.argsort(running.numpy.extract_atom("id")[:n])
    expected = np.array(running.numpy.extract_atom("f")[:n])[order]
    energy = float(running.get_thermo("pe"))
    atoms = Atoms(f"Ar{n}", positions, cell=box, pbc=True)
    calculator = lennard_jones()
    np.testing.assert_allclose(calculator.get_forces(atoms), expected, atol=1e-10 * np.abs(expected).max())
    # LAMMPS does not shift: V(r_c) for each pair is what lies between both energies
    shift = pairs_within(positions, box, CUTOFF) * EDGE_ENERGY
    assert abs(shift) > 0.05 * abs(energy)  # it is no detail
    shifted = energy - shift
    assert calculator.get_potential_energy(atoms) == pytest.approx(shifted, rel=1e-10)


def test_lattice_parameter_of_zero_pressure_is_5_2687():
    """Static face-centred crystal: the virial changes sign within 1e-4 Å of the design's value."""

    def pressure_bar(edge):
        positions, _ = jittered_crystal((4, 4, 4), 1.0, 0, spread=0.0)
        scale = edge * 4 / (SIGMA * (256) ** (1 / 3))
        atoms = Atoms("Ar256", positions * scale, cell=np.eye(3) * 4 * edge, pbc=True)
        return -lennard_jones().get_stress(atoms)[:3].mean() * 1.602176634e6

    assert pressure_bar(5.2686) * pressure_bar(5.2688) < 0.0
    assert abs(pressure_bar(5.2687)) < 1.0
