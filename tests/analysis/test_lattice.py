"""Translations, sites, wave vectors and nearest images of a crystal in a periodic cell of any shape."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlff.analysis.crystal import supercell
from pytest_mlff.analysis.lattice import (
    lattice_sites,
    nearest_images,
    reduced_basis,
    supercell_matrix,
    translations,
    wave_vectors,
)
from pytest_mlff.errors import ObservableError

EDGE = 5.2687
BASIS = np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
SKEW = np.array([[3.9, 0.3, 0.2], [1.1, 3.7, -0.4], [0.8, 1.3, 4.1]])
MATRICES = ([[2, 1, 0], [0, 3, -1], [1, 0, 2]], [[7, 2, 0], [0, 5, 3], [-1, 0, 3]], [[0, 2, 0], [3, 0, 0], [0, 0, 1]])


def cubic(repeats, rng=None):
    crystal = supercell([18] * 4, BASIS, EDGE * np.eye(3), np.diag(repeats))
    order = np.arange(len(crystal.numbers)) if rng is None else rng.permutation(len(crystal.numbers))
    return crystal.positions[order], crystal.cell, crystal.lattice


def cells():
    cubes = [pytest.param(*cubic(repeats), id=f"cubic{repeats}") for repeats in [(1, 1, 1), (1, 2, 4), (3, 3, 3)]]
    skew = [supercell([18], [[0.3, 0.1, 0.0]], SKEW, matrix) for matrix in MATRICES]
    return cubes + [pytest.param(one.positions, one.cell, one.lattice, id=f"skew{len(one.numbers)}") for one in skew]


@pytest.mark.parametrize(("positions", "cell", "lattice"), cells())
def test_wave_vectors_are_complete_and_in_the_first_zone(positions, cell, lattice):
    vectors, _ = wave_vectors(cell, lattice)
    assert len(vectors) == len(positions)
    assert not vectors[0].any()
    # plane waves on the sites are orthogonal: all different modulo a reciprocal vector, all periodic in the cell
    waves = np.exp(1j * positions @ vectors.T)
    np.testing.assert_allclose(waves.conj().T @ waves, len(positions) * np.eye(len(positions)), atol=1e-9)
    np.testing.assert_allclose(np.exp(1j * vectors @ cell.T), 1.0, atol=1e-10)
    # none is shorter by any of many reciprocal vectors
    reciprocal = 2.0 * np.pi * np.linalg.inv(lattice).T
    others = vectors[:, None] - np.array(list(itertools.product(range(-5, 6), repeat=3))) @ reciprocal
    assert (np.linalg.norm(vectors, axis=1) <= np.linalg.norm(others, axis=-1).min(axis=1) + 1e-9).all()


@pytest.mark.parametrize(("positions", "cell", "lattice"), cells())
def test_the_grid_turns_by_the_phase_of_its_wave_vector(positions, cell, lattice):
    sites = lattice_sites(positions, cell=cell, lattice=lattice, displaced=[2 % len(positions)])
    turns = (sites.transform_point / np.array(sites.shape)) @ sites.point.T
    phase = sites.wave_vectors @ (positions - positions[2 % len(positions)]).T
    np.testing.assert_allclose(np.exp(2j * np.pi * turns), np.exp(1j * phase), atol=1e-9)


@given(st.integers(0, 10_000))
def test_sites_do_not_depend_on_translation_or_wrapping(seed):
    rng = np.random.default_rng(seed)
    crystal = supercell([11, 17], [[0.0, 0.0, 0.0], [0.4, 0.6, 0.5]], SKEW, MATRICES[0])
    known = {"cell": crystal.cell, "lattice": crystal.lattice, "displaced": crystal.displaced}
    sites = lattice_sites(crystal.positions, **known)
    moved = crystal.positions + rng.uniform(-5, 5, 3) + rng.integers(-2, 3, crystal.positions.shape) @ crystal.cell
    again = lattice_sites(moved, **known)
    np.testing.assert_array_equal(again.point, sites.point)
    np.testing.assert_array_equal(again.sublattice, crystal.sublattice)
    assert not sites.point[crystal.displaced].any()


def test_sites_of_one_cubic_cell_are_its_corner_and_three_faces():
    positions, cell, lattice = cubic((1, 1, 1))
    sites = lattice_sites(positions, cell=cell, lattice=lattice, displaced=[0])
    assert sites.shape == (2, 2, 2)
    np.testing.assert_array_equal(sites.point, [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]])


def test_a_displaced_crystal_or_a_wrong_lattice_is_refused():
    positions, cell, lattice = cubic((2, 2, 2))
    known = {"cell": cell, "lattice": lattice}
    moved = positions.copy()
    moved[3, 1] += 0.05
    with pytest.raises(ObservableError, match="1 of 32 atoms are off"):
        lattice_sites(moved, **known, displaced=[0])
    doubled = positions.copy()
    doubled[3] = doubled[4]
    with pytest.raises(ObservableError, match="take 31 of the 32 sites"):
        lattice_sites(doubled, **known, displaced=[0])
    with pytest.raises(ObservableError, match="take 32 of the 64 sites"):
        lattice_sites(positions, **known, displaced=[0, 1])
    with pytest.raises(ObservableError, match="off the lattice"):
        lattice_sites(positions, cell=1.1 * cell, lattice=lattice, displaced=[0])


def test_nearest_images_agree_with_a_search_over_many_images():
    rng = np.random.default_rng(8)
    far = np.array(list(itertools.product(range(-4, 5), repeat=3)))
    skew = supercell([18, 18], [[0, 0, 0], [0.5, 0.5, 0.0]], SKEW, [[2, 1, 0], [0, 2, 2], [2, 0, -2]])
    for positions, cell in (cubic((2, 2, 2), rng)[:2], (skew.positions, skew.cell)):
        index, vectors, weight = nearest_images(positions, cell=cell, atom=3)
        for atom, place in enumerate(positions):
            images = place - positions[3] + far @ cell
            distances = np.linalg.norm(images, axis=1)
            nearest = np.unique(np.round(images[distances < distances.min() + 1e-3], 6), axis=0)
            mine = index == atom
            np.testing.assert_allclose(np.unique(np.round(vectors[mine], 6), axis=0), nearest)
            assert mine.sum() == len(nearest)
            assert weight[mine].sum() == pytest.approx(1.0)
            assert np.ptp(weight[mine]) == 0.0
        counts = set(np.bincount(index).tolist())
        # in the cube: half a cell away along one edge there are two images, along all three eight
        assert counts == {1, 2, 4, 8} if cell[0, 1] == 0.0 else max(counts) > 1


@given(st.integers(0, 10_000))
def test_a_reduced_basis_spans_the_same_lattice_with_the_shortest_vectors(seed):
    rng = np.random.default_rng(seed)
    basis = SKEW + rng.normal(0.0, 0.5, (3, 3))
    mixed = basis.copy()
    for _ in range(6):
        i, j = rng.choice(3, 2, replace=False)
        mixed[i] += rng.integers(-2, 3) * mixed[j]
    found = reduced_basis(mixed)
    turn = found @ np.linalg.inv(basis)
    np.testing.assert_allclose(turn, np.rint(turn), atol=1e-8)
    assert abs(np.linalg.det(turn)) == pytest.approx(1.0)
    every = np.array([n for n in itertools.product(range(-4, 5), repeat=3) if any(n)]) @ found
    assert np.linalg.norm(found[0]) == pytest.approx(np.linalg.norm(every, axis=1).min())
    lengths = np.linalg.norm(reduced_basis(basis), axis=1)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), lengths, rtol=1e-8)


@pytest.mark.parametrize("matrix", [*MATRICES, np.diag([2, 3, 4]), [[-8, 8, 8], [8, -8, 8], [8, 8, -8]]])
def test_translations_have_points_of_their_own_and_cells_have_none(matrix):
    group = translations(matrix)
    size = round(abs(np.linalg.det(matrix)))
    assert np.prod(group.shape) <= 2 * size
    assert not np.mod(np.array(matrix) @ group.index_of, group.shape).any()
    span = np.abs(matrix).sum()
    if span <= 12:
        every = np.array(list(itertools.product(range(-span, span), repeat=3)))
        assert len(np.unique(np.mod(every @ group.index_of, group.shape), axis=0)) == size


def test_only_integers_with_a_determinant_are_a_supercell():
    np.testing.assert_array_equal(supercell_matrix(np.array(MATRICES[0]) @ SKEW, SKEW), MATRICES[0])
    for wrong in ([[1, 0, 0], [0, 1, 0], [1, 1, 0]], [[1.5, 0, 0], [0, 1, 0], [0, 0, 1]], [2, 2, 2]):
        with pytest.raises(ObservableError, match="3 x 3 integers"):
            supercell([18], [[0, 0, 0]], SKEW, wrong)
