"""Pressure against LAMMPS and against −dE/dV; the bulk modulus against a fit over more volumes, and by fluctuations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.units import bar

from pytest_mlff.analysis.pressure import kinetic_pressure
from pytest_mlff.potentials import lennard_jones
from pytest_mlff.reference.data import Reference
from pytest_mlff.reference.observables import estimate
from pytest_mlff.simulation.pressure import virial_pressure
from pytest_mlff.systems.reading import load_system
from pytest_mlff.systems.system import as_cell
from pytest_mlff.units import BAR, BOLTZMANN_EV

ARGON = load_system("argon")


def fcc_positions(n_cells, edge):
    """Perfect crystal of cubic cells."""
    return replace(ARGON.crystal, cell=as_cell([edge] * 3)).repeated(n_cells).positions


STATES = ("100K-256", "20K-solid-256")


def configurations(state: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    found = Reference().configurations(f"start/{state}")
    return found.positions[:count], np.diagonal(found.cells[0])


def atoms_of(positions: np.ndarray, box: np.ndarray) -> Atoms:
    return Atoms(f"Ar{len(positions)}", positions, cell=box, pbc=True)


def stress_of(positions: np.ndarray, box: np.ndarray) -> np.ndarray:
    atoms = atoms_of(positions, box)
    atoms.calc = lennard_jones()
    return atoms.get_stress(voigt=False)


def test_a_bar_is_that_of_ase():
    assert pytest.approx(1.0 / bar, rel=1e-7) == BAR


@pytest.mark.parametrize("state", STATES)
def test_the_pressure_is_that_of_lammps(state, lammps):
    """At rest the virial alone, then with atoms of 100 K and no momentum."""
    (positions,), box = configurations(state, 1)
    running, virial = lammps(positions, box), virial_pressure(stress_of(positions, box))
    running.command("run 0 post no")
    assert BAR * virial == pytest.approx(float(running.get_thermo("press")), rel=1e-6, abs=1e-3)
    running.command("velocity all create 100.0 1 mom yes rot no")
    running.command("run 0 post no")
    kinetic = kinetic_pressure(len(positions), float(np.prod(box)), 100.0)
    assert BAR * (virial + kinetic) == pytest.approx(float(running.get_thermo("press")), rel=1e-5, abs=2e-2)


@pytest.mark.parametrize("state", STATES)
def test_the_virial_pressure_is_minus_the_slope_of_the_energy(state):
    """A uniform strain of 1e-6; pairs that cross the cutoff have no energy there."""
    (positions,), box = configurations(state, 1)
    energies = []
    for strain in (-1e-6, 1e-6):
        energies.append(lennard_jones().get_potential_energy(atoms_of((1 + strain) * positions, (1 + strain) * box)))
    slope = (energies[1] - energies[0]) / (6e-6 * float(np.prod(box)))  # dV = 3 V × strain
    assert virial_pressure(stress_of(positions, box)) == pytest.approx(-slope, rel=1e-3, abs=0.5 / BAR)


@pytest.mark.parametrize("state", STATES)
def test_the_stored_pressure_is_that_of_the_start_configurations(state):
    """Which come from other runs of the reference."""
    positions, box = configurations(state, 64)
    point, stored = ARGON.state(state), estimate(Reference().observable(state, "pressure"), "pressure")
    each = np.array([virial_pressure(stress_of(one, box)) for one in positions])
    found = each.mean() + kinetic_pressure(point.n_atoms, float(np.prod(box)), point.temperature)
    error = np.hypot(each.std(ddof=1) / 8.0, stored.stderr)
    assert abs(found - stored.value) < 4.0 * error
    assert BAR * error < 20.0


def test_the_bulk_modulus_of_the_crystal_is_that_of_its_energy_curve():
    """Static and harmonic: B = V d²E/dV² of the perfect crystal at the same density, with the thermal part of 20 K."""

    point = ARGON.state("20K-solid-256")
    edge, volume = point.cell[0][0] / 4, point.volume
    scales = np.linspace(-0.01, 0.01, 9)
    pressures = []
    for scale in scales:
        a = edge * (1.0 + scale) ** (1 / 3)
        pressures.append(virial_pressure(stress_of(fcc_positions((4, 4, 4), a), np.full(3, 4 * a))))
    static = -np.polyfit(scales, pressures, 3)[-2]  # −V dp/dV
    stored = estimate(Reference().observable(point.name, "pressure"), "bulk_modulus")
    # at fixed volume the vibrations of 20 K add γ²·3NkT/V·(…): a few percent for a Grüneisen parameter of 3
    assert stored.value == pytest.approx(static, rel=0.08)
    assert 3 * 256 * BOLTZMANN_EV * point.temperature / volume < 0.02 * static


@pytest.mark.slow
def test_the_bulk_modulus_of_the_liquid_is_that_of_a_fit_over_more_volumes(tmp_path):
    """A parabola through p(V) at five volumes within ± 5 %, runs of another seed."""
    from pytest_mlff.reference.parts import make_workshop
    from pytest_mlff.reference.pressure import measured_pressure
    from pytest_mlff.reference.runs import Plan

    workshop, point = make_workshop(tmp_path, ARGON), ARGON.state("100K-256")
    plan = Plan(replicas=6, equilibration_steps=500, frames=116)
    volumes = np.array([0.95, 0.975, 1.0, 1.025, 1.05])
    found = [measured_pressure(workshop, point, plan, volume=volume, seed=99) for volume in volumes]
    values, errors = (np.array([getattr(one, name) for one in found]) for name in ("value", "stderr"))
    fit, covariance = np.polyfit(np.log(volumes), values, 2, w=1.0 / errors, cov="unscaled")
    stored = estimate(Reference().observable(point.name, "pressure"), "bulk_modulus")
    error = np.hypot(np.sqrt(covariance[1, 1]), stored.stderr)
    assert abs(-fit[1] - stored.value) < 4.0 * error
    assert error < 0.06 * stored.value
