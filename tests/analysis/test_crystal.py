"""A unit cell repeated by any integer matrix, and the smallest cell by which it repeats."""

import itertools

import numpy as np
import pytest

from pytest_mlff.analysis.crystal import primitive_lattice, supercell
from pytest_mlff.analysis.lattice import lattice_sites

FACES = np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
SKEW = np.array([[3.9, 0.3, 0.2], [1.1, 3.7, -0.4], [0.8, 1.3, 4.1]])


def test_cells_come_from_the_origin_on_with_the_last_index_running_fastest():
    crystal = supercell([18] * 4, FACES, 5.2687 * np.eye(3), np.diag([2, 3, 1]))
    cells = np.array(list(itertools.product(range(2), range(3), range(1))))
    np.testing.assert_array_equal(crystal.positions, ((cells[:, None] + FACES) * 5.2687).reshape(-1, 3))
    np.testing.assert_array_equal(crystal.cell, 5.2687 * np.diag([2, 3, 1]))
    np.testing.assert_array_equal(crystal.displaced, [0])


@pytest.mark.parametrize("matrix", [[[2, 1, 0], [0, 3, -1], [1, 0, 2]], [[0, 2, 0], [2, 0, 0], [1, 1, 2]]])
def test_a_supercell_of_any_shape_holds_each_atom_once(matrix):
    crystal = supercell([11, 17], [[0.9, 0.2, 0.1], [0.4, 0.6, 0.5]], SKEW, matrix)
    size = round(abs(np.linalg.det(matrix)))
    assert len(crystal.numbers) == 2 * size
    np.testing.assert_allclose(crystal.cell, np.array(matrix) @ SKEW)
    sites = lattice_sites(crystal.positions, cell=crystal.cell, lattice=SKEW, displaced=crystal.displaced)
    assert np.bincount(sites.sublattice).tolist() == [size, size]
    np.testing.assert_array_equal(crystal.numbers[crystal.sublattice == 1], 17)


@pytest.mark.parametrize(
    ("numbers", "fractions", "atoms"),
    [
        ([18] * 4, FACES, 1),
        ([18] * 8, np.concatenate([FACES, FACES + 0.25]), 2),  # diamond
        ([11] * 4 + [17] * 4, np.concatenate([FACES, FACES + 0.5]), 2),  # rock salt
        ([11, 17], [[0.0] * 3, [0.5] * 3], 2),  # caesium chloride
        ([11, 11], [[0.0] * 3, [0.5] * 3], 1),  # body-centred
        ([29, 29, 29, 79], FACES, 4),  # one of four is another: nothing repeats within the cell
        ([14, 14], [[0.0] * 3, [0.5, 0.5, 0.49]], 2),  # nearly body-centred
    ],
)
def test_the_primitive_cell_is_found_whatever_cell_is_given(numbers, fractions, atoms):
    cell, places = 4.2 * np.eye(3), np.array(fractions, dtype=float)
    lattice, orbit = primitive_lattice(np.array(numbers), places, cell)
    assert len(set(orbit.tolist())) == atoms
    assert np.linalg.det(lattice) == pytest.approx(4.2**3 * atoms / len(numbers))
    for matrix in (np.diag([2, 1, 2]), [[1, 1, 0], [0, 1, -2], [1, 0, 1]]):
        crystal = supercell(numbers, places, cell, matrix)
        assert len(crystal.displaced) == atoms
        sites = lattice_sites(
            crystal.positions, cell=crystal.cell, lattice=crystal.lattice, displaced=crystal.displaced
        )
        np.testing.assert_array_equal(sites.sublattice, crystal.sublattice)
        assert len(sites.wave_vectors) * atoms == len(crystal.numbers)


def test_a_cell_that_is_primitive_stays_as_it_is_given():
    stretched = np.array([[1, 0, 0], [5, 1, 0], [0, 0, 1]]) @ SKEW
    lattice, orbit = primitive_lattice(np.array([3, 9]), np.array([[0.0] * 3, [0.3, 0.2, 0.4]]), stretched)
    np.testing.assert_array_equal(lattice, stretched)
    assert orbit.tolist() == [0, 1]


def test_the_lattice_of_a_skew_cell_with_two_centres_is_of_its_shortest_translations():
    stretched = np.array([[1, 0, 0], [9, 2, 0], [0, 4, 1]]) @ SKEW  # twice the cell, with vectors far from the shortest
    half = SKEW[1] @ np.linalg.inv(stretched)
    lattice, orbit = primitive_lattice(np.array([18, 18]), np.stack([0 * half, half]), stretched)
    assert orbit.tolist() == [0, 0]
    turn = lattice @ np.linalg.inv(SKEW)
    np.testing.assert_allclose(turn, np.rint(turn), atol=1e-9)
    assert np.linalg.det(turn) == pytest.approx(1.0)
