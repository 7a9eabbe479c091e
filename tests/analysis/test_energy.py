"""Energies beside energies: laws of scale and shift, errors, and numbers too large for float32."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_mlff.analysis.energy import energy_difference, energy_parity, energy_resolution, rounding_share
from pytest_mlff.errors import ObservableError

RNG = np.random.default_rng(0)
EXACT = RNG.normal(-12.0, 0.3, 100)


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.3])
@pytest.mark.parametrize("shift", [0.0, -1e5])
def test_a_factor_gives_its_square_and_a_shift_nothing(factor, shift):
    found = energy_parity(factor * EXACT + shift, EXACT)
    assert found.value == pytest.approx((factor - 1.0) ** 2, abs=1e-9)
    assert found.stderr == pytest.approx(0.0, abs=1e-9)
    assert found.dof == 99


def test_the_error_of_a_parity_is_its_scatter():
    rng, found = np.random.default_rng(1), []
    for _ in range(200):
        exact = rng.normal(size=40)
        found.append(energy_parity(exact + rng.normal(scale=0.2, size=40), exact))
    assert np.mean([one.value for one in found]) == pytest.approx(0.04, rel=0.1)
    spread = np.std([one.value for one in found])
    assert np.sqrt(np.mean([one.stderr**2 for one in found])) == pytest.approx(spread, rel=0.25)


def test_the_difference_of_two_sets_scales_and_shifts_with_one_of_them():
    upper, lower = RNG.normal(-0.047, 0.002, 100), RNG.normal(-0.074, 0.0001, 60)
    own, other = energy_difference((1.05 * upper - 3.0, 1.05 * lower - 3.0), (upper, lower))
    assert own.value == pytest.approx(1.05 * other.value)
    assert (own.stderr, other.stderr) == (pytest.approx(0.0, abs=1e-12), 0.0)
    own, _ = energy_difference((upper, lower + 0.002), (upper, lower))
    assert own.value == pytest.approx(other.value - 0.002)


def test_the_error_of_a_difference_is_its_scatter():
    rng, found = np.random.default_rng(2), []
    for _ in range(200):
        sets = rng.normal(1.0, 0.1, 50), rng.normal(0.0, 0.1, 50)
        noisy = tuple(values + rng.normal(scale=0.1, size=50) for values in sets)
        own, other = energy_difference(noisy, sets)
        found.append((own.value / other.value, own.stderr / other.value))
    ratios, errors = np.array(found).T
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(np.std(ratios), rel=0.2)


def test_energies_that_cannot_be_compared_are_refused():
    with pytest.raises(ObservableError, match="not finite in 2 of 100"):
        energy_parity(np.where(np.arange(100) < 2, np.nan, EXACT), EXACT)
    with pytest.raises(ObservableError, match="equal, R² has no meaning"):
        energy_parity(EXACT, np.ones(100))
    with pytest.raises(ObservableError, match="must be"):
        energy_parity(EXACT, EXACT[:5])


@pytest.mark.parametrize(("size", "step"), [(1e5, 2**-7), (3.7e6, 0.25), (2e9, 128.0)])
def test_energies_in_float32_are_recognised_by_their_steps(size, step):
    """At 2e9 eV all of them are one number."""
    rounded = np.float64(np.float32(EXACT - size))
    found = energy_resolution(rounded)
    assert found == pytest.approx(step, rel=1.0 if np.ptp(rounded) == 0.0 else 1e-6)
    assert energy_resolution(EXACT - size) == 0.0


def test_what_rounding_brings_about_covers_what_it_did():
    rounded = np.float64(np.float32(EXACT - 3.7e6))
    share = rounding_share(energy_resolution(rounded), EXACT)
    assert 0.05 < energy_parity(rounded, EXACT).value < share
