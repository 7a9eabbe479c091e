"""``--mlff-json``: the records of a run as a file."""

from __future__ import annotations

import json
import os
from datetime import datetime

import jsonschema
import pytest

from pytest_mlff.report.records import json_schema


def read(path):
    document = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.validate(document, json_schema(), format_checker=jsonschema.FormatChecker())
    return document


def test_it_holds_every_record_of_the_run(gate, pytester):
    plan = {"rdf": {"status": "FAIL"}, "symmetry-solid": {"status": "NOT_APPLICABLE", "candidate": None}}
    result = gate("--mlff-model=a(x=1)", "--mlff-json=out/run.json", "--mlff-seed=5", plan=plan)
    assert result.ret == 1
    document = read(pytester.path / "out" / "run.json")
    records = {record["row"]: record for record in document["records"]}
    assert len(records) == len(document["records"]) == 60
    assert records["rdf"]["status"] == "FAIL"
    assert records["symmetry-solid"]["candidate"] is None
    assert records["diffusion"]["candidate"] == 0.3672  # Å²/ps: units of the house, as `unit` says
    assert records["diffusion"]["unit"] == "Å²/ps"
    assert records["diffusion"]["interval"] == [-0.041, 0.054]
    run = document["run"]
    assert (run["model"], run["fingerprint"], run["seed"]) == ("a(x=1)", "0123456789abcdef", 5)
    assert (run["protocol"], run["device"]) == ("ci", "auto")
    assert (run["system"], run["reference"], run["reference_kind"]) == ("argon", "fake0001", "files")
    assert (document["complete"], run["exit_status"]) == (True, 1)
    assert {"python", "pytest-mlff", "openmm", "ase", "numpy", "torch"} <= set(run["versions"])
    assert run["versions"]["pytest-mlff"]
    assert 0 <= run["wall_s"] < 60
    assert datetime.fromisoformat(run["started"]).utcoffset() is not None


def test_the_configuration_is_in_it(gate, pytester):
    pytester.path.joinpath("gate.toml").write_text("[check.liquid]\nlooks = [580, 1160]\nlimits = { rdf = 0.04 }\n")
    gate("--mlff-model=a", "--mlff-json=run.json", "--mlff-config=gate.toml", "-k", "rdf")
    config = read(pytester.path / "run.json")["run"]["config"]
    assert config == {"check": {"liquid": {"looks": [580, 1160], "limits": {"rdf": 0.04}}}}


def test_several_models_are_told_apart(gate, pytester):
    gate("--mlff-model=a", "--mlff-model=b", "--mlff-json=run.json", "-k", "rdf and not solid")
    document = read(pytester.path / "run.json")
    assert document["run"]["model"] is None
    assert [model["name"] for model in document["run"]["models"]] == ["a", "b"]
    assert [(record["model"], record["row"]) for record in document["records"]] == [
        ("a", "rdf"),
        ("b", "rdf"),
    ]


def test_an_old_file_is_replaced_and_nothing_else_is_left(gate, pytester):
    path = pytester.mkdir("out") / "run.json"
    path.write_text("old")
    gate("--mlff-model=a", "--mlff-json=out/run.json", "-k", "rdf")
    assert read(path)["records"]
    assert [entry.name for entry in path.parent.iterdir()] == ["run.json"]


@pytest.mark.parametrize("alone", ["--collect-only", "--setup-plan", "--setup-only"])
def test_what_runs_nothing_writes_nothing(gate, pytester, alone):
    assert gate("--mlff-model=a", "--mlff-json=run.json", alone).ret == 0
    assert not (pytester.path / "run.json").exists()


def test_a_pipe_in_its_place_is_refused(gate, pytester):
    os.mkfifo(pytester.path / "pipe")
    result = gate("--mlff-model=a", "--mlff-json=pipe", "-k", "rdf")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --mlff-json=*pipe is no regular file, and would be replaced by one"])
    assert (pytester.path / "pipe").is_fifo()


def test_a_link_to_nowhere_is_refused_before_the_run(gate, pytester, calls):
    (pytester.path / "loop.json").symlink_to("loop.json")
    (pytester.path / "file").touch()
    (pytester.path / "lost.json").symlink_to("file/run.json")
    for name in ("loop.json", "lost.json"):
        result = gate("--mlff-model=a", f"--mlff-json={name}", "-k", "rdf")
        assert result.ret == pytest.ExitCode.USAGE_ERROR, name
        (error,) = [line for line in result.errlines if line]
        assert error.startswith("ERROR: --mlff-json")
    assert not (pytester.path / "calls.log").exists()


def test_plugins_of_pytest_may_be_off(gate, pytester):
    result = gate("--mlff-model=a", "--mlff-json=run.json", "-p", "no:setupplan", "-p", "no:setuponly", "-k", "rdf")
    assert result.ret == 0
    assert read(pytester.path / "run.json")["records"]


def test_a_link_stays_one(gate, pytester):
    (pytester.path / "latest.json").symlink_to("run.json")
    gate("--mlff-model=a", "--mlff-json=latest.json", "-k", "rdf")
    assert (pytester.path / "latest.json").is_symlink()
    assert read(pytester.path / "run.json")["records"]


def test_an_interrupted_run_keeps_what_it_has(gate, pytester):
    plan = {"liquid": {"raise": "KeyboardInterrupt"}}
    result = gate("--mlff-model=a", "--mlff-json=run.json", plan=plan, subprocess=True)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    document = read(pytester.path / "run.json")
    assert document["run"]["exit_status"] == 2
    assert 0 < len(document["records"]) < 59


def test_a_folder_that_cannot_be_written_is_refused_before_the_run(gate, pytester, calls):
    pytester.path.joinpath("file").touch()
    result = gate("--mlff-model=a", "--mlff-json=file/run.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (error,) = [line for line in result.errlines if line]
    assert error.startswith("ERROR: --mlff-json: cannot write to")
    assert not (pytester.path / "calls.log").exists()


def test_a_folder_in_its_place_is_refused_before_any_physics(gate, pytester):
    pytester.mkdir("run.json")
    result = gate("--mlff-model=a", "--mlff-json=run.json", "-k", "rdf")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: --mlff-json=*run.json is a folder; name a file"])
    assert not (pytester.path / "calls.log").exists()  # nothing was even loaded


def test_a_disk_that_is_full_is_refused_before_any_physics(gate, pytester, monkeypatch, calls):
    from pytest_mlff.report import records

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records.os, "fsync", full)
    result = gate("--mlff-model=a", "--mlff-json=run.json", "-k", "rdf")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --mlff-json: cannot write */run.json: No space left on device"])
    assert not [line for line in calls() if line.startswith("check")]
    assert not [path for path in pytester.path.iterdir() if path.suffix in (".json", ".tmp")]


def test_a_file_that_cannot_be_written_at_the_end_is_said(gate, pytester):
    pytester.makepyfile(
        removes="""
        import shutil

        def pytest_runtest_logfinish():
            shutil.rmtree("out")
        """
    )
    result = gate("-p", "removes", "--mlff-model=a", "--mlff-json=out/run.json", "-k", "check_liquid and [rdf]")
    assert result.ret == 1
    assert result.outlines[-1].startswith("mlff: cannot write ")
    assert result.outlines[-1].endswith("/out/run.json: No such file or directory")


@pytest.mark.parametrize("length", [245, 255, 256, 300])
def test_the_length_of_its_name_costs_no_run(gate, pytester, calls, length):
    name = "x" * (length - 5) + ".json"
    result = gate("--mlff-model=a", f"--mlff-json={name}", "-k", "check_liquid and [rdf]")
    if length <= 255:
        assert result.ret == 0
        assert read(pytester.path / name)["complete"] is True
    else:
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        (error,) = [line for line in result.errlines if line]
        assert error.endswith("xxx.json: File name too long")
        assert not (pytester.path / "calls.log").exists()


WATCHES = """
    import json
    from pathlib import Path

    import pytest

    seen = []

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(report):
        document = json.loads(Path("run.json").read_text())
        if report.when == "call":
            seen.append((document["complete"], document["run"]["exit_status"], len(document["records"])))

    def pytest_unconfigure():
        assert seen == [(False, None, number) for number in range(1, len(seen) + 1)], seen
        print("watched", len(seen), json.loads(Path("run.json").read_text())["complete"])
"""


def test_it_is_written_as_rows_come_in(gate, pytester):
    pytester.makepyfile(watches=WATCHES)
    result = gate("-p", "watches", "--mlff-model=a", "--mlff-json=run.json", "-m", "liquid")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["watched 23 True"])
    assert read(pytester.path / "run.json")["run"]["exit_status"] == 0


@pytest.mark.parametrize("when", ["loading", "running"])
def test_a_process_that_ends_itself_leaves_no_complete_records(gate, pytester, when):
    """Exit code 0, and nobody can stop it: so the file must tell."""
    fakes = pytester.path / "fakes.py"
    end = '__import__("os")._exit(0)'
    place = {"loading": 'log(f"load {spec} {device}")', "running": "error = plan(check)"}[when]
    text = fakes.read_text()
    assert text.count(place) == 1
    (pytester.path / "run.json").write_text('{"complete": true}')
    if when == "loading":
        fakes.write_text(text.replace(place, end))
    else:
        fakes.write_text(text.replace(place, f"{end} if check == 'liquid' else None\n    {place}"))
    result = gate("--mlff-model=a", "--mlff-json=run.json", subprocess=True)
    assert result.ret == 0
    if when == "loading":
        assert not (pytester.path / "run.json").exists()
    else:
        document = read(pytester.path / "run.json")
        assert (document["complete"], document["run"]["exit_status"]) == (False, None)
        assert 0 < len(document["records"]) < 60


def test_a_run_that_is_refused_leaves_the_old_file(gate, pytester):
    (pytester.path / "run.json").write_text("old")
    assert gate("--mlff-model=bad", "--mlff-json=run.json").ret == pytest.ExitCode.USAGE_ERROR
    assert (pytester.path / "run.json").read_text() == "old"
    assert not list(pytester.path.glob(".mlff-*.tmp"))
