"""Extrapolated derivatives: exact where they must be, and with an error that is one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_mlff.analysis.richardson import derivative
from pytest_mlff.errors import ObservableError


def test_a_polynomial_of_sixth_order_is_differentiated_exactly():
    polynomial = np.polynomial.Polynomial([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    found = derivative(polynomial, step=0.5)
    assert found.value == pytest.approx(2.0, abs=1e-12)
    assert found.stderr > 1e-3  # the fifth order, which the last extrapolation removed


def test_the_seventh_order_is_what_remains():
    found = derivative(lambda x: x**7, step=0.5)
    # h⁶ with the product of the halved steps: h⁶/64
    assert found.value == pytest.approx(0.5**6 / 64, rel=1e-9)
    assert found.stderr > found.value


@pytest.mark.parametrize("point", [0.3, 1.0, 4.0])
def test_the_error_bounds_that_of_a_smooth_function(point):
    found = derivative(lambda x: math.exp(math.sin(point + x)), step=0.2)
    exact = math.exp(math.sin(point)) * math.cos(point)
    assert 0.0 < abs(found.value - exact) < found.stderr < 1e-3


def test_noise_shows_in_the_error():
    rng = np.random.default_rng(0)
    scores = []
    for _ in range(400):
        found = derivative(lambda x: 3.0 * x + rng.normal(0.0, 1e-4), step=0.1)
        scores.append(abs(found.value - 3.0) / found.stderr)
    assert np.median(scores) < 4.0
    quiet, noisy = (derivative(lambda x, s=s: 3.0 * x + rng.normal(0.0, s), step=0.1).stderr for s in (1e-9, 1e-3))
    assert noisy > 1e3 * quiet


def test_a_kink_within_the_step_shows_in_the_error():
    found = derivative(lambda x: max(x - 0.03, 0.0), step=0.1)
    assert found.stderr > abs(found.value) > 0.01


def test_what_cannot_be_differentiated_is_refused():
    with pytest.raises(ObservableError, match="not finite"):
        derivative(lambda x: math.nan if x < 0 else x, step=0.1)
    with pytest.raises(ObservableError, match="positive"):
        derivative(math.sin, step=0.0)
