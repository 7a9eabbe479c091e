"""The records file: what the schema demands, and that it is whole or not there."""

from __future__ import annotations

import copy
import json
import os
from types import SimpleNamespace

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlff.report.records import describe_models, json_schema, run_document, versions, write_json
from pytest_mlff.schema import Record

MODEL = SimpleNamespace(
    name="a", spec="m:f", fingerprint="ab12", provides=frozenset({"forces", "energy"}), device="cpu", dtype="float32"
)
FACTS = {
    "protocol": "ci",
    "device": "auto",
    "seed": 0,
    "budget_s": None,
    "inconclusive": "fail",
    "config": {},
    "system": "argon",
    "reference": None,
    "reference_kind": "calculator",
    "started": "2024-05-01T12:00:00+00:00",
    "wall_s": 1.5,
    "exit_status": 0,
}
RECORD = Record(row="rdf", model="a", status="PASS", observable="g(r)", candidate=0.01, interval=(0.0, 0.02))


def document(*records, models=(MODEL,)):
    return run_document(
        [record.to_dict() for record in records], models=describe_models(models, device="auto"), run=FACTS
    )


VALIDATOR = jsonschema.Draft202012Validator(json_schema(), format_checker=jsonschema.FormatChecker())


def check(value):
    VALIDATOR.validate(value)


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_a_document_fits_the_schema():
    check(document(RECORD))
    check(document())


def test_a_document_of_a_run_that_goes_on_fits_too():
    models = describe_models([MODEL], device="auto")
    check(run_document([RECORD.to_dict()], models=models, run=FACTS | {"exit_status": None}, complete=False))


EMPTY = document()
numbers = st.none() | st.floats() | st.integers(-(10**6), 10**6)


@given(numbers, numbers, st.none() | st.tuples(st.floats(), st.floats()), st.text())
def test_whatever_a_record_holds_fits_the_schema(candidate, deviation, interval, reason):
    record = Record(
        row="rdf",
        model="a",
        status="ERROR",
        observable="g(r)",
        candidate=candidate,
        deviation=deviation,
        interval=interval,
        reason=reason,
    )
    check(json.loads(json.dumps(EMPTY | {"records": [record.to_dict()]}, allow_nan=False)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), 1),
        (("records", 0, "status"), "MAYBE"),
        (("records", 0, "candidate"), "0.1"),
        (("records", 0, "interval"), [1.0]),
        (("records", 0, "extra"), 1),
        (("run", "seed"), -1),
        (("run", "models"), []),
        (("complete",), None),
        (("run", "exit_status"), None),  # only while the run goes on
    ],
)
def test_the_schema_can_refuse(path, value):
    broken = copy.deepcopy(document(RECORD))
    *way, last = path
    target = broken
    for step in way:
        target = target[step]
    target[last] = value
    with pytest.raises(jsonschema.ValidationError):
        check(broken)


def test_the_schema_misses_no_field():
    for name in list(RECORD.to_dict()):
        broken = document(RECORD)
        del broken["records"][0][name]
        with pytest.raises(jsonschema.ValidationError):
            check(broken)


def test_versions_come_without_imports():
    found = versions()
    assert found["pytest"] == pytest.__version__
    assert found["pytest-mlff"]


def test_models_that_say_little_are_described():
    quiet = SimpleNamespace(name="q", spec="m:q", fingerprint="cd34", provides=frozenset())
    (described,) = describe_models([quiet], device="cuda:1")
    assert described["device"] == "cuda:1"
    assert described["dtype"] is None
    assert document(RECORD, models=[MODEL, quiet])["run"]["model"] is None


def test_writing_replaces_whole(tmp_path):
    path = tmp_path / "run.json"
    path.write_text("old")
    write_json(path, document(RECORD))
    assert json.loads(path.read_text(encoding="utf-8")) == document(RECORD)
    assert os.listdir(tmp_path) == ["run.json"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, failing):
    path = tmp_path / "run.json"
    path.write_text("old")

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="No space left"):
        write_json(path, document(RECORD))
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["run.json"]


def test_not_a_number_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "run.json", {"x": float("nan")})
    assert os.listdir(tmp_path) == []


def test_a_name_that_is_no_unicode_does_not_cost_the_file(tmp_path):
    """What a file name in another encoding becomes."""
    path = tmp_path / "run.json"
    write_json(path, {"spec": "caf\udce9.py", "µ": "Å"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"spec": "caf\udce9.py", "µ": "Å"}
