"""From findings to records, and the loop over looks."""

from __future__ import annotations

import json
import math

import pytest

from pytest_mlff.apparatus.declaration import Row
from pytest_mlff.apparatus.judging import Finding, judge, sequential, without_verdict
from pytest_mlff.errors import BudgetExhausted, ModelError, UnstableError
from pytest_mlff.gate.catalogue import TABLE
from pytest_mlff.schema import Estimate, Record
from pytest_mlff.systems.protocols import STATE_ATOMS

LOOKS = (116, 232)


def row(key: str, state: str = "100K-256") -> Row:
    return Row(id=f"{key}-{state}", declared=TABLE[key], state=state, atoms=STATE_ATOMS[state])


def diffusion(value: float, stderr: float, **kwargs) -> Finding:
    reference = Estimate(0.36, 0.001, 63.0)
    return Finding(candidate=Estimate(value, stderr, 7.0), reference=reference, **kwargs)


def test_a_record_says_what_was_found_and_what_it_was_judged_by(nobody):
    record = judge(
        nobody,
        row("diffusion"),
        diffusion(0.37, 0.004, force_calls=11000, note="noted"),
        look=1,
        looks_planned=2,
        wall_s=3.5,
    )
    assert record.status == "PASS"
    assert (record.row, record.model) == ("diffusion-100K-256", "candidate")
    assert (record.candidate, record.candidate_stderr) == (0.37, 0.004)
    assert (record.reference, record.reference_stderr) == (0.36, 0.001)
    assert record.deviation == pytest.approx(0.01 / 0.36)
    assert record.interval[0] < record.deviation < record.interval[1]
    assert (record.kind, record.tolerance, record.unit) == ("relative", 0.10, "Å²/ps")
    assert (record.looks, record.force_calls, record.wall_s) == (1, 11000, 3.5)
    assert record.reason.endswith("noted")


def test_looks_share_the_error_probability(nobody):
    one, two = (judge(nobody, row("diffusion"), diffusion(0.37, 0.004), look=1, looks_planned=n) for n in (1, 2))
    assert two.interval[1] - two.interval[0] > 1.1 * (one.interval[1] - one.interval[0])


def test_a_squared_row_shows_the_distance_and_is_decided_on_its_square(nobody):
    far = judge(nobody, row("rdf"), Finding(candidate=Estimate(0.0036, 0.0001, 7.0)))
    assert far.status == "FAIL"
    assert far.candidate == far.deviation == pytest.approx(0.06)
    assert far.candidate_stderr is None
    assert far.interval[0] > 0.05
    assert far.tolerance == 0.05
    near = judge(nobody, row("rdf"), Finding(candidate=Estimate(-1e-5, 1e-5, 7.0)))
    assert near.status == "PASS"
    assert near.candidate == pytest.approx(-math.sqrt(1e-5))


@pytest.mark.parametrize("key", ["diffusion", "rdf", "net_force", "stability", "melting_below", "xsvs_time"])
def test_records_are_plain_builtins(nobody, key):
    import numpy as np

    finding = Finding(
        candidate=Estimate(np.float64(0.3), np.float32(0.1), np.int64(7)),
        reference=Estimate(np.float64(0.36), np.float64(0.01)),
        force_calls=np.int64(5),
    )
    record = judge(nobody, row(key), finding, wall_s=np.float64(1.0)).to_dict()
    text = json.dumps(record, allow_nan=False)
    assert json.loads(text)["row"] == f"{key}-100K-256"
    assert {type(value) for value in record.values()} <= {str, int, float, list, type(None)}


def test_what_is_not_a_number_fails_a_judged_row_and_shows_in_the_others(nobody):
    nothing = Finding(candidate=Estimate(math.nan, math.nan), reference=Estimate(0.36, 0.0), note="why")
    assert judge(nobody, row("diffusion"), nothing).status == "FAIL"
    assert "why" in judge(nobody, row("diffusion"), nothing).reason
    shown = judge(nobody, row("net_force"), nothing)
    assert shown.status == "INFO"
    assert shown.to_dict()["candidate"] is None


def test_without_a_verdict_there_are_no_numbers(nobody):
    record = without_verdict(nobody, row("diffusion"), "NOT_APPLICABLE", "no forces", looks=1)
    assert (record.status, record.reason, record.looks) == ("NOT_APPLICABLE", "no forces", 1)
    assert record.candidate is record.reference is record.deviation is record.interval is None
    assert (record.tolerance, record.unit) == (0.10, "Å²/ps")


class Script:
    """Findings by look, and what was asked for."""

    def __init__(self, *looks):
        self.looks, self.asked = list(looks), []

    def __call__(self, frames, rows):
        self.asked.append((frames, [row.key for row in rows]))
        findings = self.looks[len(self.asked) - 1]
        if isinstance(findings, Exception):
            raise findings
        return {row.id: findings[row.key] for row in rows}


CLEAR, FAR = diffusion(0.36, 0.003), diffusion(0.45, 0.003)
UNCLEAR = diffusion(0.385, 0.01)


def run(nobody, script, *keys) -> dict[str, Record]:
    records = sequential(nobody, [row(key) for key in keys], LOOKS, script)
    return {key: records[row(key).id] for key in keys}


@pytest.mark.parametrize(("finding", "status"), [(CLEAR, "PASS"), (FAR, "FAIL")])
def test_a_clear_case_takes_one_look(nobody, finding, status):
    script = Script({"diffusion": finding})
    record = run(nobody, script, "diffusion")["diffusion"]
    assert (record.status, record.looks) == (status, 1)
    assert script.asked == [(116, ["diffusion"])]


def test_each_look_pays_for_all_that_were_planned(nobody):
    script = Script({"diffusion": UNCLEAR}, {"diffusion": CLEAR})
    record = run(nobody, script, "diffusion")["diffusion"]
    assert record.interval == judge(nobody, row("diffusion"), CLEAR, look=2, looks_planned=2).interval
    clear = run(nobody, Script({"diffusion": CLEAR}), "diffusion")["diffusion"]
    assert clear.interval == record.interval  # the first look is no cheaper than the second


def test_only_what_is_undecided_is_looked_at_again(nobody):
    good = Finding(candidate=Estimate(1e-4, 1e-5, 7.0))
    script = Script({"diffusion": UNCLEAR, "rdf": good, "net_force": CLEAR}, {"diffusion": CLEAR})
    records = run(nobody, script, "diffusion", "rdf", "net_force")
    assert [record.status for record in records.values()] == ["PASS", "PASS", "INFO"]
    assert [record.looks for record in records.values()] == [2, 1, 1]
    assert script.asked == [(116, ["diffusion", "rdf", "net_force"]), (232, ["diffusion"])]


def test_after_the_last_look_it_stays_undecided_with_what_it_would_take(nobody):
    record = run(nobody, Script({"diffusion": UNCLEAR}, {"diffusion": UNCLEAR}), "diffusion")["diffusion"]
    assert (record.status, record.looks) == ("INCONCLUSIVE", 2)
    assert "times the sampling" in record.reason


def test_a_spent_budget_keeps_the_numbers_of_the_last_look(nobody):
    script = Script({"diffusion": UNCLEAR, "rdf": Finding(candidate=Estimate(0.0, 1e-4, 7.0))})
    script.looks.append(BudgetExhausted("the budget of 60 s was spent before segment 3"))
    records = run(nobody, script, "diffusion", "rdf")
    assert records["rdf"].status == "PASS"
    record = records["diffusion"]
    assert (record.status, record.looks, record.candidate) == ("INCONCLUSIVE", 1, 0.385)
    assert record.interval is not None
    assert record.reason.startswith("the budget of 60 s was spent before segment 3; at the last look: ")


def test_a_budget_spent_before_the_first_look_leaves_no_numbers(nobody):
    record = run(nobody, Script(BudgetExhausted("spent")), "diffusion")["diffusion"]
    assert (record.status, record.looks, record.candidate, record.reason) == ("INCONCLUSIVE", 0, None, "spent")


@pytest.mark.parametrize(("state", "atoms", "status"), [("100K-256", 256, "INFO"), ("100K-4000", 4000, "PASS")])
def test_a_row_with_few_wave_vectors_is_judged_in_the_large_system_only(nobody, state, atoms, status):
    nobody.protocol.name = "full"
    few = Row(id="few", declared=TABLE["gamma_coherent-0.461"], state=state, atoms=atoms)
    found = judge(nobody, few, Finding(candidate=Estimate(1.0, 0.005, 7.0), reference=Estimate(1.01, 0.005, 7.0)))
    assert found.status == status


def test_a_trajectory_that_leaves_physics_later_fails_what_is_undecided(nobody):
    script = Script({"diffusion": UNCLEAR}, UnstableError("atoms overlap at step 900"))
    record = sequential(nobody, [row("diffusion")], LOOKS, script)[row("diffusion").id]
    assert (record.status, record.looks, record.reason) == ("FAIL", 1, "atoms overlap at step 900")


def test_a_calculator_that_raises_later_leaves_what_was_decided(nobody):
    script = Script({"diffusion": CLEAR, "gamma_self-0.461": UNCLEAR}, ModelError("out of memory"))
    rows = [row("diffusion"), row("gamma_self-0.461")]
    found = sequential(nobody, rows, LOOKS, script)
    assert [found[r.id].status for r in rows] == ["PASS", "ERROR"]
    assert found[rows[1].id].reason == "out of memory"


def test_a_row_without_a_verdict_cannot_be_undecided(nobody):
    rows = [row("diffusion"), row("net_force")]
    found = sequential(nobody, rows, LOOKS, Script(BudgetExhausted("spent")))
    assert [found[r.id].status for r in rows] == ["INCONCLUSIVE", "INFO"]


def test_wall_time_grows_with_the_looks(nobody):
    import time

    def slow(frames, rows):
        time.sleep(0.02)
        return {r.id: UNCLEAR for r in rows}

    first = sequential(nobody, [row("diffusion")], LOOKS[:1], slow)[row("diffusion").id]
    both = sequential(nobody, [row("diffusion")], LOOKS, slow)[row("diffusion").id]
    assert first.wall_s >= 0.02
    assert both.wall_s >= 0.04


def test_a_user_who_changes_the_limit_changes_the_verdict(nobody):
    from pytest_mlff.verdict.overrides import tolerances

    nobody.tolerances = tolerances(TABLE, {"diffusion": 0.3})
    assert judge(nobody, row("diffusion"), FAR).status == "PASS"
