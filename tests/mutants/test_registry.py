"""What the registry says of the mutants is true: names, specs, native forces, force errors, expected rows."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator

import numpy as np
import pytest

from pytest_mlff import mutants
from pytest_mlff.analysis.parity import force_parity
from pytest_mlff.errors import SpecError
from pytest_mlff.gate.catalogue import TABLE
from pytest_mlff.models.load import load_model
from pytest_mlff.models.spec import parse_spec
from pytest_mlff.mutants import MUTANTS
from pytest_mlff.potentials import lennard_jones
from pytest_mlff.reference.data import Configurations, Reference
from pytest_mlff.systems.atoms import make_atoms
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")

COUNTS = {"liquid-256": 8, "solid-256": 4, "liquid-4000": 2, "solid-4000": 2}
"""Parity configurations that are looked at; ``ci`` has 100 and 5."""


def test_there_are_at_least_25_and_all_are_public():
    assert len(MUTANTS) >= 25
    assert set(mutants.__all__) == {"MUTANTS", "Mutant", "Strength", *MUTANTS}
    for name, mutant in MUTANTS.items():
        assert getattr(mutants, name) is mutant.factory
        assert len({strength.arguments for strength in mutant.strengths}) == len(mutant.strengths)
        assert mutant.defect.endswith(".")


def test_what_is_expected_is_judged_in_ci(mutant, strength):
    for key in strength.fails:
        assert "ci" in TABLE[key].verdict_in, key


def test_every_row_with_a_verdict_in_ci_must_catch_a_mutant():
    caught = {key for mutant in MUTANTS.values() for strength in mutant.strengths for key in strength.fails}
    assert caught == {key for key, row in TABLE.items() if "ci" in row.verdict_in}


def test_the_spec_is_the_call(mutant, strength, spec):
    parsed = parse_spec(spec)
    assert (parsed.target, parsed.attribute, parsed.args) == ("pytest_mlff.mutants", mutant.name, strength.arguments)
    assert ast.unparse(ast.parse(mutant.call(strength))) == mutant.call(strength)
    inspect.signature(mutant.factory).bind(*strength.arguments)


def test_each_loads_with_what_it_promises(mutant, strength, spec):
    model = load_model(spec)
    assert model.provides == {"energy", "forces", "stress"}
    assert callable(getattr(model.calculator, "openmm_force", None)) is mutant.native
    assert not model.notes


def test_the_loader_refuses_what_goes_bad_while_it_looks():
    with pytest.raises(SpecError, match="not finite"):
        load_model("pytest_mlff.mutants:nan_after(5)")


@pytest.fixture(scope="module")
def parity_sets() -> dict[str, tuple[Configurations, np.ndarray]]:
    """Configurations and exact forces by set."""
    reference, sets = Reference(), {}
    for name, count in COUNTS.items():
        chosen = reference.configurations(f"parity/{name}").taken(slice(count))
        sets[name] = chosen, np.stack(list(_forces(lennard_jones(), chosen)))
    return sets


def _forces(calculator: object, chosen: Configurations) -> Iterator[np.ndarray]:
    for structure in chosen:
        atoms = make_atoms(ARGON, structure)
        atoms.calc = calculator
        yield atoms.get_forces()


def test_force_errors_are_on_the_side_of_the_limit_that_is_expected(mutant, strength, parity_sets):
    if mutant.name == "nan_after":
        pytest.skip("its forces are right until they are none")
    calculator = mutant.make(strength)
    for name, (chosen, exact) in parity_sets.items():
        found = force_parity(np.stack(list(_forces(calculator, chosen))), exact)
        error, row = float(found["one_minus_r2"]), TABLE[f"parity-{name}"]
        if row.key in strength.fails:
            assert error > row.limit
        elif not any(key.startswith("parity") for key in strength.fails):
            assert error < row.limit


@pytest.mark.parametrize("wanted", [1e-4, 2e-3])
def test_frozen_noise_has_the_force_error_that_is_asked_for(wanted, parity_sets):
    chosen, exact = parity_sets["liquid-4000"]
    found = force_parity(np.stack(list(_forces(mutants.frozen_noise(wanted), chosen))), exact)
    assert float(found["one_minus_r2"]) == pytest.approx(wanted, rel=0.05)


@pytest.mark.parametrize(
    ("call", "row", "caught"),
    [("wrong_hessian(0.15)", "pdos", True), ("wrong_hessian(0.15)", "parity-solid-256", False)],
)
def test_the_gate_catches_it_by_the_row_that_is_named(call, row, caught, pytester, plugin_args):
    assert (row in MUTANTS["wrong_hessian"].strengths[0].fails) is caught
    model = f"--mlff-model=pytest_mlff.mutants:{call}"
    own = (*plugin_args, "-p", "no:cacheprovider", "--mlff-cache-dir=cache", "--mlff-protocol=smoke", "-k", row)
    result = pytester.runpytest_subprocess(*own, model)
    assert result.ret == (pytest.ExitCode.TESTS_FAILED if caught else pytest.ExitCode.OK)
    result.assert_outcomes(passed=int(not caught), failed=int(caught))
