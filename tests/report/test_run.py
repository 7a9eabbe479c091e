"""The exit code of a run, from the records of its models."""

import pytest

from pytest_mlff.checks.catalogue import UNSTABLE
from pytest_mlff.report.run import Run
from pytest_mlff.schema import Record
from pytest_mlff.settings import Settings


def run_with(*outcomes: tuple[str, str, str]) -> Run:
    run = Run(settings=Settings(models=("a", "b")), runs_suite=True)
    for number, (model, status, reason) in enumerate(outcomes):
        record = Record(check="diffusion", model=model, status=status, observable="", reason=reason)
        run._records[f"node{number}", "diffusion", model] = record
    return run


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([("a", "PASS", ""), ("b", "PASS", "")], 0),
        ([("a", "PASS", ""), ("b", "INFO", "")], 0),
        ([("a", "PASS", ""), ("b", "NOT_APPLICABLE", "needs energy")], 1),  # b was not judged at all
        ([("a", "PASS", ""), ("a", "NOT_APPLICABLE", "needs energy")], 0),
        ([("a", "PASS", ""), ("a", "NOT_APPLICABLE", f"{UNSTABLE} (ran away)")], 1),
    ],
)
def test_each_model_needs_a_verdict_of_its_own(outcomes, code):
    run = run_with(*outcomes)
    assert run.exit_status(0) == code
    assert len(run.complaints) == code
    assert run.exit_status(2) == 2
