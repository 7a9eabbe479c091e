import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlff import synthetic
from pytest_mlff.analysis.shells import wave_vector_shells
from pytest_mlff.analysis.statistics import jackknife
from pytest_mlff.analysis.xpcs import exposed, field_correlation, intensity_autocorrelation, tracked_atoms
from pytest_mlff.errors import ObservableError
from pytest_mlff.schema import trajectory_dataset

CELL = np.diag([12.0, 13.0, 14.0])
SHELLS = (0.9, 1.3)


def random_trajectory(*, replicas=3, frames=14, atoms=8, seed=0, cell=CELL):
    rng = np.random.default_rng(seed)
    step = rng.normal(0, 0.4, (replicas, frames, atoms, 3))
    position = np.cumsum(step, axis=1) + rng.random((replicas, 1, atoms, 3)) @ cell
    return trajectory_dataset(position, cell, 0.5)


def naive_intensity(trajectory, shell, atoms=slice(None)):
    """ρ_q(t)/√N from the definition; shape (replica, frame, q)."""
    position = trajectory["position"].to_numpy()[:, :, atoms].astype(float)
    q = 2 * np.pi * shell.n @ np.linalg.inv(trajectory["cell"].to_numpy()).T
    return np.exp(-1j * position @ q.T).sum(axis=2) / np.sqrt(position.shape[2])


@pytest.mark.parametrize("kind", ["coherent", "tracked", "self"])
def test_field_correlation_equals_the_double_loop(kind):
    trajectory = random_trajectory()
    found = field_correlation(trajectory, kind=kind, shells=SHELLS, max_lag=3.0)
    assert found["lag"].to_numpy() == pytest.approx(0.5 * np.arange(7))
    for k, shell in enumerate(wave_vector_shells(CELL, shells=SHELLS)):
        if kind == "self":
            parts = [naive_intensity(trajectory, shell, slice(j, j + 1)) for j in range(8)]
            parts = np.concatenate(parts, axis=2)
            # the package takes 12 vectors of each shell at most
            assert len(shell.n) <= 12
        else:
            atoms = tracked_atoms(8) if kind == "tracked" else slice(None)
            parts = naive_intensity(trajectory, shell, atoms)
        power = np.mean(np.abs(parts) ** 2)
        naive = [np.mean((parts[:, lag:] * parts[:, : 14 - lag].conj()).real) / power for lag in range(7)]
        np.testing.assert_allclose(found["field_correlation"][k], naive, atol=2e-6)
    np.testing.assert_allclose(
        found["field_correlation_replica"].mean("replica"), found["field_correlation"], atol=1e-12
    )


@pytest.mark.parametrize("kind", ["coherent", "tracked"])
@pytest.mark.parametrize("exposure", [1, 3])
def test_g2_equals_the_double_loop(kind, exposure):
    trajectory = random_trajectory(atoms=300, frames=12)
    found = intensity_autocorrelation(trajectory, kind=kind, shells=SHELLS, max_lag=3.0, exposure_frames=exposure)
    for k, shell in enumerate(wave_vector_shells(CELL, shells=SHELLS)):
        atoms = tracked_atoms(300) if kind == "tracked" else slice(None)
        snapshot = np.abs(naive_intensity(trajectory, shell, atoms)) ** 2
        image = np.array([[one[t : t + exposure].mean(axis=0) for t in range(13 - exposure)] for one in snapshot])
        frames = image.shape[1]
        naive = [np.mean(image[:, lag:] * image[:, : frames - lag]) / image.mean() ** 2 for lag in range(7)]
        np.testing.assert_allclose(found["g2"][k], naive, rtol=1e-5)
    np.testing.assert_allclose(found["g2_replica"].mean("replica"), found["g2"], rtol=1e-12)


def test_uniform_motion_turns_the_phase_and_leaves_the_intensity():
    rng = np.random.default_rng(1)
    velocity = np.array([0.3, -0.2, 0.5])
    start = rng.random((2, 1, 50, 3)) @ CELL
    position = start + velocity * 0.5 * np.arange(20)[:, None, None]
    trajectory = trajectory_dataset(position, CELL, 0.5)
    lag = 0.5 * np.arange(7)
    for k, shell in enumerate(wave_vector_shells(CELL, shells=SHELLS)):
        phase = np.cos(lag[:, None] * (2 * np.pi * shell.n @ np.linalg.inv(CELL).T @ velocity))
        found = field_correlation(trajectory, kind="self", shells=SHELLS, max_lag=3.0)
        np.testing.assert_allclose(found["field_correlation"][k], phase.mean(axis=1), atol=1e-5)
        intensity = np.abs(naive_intensity(trajectory, shell)) ** 2
        power = intensity.mean(axis=(0, 1))
        found = field_correlation(trajectory, shells=SHELLS, max_lag=3.0)
        np.testing.assert_allclose(found["field_correlation"][k], phase @ power / power.sum(), atol=1e-4)
        g2 = intensity_autocorrelation(trajectory, shells=SHELLS, max_lag=3.0)["g2"][k]
        np.testing.assert_allclose(g2, np.mean(intensity**2) / intensity.mean() ** 2, rtol=1e-4)


@pytest.mark.parametrize("pooling", ["shell", "interpolated"])
def test_brownian_walkers_decay_as_they_must(pooling):
    walkers = synthetic.brownian_walkers(
        n_replicas=16, n_frames=120, n_atoms=100, cell=20.0 * np.eye(3), diffusivity=0.4, frame_interval=0.1,
        rng=np.random.default_rng(2),
    )  # fmt: skip
    shells = (1.0, 1.5)
    for kind in ("coherent", "tracked", "self"):
        found = field_correlation(walkers, kind=kind, shells=shells, pooling=pooling, max_lag=3.0)
        decay = np.exp(-0.4 * found["mean_q"] ** 2 * found["lag"]).T.to_numpy().T
        z = (found["field_correlation"] - decay) / found["field_correlation_stderr"]
        assert float(abs(z.isel(lag=slice(1, None))).max()) < 6  # 15 degrees of freedom, correlated lags
    g2 = intensity_autocorrelation(walkers, shells=shells, max_lag=3.0)
    # <I(0) I(t)> of N independent walkers: pairs only, hence 1 - 1/N
    decay = 0.99 * np.exp(-2 * 0.4 * g2["mean_q"] ** 2 * g2["lag"])
    assert float(abs((g2["g2"] - 1 - decay) / g2["g2_stderr"]).max()) < 6


def test_errors_are_the_jackknife():
    trajectory = random_trajectory(replicas=5)
    found = field_correlation(trajectory, shells=SHELLS, max_lag=3.0)
    raw = found["field_correlation_replica"].to_numpy()
    for k, lag in ((0, 1), (1, 5)):
        one = jackknife(raw, lambda x, k=k, lag=lag: x.mean(axis=0)[k, lag] / x.mean(axis=0)[k, 0])
        assert float(found["field_correlation_stderr"][k, lag]) == pytest.approx(one.stderr)
    found = intensity_autocorrelation(trajectory, shells=SHELLS, max_lag=3.0)
    stacked = np.concatenate(
        [found["g2_replica"].to_numpy()[:, 1], found["intensity_replica"].to_numpy()[:, 1:]], axis=1
    )
    one = jackknife(stacked, lambda x: x.mean(axis=0)[4] / x.mean(axis=0)[-1] ** 2)
    assert float(found["g2_stderr"][1, 4]) == pytest.approx(one.stderr)


def test_one_replica_has_no_error_bar():
    trajectory = random_trajectory(replicas=1)
    found = field_correlation(trajectory, shells=SHELLS, max_lag=3.0)
    assert np.isnan(found["field_correlation_stderr"]).all()
    assert np.isnan(intensity_autocorrelation(trajectory, shells=SHELLS, max_lag=3.0)["g2_stderr"]).all()


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32), shift=st.tuples(*[st.floats(-20, 20)] * 3))
def test_invariances(seed, shift):
    rng = np.random.default_rng(seed)
    trajectory = random_trajectory(seed=seed)
    position = trajectory["position"].to_numpy()
    moved = (position + shift)[:, :, rng.permutation(8)] + rng.integers(-2, 3, (1, 1, 8, 3)) @ CELL
    scaled = trajectory_dataset(2 * position, 2 * CELL, 0.5)
    options = {"shells": SHELLS, "max_lag": 3.0}
    for kind in ("coherent", "self"):
        first = field_correlation(trajectory, kind=kind, **options)
        second = field_correlation(trajectory_dataset(moved, CELL, 0.5), kind=kind, **options)
        np.testing.assert_allclose(first["field_correlation"], second["field_correlation"], atol=3e-5)
        np.testing.assert_allclose(first["field_correlation"].isel(lag=0), 1, rtol=1e-12)
    g2 = intensity_autocorrelation(trajectory, **options)["g2"]
    half = intensity_autocorrelation(scaled, shells=np.array(SHELLS) / 2, max_lag=3.0)
    assert np.isfinite(g2).all()
    if np.array_equal(half["n_vectors"], intensity_autocorrelation(trajectory, **options)["n_vectors"]):
        np.testing.assert_allclose(g2, half["g2"], rtol=1e-4)


def test_every_variable_has_a_unit_and_the_shells_are_told():
    found = field_correlation(random_trajectory(), shells=SHELLS, max_lag=3.0)
    for name in found.variables:
        assert found[name].attrs["units"] in {"1", "1/Å", "ps"}
    shells = wave_vector_shells(CELL, shells=SHELLS)
    assert found["n_vectors"].to_numpy().tolist() == [len(shell.n) for shell in shells]
    assert found["mean_q"].to_numpy() == pytest.approx([shell.mean_q for shell in shells])


def test_exposed_averages_runs_of_frames():
    series = np.random.default_rng(3).random((9, 2)).astype(np.float32)
    for n in (1, 2, 9):
        naive = [series[t : t + n].mean(axis=0) for t in range(10 - n)]
        np.testing.assert_allclose(exposed(series, n), naive, rtol=1e-6)


def test_tracked_subset_is_the_papers_size_and_always_the_same():
    assert len(tracked_atoms(256)) == 25
    assert len(tracked_atoms(4000)) == 45
    assert len(tracked_atoms(3)) == 3
    chosen = tracked_atoms(256)
    np.testing.assert_array_equal(chosen, tracked_atoms(256))
    assert len(np.unique(chosen)) == 25
    assert chosen.max() < 256


def test_input_is_left_alone():
    trajectory = random_trajectory()
    before = trajectory.copy(deep=True)
    field_correlation(trajectory, kind="self", shells=SHELLS, max_lag=3.0)
    intensity_autocorrelation(trajectory, shells=SHELLS, max_lag=3.0, exposure_frames=2)
    assert trajectory.identical(before)


def test_bad_requests_are_refused():
    trajectory = random_trajectory()
    with pytest.raises(ObservableError, match="max_lag"):
        field_correlation(trajectory, shells=SHELLS, max_lag=20.0)
    with pytest.raises(ObservableError, match="max_lag"):
        intensity_autocorrelation(trajectory, shells=SHELLS, max_lag=6.4, exposure_frames=4)
    with pytest.raises(ObservableError, match="coherent"):
        intensity_autocorrelation(trajectory, kind="self", shells=SHELLS, max_lag=3.0)
    with pytest.raises(ObservableError, match="at least 1"):
        intensity_autocorrelation(trajectory, shells=SHELLS, max_lag=3.0, exposure_frames=0)
    broken = trajectory.copy(deep=True)
    broken["position"][1, 4, 0, 0] = np.nan
    with pytest.raises(ObservableError, match="replica 1"):
        field_correlation(broken, shells=SHELLS, max_lag=3.0)
