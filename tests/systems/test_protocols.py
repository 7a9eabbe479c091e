"""Lengths of the three protocols, and what a user may change."""

from dataclasses import replace

import pytest

from pytest_mlff.errors import SpecError
from pytest_mlff.systems.protocols import LIQUID_STATES, PROTOCOLS, STARTS, protocol
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")

CI = PROTOCOLS["ci"]


def test_protocols_know_the_state_points_and_the_stride_of_the_system():
    liquids = {state.name for state in ARGON.states if state.phase == "liquid"}
    assert set(LIQUID_STATES) == liquids
    assert protocol("ci", {"solid": {"steps": 290}}).solid_frames * ARGON.frame_stride == 290


@pytest.mark.parametrize("name", PROTOCOLS)
def test_without_changes_a_protocol_is_itself(name):
    assert protocol(name, {}) == PROTOCOLS[name]
    assert PROTOCOLS[name].name == name
    assert list(PROTOCOLS[name].looks) == sorted(set(PROTOCOLS[name].looks))


def test_the_liquid_of_ci_costs_what_its_budget_allows():
    calls = [CI.replicas * (CI.equilibration_steps + look * ARGON.frame_stride) for look in CI.looks]
    assert calls == pytest.approx([11000, 20000], rel=0.03)
    assert [look * ARGON.frame_stride for look in CI.looks] == [1160, 2320]


def test_candidates_equilibrate_two_picoseconds():
    for chosen in PROTOCOLS.values():
        assert chosen.equilibration_steps * ARGON.timestep == pytest.approx(2.0, abs=0.01)


def test_smoke_runs_no_long_trajectory():
    smoke = PROTOCOLS["smoke"]
    assert (smoke.liquid_states, smoke.looks, smoke.solid_frames, smoke.melting) == ((), (), 0, None)
    assert smoke.stability_steps == 250


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
    ({"tolerances": {"diffusion": 0.05}}, {}),
]


@pytest.mark.parametrize(("config", "expected"), CHANGES)
def test_a_user_changes_what_the_configuration_names_and_nothing_else(config, expected):
    assert protocol("ci", config) == replace(CI, **expected)


def test_parity_is_asked_for_in_the_sets_of_the_protocol_only():
    found = protocol("smoke", {"forces": {"configurations": 7}}).parity
    assert found == (("liquid-256", 7), ("solid-256", 7))


def test_lengths_of_runs_that_smoke_lacks_change_nothing():
    tables = {
        "liquid": {"replicas": 4, "looks": (1160,), "state_points": ("95K-256",)},
        "solid": {"replicas": 3, "steps": 500},
        "melting": {"replicas": 4},
    }
    assert protocol("smoke", tables) == PROTOCOLS["smoke"]


def test_more_replicas_than_starts_are_refused():
    for name, table, most in (
        ("ci", "liquid", 64),
        ("ci", "solid", 64),
        ("ci", "melting", 64),
        ("full", "melting", 24),
    ):
        protocol(name, {table: {"replicas": most}})
        with pytest.raises(SpecError, match=rf"{table}.replicas = {most + 1}; expected at most {most}: each replica"):
            protocol(name, {table: {"replicas": most + 1}})


REFUSALS = [
    ({"liquid": {"looks": (1165,)}}, r"liquid.looks = 1165 steps; expected a positive multiple of 10"),
    ({"liquid": {"looks": (5,)}}, "liquid.looks = 5 steps"),
    ({"liquid": {"looks": (570, 1160)}}, "liquid.looks = 570 steps; expected at least 580"),
    ({"solid": {"steps": 0}}, "solid.steps = 0 steps"),
    ({"melting": {"steps": 99}}, "melting.steps = 99 steps"),
    ({"melting": {"steps": 10}}, "melting.steps = 10 steps; expected at least 20: a drift needs two frames"),
    ({"liquid": {"state_points": ("120K-256",)}}, "no '120K-256' in the reference; there are 95K-256, "),
    ({"liquid": {"state_points": ("20K-solid-256",)}}, "no '20K-solid-256'"),
]


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize(("config", "message"), REFUSALS)
def test_what_cannot_be_run_is_refused_with_the_way_out(config, message, name):
    """Under every protocol: a file that ``ci`` refuses does not get by in ``smoke``."""
    with pytest.raises(SpecError, match=message):
        protocol(name, config)
