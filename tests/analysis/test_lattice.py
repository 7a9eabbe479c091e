"""Sites, wave vectors and nearest images of a periodic face-centred crystal."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlff.analysis.lattice import cell_counts, lattice_sites, nearest_images, wave_vectors
from pytest_mlff.errors import ObservableError

EDGE = 5.2687


def crystal(repeats, rng=None):
    basis = np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
    cells = np.array(list(itertools.product(*(range(n) for n in repeats))))
    positions = EDGE * (cells[:, None] + basis).reshape(-1, 3)
    if rng is not None:
        positions = positions[rng.permutation(len(positions))]
    return positions, EDGE * np.array(repeats, dtype=float)


@pytest.mark.parametrize("repeats", [(1, 1, 1), (2, 2, 2), (1, 2, 4), (3, 3, 3)])
def test_wave_vectors_are_complete_and_in_the_first_zone(repeats):
    positions, box = crystal(repeats)
    vectors = wave_vectors(box, repeats)
    assert len(vectors) == len(positions)
    assert not vectors[0].any()
    # plane waves on the sites are orthogonal: all different modulo a reciprocal vector, all periodic in the
    # box
    waves = np.exp(1j * positions @ vectors.T)
    np.testing.assert_allclose(waves.conj().T @ waves, len(positions) * np.eye(len(positions)), atol=1e-9)
    np.testing.assert_allclose(np.exp(1j * vectors * box), 1.0, atol=1e-10)
    # truncated octahedron in units of 2π/a: |x|, |y|, |z| ≤ 1 and |x| + |y| + |z| ≤ 3/2
    scaled = np.abs(vectors) * EDGE / (2.0 * np.pi)
    assert scaled.max() < 1.0 + 1e-9
    assert scaled.sum(axis=1).max() < 1.5 + 1e-9


@given(st.integers(0, 10_000))
def test_sites_do_not_depend_on_translation_or_wrapping(seed):
    rng = np.random.default_rng(seed)
    positions, box = crystal((2, 1, 3), rng)
    sites = lattice_sites(positions, box=box, repeats=(2, 1, 3), atom=2)
    moved = positions + rng.uniform(-5, 5, 3) + box * rng.integers(-2, 3, positions.shape)
    np.testing.assert_array_equal(lattice_sites(moved, box=box, repeats=(2, 1, 3), atom=2), sites)
    assert not sites[2].any()


def test_sites_of_one_cell_are_its_corner_and_three_faces():
    positions, box = crystal((1, 1, 1))
    sites = lattice_sites(positions, box=box, repeats=(1, 1, 1))
    np.testing.assert_array_equal(sites, [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]])


def test_nearest_images_agree_with_a_search_over_many_images():
    rng = np.random.default_rng(8)
    positions, box = crystal((2, 2, 2), rng)
    index, vectors, weight = nearest_images(positions, box=box, atom=3)
    for atom, place in enumerate(positions):
        images = [place - positions[3] + box * np.array(s) for s in itertools.product(range(-2, 3), repeat=3)]
        distances = np.linalg.norm(images, axis=1)
        nearest = np.sort(np.round(np.array(images)[distances < distances.min() + 1e-3], 6), axis=0)
        mine = index == atom
        np.testing.assert_allclose(np.sort(np.round(vectors[mine], 6), axis=0), nearest)
        assert weight[mine].sum() == pytest.approx(1.0)
        assert np.ptp(weight[mine]) == 0.0
    # half a cell away along one edge there are two images, along all three eight
    counts = np.bincount(index)
    assert sorted(set(counts)) == [1, 2, 4, 8]


def test_numbers_of_cells_are_checked():
    assert cell_counts(np.array([2, 3, 4])) == (2, 3, 4)
    for wrong in ((2, 2), (2, 2, 0), (1, -1, 1)):
        with pytest.raises(ObservableError, match="three positive"):
            cell_counts(wrong)
