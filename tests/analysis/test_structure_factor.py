"""S(q): Bragg peaks, a direct sum, known statistics, invariants, the error bar, the distance of curves."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_mlff import synthetic
from pytest_mlff.analysis.geometry import reciprocal_vectors, wave_number
from pytest_mlff.analysis.structure_factor import distance2, mean_power, structure_factor
from pytest_mlff.errors import ObservableError
from pytest_mlff.schema import trajectory_dataset

CELL = np.diag([11.0, 12.0, 13.5])
VECTORS = reciprocal_vectors(CELL, q_min=0.0, q_max=1.5)
seeds = st.integers(0, 2**32 - 1)


def crystal(rng, *, amplitude=0.4, n_replicas=8, n_frames=6):
    return synthetic.harmonic_crystal(
        n_replicas=n_replicas,
        n_frames=n_frames,
        n_cells=2,
        lattice_parameter=5.3,
        amplitude=amplitude,
        rng=rng,
    )


def naive_power(position, cell, n, weight):
    """The definition in double precision."""
    phase = np.einsum("fax,qx->faq", position.astype(float), 2 * np.pi * n @ np.linalg.inv(cell).T)
    rho = np.einsum("a,faq->fq", weight, np.exp(-1j * phase))
    return np.mean(np.abs(rho) ** 2, axis=0) / position.shape[1]


def test_bragg_peaks_of_the_fcc_lattice():
    a, n_cells = 5.0, 2
    sites = synthetic.fcc_sites(n_cells=n_cells, lattice_parameter=a)
    n = reciprocal_vectors(n_cells * a * np.eye(3), q_min=0.0, q_max=5.0)
    found = mean_power(sites[None], n_cells * a * np.eye(3), n)
    h = n / n_cells
    allowed = np.all(h == np.rint(h), axis=1) & np.all(np.mod(h, 2) == np.mod(h[:, :1], 2), axis=1)
    # the modes are summed in single precision: |ρ| is known to 1e-5 √N
    np.testing.assert_allclose(found[allowed], len(sites), rtol=1e-4)
    np.testing.assert_allclose(found[~allowed], 0.0, atol=1e-6)
    assert allowed.sum() > 20


def test_power_is_that_of_the_direct_sum():
    rng = np.random.default_rng(0)
    position = rng.uniform(-30.0, 30.0, size=(4, 20, 3))
    weight = rng.choice([1.0, -0.5, 2.5], size=20)
    np.testing.assert_allclose(
        mean_power(position, CELL, VECTORS),
        naive_power(position, CELL, VECTORS, np.ones(20)),
        rtol=1e-3,
        atol=1e-4,
    )
    np.testing.assert_allclose(
        mean_power(position, CELL, VECTORS, weight),
        naive_power(position, CELL, VECTORS, weight),
        rtol=1e-3,
        atol=1e-4,
    )


def test_bins_average_the_wave_vectors_they_hold():
    run = crystal(np.random.default_rng(1), n_replicas=2)
    found = structure_factor(run, q_max=3.0, bin_width=0.4)
    cell = run["cell"].values
    n = reciprocal_vectors(cell, q_min=0.0, q_max=3.0)
    length = wave_number(n, cell)
    power = naive_power(run["position"].values[1], cell, n, np.ones(32))
    used = 0
    for q, s, number in zip(found["q"], found["S_replica"][1], found["n_vectors"], strict=True):
        inside = np.floor(length / 0.4 + 1e-9) == np.floor(float(q) / 0.4)
        assert inside.sum() == number
        assert float(q) == pytest.approx(length[inside].mean())
        assert float(s) == pytest.approx(power[inside].mean(), rel=1e-3)
        used += int(number)
    assert used == len(n)


def test_narrow_bins_hold_whole_shells():
    found = structure_factor(crystal(np.random.default_rng(1)), q_max=2.0, bin_width=1e-3)
    assert found["n_vectors"].values[:6].tolist() == [3, 6, 4, 3, 12, 12]


def test_the_ideal_gas_scatters_one():
    gas = synthetic.ideal_gas(n_replicas=20, n_frames=60, n_atoms=10, cell=CELL, rng=np.random.default_rng(2))
    found = structure_factor(gas, q_max=2.0, bin_width=0.5)
    assert np.abs((found["S"] - 1.0) / found["S_stderr"]).max() < 4.0
    assert found["S_stderr"].max() < 0.05


def test_a_harmonic_crystal_has_its_debye_waller_factor():
    u = 0.4
    run = crystal(np.random.default_rng(3), amplitude=u, n_replicas=16, n_frames=40)
    cell = run["cell"].values
    found = structure_factor(run, q_max=3.0, bin_width=1e-3)
    still = structure_factor(crystal(np.random.default_rng(0), amplitude=0.0), q_max=3.0, bin_width=1e-3)
    expected = 1.0 + np.exp(-(found["q"] ** 2) * u**2) * (still["S"] - 1.0)
    z = ((found["S"] - expected) / found["S_stderr"]).values
    # t with 15 degrees of freedom on some 25 shells
    assert np.abs(z).max() < 5.0
    assert cell[0, 0] == pytest.approx(10.6)
    assert float(expected.max()) > 10.0


def test_form_factors_weight_the_amplitude():
    run = crystal(np.random.default_rng(4))
    plain = structure_factor(run, q_max=3.0, bin_width=1e-3)
    gaussian = structure_factor(run, q_max=3.0, bin_width=1e-3, form_factor=lambda q: np.exp(-(q**2) / 4))
    np.testing.assert_allclose(gaussian["S"], plain["S"] * np.exp(-(plain["q"] ** 2) / 2), rtol=1e-5)
    doubled = structure_factor(run, q_max=3.0, bin_width=1e-3, form_factor=np.full(32, 2.0))
    np.testing.assert_allclose(doubled["S"], 4.0 * plain["S"], rtol=1e-5)
    half = np.repeat([1.0, 0.0], 16)
    subset = structure_factor(run, q_max=3.0, bin_width=1e-3, form_factor=half)
    alone = structure_factor(run.isel(atom=slice(0, 16)), q_max=3.0, bin_width=1e-3)
    np.testing.assert_allclose(subset["S"], alone["S"] / 2, rtol=1e-4, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(2, 30))
def test_invariants(seed, n_atoms):
    rng = np.random.default_rng(seed)
    position = rng.random((2, n_atoms, 3)) @ CELL
    plain = mean_power(position, CELL, VECTORS)
    assert (plain >= 0.0).all()
    assert (plain <= n_atoms * (1 + 1e-5)).all()
    others = [
        mean_power(position + rng.normal(size=3), CELL, VECTORS),
        mean_power(position + rng.integers(-5, 6, size=position.shape) @ CELL, CELL, VECTORS),
        mean_power(-position, CELL, VECTORS),
        mean_power(position[:, rng.permutation(n_atoms)], CELL, VECTORS),
        mean_power(2.0 * position, 2.0 * CELL, VECTORS),
        mean_power(position, CELL, -VECTORS),
    ]
    for other in others:
        np.testing.assert_allclose(other, plain, rtol=1e-3, atol=1e-3)


def test_long_runs_are_taken_in_blocks(monkeypatch):
    run = crystal(np.random.default_rng(5), n_replicas=1, n_frames=7)
    whole = structure_factor(run, q_max=2.0)
    monkeypatch.setattr("pytest_mlff.analysis.structure_factor._BLOCK", 2 * 100)
    np.testing.assert_allclose(structure_factor(run, q_max=2.0)["S"], whole["S"], rtol=1e-6)


def ideal_runs(*, n_seeds, n_frames):
    rng = np.random.default_rng(6)
    for _ in range(n_seeds):
        yield synthetic.ideal_gas(n_replicas=8, n_frames=n_frames, n_atoms=16, cell=10.0 * np.eye(3), rng=rng)


def test_error_bars_follow_student():
    found = [structure_factor(gas, q_max=1.3, bin_width=0.5) for gas in ideal_runs(n_seeds=300, n_frames=6)]
    s = np.array([f["S"].values for f in found])
    z = (s - s.mean(axis=0)) / np.array([f["S_stderr"].values for f in found])
    error = math.sqrt((3 * 49 / 15 - 1.4**2) / z.size)
    # Student's t of 7 degrees of freedom has ⟨z²⟩ = 7/5
    assert np.mean(z**2) == pytest.approx(1.4, abs=3.5 * error)
    assert stats.kstest(z.ravel(), stats.t(7).cdf).pvalue > 1e-3
    assert (np.abs(s.mean(axis=0) - 1.0) < 3.5 * s.std(axis=0) / math.sqrt(len(s))).all()


def test_halving_the_run_does_not_move_the_mean():
    difference = np.array(
        [
            structure_factor(gas, q_max=1.3, bin_width=0.5)["S"].values
            - structure_factor(gas.isel(frame=slice(0, 4)), q_max=1.3, bin_width=0.5)["S"].values
            for gas in ideal_runs(n_seeds=200, n_frames=8)
        ]
    )
    assert (np.abs(difference.mean(axis=0)) < 3.5 * difference.std(axis=0) / math.sqrt(200)).all()


@pytest.fixture(scope="module")
def crystal_reference():
    return structure_factor(crystal(np.random.default_rng(7), n_replicas=16, n_frames=100), q_max=3.0)


def test_distance_of_the_same_crystal_is_zero_on_average():
    rng = np.random.default_rng(8)
    value = []
    for _ in range(100):
        # a reference noisier than the candidate: its noise must be subtracted to end at zero
        reference = structure_factor(crystal(rng, n_frames=2), q_max=2.5)
        value.append(distance2(structure_factor(crystal(rng), q_max=2.5), reference).value)
    assert abs(np.mean(value)) < 3.5 * np.std(value) / math.sqrt(len(value))
    # few bins carry the structure, so the law is skewed: χ² of one degree is below its mean in 68 %
    assert 0.25 < np.mean(np.array(value) < 0.0) < 0.9


def test_distance_sees_a_softer_crystal(crystal_reference):
    softer = crystal(np.random.default_rng(9), amplitude=0.5, n_frames=20)
    found = distance2(structure_factor(softer, q_max=3.0), crystal_reference)
    q2 = crystal_reference["q"].values ** 2
    still = structure_factor(crystal(np.random.default_rng(0), amplitude=0.0), q_max=3.0)["S"].values
    stiff, soft = (np.exp(-q2 * u**2) * (still - 1.0) for u in (0.4, 0.5))
    assert found.value == pytest.approx(np.sum((soft - stiff) ** 2) / np.sum(stiff**2), abs=4 * found.stderr)
    assert found.value > 6.0 * found.stderr


def test_curves_on_different_grids_are_refused(crystal_reference):
    run = crystal(np.random.default_rng(2))
    for q_max, bin_width in [(2.5, 0.05), (3.0, 0.5)]:
        with pytest.raises(ObservableError, match="same q_max and bin_width"):
            distance2(structure_factor(run, q_max=q_max, bin_width=bin_width), crystal_reference)


def test_input_is_left_alone_and_units_are_given():
    run = crystal(np.random.default_rng(2))
    before = run.copy(deep=True)
    found = structure_factor(run, q_max=2.0)
    assert run.identical(before)
    assert found["q"].attrs["units"] == "1/Å"
    assert all(found[name].attrs["units"] == "1" for name in found.data_vars)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"q_max": 0.5}, r"the smallest \|q\| of the cell is 0\.59"),
        ({"q_max": 2.0, "bin_width": 0.0}, "positive width"),
        ({"q_max": 2.0, "form_factor": np.ones(31)}, "each of the 32 atoms"),
        ({"q_max": 2.0, "form_factor": lambda q: q[:-1]}, "expected as many"),
    ],
)
def test_what_cannot_be_computed_is_refused(arguments, message):
    with pytest.raises(ObservableError, match=message):
        structure_factor(crystal(np.random.default_rng(2)), **arguments)


def test_bad_positions_are_refused():
    position = np.zeros((1, 2, 4, 3))
    position[0, 1, 2] = np.nan
    with pytest.raises(ObservableError, match="frame 1"):
        structure_factor(trajectory_dataset(position, CELL, 0.1), q_max=2.0)
