"""Pressure: its parts against closed forms, and what a changed potential does to it against reweighting."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_mlff.analysis.pressure import bulk_modulus, kinetic_pressure, mean_pressure, paired_pressure
from pytest_mlff.errors import ObservableError
from pytest_mlff.schema import Estimate
from pytest_mlff.units import BAR


def test_the_kinetic_part_is_that_of_the_ideal_gas_without_the_centre_of_mass():
    """Argon at 273.15 K and 22.414 l/mol has 1 atm; of two atoms half of it is left."""
    volume = 22.414e-3 / 6.02214076e23 * 1e30
    assert BAR * kinetic_pressure(10**6, 1e6 * volume, 273.15) == pytest.approx(1.01325, rel=1e-4)
    assert kinetic_pressure(2, 2 * volume, 273.15) == pytest.approx(0.5 * kinetic_pressure(10**9, 1e9 * volume, 273.15))


def test_the_error_of_a_mean_pressure_is_the_scatter_of_replicas():
    virial = np.array([[1.0, 3.0], [4.0, 4.0], [0.0, 6.0]])
    found = mean_pressure(virial, atoms=5, volume=100.0, temperature=100.0)
    assert found.value == pytest.approx(3.0 + kinetic_pressure(5, 100.0, 100.0))
    assert found.stderr == pytest.approx(np.std([2.0, 4.0, 3.0], ddof=1) / np.sqrt(3))
    assert found.dof == 2


def test_the_bulk_modulus_of_a_power_law_is_its_exponent():
    """p = V⁻³ has B = 3p at V = 1, to second order in the strain."""
    low, high = Estimate(0.97**-3, 0.01, 7.0), Estimate(1.03**-3, 0.02, 15.0)
    found = bulk_modulus(low, high, volume_ratio=1.03 / 0.97)
    assert found.value == pytest.approx(3.0, rel=1e-2)
    assert found.stderr == pytest.approx(np.hypot(0.01, 0.02) / np.log(1.03 / 0.97))
    assert found.dof == 7.0


@pytest.mark.parametrize(("ratio", "low", "high"), [(0.9, 2.0, 1.0), (1.0, 2.0, 1.0), (1.1, 1.0, 1.0), (1.1, 1.0, 2.0)])
def test_volumes_and_pressures_that_make_no_modulus_are_refused(ratio, low, high):
    with pytest.raises(ObservableError, match=r"larger volume over the smaller|grows with the volume"):
        bulk_modulus(Estimate(low, 0.1), Estimate(high, 0.1), volume_ratio=ratio)


def harmonic(rng, count):
    """A coordinate of variance kT in U = x²/2, with a pressure x², and the same with a spring that is 4 % stiffer."""
    x = rng.standard_normal(count)
    return 1.04 * x**2, x**2, 0.02 * x**2


def test_the_covariance_brings_the_mean_that_the_candidate_has_itself():
    """In its own runs ⟨1.04 x²⟩ = 1, the reference's: the paired difference alone has the wrong 0.04."""
    own, other, change = harmonic(np.random.default_rng(0), 4000)
    found = paired_pressure(own, other, change, kt=1.0)
    assert abs(found.value) < 5e-3
    assert abs(found.value) < 4 * found.stderr
    assert np.mean(own - other) == pytest.approx(0.04, rel=0.1)


def test_the_error_of_a_paired_pressure_is_its_scatter():
    rng = np.random.default_rng(1)
    found = [paired_pressure(*harmonic(rng, 100), kt=1.0) for _ in range(200)]
    spread = np.std([one.value for one in found])
    assert np.sqrt(np.mean([one.stderr**2 for one in found])) == pytest.approx(spread, rel=0.2)


def test_a_constant_in_the_energy_has_no_effect():
    own, other, change = harmonic(np.random.default_rng(2), 50)
    moved = paired_pressure(own, other, change - 1e4, kt=1.0)
    assert moved.value == pytest.approx(paired_pressure(own, other, change, kt=1.0).value, abs=1e-9)


@pytest.mark.parametrize("shape", [(2,), (3, 2), ()])
def test_arrays_that_are_too_small_or_no_list_are_refused(shape):
    with pytest.raises(ObservableError, match="at least three configurations"):
        paired_pressure(*[np.ones(shape)] * 3, kt=1.0)
    with pytest.raises(ObservableError, match="at least three configurations"):
        paired_pressure(np.ones(5), np.ones(5), np.ones(4), kt=1.0)
