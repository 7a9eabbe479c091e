"""Curves agree with the numbers that the gate judges, and take what is there instead of running."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from pytest_mlff.analysis.relaxation import decay_rate
from pytest_mlff.analysis.xsvs import half_time
from pytest_mlff.apparatus.parity import parity_forces
from pytest_mlff.checks import melting
from pytest_mlff.errors import BudgetExhausted
from pytest_mlff.reference.data import Reference
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.reference.observables import measure
from pytest_mlff.simulation.budget import Budget
from pytest_mlff.simulation.meter import Meter
from pytest_mlff.simulation.slabs import BRACKET
from pytest_mlff.study import curves
from pytest_mlff.synthetic import brownian_walkers
from pytest_mlff.systems.protocols import PROTOCOLS
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")


@pytest.fixture(scope="module")
def walkers():
    return brownian_walkers(
        n_replicas=3,
        n_frames=60,
        n_atoms=256,
        cell=ARGON.state("100K-256").cell,
        diffusivity=0.34,
        frame_interval=0.1078,
        rng=np.random.default_rng(0),
    )


@pytest.fixture
def ran(walkers):
    """A context whose model's first look is in the cache and nothing else; its runs are counted."""

    def trajectory(state, *, replicas, frames):
        context.asked.append((state, replicas, frames))
        if frames > 116:
            raise BudgetExhausted("spent")
        return walkers

    context = SimpleNamespace(
        model=SimpleNamespace(name="candidate"),
        protocol=PROTOCOLS["ci"],
        reference=Reference(),
        system=ARGON,
        trajectory=trajectory,
        asked=[],
    )
    return context


def test_the_slope_of_the_displacement_is_the_diffusivity(ran, walkers):
    found = curves.displacement(ran)
    lag = found["lag"].values
    used = (lag >= found.attrs["window"][0]) & (lag <= found.attrs["window"][1])
    slope = np.polyfit(lag[used], found["msd"].values[used], 1)[0]
    assert slope / 6 == pytest.approx(float(found["D"]), rel=1e-6)
    assert float(found["D"]) == float(measure("diffusion", walkers)["D"])


def test_the_decay_has_the_rates_that_are_judged(ran, walkers):
    found, judged = curves.relaxation(ran), measure("gamma_self", walkers)
    lag = found["lag"].values
    used = (lag >= found.attrs["window"][0]) & (lag <= found.attrs["window"][1])
    for row, q in enumerate(judged["q"].values):
        rate = decay_rate(lag[used], found["field_correlation"].values[row][used])
        assert rate == pytest.approx(float(judged["gamma"][row]), rel=1e-6), q
    np.testing.assert_array_equal(found["self"], judged["gamma"])
    np.testing.assert_array_equal(found["coherent"], measure("gamma_coherent", walkers)["gamma"])


def test_the_contrast_falls_to_half_where_it_is_judged(ran):
    found = curves.contrast(ran)
    half = half_time(found["exposure"].values, found["contrast"].values)
    assert half == pytest.approx(float(found["correlation_time"]), rel=1e-6)


def test_a_run_goes_to_the_last_look_that_there_is(ran):
    curves.displacement(ran)
    assert ran.asked == [("100K-256", 8, 232), ("100K-256", 8, 116)]


def test_a_model_that_has_not_run_has_no_curve(ran):
    def nothing(state, *, replicas, frames):
        raise BudgetExhausted("spent")

    ran.trajectory = nothing
    with pytest.raises(BudgetExhausted):
        curves.displacement(ran)
    with pytest.raises(BudgetExhausted):
        curves.solid_structure(ran)


def test_what_is_stored_of_the_reference_is_not_run(ran):
    ran.model = ReferenceModel(ARGON)
    for found, state in ((curves.liquid_structure(ran), "100K-256"), (curves.solid_structure(ran), "20K-solid-256")):
        xr.testing.assert_identical(found, Reference().observable(state, "rdf"))
    assert ran.asked == []
    stored = Reference().observable("100K-256", "diffusion")
    assert float(curves.displacement(ran)["D"]) == float(stored["D"])
    assert float(curves.contrast(ran)["correlation_time"]) == float(
        Reference().observable("100K-256", "xsvs_time")["correlation_time"]
    )


def test_the_reference_runs_longer_and_whatever_the_budget(context, altered):
    spent = replace(context(altered(), protocol="ci", seed=3), meter=Meter(Budget(0.0)))
    beside = curves.reference_context(spent)
    assert isinstance(beside.model, ReferenceModel)
    assert (beside.protocol.replicas, beside.protocol.melting.replicas) == (64, 64)
    assert beside.protocol.looks == (116,)
    assert not beside.meter.budget.spent
    assert (beside.cache.root, beside.seed) == (spent.cache.root, 3)


@pytest.mark.usefixtures("made_parity_sets")
def test_parity_has_the_forces_that_are_judged(context, altered):
    model = altered(epsilon=0.0113)
    found = curves.parity(context(model), "liquid-256")
    assert found["candidate"].shape == found["reference"].shape == (20, 256, 3)
    share = float((found["candidate"] - found["reference"]).std() / found["reference"].std())
    assert share == pytest.approx(0.0113 / 0.0103 - 1, rel=0.01)
    assert float(found["one_minus_r2"]) == pytest.approx(share**2, rel=0.01)


@pytest.mark.usefixtures("made_parity_sets")
def test_a_spent_budget_leaves_the_forces_that_are_in_the_cache(context, altered):
    model = altered()
    first, _ = parity_forces(context(model), "liquid-256", 20)
    calls = model.calculator.calls
    spent = replace(context(model), meter=Meter(Budget(0.0)))
    again, _ = parity_forces(spent, "liquid-256", 20)
    np.testing.assert_array_equal(again, first)
    assert model.calculator.calls == calls
    with pytest.raises(BudgetExhausted, match=r"before the end of candidate parity solid-256 \(0 of 20 calls\)"):
        parity_forces(spent, "solid-256", 20)


def test_the_reference_has_its_own_phonons(context):
    found = curves.phonons(context(ReferenceModel(ARGON)))
    width = float(np.diff(found["frequency"].values).mean())
    assert float(found["dos"].sum()) * width == pytest.approx(1.0)
    assert found["branch_frequency"].dims == ("q", "branch")
    assert float(found["distance"]) < 1e-6
    assert list(found["label"].values) == ["Γ", "X", "W", "K", "Γ", "L"]


def test_the_solid_fraction_is_counted_from_its_start(ran, monkeypatch):
    fraction = np.array([[0.4, 0.5, 0.7], [0.5, 0.6, 0.6]])
    asked = []

    def bracket_run(context, key, frames):
        asked.append((key, frames))
        if frames > 15:
            raise BudgetExhausted("spent")
        return xr.Dataset(
            {"solid_fraction": (("replica", "frame"), fraction)}, coords={"time": ("frame", [0.1, 0.2, 0.3])}
        )

    monkeypatch.setattr(curves, "bracket_run", bracket_run)
    found = curves.melting(ran, "melting_below")
    np.testing.assert_allclose(found["change"], [0.0, 0.1, 0.2])
    np.testing.assert_allclose(found["change_stderr"], [0.0, 0.0, 0.1], atol=1e-12)
    assert found.attrs["temperature"] == 59.0
    assert asked == [("melting_below", 45), ("melting_below", 30), ("melting_below", 15)]


def test_the_slabs_of_a_curve_are_those_of_the_row(context, monkeypatch):
    given = []

    def rung_drift(workshop, rung, slabs, **how):
        given.append((rung, slabs.shape, how))
        return xr.Dataset({"drift_replica": ("replica", np.ones(len(slabs)))}, attrs={"force_calls": 7})

    monkeypatch.setattr("pytest_mlff.reference.melting.rung_drift", rung_drift)
    where = context(ReferenceModel(ARGON), protocol="ci", seed=5)
    melting.bracket_run(where, "melting_above", 30)
    assert given == [(BRACKET["melting_above"], (12, 512, 3), {"frames": 30, "seed": 5, "segment_frames": 15})]
    finding = melting._finding(where, SimpleNamespace(key="melting_above"), 30)
    assert finding.note == "512 atoms, 12 slabs at 89 K"
    assert (finding.candidate.value, finding.force_calls) == (1.0, 7)
