"""The console command: what it hands on, and how it ends."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import pytest

from pytest_mlff import cli
from pytest_mlff import doctor as doctor_room
from pytest_mlff.errors import ReferenceDataError
from pytest_mlff.gate.catalogue import CHECKS
from pytest_mlff.schema import Estimate
from pytest_mlff.study.ablation import MODEL_A, MODEL_B, journal


@pytest.fixture
def stand_in(monkeypatch):
    """Replace a function of a module that need not exist; gives the calls."""

    def replace(module: str, name: str, result=None):
        calls = []

        def function(*args, **kwargs):
            calls.append((args, kwargs))
            if isinstance(result, Exception):
                raise result
            return result

        fake = ModuleType(module)
        setattr(fake, name, function)
        monkeypatch.setitem(sys.modules, module, fake)
        return calls

    return replace


def test_build(stand_in, tmp_path, capsys):
    calls = stand_in("pytest_mlff.reference.build", "build")
    command = ["reference", "build", "argon", "--only", "95K-256", "--jobs", "2"]
    assert cli.main([*command, "--output", str(tmp_path), "--cache-dir", "c"]) == 0
    (given, options) = calls[0]
    assert given == ("argon", tmp_path)
    assert (options["only"], options["jobs"], str(options["cache_dir"])) == ("95K-256", 2, "c")
    assert str(tmp_path) in capsys.readouterr().out


@pytest.mark.parametrize("command", ["build", "verify"])
@pytest.mark.parametrize(
    ("system", "problem"),
    [
        ("copper.toml", "a system of your own from a file is not there yet; expected argon"),
        ("argn", "no such system (did you mean 'argon'?); expected argon"),
    ],
)
def test_a_reference_of_another_system_is_refused_in_one_line(command, system, problem, capsys):
    assert cli.main(["reference", command, system]) == 2
    assert capsys.readouterr() == ("", f"pytest-mlff: {system!r}: {problem}\n")


@pytest.mark.parametrize(("agrees", "status"), [(True, 0), (False, 1)])
def test_verify(stand_in, capsys, agrees, status):
    comparison = SimpleNamespace(
        name="D of 95K-256",
        stored=Estimate(0.3195, 0.002),
        again=Estimate(0.33, 0.01),
        deviation=1.03,
        limit=4.5,
        agrees=agrees,
    )
    calls = stand_in("pytest_mlff.reference.verify", "verify", [comparison])
    assert cli.main(["reference", "verify", "argon", "--only", "95K-256"]) == status
    assert calls[0][1]["only"] == "95K-256"
    first, last = capsys.readouterr().out.splitlines()
    numbers = "D of 95K-256: stored 0.3195 ± 0.0020, again 0.330 ± 0.010, off by 1 of 4.5"
    assert first == f"{'agrees' if agrees else 'DIFFERS':<8} {numbers}"
    assert last == ("all 1 agree within error" if agrees else "1 of 1 differ")


def test_the_functions_it_calls_take_what_it_gives():
    from pytest_mlff.calibration.cost import cost
    from pytest_mlff.calibration.null import null_spread
    from pytest_mlff.calibration.power import power
    from pytest_mlff.gnn.dataset import build_dataset
    from pytest_mlff.reference.build import build
    from pytest_mlff.reference.verify import Comparison, verify

    inspect.signature(build).bind("argon", "out", cache_dir="c", only=None, jobs=1, progress=None)
    inspect.signature(verify).bind("system", cache_dir="c", only=None, progress=None)
    inspect.signature(build_dataset).bind("composition", "output", cache_dir="c", progress=None)
    inspect.signature(null_spread).bind(seeds=1, output="o", protocol="ci", only_table=False)
    inspect.signature(power).bind(seeds=1, output="o", null="n", only_table=False)
    inspect.signature(cost).bind(null="n", power="p")
    assert {"name", "stored", "again", "deviation", "limit"} <= set(Comparison.__dataclass_fields__)


def test_dataset(monkeypatch, capsys, tmp_path):
    calls = []
    monkeypatch.setattr(
        "pytest_mlff.gnn.dataset.build_dataset", lambda *given, **named: calls.append((given, named)) or "built"
    )
    monkeypatch.setattr("pytest_mlff.gnn.dataset.summary", lambda dataset: [f"what was {dataset}"])
    output = tmp_path / "narrow.nc"
    assert cli.main(["dataset", "liquid-narrow", "--output", str(output), "--cache-dir", "c"]) == 0
    ((composition, written), options) = calls[0]
    assert (composition.name, written, str(options["cache_dir"])) == ("liquid-narrow", output, "c")
    assert capsys.readouterr().out.splitlines() == ["what was built", f"dataset liquid-narrow written to {output}"]


def test_a_dataset_that_there_is_not_lists_those_there_are(capsys):
    assert cli.main(["dataset", "solid", "--output", "x.nc"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("pytest-mlff: no composition 'solid'")
    assert "liquid, liquid+solid, liquid-narrow, paper" in line


def test_train(monkeypatch, capsys, tmp_path):
    pytest.importorskip("torch")
    calls = []

    class Done:
        training: ClassVar = {"curve": [{"step": 7}], "elapsed_s": 120.0}

    def train(*args, **named):
        named.pop("report")("step 7 of 7")
        calls.append((args, named))
        return Done

    monkeypatch.setattr("pytest_mlff.gnn.recipe.train_recipe", train)
    data, output = tmp_path / "data.nc", tmp_path / "out.pt"
    command = ["train", "smooth", "--dataset", str(data), "--output", str(output), "--seed", "3", "--threads", "1"]
    assert cli.main([*command, "--phase", "liquid", "--device", "CUDA:1"]) == 0
    given = {"seed": 3, "start": None, "phase": "liquid", "threads": 1, "device": "cuda:1"}
    assert calls == [(("smooth", data, output), given)]
    out, err = capsys.readouterr()
    assert out == f"{output}: 7 steps, 2 min of training\n"
    assert err == "step 7 of 7\n"


def test_what_is_no_device_is_no_option(capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "smooth", "--dataset", "data.nc", "--output", "out.pt", "--device", "cuda1"])
    assert "expected auto, cpu, cuda or cuda:N" in capsys.readouterr().err


def test_a_recipe_that_there_is_not_is_one_line(capsys, tmp_path):
    pytest.importorskip("torch")
    assert cli.main(["train", "smooth", "--dataset", str(tmp_path / "no.nc"), "--output", str(tmp_path / "o.pt")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_ablation(monkeypatch, capsys, tmp_path):
    calls = []
    monkeypatch.setattr("pytest_mlff.study.ablation.run", lambda *args, **named: calls.append((args, named)))
    monkeypatch.setattr("pytest_mlff.models.networks.need_torch", lambda: None)
    output = tmp_path / "results.jsonl"
    assert cli.main(["study", "ablation", "--output", str(output), "--table"]) == 0
    assert calls == []
    assert capsys.readouterr().out.startswith("| form | trained on | seed |")
    drawn = []
    monkeypatch.setattr("pytest_mlff.study.figures.ablation.ablation_figure", lambda *args: drawn.append(args))
    assert cli.main(["study", "ablation", "--output", str(output), "--table", "--figure", "a.svg"]) == 0
    assert drawn == [({}, Path("a.svg"))]
    assert (
        cli.main(["study", "ablation", "--output", str(output), "--cell", "smooth-liquid-0", "--stage", "train"]) == 0
    )
    (((folder, given), named),) = calls
    assert (str(folder), given) == ("ablation", output)
    assert (named["names"], named["stages"], named["threads"]) == (["smooth-liquid-0"], ["train"], 2)


def test_the_papers_results_beside_those_of_runs(capsys, tmp_path):
    run = tmp_path / "b.json"
    run.write_text('{"records": [{"row": "pdos", "candidate": 0.01, "candidate_stderr": 0.001, "status": "PASS"}]}')
    assert cli.main(["study", "paper", "--model-b", str(run)]) == 0
    out = capsys.readouterr().out
    assert "| phonon DOS distance, 2048 atoms | – | wrong | right | – | not run | 0.0100 ± 0.0010 |" in out


def test_the_papers_results_beside_those_of_the_ablation_alone(capsys, tmp_path):
    results = tmp_path / "ablation.jsonl"
    of_model_b = {"pdos": {"candidate": 0.01, "candidate_stderr": 0.001, "status": "PASS"}}
    journal(results).append((MODEL_B, "measure"), of_model_b)
    assert cli.main(["study", "paper", "--ablation", str(results)]) == 0
    out = capsys.readouterr().out
    assert "| phonon DOS distance, 2048 atoms | – | wrong | right | – | not run | 0.0100 ± 0.0010 |" in out


@pytest.mark.parametrize("models", [[], ["--model-b", "b.json"]])
def test_an_ablation_of_neither_model_is_refused(models, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("b.json").write_text('{"records": []}')
    journal(Path("others.jsonl")).append(("smooth-liquid-0", "measure"), {})
    for file in ("others.jsonl", "nowhere.jsonl"):
        assert cli.main(["study", "paper", *models, "--ablation", file]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err == f"pytest-mlff: {file} holds no results of stage measure on {MODEL_A} or {MODEL_B}\n"


def test_null(stand_in, capsys, tmp_path):
    calls = stand_in("pytest_mlff.calibration.null", "null_spread", "| row | spread |")
    output = tmp_path / "n.jsonl"
    assert cli.main(["calibrate", "null", "--seeds", "3", "--output", str(output)]) == 0
    assert calls == [((), {"seeds": 3, "output": output, "protocol": "ci", "only_table": False})]
    assert capsys.readouterr().out == "| row | spread |\n"


@pytest.mark.parametrize("protocol", ["ci", "full"])
def test_null_of_each_protocol_has_a_file_of_its_own(stand_in, protocol):
    calls = stand_in("pytest_mlff.calibration.null", "null_spread", "")
    assert cli.main(["calibrate", "null", "--protocol", protocol]) == 0
    assert str(calls[0][1]["output"]) == f"null_spread-{protocol}.jsonl"


def test_null_into_a_file_of_something_else_is_one_line(tmp_path, capsys):
    (tmp_path / "notes").write_text("my notes\n")
    assert cli.main(["calibrate", "null", "--output", str(tmp_path / "notes")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"pytest-mlff: {tmp_path / 'notes'}:1: cannot continue this file: ")


def test_power(stand_in, capsys):
    calls = stand_in("pytest_mlff.calibration.power", "power", "| row |")
    assert cli.main(["calibrate", "power", "--seeds", "2", "--output", "p.jsonl", "--table"]) == 0
    files = {"output": Path("p.jsonl"), "null": Path("null_spread-ci.jsonl")}
    assert calls == [((), {"seeds": 2, **files, "only_table": True})]
    assert capsys.readouterr().out == "| row |\n"


def test_a_table_goes_into_a_page(stand_in, capsys, tmp_path):
    calls = stand_in("pytest_mlff.calibration.cost", "cost", "| calls |")
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- cost -->\nold\n<!-- /cost -->\nafter\n")
    assert cli.main(["calibrate", "cost", "--null", "n.jsonl", "--into", str(page)]) == 0
    assert calls == [((), {"null": Path("n.jsonl"), "power": Path("power-ci.jsonl")})]
    assert page.read_text() == "before\n<!-- cost -->\n| calls |\n<!-- /cost -->\nafter\n"
    assert capsys.readouterr().out == ""
    for wrong in ("no markers\n", "<!-- cost -->\nno end\n"):
        page.write_text(wrong)
        assert cli.main(["calibrate", "cost", "--into", str(page)]) == 2
        assert page.read_text() == wrong
    assert cli.main(["calibrate", "cost", "--into", str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3


@pytest.mark.parametrize(("said", "status"), [([], 0), (["slow(10): rdf is FAIL, it should not"], 1)])
def test_matrix(monkeypatch, capsys, tmp_path, said, status):
    from pytest_mlff.calibration import matrix

    calls = []
    for name in ("detection", "measured"):
        monkeypatch.setattr(matrix, name, lambda *given, name=name, **named: calls.append((name, given, named)) or {})
    monkeypatch.setattr(matrix, "contradictions", lambda results: said)
    assert cli.main(["calibrate", "matrix", "--mutant", "slow", "--mutant", "scaled_stress(0.5)"]) == status
    assert capsys.readouterr().out.startswith("0 of ")
    page = tmp_path / "page.md"
    page.write_text("<!-- detection -->\n<!-- /detection -->\n")
    assert cli.main(["calibrate", "matrix", "--named", "--table", "--into", str(page)]) == status
    assert page.read_text().startswith("<!-- detection -->\n0 of ")
    (first, _, named), second = calls
    named.pop("say")("slow(10)")
    assert capsys.readouterr().err == "slow(10)\n"
    chosen = {"output": Path("detection-ci.jsonl"), "mutants": ["slow", "scaled_stress(0.5)"], "only_named": False}
    chosen["checks"] = CHECKS
    assert (first, named) == ("detection", chosen)
    assert second == ("measured", (Path("detection-named-ci.jsonl"),), {"only_named": True})


def test_an_error_of_the_package_is_one_line(stand_in, capsys):
    stand_in("pytest_mlff.reference.build", "build", ReferenceDataError("no part 'x';\n there are a, b"))
    assert cli.main(["reference", "build", "argon", "--only", "x"]) == 2
    assert capsys.readouterr().err == "pytest-mlff: no part 'x'; there are a, b\n"


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["reference"],
        ["reference", "build"],
        ["reference", "build", "argon", "--jobs", "0"],
        ["reference", "verify", "argon", "--system", "argon"],
        ["calibrate", "null", "--seeds", "-1"],
        ["dataset", "liquid"],
        ["train"],
    ],
)
def test_bad_usage(command, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(command)
    assert ended.value.code == 2
    assert "usage: pytest-mlff" in capsys.readouterr().err


@pytest.fixture
def intact(monkeypatch, tmp_path):
    """Reference data of one file, as the manifest says."""
    import hashlib
    import json

    (tmp_path / "observables.nc").write_bytes(b"data")
    digest = hashlib.sha256(b"data").hexdigest()
    manifest = {"files": {"observables.nc": {"sha256": digest}}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setattr("pytest_mlff.reference.data.default_directory", lambda: tmp_path)
    return tmp_path


def doctor(capsys, cache):
    status = cli.main(["doctor", "--cache-dir", str(cache)])
    return status, {line.split(":")[0]: line for line in capsys.readouterr().out.splitlines()}


def test_doctor_in_order(intact, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(doctor_room, "requirements", lambda: iter([("numpy", "2.0", True)]))
    status, lines = doctor(capsys, tmp_path / "cache")
    assert status == 0, lines
    assert "Reference" in lines["ok      OpenMM platforms"]
    assert str(intact) in lines["ok      reference data"]
    assert "all in order" in lines


def test_doctor_finds_what_is_broken(intact, capsys, monkeypatch, tmp_path):
    (intact / "observables.nc").write_bytes(b"date")
    (tmp_path / "file").touch()
    monkeypatch.setattr("importlib.metadata.requires", lambda name: ["numpy>=99", "no-such-package", "x; extra == 't'"])
    status, lines = doctor(capsys, tmp_path / "file")
    assert status == 1
    assert "differs from the manifest" in lines["BROKEN  reference data"]
    assert "cannot write to" in lines["BROKEN  cache"]
    assert "needs numpy>=99" in lines["BROKEN  numpy"]
    assert "not installed" in lines["BROKEN  no-such-package"]
    assert "4 broken" in lines


def test_doctor_says_so_where_a_package_cannot_be_imported(intact, capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pytest_mlff.reference.data", None)
    monkeypatch.setattr(doctor_room, "requirements", lambda: iter([]))
    status, lines = doctor(capsys, tmp_path / "cache")
    assert status == 1
    assert "cannot import what reads them" in lines["BROKEN  reference data"]
    assert "1 broken" in lines


@pytest.mark.parametrize("command", ["null", "power"])
def test_a_table_of_nothing_does_not_replace_one(command, capsys, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"<!-- {command} -->\nold\n<!-- /{command} -->\n")
    options = ["--table", "--output", str(tmp_path / "typo.jsonl"), "--into", str(page)]
    assert cli.main(["calibrate", command, *options]) == 2
    assert "typo.jsonl holds no" in capsys.readouterr().err
    assert "old" in page.read_text()


def test_doctor_without_an_installation(capsys, monkeypatch):
    from importlib.metadata import PackageNotFoundError

    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.requires", missing)
    (finding,) = doctor_room.requirements()
    assert finding[2] is False
    assert "not installed" in finding[1]


def test_the_home_folder_is_found_without_a_shell(monkeypatch, capsys):
    monkeypatch.setenv("HOME", "/home/me")
    options = cli._parser().parse_args(["dataset", "liquid", "--output=~/d.nc", "--cache-dir=~/cache"])
    assert (options.output, options.cache_dir) == (Path("/home/me/d.nc"), Path("/home/me/cache"))
    with pytest.raises(SystemExit, match="2"):
        cli.main(["dataset", "liquid", "--output=~no-such-user/d.nc"])
    assert "there is no such home folder" in capsys.readouterr().err
