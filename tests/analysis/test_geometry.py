"""Periodic geometry against brute force over images and integer triples."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlff.analysis.geometry import (
    count_lags,
    frame_interval,
    half_shortest_edge,
    minimum_image,
    reciprocal_vectors,
    replica_positions,
    wave_number,
    wrap,
)
from pytest_mlff.errors import ObservableError
from pytest_mlff.schema import trajectory_dataset

BOX = np.array([7.0, 9.0, 12.5])
seeds = st.integers(0, 2**32 - 1)


@given(seeds)
def test_minimum_image_is_the_shortest_of_all_images(seed):
    d = np.random.default_rng(seed).uniform(-20.0, 20.0, size=(30, 3))
    images = np.array(list(product(range(-4, 5), repeat=3))) * BOX
    shortest = np.linalg.norm(d[:, None] + images, axis=-1).min(axis=1)
    np.testing.assert_allclose(np.linalg.norm(minimum_image(d, BOX), axis=-1), shortest, atol=1e-9)


def test_minimum_image_keeps_precision_and_lattice():
    d = np.array([[6.5, -5.0, 30.0]], dtype=np.float32)
    found = minimum_image(d, BOX)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[-0.5, 4.0, 5.0]], rtol=1e-6)


@given(seeds)
def test_wrapped_positions_lie_in_the_cell_and_differ_by_the_lattice(seed):
    x = np.random.default_rng(seed).uniform(-50.0, 50.0, size=(20, 3))
    inside = wrap(x, BOX)
    assert (inside >= 0.0).all()
    assert (inside < BOX).all()
    cells = (x - inside) / BOX
    np.testing.assert_allclose(cells, np.rint(cells), atol=1e-12)


def test_a_rounding_error_below_zero_is_wrapped_to_zero():
    np.testing.assert_array_equal(wrap(np.array([[-1e-20, 0.0, 12.5]]), BOX), [[0.0, 0.0, 0.0]])


def test_half_of_the_shortest_edge():
    assert half_shortest_edge(BOX) == 3.5


@given(st.floats(0.0, 1.5), st.floats(0.0, 1.5))
def test_wave_vectors_are_half_of_all_in_the_range(first, second):
    q_min, q_max = sorted((first, second))
    n = reciprocal_vectors(BOX, q_min=q_min, q_max=q_max)
    every = np.array([m for m in product(range(-4, 5), repeat=3) if any(m)])
    length = np.linalg.norm(2 * np.pi * every / BOX, axis=1)
    expected = {tuple(m) for m in every[(length >= q_min - 1e-12) & (length <= q_max + 1e-12)].tolist()}
    found = {tuple(m) for m in n.tolist()}
    assert len(found) == len(n)
    assert found | {tuple(-c for c in m) for m in found} == expected
    assert len(expected) == 2 * len(found)


def test_wave_vectors_are_ordered_by_length():
    length = wave_number(reciprocal_vectors(BOX, q_min=0.0, q_max=3.0), BOX)
    assert (np.diff(length) > -1e-9).all()
    assert length[0] == pytest.approx(2 * np.pi / 12.5)


def test_first_shells_of_a_cube():
    n = reciprocal_vectors(np.full(3, 2 * np.pi), q_min=0.0, q_max=np.sqrt(3.0))
    assert n.dtype == np.int64
    assert [int(m @ m) for m in n] == [1] * 3 + [2] * 6 + [3] * 4
    assert len(reciprocal_vectors(np.full(3, 2 * np.pi), q_min=1.0, q_max=1.0)) == 3


def test_a_cell_without_such_vectors_gives_none():
    assert reciprocal_vectors(BOX, q_min=0.0, q_max=0.1).shape == (0, 3)


@pytest.mark.parametrize(
    ("box", "q_min", "q_max"),
    [
        ([1.0, 2.0], 0.0, 1.0),
        ([1.0, 2.0, 0.0], 0.0, 1.0),
        (BOX, 2.0, 1.0),
        (BOX, -1.0, 1.0),
        (BOX, 0.0, np.inf),
    ],
)
def test_impossible_ranges_and_boxes_are_refused(box, q_min, q_max):
    with pytest.raises(ObservableError, match="expected"):
        reciprocal_vectors(box, q_min=q_min, q_max=q_max)


def test_bad_positions_are_named_with_replica_and_frame():
    position = np.zeros((2, 5, 3, 3))
    position[1, 3, 2, 0] = np.nan
    run = trajectory_dataset(position, BOX, 0.1)
    assert replica_positions(run, 0).shape == (5, 3, 3)
    with pytest.raises(ObservableError, match=r"replica 1 .* frame 3"):
        replica_positions(run, 1)


def test_frame_interval_of_even_and_uneven_frames():
    run = trajectory_dataset(np.zeros((1, 2000, 1, 3)), BOX, 0.1078)
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
