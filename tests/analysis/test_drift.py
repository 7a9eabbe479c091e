"""Drifts with correlated noise: the slope, and an error bar that is one."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_mlff.analysis.drift import linear_drift
from pytest_mlff.errors import ObservableError

TIME = 0.01078 * np.arange(191)


def test_a_line_is_exact():
    found = linear_drift(TIME, 3.0 - 0.25 * TIME)
    assert found.value == pytest.approx(-0.25, abs=1e-12)
    assert found.stderr < 1e-12


@pytest.mark.parametrize("memory", [0.0, 0.6])
def test_scores_over_many_runs_have_spread_one(memory):
    rng, scores = np.random.default_rng(3), []
    for _ in range(600):
        noise = rng.normal(0.0, 1e-6, TIME.size)
        for k in range(1, TIME.size):
            noise[k] += memory * noise[k - 1]
        found = linear_drift(TIME, 1e-6 * TIME + noise)
        scores.append((found.value - 1e-6) / found.stderr)
    assert 0.85 < np.std(scores) < 1.2
    assert abs(np.mean(scores)) < 0.15


def test_correlation_widens_the_error_and_takes_degrees_of_freedom():
    rng = np.random.default_rng(0)
    white = rng.normal(size=TIME.size)
    smooth = np.convolve(rng.normal(size=TIME.size + 9), np.ones(10) / np.sqrt(10), mode="valid")
    independent, correlated = linear_drift(TIME, white), linear_drift(TIME, smooth)
    assert correlated.stderr > 1.5 * independent.stderr
    assert correlated.dof < 0.5 * independent.dof


def test_what_is_no_series_is_refused():
    for values, words in ((np.full(TIME.size, np.nan), "values are not finite"), (TIME[:5], "expected ten frames")):
        with pytest.raises(ObservableError, match=words):
            linear_drift(TIME[: len(values)], values)
