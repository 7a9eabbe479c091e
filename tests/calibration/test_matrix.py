"""The detection matrix: what is run and kept, what contradicts the registry, and what the tables say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pytest_mlff.calibration import matrix
from pytest_mlff.calibration.gate import DEFECT
from pytest_mlff.calibration.matrix import FIELDS, checks_of, contradictions, detection, judged, measured, strengths
from pytest_mlff.calibration.matrix_table import alone, group, judged_rows, table
from pytest_mlff.errors import SpecError
from pytest_mlff.gate.catalogue import TABLE
from pytest_mlff.mutants import MUTANTS

ROOT = Path(__file__).parents[2]


def value(check, status="PASS", deviation=0.0, interval=None, reason=""):
    return dict(zip(FIELDS, (check, status, deviation, deviation, interval, reason, 10), strict=True))


def rows(**statuses):
    """All judged rows, PASS but for those given; _ stands for - and "__" for a point."""
    named = {name.replace("__", ".").replace("_", "-"): status for name, status in statuses.items()}
    keys = {key.replace("_", "-"): key for key in judged_rows()}
    assert set(named) <= set(keys)
    return [value(keys[name], named.get(name, "PASS")) for name in keys]


@pytest.fixture
def runs(monkeypatch):
    """Stand-ins for loading and running; the mutants that were run, with their checks."""
    seen = []

    def load(spec, *, device):
        assert device == "cpu"
        call = spec.removeprefix("pytest_mlff.mutants:")
        if call == "nan_after(100)":
            raise SpecError("not finite")
        return call

    def run_gate(call, *, seed, protocol, only, fields):
        seen.append((call, set(only)))
        assert (seed, protocol, fields) == (0, "ci", FIELDS)
        if call == "slow(10)":
            raise ZeroDivisionError("by nothing")
        failed = next(strength.fails for one, _, strength in strengths() if one == call)
        reason = "too large, in /a/path; structure: /a/path/x.xyz; and so on"
        present = [key for key in judged_rows() if not only or TABLE[key].check in only]
        return [value(key, "FAIL" if key in failed else "PASS", 1.0, reason=reason) for key in present]

    monkeypatch.setattr(matrix, "load_model", load)
    monkeypatch.setattr(matrix, "run_gate", run_gate)
    return seen


def test_all_strengths_are_run_the_fast_ones_first_and_no_one_twice(tmp_path, runs):
    output, told = tmp_path / "m.jsonl", []
    found = detection(output=output, mutants=["scaled_stress(0.5)", "leaking_state"], say=told.append)
    assert told == ["scaled_stress(0.5)", "leaking_state(1.0)", "leaking_state(0.05)", "leaking_state(0.001)"]
    assert [call for call, _ in runs] == told
    everything = detection(output=output, say=told.append)
    assert list(everything) == [call for call, _, _ in strengths()]
    assert {call: everything[call] for call in found} == found
    native = [MUTANTS[call.partition("(")[0]].native for call in told[4:]]
    assert native == sorted(native, reverse=True)
    assert len(told) == len(set(told)) == len(everything)
    assert measured(output) == everything


def test_a_matrix_killed_while_writing_goes_on(tmp_path, runs):
    output = tmp_path / "m.jsonl"
    detection(output=output, mutants=["scaled_stress"], say=str)
    with output.open("a") as stream:
        stream.write('{"mutant": "swapped_sh')
    detection(output=output, mutants=["scaled_stress", "swapped_shear"], say=str)
    assert [call for call, _ in runs] == ["scaled_stress(-1.0)", "scaled_stress(0.5)", "swapped_shear()"]
    assert [json.loads(line)["mutant"] for line in output.read_text().splitlines()] == [call for call, _ in runs]


def test_what_cannot_be_loaded_and_what_raises_are_one_line_each(tmp_path, runs):
    found = detection(output=tmp_path / "m.jsonl", mutants=["nan_after", "slow", "swapped_shear"], say=str)
    assert [len(values) for values in found.values()] == [len(judged_rows()), 1, 1]
    (refused,), (raised,) = found["nan_after(100)"], found["slow(10)"]
    assert (refused["row"], refused["status"], refused["reason"]) == ("", "REFUSED", "not finite")
    assert (raised["row"], raised["status"]) == ("", "ERROR")
    assert raised["reason"] == f"{DEFECT}ZeroDivisionError: by nothing"
    assert contradictions(found) == [
        "nan_after(100): the model is REFUSED, it should not",
        f"slow(10): the model: {DEFECT}ZeroDivisionError: by nothing",
    ]
    assert "REFUSED: not finite" in table(found)


def test_a_real_model_that_goes_bad_at_the_start_is_refused():
    (found,) = judged("pytest_mlff.mutants:nan_after(5)")
    assert found["status"] == "REFUSED"
    assert "not finite" in found["reason"]


def test_reasons_are_kept_of_what_does_not_pass_and_without_places_on_a_machine(tmp_path, runs):
    found = detection(output=tmp_path / "m.jsonl", mutants=["swapped_shear"], say=str)["swapped_shear()"]
    reasons = {one["status"]: one["reason"] for one in found}
    assert reasons == {"PASS": "", "FAIL": "too large, in /a/path; and so on"}


def test_named_runs_the_first_strength_and_those_that_name_another_row(tmp_path, runs):
    detection(output=tmp_path / "m.jsonl", only_named=True, say=str)
    run = dict(runs)
    by_call = {call: (mutant, strength) for call, mutant, strength in strengths()}
    for mutant in MUTANTS.values():
        first = mutant.strengths[0]
        assert (mutant.call(first) in run) == (bool(first.fails) and mutant.name != "nan_after")
    for call, only in runs:
        assert only == checks_of(by_call[call][1].fails)
    named = {row for call in run for row in by_call[call][1].fails} | MUTANTS["nan_after"].strengths[0].fails
    assert named == set(judged_rows())
    assert len(run) < len(MUTANTS) + 10


def test_named_checks_and_all_checks_do_not_mix(tmp_path, runs):
    output = tmp_path / "m.jsonl"
    detection(output=output, mutants=["swapped_shear"], only_named=True, say=str)
    with pytest.raises(SpecError, match="measured with checks named, this is all; name another --output"):
        detection(output=output, mutants=["swapped_shear"], say=str)


def test_a_mutant_that_there_is_not(tmp_path, runs):
    with pytest.raises(SpecError, match=r"no mutant 'scaled_epsilon\(0.96\)'; there are scaled_epsilon, scaled_sigma"):
        detection(output=tmp_path / "m.jsonl", mutants=["scaled_epsilon(0.96)"])
    assert not runs


def test_rows_of_another_gate_are_refused(tmp_path, runs):
    output = tmp_path / "m.jsonl"
    detection(output=output, mutants=["swapped_shear"], say=str)
    output.write_text(output.read_text().replace('"pdos"', '"pdso"'))
    with pytest.raises(SpecError, match=r"m.jsonl:1: cannot continue this file.*no row 'pdso'"):
        measured(output)


def test_checks_of_rows():
    assert checks_of({"pdos", "parity-liquid-256", "hot"}) == {"phonons", "forces", "invariance"}
    assert not checks_of(())


@pytest.mark.parametrize(
    ("call", "changes", "said"),
    [
        ("wrong_hessian(0.15)", {"pdos": "FAIL"}, []),
        ("wrong_hessian(0.15)", {"pdos": "FAIL", "rdf": "FAIL", "hot": "INCONCLUSIVE"}, []),
        ("wrong_hessian(0.15)", {}, ["pdos should FAIL, it is PASS (0)"]),
        ("wrong_hessian(0.15)", {"pdos": "ERROR"}, ["pdos should FAIL, it is ERROR (0)"]),
        ("wrong_hessian(0.03)", {}, []),
        ("wrong_hessian(0.03)", {"pdos": "FAIL"}, ["pdos is FAIL (0), it should not"]),
        ("wrong_hessian(0.03)", {"pdos": "INCONCLUSIVE"}, ["pdos is INCONCLUSIVE (0), it should not"]),
        ("wrong_hessian(0.03)", {"pdos": "ERROR", "hot": "NOT_APPLICABLE"}, ["pdos is ERROR (0), it should not"]),
    ],
)
def test_contradictions_with_the_registry(call, changes, said):
    assert contradictions({call: rows(**changes)}) == [f"{call}: {line}" for line in said]


def test_a_traceback_contradicts_every_expectation():
    found = [value("pdos", "FAIL"), value("hot", "ERROR", None, reason=f"{DEFECT}KeyError: 'x'")]
    assert contradictions({"wrong_hessian(0.15)": found}) == [
        f"wrong_hessian(0.15): hot: {DEFECT}KeyError: 'x'",
    ]


RESULTS = {
    "scaled_epsilon(0.4)": [
        value("parity-liquid-256", "FAIL", 0.004, [0.0039, 0.0041]),
        value("parity-liquid-4000", "FAIL", 0.002, [0.0019, 0.0021]),
        value("parity-solid-256", "PASS", 0.0001, [0.0001, 0.0001]),
        value("parity-solid-4000", "INCONCLUSIVE", 0.001, [0.0005, 0.0015]),
        value("gamma_self-0.461", "FAIL", -0.85, [-0.9, -0.8]),
        value("gamma_tracked-0.461", "INFO", 3.0, [2.0, 4.0]),
        value("symmetry-liquid", "FAIL", 0.9, [0.89, 0.91]),
        value("melting_below", "FAIL", -0.1, [-0.2, -0.05]),
        value("stability", "FAIL", 1.0, [1.0, 1.0]),
        value("rdf", "NOT_APPLICABLE", None, reason="not run: the stability run failed"),
    ],
    "scaled_epsilon(1.1)": [
        value("parity-liquid-256", "FAIL", 0.0012, [0.0011, 0.0013]),
        value("parity-liquid-4000", "PASS", 0.0),
        value("melting_below", "ERROR", None, reason="no slab"),
    ],
    "scaled_epsilon(0.9)": [
        value("parity-liquid-256", "FAIL", 0.003, [0.002, 0.004]),
        value("parity-liquid-4000", "FAIL", 0.003, [0.002, 0.004]),
    ],
    "scaled_epsilon(0.98)": [value("parity-liquid-256", "PASS", 0.0004)],
}


def cells(text, start):
    (line,) = [line for line in text.splitlines() if line.startswith(f"| `{start}` |")]
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_what_is_caught_alone():
    assert alone(RESULTS) == {"parity-liquid-256": ["scaled_epsilon(1.1)"]}
    assert alone(RESULTS, group) == {"parity-liquid": ["scaled_epsilon(1.1)", "scaled_epsilon(0.9)"]}


def test_each_strength_has_its_failing_rows_the_strongest_first():
    text = table(RESULTS)
    failed, others = cells(text, "scaled_epsilon(0.4)")[1:]
    assert failed.split("; ") == [
        "`stability` 1 [1, 1]",
        "`gamma_self` −85.0 % [−90.0, −80.0]",
        "`parity-liquid` (2 of 2) 0.004 [0.0039, 0.0041]",
        "`symmetry-liquid` 0.9 [0.89, 0.91]",
        "`melting_below` −0.1 [−0.2, −0.05]",
    ]
    assert others == "INCONCLUSIVE `parity-solid-4000` 0.001 [5e-4, 0.0015]"
    assert cells(text, "scaled_epsilon(1.1)")[1:] == [
        "`parity-liquid` (1 of 2) 0.0012 [0.0011, 0.0013]",
        "ERROR `melting_below`: no slab",
    ]
    assert cells(text, "scaled_epsilon(0.98)")[1:] == ["–", "–"]


def test_each_row_has_what_it_catches_and_what_nothing_else_does():
    text = table(RESULTS)
    assert cells(text, "parity-liquid-256")[1:] == [
        "≤ 0.001",
        "3",
        "0.0012 [0.0011, 0.0013], `scaled_epsilon(1.1)`",
        "`scaled_epsilon(1.1)`",
        "`scaled_epsilon(1.1)`, `scaled_epsilon(0.9)`",
    ]
    assert cells(text, "symmetry-liquid")[1:] == ["≥ 0.95", "1", "0.9 [0.89, 0.91], `scaled_epsilon(0.4)`", "–", "–"]
    idle = re.search(r"^Rows that catch nothing: (.*)\.$", text, flags=re.MULTILINE)[1].split(", ")
    caught = {"parity-liquid-256", "parity-liquid-4000", "gamma_self-0.461", "symmetry-liquid", "melting_below"}
    assert set(idle) == {f"`{row}`" for row in set(judged_rows()) - caught - {"stability"}}


def test_letters_say_what_became_of_each_group():
    lines = table(RESULTS).partition("```text\n")[2].partition("\n```")[0].splitlines()
    heads = [line.rpartition(" ")[2] for line in lines if "┌" in line]
    assert heads == list(dict.fromkeys(map(group, judged_rows())))
    letters = {line.split(" ")[0]: dict(zip(heads, line.split()[1:], strict=True)) for line in lines[len(heads) :]}
    first = letters["scaled_epsilon(0.4)"]
    named = [first[name] for name in ("parity-liquid", "parity-solid", "pdos", "melting_below")]
    assert named == ["C", "!", "–", "C"]  # the third was not run
    assert [first[name] for name in ("gamma_self", "rdf", "hot")] == ["c", "–", "–"]
    assert (letters["scaled_epsilon(1.1)"]["parity-liquid"], letters["scaled_epsilon(1.1)"]["melting_below"]) == (
        "!",
        "E",
    )
    assert letters["scaled_epsilon(0.98)"]["parity-liquid"] == "·"
    for place, line in enumerate(lines[: len(heads)]):  # the corner of a head stands over its column
        column = len("scaled_epsilon(0.98)") + 1 + 2 * place
        assert line[column] == "┌"
        assert {below[column] for below in lines[place + 1 : len(heads)]} <= {"│"}


def test_a_named_row_of_a_check_that_was_not_run_is_no_contradiction():
    found = {"mean_field(0.005)": [value("parity-liquid-256", "PASS", 0.0)]}
    assert contradictions(found) == []
    (line,) = [line for line in table(found).splitlines() if line.startswith("mean_field(0.005) ")]
    assert "!" not in line
    assert set(line.split()[1:]) == {"·", "–"}


def test_the_checks_that_are_asked_for_are_run_where_they_are_missing(tmp_path, runs):
    output = tmp_path / "m.jsonl"
    detection(output=output, mutants=["swapped_shear"], checks=("forces", "stability"), say=str)
    detection(output=output, mutants=["swapped_shear"], checks=("energy", "forces"), say=str)
    assert [set(only) for _, only in runs] == [{"forces", "stability"}, {"energy"}]
    with pytest.raises(SpecError, match="no check 'viscosity'; there are forces, energy"):
        detection(output=output, checks=("viscosity",), say=str)


def test_the_summary_counts():
    lines = table(RESULTS).splitlines()
    total = len(list(strengths()))
    assert lines[0] == f"4 of {total} strengths of the registry, protocol `ci`."
    assert lines[1] == "Of 3 that must be caught, 3 are; of 1 that must pass, 1 do."
    assert lines[2] == "Against the registry:"
    assert "- scaled_epsilon(1.1): parity-liquid-4000 should FAIL, it is PASS (0)" in lines
    assert "Every row does what the registry says." in table({"wrong_hessian(0.15)": rows(pdos="FAIL")})


def test_a_deviation_that_is_no_number_is_no_obstacle():
    text = table({"kcal_as_ev()": [value("rdf", "FAIL", None, reason="left physics"), value("hot", "FAIL", None)]})
    assert cells(text, "kcal_as_ev()")[1] == "`rdf` –; `hot` –"


def test_nothing_measured_is_a_table_too():
    assert "Of 0 that must be caught, 0 are; of 0 that must pass, 0 do." in table({})


def test_the_page_holds_the_table_of_the_data():
    page = (ROOT / "docs" / "detection.md").read_text(encoding="utf-8")
    shown = page.partition("<!-- detection -->\n")[2].partition("\n<!-- /detection -->")[0]
    assert shown == table(measured(ROOT / "docs" / "data" / "detection-ci.jsonl"))


def test_the_page_speaks_of_rows_that_there_are():
    page = (ROOT / "docs" / "detection.md").read_text(encoding="utf-8")
    outside = page.partition("<!-- detection -->")[0] + page.partition("<!-- /detection -->")[2]
    calls = {call for call, _, _ in strengths()}
    groups = {group(row) for row in TABLE}
    for name in re.findall(r"`([a-z]\w+(?:[-.\w]+)*(?:\([^`]*\))?)`", outside):
        if name.endswith(")"):
            assert name in calls, name
        elif "_" in name or "-" in name:
            assert name in groups | set(TABLE) | set(MUTANTS), name
