"""``--mlff-suite``: the bundled suite beside a user's own tests."""

from __future__ import annotations

import pytest


@pytest.fixture
def _own(pytester):
    pytester.makepyfile(test_own="def test_own(mlff_model):\n    pass\n")


@pytest.mark.usefixtures("_own")
@pytest.mark.parametrize("ini", ["", "[pytest]\nmlff_suite = true\n"])
def test_it_is_added_to_the_paths(gate, pytester, ini):
    if ini:
        pytester.makeini(ini)
    result = gate("--mlff-model=a", "test_own.py", "-k", "own or [rdf]", *([] if ini else ["--mlff-suite"]))
    result.assert_outcomes(passed=2, deselected=59)


@pytest.mark.usefixtures("_own")
def test_without_it_paths_run_alone(gate):
    gate("--mlff-model=a", "test_own.py").assert_outcomes(passed=1)


@pytest.mark.usefixtures("_own")
def test_markers_select_within_the_suite(gate):
    result = gate("--mlff-model=a", "--mlff-suite", "test_own.py", "-m", "melting", "--strict-markers")
    result.assert_outcomes(passed=2, deselected=59)


@pytest.mark.parametrize(
    ("marker", "files"),
    [
        ("mlff", {"forces", "invariance", "liquid", "xpcs", "solid", "phonons", "melting", "speed"}),
        ("invariance", {"invariance"}),
        ("liquid", {"liquid", "xpcs"}),
        ("dynamics", {"xpcs"}),
        ("solid", {"solid", "phonons"}),
        ("melting", {"melting"}),
        ("speed", {"speed"}),
        ("mlff and not liquid and not solid", {"forces", "invariance", "melting", "speed"}),
    ],
)
def test_each_file_has_its_markers(gate, marker, files):
    result = gate("--mlff-model=a", "-m", marker, "--collect-only", "-q")
    found = {line.partition("check_")[2].partition(".py")[0] for line in result.outlines if "::" in line}
    assert found == files


def test_every_row_of_the_catalogue_has_a_test(gate):
    from pytest_mlff.gate.catalogue import rows

    for protocol in ("smoke", "ci", "full"):
        result = gate("--mlff-model=a", f"--mlff-protocol={protocol}", "--collect-only", "-q")
        found = [line.rpartition("check_")[2] for line in result.outlines if "::" in line]
        wanted = [f"{row.test.replace('.', '.py::')}[{row.id}]" for row in rows(protocol, {})]
        assert found == [name.removeprefix("check_") for name in wanted]  # and in the catalogue's order


def test_a_file_of_the_suite_without_a_model_is_skipped(gate):
    result = gate("--pyargs", "pytest_mlff.suite.check_melting", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*needs a model*"])


def test_a_file_of_the_suite_by_its_module_name(gate):
    gate("--mlff-model=a", "--pyargs", "pytest_mlff.suite.check_melting").assert_outcomes(passed=2)


def test_users_tests_stay_where_they_are(gate, pytester):
    pytester.makepyfile(
        test_a="def test_z():\n    pass\n\n\ndef test_a():\n    pass\n", test_b="def test_b():\n    pass\n"
    )
    result = gate("--mlff-model=a", "--mlff-suite", "test_b.py", "test_a.py", "--collect-only", "-q")
    own = [line for line in result.outlines if line.startswith("test_")]
    assert own == ["test_b.py::test_b", "test_a.py::test_z", "test_a.py::test_a"]


def test_it_is_collected_where_warnings_are_off_and_markers_strict(gate):
    result = gate("--mlff-model=a", "-p", "no:warnings", "--strict-markers", "-k", "[rdf]", subprocess=True)
    result.assert_outcomes(passed=1, deselected=59)


def test_warnings_of_a_framework_do_not_decide(gate, pytester):
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    fakes = pytester.path / "fakes.py"
    warn = "__import__('warnings').warn('old call', FutureWarning)"
    noisy = fakes.read_text().replace("    error = plan(check)", f"    {warn}\n    error = plan(check)")
    noisy = noisy.replace("    return lambda: None", f"    {warn}\n    return lambda: None")
    assert noisy.count(warn) == 2
    fakes.write_text(noisy)
    result = gate("--mlff-model=a")
    assert result.ret == 0
    assert result.parseoutcomes()["passed"] == 60
    assert result.parseoutcomes()["warnings"] > 0


@pytest.mark.usefixtures("_own")
@pytest.mark.parametrize("pattern", ["check_*", "*"])
@pytest.mark.parametrize("setting", ["python_functions", "python_classes"])
def test_the_users_naming_of_tests_is_for_their_files_only(gate, pytester, setting, pattern):
    pytester.makepyfile(test_named="def check_a():\n    pass\n\n\ndef test_b():\n    pass\n")
    own = {"check_*": {"check_a"}, "*": {"check_a", "test_b"}}[pattern] if "func" in setting else {"test_b"}
    options = ("--mlff-model=a", "-o", f"{setting}={pattern}", "--collect-only", "-q", "-W", "error")
    suite = [line for line in gate(*options).outlines if "::" in line]
    assert suite == [line for line in gate("--mlff-model=a", "--collect-only", "-q").outlines if "::" in line]
    both = [line for line in gate(*options, "--mlff-suite", "test_named.py").outlines if "::" in line]
    assert len(both) == len(suite) + len(own)
    assert {line.partition("::")[2] for line in both if line.startswith("test_named")} == own
