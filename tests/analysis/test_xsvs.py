import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlff import synthetic
from pytest_mlff.analysis.shells import time_correlation, wave_vector_shells
from pytest_mlff.analysis.statistics import jackknife
from pytest_mlff.analysis.xpcs import intensity_autocorrelation
from pytest_mlff.analysis.xsvs import (
    contrast_moments,
    correlation_time,
    field_contrast,
    half_time,
    intensity_contrast,
    optical_contrast,
)
from pytest_mlff.errors import NonFiniteError, ObservableError
from pytest_mlff.schema import trajectory_dataset

CELL = 14.0 * np.eye(3)
SHELL = 1.4


def walkers(seed, *, replicas=8, frames=100, atoms=60, diffusivity=0.4):
    return synthetic.brownian_walkers(
        n_replicas=replicas, n_frames=frames, n_atoms=atoms, cell=CELL, diffusivity=diffusivity,
        frame_interval=0.1078, rng=np.random.default_rng(seed),
    )  # fmt: skip


def test_field_contrast_equals_the_double_sum_over_frames():
    correlation = np.random.default_rng(0).random(9)
    squared = (correlation / correlation[0]) ** 2
    naive = [np.mean([squared[abs(j - k)] for j in range(n) for k in range(n)]) for n in range(1, 10)]
    np.testing.assert_allclose(field_contrast(correlation), naive)


def test_field_contrast_approaches_the_closed_form():
    interval, rate = 0.002, 0.7
    contrast = field_contrast(np.exp(-rate * interval * np.arange(3000)))
    exposure = interval * np.arange(1, 3001)
    np.testing.assert_allclose(contrast, synthetic.exponential_contrast(exposure, rate=rate), rtol=2e-3)


def test_intensity_moments_equal_the_loop():
    intensity = np.random.default_rng(1).random((12, 5))
    found = contrast_moments(intensity, 4)
    naive = [np.mean([intensity[t : t + n].mean(axis=0) ** 2 for t in range(13 - n)]) for n in range(1, 5)]
    np.testing.assert_allclose(found, [*naive, intensity.mean()])
    np.testing.assert_allclose(intensity_contrast(found), np.array(naive) / intensity.mean() ** 2 - 1)


def test_constant_speckle_keeps_its_contrast_and_is_told_to_be_bounded():
    start = np.random.default_rng(2).random((3, 1, 50, 3)) * 14
    frozen = trajectory_dataset(np.repeat(start, 70, axis=1), CELL, 0.1)
    for source in ("field", "intensity"):
        contrast = optical_contrast(frozen, shell=SHELL, source=source)["contrast"]
        np.testing.assert_allclose(contrast, contrast[0], rtol=1e-4)
        found = correlation_time(frozen, shell=SHELL, source=source)
        assert float(found["correlation_time"]) == pytest.approx(6.0)
        assert found.attrs["bounded"] == 1


def test_half_time_interpolates():
    exposure = np.array([1.0, 2.0, 3.0, 4.0])
    assert half_time(exposure, np.array([2.0, 1.6, 0.8, 0.1])) == pytest.approx(2.75)
    assert half_time(exposure, np.array([2.0, 1.0, 0.8, 0.1])) == pytest.approx(2.0)
    assert half_time(exposure, np.array([2.0, 1.9, 1.8, 1.7])) == 4.0
    with pytest.raises(NonFiniteError, match="the contrast is not finite in 1 of 4 exposures"):
        half_time(exposure, np.array([2.0, np.nan, 1.8, 1.7]))


@settings(max_examples=50, deadline=None)
@given(rate=st.floats(0.25, 3), scale=st.floats(1e-3, 1e3))
def test_half_time_of_the_closed_form(rate, scale):
    """2(exp(−x) − 1 + x)/x² = 1/2 at x = 2.5569; the scale of the contrast does not matter."""
    exposure = np.linspace(0, 8, 4001)
    contrast = scale * synthetic.exponential_contrast(exposure, rate=rate)
    assert half_time(exposure, contrast) == pytest.approx(2.5569 / (2 * rate), rel=1e-3)


@pytest.mark.parametrize("source", ["field", "intensity"])
def test_contrast_of_walkers(source):
    found = optical_contrast(walkers(3, replicas=24), shell=SHELL, source=source)
    assert found["exposure"].to_numpy()[[0, -1]] == pytest.approx([0.1078, 55 * 0.1078])
    rate = 0.4 * float(found["mean_q"]) ** 2
    first = 1.0 if source == "field" else 1 - 1 / 60  # pairs of different walkers only
    exact = first * field_contrast(np.exp(-rate * 0.1078 * np.arange(55)))
    z = ((found["contrast"] - exact) / found["contrast_stderr"]).to_numpy()[1:]
    assert np.abs(z).max() < 5  # 23 degrees of freedom, correlated


def test_both_sources_give_the_same_correlation_time():
    data = walkers(4, replicas=24)
    direct = correlation_time(data, shell=SHELL, source="intensity")
    field = correlation_time(data, shell=SHELL, source="field")
    band = correlation_time(data, shell=SHELL, source="field", pooling="interpolated")
    exact = half_time(
        0.1078 * np.arange(1, 56),
        field_contrast(np.exp(-0.4 * float(direct["mean_q"]) ** 2 * 0.1078 * np.arange(55))),
    )
    for found, at in ((direct, exact), (field, exact), (band, exact * (float(direct["mean_q"]) / SHELL) ** 2)):
        error = float(found["correlation_time_stderr"])
        assert abs(float(found["correlation_time"]) - at) < 4 * error + 0.005  # 5 fs: at moves with dt
    error = np.hypot(direct["correlation_time_stderr"], field["correlation_time_stderr"])
    assert abs(direct["correlation_time"] - field["correlation_time"]) < 4 * error
    assert field["correlation_time_stderr"] < direct["correlation_time_stderr"]
    assert band["correlation_time_stderr"] < field["correlation_time_stderr"]


def test_averages_over_pixels_and_over_time_agree():
    field = synthetic.exponential_field(
        n_replicas=1, n_frames=3000, n_pixels=400, rate=2.0, frame_interval=0.1, rng=np.random.default_rng(5)
    )[0]
    intensity = np.abs(field) ** 2
    both, pixels, time = (
        intensity_contrast(contrast_moments(intensity, 20, average=average)) for average in ("both", "pixels", "time")
    )
    exact = field_contrast(np.exp(-0.2 * np.arange(20)))
    np.testing.assert_allclose(both, exact, rtol=0.02)
    # too low by about the contrast over 400 pixels, or by 1/(2 Γ T) = 1/600 of the mean's own variance
    np.testing.assert_allclose(pixels, both, atol=0.01)
    np.testing.assert_allclose(time, both, atol=0.01)


def test_contrast_is_g2_at_lag_zero():
    data = walkers(6)
    direct = optical_contrast(data, shell=SHELL)["contrast"]
    for n in (1, 5):
        g2 = intensity_autocorrelation(data, shells=[SHELL], max_lag=3.0, exposure_frames=n)
        assert float(g2["g2"][0, 0]) - 1 == pytest.approx(float(direct[n - 1]), abs=0.02)


def test_errors_are_the_jackknife():
    data = walkers(7, replicas=5)
    found = optical_contrast(data, shell=SHELL)
    samples = found["moments_replica"].to_numpy()
    one = jackknife(samples, lambda x: x.mean(axis=0)[9] / x.mean(axis=0)[-1] ** 2 - 1)
    assert float(found["contrast"][9]) == pytest.approx(one.value)
    assert float(found["contrast_stderr"][9]) == pytest.approx(one.stderr)
    lonely = correlation_time(walkers(7, replicas=1), shell=SHELL)
    assert np.isnan(lonely["correlation_time_stderr"])
    assert lonely["correlation_time"] > 0
    for name in found.variables:
        assert found[name].attrs["units"] in {"1", "1/Å", "ps"}


def test_bad_requests_are_refused():
    data = walkers(8, replicas=2, frames=40)
    with pytest.raises(ObservableError, match="max_lag"):
        optical_contrast(data, shell=SHELL)
    with pytest.raises(ObservableError, match="max_lag"):
        correlation_time(data, shell=SHELL)
    with pytest.raises(ObservableError, match="average"):
        optical_contrast(data, shell=SHELL, source="field", average="time", max_exposure=2.0)
    with pytest.raises(ObservableError, match="pooling"):
        optical_contrast(data, shell=SHELL, pooling="interpolated", max_exposure=2.0)


SEEDS = 240


@pytest.fixture(scope="module")
def many():
    """Contrast at 1 ps and correlation time of both sources, with errors, over many seeds; whole and half runs."""
    rate, interval = 0.85, 0.1078
    rng = np.random.default_rng(9)
    found = {}
    for _ in range(SEEDS):
        field = synthetic.exponential_field(
            n_replicas=8, n_frames=116, n_pixels=20, rate=rate, frame_interval=interval, rng=rng
        )
        for length, part in (("whole", field), ("half", field[:, :58])):
            moments = np.array([contrast_moments(np.abs(one) ** 2, 40) for one in part])
            curves = np.array([time_correlation(one, 40) for one in part])
            exposure = interval * np.arange(1, 41)
            for source, samples, curve in (
                ("intensity", moments, intensity_contrast),
                ("field", curves, field_contrast),
            ):
                beta = jackknife(samples, lambda x, c=curve: c(x.mean(axis=0))[8])
                time = jackknife(samples, lambda x, c=curve, e=exposure: half_time(e, c(x.mean(axis=0))))
                found.setdefault((source, "beta", length), []).append((beta.value, beta.stderr))
                found.setdefault((source, "time", length), []).append((time.value, time.stderr))
    return {key: np.array(value) for key, value in found.items()}


@pytest.mark.parametrize("source", ["field", "intensity"])
@pytest.mark.parametrize("quantity", ["beta", "time"])
def test_error_bars_follow_student(many, source, quantity):
    value, stderr = many[source, quantity, "whole"].T
    z = (value - value.mean()) / stderr
    # seven degrees of freedom: spread sqrt(7/5) = 1.18, known to 6 % from 240 seeds (kurtosis 5)
    assert z.std() == pytest.approx(np.sqrt(7 / 5), rel=0.2)
    assert 2 <= np.sum(np.abs(z) > 2.365) <= 26  # 12 expected


@pytest.mark.parametrize("source", ["field", "intensity"])
@pytest.mark.parametrize("quantity", ["beta", "time"])
def test_halved_runs_do_not_move_the_mean(many, source, quantity):
    whole, half = many[source, quantity, "whole"][:, 0], many[source, quantity, "half"][:, 0]
    difference = half - whole
    assert abs(difference.mean()) < 3.5 * difference.std() / np.sqrt(SEEDS)


@pytest.mark.parametrize("source", ["field", "intensity"])
def test_contrast_is_unbiased(many, source):
    value = many[source, "beta", "whole"][:, 0]
    exact = field_contrast(np.exp(-0.85 * 0.1078 * np.arange(9)))[8]
    assert abs(value.mean() - exact) < 4 * value.std() / np.sqrt(SEEDS)


def test_shell_of_the_paper_is_the_default():
    data = walkers(10, replicas=2, frames=60)
    (shell,) = wave_vector_shells(CELL, shells=[1.844])
    assert float(optical_contrast(data)["mean_q"]) == pytest.approx(shell.mean_q)
    assert float(correlation_time(data)["mean_q"]) == pytest.approx(shell.mean_q)
