"""Pressure rows: the candidate's own runs, what they cost, and why paired configurations alone are wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pytest_mlff.analysis.pressure import mean_pressure
from pytest_mlff.apparatus import density
from pytest_mlff.apparatus.parity import candidate_results, reference_results
from pytest_mlff.gate.catalogue import run_check
from pytest_mlff.models.load import load_model
from pytest_mlff.potentials import ARGON_EPSILON
from pytest_mlff.reference.data import Reference
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.reference.observables import estimate
from pytest_mlff.simulation.budget import Budget
from pytest_mlff.simulation.meter import Meter
from pytest_mlff.simulation.pressure import virial_pressure
from pytest_mlff.systems.reading import load_system
from pytest_mlff.units import BAR

ARGON = load_system("argon")

SHORT = {"liquid": {"looks": (1160,)}, "solid": {"steps": 290}}
STATE = "100K-256"


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """``ci`` with the first look alone, for a mutant or the reference; native trajectories are shared."""
    from pytest_mlff.gate.assembly import build_context
    from pytest_mlff.settings import Settings

    folder = tmp_path_factory.mktemp("cache")

    def make(model):
        return build_context(Settings(protocol="ci", seed=3, cache_dir=folder, config=SHORT), model)

    return make


def mutant(call):
    return load_model(f"pytest_mlff.mutants:{call}", device="cpu")


def test_the_reference_has_its_own_density(own):
    where = own(ReferenceModel(ARGON))
    records = run_check("pressure", where) | run_check("solid_pressure", where)
    assert {record.status for record in records.values()} == {"PASS"}
    liquid, solid = records["pressure-liquid"], records["pressure-solid"]
    assert liquid.reference == pytest.approx(1283, abs=1)
    assert solid.reference == pytest.approx(1766, abs=1)
    for record in records.values():
        assert abs(record.candidate - record.reference) < 4 * np.hypot(record.candidate_stderr, record.reference_stderr)
        assert "bar at the same volume, the reference" in record.reason
    assert liquid.force_calls == 8 * (186 + 1160) + 8 * 29
    assert solid.force_calls == 4 * (186 + 290) + 4 * 8


def test_a_pressure_that_is_too_high_is_a_density_that_is_too_low(own):
    """500 bar are 17 % of the liquid, and 2.2 % of the stiffer crystal."""
    where = own(mutant("constant_pressure(500.0)"))
    records = run_check("pressure", where) | run_check("solid_pressure", where)
    assert {record.status for record in records.values()} == {"FAIL"}
    for key, state in (("pressure-liquid", STATE), ("pressure-solid", "20K-solid-256")):
        modulus = estimate(Reference().observable(state, "pressure"), "bulk_modulus")
        assert records[key].deviation == pytest.approx(-500.0 / (BAR * modulus.value), abs=0.01)


@pytest.mark.parametrize("call", ["mean_field(0.005)", "short_cutoff(2.2)"])
def test_what_forces_do_not_show_the_pressure_does(own, call):
    assert run_check("pressure", own(mutant(call)))["pressure-liquid"].status == "FAIL"


def test_pressures_are_kept_for_each_replica(own, monkeypatch):
    where = own(ReferenceModel(ARGON))
    run_check("pressure", where)
    monkeypatch.setattr("pytest_mlff.simulation.pressure.virial_pressure", None)
    assert run_check("pressure", where)["pressure-liquid"].status == "PASS"


def test_a_budget_that_ends_among_the_frames_leaves_the_row_undecided(own, monkeypatch, tmp_path):
    from pytest_mlff.apparatus.survival import failure

    where = own(ReferenceModel(ARGON))
    assert failure(where) == ""
    now = iter([0.0, *[1.0] * 200])
    trajectory = where.trajectory(STATE, replicas=8, frames=116)
    monkeypatch.setattr(type(where), "trajectory", lambda *arguments, **named: trajectory)
    monkeypatch.setattr("pytest_mlff.simulation.pressure.PRESSURE_STRIDE", {256: 5})  # none of them is kept
    spent = replace(where, meter=Meter(Budget(0.5, clock=lambda: next(now))))
    record = run_check("pressure", spent)["pressure-liquid"]
    assert record.status == "INCONCLUSIVE"
    assert f"pressure {STATE} (" in record.reason


def test_a_stress_that_is_no_number_fails_and_few_configurations_are_shown_as_such(own, context, monkeypatch):
    model = mutant("constant_pressure(30.0)")
    few = context(model, config={"forces": {"configurations": 2}})
    (record,) = run_check("pressure", few).values()
    assert (record.status, record.reason) == ("INFO", "2 configurations; a pressure takes three of each state")
    monkeypatch.setattr(type(model.calculator), "get_stress", lambda *arguments, **named: np.full((3, 3), np.nan))
    record = run_check("pressure", replace(own(model), seed=4))["pressure-liquid"]
    assert record.status == "FAIL"
    assert "finite" in record.reason


def test_a_model_that_breaks_off_gets_no_pressure(own):
    record = run_check("pressure", own(mutant("kcal_as_ev()")))["pressure-liquid"]
    assert record.status == "NOT_APPLICABLE"
    assert "the stability run failed" in record.reason


@pytest.mark.parametrize(
    ("provides", "protocol", "reason"),
    [
        ({"forces"}, "ci", "the model provides no stress"),
        ({"forces", "energy"}, "smoke", "the model provides no stress"),
        ({"forces", "stress"}, "smoke", "the model provides no energy: without runs of its own the pressure takes one"),
    ],
)
def test_what_a_model_does_not_provide_is_said(context, altered, provides, protocol, reason):
    model = altered()
    model.provides = frozenset(provides)
    records = run_check("pressure", context(model, protocol=protocol))
    assert [(record.status, record.reason) for record in records.values()] == [("NOT_APPLICABLE", reason)]


@pytest.mark.parametrize(
    ("call", "count", "statuses"),
    [
        ("constant_pressure(500.0)", 20, ["INFO", "INFO"]),
        ("constant_pressure(500.0)", 300, ["FAIL", "FAIL"]),
        ("constant_pressure(30.0)", 300, ["PASS", "PASS"]),
    ],
)
def test_smoke_shows_the_pressure_and_judges_it_from_300_configurations_on(context, call, count, statuses):
    where = context(mutant(call), config={"forces": {"configurations": count}})
    records = run_check("pressure", where) | run_check("solid_pressure", where)
    assert [record.status for record in records.values()] == statuses
    assert density.PAIRED_FROM == 300
    for record in records.values():
        assert record.force_calls == count
        assert "to first order in the error" in record.reason


def test_paired_configurations_alone_give_another_pressure_than_the_candidates_own_runs(own, context):
    """A well that is 5 % too shallow: its own runs and the covariance agree, the paired difference is far off."""
    shallow = ReferenceModel(
        replace(ARGON, reference=f"pytest_mlff.potentials:lennard_jones(epsilon={0.95 * ARGON_EPSILON})")
    )
    point, stored = ARGON.state(STATE), estimate(Reference().observable(STATE, "pressure"), "pressure")
    where = own(shallow)
    trajectory = where.trajectory(STATE, replicas=8, frames=116)
    virial = density._virial(where, STATE, trajectory)
    found = mean_pressure(virial, atoms=256, volume=point.volume, temperature=point.temperature)
    shift, error = BAR * (found.value - stored.value), BAR * np.hypot(found.stderr, stored.stderr)

    count = 300
    paired = context(shallow, config={"forces": {"configurations": count}})
    shifts = {state.name: one for state, one in density.paired_shifts(paired, "liquid", count)}
    corrected = BAR * shifts[STATE].value
    sides = [results(paired, "liquid-256", count)["stress"][1::3] for results in (candidate_results, reference_results)]
    means = [np.mean([virial_pressure(stress) for stress in side]) for side in sides]  # every third is of this state
    alone = BAR * (means[0] - means[1])

    assert set(shifts) == {"95K-256", "100K-256", "110K-256"}
    assert abs(corrected - shift) < 4 * np.hypot(error, BAR * shifts[STATE].stderr)
    assert shift - alone > 5 * error
    assert abs(alone) < 10.0 < 40.0 < shift
