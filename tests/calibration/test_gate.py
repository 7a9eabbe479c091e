"""What a check that raises leaves in the gate without pytest."""

from __future__ import annotations

import pytest

from pytest_mlff.calibration import gate
from pytest_mlff.calibration.gate import DEFECT, run_gate
from pytest_mlff.errors import ModelError
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.schema import Record
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")


@pytest.mark.parametrize(
    ("error", "reason"),
    [(ModelError("the calculator raised"), "the calculator raised"), (KeyError("x"), f"{DEFECT}KeyError: 'x'")],
)
def test_rows_of_a_check_that_raises_are_errors_and_the_others_go_on(monkeypatch, error, reason):
    def run_check(check, context):
        if check == "phonons":
            raise error
        interval = (1 / 3, 2 / 3)
        return {check: Record(row=check, model="m", status="PASS", observable="", interval=interval, reason="fine")}

    monkeypatch.setattr(gate, "run_check", run_check)
    fields = ("row", "status", "interval", "reason")
    found = run_gate(ReferenceModel(ARGON), seed=0, protocol="ci", only=("phonons", "stability"), fields=fields)
    assert [list(one.values()) for one in found] == [
        ["pdos", "ERROR", None, reason],
        ["negative_modes", "ERROR", None, reason],
        ["stability", "PASS", [0.333333, 0.666667], "fine"],
    ]


def test_a_frame_in_the_folder_of_the_run_is_not_kept(monkeypatch):
    def run_check(check, context):
        reason = "ran away (atoms 3, 4), at step 10; last sane frame: /var/folders/x/unstable/ab.xyz)"
        return {check: Record(row=check, model="m", status="FAIL", observable="", reason=reason)}

    monkeypatch.setattr(gate, "run_check", run_check)
    (found,) = run_gate(ReferenceModel(ARGON), seed=0, protocol="ci", only=("stability",), fields=("reason",))
    assert found == {"reason": "ran away (atoms 3, 4), at step 10)"}
