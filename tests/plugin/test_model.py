"""``--mlff-model``: what it makes a run do, and how a bad one ends."""

from __future__ import annotations

import time

import pytest


def test_in_an_empty_folder_the_suite_runs(gate, calls):
    result = gate("--mlff-model=lj", "-v")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*check_liquid.py::test_structure[[]rdf] PASSED*"])
    assert calls()[0] == "load lj auto"
    assert calls().count("load lj auto") == 1


def test_a_check_runs_once_for_all_its_rows(gate, calls):
    gate("--mlff-model=lj")
    checks = [line for line in calls() if line.startswith("check")]
    assert len(checks) == len(set(checks)) >= 7
    assert calls().count("context lj") == 1


def test_the_header_says_what_is_tested(gate):
    result = gate("--mlff-model=lj(sigma=3.4)", "--mlff-seed=3", "--mlff-protocol=smoke")
    result.stdout.fnmatch_lines(
        [
            "mlff: lj [[]0123456789ab] lj(sigma=3.4), device cpu, dtype float64, protocol smoke, seed 3, "
            "reference fake0001, cache */cache"
        ]
    )


@pytest.mark.parametrize("arguments", [(), ("-n", "2")])
def test_a_bad_spec_is_one_usage_error(gate, arguments):
    started = time.perf_counter()
    result = gate("--mlff-model=bad:module", *arguments)
    assert time.perf_counter() - started < 3.0
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    errors = [line for line in result.errlines if line.strip()]
    assert errors == ["ERROR: cannot load 'bad:module': no such module"]
    assert "collected" not in result.stdout.str()


def test_several_models_run_side_by_side(gate, calls):
    result = gate("--mlff-model=a", "--mlff-model=b(x=1)", "-v", plan={"rdf": {"status": "FAIL"}})
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "mlff: a [[]*",
            "mlff: b [[]* b(x=1), *",
            "*check_forces.py::test_parity[[]a-parity-liquid-256] PASSED*",
            "*check_liquid.py::test_structure[[]b-rdf] FAILED*",
            "*= mlff: a, protocol ci =*",
            "FAIL rdf: pytest --mlff-model=a -k*",
            "*= mlff: b, protocol ci =*",
            "FAIL rdf: pytest '--mlff-model=b(x=1)' -k*",
        ]
    )
    assert "check liquid a" in calls()
    assert "check liquid b" in calls()


def test_one_model_leaves_its_name_out_of_the_ids(gate):
    result = gate("--mlff-model=a", "--collect-only", "-q")
    assert "check_liquid.py::test_structure[rdf]" in result.stdout.str()


def test_from_the_ini_file(gate, pytester, calls):
    pytester.makeini("[pytest]\nmlff_model =\n    a(x=1, y='b c')\n    b\n")
    gate("-k", "rdf")
    assert calls()[:2] == ["load a(x=1, y='b c') auto", "load b auto"]


def test_paths_in_the_ini_file_start_at_its_folder(gate, pytester, calls, monkeypatch):
    specs = ["model.py:make(x=1)", "run/best.pt", "mace:run", "none.pt", "pack:net('a.py')", "/x/model.py"]
    pytester.makeini("[pytest]\nmlff_model =\n    " + "\n    ".join(specs) + "\n")
    for folder in ("run", "mace", "pack", "below"):
        pytester.mkdir(folder)
    (pytester.path / "run" / "best.pt").touch()
    monkeypatch.chdir(pytester.path / "below")
    gate("-c", str(pytester.path / "tox.ini"), "-k", "rdf")
    loaded = [line.split()[1] for line in (pytester.path / "below" / "calls.log").read_text().splitlines()]
    here = f"{pytester.path}/"
    assert loaded[:6] == [f"{here}{specs[0]}", f"{here}{specs[1]}", *specs[2:]]


def test_paths_on_the_command_line_start_where_pytest_was_called(gate, pytester, calls):
    (pytester.path / "best.pt").touch()
    gate("--mlff-model=model.py", "--mlff-model=best.pt", "-k", "rdf")
    assert calls()[:2] == ["load model.py auto", "load best.pt auto"]


def test_the_command_line_wins_over_the_ini_file(gate, pytester, calls):
    pytester.makeini("[pytest]\nmlff_model = a\n")
    gate("--mlff-model=b", "-k", "rdf")
    assert calls()[0] == "load b auto"
    assert "load a auto" not in calls()


def test_given_paths_run_instead_of_the_suite(gate, pytester, calls):
    pytester.makepyfile(test_own="def test_own(mlff_model):\n    assert mlff_model.name == 'a'\n")
    result = gate("--mlff-model=a", "test_own.py", "-v")
    result.assert_outcomes(passed=1)
    assert "check_" not in result.stdout.str()
    assert calls() == ["load a auto"]


def test_users_tests_run_for_each_model(gate, pytester):
    pytester.makepyfile(test_own="def test_own(mlff_model):\n    assert mlff_model.name == 'a'\n")
    result = gate("--mlff-model=a", "--mlff-model=b", "test_own.py", "-v")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["test_own.py::test_own[[]a] PASSED*", "test_own.py::test_own[[]b] FAILED*"])


@pytest.mark.parametrize("ini", ["[pytest]\ntestpaths = tests\n", "[pytest]\npython_files = spec_*.py\n", "[pytest]\n"])
def test_the_suite_is_found_whatever_the_users_ini(gate, pytester, ini):
    pytester.makeini(ini)
    pytester.mkpydir("tests").joinpath("test_own.py").write_text("def test_own():\n    assert 0\n")
    result = gate("--mlff-model=a", "-k", "rdf or own")
    assert result.ret == 0
    assert "own" not in result.stdout.str()


def test_without_a_model_nothing_happens(gate, pytester):
    pytester.makepyfile(test_own="def test_own():\n    pass\n\ndef test_other(mlff_run):\n    pass\n")
    result = gate("-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*needs a model: run pytest with --mlff-model=SPEC*"])
    assert "mlff:" not in result.stdout.str()
    assert not (pytester.path / "calls.log").exists()


def test_missing_reference_data_end_a_run_of_the_suite_only(gate, pytester):
    text = (pytester.path / "fakes.py").read_text()
    broken = text.replace(
        'return SimpleNamespace(version="fake0001", kind="files")', "raise errors.ReferenceDataError('none there')"
    )
    assert broken != text
    (pytester.path / "fakes.py").write_text(broken)
    result = gate("--mlff-model=a")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line] == ["ERROR: none there"]
    pytester.makepyfile(test_own="def test_own(mlff_model):\n    pass\n")
    result = gate("--mlff-model=a", "test_own.py")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*reference none,*"])
