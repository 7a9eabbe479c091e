"""The rows of a run: unique, complete, cheap ones first, and cheap to list."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import pytest_mlff.checks
import pytest_mlff.suite
from pytest_mlff.errors import SpecError
from pytest_mlff.gate import catalogue
from pytest_mlff.gate.catalogue import CHECKS, TABLE, rows
from pytest_mlff.systems.protocols import PROTOCOLS

SUITE = Path(pytest_mlff.suite.__file__).parent


@pytest.mark.parametrize("name", PROTOCOLS)
def test_ids_are_unique_and_checks_come_in_their_order(name):
    found = rows(name, {})
    assert len({row.id for row in found}) == len(found)
    order = [list(CHECKS).index(row.check) for row in found]
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
    module = import_module(f"pytest_mlff.checks.{check}")
    assert callable(module.run)
    assert callable(module.work)


def test_a_configuration_that_cannot_be_is_refused_at_collection():
    with pytest.raises(SpecError, match="120K-256"):
        rows("ci", {"liquid": {"state_points": ("120K-256",)}})


WORDS = {"stress"}  # a key, and what a model provides
ALLOWED = {("cost.py", "diffusion"), ("config.py", "memory_growth")}  # the paper's own criterion; a setting of before


def test_a_row_is_named_in_no_file_of_the_rooms_that_serve_all_rows():
    package = Path(pytest_mlff.checks.__file__).parent.parent
    for room in ("verdict", "report", "suite", "gate", "calibration", "settings", "cli"):
        for path in (package / room).rglob("*.py"):
            text = path.read_text("utf-8")
            named = {(path.name, key) for key in TABLE.keys() - WORDS if f'"{key}"' in text}
            assert named <= ALLOWED, path


def test_two_checks_may_not_declare_one_row(monkeypatch):
    module = ModuleType("pytest_mlff.checks.viscosity")
    module.ROWS = (TABLE["rdf"],)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(catalogue, "CHECKS", {**CHECKS, "viscosity": CHECKS["liquid"]})
    with pytest.raises(RuntimeError, match="the checks liquid and viscosity both declare a row 'rdf'"):
        catalogue._table()


def test_listing_the_rows_imports_nothing_heavy():
    code = (
        "import sys; from pytest_mlff.gate.catalogue import rows; rows('full', {});"
        "print([m for m in ('numpy', 'xarray', 'ase', 'openmm', 'scipy', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
