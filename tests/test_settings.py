"""Parsers, configuration files, and what a user reads when something is wrong."""

from __future__ import annotations

import argparse
import math
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlff.errors import SpecError
from pytest_mlff.gate.limits import check_tables
from pytest_mlff.settings import OPTIONS, Settings, read_config, validate_config
from pytest_mlff.settings.names import suggest
from pytest_mlff.settings.options import (
    parse_bool,
    parse_device,
    parse_duration,
    parse_inconclusive,
    parse_protocol,
    parse_seed,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0),
        ("90s", 90.0),
        ("20m", 1200.0),
        ("20min", 1200.0),
        ("1h30m", 5400.0),
        ("1.5h", 5400.0),
        ("1h 2m 3s", 3723.0),
        ("0.5", 0.5),
        ("2M", 120.0),
    ],
)
def test_duration(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["-5m", "0", "0s", "0h0m", "", "soon", "5m3h", "m", "1d", "nan", "inf", "1e3"])
def test_duration_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="positive duration such as 90s"):
        parse_duration(text)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(1, 59))
def test_duration_is_the_sum_of_its_parts(hours, minutes, seconds):
    assert parse_duration(f"{hours}h{minutes}m{seconds}s") == 3600 * hours + 60 * minutes + seconds


@pytest.mark.parametrize("text", ["auto", "cpu", "cuda", "cuda:0", "cuda:12"])
def test_device(text):
    assert parse_device(text) == text
    assert parse_device(f" {text.upper()} ") == text


@pytest.mark.parametrize("text", ["gpu", "cuda:", "cuda:-1", "cpu:0", "", "cuda 0"])
def test_device_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="expected auto, cpu, cuda or cuda:N"):
        parse_device(text)


@pytest.mark.parametrize(("text", "seed"), [("0", 0), ("42", 42), ("007", 7)])
def test_seed(text, seed):
    assert parse_seed(text) == seed


@pytest.mark.parametrize("text", ["-1", "1.5", "one", "", "1" * 30])
def test_seed_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="whole number >= 0"):
        parse_seed(text)


@pytest.mark.parametrize(
    ("word", "known", "near"),
    [
        ("liqiud", ("liquid", "solid"), " (did you mean 'liquid'?)"),
        ("lennardjones", {"LennardJones", "Morse"}, " (did you mean 'LennardJones'?)"),
        ("rdg", ("solid_rdf", "rdf"), " (did you mean 'rdf'?)"),
        ("ab1", ("ab2", "ab34", "ab3", "ab4"), " (did you mean 'ab4' or 'ab3' or 'ab2'?)"),
        ("gas", ("liquid", "solid"), ""),
        ("", ("liquid",), ""),
        ("liquid", (), ""),
    ],
)
def test_names_that_are_near(word, known, near):
    assert suggest(word, known) == near


def test_choices_suggest_the_nearest():
    assert parse_protocol("Smoke") == "smoke"
    assert parse_inconclusive("skip") == "skip"
    with pytest.raises(argparse.ArgumentTypeError, match=r"'ful' is not a protocol \(did you mean 'full'"):
        parse_protocol("ful")
    with pytest.raises(argparse.ArgumentTypeError, match=r"'paper' is not a protocol; expected smoke, ci or full"):
        parse_protocol("paper")
    with pytest.raises(argparse.ArgumentTypeError, match="expected fail, skip or pass"):
        parse_inconclusive("ignore")


def test_bool():
    assert parse_bool("yes") is parse_bool("True") is parse_bool("1") is True
    assert parse_bool("off") is parse_bool("no") is False
    with pytest.raises(argparse.ArgumentTypeError, match="neither true nor false"):
        parse_bool("maybe")


def test_defaults_are_those_of_the_design():
    settings = Settings()
    assert (settings.protocol, settings.device, settings.seed) == ("ci", "auto", 0)
    assert (settings.budget_s, settings.inconclusive, settings.suite) == (None, "fail", False)
    assert dict(settings.config) == {}
    with pytest.raises(AttributeError):
        settings.seed = 1


def test_every_option_fills_a_field_of_settings():
    assert {option.field for option in OPTIONS} <= set(Settings.__dataclass_fields__)
    assert [option.flag for option in OPTIONS if option.is_path] == [
        "--mlff-config",
        "--mlff-json",
        "--mlff-cache-dir",
    ]


def test_cache_root_is_the_users_unless_set(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Settings(cache_dir=Path("here")).cache_root == Path("here")
    assert Settings().cache_root.is_relative_to(tmp_path)


KNOWN = check_tables()
WHOLE = """
system = "argon"
[check.forces]
configurations = 50
limits = { parity = 2e-3, "parity-solid-4000" = 1e-3 }
[check.liquid]
replicas = 4
looks = [580, 1160]
state_points = ["100K-256", "95K-256"]
limits = { rdf = 0.04, diffusion = 1 }
[check.solid]
replicas = 3
steps = 1000
[check.melting]
replicas = 2
steps = 500
[check.speed.limits]
ms_per_call = 25
"""


def test_whole_configuration(tmp_path):
    file = tmp_path / "gate.toml"
    file.write_text(WHOLE)
    config, system = read_config(file, known=KNOWN)
    assert system == "argon"
    assert set(config) == {"forces", "liquid", "solid", "melting", "speed"}
    assert config["liquid"]["limits"] == {"rdf": 0.04, "diffusion": 1.0}
    lengths = {"replicas": 4, "looks": (580, 1160), "state_points": ("100K-256", "95K-256")}
    assert config["liquid"] == lengths | {"limits": {"rdf": 0.04, "diffusion": 1.0}}
    assert config["speed"]["limits"]["ms_per_call"] == 25.0
    with pytest.raises(TypeError):
        config["liquid"]["replicas"] = 5
    with pytest.raises(TypeError):
        config["liquid"]["limits"]["rdf"] = 0.5
    with pytest.raises(TypeError):
        config["gas"] = {}


def test_pyproject_is_read_from_its_table_only(tmp_path):
    file = tmp_path / "pyproject.toml"
    file.write_text("[project]\nname = 'x'\n[tool.mlff.check.liquid]\nreplicas = 4\n")
    assert read_config(file, known=KNOWN) == ({"liquid": {"replicas": 4}}, None)
    file.write_text("[project]\nname = 'x'\n")
    assert read_config(file, known=KNOWN) == ({}, None)
    file.write_text("tool = 3\n")
    assert read_config(file, known=KNOWN) == ({}, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[check.liquids]\nreplicas = 4",
            r"unknown check \[check.liquids\] \(did you mean 'liquid'\?\); known: forces, ",
        ),
        ("[check.liquid]\nreplica = 4", r"unknown key 'replica' in \[check.liquid\] \(did you mean 'replicas'\?\)"),
        ("[check.phonons]\nsteps = 4", r"unknown key 'steps' in \[check.phonons\]; known: limits"),
        ("[checks.liquid]\nreplicas = 4", r"unknown table \[checks\]; what there is to set stands in \[check.<name>\]"),
        ("check = 3", r"check = 3 must be a table of tables: \[check.<name>\]"),
        ("check.liquid = 3", r"check.liquid = 3 must be a table: \[check.liquid\]"),
        ("[check.liquid]\nlimits = 3", r"\[check.liquid\] limits = 3 must be a table, such as \{ rdf = 0.1 \}"),
        ("[check.liquid]\nlimits = { rfd = 1 }", r"\[check.liquid\] limits: no row 'rfd' \(did you mean 'rdf'"),
        (
            "[check.liquid]\nlimits = { pdos = 1 }",
            r"'pdos' is a row of the check phonons: write it into \[check.phonons\]",
        ),
        ("system = 3", r"system = 3: not the name of a system; expected argon"),
        ("system = 'argn'", r"system = 'argn': no such system \(did you mean 'argon'\?\); expected argon"),
        ("system = 'copper.toml'", r"system = 'copper.toml': a system of your own from a file is not there yet"),
        # tables of before
        (
            "[tolerances]\ndiffusion = 0.15\n'gamma_self-1.844' = 0.08",
            r"\[tolerances\] is gone; write \[check.liquid\] limits = \{ diffusion = 0.15 \}; "
            r"\[check.xpcs\] limits = \{ \"gamma_self-1.844\" = 0.08 \}$",
        ),
        ("[tolerances]\n", r"\[tolerances\] is gone; write \[check.<name>\] limits = \{ <row> = <limit> \}"),
        ("[liquid]\nlooks = [580]", r"\[liquid\] is gone; write \[check.liquid\] looks = \[580\]"),
        ("[liquid]\nstate_points = ['95K-256']", r"write \[check.liquid\] state_points = \[\"95K-256\"\]"),
        ("liquid = 3", r"\[liquid\] is gone; write \[check.liquid\]"),
        ("[speed]\nmax_ms_per_call = 4", r"write \[check.speed\] limits = \{ ms_per_call = 4 \}"),
        ("[speed]\nmax_mb_per_1000_calls = 4", r"write \[check.memory\] limits = \{ memory_growth = 4 \}"),
        # values
        ("[check.liquid]\nreplicas = 2", r"\[check.liquid\] replicas = 2: expected a whole number >= 3"),
        ("[check.solid]\nreplicas = 2", r"\[check.solid\] replicas = 2: expected a whole number >= 3"),
        ("[check.melting]\nreplicas = 1", r"\[check.melting\] replicas = 1: expected a whole number >= 2"),
        ("[check.liquid]\nreplicas = 4.0", "expected a whole number >= 3"),
        ("[check.liquid]\nreplicas = true", "expected a whole number >= 3"),
        ("[check.liquid]\nlooks = [1160, 580]", "each larger than the one before"),
        ("[check.liquid]\nlooks = [580, 580]", "each larger than the one before"),
        ("[check.liquid]\nlooks = []", "list of step counts"),
        ("[check.liquid]\nlooks = 580", "list of step counts"),
        ("[check.liquid]\nlooks = [0, 580]", "list of step counts"),
        ("[check.liquid]\nstate_points = '100K-256'", "list of names"),
        ("[check.liquid]\nstate_points = []", "list of names"),
        ("[check.liquid]\nstate_points = ['a', 'a']", "each name once"),
        ("[check.solid]\nsteps = 0", "expected a whole number >= 1"),
        ("[check.solid]\nsteps = true", "expected a whole number >= 1"),
        ("[check.liquid.limits]\nrdf = '5 %'", r"\[check.liquid\] limits: rdf = '5 %': expected a positive number"),
        ("[check.liquid.limits]\nrdf = -0.05", "expected a positive number"),
        ("[check.liquid.limits]\nrdf = nan", "expected a positive number"),
        ("[check.liquid.limits]\nrdf = true", "expected a positive number"),
        ("[check.speed.limits]\nms_per_call = 0", "expected a positive number"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, text, message):
    file = tmp_path / "gate.toml"
    file.write_text(text)
    with pytest.raises(SpecError, match=message) as error:
        read_config(file, known=KNOWN)
    assert str(error.value).startswith(str(file))
    assert "\n" not in str(error.value)


def test_malformed_toml_names_file_and_line(tmp_path):
    file = tmp_path / "gate.toml"
    file.write_text("[check.liquid]\nreplicas = = 4\n")
    with pytest.raises(SpecError, match=r"gate\.toml:2: not valid TOML") as error:
        read_config(file, known=KNOWN)
    assert "\n" not in str(error.value)


def test_other_unreadable_files(tmp_path):
    with pytest.raises(SpecError, match=r"missing\.toml: cannot read this configuration: No such file"):
        read_config(tmp_path / "missing.toml", known=KNOWN)
    with pytest.raises(SpecError, match="cannot read this configuration"):
        read_config(tmp_path, known=KNOWN)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"a = '\xff\xfe'")
    with pytest.raises(SpecError, match="not UTF-8 at byte 5"):
        read_config(binary, known=KNOWN)


@given(
    st.dictionaries(
        st.sampled_from(KNOWN["liquid"].rows) | st.text(min_size=1),
        st.one_of(st.integers(), st.floats(), st.text(), st.booleans()),
    )
)
def test_validation_gives_a_configuration_or_one_line(limits):
    good = limits.keys() <= set(KNOWN["liquid"].rows) and all(
        type(value) in (int, float) and 0 < value < math.inf for value in limits.values()
    )
    with nullcontext() if good else pytest.raises(SpecError, match=r"here: \[check.liquid\] limits"):
        config = validate_config({"check": {"liquid": {"limits": limits}}}, where="here", known=KNOWN)
        assert config["liquid"]["limits"] == limits
