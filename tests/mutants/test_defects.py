"""Each mutant has the defect it is named for, and no other: which laws it breaks, by direct comparison."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress
from scipy.spatial.transform import Rotation

from pytest_mlff import mutants
from pytest_mlff.mutants import MUTANTS
from pytest_mlff.mutants.base import Altered, PythonAltered
from pytest_mlff.potentials import LennardJones, lennard_jones
from pytest_mlff.units import ANGSTROM_PER_NM, BAR, KJ_PER_MOL_PER_EV

LIMIT = 1e-6
"""Largest force (eV/Å), or energy along a path (eV), that counts as none: rounding is 1e-13, a force 0.1."""


def forces(calculator: Any, atoms: Atoms) -> np.ndarray:
    return np.array(calculator.get_forces(atoms))


def change(calculator: Any, atoms: Atoms, image: Atoms, back: Callable[[np.ndarray], np.ndarray]) -> float:
    return float(np.abs(back(forces(calculator, image)) - forces(calculator, atoms)).max())


def moved(atoms: Atoms, positions: np.ndarray, cell: Any = None) -> Atoms:
    image = atoms.copy()
    image.positions = positions
    if cell is not None:
        image.cell = cell
    return image


def translation(calculator: Any, atoms: Atoms) -> float:
    image = moved(atoms, (atoms.positions + np.array([0.37, 5.11, 2.9])) % atoms.cell.lengths())
    return change(calculator, atoms, image, lambda found: found)


def rotation(calculator: Any, atoms: Atoms) -> float:
    turn = Rotation.from_rotvec([0.3, 0.5, 0.7]).as_matrix()
    image = moved(atoms, atoms.positions @ turn.T, atoms.cell.array @ turn.T)
    return change(calculator, atoms, image, lambda found: found @ turn)


def permutation(calculator: Any, atoms: Atoms) -> float:
    order = np.roll(np.arange(len(atoms)), 1)
    return change(calculator, atoms, atoms[order], lambda found: found[np.argsort(order)])


def wrapping(calculator: Any, atoms: Atoms) -> float:
    image = moved(atoms, atoms.positions.copy())
    image.positions[::3] += [2, -2, 0] * atoms.cell.lengths()
    return change(calculator, atoms, image, lambda found: found)


def supercell(calculator: Any, atoms: Atoms) -> float:
    return change(calculator, atoms, atoms.repeat((1, 2, 1)), lambda found: found[: len(atoms)])


def small_cell(calculator: Any, atoms: Atoms) -> float:
    part = Atoms("Ar4", atoms.positions[:4] - atoms.positions[0] + 2.0, cell=[5.9] * 3, pbc=True)
    return change(calculator, part, part.repeat(4), lambda found: found[:4])


def determinism(calculator: Any, atoms: Atoms) -> float:
    first = forces(calculator, atoms)
    near = moved(atoms, atoms.positions + 0.1 * np.sin(np.arange(324.0)).reshape(-1, 3))
    forces(calculator, near)
    again = forces(calculator, atoms)
    copies = [forces(how(calculator), atoms) for how in (copy.copy, copy.deepcopy)]
    return max(float(np.abs(found - first).max()) for found in (again, *copies))


def momentum(calculator: Any, atoms: Atoms) -> float:
    return float(np.abs(forces(calculator, atoms).sum(axis=0)).max())


def torque(calculator: Any, atoms: Atoms) -> float:
    cluster = atoms[np.argsort(atoms.positions.sum(axis=1))[:13]]
    cluster.pbc = False
    return float(np.abs(np.cross(cluster.positions, forces(calculator, cluster)).sum(axis=0)).max())


def gradient(calculator: Any, atoms: Atoms) -> float:
    """Mismatch along a short path, far from which no pair is at the cutoff; fourth order in the step."""
    direction = np.random.default_rng(2).normal(size=(len(atoms), 3)) / np.sqrt(3 * len(atoms))
    step = 1e-3
    energy = [calculator.get_potential_energy(moved(atoms, atoms.positions + k * step * direction)) for k in (-1, 1)]
    return float(abs((energy[1] - energy[0]) / (2 * step) + np.sum(forces(calculator, atoms) * direction)))


def stress(calculator: Any, atoms: Atoms) -> float:
    strain = np.array([[0.9, 0.2, -0.4], [0.2, -0.3, 0.5], [-0.4, 0.5, 0.1]])
    step, energy = 1e-5, []
    for k in (-1, 1):
        deformed = np.eye(3) + k * step * strain
        image = moved(atoms, atoms.positions @ deformed, atoms.cell.array @ deformed)
        energy.append(calculator.get_potential_energy(image))
    given = np.sum(voigt_6_to_full_3x3_stress(calculator.get_stress(atoms)) * strain) * atoms.get_volume()
    return float(abs((energy[1] - energy[0]) / (2 * step) - given))


LAWS = {
    law.__name__: law
    for law in (
        translation,
        rotation,
        permutation,
        wrapping,
        supercell,
        small_cell,
        determinism,
        momentum,
        torque,
        gradient,
        stress,
    )
}

BROKEN = {
    "size_dependent": "supercell small_cell",
    "index_dependent": "permutation",
    "missing_image": "translation supercell small_cell",
    "lost_outside": "wrapping",
    "stale_list": "translation rotation permutation wrapping stress",
    # one-sided lists: forces that sum to nothing no more, and are not the gradient of half the energy
    "max_neighbors": "permutation supercell small_cell momentum gradient stress",
    "nearest_image": "small_cell",
    "orthogonal_cell": "rotation stress",
    # a sign or an exchange ties the forces to the axes
    "flipped_axis": "rotation torque gradient",
    "swapped_axes": "rotation torque gradient",
    "curl_force": "rotation torque gradient",
    "crowding_force": "gradient",
    "force_noise": " ".join(LAWS.keys() - {"stress"}),
    "float16": "translation rotation wrapping supercell small_cell torque gradient stress",
    "anisotropic": "rotation torque",
    "drift_force": "rotation momentum torque gradient",
    # it turns with the cell; a supercell along another edge has the same field
    "external_field": "translation small_cell momentum torque",
    "scaled_energy": "gradient stress",
    "scaled_stress": "stress",
    "swapped_shear": "stress",
    "leaking_state": "rotation permutation determinism gradient",
    "forgetful_copy": "determinism",
}
"""Laws that the strongest form of a mutant breaks; a mutant that is not named breaks none."""


@pytest.mark.parametrize("calculator", [lennard_jones, Altered, PythonAltered])
def test_the_reference_breaks_no_law(calculator, liquid):
    for law in LAWS.values():
        assert law(calculator(), liquid) < LIMIT, law.__name__


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=lambda mutant: mutant.name)
def test_each_mutant_breaks_its_own_laws_and_no_other(mutant, liquid):
    found = {name for name, law in LAWS.items() if law(mutant.make(mutant.strengths[0]), liquid) > LIMIT}
    assert found == set(BROKEN.get(mutant.name, "").split())


def test_the_strength_is_that_of_the_argument(liquid):
    """Linear defects: the deviation from the reference is the argument times something."""
    exact = forces(lennard_jones(), liquid)

    def error(calculator: Any) -> float:
        return float(np.sqrt(np.mean((forces(calculator, liquid) - exact) ** 2)))

    assert error(mutants.drift_force(0.003)) == pytest.approx(0.003 / np.sqrt(3))
    assert error(mutants.force_noise(0.003)) == pytest.approx(0.003, rel=0.1)
    assert error(mutants.scaled_epsilon(1.01)) == pytest.approx(0.01 * np.sqrt(np.mean(exact**2)))
    for factory in (
        mutants.curl_force,
        mutants.crowding_force,
        mutants.anisotropic,
        mutants.external_field,
        mutants.liquid_only,
        mutants.wrong_hessian,
        mutants.force_step,
        mutants.mean_field,
        mutants.size_dependent,
    ):
        assert error(factory(0.004)) == pytest.approx(2 * error(factory(0.002)), rel=1e-6), factory.__name__
        assert error(factory(0.004)) > 0
    assert error(mutants.frozen_noise(4e-4)) == pytest.approx(2 * error(mutants.frozen_noise(1e-4)))


def test_a_sign_an_exchange_and_shear_names(liquid):
    exact, right = forces(lennard_jones(), liquid), lennard_jones().get_stress(liquid)
    np.testing.assert_allclose(forces(mutants.flipped_axis("y"), liquid), exact * [1, -1, 1], atol=1e-14)
    np.testing.assert_allclose(forces(mutants.swapped_axes("xz"), liquid), exact[:, [2, 1, 0]], atol=1e-14)
    # VASP's order xx, yy, zz, xy, yz, zx; ASE's is xx, yy, zz, yz, xz, xy
    np.testing.assert_allclose(mutants.swapped_shear().get_stress(liquid), right[[0, 1, 2, 5, 3, 4]])
    np.testing.assert_allclose(mutants.scaled_stress(0.5).get_stress(liquid), 0.5 * right)


def test_energies_that_belong_to_no_force(liquid):
    right, exact = lennard_jones().get_potential_energy(liquid), forces(lennard_jones(), liquid)
    assert mutants.scaled_energy(1.05).get_potential_energy(liquid) == pytest.approx(1.05 * right)
    images = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), axis=-1).reshape(-1, 1, 1, 3) * liquid.cell.lengths()
    distance = np.linalg.norm(liquid.positions - liquid.positions[:, None] + images, axis=-1)
    pairs = np.count_nonzero((distance > 0) & (distance < 8.5)) / 2
    edge = 4 * 0.0103 * ((3.4 / 8.5) ** 12 - (3.4 / 8.5) ** 6)
    found = mutants.unshifted_energy(1.0).get_potential_energy(liquid) - right
    assert found == pytest.approx(pairs * edge)
    for calculator in (mutants.scaled_energy(23.06), mutants.unshifted_energy(1.0)):
        np.testing.assert_array_equal(forces(calculator, liquid), exact)


def test_a_stale_list_is_right_once(liquid):
    hot = moved(liquid, liquid.positions + np.random.default_rng(0).normal(scale=2.0, size=(108, 3)))
    exact = forces(lennard_jones(), hot)
    calculator = mutants.stale_list()
    np.testing.assert_allclose(forces(calculator, liquid), forces(lennard_jones(), liquid), atol=1e-13)
    assert np.abs(forces(calculator, hot) - exact).max() > 1e-3
    forces(calculator, liquid[:50])
    np.testing.assert_allclose(forces(calculator, hot), exact, rtol=1e-9)


def test_a_late_list_misses_what_came_near_since_it_was_built(liquid):
    image = moved(liquid, liquid.positions * 0.99)  # by up to 0.18 Å
    exact = forces(lennard_jones(), image)
    for move, right in ((1.0, False), (0.1, True)):
        calculator = mutants.late_list(move)
        forces(calculator, liquid)
        assert np.allclose(forces(calculator, image), exact, atol=1e-12) is right
    calculator.get_forces(moved(liquid, liquid.positions, 1.001 * liquid.cell.array))
    np.testing.assert_allclose(forces(calculator, image), exact, atol=1e-12)  # another cell, another list


def test_atoms_far_outside_are_lost(liquid):
    exact = forces(lennard_jones(), liquid)
    for reach, cells, right in (
        (0, 0, True),
        (0, 1, False),
        (1, 1, True),
        (1, -1, True),
        (1, 2, False),
        (1, -2, False),
    ):
        image = moved(liquid, liquid.positions.copy())
        image.positions[7] += [0, cells * liquid.cell.lengths()[1], 0]
        found = forces(mutants.lost_outside(reach), image)
        assert np.allclose(found, exact, atol=1e-12) is right, (reach, cells)
        assert right or not found[7].any()


def test_the_first_neighbours_in_the_list_are_kept():
    line = Atoms("Ar4", [[4.0 * i, 0, 0] for i in range(4)])  # each sees two to each side
    exact = [lennard_jones().get_potential_energy(Atoms("Ar2", [[0, 0, 0], [d, 0, 0]])) for d in (4.0, 8.0)]
    # with room for one: 0 keeps 1, 1 and 2 keep 0, 3 keeps 1
    expected = 0.5 * (2 * exact[0] + 2 * exact[1])
    assert mutants.max_neighbors(1).get_potential_energy(line) == pytest.approx(expected)
    assert mutants.max_neighbors(3).get_potential_energy(line) == pytest.approx(3 * exact[0] + 2 * exact[1])
    assert mutants.max_neighbors(1).get_forces(line)[3, 0] == pytest.approx(
        lennard_jones().get_forces(Atoms("Ar2", [[0, 0, 0], [8.0, 0, 0]]))[1, 0]
    )


def test_an_atom_is_not_its_own_nearest_image():
    alone = Atoms("Ar", cell=[5.3] * 3, pbc=True)
    assert lennard_jones().get_potential_energy(alone) < 0.0
    assert mutants.nearest_image().get_potential_energy(alone) == 0.0


def test_forces_go_bad_after_so_many_calls_and_stay_so(liquid):
    calculator = mutants.nan_after(2)
    for call in range(4):
        found = calculator.get_forces(moved(liquid, liquid.positions + 0.1 * call))
        assert np.isnan(found[0]).all() == (call >= 2)
        assert np.isfinite(found[1:]).all()


def test_a_part_of_the_last_forces_is_left(liquid):
    image = moved(liquid, liquid.positions * 0.999)
    before, exact = forces(lennard_jones(), liquid), forces(lennard_jones(), image)
    calculator = mutants.leaking_state(0.25)
    forces(calculator, liquid)
    np.testing.assert_allclose(forces(calculator, image), 0.75 * exact + 0.25 * before, atol=1e-14)


def test_slow_computes_as_often_as_it_says(liquid, monkeypatch):
    calls = []
    monkeypatch.setattr(LennardJones, "_pairs", _counting(LennardJones._pairs, calls))
    np.testing.assert_array_equal(forces(mutants.slow(7), liquid), forces(lennard_jones(), liquid))
    assert len(calls) == 7 + 1


def _counting(function: Callable[..., Any], calls: list[Any]) -> Callable[..., Any]:
    def counted(self: Any) -> Any:
        calls.append(self)
        return function(self)

    return counted


def test_copies_are_as_good_as_the_original_and_their_own(liquid):
    image = moved(liquid, liquid.positions * 0.99)
    for mutant in MUTANTS.values():
        if mutant.name == "forgetful_copy":
            continue
        one = mutant.make(mutant.strengths[0])
        forces(one, liquid)
        other = copy.deepcopy(one)
        assert type(other) is type(one)
        forces(one, image[:50])  # must not reach the copy's state
        expected = mutant.make(mutant.strengths[0])
        forces(expected, liquid)
        np.testing.assert_array_equal(forces(other, image), forces(expected, image), err_msg=mutant.name)


def pressure(calculator: Any, atoms: Atoms) -> float:
    return float(-calculator.get_stress(atoms)[:3].mean())


def slope_of_the_energy(calculator: Any, atoms: Atoms) -> float:
    """−dE/dV by a uniform strain."""
    energies = []
    for strain in (-1e-6, 1e-6):
        image = atoms.copy()
        image.set_cell((1.0 + strain) * atoms.cell.array, scale_atoms=True)
        energies.append(calculator.get_potential_energy(image))
    return float(energies[0] - energies[1]) / (6e-6 * atoms.get_volume())


@pytest.mark.parametrize(
    ("call", "bar"),
    [("constant_pressure(500.0)", 500.0), ("many_body(7e-05)", 470.0), ("mean_field(0.005)", 870.0)],
)
def test_pressures_are_off_by_what_is_said_and_belong_to_the_energy(call, bar, liquid):
    """At liquid density, to the fifth part that these configurations differ from the liquid's own."""
    name, _, argument = call.rstrip(")").partition("(")
    calculator = getattr(mutants, name)(float(argument))
    found = BAR * (pressure(calculator, liquid) - pressure(lennard_jones(), liquid))
    assert found == pytest.approx(bar, rel=1e-6 if name == "constant_pressure" else 0.2)
    assert pressure(calculator, liquid) == pytest.approx(slope_of_the_energy(calculator, liquid), abs=1.0 / BAR)


def test_a_constant_pressure_changes_no_force(liquid):
    assert np.array_equal(forces(mutants.constant_pressure(500.0), liquid), forces(lennard_jones(), liquid))


def test_a_many_body_term_is_the_gradient_of_its_energy_and_no_pair_shows_it(liquid):
    calculator, exact = mutants.many_body(7e-5), lennard_jones()
    direction = np.random.default_rng(0).standard_normal(liquid.positions.shape)
    step = 1e-4 * direction / np.linalg.norm(direction)
    energies = [calculator.get_potential_energy(moved(liquid, liquid.positions + sign * step)) for sign in (-1, 1)]
    work = float(np.sum(forces(calculator, liquid) * step))
    assert 2.0 * work == pytest.approx(energies[0] - energies[1], rel=1e-3)
    for distance in (3.2, 3.8, 6.0):
        pair = Atoms("Ar2", [[0, 0, 0], [distance, 0, 0]], cell=[40.0] * 3, pbc=True)
        assert np.array_equal(forces(calculator, pair), forces(exact, pair))
        assert calculator.get_potential_energy(pair) == exact.get_potential_energy(pair)


def test_only_a_cell_as_dense_as_a_crystal_is_shifted(liquid):
    calculator, exact = mutants.phase_offset(0.002), lennard_jones()
    crystal = liquid.copy()
    crystal.set_cell(3 * 5.3157 * np.eye(3), scale_atoms=True)
    for atoms, shift in ((liquid, 0.0), (crystal, 0.002)):
        found = calculator.get_potential_energy(atoms) - exact.get_potential_energy(atoms)
        assert found / len(atoms) == pytest.approx(shift, abs=1e-12)
        assert np.array_equal(forces(calculator, atoms), forces(exact, atoms))


def test_the_native_force_of_a_many_body_term_is_the_same(liquid):
    import openmm

    calculator, system = mutants.many_body(1e-3), openmm.System()
    system.setDefaultPeriodicBoxVectors(*(liquid.cell.array / ANGSTROM_PER_NM))
    for _ in liquid:
        system.addParticle(39.948)
    system.addForce(calculator.openmm_force(len(liquid)))
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(liquid.positions / ANGSTROM_PER_NM)
    state = context.getState(getForces=True, getEnergy=True)
    native = state.getForces(asNumpy=True)._value / (KJ_PER_MOL_PER_EV * ANGSTROM_PER_NM)
    np.testing.assert_allclose(native, forces(calculator, liquid), rtol=1e-5, atol=1e-7)
    energy = state.getPotentialEnergy()._value / KJ_PER_MOL_PER_EV
    assert energy == pytest.approx(calculator.get_potential_energy(liquid), rel=1e-6)
