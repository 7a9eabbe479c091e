"""The rows of a run: unique, complete, cheap ones first, and cheap to list."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import pytest_mlff.suite
from pytest_mlff.apparatus.declaration import Declared
from pytest_mlff.errors import SpecError
from pytest_mlff.gate import catalogue
from pytest_mlff.gate.catalogue import CHECKS, HINTS, TABLE, rows
from pytest_mlff.systems.protocols import PROTOCOLS
from pytest_mlff.verdict.hints import hint
from pytest_mlff.verdict.overrides import tolerances

SUITE = Path(pytest_mlff.suite.__file__).parent


@pytest.mark.parametrize("name", PROTOCOLS)
def test_ids_are_unique_and_checks_come_in_their_order(name):
    found = rows(name, {})
    assert len({row.id for row in found}) == len(found)
    order = [CHECKS.index(row.check) for row in found]
    assert order == sorted(order)
    assert {row.key for row in found} == {k for k, t in TABLE.items() if name in t.protocols}


def test_what_needs_no_trajectory_comes_before_what_does():
    order = [row.check for row in rows("ci", {})]
    longest = min(order.index(check) for check in ("liquid", "xpcs", "melting"))
    for cheap in ("forces", "energy", "solid_hessian", "phonons", "speed", "memory", "invariance", "stability"):
        assert max(i for i, check in enumerate(order) if check == cheap) < longest


def test_a_key_goes_to_the_check_that_its_name_says():
    checks = {row.key: row.check for row in rows("ci", {})}
    assert checks["rdf"] == checks["structure_factor"] == checks["diffusion"] == checks["net_force"] == "liquid"
    assert checks["solid_rdf"] == "solid"
    assert checks["parity-liquid-256"] == "forces"
    assert checks["gamma_self-0.461"] == checks["xsvs_time"] == "xpcs"
    assert checks["symmetry-liquid"] == "solid_hessian"
    assert checks["melting_below"] == "melting"
    assert checks["momentum"] == checks["hot"] == checks["stress"] == checks["small_cell"] == "invariance"


def test_with_one_state_point_the_id_is_the_key_and_with_several_it_names_the_state():
    assert {row.id for row in rows("ci", {}) if row.key == "diffusion"} == {"diffusion"}
    several = rows("ci", {"liquid": {"state_points": ("95K-256", "110K-256")}})
    found = [(row.id, row.state) for row in several if row.key == "diffusion"]
    assert found == [("diffusion-95K-256", "95K-256"), ("diffusion-110K-256", "110K-256")]
    assert {row.id for row in several if row.check == "solid"} == {"solid_rdf"}
    assert {row.id for row in several if row.check == "pressure"} == {
        "pressure-liquid-95K-256",
        "pressure-liquid-110K-256",
    }
    (alone,) = [row for row in rows("smoke", {}) if row.check == "pressure"]
    assert (alone.id, alone.state) == ("pressure-liquid", "")


def test_smoke_runs_nothing_long():
    found = rows("smoke", {})
    quick = {"forces", "energy", "solid_hessian", "phonons", "speed", "memory", "invariance", "stability"}
    assert {row.check for row in found} == quick | {"solid_pressure", "pressure"}  # here from parity's configurations
    assert not [row for row in found if "4000" in row.id and row.check == "forces"]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_row_has_a_check_and_a_test_that_carries_it(name):
    for row in rows(name, {}):
        module, function = row.test.split(".")
        assert f"def {function}(" in (SUITE / f"{module}.py").read_text("utf-8"), row
        assert (Path(pytest_mlff.checks.__file__).parent / f"{row.check}.py").exists(), row


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_can_be_run(check):
    assert callable(import_module(f"pytest_mlff.checks.{check}").run)


def test_a_configuration_that_cannot_be_is_refused_at_collection():
    with pytest.raises(SpecError, match="120K-256"):
        rows("ci", {"liquid": {"state_points": ("120K-256",)}})


DECLARED = [row for row in TABLE.values() if isinstance(row, Declared)]


@pytest.mark.parametrize("row", DECLARED, ids=lambda row: row.key)
def test_a_declared_row_says_all_that_a_row_says(row):
    assert len(row.reason.split()) >= 4
    assert row.source
    assert row.observable
    assert row.needs <= {"energy", "forces", "stress"}
    assert row.verdict_in <= row.protocols <= set(PROTOCOLS)
    assert row in import_module(f"pytest_mlff.checks.{row.check}").ROWS
    sides = {hint(row.key, too_high=side, declared=HINTS) for side in (True, False)}
    assert sides == {*([row.hint] if isinstance(row.hint, str) else row.hint)}


def test_a_declared_row_stands_in_no_other_file_of_the_package():
    """But in the mutants' registry and in what tables and pages are made of, which speak of rows by their names."""
    package = Path(pytest_mlff.checks.__file__).parent.parent
    for path in package.rglob("*.py"):
        room = path.relative_to(package).parts[0]
        if room not in ("mutants", "calibration"):
            text = path.read_text("utf-8")
            for row in DECLARED:
                assert f'"{row.key}"' not in text or path.stem == row.check, (path, row.key)


def test_a_check_that_declares_its_rows_needs_its_name_in_one_list_alone(monkeypatch):
    """A made-up check: its rows reach the table, the catalogue, the user's limits and the failure text."""
    made = Declared(
        key="viscosity-100K",
        check="viscosity",
        test="check_liquid.test_transport",
        per_state=True,
        observable="viscosity",
        kind="relative",
        limit=0.1,
        reason="a row that is made for this test",
        source="this test",
        hint=("too thick", "too thin"),
    )
    module = ModuleType("pytest_mlff.checks.viscosity")
    module.ROWS = (made,)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    before = {name: vars(catalogue)[name] for name in ("CHECKS", "TABLE", "HINTS")}
    monkeypatch.setattr(catalogue, "CHECKS", (*catalogue.CHECKS, "viscosity"))
    declared = catalogue._declared()
    monkeypatch.setattr(catalogue, "TABLE", {**before["TABLE"], **{row.key: row for row in declared}})
    hints = {row.key: row.hint for row in declared}
    assert declared[-1] is made
    assert len(declared) == len(DECLARED) + 1
    several = rows("ci", {"liquid": {"state_points": ("95K-256", "110K-256")}})
    assert [row.id for row in several[-2:]] == ["viscosity-100K-95K-256", "viscosity-100K-110K-256"]
    assert {row.test for row in several[-2:]} == {made.test}
    assert tolerances(catalogue.TABLE, {made.key: 0.2})[made.key].limit == 0.2
    assert hint("viscosity-100K-95K-256", too_high=False, declared=hints) == "too thin"


def test_listing_the_rows_imports_nothing_heavy():
    code = (
        "import sys; from pytest_mlff.gate.catalogue import rows; rows('full', {});"
        "print([m for m in ('numpy', 'xarray', 'ase', 'openmm', 'scipy', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
