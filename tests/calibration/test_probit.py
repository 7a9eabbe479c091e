"""The smallest defect found with 90 % probability, from counts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import norm

from pytest_mlff.calibration.probit import Threshold, fit, threshold

STRENGTHS = np.arange(2.5, 32.5, 2.5)
MIDDLE, WIDTH = 15.0, 3.0
TRUE_90 = MIDDLE + 1.2816 * WIDTH


def drawn(trials, seed):
    chances = norm.cdf((STRENGTHS - MIDDLE) / WIDTH)
    caught = np.random.default_rng(seed).binomial(trials, chances)
    return {float(x): (int(n), trials) for x, n in zip(STRENGTHS, caught, strict=True)}


def test_a_known_threshold_is_recovered():
    found = threshold(drawn(2000, 1))
    assert found.how == "fit"
    assert found.strength == pytest.approx(TRUE_90, abs=0.3)
    assert found.low < TRUE_90 < found.high
    assert found.high - found.low < 0.8


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """With 6 seeds each nearly: 89 % of 300 such experiments, not 95 %."""
    found = [threshold(drawn(6, seed)) for seed in range(60)]
    fits = [item for item in found if item.how == "fit"]
    assert len(fits) > 50
    assert np.mean([item.low <= TRUE_90 <= item.high for item in fits]) > 0.8
    assert np.median([item.strength for item in fits]) == pytest.approx(TRUE_90, abs=0.7)
    assert np.median([item.high - item.low for item in fits]) < 10.0


@pytest.mark.parametrize("seed", range(5))
def test_the_fit_is_that_of_largest_likelihood(seed):
    counts = drawn(8, seed)
    caught, trials = np.array([counts[x] for x in STRENGTHS.tolist()]).T

    def loss(line):
        argument = line[0] + line[1] * STRENGTHS
        return -(caught * norm.logcdf(argument) + (trials - caught) * norm.logsf(argument)).sum()

    best = minimize(loss, (-MIDDLE / WIDTH, 1.0 / WIDTH), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10})
    np.testing.assert_allclose(fit(STRENGTHS, caught, trials), best.x, rtol=1e-3)


def test_several_lines_of_counts_are_fitted_each_by_itself():
    lines = [drawn(8, seed) for seed in (1, 2)]
    caught = np.array([[counts[x][0] for x in STRENGTHS.tolist()] for counts in lines])
    trials = np.full(len(STRENGTHS), 8)
    alone = [fit(STRENGTHS, one, trials) for one in caught]
    np.testing.assert_allclose(fit(STRENGTHS, caught, trials), alone, rtol=1e-9)


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ((0, 0, 6, 6), Threshold(how="bracket", low=2.0, high=3.0)),
        ((0, 3, 6, 6), Threshold(how="bracket", low=2.0, high=3.0)),  # one strength in part fixes no slope
        ((0, 0, 0, 6), Threshold(how="bracket", low=3.0, high=4.0)),
        ((0, 0, 0, 0), Threshold(how="never", low=4.0)),
        ((0, 0, 3, 5), Threshold(how="never", low=4.0)),
        ((6, 6, 6, 6), Threshold(how="always", high=1.0)),
    ],
)
def test_counts_that_fix_no_line_give_what_they_have(shares, expected):
    counts = {float(strength): (count, 6) for strength, count in enumerate(shares, start=1)}
    assert threshold(counts) == expected
    assert threshold(dict(reversed(counts.items()))) == expected


def test_one_trial_at_each_strength_is_a_bracket():
    assert threshold({3.0: (0, 1), 3.25: (1, 1), 6.0: (1, 1)}) == Threshold(how="bracket", low=3.0, high=3.25)


def test_a_miss_above_a_catch_is_a_fit():
    found = threshold({1.0: (0, 6), 2.0: (2, 6), 3.0: (4, 6), 4.0: (6, 6)})
    assert found.how == "fit"
    a, b = found.line
    assert norm.cdf(a + b * found.strength) == pytest.approx(0.9)
    assert 2.0 < found.low < found.strength < found.high
