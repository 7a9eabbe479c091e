"""Command line over ini file over default, for every option."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_mlff.gate.limits import check_tables
from pytest_mlff.settings import OPTIONS as KNOWN
from pytest_mlff.settings import Settings, resolve

# (option, ini text, its value, command-line text, its value)
OPTIONS = [
    ("models", "mlff_model", "a", ("a",), "--mlff-model=b", ("b",)),
    ("system", "mlff_system", "argon", "argon", "--mlff-system=argon", "argon"),
    ("protocol", "mlff_protocol", "smoke", "smoke", "--mlff-protocol=full", "full"),
    ("device", "mlff_device", "cpu", "cpu", "--mlff-device=cuda", "cuda"),
    ("seed", "mlff_seed", "3", 3, "--mlff-seed=0", 0),
    ("budget_s", "mlff_budget", "2m", 120.0, "--mlff-budget=1h", 3600.0),
    ("inconclusive", "mlff_inconclusive", "skip", "skip", "--mlff-inconclusive=pass", "pass"),
    ("config_file", "mlff_config", "i.toml", Path("i.toml"), "--mlff-config=c.toml", Path("c.toml")),
    ("json", "mlff_json", "i.json", Path("i.json"), "--mlff-json=c.json", Path("c.json")),
    ("cache_dir", "mlff_cache_dir", "i", Path("i"), "--mlff-cache-dir=c", Path("c")),
    ("forecast", "mlff_forecast", "false", False, "--mlff-forecast", True),
    ("timeout_s", "mlff_timeout", "30s", 30.0, "--mlff-timeout=2m", 120.0),
    ("suite", "mlff_suite", "false", False, "--mlff-suite", True),
]


@pytest.mark.parametrize(("field", "ini", "written", "from_ini", "typed", "from_line"), OPTIONS)
def test_precedence(pytester, plugin_args, field, ini, written, from_ini, typed, from_line):
    for name in ("i.toml", "c.toml"):
        pytester.path.joinpath(name).write_text("")

    def value(*args):
        found = getattr(resolve(pytester.parseconfig(*plugin_args, *args), check_tables()), field)
        return found.relative_to(pytester.path) if isinstance(found, Path) else found

    assert value() == getattr(Settings(), field)
    pytester.makeini(f"[pytest]\n{ini} = {written}\n")
    assert value() == from_ini
    assert value(typed) == from_line
    pytester.makeini("[pytest]\n")
    assert value(typed) == from_line


@pytest.mark.parametrize("name", [option.name for option in KNOWN if option.is_path])
def test_the_home_folder_is_found_without_a_shell(pytester, plugin_args, monkeypatch, name):
    monkeypatch.setenv("HOME", str(pytester.path / "home"))
    pytester.mkdir("home").joinpath("x").write_text("")
    (option,) = (option for option in KNOWN if option.name == name)

    def value(*args):
        return getattr(resolve(pytester.parseconfig(*plugin_args, *args), check_tables()), option.field)

    assert value(f"{option.flag}=~/x") == pytester.path / "home" / "x"
    pytester.makeini(f"[pytest]\n{option.ini} = ~/x\n")
    assert value() == pytester.path / "home" / "x"


def test_the_table_names_every_option():
    assert {row[1] for row in OPTIONS} == {option.ini for option in KNOWN}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("mlff_seed = -3", "ini option mlff_seed: '-3' is not a seed"),
        ("mlff_budget = -5m", "ini option mlff_budget: '-5m' is"),
        ("mlff_device = gpu", "ini option mlff_device: 'gpu' is not a device"),
        ("mlff_suite = perhaps", "ini option mlff_suite: 'perhaps' is neither true nor false"),
    ],
)
def test_bad_values_in_the_ini_file_are_named(gate, pytester, line, message):
    pytester.makeini(f"[pytest]\n{line}\n")
    result = gate("--mlff-model=a")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (error,) = [text for text in result.errlines if text]
    assert error.startswith(f"ERROR: {message}")


def test_options_of_later_versions_do_not_exist_yet(gate):
    for option in ("--mlff-report=r.html", "--mlff-baseline=b.json", "--mlff-trust-pickle"):
        result = gate("--mlff-model=a", option)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
