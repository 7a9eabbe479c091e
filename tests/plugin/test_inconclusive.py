"""``--mlff-inconclusive``: what an undecided row does to the run."""

from __future__ import annotations

import pytest

PLAN = {"rdf": {"status": "INCONCLUSIVE", "reason": "twice the sampling would decide"}}


@pytest.mark.parametrize(
    ("arguments", "outcome", "status"),
    [
        ((), {"failed": 1}, 1),
        (("--mlff-inconclusive=fail",), {"failed": 1}, 1),
        (("--mlff-inconclusive=skip",), {"skipped": 1}, 0),
        (("--mlff-inconclusive=pass",), {"passed": 1}, 0),
    ],
)
def test_outcome(gate, arguments, outcome, status):
    result = gate("--mlff-model=a", "-k", "check_liquid and [rdf]", "-rs", *arguments, plan=PLAN)
    result.assert_outcomes(**outcome, deselected=59)
    assert result.ret == status
    result.stdout.fnmatch_lines(["rdf *INCONCLUSIVE*", "INCONCLUSIVE rdf: pytest --mlff-model=a*", "1 INCONCLUSIVE"])
    assert ("twice the sampling would decide" in result.stdout.str()) == (status == 1 or "skipped" in outcome)


def test_a_failure_fails_whatever_it_says(gate):
    plan = PLAN | {"structure_factor": {"status": "FAIL"}}
    result = gate("--mlff-model=a", "--mlff-inconclusive=pass", plan=plan)
    assert result.ret == 1


def test_unknown_answers_are_usage_errors(gate):
    result = gate("--mlff-model=a", "--mlff-inconclusive=ignore")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --mlff-inconclusive: *expected fail, skip or pass"])
