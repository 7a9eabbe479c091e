"""Virial pressure of frames: its sign, which frames, and that a call is counted once."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from pytest_mlff.potentials import ARGON_EPSILON, ARGON_SIGMA, lennard_jones
from pytest_mlff.simulation.forces import ModelForces
from pytest_mlff.simulation.pressure import PRESSURE_STRIDE, frame_pressures, pressure_frames, virial_pressure
from pytest_mlff.systems.reading import load_system
from pytest_mlff.systems.system import as_cell

ARGON = load_system("argon")


def fcc_positions(n_cells, edge):
    """Perfect crystal of cubic cells."""
    return replace(ARGON.crystal, cell=as_cell([edge] * 3)).repeated(n_cells).positions


def model(calculator):
    return SimpleNamespace(name="m", calculator=calculator, provides=frozenset({"energy", "forces", "stress"}))


@pytest.mark.parametrize(("edge", "sign"), [(5.0, 1.0), (5.6, -1.0)])
def test_a_compressed_crystal_has_a_positive_pressure(edge, sign):
    forces = ModelForces(model(lennard_jones()), ARGON, [18] * 256, 4 * edge * np.eye(3))
    found = frame_pressures(forces, np.stack([[fcc_positions((4, 4, 4), edge)] * 3] * 2))
    assert found.shape == (2, 3)
    assert (sign * found > 1e-4).all()
    assert forces.calls == 6


def test_shear_has_no_pressure():
    assert virial_pressure(np.array([[3.0, 7.0, 7.0], [7.0, 4.0, 7.0], [7.0, 7.0, 5.0]])) == -4.0


@pytest.mark.parametrize(("atoms", "stride"), [(256, 4), (108, 4), (4000, 10)])
def test_frames_are_taken_from_the_first_on(atoms, stride):
    assert list(pressure_frames(21, atoms)) == list(range(0, 21, stride))
    assert stride in PRESSURE_STRIDE.values()


def test_one_call_gives_forces_energy_and_stress():
    positions = fcc_positions((3, 3, 3), 5.4) + 0.1 * np.sin(np.arange(324.0)).reshape(-1, 3)
    forces = ModelForces(model(lennard_jones()), ARGON, [18] * 108, 16.2 * np.eye(3))
    found = forces.results(positions, {"energy", "forces", "stress"})
    assert forces.calls == 1
    assert set(forces.results(positions, {"forces"})) == {"forces"}
    np.testing.assert_array_equal(found["forces"], forces(positions))
    np.testing.assert_array_equal(found["stress"], forces.stress(positions))
    assert found["energy"] == forces.energy(positions)


def test_forces_of_a_batched_model_come_the_batched_way():
    class Batched(type(lennard_jones())):
        def batch_forces(self, positions, numbers, cell):
            return np.full(positions.shape, 7.0)

    potential = Batched(epsilon=ARGON_EPSILON, sigma=ARGON_SIGMA, cutoff=ARGON.cutoff)
    forces = ModelForces(model(potential), ARGON, [18] * 256, 21.0 * np.eye(3))
    found = forces.results(fcc_positions((4, 4, 4), 5.25), {"energy", "forces"})
    assert (found["forces"] == 7.0).all()
    assert found["energy"] < 0.0
    assert forces.calls == 2
