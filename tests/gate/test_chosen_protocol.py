"""What a user may change of the lengths of a protocol: each setting is declared by its check."""

from dataclasses import replace

import pytest

from pytest_mlff.errors import SpecError
from pytest_mlff.gate.catalogue import chosen_protocol
from pytest_mlff.systems.protocols import PROTOCOLS, STARTS

CI = PROTOCOLS["ci"]
CHANGES = [
    ({"liquid": {"replicas": 4}}, {"replicas": 4}),
    ({"liquid": {"looks": (1000, 3000)}}, {"looks": (100, 300)}),
    ({"liquid": {"state_points": ("95K-256", "110K-4000")}}, {"liquid_states": ("95K-256", "110K-4000")}),
    ({"solid": {"replicas": 3, "steps": 500}}, {"solid_replicas": 3, "solid_frames": 50}),
    ({"melting": {"replicas": 5}}, {"melting": replace(CI.melting, replicas=5)}),
    ({"melting": {"steps": 700}}, {"melting": replace(CI.melting, looks=(70,))}),
    ({"melting": {"steps": 20}}, {"melting": replace(CI.melting, looks=(2,))}),
    ({"liquid": {"replicas": STARTS}}, {"replicas": STARTS}),
    (
        {"forces": {"configurations": 500}},
        {"parity": (("liquid-256", 500), ("liquid-4000", 100), ("solid-256", 500), ("solid-4000", 100))},
    ),
    ({"liquid": {"limits": {"diffusion": 0.05}}}, {}),
]


@pytest.mark.parametrize(("config", "expected"), CHANGES)
def test_a_user_changes_what_the_configuration_names_and_nothing_else(config, expected):
    assert chosen_protocol("ci", config) == replace(CI, **expected)


def test_parity_is_asked_for_in_the_sets_of_the_protocol_only():
    found = chosen_protocol("smoke", {"forces": {"configurations": 7}}).parity
    assert found == (("liquid-256", 7), ("solid-256", 7))


def test_lengths_of_runs_that_smoke_lacks_change_nothing():
    tables = {
        "liquid": {"replicas": 4, "looks": (1160,), "state_points": ("95K-256",)},
        "solid": {"replicas": 3, "steps": 500},
        "melting": {"replicas": 4},
    }
    assert chosen_protocol("smoke", tables) == PROTOCOLS["smoke"]


def test_more_replicas_than_starts_are_refused():
    for name, table, most in (
        ("ci", "liquid", 64),
        ("ci", "solid", 64),
        ("ci", "melting", 64),
        ("full", "melting", 24),
    ):
        chosen_protocol(name, {table: {"replicas": most}})
        with pytest.raises(
            SpecError, match=rf"\[check.{table}\] replicas = {most + 1}: expected at most {most}: each replica"
        ):
            chosen_protocol(name, {table: {"replicas": most + 1}})


REFUSALS = [
    ({"liquid": {"looks": (1165,)}}, r"\[check.liquid\] looks = \(1165,\): expected a positive multiple of 10"),
    ({"liquid": {"looks": (5,)}}, r"\[check.liquid\] looks = \(5,\): "),
    ({"liquid": {"looks": (570, 1160)}}, r"\[check.liquid\] looks = \(570, 1160\): expected at least 580"),
    ({"solid": {"steps": 0}}, r"\[check.solid\] steps = 0: "),
    ({"melting": {"steps": 99}}, r"\[check.melting\] steps = 99: "),
    ({"melting": {"steps": 10}}, r"\[check.melting\] steps = 10: expected at least 20: a drift needs two frames"),
    ({"liquid": {"state_points": ("120K-256",)}}, "no '120K-256' in the reference; there are 95K-256, "),
    ({"liquid": {"state_points": ("20K-solid-256",)}}, "no '20K-solid-256'"),
]


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize(("config", "message"), REFUSALS)
def test_what_cannot_be_run_is_refused_with_the_way_out(config, message, name):
    """Under every protocol: a file that ``ci`` refuses does not get by in ``smoke``."""
    with pytest.raises(SpecError, match=message):
        chosen_protocol(name, config)
