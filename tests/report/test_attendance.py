"""The roll call of a run: why a row may have no record."""

from __future__ import annotations

import json

import pytest

from pytest_mlff.report.attendance import Attendance
from pytest_mlff.report.outcome import Cell

RDF, PDOS = Cell("a", "rdf"), Cell("a", "pdos")


def report(when: str, outcome: str, longrepr=None, cell=RDF, **more) -> pytest.TestReport:
    found = pytest.TestReport("id", ("f.py", 1, "t"), {}, outcome, longrepr, when)
    vars(found).update({"mlff_cell": cell} if cell else {}, **more)
    return found


SKIP = ("conftest.py", 3, "Skipped: no\n network")


@pytest.mark.parametrize(
    ("reports", "begun", "says"),
    [
        ([report("setup", "passed")], True, "it was begun and did not come back"),
        ([report("setup", "passed"), report("call", "skipped", SKIP)], True, "an option: no network"),
        ([report("setup", "skipped", SKIP)], False, "an option: no network"),
        ([report("setup", "skipped", "?", wasxfail="[NOTRUN] slow")], False, "an option: [NOTRUN] slow"),
        ([report("setup", "skipped", "?")], False, "an option: no reason given"),
        ([report("setup", "failed")], False, "the run ended before they began"),
        ([report("call", "passed", cell=None)], False, "the run ended before they began"),  # of a user's test
    ],
)
def test_reports_tell_what_became_of_a_row(reports, begun, says):
    attendance = Attendance()
    attendance.keep([RDF])
    for one in reports:
        attendance.take(one)
    assert (RDF in attendance.begun) == begun
    assert says in attendance.reason(RDF)
    assert "\n" not in attendance.reason(RDF)


def test_what_never_ran_has_a_reason_too():
    attendance = Attendance(collected=dict.fromkeys([RDF, PDOS]), deselected={PDOS})
    assert attendance.reason(RDF) == "the run ended before they began"  # nobody came back from the collection
    attendance.keep([])
    assert attendance.reason(RDF).startswith("removed after they were collected, by a conftest.py")
    assert attendance.reason(PDOS).startswith("deselected, but by no -k")
    assert attendance.reason(Cell("b", "rdf")).startswith("not collected: ")


def test_what_a_worker_knows_crosses_as_builtins():
    worker = Attendance(collected=dict.fromkeys([RDF, PDOS]), deselected={PDOS})
    worker.keep([RDF])
    controller = Attendance()
    controller.merge(json.loads(json.dumps(worker.to_builtin())))
    assert (controller.collected, controller.kept, controller.deselected, controller.counted) == (
        worker.collected,
        worker.kept,
        worker.deselected,
        True,
    )
