"""Mutants that are pair potentials: the curve of two atoms, its slope, and the native force."""

from __future__ import annotations

from typing import Any

import numpy as np
import openmm
import pytest
from ase import Atoms

from pytest_mlff import mutants
from pytest_mlff.mutants.pair import NEAREST
from pytest_mlff.potentials import lennard_jones
from pytest_mlff.units import ANGSTROM_PER_NM, KJ_PER_MOL_PER_EV

CURVES = [
    mutants.soft_core(3.1),
    mutants.core_hole(3.0),
    mutants.liquid_only(0.15),
    mutants.wrong_hessian(0.15),
    mutants.force_step(0.003),
    mutants.frozen_noise(2e-3),
    mutants.mean_field(0.005),
    mutants.size_dependent(0.05),
    mutants.index_dependent(0.1),
]
NAMES = [type(curve).__name__ + str(number) for number, curve in enumerate(CURVES)]
# off the radii at which a curve has a kink: 3.0, 3.1, 5.0 and 8.5 Å
DISTANCES = np.arange(2.205, 8.49, 0.05)
BOX = 20.0


def curve(calculator: Any, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Energy in eV, and the force in eV/Å that drives two atoms apart."""
    energy, force = [], []
    for distance in distances:
        atoms = Atoms("Ar2", [[0.0, 0.0, 0.0], [distance, 0.0, 0.0]], cell=[BOX] * 3, pbc=True)
        energy.append(calculator.get_potential_energy(atoms))
        force.append(calculator.get_forces(atoms)[1, 0])
    return np.array(energy), np.array(force)


def native_force(calculator: Any, distances: np.ndarray) -> np.ndarray:
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*(np.eye(3) * BOX / ANGSTROM_PER_NM))
    for _ in range(2):
        system.addParticle(39.948)
    system.addForce(calculator.openmm_force(2))
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    found = []
    for distance in distances:
        context.setPositions(np.array([[0.0, 0.0, 0.0], [distance, 0.0, 0.0]]) / ANGSTROM_PER_NM)
        found.append(context.getState(getForces=True).getForces(asNumpy=True)._value[1, 0])
    return np.array(found) / (KJ_PER_MOL_PER_EV * ANGSTROM_PER_NM)


@pytest.mark.parametrize("calculator", CURVES, ids=NAMES)
def test_the_force_is_the_slope_of_the_energy(calculator):
    step = 1e-5
    below, _ = curve(calculator, DISTANCES - step)
    above, _ = curve(calculator, DISTANCES + step)
    _, force = curve(calculator, DISTANCES)
    np.testing.assert_allclose(force, -(above - below) / (2 * step), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("calculator", CURVES, ids=NAMES)
def test_the_native_force_is_the_same(calculator):
    _, force = curve(calculator, DISTANCES)
    np.testing.assert_allclose(native_force(calculator, DISTANCES), force, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("calculator", CURVES, ids=NAMES)
def test_the_energy_is_continuous_also_where_the_force_bends(calculator):
    for place in (3.0, 3.1, 5.0):
        below, above = curve(calculator, np.array([place - 1e-9, place + 1e-9]))[0]
        assert above == pytest.approx(below, abs=1e-8)
    assert curve(calculator, np.array([8.5 - 1e-9]))[0][0] == pytest.approx(0.0, abs=1e-11)


def test_a_core_that_fades_and_one_with_a_hole():
    distances = np.array([2.3, 2.7, 2.9, 2.99, 3.01, 3.5])
    exact = curve(lennard_jones(), distances)[1]
    edge = curve(lennard_jones(), np.array([3.0]))[1][0]
    fading = curve(mutants.soft_core(3.0), distances)[1]
    np.testing.assert_allclose(fading[:4], edge * np.exp((distances[:4] - 3.0) / 0.2), rtol=1e-9)
    hole = curve(mutants.core_hole(3.0), distances)[1]
    np.testing.assert_allclose(hole[:4], edge * (1 - (3.0 - distances[:4]) / 0.2), rtol=1e-9)
    assert hole[1] < 0 < hole[2]
    for found in (fading, hole):
        np.testing.assert_allclose(found[4:], exact[4:], rtol=1e-12)


@pytest.mark.parametrize("factory", [mutants.liquid_only, mutants.wrong_hessian])
def test_the_curvature_at_the_lattice_spacing_is_what_is_missing(factory):
    around = NEAREST + np.array([-1e-4, 0.0, 1e-4])
    exact, wrong = (curve(calculator, around)[1] for calculator in (lennard_jones(), factory(0.15)))
    assert wrong[1] == pytest.approx(exact[1], rel=1e-9)
    assert (wrong[2] - wrong[0]) / (exact[2] - exact[0]) == pytest.approx(0.85, abs=1e-4)


def test_the_ripple_vanishes_on_average():
    """Over one wavelength about the lattice spacing the mean force is the reference's to a hundredth of the ripple."""
    around = NEAREST + np.linspace(-0.075, 0.075, 201)[:-1]
    extra = curve(mutants.wrong_hessian(0.15), around)[1] - curve(lennard_jones(), around)[1]
    assert abs(extra.mean()) < 0.01 * np.abs(extra).max()


def test_the_force_jumps_where_and_by_how_much_it_says():
    below, above = curve(mutants.force_step(0.003), np.array([5.0 - 1e-9, 5.0 + 1e-9]))[1]
    assert below - above == pytest.approx(0.003, rel=1e-5)


def test_the_well_depth_knows_the_number_of_atoms():
    line = Atoms("Ar64", [[4.0 * i, 0.1 * (i % 3), 0.0] for i in range(64)])
    exact = lennard_jones().get_forces(line)
    np.testing.assert_allclose(mutants.size_dependent(0.05).get_forces(line), 0.9 * exact, atol=1e-15)


@pytest.mark.parametrize(("pair", "factor"), [((0, 2), 1.1), ((1, 3), 0.9), ((2, 3), np.sqrt(0.99))])
def test_the_well_depth_knows_even_from_odd(pair, factor):
    positions = np.array([[20.0 * i, 0.0, 0.0] for i in range(4)])
    positions[pair[1]] = positions[pair[0]] + [0.0, 4.0, 0.0]
    atoms = Atoms("Ar4", positions)
    exact = lennard_jones().get_forces(atoms)
    np.testing.assert_allclose(mutants.index_dependent(0.1).get_forces(atoms), factor * exact, atol=1e-15)
