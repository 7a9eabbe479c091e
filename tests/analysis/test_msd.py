"""MSD and D: ballistic motion, a naive double loop, Brownian walkers, invariants, and the error bar."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_mlff import synthetic
from pytest_mlff.analysis.msd import LAG_WINDOW, mean_squared_displacement, self_diffusivity, windowed_msd
from pytest_mlff.errors import ObservableError
from pytest_mlff.schema import trajectory_dataset

CELL = np.diag([20.0, 21.0, 22.0])
INTERVAL = 0.1078
D = 0.36
seeds = st.integers(0, 2**32 - 1)


def walkers(rng, *, n_replicas=8, n_frames=116, n_atoms=16):
    return synthetic.brownian_walkers(
        n_replicas=n_replicas,
        n_frames=n_frames,
        n_atoms=n_atoms,
        cell=CELL,
        diffusivity=D,
        frame_interval=INTERVAL,
        rng=rng,
    )


def seen_diffusivity(n_atoms):
    """What is left of D in the frame of the atoms' own centre, which diffuses with D/N."""
    return D * (1 - 1 / n_atoms)


def naive_msd(position, n_lags):
    """Every lag, every origin, every atom."""
    centred = position - position.mean(axis=1, keepdims=True)
    curve = np.zeros(n_lags)
    for lag in range(n_lags):
        origins = range(len(centred) - lag)
        curve[lag] = np.mean([np.sum((centred[t + lag] - centred[t]) ** 2, axis=-1).mean() for t in origins])
    return curve


def test_ballistic_motion_is_exact():
    rng = np.random.default_rng(0)
    velocity = rng.normal(size=(3, 1, 10, 3))
    velocity -= velocity.mean(axis=2, keepdims=True)
    time = INTERVAL * np.arange(50)
    run = trajectory_dataset(velocity * time[:, None, None], CELL, INTERVAL)
    speed2 = np.sum(velocity[:, 0] ** 2, axis=-1).mean(axis=-1)
    for single_origin in (False, True):
        found = mean_squared_displacement(run, max_lag=4.0, single_origin=single_origin)
        lag = found["lag"].values
        assert lag == pytest.approx(INTERVAL * np.arange(38))
        np.testing.assert_allclose(found["msd_replica"], speed2[:, None] * lag**2, rtol=1e-10, atol=1e-11)


def test_two_atoms_by_hand():
    position = np.zeros((1, 3, 2, 3))
    position[0, :, 0, 0] = [0.0, 1.0, 5.0]
    run = trajectory_dataset(position, CELL, 1.0)
    # relative to the centre each atom makes half of the steps 1 and 4, and both of them together 5/2
    found = mean_squared_displacement(run, max_lag=2.0)
    assert found["msd"].values == pytest.approx([0.0, (0.25 + 4.0) / 2, 6.25])
    first = mean_squared_displacement(run, max_lag=2.0, single_origin=True)
    assert first["msd"].values == pytest.approx([0.0, 0.25, 6.25])


@settings(max_examples=25, deadline=None)
@given(seeds, st.integers(2, 30), st.integers(1, 5))
def test_fft_is_the_double_loop(seed, n_frames, n_atoms):
    position = np.random.default_rng(seed).normal(size=(n_frames, n_atoms, 3)).cumsum(axis=0) + 300.0
    np.testing.assert_allclose(windowed_msd(position, n_frames), naive_msd(position, n_frames), rtol=1e-9, atol=1e-10)


def test_atoms_are_taken_in_blocks(monkeypatch):
    position = walkers(np.random.default_rng(1), n_replicas=1)["position"].values[0]
    whole = windowed_msd(position, 50)
    monkeypatch.setattr("pytest_mlff.analysis.msd._BLOCK", 3 * 200 * 5)
    np.testing.assert_allclose(windowed_msd(position, 50), whole, rtol=1e-10)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_invariants(seed):
    rng = np.random.default_rng(seed)
    position = rng.normal(size=(20, 6, 3)).cumsum(axis=0)
    plain = windowed_msd(position, 15)
    assert (plain >= 0.0).all()
    drifting = position + rng.normal(size=(20, 1, 3)).cumsum(axis=0)
    np.testing.assert_allclose(windowed_msd(position + 100.0 * rng.normal(size=3), 15), plain, atol=1e-9)
    np.testing.assert_allclose(windowed_msd(position + 100.0 * rng.normal(size=(6, 3)), 15), plain, atol=1e-9)
    np.testing.assert_allclose(windowed_msd(drifting, 15), plain, atol=1e-9)
    np.testing.assert_allclose(windowed_msd(position[:, rng.permutation(6)], 15), plain, atol=1e-9)
    np.testing.assert_allclose(windowed_msd(position[::-1], 15), plain, atol=1e-9)
    np.testing.assert_allclose(windowed_msd(2.0 * position, 15), 4.0 * plain, atol=1e-9)


def test_a_harmonic_crystal_moves_6u2_at_every_lag():
    u, n_atoms = 0.3, 32
    run = synthetic.harmonic_crystal(
        n_replicas=16,
        n_frames=80,
        n_cells=2,
        lattice_parameter=5.3,
        amplitude=u,
        rng=np.random.default_rng(2),
    )
    found = mean_squared_displacement(run, max_lag=2.0).isel(lag=slice(1, None))
    z = (found["msd"] - 6 * u**2 * (1 - 1 / n_atoms)) / found["msd_stderr"]
    # t with 15 degrees of freedom on 18 lags
    assert np.abs(z).max() < 5.0
    assert float((found["msd_stderr"] / found["msd"]).max()) < 0.01


@pytest.mark.parametrize("single_origin", [False, True])
def test_brownian_walkers_have_their_diffusivity(single_origin):
    run = walkers(np.random.default_rng(3), n_replicas=16, n_atoms=128)
    found = self_diffusivity(run, single_origin=single_origin)
    # t with 15 degrees of freedom
    assert abs(found["D"] - seen_diffusivity(128)) < 4.0 * found["D_stderr"]
    assert float(found["D_stderr"] / found["D"]) < 0.03
    assert found["D_replica"].shape == (16,)
    assert all(found[name].attrs["units"] == "Å²/ps" for name in found.data_vars)


def test_the_slope_is_taken_inside_the_window_only():
    """A cage (1 Å, 0.3 ps) adds 6 (1 − exp(−t/0.3)) Å² at short lags, which are not to be used."""
    rng = np.random.default_rng(4)
    run = walkers(rng, n_replicas=16, n_atoms=64)
    memory = math.exp(-INTERVAL / 0.3)
    rattle = rng.normal(size=run["position"].shape)
    for k in range(1, rattle.shape[1]):
        rattle[:, k] = memory * rattle[:, k - 1] + math.sqrt(1 - memory**2) * rattle[:, k]
    caged = trajectory_dataset(run["position"].values + rattle, CELL, INTERVAL)
    inside = self_diffusivity(caged, lag_window=(2.0, 6.0))
    assert abs(inside["D"] - seen_diffusivity(64)) < 4.0 * inside["D_stderr"]
    from_zero = self_diffusivity(caged, lag_window=(0.0, 6.0))
    assert from_zero["D"] - seen_diffusivity(64) > 4.0 * from_zero["D_stderr"]
    assert inside.attrs["lag_window_ps"] == [2.0, 6.0]
    assert self_diffusivity(caged).attrs["lag_window_ps"] == list(LAG_WINDOW)


def test_both_ends_of_the_window_are_fitted():
    """A straight line through v²t² on an even grid from a to b has the slope v²(a + b)."""
    velocity = np.random.default_rng(9).normal(size=(3, 1, 10, 3))
    velocity -= velocity.mean(axis=2, keepdims=True)
    run = trajectory_dataset(velocity * INTERVAL * np.arange(50)[:, None, None], CELL, INTERVAL)
    speed2 = np.sum(velocity[:, 0] ** 2, axis=-1).mean(axis=-1)
    for first, last in ((10, 30), (3, 4)):
        found = self_diffusivity(run, lag_window=(first * INTERVAL, last * INTERVAL))
        expected = speed2 * (first + last) * INTERVAL / 6.0
        np.testing.assert_allclose(found["D_replica"], expected, rtol=1e-9)
        assert float(found["D"]) == pytest.approx(expected.mean(), rel=1e-9)


def test_error_bars_follow_student():
    rng = np.random.default_rng(5)
    found = [self_diffusivity(walkers(rng)) for _ in range(400)]
    value = np.array([float(f["D"]) for f in found])
    z = (value - value.mean()) / [float(f["D_stderr"]) for f in found]
    # ⟨z²⟩ = ν/(ν − 2) = 7/5, known to its sampling error
    error = math.sqrt((3 * 49 / 15 - 1.4**2) / z.size)
    assert np.mean(z**2) == pytest.approx(1.4, abs=3.5 * error)
    assert stats.kstest(z, stats.t(7).cdf).pvalue > 1e-3
    assert value.mean() == pytest.approx(seen_diffusivity(16), abs=3.5 * value.std() / math.sqrt(value.size))


def test_halving_the_run_does_not_move_the_mean():
    rng = np.random.default_rng(6)
    difference = []
    for _ in range(200):
        run = walkers(rng, n_frames=232)
        half = run.isel(frame=slice(0, 116))
        difference.append(float(self_diffusivity(run)["D"] - self_diffusivity(half)["D"]))
    assert abs(np.mean(difference)) < 3.5 * np.std(difference) / math.sqrt(200)
    # the test could have seen a shift of one per cent of D
    assert 3.5 * np.std(difference) / math.sqrt(200) < 0.02 * D


def test_one_replica_has_no_error():
    found = self_diffusivity(walkers(np.random.default_rng(7), n_replicas=1))
    assert np.isnan(found["D_stderr"])
    assert np.isfinite(found["D"])


def test_input_is_left_alone():
    run = walkers(np.random.default_rng(8))
    before = run.copy(deep=True)
    self_diffusivity(run)
    assert run.identical(before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lag_window": (2.0, 13.0)}, r"max_lag = 13 ps; the run has 116 frames"),
        ({"lag_window": (2.0, 2.05)}, "at least two lags"),
        ({"lag_window": (6.0, 2.0)}, "at least two lags"),
        ({"lag_window": (-1.0, 2.0)}, "0 <= first < last"),
        ({"lag_window": (0.0, math.nan)}, "max_lag = nan"),
    ],
)
def test_windows_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ObservableError, match=message):
        self_diffusivity(walkers(np.random.default_rng(9)), **arguments)


def test_uneven_frames_and_bad_positions_are_refused():
    run = walkers(np.random.default_rng(10))
    with pytest.raises(ObservableError, match="evenly spaced"):
        self_diffusivity(run.isel(frame=[*range(100), 110]))
    position = run["position"].values.copy()
    position[3, 7, 0, 0] = np.nan
    with pytest.raises(ObservableError, match=r"replica 3 .* frame 7"):
        self_diffusivity(trajectory_dataset(position, CELL, INTERVAL))
