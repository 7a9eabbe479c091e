"""Trajectories on demand: continued, cached, shared between processes, and exact after whatever happened."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import ase.io
import numpy as np
import pytest

import pytest_mlff
from pytest_mlff.errors import BudgetExhausted, CacheError, ModelError, UnstableError
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.schema import validate_trajectory
from pytest_mlff.simulation import cache, md
from pytest_mlff.simulation.budget import Budget
from pytest_mlff.simulation.cache import CacheWarning
from pytest_mlff.simulation.md import Run, simulate
from pytest_mlff.simulation.meter import NoProgress
from pytest_mlff.systems.reading import load_system
from pytest_mlff.systems.system import Thermostat, as_cell

ARGON = load_system("argon")

STEPS_PER_SEGMENT = 20


@pytest.fixture
def run(small):
    return Run(state=small, seed=5, equilibration_steps=10, segment_frames=2)


def files(root: Path) -> list[Path]:
    """Cached files in the order in which they were written."""
    return sorted(root.rglob("*.npz"), key=lambda path: path.stat().st_mtime_ns)


def position(trajectory) -> np.ndarray:
    return trajectory["position"].values


def test_a_trajectory_is_what_the_schema_says(workshop, plain, run, small, liquid):
    pushed = plain(lambda forces, call: forces + np.array([0.0, 0.01, 0.0]))
    found = simulate(workshop(pushed), run, liquid[:2], n_frames=3)
    validate_trajectory(found)
    assert found["position"].shape == (2, 3, 108, 3)
    assert found["position"].dtype == np.float32
    np.testing.assert_allclose(found["time"], [0.0, 0.1078, 0.2156])
    np.testing.assert_allclose(found["cell"], small.cell)
    assert found["temperature"].dims == found["net_force"].dims == ("replica", "frame")
    assert found["temperature"].attrs["units"] == "K"
    np.testing.assert_allclose(found["net_force"], 1.08, rtol=1e-6)
    assert found.attrs == {"state": "small", "force_calls": 2 * (10 + 30)}


def test_replicas_start_where_they_are_told_with_velocities_of_their_own(workshop, plain, run, liquid):
    at_once = replace(run, equilibration_steps=0)
    same_start = np.stack([liquid[0], liquid[0]])
    found = position(simulate(workshop(plain()), at_once, same_start, n_frames=1))
    assert np.abs(found[0, 0] - liquid[0]).max() < 1.0  # 0.1 ps away
    assert np.abs(found[0] - found[1]).max() > 0.05


@pytest.mark.parametrize("native", [True, False])
def test_continuing_is_one_long_run_bit_by_bit(workshop, plain, run, liquid, native):
    model = ReferenceModel(ARGON) if native else plain()
    long = simulate(workshop(model, folder="long"), run, liquid[:1], n_frames=8)
    grown = workshop(model, folder="grown")
    for frames in (1, 4, 8):
        found = simulate(grown, run, liquid[:1], n_frames=frames)
        np.testing.assert_array_equal(position(found), position(long)[:, :frames])
    np.testing.assert_array_equal(found["temperature"], long["temperature"])


def test_what_is_cached_is_not_computed_again(workshop, plain, run, liquid):
    model = plain()
    shop = workshop(model)
    first = simulate(shop, run, liquid[:2], n_frames=4)
    calls = model.calculator.calls
    assert 2 * 50 <= calls <= 2 * 53
    again = simulate(shop, run, liquid[:2], n_frames=3)
    assert model.calculator.calls == calls
    np.testing.assert_array_equal(position(again), position(first)[:, :3])
    simulate(shop, run, liquid[:2], n_frames=6)
    assert model.calculator.calls - calls <= 2 * (STEPS_PER_SEGMENT + 1)


def test_batched_and_unbatched_models_give_the_same_trajectories(workshop, plain, batched, run, liquid):
    model = batched()
    together = simulate(workshop(model, folder="batched"), run, liquid[:3], n_frames=3)
    alone = simulate(workshop(plain(), folder="plain"), run, liquid[:3], n_frames=3)
    np.testing.assert_allclose(position(together), position(alone), atol=1e-4)
    np.testing.assert_allclose(together["temperature"], alone["temperature"], rtol=1e-4)
    assert together.attrs["force_calls"] == alone.attrs["force_calls"]
    steps = 10 + 2 * STEPS_PER_SEGMENT
    assert steps <= len(model.calculator.sizes) <= steps + 2  # a fresh engine per segment may call once more
    assert set(model.calculator.sizes) == {3}


class Steps(NoProgress):
    """Remembers what was announced and what was done."""

    def __init__(self):
        self.total, self.done, self.finished = 0, 0, 0

    def start(self, label, total, unit="steps"):
        self.label, self.total = label, total

    def advance(self, steps):
        self.done += steps

    skip = advance

    def finish(self):
        self.finished += 1


def test_progress_ends_where_it_said(workshop, plain, run, liquid):
    steps = Steps()
    shop = workshop(plain(), progress=steps)
    simulate(shop, run, liquid[:2], n_frames=3)
    assert (steps.label, steps.total, steps.finished) == ("fake small", 2 * (10 + 40), 1)
    assert steps.done == steps.total
    failing = workshop(plain(lambda forces, call: forces * np.nan), folder="bad", progress=steps)
    with pytest.raises(UnstableError):
        simulate(failing, run, liquid[:1], n_frames=1)
    assert steps.finished == 2


CHANGES = {
    "fingerprint": lambda shop, run, starts: (
        replace(
            shop, model=ReferenceModel(replace(ARGON, reference="pytest_mlff.potentials:lennard_jones(epsilon=0.011)"))
        ),
        run,
        starts,
    ),
    "system": lambda shop, run, starts: (
        replace(shop, system=replace(ARGON, thermostat=Thermostat(collision_rate=1.0))),
        run,
        starts,
    ),
    "temperature": lambda shop, run, starts: (
        shop,
        replace(run, state=replace(run.state, temperature=101.0)),
        starts,
    ),
    "box": lambda shop, run, starts: (shop, replace(run, state=replace(run.state, cell=as_cell([18.0] * 3))), starts),
    "seed": lambda shop, run, starts: (shop, replace(run, seed=6), starts),
    "equilibration": lambda shop, run, starts: (shop, replace(run, equilibration_steps=20), starts),
    "segments": lambda shop, run, starts: (shop, replace(run, segment_frames=3), starts),
    "starts": lambda shop, run, starts: (shop, run, starts + 0.01),
}


def key_of(shop, run, starts) -> str:
    return md._groups(shop, run, starts)[0].key(0)


@pytest.mark.parametrize("change", CHANGES)
def test_the_key_changes_with_whatever_changes_the_trajectory(workshop, run, liquid, change):
    before = (workshop(ReferenceModel(ARGON)), run, liquid[:1])
    assert key_of(*before) == key_of(*before)
    assert key_of(*CHANGES[change](*before)) != key_of(*before)


def test_the_key_changes_with_the_engine_the_package_and_openmm(workshop, run, liquid, monkeypatch):
    asked = (workshop(ReferenceModel(ARGON)), run, liquid[:1])
    keys = [key_of(*asked)]
    monkeypatch.setattr(md, "ENGINE_VERSION", md.ENGINE_VERSION + 1)
    keys.append(key_of(*asked))
    monkeypatch.setattr(pytest_mlff, "__version__", "0.0.0.test")
    keys.append(key_of(*asked))
    monkeypatch.setattr(md, "version", lambda name: f"{name} 0.0.0.test")
    keys.append(key_of(*asked))
    assert len(set(keys)) == 4


def test_each_replica_and_segment_has_its_own_key(workshop, run, liquid):
    groups = md._groups(workshop(ReferenceModel(ARGON)), run, np.stack([liquid[0]] * 3))
    keys = {group.key(segment) for group in groups for segment in (-1, 0, 1)}
    assert len(keys) == 9


def test_the_velocities_of_a_replica_alone_are_those_its_key_says(workshop, run, liquid):
    for group in md._groups(workshop(ReferenceModel(ARGON)), run, liquid[:3]):
        assert group.seeds == [group.seed] == [group.parts["seed"]]


def flip(path: Path, where: int) -> None:
    blob = bytearray(path.read_bytes())
    blob[where] ^= 1
    path.write_bytes(bytes(blob))


@pytest.mark.parametrize("segment", [0, 1, 2])
def test_a_flipped_byte_is_noticed_and_mended(workshop, plain, run, liquid, segment):
    model = plain()
    shop = workshop(model)
    good = simulate(shop, run, liquid[:1], n_frames=6)
    spoilt = files(shop.cache.root)[segment]
    flip(spoilt, spoilt.stat().st_size // 2)
    calls = model.calculator.calls
    with pytest.warns(CacheWarning, match=f"{spoilt.stem}.npz fails its checksum: set aside as .*damaged"):
        again = simulate(shop, run, liquid[:1], n_frames=6)
    np.testing.assert_array_equal(position(again), position(good))
    assert model.calculator.calls - calls <= STEPS_PER_SEGMENT + 11  # that segment only
    assert spoilt.exists()
    simulate(shop, run, liquid[:1], n_frames=6)  # and it stays mended: no further warning


@pytest.mark.parametrize("wrong", [{"x": np.arange(3)}, {"position": np.zeros((1, 3, 108, 3))}])
def test_a_segment_of_something_else_is_set_aside_by_name(workshop, plain, run, liquid, wrong):
    shop = workshop(plain())
    good = simulate(shop, run, liquid[:1], n_frames=2)
    (path,) = files(shop.cache.root)
    shop.cache.save(path.stem, wrong)
    shop.cache.save_part(path.stem, {"done": np.array(5)} | wrong)
    with pytest.warns(CacheWarning) as warned:
        again = simulate(shop, run, liquid[:1], n_frames=2)
    assert {str(one.message).split()[2] for one in warned} == {path.name, f"{path.stem}.partial"}
    np.testing.assert_array_equal(position(again), position(good))


def test_a_file_in_place_of_the_cache_directory_is_refused(workshop, plain, tmp_path):
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(CacheError, match=r"cache directory .*cache: .*--mlff-cache-dir"):
        workshop(plain())


def no_space(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_full_disk_is_a_clear_error_and_leaves_nothing_half_written(
    workshop, plain, run, liquid, monkeypatch, function
):
    shop = workshop(plain())
    good = simulate(shop, run, liquid[:1], n_frames=2)
    with monkeypatch.context() as patch:
        patch.setattr(cache.os, function, no_space)
        with pytest.raises(CacheError, match=r"No space left on device; free space there .*--mlff-cache-dir"):
            simulate(shop, run, liquid[:1], n_frames=4)
    assert len(files(shop.cache.root)) == 1
    assert not list(shop.cache.root.rglob("*.part"))
    np.testing.assert_array_equal(position(simulate(shop, run, liquid[:1], n_frames=4))[:, :2], position(good))


def parts(root: Path) -> list[Path]:
    return list(root.rglob("*.partial"))


# 10 steps of equilibration, frames every 10 steps, 2 frames in a segment
@pytest.mark.parametrize("seconds", [4, 11, 17, 20, 34])
@pytest.mark.parametrize("kind", ["plain", "batched"])
def test_a_spent_budget_ends_a_run_at_any_step_and_nothing_is_lost(request, workshop, run, liquid, kind, seconds):
    model = request.getfixturevalue(kind)()
    now = [0.0]

    def tick(forces, call):
        now[0] += 1.0  # a second per force call
        return forces

    model.calculator.alter = tick
    shop = workshop(model, budget=Budget(float(seconds), clock=lambda: now[0]))
    starts = liquid[: 2 if kind == "batched" else 1]
    with pytest.raises(BudgetExhausted, match=f"of {seconds} s was spent before step {seconds + 1} at small"):
        simulate(shop, run, starts, n_frames=6)
    assert now[0] == seconds  # not one call later
    assert len(parts(shop.cache.root)) == 1
    rest = simulate(workshop(model), run, starts, n_frames=6)
    assert now[0] <= 70 + 4  # in all; an engine may begin with a call more
    assert not parts(shop.cache.root)
    whole = simulate(workshop(request.getfixturevalue(kind)(), folder="whole"), run, starts, n_frames=6)
    for name in ("position", "temperature", "net_force"):
        np.testing.assert_array_equal(rest[name], whole[name])
    again = simulate(shop, run, starts, n_frames=6)  # what is there may be read after the end
    np.testing.assert_array_equal(position(again), position(rest))


def test_a_native_run_keeps_its_boundaries(workshop, run, liquid):
    now = iter(range(1000))
    shop = workshop(ReferenceModel(ARGON), budget=Budget(6.0, clock=lambda: float(next(now))))
    with pytest.raises(BudgetExhausted, match=r"before step \d1 at small"):
        simulate(shop, run, liquid[:1], n_frames=100)
    assert not parts(shop.cache.root)


def test_work_is_kept_from_time_to_time(workshop, plain, run, liquid, monkeypatch):
    """Never later than said, and never so often that it costs."""
    model, now, kept = plain(), [0.0], []
    monkeypatch.setattr(md.time, "monotonic", lambda: now[0])

    def tick(forces, call):
        now[0] += 7.0
        return forces

    model.calculator.alter = tick
    shop = workshop(model)
    monkeypatch.setattr(shop.cache, "save_part", lambda key, arrays: kept.append((now[0], int(arrays["done"]))))
    simulate(shop, run, liquid[:1], n_frames=4)
    times = [0.0] + [moment for moment, _ in kept]
    assert md.CHECKPOINT_S == 60.0
    assert all(49.0 <= later - earlier <= 60.0 for earlier, later in pairwise(times[:4]))
    assert [done for _, done in kept[:3]] == [8, 16, 24]


@pytest.mark.parametrize("frame", [1, 2, 3])
def test_the_last_sane_frame_is_kept_as_extended_xyz(workshop, plain, run, small, liquid, frame):
    """Also where a segment has just begun."""
    step = 10 * (frame + 1) + 3

    def spoil(forces, call):
        return forces if call < step + 1 else forces * np.nan

    shop = workshop(plain(spoil))
    message = rf"between step {step} and {step + 1} .*; last sane frame: .*\.xyz"
    with pytest.raises(UnstableError, match=message) as caught:
        simulate(shop, run, liquid[:1], n_frames=8)
    atoms = ase.io.read(str(caught.value).split("last sane frame: ")[1])
    assert atoms.get_chemical_symbols() == ["Ar"] * 108
    np.testing.assert_allclose(atoms.cell.array, small.cell)
    np.testing.assert_allclose(atoms.positions, caught.value.last_sane, atol=1e-7)
    good = simulate(workshop(plain(), folder="good"), run, liquid[:1], n_frames=3)
    np.testing.assert_allclose(atoms.positions, position(good)[0, frame - 1], atol=1e-4)
    assert len(files(shop.cache.root)) == frame // 2  # the whole segments before it


def test_the_last_sane_frame_outlives_a_cache_of_this_run(workshop, plain, run, liquid, tmp_path):
    shop = replace(workshop(plain(lambda forces, call: forces * np.nan)), keep=tmp_path / "kept")
    with pytest.raises(UnstableError) as caught:
        simulate(shop, run, liquid[:1], n_frames=1)
    path = Path(str(caught.value).split("last sane frame: ")[1])
    assert path.parent == tmp_path / "kept" / "unstable"
    assert len(ase.io.read(path)) == 108


def test_a_full_disk_does_not_hide_that_the_model_is_unstable(workshop, plain, run, liquid, monkeypatch):
    shop = workshop(plain(lambda forces, call: forces * np.nan))
    monkeypatch.setattr(cache.os, "replace", no_space)
    with pytest.raises(UnstableError, match="forces are not finite"):
        simulate(shop, run, liquid[:1], n_frames=1)


def test_a_calculator_that_raises_leaves_its_lock_open(workshop, plain, run, liquid):
    def fail(forces, call):
        if call == 5:
            raise ValueError("once")
        return forces

    shop = workshop(plain(fail))
    with pytest.raises(ModelError) as caught:
        simulate(shop, run, liquid[:1], n_frames=2)
    assert isinstance(caught.value.__cause__, ValueError)
    assert simulate(shop, run, liquid[:1], n_frames=2).sizes["frame"] == 2


SCRIPT = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from pytest_mlff.potentials import lennard_jones
from pytest_mlff.simulation import md
from pytest_mlff.simulation.cache import Cache
from pytest_mlff.simulation.md import Run, Workshop, simulate
from pytest_mlff.simulation.meter import Meter
from pytest_mlff.systems.reading import load_system
from pytest_mlff.systems.system import State, as_cell

root, starts_file, log, pause, n_frames, md.CHECKPOINT_S = *sys.argv[1:-1], float(sys.argv[-1])
potential, calls = lennard_jones(), 0

def get_forces(atoms):
    global calls
    calls += 1
    with open(log + ".calls", "a") as file:
        file.write(f"{calls}\\n")
    time.sleep(float(pause))
    return potential.get_forces(atoms)

starts = np.load(starts_file)
model = SimpleNamespace(
    name="fake", fingerprint="fake", repeatable=True, calculator=SimpleNamespace(get_forces=get_forces)
)
edge = 3.4 * (108 / 0.76) ** (1 / 3)
state = State(name="small", phase="liquid", temperature=100.0, numbers=(18,) * 108, cell=as_cell([edge] * 3))
run = Run(state=state, seed=5, equilibration_steps=10, segment_frames=2)
workshop = Workshop(model, load_system("argon"), Cache(Path(root)), Meter())
Path(log + ".ready").touch()
while not Path(starts_file).with_suffix(".go").exists():
    time.sleep(0.002)
found = simulate(workshop, run, starts, n_frames=int(n_frames))
np.save(log + ".npy", found["position"].values)
Path(log).write_text(str(calls))
"""


@pytest.fixture
def process(tmp_path, liquid):
    """Start the run of :data:`SCRIPT` in another process."""

    def start(
        log: Path, *, replicas: int, pause: float, n_frames: int, checkpoint: float = 60.0
    ) -> subprocess.Popen[bytes]:
        np.save(tmp_path / "starts.npy", liquid[:replicas])
        paths = [str(tmp_path / "cache"), str(tmp_path / "starts.npy"), str(log)]
        return subprocess.Popen([sys.executable, "-c", SCRIPT, *paths, str(pause), str(n_frames), str(checkpoint)])

    return start


def wait_for(condition, *, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_run_goes_on_and_loses_at_most_what_it_says(tmp_path, process, workshop, plain, run, liquid, seed):
    root, log = tmp_path / "cache", tmp_path / "log"
    victim = process(log, replicas=1, pause=0.01, n_frames=12, checkpoint=0.1)
    wait_for(log.with_suffix(".ready").exists)
    (tmp_path / "starts.go").touch()
    wait_for(lambda: len(files(root)) >= 1)
    time.sleep(float(np.random.default_rng(seed).uniform(0.0, 0.4)))
    victim.send_signal(signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL
    lines = log.with_suffix(".calls").read_text().splitlines()
    model = plain()
    rest = simulate(workshop(model), run, liquid[:1], n_frames=12)
    # a call takes 10 ms and more, and each new engine makes one that is no step
    lost = len(lines) + model.calculator.calls - (10 + 12 * 10) - len(files(root)) - 1
    assert lost <= 0.1 / 0.01 + 1
    whole = simulate(workshop(plain(), folder="whole"), run, liquid[:1], n_frames=12)
    np.testing.assert_array_equal(position(rest), position(whole))


def test_two_processes_compute_each_segment_once(tmp_path, process):
    logs = [tmp_path / "a", tmp_path / "b"]
    workers = [process(log, replicas=4, pause=0.004, n_frames=6) for log in logs]
    wait_for(lambda: all(log.with_suffix(".ready").exists() for log in logs))
    (tmp_path / "starts.go").touch()
    assert [worker.wait(60) for worker in workers] == [0, 0]
    calls = [int(log.read_text()) for log in logs]
    segments = 4 * 3
    assert 4 * 70 <= sum(calls) <= 4 * 70 + segments
    assert min(calls) > 0  # they shared the replicas between them
    assert len(files(tmp_path / "cache")) == segments
    np.testing.assert_array_equal(*(np.load(f"{log}.npy") for log in logs))
