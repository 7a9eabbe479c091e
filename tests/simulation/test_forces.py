"""The one place where a calculator is called."""

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms

from pytest_mlff.errors import ModelError
from pytest_mlff.potentials import lennard_jones
from pytest_mlff.simulation.forces import ModelForces
from pytest_mlff.systems.atoms import make_atoms
from pytest_mlff.systems.reading import load_system
from pytest_mlff.systems.structure import Structure
from pytest_mlff.systems.system import as_cell

ARGON = load_system("argon")


def fcc_positions(n_cells, edge):
    """Perfect crystal of cubic cells."""
    return replace(ARGON.crystal, cell=as_cell([edge] * 3)).repeated(n_cells).positions


def test_forces_are_those_of_the_calculator(plain, small, liquid):
    model = plain()
    forces = ModelForces(model, ARGON, small.numbers, small.cell)
    atoms = Atoms("Ar108", liquid[0], cell=small.cell, pbc=True)
    expected = model.calculator.potential.get_forces(atoms)
    np.testing.assert_array_equal(forces(liquid[0]), expected)
    stacked = forces(liquid)
    assert stacked.shape == liquid.shape
    np.testing.assert_array_equal(stacked[0], expected)
    assert forces.calls == 5
    np.testing.assert_array_equal(forces(liquid[1]), stacked[1])


def test_an_ase_calculator_does_not_answer_with_the_last_configuration(small, liquid):
    """ASE keeps results as long as positions are the same, and we move the same atoms in place."""
    model = SimpleNamespace(name="lj", calculator=lennard_jones())
    forces = ModelForces(model, ARGON, small.numbers, small.cell)
    first, second = forces(liquid[0]), forces(liquid[1])
    assert np.abs(first - second).max() > 0.01
    np.testing.assert_array_equal(forces(liquid[0]), first)


def test_positions_are_not_changed(plain, small, liquid):
    before = liquid.copy()
    ModelForces(plain(), ARGON, small.numbers, small.cell)(liquid)
    np.testing.assert_array_equal(liquid, before)


def test_a_batched_calculator_gets_all_copies_the_species_and_the_cell(batched, plain, small, liquid):
    model, seen = batched(), []
    inner = model.calculator.batch_forces
    model.calculator.batch_forces = lambda *args: seen.append(args) or inner(*args)
    forces = ModelForces(model, ARGON, small.numbers, small.cell)
    assert forces.batched
    found = forces(liquid)
    ((positions, numbers, cell),) = seen
    np.testing.assert_array_equal(positions, liquid)
    assert list(numbers) == [18] * 108
    np.testing.assert_array_equal(cell, small.cell)
    np.testing.assert_array_equal(found, ModelForces(plain(), ARGON, small.numbers, small.cell)(liquid))
    assert forces(liquid[0]).shape == (108, 3)
    assert forces.calls == 5


def test_forces_become_doubles(small, liquid):
    calculator = SimpleNamespace(get_forces=lambda atoms: np.ones((len(atoms), 3), dtype=np.float32))
    found = ModelForces(SimpleNamespace(name="f", calculator=calculator), ARGON, small.numbers, small.cell)(liquid[0])
    assert found.dtype == np.float64


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), NotImplementedError(), KeyError("Ar")])
def test_what_the_calculator_raises_is_kept_as_the_cause(small, liquid, error):
    def fail(atoms):
        raise error

    forces = ModelForces(
        SimpleNamespace(name="bad", calculator=SimpleNamespace(get_forces=fail)), ARGON, small.numbers, small.cell
    )
    place = rf"{re.escape(__file__)}:\d+ in fail"
    expected = rf"^bad: the calculator raised {type(error).__name__}.* at {place} \(force call 1, 108 atoms, shortest d"
    with pytest.raises(ModelError, match=expected) as caught:
        forces(liquid[0])
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("shape", [(3, 108), (107, 3), (108,), (1, 108, 3)])
def test_another_shape_is_refused(small, liquid, shape):
    calculator = SimpleNamespace(get_forces=lambda atoms: np.zeros(shape))
    forces = ModelForces(SimpleNamespace(name="bad", calculator=calculator), ARGON, small.numbers, small.cell)
    with pytest.raises(ModelError, match=r"expected \(108, 3\) real numbers"):
        forces(liquid[0])


def test_forces_that_are_not_finite_are_for_the_caller_to_judge(plain, small, liquid):
    forces = ModelForces(plain(lambda forces, call: forces * np.nan), ARGON, small.numbers, small.cell)
    assert np.isnan(forces(liquid[0])).all()


def test_energy_and_stress_come_with_the_forces():
    from ase.stress import voigt_6_to_full_3x3_stress

    cell = 22.0 * np.eye(3)
    positions = fcc_positions((2, 2, 2), 5.3) + 0.1 * np.sin(np.arange(96)).reshape(32, 3)
    atoms = make_atoms(ARGON, Structure(numbers=np.full(32, 18), positions=positions, cell=cell))
    atoms.calc = lennard_jones()
    model = ModelForces(SimpleNamespace(name="lj", calculator=lennard_jones()), ARGON, [18] * 32, cell)
    energy, forces = model.energy_and_forces(positions)
    assert energy == atoms.get_potential_energy() == model.energy(positions)
    np.testing.assert_array_equal(forces, atoms.get_forces())
    np.testing.assert_allclose(model.stress(positions), voigt_6_to_full_3x3_stress(atoms.get_stress()), atol=1e-15)
    assert model.calls == 3


def test_a_turned_cell_is_taken_as_vectors():
    turn = np.array([[0.6, -0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
    cell = 10.6 * np.eye(3)
    positions = fcc_positions((2, 2, 2), 5.3) + 0.1 * np.sin(np.arange(96)).reshape(32, 3)
    model = SimpleNamespace(name="lj", calculator=lennard_jones())
    straight = ModelForces(model, ARGON, [18] * 32, cell)(positions)
    turned = ModelForces(model, ARGON, [18] * 32, cell @ turn.T)(positions @ turn.T)
    np.testing.assert_allclose(turned, straight @ turn.T, atol=1e-12)


def test_what_the_calculator_says_when_it_has_no_energy_is_kept():
    class ForcesOnly:
        def get_forces(self, atoms):
            return np.zeros((len(atoms), 3))

        def get_potential_energy(self, atoms):
            raise NotImplementedError("no energy here")

    model = ModelForces(SimpleNamespace(name="m", calculator=ForcesOnly()), ARGON, [18, 18], 20.0 * np.eye(3))
    for ask in (model.energy, model.energy_and_forces):
        with pytest.raises(ModelError, match="m: the calculator raised NotImplementedError: no energy here"):
            ask(np.zeros((2, 3)))
