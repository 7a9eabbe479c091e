"""Curves of one variable: where they jump, by how much, and how often they change their sign."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_mlff.errors import ObservableError
from pytest_mlff.finite import refuse_non_finite

_WHOLE = 1e-2
"""Deviation from a whole number that the arithmetic behind the rounding explains."""


class Jump(NamedTuple):
    """A step of a curve: where it is and how high, without sign."""

    position: float
    height: float


def irregular_intervals(values: ArrayLike, *, count: int) -> list[int]:
    """Intervals of an even grid in which a curve changes least as it does beside them.

    Parameters
    ----------
    values : array_like, shape (point,)
        The curve on an even grid.
    count : int
        How many intervals.

    Returns
    -------
    list of int
        Index of the left end of each interval, most irregular first.

    Raises
    ------
    ObservableError
        If there are fewer than six points, or one of them is not finite.

    Notes
    -----
    The change Δᵢ across an interval is compared with (4 Δᵢ₋₁ + 4 Δᵢ₊₁ − Δᵢ₋₂ − Δᵢ₊₂)/6, what a cubic through
    those beside it has there: for a smooth curve that leaves a fifth difference, small however steep it is.
    """
    curve = np.asarray(values, dtype=float)
    if curve.ndim != 1 or curve.size < 6:
        raise ObservableError(f"values have shape {curve.shape}; expected at least six points of a curve")
    refuse_non_finite("the curve is", curve, "points")
    change = np.diff(curve)
    expected = (4.0 * (change[1:-3] + change[3:-1]) - change[:-4] - change[4:]) / 6.0
    order = np.argsort(-np.abs(change[2:-2] - expected), kind="stable")[:count]
    return [int(index) + 2 for index in order]


def rounding_step(values: ArrayLike) -> float:
    """Step in which values come that were rounded to float32, in whatever unit.

    Parameters
    ----------
    values : array_like, shape (point,)
        Of any unit; in float64.

    Returns
    -------
    float
        Largest step that all differences are multiples of, if it is as fine as float32 has it for the largest of the
        values: from half of its last place to sixteen. Else 0.

    Raises
    ------
    NonFiniteError
        If a value is not finite.

    Notes
    -----
    Euclid's algorithm on the differences. Of values that were not rounded it ends below what can be a step.
    """
    refuse_non_finite("the values are", values)
    numbers = np.unique(np.asarray(values, dtype=float))
    place = float(np.finfo(np.float32).eps) * float(np.abs(numbers).max(initial=0.0))
    gaps, step = np.diff(numbers), 0.0
    for gap in gaps:
        rest = float(gap)
        while rest > 0.2 * place:
            step, rest = rest, abs(step - round(step / rest) * rest)
    if not 0.2 * place < step <= 16.0 * place:
        return 0.0
    counts = gaps / step
    return step if np.abs(counts - np.round(counts)).max() < _WHOLE else 0.0


def find_jump(function: Callable[[float], float], low: float, high: float, *, width: float) -> Jump:
    """Close in on the step of a function between two points, by bisection.

    Parameters
    ----------
    function : callable
        Smooth but for at most one step.
    low, high : float
        Ends of the interval.
    width : float
        Where to stop, in the unit of the argument.

    Returns
    -------
    Jump
        In the middle of the last interval. Of the change across it, what the curve does on either side over
        the same width is taken off; without a step what is left vanishes with the width.

    Raises
    ------
    NonFiniteError
        If the function gives a value that is not finite.

    Notes
    -----
    A step J between the inner two of four even points is half seen by the cubic through them, so that the
    value in the middle lies J/2 above that cubic if the step is in the left half, and below it if not. On a
    steep curve the larger change alone would lead astray.
    """
    span = high - low
    points = [function(x) for x in (low - span, low, high, high + span)]
    while True:
        refuse_non_finite(f"the curve from {low - span:.6g} to {high + span:.6g} is", points, "points")
        before, below, above, after = points
        step = above - below - 0.5 * (below - before + after - above)
        if not high - low > width:
            return Jump(0.5 * (low + high), abs(step))
        middle, half = 0.5 * (low + high), 0.5 * (high - low)
        value = function(middle)
        if (value - (9.0 * (below + above) - before - after) / 16.0) * step > 0.0:
            points, high = [function(low - half), below, value, above], middle
        else:
            points, low = [below, value, above, function(high + half)], middle


def wrong_sign(values: ArrayLike, *, first: int, last: int) -> tuple[float, int]:
    """How far a curve that should fall through zero once is from doing so.

    Parameters
    ----------
    values : array_like, shape (point,)
        The curve: positive at first, negative later.
    first, last : int
        The crossing may lie between these points, ends included.

    Returns
    -------
    size : float
        Largest value on the wrong side of zero, for the crossing that makes it smallest; 0 for a curve that
        changes its sign once.
    worst : int
        Index of that point.

    Raises
    ------
    NonFiniteError
        If a value is not finite.
    """
    curve: NDArray[np.float64] = np.asarray(values, dtype=float)
    refuse_non_finite("the curve is", curve, "points")
    best, worst = np.inf, first
    for crossing in range(first, last + 1):
        wrong = np.concatenate([-curve[:crossing], curve[crossing:]])
        point = int(np.argmax(wrong))
        if wrong[point] < best:
            best, worst = float(wrong[point]), point
    return max(best, 0.0), worst
