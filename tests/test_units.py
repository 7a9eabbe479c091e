"""Constants agree with ASE's, and a factor between two units is told from a factor between others."""

from __future__ import annotations

from itertools import pairwise

import pytest
from ase import units as theirs
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlff import units
from pytest_mlff.units import FORCE_UNITS, NEAR, suspect

THEIRS = {
    "kcal/mol/Å": theirs.kcal / theirs.mol,
    "kJ/mol/Å": theirs.kJ / theirs.mol,
    "eV/bohr": 1 / theirs.Bohr,
    "Ha/Å": theirs.Hartree,
    "Ha/bohr": theirs.Hartree / theirs.Bohr,
    "Ry/bohr": theirs.Rydberg / theirs.Bohr,
}


def test_the_table_has_the_values_of_another_package():
    assert {name: pytest.approx(size, rel=1e-6) for name, size in THEIRS.items()} == FORCE_UNITS
    assert pytest.approx(theirs.mol / theirs.kcal, rel=1e-6) == units.KCAL_PER_MOL_PER_EV


@pytest.mark.parametrize(
    ("slope", "look", "factor"),
    [
        (-1.0, "minus eV/Å", -1.0),
        (23.06, "kcal/mol/Å", 0.04336),
        (0.0434, "eV/Å converted from kcal/mol/Å", 23.06),
        (96.5, "kJ/mol/Å", 0.01036),
        (0.01036, "eV/Å converted from kJ/mol/Å", 96.49),
        (0.529, "eV/bohr", 1.890),
        (1.89, "eV/Å converted from eV/bohr", 0.5292),
        (0.0367, "Ha/Å", 27.21),
        (27.2, "eV/Å converted from Ha/Å", 0.03675),
        (0.0194, "Ha/bohr", 51.42),
        (51.4, "eV/Å converted from Ha/bohr", 0.01945),
        (0.0389, "Ry/bohr", 25.71),
        (25.7, "eV/Å converted from Ry/bohr", 0.03889),
        (-0.0194, "minus Ha/bohr", -51.42),
    ],
)
def test_each_factor_is_named_in_both_directions_and_with_either_sign(slope, look, factor):
    found = suspect(slope)
    assert found.look == look
    assert found.unit in look
    assert found.factor == pytest.approx(factor, rel=1e-3)
    assert abs(slope * found.factor - 1.0) < 0.01


@pytest.mark.parametrize("slope", [1.0, 0.9, 1.029, -0.9, 0.5, 0.0, 2.0, 1e3, float("nan"), float("inf")])
def test_no_unit_is_named_for_what_is_none(slope):
    assert suspect(slope) is None


@given(st.sampled_from(sorted(FORCE_UNITS)), st.booleans(), st.floats(-0.99 * NEAR, 0.99 * NEAR))
def test_the_nearest_unit_within_three_percent_is_named(name, converted, off):
    exact = FORCE_UNITS[name] if converted else 1.0 / FORCE_UNITS[name]
    found = suspect(exact * (1.0 + off))
    assert (found.unit, found.factor) == (name, pytest.approx(1.0 / exact)) or abs(off) > 0.02


def test_no_two_units_are_so_near_that_a_factor_fits_both():
    factors = sorted([*FORCE_UNITS.values(), *(1.0 / size for size in FORCE_UNITS.values()), 1.0])
    assert min(above / below for below, above in pairwise(factors)) > 1.05


def test_another_table_may_be_asked():
    found = suspect(27.2, {"Ha": units.EV_PER_HARTREE}, own="eV")
    assert found.look == "eV converted from Ha"
