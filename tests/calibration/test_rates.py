"""Rates with their exact intervals."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from pytest_mlff.calibration.rates import interval, rate


@pytest.mark.parametrize(("count", "trials"), [(1, 300), (15, 300), (7, 8), (150, 300)])
def test_the_interval_is_that_of_scipy(count, trials):
    expected = binomtest(count, trials).proportion_ci(method="exact")
    np.testing.assert_allclose(interval(count, trials), (expected.low, expected.high), rtol=1e-9)


@pytest.mark.parametrize("trials", [1, 20, 300])
def test_where_nothing_or_everything_happened_all_the_error_is_on_one_side(trials):
    low, high = interval(0, trials)
    assert low == 0.0
    assert binom.pmf(0, trials, high) == pytest.approx(0.05)
    assert interval(trials, trials) == pytest.approx((1.0 - high, 1.0))


def test_none_in_300_is_less_than_one_percent():
    assert rate(0, 300) == "0 % (≤ 0.99 %)"
    assert rate(299, 299).startswith("100 % (≥ 99")
    assert rate(15, 300) == "5 % (2.8–8.1 %)"
