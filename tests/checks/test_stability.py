"""The stability run: who survives it, what is said of those who do not, and what is spared them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pytest_mlff.apparatus.survival import failure
from pytest_mlff.checks import liquid, solid, xpcs
from pytest_mlff.gate.catalogue import rows, run_check
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.simulation.budget import Budget
from pytest_mlff.simulation.meter import Meter
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")


def judged(context):
    (record,) = run_check("stability", context).values()
    return record


def test_the_reference_survives(context):
    record = judged(context(ReferenceModel(ARGON)))
    assert (record.status, record.force_calls) == ("PASS", 250)
    assert "survived 250 steps at 100K-256" in record.reason
    assert (record.candidate, record.tolerance) == (0.0, 0.0)


def spoil(forces, call):
    forces = forces.copy()
    if call > 34:
        forces[200] = np.nan
    return forces


def test_a_model_that_breaks_down_fails_with_step_time_atoms_and_the_frame_before(context, altered):
    record = judged(context(altered(spoil)))
    assert record.status == "FAIL"
    for part in ("forces are not finite (atoms 200)", "between step 34 and 35 (0.37 ps)", "last sane frame: "):
        assert part in record.reason
    assert record.candidate == 1.0


def test_the_failure_is_remembered(context, altered):
    model = altered(spoil)
    where = context(model)
    first = failure(where)
    calls = model.calculator.calls
    assert failure(where) == first
    assert failure(context(model)) == first
    assert model.calculator.calls == calls


def test_an_exception_may_be_the_machines_fault_and_is_tried_again(context, altered):
    def fail(forces, call):
        if call == 5:
            raise RuntimeError("CUDA out of memory")
        return forces

    where = context(altered(fail))
    record = judged(where)
    assert record.status == "ERROR"
    assert "RuntimeError: CUDA out of memory at " in record.reason
    assert judged(where).status == "PASS"


@pytest.mark.parametrize("check", ["liquid", "xpcs", "solid"])
def test_long_checks_are_spared_an_unstable_model_with_that_reason(context, altered, check):
    model = altered(spoil)
    where = context(model, protocol="ci")
    wanted = [row for row in rows("ci", {}) if row.check == check]
    records = {"liquid": liquid, "xpcs": xpcs, "solid": solid}[check].run(where, wanted)
    assert set(records) == {row.id for row in wanted}
    assert model.calculator.calls <= 36
    for record in records.values():
        assert record.status == "NOT_APPLICABLE"
        assert record.reason.startswith("not run: the stability run failed (candidate at 100K-256: forces are not")


def test_without_time_for_it_nothing_is_known(context, altered):
    where = replace(context(altered(), protocol="ci"), meter=Meter(Budget(0.0)))
    assert judged(where).status == "INCONCLUSIVE"
    wanted = [row for row in rows("ci", {}) if row.check == "liquid"]
    for record in liquid.run(where, wanted).values():
        assert record.status == ("INFO" if record.row == "net_force" else "INCONCLUSIVE")
        assert "the budget of 0 s was spent" in record.reason
