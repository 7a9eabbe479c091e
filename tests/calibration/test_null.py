"""The null spread's bookkeeping: what is run, what is kept, and what the table makes of it."""

from __future__ import annotations

import errno
import json
import os
import statistics
from pathlib import Path

import pytest

import pytest_mlff
from pytest_mlff.calibration import gate, null
from pytest_mlff.calibration.gate import FIELDS, run_gate
from pytest_mlff.calibration.null import null_spread, table
from pytest_mlff.errors import SpecError
from pytest_mlff.gate.catalogue import CHECKS, TABLE, rows
from pytest_mlff.reference.data import Reference
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.schema import Record
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")


def value(check, look, deviation, *, status="PASS", looks=1):
    return {
        "row": check,
        "look": look,
        "candidate": 1.0,
        "candidate_stderr": 0.1,
        "deviation": deviation,
        "status": status,
        "looks": looks,
        "force_calls": 10,
    }


def cells(text, check, look=None):
    """Cells of a row of the first table, or of the second without a look."""
    start = f"| {check} | {look} |" if look is not None else f"| {check} |"
    lines = [line for line in text.splitlines() if line.startswith(start)]
    line = lines[0] if look is not None else lines[-1]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_spread_and_mean_are_those_of_the_deviations():
    deviations = [0.01, -0.02, 0.015, 0.0, -0.01]
    found = cells(table([[value("diffusion", 1, d)] for d in deviations]), "diffusion", 1)
    spread = statistics.stdev(deviations)
    assert found[2] == "5"
    assert found[3].startswith(f"{statistics.fmean(deviations):+.2g} ± {spread / 5**0.5:.1g}")
    assert found[4] == f"{spread:.2g} ± {spread / 8**0.5:.1g}"
    assert found[5:] == ["0.1", f"{spread / 0.1:.3f}", "yes"]


@pytest.mark.parametrize(("spread", "fit"), [(0.016, "yes"), (0.018, "no")])
def test_a_row_is_fit_for_a_verdict_up_to_a_sixth_of_its_tolerance(spread, fit):
    seeds = [[value("diffusion", 1, d)] for d in (-spread, 0.0, spread)]
    assert cells(table(seeds), "diffusion", 1)[-1] == fit


def test_a_squared_row_is_measured_on_the_scale_it_is_decided_on():
    """Signed roots of d²: 0.02 and −0.02 are squares of ±4e-4, against 0.05² = 2.5e-3."""
    found = cells(table([[value("rdf", 1, d)] for d in (0.02, -0.02)]), "rdf", 1)
    spread = statistics.stdev([4e-4, -4e-4])
    assert found[5:] == ["0.0025", f"{spread / 2.5e-3:.3f}", "no"]


def test_a_sign_row_has_as_much_room_as_its_drift_is_strong():
    strong = table([[value("melting_below", 1, d)] for d in (1.0, 1.1, 0.9)])
    weak = table([[value("melting_below", 1, d)] for d in (1.0, 0.1, 1.9)])
    assert cells(strong, "melting_below", 1)[-2:] == ["0.100", "yes"]
    assert cells(weak, "melting_below", 1)[-1] == "no"


def test_rows_without_a_tolerance_or_with_one_value_have_no_ratio():
    text = table([[value("net_force", 1, d), value("diffusion", 2, None)] for d in (0.1, 0.2)])
    assert cells(text, "net_force", 1)[5:] == ["", "", ""]
    assert cells(text, "diffusion", 2)[2:] == ["0", "", "", "", "", ""]


def test_rows_of_several_state_points_find_their_tolerance():
    names = ("diffusion-95K-256", "gamma_self-0.461-110K-4000", "mean_relaxation_rate-1.844-100K-256")
    text = table([[value(name, 1, d) for name in names] for d in (-0.001, 0.001)])
    for name in names:
        assert cells(text, name, 1)[5] == "0.1"


def test_outcomes_are_those_of_the_sequential_verdict():
    seeds = [
        [value("diffusion", 0, 0.0, status="PASS", looks=1), value("diffusion", 1, 0.0, status="INCONCLUSIVE")],
        [value("diffusion", 0, 0.0, status="PASS", looks=2), value("diffusion", 1, 0.0)],
        [value("diffusion", 0, 0.0, status="FAIL", looks=2), value("diffusion", 1, 0.0)],
        [value("diffusion", 0, 0.0, status="INCONCLUSIVE", looks=2), value("diffusion", 1, 0.0)],
    ]
    assert cells(table(seeds), "diffusion") == ["diffusion", "2", "1", "1", "0", "1.75"]


def test_every_line_of_a_table_has_as_many_cells_as_its_head():
    text = table([[value("diffusion", look, d) for look in (0, 1, 2)] for d in (0.0, 0.1)])
    assert text.count("\n\n") == 2
    for block in text.split("\n\n"):
        assert len({line.count("|") for line in block.splitlines()}) == 1


@pytest.fixture
def seeds_run(monkeypatch):
    """Fake runs; the list of seeds that were run."""
    run = []

    def one_gate(model, *, seed, protocol, each_look, only):
        assert not only
        assert model.name == "reference"
        assert each_look
        run.append(seed)
        return [value("diffusion", 0, 0.001 * seed), value("diffusion", 1, 0.001 * seed)]

    monkeypatch.setattr(null, "run_gate", one_gate)
    monkeypatch.setattr(null, "missing_checks", lambda values, protocol: [] if values else ["liquid"])
    return run


def test_seeds_that_are_there_are_not_run_again(tmp_path, seeds_run):
    output = tmp_path / "values.jsonl"
    null_spread(seeds=3, output=output)
    assert seeds_run == [1, 2, 3]
    text = null_spread(seeds=5, output=output)
    assert seeds_run == [1, 2, 3, 4, 5]
    assert cells(text, "diffusion", 1)[2] == "5"
    assert cells(null_spread(seeds=2, output=output), "diffusion", 1)[2] == "2"
    assert [json.loads(line)["seed"] for line in output.read_text().splitlines()] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("rest", ['{"seed": 3, "val', '{"seed": 3, "values": []}'])
def test_a_calibration_killed_while_writing_goes_on(tmp_path, seeds_run, rest):
    output = tmp_path / "values.jsonl"
    null_spread(seeds=2, output=output)
    with output.open("a") as stream:
        stream.write(rest)
    null_spread(seeds=4, output=output)
    assert seeds_run == [1, 2, 3, 4]
    assert [json.loads(line)["seed"] for line in output.read_text().splitlines()] == [1, 2, 3, 4]


def test_every_line_says_what_it_was_measured_with(tmp_path, seeds_run):
    null_spread(seeds=1, output=tmp_path / "values.jsonl", protocol="full")
    line = json.loads((tmp_path / "values.jsonl").read_text())
    assert (line["protocol"], line["version"]) == ("full", pytest_mlff.__version__)
    assert line["reference"] == Reference().version


@pytest.mark.parametrize(
    ("what", "other", "message"),
    [
        ("protocol", "full", "measured with protocol full, this is ci; name another --output"),
        ("version", "0.0.1", "measured with version 0.0.1, this is .*; name another --output"),
        ("reference", "older", "measured with reference older, this is .*; name another --output"),
    ],
)
def test_lines_measured_with_something_else_are_refused(tmp_path, seeds_run, what, other, message):
    output = tmp_path / "values.jsonl"
    null_spread(seeds=2, output=output)
    first, second = output.read_text().splitlines()
    output.write_text(f"{first}\n{json.dumps(json.loads(second) | {what: other})}\n" + '{"seed": 3, "val')
    before = output.read_bytes()
    with pytest.raises(SpecError, match=f"values.jsonl:2: {message}"):
        null_spread(seeds=3, output=output)
    assert output.read_bytes() == before
    assert seeds_run == [1, 2]


@pytest.mark.parametrize(
    "content",
    [
        b"my notes\n",
        b"my notes",
        b"\xff\xfe\n",
        b"[1, 2]\n",
        b'{"seed": 1, "values": []}\n',
        b'my notes\n{"seed": 1, "val',
    ],
)
def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path, seeds_run, content):
    output = tmp_path / "values.jsonl"
    output.write_bytes(content)
    with pytest.raises(SpecError, match=r"values.jsonl.*: cannot continue this file: .*; name another --output"):
        null_spread(seeds=1, output=output)
    assert output.read_bytes() == content
    assert not seeds_run


@pytest.mark.parametrize(
    ("seed", "values"),
    [
        ("1", []),
        (1, 5),
        (1, ["x"]),
        (1, [["diffusion", 1]]),
        (1, [list(value("difusion", 0, 0.1).values())]),
        (1, [list(value("difusion", 1, 0.1).values())]),
        (1, [list(value(7, 1, 0.1).values())]),
    ],
)
def test_lines_that_make_no_table_are_refused(tmp_path, seeds_run, seed, values):
    output = tmp_path / "values.jsonl"
    null_spread(seeds=1, output=output)
    line = json.loads(output.read_text())
    output.write_text(json.dumps(line | {"seed": seed, "values": values}) + "\n")
    with pytest.raises(SpecError, match=r"values.jsonl:1: cannot continue this file"):
        null_spread(seeds=2, output=output)


def test_an_output_that_cannot_be_written_is_refused_before_the_first_seed(tmp_path, seeds_run):
    (tmp_path / "file").touch()
    for output in (tmp_path, tmp_path / "missing" / "values.jsonl", tmp_path / "file" / "values.jsonl"):
        with pytest.raises(SpecError, match="; name another --output"):
            null_spread(seeds=1, output=output)
    assert not seeds_run


def test_a_disk_that_fills_up_is_one_error(tmp_path, seeds_run, monkeypatch):
    output, real = tmp_path / "values.jsonl", Path.open

    def full(self, *args, **kwargs):
        if seeds_run:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(SpecError, match=r"cannot write to .*values.jsonl: No space left"):
        null_spread(seeds=2, output=output)
    assert seeds_run == [1]


def test_of_a_seed_that_is_there_only_checks_are_run_that_are_missing(tmp_path, monkeypatch):
    """A check that was added later: its rows join those of the seed, in the order of the run."""
    run = []

    def one_gate(model, *, seed, protocol, each_look, only):
        run.append((seed, tuple(only)))
        present = [row.key for row in rows("ci", {}) if row.check in only or not only]
        return [value(key, 0, 0.001) for key in present if "pressure" not in key or only]

    monkeypatch.setattr(null, "run_gate", one_gate)
    output = tmp_path / "values.jsonl"
    null_spread(seeds=2, output=output)
    assert run == [(1, ()), (2, ())]
    null_spread(seeds=3, output=output)
    added = ("solid_pressure", "pressure")
    assert run[2:] == [(1, added), (2, added), (3, ())]
    found = null.read_null(output)
    assert {item["row"] for item in found[1]} == {row.key for row in rows("ci", {})}
    order = [list(CHECKS).index(TABLE[item["row"]].check) for item in found[1]]
    assert order == sorted(order)


def test_lines_of_a_reference_that_was_only_added_to_still_hold(tmp_path, seeds_run):
    output = tmp_path / "values.jsonl"
    null_spread(seeds=1, output=output)
    line, known = json.loads(output.read_text()), Reference()
    before = min(known.contains - {known.version})
    output.write_text(json.dumps(line | {"reference": before}) + "\n")
    null_spread(seeds=2, output=output)
    assert seeds_run == [1, 2]
    assert [json.loads(one)["reference"] for one in output.read_text().splitlines()] == [before, known.version]


@pytest.fixture
def checks_run(monkeypatch):
    """Stand-ins for the checks; what each was run with."""
    seen = []

    def run_check(check, context):
        seen.append((check, context.protocol.looks, context.protocol.melting.looks, context.seed))
        record = Record(row=check, model="reference", status="PASS", observable="", candidate=1 / 3, looks=1)
        return {check: record}

    monkeypatch.setattr(gate, "run_check", run_check)
    return seen


def test_a_gate_gives_each_look_and_the_sequential_verdict(checks_run):
    """One record per look alone, and under look 0 that of the whole sequence."""
    found = run_gate(ReferenceModel(ARGON), seed=7, protocol="ci", each_look=True)
    looks = {"solid": 1, "solid_pressure": 1, "liquid": 2, "xpcs": 2, "pressure": 2, "melting": 3}
    looks |= dict.fromkeys(("forces", "energy", "solid_hessian", "phonons", "invariance", "stability"), 0)
    assert {(item["row"], item["look"]) for item in found} == {
        (check, look) for check, last in looks.items() for look in range(last + 1)
    }
    assert [looks for check, looks, _, _ in checks_run if check == "liquid"] == [(116,), (232,), (116, 232)]
    assert [looks for check, _, looks, _ in checks_run if check == "melting"] == [(15,), (30,), (45,), (15, 30, 45)]
    assert {seed for *_, seed in checks_run} == {7}
    json.dumps(found, allow_nan=False)


def test_a_gate_keeps_six_digits_and_runs_the_checks_that_are_asked_for(checks_run):
    found = run_gate(ReferenceModel(ARGON), seed=7, protocol="ci", only={"liquid", "forces"})
    assert [check for check, *_ in checks_run] == ["forces", "liquid"]
    assert [item["look"] for item in found] == [0, 0]
    assert found[0]["candidate"] == 0.333333
    assert list(found[0]) == list(FIELDS)


def test_the_whole_gate_is_counted_by_its_worst_row():
    seeds = [[value("rdf", 0, 0.0), value("diffusion", 0, 0.0, status=status)] for status in STATUSES]
    seeds[0].append(value("rdf", 1, 0.0, status="INCONCLUSIVE"))  # a look alone is no verdict
    lines = [line for line in table(seeds).splitlines() if line.startswith(("| any", "| red"))]
    counts = [[cell.strip() for cell in line.split("|")[2:4]] for line in lines]
    assert counts == [["5", "2"], ["5", "1"], ["5", "4"]]


STATUSES = ("PASS", "FAIL", "FAIL", "INCONCLUSIVE", "ERROR")
