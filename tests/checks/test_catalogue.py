"""The rows of a run: unique, complete, cheap ones first, and cheap to list."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import pytest_mlff.suite
from pytest_mlff.checks.catalogue import CHECKS, rows
from pytest_mlff.errors import SpecError
from pytest_mlff.simulation.protocols import PROTOCOLS
from pytest_mlff.verdict.tolerances import TOLERANCES

SUITE = Path(pytest_mlff.suite.__file__).parent


@pytest.mark.parametrize("name", PROTOCOLS)
def test_ids_are_unique_and_checks_come_in_their_order(name):
    found = rows(name, {})
    assert len({row.id for row in found}) == len(found)
    order = [CHECKS.index(row.check) for row in found]
    assert order == sorted(order)
    assert {row.key for row in found} == {k for k, t in TOLERANCES.items() if name in t.protocols}


def test_what_needs_no_trajectory_comes_before_what_does():
    order = [row.check for row in rows("ci", {})]
    longest = min(order.index(check) for check in ("liquid", "xpcs", "melting"))
    for cheap in ("forces", "solid_hessian", "phonons", "speed", "invariance", "stability"):
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


def test_smoke_runs_nothing_long():
    found = rows("smoke", {})
    assert {row.check for row in found} == {"forces", "solid_hessian", "phonons", "speed", "invariance", "stability"}
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


def test_listing_the_rows_imports_nothing_heavy():
    code = (
        "import sys; from pytest_mlff.checks.catalogue import rows; rows('paper', {});"
        "print([m for m in ('numpy', 'xarray', 'ase', 'openmm', 'scipy', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
