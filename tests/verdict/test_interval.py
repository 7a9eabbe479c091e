"""Student intervals and the joint error of candidate and reference."""

import math

import pytest

from pytest_mlff.errors import ObservableError
from pytest_mlff.schema import Estimate
from pytest_mlff.verdict.decide import combine, interval, student_quantile

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("level", "dof", "quantile"),
    [
        (0.95, INF, 1.959964),
        (0.95, 7, 2.364624),
        (0.975, 7, 2.841244),
        (1 - 0.05 / 3, 7, 3.1276),  # eight replicas, three looks
        (0.95, 1, 12.706205),
    ],
)
def test_quantiles_of_the_textbook(level: float, dof: float, quantile: float):
    assert student_quantile(level, dof) == pytest.approx(quantile, rel=1e-4)


def test_interval_is_value_plus_minus_quantile():
    low, high = interval(Estimate(5.0, 2.0, 7), level=0.95)
    assert (low, high) == pytest.approx((5 - 2 * 2.364624, 5 + 2 * 2.364624), rel=1e-5)


def test_an_exact_number_has_a_point_for_an_interval():
    assert interval(Estimate(5.0, 0.0, 3), level=0.95) == (5.0, 5.0)


@pytest.mark.parametrize("estimate", [Estimate(1, NAN), Estimate(1, INF), Estimate(1, 1, 0), Estimate(1, 1, NAN)])
def test_without_an_error_bar_there_is_no_interval(estimate: Estimate):
    assert all(map(math.isnan, interval(estimate, level=0.95)))


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, NAN])
def test_a_level_is_a_probability(level: float):
    with pytest.raises(ObservableError, match="between 0 and 1"):
        interval(Estimate(1, 1), level=level)


def test_welch_satterthwaite():
    equal = combine(0.0, (Estimate(0, 1, 7), Estimate(0, 1, 7)))
    assert (equal.stderr, equal.dof) == pytest.approx((math.sqrt(2), 14))
    alone = combine(0.0, (Estimate(0, 1, 7), Estimate(0, 0, 3)))
    assert (alone.stderr, alone.dof) == pytest.approx((1, 7))
    known = combine(0.0, (Estimate(0, 0, 7), Estimate(0, 1, INF)))
    assert (known.stderr, known.dof) == (1, INF)
    # formula, by hand: (4 + 1)² / (16/5 + 1/20)
    mixed = combine(0.0, (Estimate(0, 2, 5), Estimate(0, 1, 20)))
    assert mixed.dof == pytest.approx(25 / (16 / 5 + 1 / 20))
