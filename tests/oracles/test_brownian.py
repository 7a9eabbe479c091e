"""Brownian walkers and exponential speckle: Γ = D q² and the contrast's closed form, exactly, within error."""

import numpy as np
import pytest

from pytest_mlff import synthetic
from pytest_mlff.analysis.relaxation import relaxation_rate
from pytest_mlff.analysis.shells import PAPER_SHELLS
from pytest_mlff.analysis.xsvs import contrast_moments, correlation_time, half_time, intensity_contrast

DIFFUSIVITY = 0.36  # Å²/ps, that of argon at 100 K


def averaged_frames(n, x):
    """Variance of the mean of n numbers that are correlated as exp(−x |j − k|), by the geometric series."""
    r = np.exp(-x)
    return (n * (1 + r) / (1 - r) - 2 * r * (1 - r**n) / (1 - r) ** 2) / n**2


@pytest.fixture(scope="module")
def walkers():
    return synthetic.brownian_walkers(
        n_replicas=24, n_frames=232, n_atoms=256, cell=23.658 * np.eye(3), diffusivity=DIFFUSIVITY,
        frame_interval=0.1078, rng=np.random.default_rng(20),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "precision"),
    [
        ({"kind": "self"}, 0.02),
        ({"kind": "coherent"}, 0.15),
        ({"kind": "coherent", "pooling": "interpolated"}, 0.10),
        ({"kind": "tracked"}, 0.15),
        ({"kind": "coherent", "source": "intensity"}, 0.35),
    ],
    ids=["self", "coherent", "interpolated", "tracked", "intensity"],
)
def test_rate_is_d_q_squared_at_every_shell(walkers, options, precision):
    found = relaxation_rate(walkers, **options)
    assert found["q"].to_numpy().tolist() == list(PAPER_SHELLS)
    gamma, stderr, mean_q = (found[name].to_numpy() for name in ("gamma", "gamma_stderr", "mean_q"))
    exact = DIFFUSIVITY * mean_q**2
    assert (np.abs(gamma - exact) < 4 * stderr).all()  # Student, 23 degrees of freedom: 6e-4
    assert (stderr < precision * exact).all()


def test_contrast_of_exponential_speckle_has_its_closed_form():
    """Frames short against the decay, so that the mean of frames is an exposure."""
    rate, interval = 1.0, 0.02
    rng = np.random.default_rng(21)
    moments = []
    for _ in range(16):
        (field,) = synthetic.exponential_field(
            n_replicas=1, n_frames=1500, n_pixels=100, rate=rate, frame_interval=interval, rng=rng
        )
        moments.append(contrast_moments(np.abs(field) ** 2, 150))
    contrast = intensity_contrast(np.mean(moments, axis=0))
    rest = [intensity_contrast(np.delete(moments, k, axis=0).mean(axis=0)) for k in range(16)]
    stderr = np.sqrt(15 * np.var(rest, axis=0))
    n = np.arange(1, 151)
    exact = averaged_frames(n, 2 * rate * interval)
    far = np.array([9, 24, 49, 99, 149])
    assert np.all(np.abs(contrast - exact)[far] < 4.5 * stderr[far])
    assert np.all(stderr[far] < 0.03 * exact[far])
    np.testing.assert_allclose(
        exact[9:], synthetic.exponential_contrast(interval * n, rate=rate)[9:], rtol=0.01
    )  # one frame is a snapshot, not an exposure


@pytest.mark.parametrize("options", [{}, {"pooling": "interpolated"}, {"source": "intensity"}], ids=str)
def test_correlation_time_is_that_of_the_closed_form(walkers, options):
    found = correlation_time(walkers, **options)
    rate = DIFFUSIVITY * float(found["mean_q"]) ** 2
    exact = half_time(0.1078 * np.arange(1, 56), averaged_frames(np.arange(1, 56), 2 * rate * 0.1078))
    assert abs(float(found["correlation_time"]) - exact) < 4 * float(found["correlation_time_stderr"])
    assert float(found["correlation_time_stderr"]) < 0.05 * exact
    # frames are not a continuous exposure; at this interval they reach one half 2 % later: x = 2ΓΔ = 2.5569
    assert exact == pytest.approx(2.5569 / (2 * rate), rel=0.03)
