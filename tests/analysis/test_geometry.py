"""Periodic geometry against brute force over images and integer triples."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlff.analysis.geometry import (
    count_lags,
    fractional,
    frame_interval,
    half_width,
    image_lengths,
    minimum_image,
    nearest_neighbours,
    reciprocal_vectors,
    replica_positions,
    right_angled_edges,
    smallest_wave_number,
    wave_number,
    wave_vector,
)
from pytest_mlff.cells import perpendicular_widths, volume, wrap
from pytest_mlff.errors import ObservableError
from pytest_mlff.schema import trajectory_dataset

CELL = np.diag([7.0, 9.0, 12.5])
TRICLINIC = np.array([[7.0, 0.4, -0.3], [2.9, 8.0, 0.6], [-2.5, 3.1, 9.4]])
FLAT = np.array([[5.0, 0.0, 0.0], [4.6, 3.0, 0.0], [9.3, 5.9, 4.0]])
TURNED = CELL @ np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
CELLS = {"right angles": CELL, "none": TRICLINIC, "far from reduced": FLAT, "turned": TURNED}
seeds = st.integers(0, 2**32 - 1)
every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)


def test_the_cells_are_what_they_are_called():
    for cell in (TRICLINIC, FLAT):
        lengths = np.linalg.norm(cell, axis=1)
        cosines = (cell @ cell.T / np.outer(lengths, lengths))[np.triu_indices(3, 1)]
        assert (np.abs(cosines) > 0.1).all()


@every_cell
@settings(max_examples=40, deadline=None)
@given(seed=seeds)
def test_minimum_image_is_the_shortest_of_all_images(cell, seed):
    d = np.random.default_rng(seed).uniform(-20.0, 20.0, size=(15, 3))
    found = minimum_image(d, cell)
    near = d - np.floor(d @ np.linalg.inv(cell)) @ cell
    images = np.array(list(product(range(-5, 6), repeat=3))) @ cell
    shortest = np.linalg.norm(near[:, None] + images, axis=-1).min(axis=1)
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), shortest, atol=1e-9)
    turns = (d - found) @ np.linalg.inv(cell)
    np.testing.assert_allclose(turns, np.rint(turns), atol=1e-9)


def test_minimum_image_keeps_precision_and_lattice():
    d = np.array([[6.5, -5.0, 30.0]], dtype=np.float32)
    for cell in (CELL, CELL @ np.eye(3)[[1, 0, 2]]):
        found = minimum_image(d @ np.linalg.inv(CELL).astype(np.float32) @ cell.astype(np.float32), cell)
        assert found.dtype == np.float32
        expected = np.array([[-0.5, 4.0, 5.0]]) @ np.linalg.inv(CELL) @ cell
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@given(seed=seeds)
def test_right_angles_are_the_arithmetic_of_edges(seed):
    """To the last bit: stored references of orthorhombic cells stay what they are."""
    rng = np.random.default_rng(seed)
    x, edges, n = rng.uniform(-50.0, 50.0, size=(20, 3)), rng.uniform(3.0, 60.0, 3), rng.integers(-9, 10, (20, 3))
    cell = np.diag(edges)
    np.testing.assert_array_equal(minimum_image(x, cell), x - edges * np.rint(x / edges))
    np.testing.assert_array_equal(fractional(x, cell), (x / edges).T)
    np.testing.assert_array_equal(wave_vector(n, cell), 2.0 * np.pi * n / edges)
    assert volume(cell) == np.prod(edges)
    assert half_width(cell) == edges.min() / 2.0


@every_cell
@given(seed=seeds)
def test_wrapped_positions_lie_in_the_cell_and_differ_by_the_lattice(cell, seed):
    x = np.random.default_rng(seed).uniform(-50.0, 50.0, size=(20, 3))
    inside = wrap(x, cell)
    scaled = inside @ np.linalg.inv(cell)
    assert (scaled >= -1e-12).all()
    assert (scaled <= 1.0 + 1e-12).all()
    turns = (x - inside) @ np.linalg.inv(cell)
    np.testing.assert_allclose(turns, np.rint(turns), atol=1e-11)


def test_a_rounding_error_below_zero_is_wrapped_to_zero():
    np.testing.assert_array_equal(wrap(np.array([[-1e-20, 0.0, 12.5]]), CELL), [[0.0, 0.0, 0.0]])


@every_cell
def test_half_of_the_smallest_width_and_volume(cell):
    """The largest sphere whose images do not touch has half the length of the shortest lattice vector or more."""
    normals = np.cross(np.roll(cell, -1, axis=0), np.roll(cell, -2, axis=0))
    widths = abs(np.linalg.det(cell)) / np.linalg.norm(normals, axis=1)
    np.testing.assert_allclose(perpendicular_widths(cell), widths, rtol=1e-12)
    assert half_width(cell) == pytest.approx(widths.min() / 2)
    assert volume(cell) == pytest.approx(abs(np.linalg.det(cell)))


@every_cell
@given(seed=seeds)
def test_lengths_of_images_are_exact_within_the_half_width(cell, seed):
    scaled = np.random.default_rng(seed).uniform(-1.0, 1.0, size=(3, 40))
    exact = np.linalg.norm(minimum_image(scaled.T @ cell, cell), axis=1)
    found = image_lengths(list(scaled.astype(np.float32)), cell)
    near = exact < half_width(cell) - 1e-4
    np.testing.assert_allclose(found[near], exact[near], atol=2e-5)
    assert (found[~near] > half_width(cell) - 2e-4).all()


@every_cell
@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_neighbours_are_the_nearest_of_all_images(cell, seed):
    position = np.random.default_rng(seed).uniform(-20.0, 20.0, size=(30, 3))
    index, vector = nearest_neighbours(position, cell, 5)
    images = np.array(list(product(range(-4, 5), repeat=3))) @ cell
    inside = wrap(position, cell)
    apart = np.linalg.norm((inside + images[:, None]).reshape(-1, 3) - inside[:, None], axis=-1)
    exact = np.sort(apart, axis=1)[:, 1:6]
    found = np.linalg.norm(vector, axis=-1)
    known = exact < (half_width(cell) if cell is CELL else np.inf)  # right angles: one image of each atom
    np.testing.assert_allclose(found[known], exact[known], atol=1e-9)
    assert known[:, 0].any()
    turns = (position[index] - position[:, None] - vector) @ np.linalg.inv(cell)
    np.testing.assert_allclose(turns, np.rint(turns), atol=1e-9)


@every_cell
@given(first=st.floats(0.0, 1.5), second=st.floats(0.0, 1.5))
def test_wave_vectors_are_half_of_all_in_the_range(cell, first, second):
    q_min, q_max = sorted((first, second))
    n = reciprocal_vectors(cell, q_min=q_min, q_max=q_max)
    every = np.array([m for m in product(range(-5, 6), repeat=3) if any(m)])
    length = np.linalg.norm(2 * np.pi * every @ np.linalg.inv(cell).T, axis=1)
    expected = {tuple(m) for m in every[(length >= q_min - 1e-12) & (length <= q_max + 1e-12)].tolist()}
    found = {tuple(m) for m in n.tolist()}
    assert len(found) == len(n)
    assert found | {tuple(-c for c in m) for m in found} == expected
    assert len(expected) == 2 * len(found)


@every_cell
def test_wave_vectors_turn_by_whole_numbers_along_the_cell_vectors(cell):
    n = reciprocal_vectors(cell, q_min=0.0, q_max=3.0)
    np.testing.assert_allclose(wave_vector(n, cell) @ cell.T, 2 * np.pi * n, atol=1e-9)
    length = wave_number(n, cell)
    assert (np.diff(length) > -1e-9).all()
    assert smallest_wave_number(cell) >= length[0] - 1e-12


def test_first_shells_of_a_cube():
    cube = 2 * np.pi * np.eye(3)
    n = reciprocal_vectors(cube, q_min=0.0, q_max=np.sqrt(3.0))
    assert n.dtype == np.int64
    assert [int(m @ m) for m in n] == [1] * 3 + [2] * 6 + [3] * 4
    assert len(reciprocal_vectors(cube, q_min=1.0, q_max=1.0)) == 3


def test_a_cell_without_such_vectors_gives_none():
    assert reciprocal_vectors(CELL, q_min=0.0, q_max=0.1).shape == (0, 3)


@pytest.mark.parametrize(
    ("cell", "q_min", "q_max"),
    [
        ([1.0, 2.0, 3.0], 0.0, 1.0),
        (np.diag([1.0, 2.0, 0.0]), 0.0, 1.0),
        ([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 0.0, 1.0]], 0.0, 1.0),
        (np.diag([1.0, 2.0, np.nan]), 0.0, 1.0),
        (CELL, 2.0, 1.0),
        (CELL, -1.0, 1.0),
        (CELL, 0.0, np.inf),
    ],
)
def test_impossible_ranges_and_cells_are_refused(cell, q_min, q_max):
    with pytest.raises(ObservableError, match="expected"):
        reciprocal_vectors(cell, q_min=q_min, q_max=q_max)


def test_what_needs_right_angles_says_so():
    np.testing.assert_array_equal(right_angled_edges(CELL, "a slab"), [7.0, 9.0, 12.5])
    for cell in (TRICLINIC, TURNED):
        with pytest.raises(ObservableError, match="a slab needs cell vectors along x, y and z"):
            right_angled_edges(cell, "a slab")


def test_bad_positions_are_named_with_replica_and_frame():
    position = np.zeros((2, 5, 3, 3))
    position[1, 3, 2, 0] = np.nan
    run = trajectory_dataset(position, CELL, 0.1)
    assert replica_positions(run, 0).shape == (5, 3, 3)
    with pytest.raises(ObservableError, match=r"replica 1 .* frame 3"):
        replica_positions(run, 1)


def test_frame_interval_of_even_and_uneven_frames():
    run = trajectory_dataset(np.zeros((1, 2000, 1, 3)), CELL, 0.1078)
    assert frame_interval(run) == pytest.approx(0.1078, rel=1e-12)
    with pytest.raises(ObservableError, match="evenly spaced"):
        frame_interval(run.isel(frame=[0, 1, 3]))
    with pytest.raises(ObservableError, match="evenly spaced"):
        frame_interval(run.isel(frame=[2, 1, 0]))
    with pytest.raises(ObservableError, match="needs two"):
        frame_interval(run.isel(frame=[0]))


def test_lags_are_fixed_by_the_window_not_by_the_run():
    assert count_lags(116, 0.1078, 6.0) == count_lags(5000, 0.1078, 6.0) == 56
    assert count_lags(7, 0.5, 3.0) == 7


@given(st.integers(1, 4999), st.floats(1e-3, 10.0))
def test_a_lag_that_is_a_whole_number_of_frames_counts(frames, interval):
    """Rounding costs no lag and adds none."""
    assert count_lags(5000, interval, frames * interval) == frames + 1
    assert count_lags(5000, interval, frames * interval * (1 - 1e-12)) == frames + 1
    assert count_lags(5000, interval, (frames - 1e-3) * interval + interval) == frames + 1


@pytest.mark.parametrize("max_lag", [3.0, 0.3, -1.0, np.inf, np.nan])
def test_lags_beyond_the_run_are_refused(max_lag):
    with pytest.raises(ObservableError, match=r"max_lag = .*; the run has 6 frames, .* from 0\.5 to 2\.5 ps"):
        count_lags(6, 0.5, max_lag)
