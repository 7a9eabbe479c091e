"""Errors from replicas: exact numbers, naive formulas, and z-scores that follow Student's t."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pytest_mlff.analysis.statistics import (
    curve_distance2,
    delete_one_stderr,
    jackknife,
    replica_estimate,
    replica_mean,
)
from pytest_mlff.errors import ObservableError

X = np.linspace(0.5, 10.0, 40)
REFERENCE = 1.0 + np.sin(2.0 * X) / X
WEIGHT = X**2
SCALE = float(np.sum(WEIGHT * (REFERENCE - 1.0) ** 2))


def assert_student(z: np.ndarray, dof: int) -> None:
    """The mean square of z is ν/(ν − 2) within 3.5 of its own sampling error, and the law is t."""
    expected = dof / (dof - 2)
    fourth = 3 * dof**2 / ((dof - 2) * (dof - 4))
    error = math.sqrt((fourth - expected**2) / z.size)
    assert np.mean(z**2) == pytest.approx(expected, abs=3.5 * error)
    assert stats.kstest(z, stats.t(dof).cdf).pvalue > 1e-3


def noisy_curves(rng, *, n_replicas, truth, noise=0.1):
    """Curves whose points are correlated: white noise plus a shape that all points share."""
    white = rng.normal(size=(n_replicas, X.size))
    shared = rng.normal(size=(n_replicas, 1)) * np.cos(X)
    return truth + noise * (white + shared)


def test_mean_and_error_of_known_numbers():
    found = replica_estimate([1.0, 2.0, 3.0, 6.0])
    # deviations -2 -1 0 3: variance 14/3, over 4 replicas 14/12
    assert found.value == 3.0
    assert found.stderr == pytest.approx(math.sqrt(14 / 12))
    assert found.dof == 3


def test_one_replica_has_no_error():
    assert math.isnan(replica_estimate([1.0]).stderr)
    assert np.isnan(replica_mean(np.ones((1, 4)))[1]).all()
    assert math.isnan(jackknife(np.ones((1, 4)), np.mean).stderr)
    assert np.isnan(delete_one_stderr(np.ones((1, 4)))).all()


@pytest.mark.parametrize("values", [[], 3.0, [[1.0, 2.0]]])
def test_values_that_are_not_one_per_replica_are_refused(values):
    with pytest.raises(ObservableError, match="one number per replica"):
        replica_estimate(values)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12))
def test_jackknife_of_the_mean_is_the_standard_error(values):
    plain, found = replica_estimate(values), jackknife(np.array(values), np.mean)
    assert found.value == pytest.approx(plain.value)
    assert found.stderr == pytest.approx(plain.stderr, abs=1e-9)
    assert found.dof == plain.dof


def test_jackknife_of_a_ratio_is_its_linearised_error():
    rng = np.random.default_rng(1)
    pairs = rng.normal([10.0, 5.0], 0.01, size=(50, 2))
    found = jackknife(pairs, lambda s: s[:, 0].mean() / s[:, 1].mean())
    linear = pairs[:, 0] / 5.0 - 10.0 * pairs[:, 1] / 25.0
    assert found.stderr == pytest.approx(np.std(linear, ddof=1) / math.sqrt(50), rel=1e-2)


def test_scatter_of_means_matches_student():
    rng = np.random.default_rng(4)
    found = [replica_estimate(rng.normal(size=8)) for _ in range(1000)]
    value = np.array([f.value for f in found])
    assert_student((value - value.mean()) / [f.stderr for f in found], 7)


def naive_distance2(curves, reference, stderr, weight, scale):
    """The definition, pair by pair."""
    n, total = len(curves), 0.0
    for k in range(n):
        for other in range(n):
            if k != other:
                total += sum(weight * (curves[k] - reference) * (curves[other] - reference))
    return (total / (n * (n - 1)) - sum(weight * stderr**2)) / scale


def test_distance_is_its_definition():
    rng = np.random.default_rng(5)
    curves = noisy_curves(rng, n_replicas=5, truth=REFERENCE + 0.2)
    stderr = rng.random(X.size) * 0.05
    found = curve_distance2(curves, REFERENCE, stderr, WEIGHT, SCALE)
    assert found.value == pytest.approx(naive_distance2(curves, REFERENCE, stderr, WEIGHT, SCALE))
    without = [naive_distance2(np.delete(curves, k, axis=0), REFERENCE, stderr, WEIGHT, SCALE) for k in range(5)]
    jack = 4 / 5 * np.sum((without - np.mean(without)) ** 2)
    exact = curve_distance2(curves, REFERENCE, 0 * stderr, WEIGHT, SCALE)
    assert exact.stderr == pytest.approx(math.sqrt(jack))
    assert found.stderr > exact.stderr
    assert found.dof == 4


def test_distance_of_noiseless_curves_is_exact():
    curves = np.tile(REFERENCE + 0.1 * (REFERENCE - 1.0), (4, 1))
    found = curve_distance2(curves, REFERENCE, np.zeros(X.size), WEIGHT, SCALE)
    assert found.value == pytest.approx(0.01)
    assert found.stderr == pytest.approx(0.0, abs=1e-12)


def draw_distances(rng, *, n_seeds, displacement, reference_noise):
    for _ in range(n_seeds):
        curves = noisy_curves(rng, n_replicas=8, truth=REFERENCE + displacement)
        seen = REFERENCE + rng.normal(size=X.size) * reference_noise
        stderr = np.full(X.size, reference_noise)
        yield curve_distance2(curves, seen, stderr, WEIGHT, SCALE)


@pytest.mark.parametrize("reference_noise", [0.0, 0.05])
def test_distance_of_a_perfect_candidate_is_zero_on_average(reference_noise):
    rng = np.random.default_rng(6)
    found = list(draw_distances(rng, n_seeds=600, displacement=0.0, reference_noise=reference_noise))
    value = np.array([f.value for f in found])
    assert abs(value.mean()) < 3.5 * value.std() / math.sqrt(value.size)
    # negative about as often as not: a distance that could only be positive would never say so
    assert 0.25 < np.mean(value < 0.0) < 0.75
    # at the null the jackknife is generous, never too small (Efron and Stein)
    assert np.mean([f.stderr**2 for f in found]) > value.var()


@pytest.mark.parametrize("reference_noise", [0.0, 0.03])
def test_z_scores_of_a_true_distance_follow_student(reference_noise):
    rng = np.random.default_rng(7)
    displacement = 0.3 * np.cos(X)
    truth = float(np.sum(WEIGHT * displacement**2)) / SCALE
    found = list(draw_distances(rng, n_seeds=600, displacement=displacement, reference_noise=reference_noise))
    value = np.array([f.value for f in found])
    assert value.mean() == pytest.approx(truth, abs=3.5 * value.std() / math.sqrt(value.size))
    assert (value > 0.0).all()
    assert_student((value - value.mean()) / [f.stderr for f in found], 7)


def test_error_of_the_reference_is_counted():
    """With many good replicas the reference's noise is all that is left, and the error bar says so."""
    rng = np.random.default_rng(8)
    displacement = 0.3 * np.cos(X)
    value, stderr = [], []
    for _ in range(400):
        curves = noisy_curves(rng, n_replicas=20, truth=REFERENCE + displacement, noise=1e-3)
        seen = REFERENCE + 0.05 * rng.normal(size=X.size)
        found = curve_distance2(curves, seen, np.full(X.size, 0.05), WEIGHT, SCALE)
        value.append(found.value)
        stderr.append(found.stderr)
    # a variance from 400 draws is known to 1/sqrt(200) = 7 %
    assert np.mean(np.square(stderr)) == pytest.approx(np.var(value), rel=0.25)


def test_too_few_replicas_give_nan():
    zero = np.zeros(X.size)
    one = curve_distance2(REFERENCE[None] + 0.1, REFERENCE, zero, WEIGHT, SCALE)
    two = curve_distance2(np.tile(REFERENCE + 0.1, (2, 1)), REFERENCE, zero, WEIGHT, SCALE)
    assert math.isnan(one.value)
    assert math.isnan(one.stderr)
    assert two.value > 0.0
    assert math.isnan(two.stderr)


def test_unknown_error_of_the_reference_is_not_taken_for_zero():
    curves = np.tile(REFERENCE + 0.1, (4, 1))
    assert math.isnan(curve_distance2(curves, REFERENCE, np.full(X.size, np.nan), WEIGHT, SCALE).stderr)


def test_curves_on_different_grids_are_refused():
    with pytest.raises(ObservableError, match="same grid"):
        curve_distance2(np.ones((4, 39)), REFERENCE, np.zeros(40), WEIGHT, SCALE)
    with pytest.raises(ObservableError, match="no structure"):
        curve_distance2(np.ones((4, 40)), REFERENCE, np.zeros(40), WEIGHT, 0.0)


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10.0))
def test_distance_does_not_depend_on_order_or_unit(seed, unit):
    rng = np.random.default_rng(seed)
    curves = noisy_curves(rng, n_replicas=6, truth=REFERENCE + 0.1)
    stderr = np.full(X.size, 0.02)
    plain = curve_distance2(curves, REFERENCE, stderr, WEIGHT, SCALE)
    shuffled = curve_distance2(rng.permutation(curves), REFERENCE, stderr, WEIGHT, SCALE)
    scaled = curve_distance2(unit * curves, unit * REFERENCE, unit * stderr, WEIGHT, unit**2 * SCALE)
    for other in (shuffled, scaled):
        assert other.value == pytest.approx(plain.value)
        assert other.stderr == pytest.approx(plain.stderr)
