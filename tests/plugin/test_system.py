"""``--mlff-system``: the bundled system, by option, ini file or configuration; others are refused before any model."""

from __future__ import annotations

import pytest

from pytest_mlff.settings.systems import BUNDLED
from pytest_mlff.systems.reading import system_names

PROBE = "def test_own(mlff_context):\n    assert mlff_context.settings.system == 'argon'\n"


def test_the_names_are_those_of_the_files_that_are_there():
    assert sorted(BUNDLED) == system_names()


@pytest.mark.parametrize("options", [(), ("--mlff-system=argon",)])
def test_argon_is_the_default(gate, pytester, options):
    pytester.makepyfile(test_own=PROBE)
    gate("--mlff-model=a", *options, "test_own.py").assert_outcomes(passed=1)


def test_in_the_configuration(gate, pytester):
    pytester.makepyprojecttoml("[tool.mlff]\nsystem = 'argon'\n[tool.mlff.check.solid]\nreplicas = 6\n")
    pytester.makepyfile(test_own=PROBE)
    gate("--mlff-model=a", "test_own.py").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("system", "problem"),
    [
        ("argno", "no such system (did you mean 'argon'?); expected argon"),
        ("copper.toml", "a system of your own from a file is not there yet; expected argon"),
    ],
)
def test_another_one_is_a_usage_error(gate, pytester, calls, system, problem):
    for place in ("--mlff-system", "ini option mlff_system"):
        options = [f"--mlff-system={system}"] if place.startswith("--") else []
        if not options:
            pytester.makeini(f"[pytest]\nmlff_system = {system}\n")
        result = gate("--mlff-model=a", *options)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert [line for line in result.errlines if line] == [f"ERROR: {place}: {system!r}: {problem}"]
    assert not pytester.path.joinpath("calls.log").exists()


def test_another_one_in_the_configuration(gate, pytester, calls):
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\n[tool.mlff]\nsystem = 'argno'\n")
    result = gate("--mlff-model=a")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *pyproject.toml [[]tool.mlff]: system = 'argno': no such system*"])
    assert not pytester.path.joinpath("calls.log").exists()
