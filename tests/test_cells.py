"""Geometry of a cell: any cell by what it must satisfy, a right-angled one to the last digit."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_mlff.cells import edges_of, fractions, perpendicular_widths, volume, wrap

SKEWED = np.array([[9.0, 0.4, 0.0], [2.5, 8.0, -0.7], [1.1, 2.2, 10.0]])
BRICK = np.diag([7.1, 8.3, 9.7])


def test_a_cell_with_a_tilt_has_no_edges():
    assert edges_of(SKEWED) is None
    assert edges_of(-BRICK) is None
    np.testing.assert_array_equal(edges_of(BRICK), [7.1, 8.3, 9.7])


@pytest.mark.parametrize("cell", [SKEWED, BRICK], ids=["skewed", "brick"])
def test_volume_is_a_face_times_the_width_across_it(cell):
    for k, width in enumerate(perpendicular_widths(cell)):
        face = np.linalg.norm(np.cross(cell[(k + 1) % 3], cell[(k + 2) % 3]))
        assert face * width == pytest.approx(volume(cell), rel=1e-12)


@pytest.mark.parametrize("cell", [SKEWED, BRICK], ids=["skewed", "brick"])
def test_wrapping_moves_by_whole_vectors_into_the_cell(cell):
    position = np.random.default_rng(0).uniform(-40.0, 40.0, (200, 3))
    inside = wrap(position, cell)
    moved = fractions(position - inside, cell)
    np.testing.assert_allclose(moved, np.rint(moved), atol=1e-9)
    assert np.abs(moved).max() > 1.0
    assert ((fractions(inside, cell) > -1e-12) & (fractions(inside, cell) < 1.0 + 1e-12)).all()


def test_fractions_times_the_cell_are_the_positions():
    position = np.random.default_rng(1).uniform(-40.0, 40.0, (50, 3))
    np.testing.assert_allclose(fractions(position, SKEWED) @ SKEWED, position, rtol=1e-12, atol=1e-12)


def test_in_a_brick_the_far_face_is_the_near_one():
    assert (wrap(np.array([[-1e-20, 8.3, 9.7]]), BRICK) == 0.0).all()
