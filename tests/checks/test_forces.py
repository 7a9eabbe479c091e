"""Force parity as a check: exact models pass, wrong and broken ones fail with numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pytest_mlff.apparatus import parity
from pytest_mlff.checks import forces
from pytest_mlff.gate.catalogue import rows
from pytest_mlff.simulation.budget import Budget
from pytest_mlff.simulation.meter import Meter
from pytest_mlff.units import FORCE_UNITS

pytestmark = pytest.mark.usefixtures("made_parity_sets")


FEW = {"forces": {"configurations": 4}}


def run(context):
    wanted = [row for row in rows("smoke", context.config) if row.check == "forces"]
    return forces.run(context, wanted)


def test_the_reference_itself_has_no_error(context, altered):
    model = altered()
    records = run(context(model))
    assert set(records) == {"parity-liquid-256", "parity-solid-256"}
    assert model.calculator.calls == 40
    for record in records.values():
        assert record.status == "PASS"
        assert record.candidate < 1e-20
        assert record.force_calls == 20
        assert "20 configurations, force error s.d." in record.reason
        assert "% of its square one force on all atoms" in record.reason


def test_noise_gives_the_r2_it_must(context, altered):
    rng = np.random.default_rng(0)
    noisy = altered(lambda forces, call: forces + rng.normal(0.0, 0.1 * forces.std(), forces.shape))
    record = run(context(noisy))["parity-liquid-256"]
    assert record.candidate == pytest.approx(0.01, rel=0.1)
    assert record.interval[0] < record.candidate < record.interval[1]
    assert record.status == "FAIL"


def test_a_well_that_is_too_deep_fails(context, altered):
    record = run(context(altered(epsilon=0.0113)))["parity-solid-256"]
    assert record.status == "FAIL"
    assert record.candidate == pytest.approx((0.0113 / 0.0103 - 1) ** 2, rel=0.05)


def test_forces_that_are_not_numbers_fail_and_are_counted(context, altered):
    model = altered(lambda forces, call: forces * np.nan if call in (3, 7) else forces)
    record = run(context(model))["parity-liquid-256"]
    assert record.status == "FAIL"
    assert "forces are not finite in 2 of 20 configurations" in record.reason
    json.dumps(record.to_dict(), allow_nan=False)
    assert record.to_dict()["candidate"] is None


@pytest.mark.parametrize(("unit", "size"), FORCE_UNITS.items())
def test_forces_in_another_unit_are_told_in_both_directions(context, altered, unit, size):
    for factor, look in ((1.0 / size, unit), (size, f"eV/Å converted from {unit}")):
        rng = np.random.default_rng(0)

        def spoil(forces, call, factor=factor, rng=rng):
            return factor * (forces + rng.normal(0.0, 0.02 * forces.std(), forces.shape))

        record = run(context(altered(spoil, name=f"times {factor}"), config=FEW))["parity-solid-256"]
        assert record.status == "FAIL"
        assert f": forces look like {look}, multiply by {1.0 / factor:.4g};" in record.reason
        slope, error = record.reason.removeprefix("at least ").partition("slope ")[2].split(":")[0].split(" ± ")
        assert abs(float(slope) / factor - 1.0) < 4 * float(error) / factor < 0.01


def test_a_wrong_sign_is_told(context, altered):
    record = run(context(altered(lambda forces, call: -forces), config=FEW))["parity-liquid-256"]
    assert "slope −1" in record.reason
    assert "forces look like minus eV/Å, multiply by -1;" in record.reason
    assert record.to_dict()["reason"] == record.reason


def noise(level, seed=0):
    rng = np.random.default_rng(seed)
    return lambda forces, call: 0.53 * forces + rng.normal(0.0, level * forces.std(), forces.shape)


@pytest.mark.parametrize(
    ("spoil", "slope"),
    [
        (lambda forces, call: 0.9 * forces, "slope 0.9"),
        (noise(1.0), "slope 0.5"),
        (lambda forces, call: 0 * forces, "slope 0;"),
    ],
    ids=["weak", "noise with the slope of eV/bohr", "none"],
)
def test_no_unit_is_named_for_forces_that_are_wrong_in_another_way(context, altered, spoil, slope):
    record = run(context(altered(spoil), config=FEW))["parity-liquid-256"]
    assert record.status == "FAIL"
    assert slope in record.reason
    assert "look like" not in record.reason


def test_results_are_kept_in_pieces(context, altered, monkeypatch):
    monkeypatch.setattr(parity, "CHUNK", 8)

    def fail(forces, call):
        if call == 18:
            raise RuntimeError("once")
        return forces

    model = altered(fail)
    first = run(context(model))
    assert (first["parity-liquid-256"].status, first["parity-solid-256"].status) == ("ERROR", "PASS")
    assert "RuntimeError: once" in first["parity-liquid-256"].reason
    records = run(context(model))
    assert records["parity-liquid-256"].status == "PASS"
    assert model.calculator.calls == 18 + 4 + 20  # two whole pieces were kept
    run(context(model))
    assert model.calculator.calls == 18 + 4 + 20


def test_a_user_may_ask_for_fewer(context, altered):
    model = altered()
    run(context(model, config={"forces": {"configurations": 3}}))
    assert model.calculator.calls == 6


def test_a_spent_budget_leaves_the_row_undecided(context, altered):
    from dataclasses import replace

    spent = replace(context(altered()), meter=Meter(Budget(0.0)))
    for record in run(spent).values():
        assert record.status == "INCONCLUSIVE"
        assert "before the end of candidate parity" in record.reason
