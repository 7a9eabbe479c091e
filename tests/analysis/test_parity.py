"""Force parity: 1 − R², the error's spread and quantiles, and their error bars."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlff.analysis.parity import common_force_share, force_error_sd, force_parity, force_slope, one_minus_r2
from pytest_mlff.errors import NonFiniteError, ObservableError
from pytest_mlff.schema import Estimate


def thermal_forces(rng, configurations=12, atoms=20):
    forces = rng.normal(0.0, 0.04, (configurations, atoms, 3))
    return forces - forces.mean(axis=1, keepdims=True)


def naive_figures(candidate, reference):
    """1 − R² and error s.d. by explicit loops over every component."""
    pairs = [
        (candidate[k, i, x], reference[k, i, x])
        for k in range(reference.shape[0])
        for i in range(reference.shape[1])
        for x in range(3)
    ]
    mean = sum(f for _, f in pairs) / len(pairs)
    residual = sum((c - f) ** 2 for c, f in pairs)
    total = sum((f - mean) ** 2 for _, f in pairs)
    bias = sum(c - f for c, f in pairs) / len(pairs)
    return residual / total, (sum((c - f - bias) ** 2 for c, f in pairs) / len(pairs)) ** 0.5


def test_reference_against_itself_is_exactly_zero():
    forces = thermal_forces(np.random.default_rng(1))
    parity = force_parity(forces, forces)
    assert one_minus_r2(parity) == Estimate(0.0, 0.0, 11.0)
    assert float(parity["error_quantile"].max()) == 0.0


def test_scaled_forces_have_the_squared_scale_error():
    forces = thermal_forces(np.random.default_rng(2))
    parity = force_parity(1.05 * forces, forces)
    assert float(parity["one_minus_r2"]) == pytest.approx(0.05**2, rel=1e-12)
    # every resample has the same ratio: no error bar to invent
    assert float(parity["one_minus_r2_stderr"]) == pytest.approx(0.0, abs=1e-15)
    assert float(parity["force_error_sd"]) == pytest.approx(0.05 * float(parity["force_rms"]), rel=1e-12)


@pytest.mark.parametrize("slope", [-1.0, 0.0194, 0.9, 23.06])
def test_the_slope_is_that_of_a_line_through_zero(slope):
    rng = np.random.default_rng(12)
    reference = thermal_forces(rng)
    candidate = slope * (reference + rng.normal(0.0, 4e-3, reference.shape))
    parity = force_parity(candidate, reference)
    line = np.linalg.lstsq(reference.reshape(-1, 1), candidate.ravel(), rcond=None)
    found = force_slope(parity)
    assert found.value == pytest.approx(float(line[0][0]), rel=1e-9)
    assert float(parity["slope_residual"]) == pytest.approx(float(line[1][0] / np.sum(candidate**2)), rel=1e-9)
    assert abs(found.value - slope) < 4 * found.stderr < 0.05 * abs(slope)


def test_a_slope_of_no_forces_has_no_residual_to_judge_it_by():
    reference = thermal_forces(np.random.default_rng(13))
    parity = force_parity(np.zeros_like(reference), reference)
    assert force_slope(parity).value == 0.0
    assert np.isnan(parity["slope_residual"])


def test_agrees_with_loops_also_when_the_mean_force_is_not_zero():
    rng = np.random.default_rng(3)
    reference = thermal_forces(rng, 4, 5) + 0.03
    candidate = reference + rng.normal(0.002, 0.004, reference.shape)
    parity = force_parity(candidate, reference)
    ratio, deviation = naive_figures(candidate, reference)
    assert float(parity["one_minus_r2"]) == pytest.approx(ratio, rel=1e-12)
    assert float(parity["force_error_sd"]) == pytest.approx(deviation, rel=1e-12)
    assert float(parity["one_minus_r2_configuration"].mean()) == pytest.approx(ratio, rel=1e-12)


def test_the_share_of_a_force_on_all_atoms_is_told_from_errors_of_each():
    rng = np.random.default_rng(6)
    forces = thermal_forces(rng, configurations=400)
    uniform = rng.normal(0.0, 1e-3, (400, 1, 3))
    each = rng.normal(0.0, 1e-3, forces.shape)
    assert common_force_share(forces, forces) == 0.0
    assert common_force_share(forces + uniform, forces) == pytest.approx(1.0)
    assert common_force_share(forces + each, forces) == pytest.approx(1.0 / 20, rel=0.1)
    assert common_force_share(forces + each - each.mean(axis=1, keepdims=True), forces) < 1e-20
    both = common_force_share(forces + 2.0 * uniform + each, forces)
    assert both == pytest.approx((4.0 + 1.0 / 20) / 5.0, rel=0.05)


def test_quantiles_are_those_of_the_empirical_distribution():
    rng = np.random.default_rng(4)
    reference = thermal_forces(rng)
    error = rng.standard_t(3, reference.shape) * 1e-3
    levels = (0.0, 0.25, 0.5, 0.9, 0.99, 1.0)
    parity = force_parity(reference + error, reference, quantiles=levels)
    expected = np.quantile(np.abs((reference + error) - reference), levels, method="inverted_cdf")
    np.testing.assert_allclose(parity["error_quantile"], expected, rtol=1e-12)
    assert np.isnan(parity["error_quantile_stderr"][-1])
    assert np.isfinite(parity["error_quantile_stderr"][:-1]).all()


def test_gaussian_error_is_found_again():
    rng = np.random.default_rng(5)
    reference = thermal_forces(rng, 60, 100)
    parity = force_parity(reference + rng.normal(0.0, 4e-4, reference.shape), reference)
    deviation = force_error_sd(parity)
    assert abs(deviation.value - 4e-4) < 4.0 * deviation.stderr
    ratio = one_minus_r2(parity)
    assert abs(ratio.value - (4e-4 / 0.04) ** 2 / (1 - 1 / 100)) < 4.0 * ratio.stderr
    # 18000 independent components: the relative error of a variance is sqrt(2/18000) = 1 %
    assert 0.005 < ratio.stderr / ratio.value < 0.02


def test_error_bars_follow_the_scatter_of_clustered_errors():
    """Each configuration has its own error level: bars must be those of configurations, not of components."""
    rng = np.random.default_rng(6)
    names = ("one_minus_r2", "force_error_sd", "error_quantile", "slope")
    values, bars = [], []
    for _ in range(300):
        reference = thermal_forces(rng, 24, 16)
        level = 4e-4 * rng.uniform(0.5, 1.5, (24, 1, 1))
        candidate = reference + level * rng.standard_normal(reference.shape)
        parity = force_parity(candidate, reference, quantiles=(0.5,), n_bootstrap=200)
        values.append([parity[name].item() for name in names])
        bars.append([parity[f"{name}_stderr"].item() for name in names])
    score = (np.array(values) - np.mean(values, axis=0)) / np.array(bars)
    expected = np.sqrt(23 / 21)  # Student's t with 23 degrees of freedom
    assert np.all(score.std(axis=0) > 0.88 * expected)
    assert np.all(score.std(axis=0) < 1.15 * expected)


@given(st.integers(0, 10_000), st.floats(0.01, 100.0))
def test_unit_order_and_orientation_do_not_matter(seed, unit):
    rng = np.random.default_rng(seed)
    reference = thermal_forces(rng, 3, 6)
    candidate = reference + rng.normal(0.0, 1e-3, reference.shape)
    expected = float(force_parity(candidate, reference, n_bootstrap=2)["one_minus_r2"])
    order = rng.permutation(6)
    rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    moved = force_parity(unit * candidate[:, order] @ rotation, unit * reference[:, order] @ rotation, n_bootstrap=2)
    assert float(moved["one_minus_r2"]) == pytest.approx(expected, rel=1e-9)
    assert expected >= 0.0


def test_same_forces_give_the_same_error_bar_and_inputs_stay():
    rng = np.random.default_rng(7)
    reference = thermal_forces(rng)
    candidate = reference + rng.normal(0.0, 1e-3, reference.shape)
    kept = candidate.copy(), reference.copy()
    first, second = (force_parity(candidate, reference) for _ in range(2))
    assert first.identical(second)
    np.testing.assert_array_equal(candidate, kept[0])
    np.testing.assert_array_equal(reference, kept[1])


def test_every_variable_has_units_and_one_configuration_has_no_error():
    rng = np.random.default_rng(8)
    reference = thermal_forces(rng, 1)
    parity = force_parity(1.01 * reference, reference)
    assert all("units" in parity[name].attrs for name in parity.variables)
    assert np.isnan(one_minus_r2(parity).stderr)
    assert one_minus_r2(parity).dof == 0.0


def test_refuses_what_has_no_parity():
    forces = thermal_forces(np.random.default_rng(9), 3, 4)
    broken = forces.copy()
    broken[1, 2, 0] = np.nan
    expected = "candidate forces are not finite in 1 of 3 configurations, first in configuration 1"
    with pytest.raises(NonFiniteError, match=expected):
        force_parity(broken, forces)
    with pytest.raises(NonFiniteError, match="reference forces are not finite"):
        force_parity(forces, broken)
    with pytest.raises(ObservableError, match="shape"):
        force_parity(forces[:2], forces)
    with pytest.raises(ObservableError, match="all reference forces are equal"):
        force_parity(forces, np.zeros_like(forces))
    with pytest.raises(ObservableError, match="quantiles"):
        force_parity(forces, forces, quantiles=(1.5,))
