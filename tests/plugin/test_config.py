"""``--mlff-config`` and ``[tool.mlff]``."""

from __future__ import annotations

import pytest

PROBE = "def test_own(mlff_context):\n    assert mlff_context.settings.config == {expected}\n"


def test_the_file_named_wins_over_pyproject(gate, pytester):
    pytester.makepyfile(test_own=PROBE.format(expected={"liquid": {"replicas": 4}}))
    pytester.maketoml("[check.liquid]\nreplicas = 4\n").rename(pytester.path / "gate.toml")
    pytester.makepyprojecttoml("[tool.mlff.check.solid]\nreplicas = 6\n")
    gate("--mlff-model=a", "--mlff-config=gate.toml", "test_own.py").assert_outcomes(passed=1)


def test_pyproject_of_the_rootdir(gate, pytester):
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\n[tool.mlff.check.solid]\nreplicas = 6\n")
    pytester.makepyfile(test_own=PROBE.format(expected={"solid": {"replicas": 6}}))
    gate("--mlff-model=a", "test_own.py").assert_outcomes(passed=1)


def test_from_the_ini_file_beside_it(gate, pytester, monkeypatch):
    pytester.makeini("[pytest]\nmlff_config = settings/gate.toml\n")
    pytester.mkdir("settings").joinpath("gate.toml").write_text("[check.forces]\nconfigurations = 9\n")
    below = pytester.mkdir("below")
    below.joinpath("test_own.py").write_text(PROBE.format(expected={"forces": {"configurations": 9}}))
    monkeypatch.chdir(below)
    gate("--mlff-model=a", "test_own.py").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[check.liquid\nreplicas = 4", "*gate.toml:1: not valid TOML: *"),
        ("[check.liquids]\n", "*gate.toml: unknown check [[]check.liquids] (did you mean 'liquid'?)*"),
        ("[tolerances]\nrdf = 0.1\n", "*[[]tolerances] is gone; write [[]check.liquid] limits = { rdf = 0.1 }*"),
        ("[check.liquid]\nlimits = { rdf = 3 }\n", "*tolerance of 'rdf' is 3.0; it is a fraction*"),
        ("[check.liquid]\nstate_points = ['1K-7']\n", "*1K-7*"),
    ],
)
def test_what_is_wrong_in_it_is_one_usage_error(gate, pytester, calls, text, message):
    pytester.path.joinpath("gate.toml").write_text(text)
    result = gate("--mlff-model=a", "--mlff-config=gate.toml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (error,) = [line for line in result.errlines if line]
    result.stderr.fnmatch_lines([f"ERROR: {message}"])
    assert "Traceback" not in error
    assert not pytester.path.joinpath("calls.log").exists()  # refused before any model is loaded


@pytest.mark.parametrize("text", ["[tool]\nmlff = 3\n", "[tool]\nmlff = [1]\n"])
def test_a_table_that_is_none(gate, pytester, text):
    pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\n{text}")
    result = gate("--mlff-model=a")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *pyproject.toml [[]tool.mlff] = * must be a table"])


@pytest.mark.parametrize("option", ["--mlff-json", "--mlff-config", "--mlff-cache-dir"])
def test_the_home_of_nobody(gate, option):
    result = gate("--mlff-model=a", f"{option}=~no-such-user/x")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {option}=~no-such-user/x: there is no such home folder"])


@pytest.mark.parametrize("form", ["{}={}", "{} {}"])
def test_a_blank_before_a_path_elsewhere_may_not_lose_the_ini_file(gate, pytester, monkeypatch, form):
    project, elsewhere = pytester.mkdir("project"), pytester.mkdir("elsewhere")
    (project / "pytest.ini").write_text("[pytest]\nmlff_protocol = smoke\n")
    (project / "fakes.py").write_text((pytester.path / "fakes.py").read_text())
    monkeypatch.chdir(project)
    arguments = form.format("--mlff-cache-dir", elsewhere).split(" ")
    result = gate("--mlff-model=a", *arguments, "-k", "[rdf] or translation")
    if len(arguments) == 1:
        result.assert_outcomes(passed=1, deselected=22)
    else:
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: write --mlff-cache-dir={elsewhere}: with a blank pytest*{project}"])


@pytest.mark.parametrize("way", ["environment", "a project below", "a link"])
def test_other_ways_to_lose_the_ini_file(gate, pytester, monkeypatch, way):
    pytester.makeini("[pytest]\nmlff_protocol = smoke\n")
    place = pytester.mkdir("nets")
    arguments = ["--mlff-cache-dir", place]
    if way == "environment":
        place = pytester.path.parent / f"{pytester.path.name}-elsewhere"
        place.mkdir()
        monkeypatch.setenv("PYTEST_ADDOPTS", f"--mlff-cache-dir {place}")
        arguments = []
    elif way == "a project below":
        (place / "pytest.ini").write_text("[pytest]\n")
    else:
        away = pytester.path.parent / f"{pytester.path.name}-away"
        away.mkdir()
        (away / "link").symlink_to(place)
        arguments[1] = away / "link"
    result = gate("--mlff-model=a", *arguments, "-k", "translation")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: write --mlff-cache-dir=*: with a blank pytest*{pytester.path}"])


@pytest.mark.parametrize("where", ["elsewhere", "cache"])
@pytest.mark.parametrize("project", ["[pytest]\nmlff_protocol = smoke\n", None])
def test_a_blank_is_fine_where_nothing_is_lost(gate, pytester, where, project):
    pytester.mkdir(where)
    if project is None:  # no settings of pytest in it
        pytester.makepyprojecttoml("[project]\nname = 'x'\n")
        where = f"../{pytester.path.name}-{where}"
        (pytester.path / where).mkdir()
    else:
        pytester.makeini(project)
    result = gate("--mlff-model=a", "--mlff-cache-dir", where, "-k", "translation")
    result.assert_outcomes(passed=1, deselected=59 if project is None else 22)


def test_paths_of_ones_own_decide_where_the_ini_file_is(gate, pytester):
    """With or without the blank."""
    pytester.makeini("[pytest]\n")
    below, tests = pytester.mkdir("nets"), pytester.mkdir("below")
    (tests / "pytest.ini").write_text("[pytest]\n")
    (tests / "test_own.py").write_text("def test_own(mlff_model):\n    pass\n")
    for blank in (["--mlff-cache-dir", tests], [f"--mlff-cache-dir={below}"]):
        gate("--mlff-model=a", *blank, "below").assert_outcomes(passed=1)


def test_a_missing_file(gate):
    result = gate("--mlff-model=a", "--mlff-config=nowhere.toml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: */nowhere.toml: cannot read this configuration: No such file*"])
