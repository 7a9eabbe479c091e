"""Jumps are found where they are and as high as they are; a curve's sign changes are counted in its own unit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlff.analysis.continuity import find_jump, irregular_intervals, rounding_step, wrong_sign
from pytest_mlff.errors import NonFiniteError, ObservableError

GRID = np.arange(3.4, 9.5, 0.02)


def lennard_jones_force(r):
    x6 = (3.4 / r) ** 6
    return 24 * 0.0103 * x6 * (2 * x6 - 1) / r


@given(where=st.floats(3.47, 9.4), height=st.sampled_from([1e-4, -1e-3, 0.01]))
def test_a_jump_on_a_steep_smooth_curve_is_found(where, height):
    def force(r):
        return lennard_jones_force(r) + (height if r > where else 0.0)

    places = irregular_intervals([force(r) for r in GRID], count=6)
    jumps = [find_jump(force, GRID[place], GRID[place + 1], width=1e-5) for place in places]
    best = max(jumps, key=lambda jump: jump.height)
    assert best.position == pytest.approx(where, abs=1e-5)
    assert best.height == pytest.approx(abs(height), rel=0.01)


def test_a_smooth_curve_has_no_jump():
    for place in irregular_intervals(lennard_jones_force(GRID), count=6):
        assert find_jump(lennard_jones_force, GRID[place], GRID[place + 1], width=1e-5).height < 1e-9


@pytest.mark.parametrize("offset", [-40.0, -570.0])
@pytest.mark.parametrize("points", [4, 6, 306])
def test_the_step_of_rounded_values_is_their_last_place(offset, points):
    x = np.linspace(3.4, 9.5, points)
    curve = 0.0412 * ((3.4 / x) ** 12 - (3.4 / x) ** 6)
    rounded = (curve + offset).astype(np.float32)
    place = np.spacing(np.float32(-offset))
    for unit in (1.0, 13.0, 27.2114, 1 / 96.4853):
        steps = rounding_step(unit * rounded.astype(float)) / (unit * place)
        assert steps == pytest.approx(round(float(steps)))
        assert 1 <= round(float(steps)) <= 8
        if points == 306:
            assert round(steps) == 1
    assert rounding_step(curve + offset) == 0.0
    assert rounding_step(np.round(curve + offset, 2)) == 0.0  # steps, and none of float32


@pytest.mark.parametrize("values", [[1.0], [0.0, 0.0], [2.0] * 9, [0.0, -0.5, 0.0], []])
def test_one_value_or_one_jump_is_no_rounding(values):
    assert rounding_step(values) == 0.0


@given(
    point=st.integers(0, len(GRID) - 1),
    value=st.sampled_from([np.nan, np.inf, -np.inf]),
    kind=st.sampled_from(["one", "from there on"]),
)
def test_a_curve_that_is_not_finite_somewhere_is_refused_and_never_the_smoothest(point, value, kind):
    curve = lennard_jones_force(GRID)
    curve[slice(point, point + 1 if kind == "one" else None)] = value
    for measure in (
        lambda: irregular_intervals(curve, count=6),
        lambda: rounding_step(curve),
        lambda: wrong_sign(curve, first=0, last=60),
    ):
        with pytest.raises(NonFiniteError, match="not finite in"):
            measure()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_jump_to_no_number_is_refused(value):
    with pytest.raises(NonFiniteError, match=r"the curve from 8\.48 to 8\.54 is not finite in 2 of 4 points"):
        find_jump(lambda r: lennard_jones_force(r) if r <= 8.5 else value, 8.5, 8.52, width=1e-5)
    with pytest.raises(NonFiniteError):  # no larger than a point of the first grid
        find_jump(lambda r: value if abs(r - 8.51) < 1e-3 else lennard_jones_force(r), 8.5, 8.52, width=1e-5)


def test_a_curve_needs_six_points():
    with pytest.raises(ObservableError, match="six points"):
        irregular_intervals([1.0, 2.0, 3.0, 4.0, 5.0], count=1)


def test_one_change_of_sign_is_right_wherever_it_is():
    for zero in (3.61, 3.81, 4.21):
        assert wrong_sign(zero - GRID, first=5, last=50)[0] == 0.0
    assert wrong_sign(5.01 - GRID, first=5, last=50)[0] > 0.5  # but not as far out as this


def test_a_hole_and_a_bump_are_found_with_their_depth():
    curve = lennard_jones_force(GRID)
    hole = np.where(GRID < 3.5, -0.02, curve)
    size, worst = wrong_sign(hole, first=5, last=50)
    assert size == 0.02
    assert GRID[worst] < 3.5
    bump = curve + 0.02 * np.exp(-((GRID - 6.0) ** 2) / 0.02)
    size, worst = wrong_sign(bump, first=5, last=50)
    assert size == pytest.approx(bump[GRID > 5].max())
    assert GRID[worst] == pytest.approx(6.0, abs=0.05)


def test_a_curve_of_the_other_sign_is_wrong_all_over():
    curve = -lennard_jones_force(GRID)
    assert wrong_sign(curve, first=0, last=60)[0] > 0.007
