"""Mutants of any calculator, on EMT copper and on a salt: what is spoiled, by how much, and what stays true."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.stress import voigt_6_to_full_3x3_stress
from scipy.spatial.transform import Rotation

from pytest_mlff.analysis.parity import force_parity
from pytest_mlff.errors import SpecError
from pytest_mlff.models.load import load_model, make_calculator
from pytest_mlff.mutants import wrapped

COPPER = "ase.calculators.emt:EMT()"
SALT = f"{Path(__file__).with_name('salt.py')}:Salt()"
ARGON = "pytest_mlff.potentials:lennard_jones()"
SKEW = np.array([[1.0, 0.0, 0.0], [0.13, 0.97, 0.0], [-0.08, 0.11, 1.05]])
"""Of a cell with no right angle."""


def copper(seed: int = 0, rattle: float = 0.12) -> Atoms:
    atoms = bulk("Cu", "fcc", a=3.61, cubic=True).repeat(3)
    atoms.set_cell(atoms.cell.array @ SKEW, scale_atoms=True)
    atoms.positions += np.random.default_rng(seed).normal(scale=rattle, size=atoms.positions.shape)
    return atoms


def salt(seed: int = 0, rattle: float = 0.15) -> Atoms:
    atoms = bulk("NaCl", "rocksalt", a=5.0, cubic=True).repeat(2)
    atoms.set_cell(atoms.cell.array @ SKEW, scale_atoms=True)
    atoms.positions += np.random.default_rng(seed).normal(scale=rattle, size=atoms.positions.shape)
    return atoms


CASES = {"copper": (COPPER, copper), "salt": (SALT, salt)}
DISTURBED = {"noise": ("noise", 1e-2), "curl": ("curl", 0.1), "net_force": ("net_force", 0.1)}
"""Those of an error that belongs to no energy, with 1 − R² = 0.01."""


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[str, Any]:
    return CASES[request.param]


def forces(calculator: Any, atoms: Atoms) -> np.ndarray:
    return np.array(calculator.get_forces(atoms))


def stress(calculator: Any, atoms: Atoms) -> np.ndarray:
    return voigt_6_to_full_3x3_stress(calculator.get_stress(atoms))


def test_scaled_forces_scale_everything_alike(case):
    spec, structure = case
    atoms, (_, exact), found = structure(), make_calculator(spec), wrapped.scaled_forces(spec, 0.9)
    assert {"energy", "forces", "stress"} <= set(found.implemented_properties) <= set(exact.implemented_properties)
    assert found.get_potential_energy(atoms) == pytest.approx(0.9 * exact.get_potential_energy(atoms), rel=1e-14)
    np.testing.assert_allclose(forces(found, atoms), 0.9 * forces(exact, atoms), rtol=1e-14)
    np.testing.assert_allclose(stress(found, atoms), 0.9 * stress(exact, atoms), rtol=1e-14)
    error = force_parity(forces(found, atoms)[None], forces(exact, atoms)[None])
    assert float(error["one_minus_r2"]) == pytest.approx(0.01)


def test_the_free_energy_is_that_of_the_calculator_where_it_has_one():
    atoms, exact = copper(), EMT()
    found = wrapped.scaled_forces(COPPER, 2.0).get_property("free_energy", atoms)
    assert found == pytest.approx(2.0 * exact.get_property("free_energy", atoms), rel=1e-14)
    assert "free_energy" not in wrapped.scaled_forces(SALT, 2.0).implemented_properties


@pytest.mark.parametrize("make", [wrapped.scaled_forces, wrapped.stretched])
def test_forces_and_stress_are_the_derivatives_of_the_energy(case, make):
    spec, structure = case
    atoms, found, step = structure(), make(spec, 1.03), 1e-4
    direction = np.random.default_rng(1).normal(size=atoms.positions.shape)
    strain = np.array([[0.3, 0.1, -0.2], [0.1, -0.4, 0.25], [-0.2, 0.25, 0.35]])

    def along(displaced: float, strained: float) -> float:
        image = atoms.copy()
        image.positions += displaced * direction
        image.set_cell(image.cell.array @ (np.eye(3) + strained * strain), scale_atoms=True)
        return float(found.get_potential_energy(image))

    slope = (along(step, 0.0) - along(-step, 0.0)) / (2 * step)
    assert -np.vdot(forces(found, atoms), direction) == pytest.approx(slope, rel=1e-5)
    slope = (along(0.0, step) - along(0.0, -step)) / (2 * step)
    assert atoms.get_volume() * np.vdot(stress(found, atoms), strain) == pytest.approx(slope, rel=1e-5)


def test_stretched_lengths(case):
    """The structure blown up by the factor is what the original one was to the calculator."""
    spec, structure = case
    atoms, (_, exact), found = structure(), make_calculator(spec), wrapped.stretched(spec, 1.02)
    large = atoms.copy()
    large.set_cell(1.02 * atoms.cell.array, scale_atoms=True)
    assert found.get_potential_energy(large) == pytest.approx(exact.get_potential_energy(atoms), rel=1e-12)
    np.testing.assert_allclose(forces(found, large), forces(exact, atoms) / 1.02, atol=1e-11)


@pytest.mark.parametrize("name", DISTURBED)
def test_the_error_is_as_large_as_was_asked_for(case, name):
    spec, structure = case
    function, size = DISTURBED[name]
    found, (_, exact) = getattr(wrapped, function)(spec, size), make_calculator(spec)
    assert found.implemented_properties == ["forces"]
    sets = [structure(seed, rattle) for seed, rattle in enumerate((0.05, 0.12, 0.2))]
    pairs = [(forces(found, atoms), forces(exact, atoms)) for atoms in sets]
    error = force_parity(*(np.stack(side) for side in zip(*pairs, strict=True)))
    assert float(error["one_minus_r2"]) == pytest.approx(0.01, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("noise", {"net", "rotation", "translation", "permutation", "wrapping"}),
        ("curl", {"net", "translation", "permutation", "wrapping"}),
        ("net_force", {"translation", "permutation", "wrapping"}),
    ],
)
def test_the_symmetries_that_are_kept_and_broken(case, name, kept):
    spec, structure = case
    function, size = DISTURBED[name]
    found, atoms = getattr(wrapped, function)(spec, size), structure()
    before = forces(found, atoms)
    turn = Rotation.from_rotvec([0.3, 0.5, 0.7]).as_matrix()
    order = np.random.default_rng(2).permutation(len(atoms))
    moved, turned, wrapped_image = atoms.copy(), atoms.copy(), atoms.copy()
    moved.positions += [0.37, 5.11, 2.9]
    turned.set_cell(atoms.cell.array @ turn.T)
    turned.positions = atoms.positions @ turn.T
    wrapped_image.positions[::3] += [2, -2, 0] @ atoms.cell.array
    changes = {
        "net": before.sum(axis=0),
        "translation": forces(found, moved) - before,
        "permutation": forces(found, atoms[order]) - before[order],
        "wrapping": forces(found, wrapped_image) - before,
        "rotation": forces(found, turned) @ turn - before,
    }
    assert {law for law, change in changes.items() if np.abs(change).max() < 1e-9} == kept


@pytest.mark.parametrize("name", DISTURBED)
def test_the_same_structure_has_the_same_error(case, name):
    """Also after another one, in a copy, and with what another seed drew in between."""
    spec, structure = case
    function, size = DISTURBED[name]
    found, atoms = getattr(wrapped, function)(spec, size), structure()
    first = forces(found, atoms)
    forces(found, structure(7))
    for again in (found, copy.deepcopy(found), getattr(wrapped, function)(spec, size)):
        assert np.array_equal(forces(again, atoms), first)


def test_another_seed_is_another_noise(case):
    spec, structure = case
    atoms, (_, exact) = structure(), make_calculator(spec)
    errors = [(forces(wrapped.noise(spec, 0.01, seed), atoms) - forces(exact, atoms)).ravel() for seed in range(6)]
    own = np.corrcoef(errors)[np.triu_indices(6, 1)]
    assert np.abs(own).mean() < 0.6
    assert np.abs(own).max() < 0.95


def test_each_pair_of_species_has_its_own_noise():
    """Two atoms at one distance, far from all others: the error of Na–Na is not that of Na–Cl."""
    found, (_, exact) = wrapped.noise(SALT, 0.01), make_calculator(SALT)
    shares = []
    for distance in (2.4, 2.7, 3.1, 3.4, 3.8):
        signs = []
        for pair in ("NaCl", "NaNa", "ClCl"):
            atoms = Atoms(pair, [[0, 0, 0], [0, 0, distance]], cell=[30.0] * 3, pbc=True)
            given, right = forces(found, atoms)[1, 2], forces(exact, atoms)[1, 2]
            assert abs(given - right) == pytest.approx(0.1 * abs(right))
            signs.append(np.sign(given - right))
        shares.append(signs)
    columns = np.array(shares).T
    assert not (columns[0] == columns[1]).all()
    assert not (columns[1] == columns[2]).all()


def test_noise_is_smooth(case):
    """A step ten times as small changes the error ten times less."""
    spec, structure = case
    atoms, (_, exact), found = structure(), make_calculator(spec), wrapped.noise(spec, 0.01)
    direction = np.random.default_rng(3).normal(size=atoms.positions.shape)

    def error(step: float) -> np.ndarray:
        image = atoms.copy()
        image.positions += step * direction
        return forces(found, image) - forces(exact, image)

    large, small = (np.linalg.norm(error(step) - error(0.0)) for step in (1e-4, 1e-5))
    assert small == pytest.approx(0.1 * large, rel=0.01)


def loop(calculator: Any, atoms: Atoms, *, size: float = 0.05, points: int = 16) -> float:
    """Work in eV along a circle of the first atom in the x-y plane; zero where there is a potential."""
    work = 0.0
    for angle in 2 * np.pi * (np.arange(points) + 0.5) / points:
        image = atoms.copy()
        image.positions[0] += size * np.array([np.cos(angle), np.sin(angle), 0.0])
        along = np.array([-np.sin(angle), np.cos(angle), 0.0])
        work += float(forces(calculator, image)[0] @ along) * 2 * np.pi * size / points
    return work


def test_a_loop_costs_work_where_there_is_a_curl(case):
    spec, structure = case
    atoms = structure(rattle=0.0)
    # near its site the atom is bound by -k u, so that the tangential force is -f k u: work -2π f k u²
    assert abs(loop(wrapped.scaled_forces(spec, 0.9), atoms)) < 1e-6  # of the sum over the points
    assert loop(wrapped.curl(spec, 0.1), atoms) < -1e-3
    assert loop(wrapped.curl(spec, -0.1), atoms) > 1e-3


def test_no_force_no_error():
    """In a perfect crystal nothing is added, and a lone atom is no division by zero."""
    for spec, structure in CASES.values():
        atoms = structure(rattle=0.0)
        for name, size in DISTURBED.values():
            assert np.abs(forces(getattr(wrapped, name)(spec, size), atoms)).max() < 1e-9
    lone = Atoms("Na", cell=[30.0] * 3, pbc=True)
    assert not forces(wrapped.noise(SALT, 0.01), lone).any()


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: wrapped.stretched(COPPER, 0.0), "give a positive number"),
        (lambda: wrapped.stretched(COPPER, float("nan")), "give a positive number"),
        (lambda: wrapped.noise(COPPER, -1e-3), "a number >= 0"),
        (lambda: wrapped.curl("ase.calculators.emtt:EMT()", 0.1), "ase.calculators.emtt"),
    ],
)
def test_what_makes_no_sense_is_refused(make, problem):
    with pytest.raises(SpecError, match=problem):
        make()


SPEC = "pytest_mlff.mutants.wrapped:{}"


def test_a_spec_within_a_spec():
    model = load_model(SPEC.format(f'scaled_forces("{ARGON}", 0.9)'))
    assert model.provides == {"energy", "forces", "stress"}
    assert model.repeatable
    assert not model.notes
    assert load_model(SPEC.format(f'noise("{ARGON}", 1e-3)')).provides == {"forces"}
    twice = load_model(SPEC.format(f'stretched(\'{SPEC.format(f"""scaled_forces("{ARGON}", 0.9)""")}\', 1.01)'))
    assert twice.provides == {"energy", "forces", "stress"}


def test_a_calculator_without_forces_is_refused(tmp_path):
    file = tmp_path / "bare.py"
    file.write_text(
        "class Bare:\n"
        "    implemented_properties = ['energy']\n"
        "    def get_forces(self, atoms):\n"
        "        raise NotImplementedError\n"
        "calculator = Bare()\n"
    )
    with pytest.raises(SpecError, match=r"bare\.py offers energy, but no forces"):
        load_model(SPEC.format(f'curl("{file}", 0.1)'))


def test_a_calculator_that_lists_nothing_gives_forces(tmp_path):
    file = tmp_path / "plain.py"
    file.write_text("class Plain:\n    def get_forces(self, atoms):\n        return 0.1 * atoms.positions\n")
    found = wrapped.scaled_forces(f"{file}:Plain()", 2.0)
    assert found.implemented_properties == ["forces"]
    np.testing.assert_allclose(forces(found, copper()), 0.2 * copper().positions)


def test_the_fingerprint_knows_what_is_inside(tmp_path):
    """A file may change where the probe does not look."""
    file = tmp_path / "inside.py"
    source = "from pytest_mlff.potentials import lennard_jones\ncalculator = lennard_jones()\n"
    found = []
    for text in (source, source, f"{source}# other weights\n"):
        file.write_text(text)
        found.append(load_model(SPEC.format(f'scaled_forces("{file}:calculator", 0.9)')).fingerprint)
    assert found[0] == found[1] != found[2]


def test_the_device_is_handed_on(tmp_path):
    file = tmp_path / "placed.py"
    file.write_text(
        "from pytest_mlff.potentials import lennard_jones\n"
        "def calculator(device='cpu'):\n"
        "    made = lennard_jones()\n"
        "    made.device = device\n"
        "    return made\n"
    )
    model = load_model(SPEC.format(f'scaled_forces("{file}", 0.9)'), device="cuda:1")
    assert (model.device, model.notes) == ("cuda:1", ())


def test_the_gate_catches_it(pytester, plugin_args):
    own = (*plugin_args, "-p", "no:cacheprovider", "--mlff-cache-dir=cache", "--mlff-protocol=smoke")
    model = "--mlff-model=" + SPEC.format(f'scaled_forces("{ARGON}", 0.9)')
    result = pytester.runpytest_subprocess(*own, model, "-k", "parity-solid")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["parity-solid-256 *0.01 ±* FAIL *"])
