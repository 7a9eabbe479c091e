"""Force parity as a check: exact models pass, wrong and broken ones fail with numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pytest_mlff.checks import forces
from pytest_mlff.checks.catalogue import rows
from pytest_mlff.simulation.budget import Budget

pytestmark = pytest.mark.usefixtures("made_parity_sets")


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


def test_results_are_kept_in_pieces(context, altered, monkeypatch):
    monkeypatch.setattr(forces, "CHUNK", 8)

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

    spent = replace(context(altered()), budget=Budget(0.0))
    for record in run(spent).values():
        assert record.status == "INCONCLUSIVE"
        assert "before the parity of" in record.reason
