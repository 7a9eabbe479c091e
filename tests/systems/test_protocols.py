"""Lengths of the three protocols."""

import pytest

from pytest_mlff.apparatus.lengths import STRIDE
from pytest_mlff.gate.catalogue import chosen_protocol
from pytest_mlff.systems.protocols import LIQUID_STATES, PROTOCOLS, STATE_ATOMS
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")

CI = PROTOCOLS["ci"]


def test_protocols_know_the_state_points_and_the_stride_of_the_system():
    liquids = {state.name for state in ARGON.states if state.phase == "liquid"}
    assert set(LIQUID_STATES) == liquids
    assert STRIDE == ARGON.frame_stride
    assert all(ARGON.state(name).n_atoms == atoms for name, atoms in STATE_ATOMS.items())


@pytest.mark.parametrize("name", PROTOCOLS)
def test_without_changes_a_protocol_is_itself(name):
    assert chosen_protocol(name, {}) == PROTOCOLS[name]
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
