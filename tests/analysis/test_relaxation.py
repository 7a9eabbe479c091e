import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlff import synthetic
from pytest_mlff.analysis.relaxation import (
    FIT_WINDOW,
    decay_rate,
    fitted_rate,
    mean_relaxation_rate,
    relaxation_rate,
)
from pytest_mlff.analysis.shells import wave_vector_shells
from pytest_mlff.analysis.xpcs import field_correlation, intensity_autocorrelation
from pytest_mlff.errors import ObservableError
from pytest_mlff.schema import trajectory_dataset

LAG = 0.1078 * np.arange(3, 19)
CELL = 14.0 * np.eye(3)
DIFFUSIVITY = 0.4


def walkers(seed, *, replicas=8, frames=116, atoms=40):
    return synthetic.brownian_walkers(
        n_replicas=replicas, n_frames=frames, n_atoms=atoms, cell=CELL, diffusivity=DIFFUSIVITY,
        frame_interval=0.1078, rng=np.random.default_rng(seed),
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(rate=st.floats(0.01, 20), amplitude=st.floats(0.05, 2))
def test_decay_rate_of_an_exponential_is_exact(rate, amplitude):
    assert decay_rate(LAG, amplitude * np.exp(-rate * LAG)) == pytest.approx(rate, rel=1e-6)


def test_decay_rate_minimises_the_squares():
    values = np.exp(-LAG) + 0.05 * np.random.default_rng(1).standard_normal(len(LAG))
    values[-1] = -0.02  # a logarithm would not exist
    found = decay_rate(LAG, values)

    def residual(rate):
        shape = np.exp(-rate * LAG)
        return np.sum((values - shape * (shape @ values) / (shape @ shape)) ** 2)

    grid = np.linspace(0.3, 3, 27001)
    assert found == pytest.approx(grid[np.argmin([residual(rate) for rate in grid])], abs=2e-4)


def test_decay_rate_is_the_weighted_line_through_the_logarithm_to_first_order():
    clean = 0.9 * np.exp(-1.3 * LAG)
    noise = np.random.default_rng(2).standard_normal(len(LAG))
    for size, tolerance in ((1e-3, 1e-4), (1e-4, 1e-6)):
        values = clean + size * noise
        weight = values**2
        centre = np.average(LAG, weights=weight)
        line = -np.sum(weight * (LAG - centre) * np.log(values)) / np.sum(weight * (LAG - centre) ** 2)
        assert decay_rate(LAG, values) == pytest.approx(line, abs=tolerance)


def test_decay_rate_without_decay():
    assert np.isnan(decay_rate(LAG, -np.ones(len(LAG))))
    assert decay_rate(LAG, np.ones(len(LAG))) == pytest.approx(0, abs=1e-9)
    noise = np.random.default_rng(3).standard_normal((200, len(LAG)))
    rates = np.array([decay_rate(LAG, values) for values in noise])
    assert not np.isinf(rates).any()


def test_field_rate_and_intensity_rate_are_the_same_gamma():
    """g2 − 1 falls twice as fast; both report the rate of the field."""
    curve = field_correlation(walkers(0), shells=[1.5], pooling="shell", max_lag=3.0)
    exact = curve.copy(deep=True)
    exact["field_correlation_replica"][:] = np.exp(-0.7 * exact["lag"])
    assert float(fitted_rate(exact)["gamma"][0]) == pytest.approx(0.7)
    g2 = intensity_autocorrelation(walkers(0), shells=[1.5], max_lag=3.0)
    g2["g2_replica"][:] = 1 + 0.6 * np.exp(-2 * 0.7 * g2["lag"])
    g2["intensity_replica"][:] = 1.0
    assert float(fitted_rate(g2)["gamma"][0]) == pytest.approx(0.7)


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "self"},
        {"kind": "coherent"},
        {"kind": "tracked"},
        {"kind": "coherent", "pooling": "interpolated"},
        {"kind": "coherent", "source": "intensity"},
        {"kind": "coherent", "source": "intensity", "exposure_frames": 2},
    ],
    ids=str,
)
def test_brownian_walkers_relax_with_d_q_squared(options):
    data = walkers(4, replicas=16, atoms=120)
    found = relaxation_rate(data, shells=(0.9, 1.4), **options)
    exact = DIFFUSIVITY * found["mean_q"] ** 2
    z = (found["gamma"] - exact) / found["gamma_stderr"]
    assert float(abs(z).max()) < 4  # Student, 15 degrees of freedom: 1e-3
    assert float((found["gamma_stderr"] / found["gamma"]).max()) < 0.25


def test_mean_relaxation_rate_of_walkers():
    found = mean_relaxation_rate(walkers(5, replicas=16), shells=[1.8], window=4.0)
    gamma = DIFFUSIVITY * float(found["mean_q"][0]) ** 2
    lag = 0.1078 * np.arange(38)
    exact = 1 / np.trapezoid(np.exp(-gamma * lag), lag)
    assert abs(float(found["mean_rate"][0]) - exact) < 4 * float(found["mean_rate_stderr"][0])
    assert exact == pytest.approx(gamma, rel=0.02)


def test_replicas_have_rates_of_their_own_and_one_replica_no_error():
    found = relaxation_rate(walkers(6), kind="self", shells=(0.9, 1.4))
    assert found["q"].to_numpy().tolist() == [0.9, 1.4]
    assert found["gamma_replica"].dims == ("replica", "q")
    assert found["gamma_replica"].shape == (8, 2)
    assert float(found["gamma_replica"].mean("replica")[1]) == pytest.approx(float(found["gamma"][1]), rel=0.05)
    alone = relaxation_rate(walkers(6, replicas=1), shells=[0.9])
    assert np.isfinite(alone["gamma"][0])
    assert np.isnan(alone["gamma_stderr"][0])


def test_windows_are_kept_and_told():
    found = relaxation_rate(walkers(7), kind="self", shells=(0.9, 1.4), windows={1.4: (0.5, 1.0)})
    assert found["window_start"].to_numpy().tolist() == [FIT_WINDOW[0], 0.5]
    assert found["window_stop"].to_numpy().tolist() == [FIT_WINDOW[1], 1.0]
    curve = field_correlation(walkers(7), kind="self", shells=(0.9, 1.4), max_lag=2.0)
    lag = curve["lag"].to_numpy()
    used = (lag >= 0.5) & (lag <= 1.0)
    alone = decay_rate(lag[used], curve["field_correlation"].to_numpy()[1, used])
    assert float(found["gamma"][1]) == pytest.approx(alone)


def test_bad_requests_are_refused():
    data = walkers(8, replicas=2)
    with pytest.raises(ObservableError, match="needs three"):
        relaxation_rate(data, shells=[1.4], windows={1.4: (1.0, 1.1)})
    with pytest.raises(ObservableError, match="max_lag"):
        relaxation_rate(data, shells=[1.4], windows={1.4: (1.0, 100.0)})
    with pytest.raises(ObservableError, match="intensity"):
        relaxation_rate(data, shells=[1.4], exposure_frames=3)
    with pytest.raises(ObservableError, match="shell"):
        relaxation_rate(data, shells=[1.4], source="intensity", pooling="interpolated")
    with pytest.raises(ObservableError, match="coherent"):
        relaxation_rate(data, shells=[1.4], source="intensity", kind="self")
    with pytest.raises(ObservableError, match="needs three"):
        fitted_rate(field_correlation(data, shells=[1.4], max_lag=1.0))


SEEDS = 200


@pytest.fixture(scope="module")
def many():
    """Γ and its error over many seeds, from whole runs and from their first halves."""
    options = {
        "self": {"kind": "self"},
        "coherent": {"kind": "coherent"},
        "interpolated": {"kind": "coherent", "pooling": "interpolated"},
    }
    data = walkers(1000, replicas=8 * SEEDS, frames=80, atoms=12)  # replicas are independent: sets of eight
    found = {}
    for name, option in options.items():
        for length, part in (("whole", data), ("half", data.isel(frame=slice(40)))):
            curve = field_correlation(part, shells=[1.4], max_lag=2.0, **option)
            sets = [curve.isel(replica=slice(8 * k, 8 * k + 8)) for k in range(SEEDS)]
            rates = [fitted_rate(one) for one in sets]
            found[name, length] = np.array([(float(one["gamma"][0]), float(one["gamma_stderr"][0])) for one in rates])
    return found


@pytest.mark.parametrize("name", ["self", "coherent", "interpolated"])
@pytest.mark.parametrize("length", ["whole", "half"])
def test_error_bars_follow_student(many, name, length):
    value, stderr = many[name, length].T
    z = (value - value.mean()) / stderr
    # seven degrees of freedom: spread sqrt(7/5) = 1.18, known to 7 % from 200 seeds (kurtosis 5)
    assert z.std() == pytest.approx(np.sqrt(7 / 5), rel=0.2)
    # two-sided 5 % quantile: 2.36; 10 expected
    assert 2 <= np.sum(np.abs(z) > 2.365) <= 23


@pytest.mark.parametrize("name", ["self", "coherent", "interpolated"])
def test_halved_runs_do_not_move_the_mean(many, name):
    whole, half = many[name, "whole"][:, 0], many[name, "half"][:, 0]
    difference = half - whole
    assert abs(difference.mean()) < 3.5 * difference.std() / np.sqrt(SEEDS)


def test_self_rate_has_no_bias(many):
    value = many["self", "whole"][:, 0]
    (shell,) = wave_vector_shells(CELL, shells=[1.4])
    exact = DIFFUSIVITY * shell.mean_q**2
    assert abs(value.mean() - exact) < 4 * value.std() / np.sqrt(SEEDS)


def test_single_precision_trajectories_are_enough():
    data = walkers(9, replicas=2)
    exact = trajectory_dataset(data["position"].to_numpy().astype(np.float64), CELL, 0.1078)
    for kind in ("self", "coherent"):
        one = relaxation_rate(data, kind=kind, shells=[1.4])["gamma"]
        np.testing.assert_allclose(one, relaxation_rate(exact, kind=kind, shells=[1.4])["gamma"], rtol=1e-5)
