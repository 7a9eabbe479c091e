"""Building the reference data: parts, picks, files; small and short, but through the same functions."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from pytest_mlff.errors import ReferenceDataError
from pytest_mlff.reference import build as module
from pytest_mlff.reference import parts, runs
from pytest_mlff.reference.build import build
from pytest_mlff.reference.data import CONFIGURATIONS, MANIFEST, OBSERVABLES, Reference
from pytest_mlff.reference.observables import estimate
from pytest_mlff.reference.pressure import pressure_dataset
from pytest_mlff.reference.runs import PLANS, Plan, reference_trajectory
from pytest_mlff.schema import Estimate, trajectory_dataset
from pytest_mlff.simulation import md
from pytest_mlff.systems.reading import load_system
from pytest_mlff.systems.system import as_cell

ARGON = load_system("argon")


def numbered(replicas: int, frames: int) -> xr.Dataset:
    """A trajectory whose positions say where they were taken from: (replica, frame, 0)."""
    position = np.zeros((replicas, frames, 2, 3))
    position[..., 0] = np.arange(replicas)[:, None, None]
    position[..., 1] = np.arange(frames)[None, :, None]
    return trajectory_dataset(position, 1000.0 * np.eye(3), 0.1)


@pytest.mark.parametrize(
    ("replicas", "frames", "count", "offset"), [(64, 928, 64, 0), (64, 928, 334, 7), (8, 1392, 64, 0), (5, 232, 100, 1)]
)
def test_picks_are_different_and_far_apart(replicas, frames, count, offset):
    picked = parts._spread(numbered(replicas, frames), count, offset=offset)[:, 0, :2].astype(int)
    assert len(picked) == count
    assert len({tuple(pick) for pick in picked}) == count
    assert picked.min() >= 0
    for replica in range(replicas):
        when = np.sort(picked[picked[:, 0] == replica, 1])
        assert (np.diff(when) >= frames // (count / replicas + 1)).all()
    assert picked[0].tolist() == [0, frames - 1 - offset]


def test_picks_with_an_offset_are_held_out():
    shipped = {key: plan for key, plan in PLANS.items() if key != ("solid", 4000)}  # of that no starts
    for (phase, atoms), plan in shipped.items():
        trajectory = numbered(plan.replicas, plan.frames)
        starts = parts._spread(trajectory, parts.STARTS)
        count = -(-parts.PARITY_COUNTS[atoms] // (3 if phase == "liquid" else 1))
        parity = parts._spread(trajectory, count, offset=plan.frames // 128)
        known = {tuple(pick) for pick in starts[:, 0, :2]}
        assert len(parity) == count
        assert not known & {tuple(pick) for pick in parity[:, 0, :2]}


def test_sets_of_several_cells_alternate():
    states = [replace(ARGON.states[0], numbers=(18, 18), cell=as_cell([10.0 + which] * 3)) for which in range(2)]
    sets = [(np.full((3, 2, 3), 1.0 + which), state) for which, state in enumerate(states)]
    found = parts._interleaved(sets, 5)
    assert found["cell"].values[:, 0, 0].tolist() == [10.0, 11.0, 10.0, 11.0, 10.0]
    back = found["fraction"].values[:, 0, 0] / 65536 * found["cell"].values[:, 0, 0]
    np.testing.assert_allclose(back, [1.0, 2.0, 1.0, 2.0, 1.0], atol=1e-3)


def test_parts_are_all_states_but_the_one_for_parity_alone():
    names = parts.part_names(ARGON)
    assert "20K-solid-4000" not in names
    assert {state.name for state in ARGON.states} - set(names) == {"20K-solid-4000"}
    assert {"parity", "crystal", "probe", "melting", "pressure"} <= set(names)
    with pytest.raises(ReferenceDataError, match="no part 'glass' of the reference; there are 95K-256, "):
        parts.measured_part(SimpleNamespace(system=ARGON), "glass")


SHORT = Plan(replicas=2, equilibration_steps=20, frames=8)


@pytest.fixture
def short(monkeypatch):
    """Plans of a few steps for the crystal of 256 atoms."""
    for table in (runs.PLANS, parts.PLANS, module.PLANS):
        monkeypatch.setitem(table, ("solid", 256), SHORT)
    monkeypatch.setattr(md.Run, "__init__", short_segments(md.Run.__init__))
    monkeypatch.setattr(parts, "STARTS", 4)


def short_segments(init):
    def patched(self, **kwargs):
        init(self, **{"segment_frames": 4, **kwargs})

    return patched


@pytest.fixture
def empty(tmp_path):
    """Reference data that hold nothing but one observable and one configuration."""
    number = xr.Dataset({"S": ((), 1.0, {"units": "1"}), "S_stderr": ((), 0.0, {"units": "1"})})
    probe = parts.packed(np.ones((1, 2, 3)), [18, 18], 10.0 * np.eye(3))
    groups = {OBSERVABLES: {"crystal-864/symmetry": number}, CONFIGURATIONS: {"probe/liquid": probe}}
    module._write(tmp_path / "data", groups, ARGON)
    return tmp_path


def test_one_part_is_rebuilt_and_the_others_are_kept(short, empty):
    state = "20K-solid-256"
    build("argon", empty / "data", cache_dir=empty / "cache", only=state)
    reference = Reference(empty / "data")
    assert set(reference.observables) == {"crystal-864/symmetry", f"{state}/rdf"}
    g = reference.observable(state, "rdf")
    assert g.attrs["replicas"] == 2
    assert not [name for name in g.data_vars if "replica" in g[name].dims]
    starts = reference.configurations(f"start/{state}")
    assert starts.positions.shape == (4, 256, 3)
    np.testing.assert_allclose(starts.cells[0], ARGON.state(state).cell)
    manifest = json.loads((empty / "data" / MANIFEST).read_text())
    assert manifest["plans"]["solid-256"] == {"replicas": 2, "equilibration_steps": 20, "frames": 8}
    before = reference.version
    build("argon", empty / "data", cache_dir=empty / "cache", only=state)
    assert Reference(empty / "data").version == before  # the same runs give the same bytes


def test_a_part_of_its_own_file_leaves_the_others_as_they_are(empty, monkeypatch):
    """So that what was measured with them keeps its version."""
    before, old = Reference(empty / "data"), {}
    for name in (OBSERVABLES, CONFIGURATIONS):
        old[name] = (empty / "data" / name).read_bytes()
    pair = Estimate(1e-4, 1e-6, 7.0), Estimate(2e-3, 1e-4, 7.0)

    def one_state(workshop):
        yield "100K-256/pressure", pressure_dataset(*pair)

    monkeypatch.setitem(parts._PARTS, "pressure", one_state)
    monkeypatch.setattr(module, "_netcdf", only_pressures(module._netcdf))
    build("argon", empty / "data", cache_dir=empty / "cache", only="pressure")
    after = Reference(empty / "data")
    assert {name: (empty / "data" / name).read_bytes() for name in old} == old
    assert after.version != before.version
    assert after.contains == {before.version, after.version}
    assert before.contains == {before.version}
    stored = after.observable("100K-256", "pressure")
    for name, wanted in zip(("pressure", "bulk_modulus"), pair, strict=True):
        assert estimate(stored, name) == wanted
    assert set(after.observables) == {"crystal-864/symmetry", "100K-256/pressure"}
    build("argon", empty / "data", cache_dir=empty / "cache", only="pressure")
    assert Reference(empty / "data").version == after.version


def only_pressures(write):
    def patched(groups):
        assert all(key.endswith("/pressure") for key in groups)
        return write(groups)

    return patched


def test_the_manifest_says_which_part_was_built_when_and_with_what(short, empty, monkeypatch):
    first = json.loads((empty / "data" / MANIFEST).read_text())
    assert "rebuilt" not in first
    monkeypatch.setattr(module, "version", lambda name: "7.7.7")
    build("argon", empty / "data", cache_dir=empty / "cache", only="20K-solid-256")
    again = json.loads((empty / "data" / MANIFEST).read_text())
    for name in ("command", "created", "versions", "python"):
        assert again[name] == first[name]
    (part,) = again["rebuilt"].values()
    assert set(again["rebuilt"]) == {"20K-solid-256"}
    assert part["command"] == "pytest-mlff reference build argon --only 20K-solid-256"
    assert set(part["versions"].values()) == {"7.7.7"}


def test_a_part_that_is_none_is_refused_and_nothing_is_written(empty):
    before = Reference(empty / "data").version
    with pytest.raises(ReferenceDataError, match="no part 'glass'"):
        build("argon", empty / "data", cache_dir=empty / "cache", only="glass")
    assert Reference(empty / "data").version == before


def test_a_liquid_starts_from_different_melts(tmp_path, monkeypatch):
    """Melted at 300 K: by then the lattice is forgotten and the replicas differ."""
    monkeypatch.setattr(md.Run, "__init__", short_segments(md.Run.__init__))
    monkeypatch.setattr(runs, "MELT_SPACING", 10)
    workshop, state = parts.make_workshop(tmp_path, ARGON), ARGON.state("100K-256")
    starts = runs._melt(workshop, state, 2)
    assert starts.shape == (2, 256, 3)
    lattice = ARGON.lattice(state).positions
    for start in starts:
        moved = np.linalg.norm(start - lattice, axis=1)
        assert np.sqrt(np.mean(moved**2)) > 0.5 * state.cell[0][0] / 4 / np.sqrt(2)
    assert np.abs(starts[0] - starts[1]).max() > 2.0


def test_a_crystal_starts_from_its_lattice(tmp_path, monkeypatch):
    monkeypatch.setattr(md.Run, "__init__", short_segments(md.Run.__init__))
    workshop, state = parts.make_workshop(tmp_path, ARGON), ARGON.state("20K-solid-256")
    found = reference_trajectory(workshop, state, replace(SHORT, frames=4))
    assert found["position"].shape == (2, 4, 256, 3)
    moved = found["position"].values - ARGON.lattice(state).positions
    assert 0.05 < np.sqrt(np.mean(moved**2)) < 0.3  # thermal motion at 20 K


def test_helper_processes_end_with_the_build(tmp_path, monkeypatch):
    started = []

    class Helper:
        def __init__(self, command):
            self.command, self.ended = command, []
            started.append(self)

        def terminate(self):
            self.ended.append("terminate")

        def wait(self):
            self.ended.append("wait")

    monkeypatch.setattr(module.subprocess, "Popen", Helper)
    monkeypatch.setattr(module, "run_trajectories", lambda system, cache_dir, names: None)
    module._run_in_parallel("argon", tmp_path, ["a", "b"], 3)
    assert [helper.ended for helper in started] == [["wait"], ["wait"]]
    assert started[0].command[-2:] == ["b", "a"]  # from the other end

    def fail(system, cache_dir, names):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "run_trajectories", fail)
    with pytest.raises(KeyboardInterrupt):
        module._run_in_parallel("argon", tmp_path, ["a"], 2)
    assert started[-1].ended == ["terminate", "wait"]
