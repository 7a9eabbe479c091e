"""Trajectories on demand: in segments, each cached under its content, each computed by one process only.

:func:`simulate` is the door. A trajectory that was run before is read; one that was interrupted goes on after
its last checkpoint; a longer one continues the shorter. Under xdist the workers share the replicas of one
state point between them through the locks of the cache.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import Timeout

import pytest_mlff
from pytest_mlff.errors import CacheError, UnstableError
from pytest_mlff.schema import Model, trajectory_dataset
from pytest_mlff.simulation.cache import Cache, content_key, write_atomically
from pytest_mlff.simulation.engine import Engine
from pytest_mlff.simulation.forces import ModelForces
from pytest_mlff.simulation.frames import Frames, Stretch
from pytest_mlff.simulation.locks import Wait
from pytest_mlff.simulation.meter import Meter
from pytest_mlff.simulation.surroundings import surroundings_of
from pytest_mlff.systems.atoms import extended_xyz, make_atoms
from pytest_mlff.systems.structure import Structure
from pytest_mlff.systems.system import State, System

if TYPE_CHECKING:
    import xarray as xr

SEGMENT_FRAMES = 58
"""Frames per cached segment, 580 steps of argon: what a killed run of a native force can lose."""
CHECKPOINT_S = 60.0
"""Longest work in s that a killed run loses, or one force call, where the forces come from Python."""
ENGINE_VERSION = 1
"""Raised when the engine changes so that trajectories do."""


def engine_identity() -> dict[str, Any]:
    """Say which code makes trajectories: part of the key of everything that holds one.

    Returns
    -------
    dict
        Versions of the engine, of this package and of OpenMM. A run never goes on from the state of another version.
    """
    return {"engine": ENGINE_VERSION, "version": pytest_mlff.__version__, "openmm": version("openmm")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run, described by plain data: any process can execute it.

    Attributes
    ----------
    state : State
        Where.
    seed : int
        Of velocities.
    equilibration_steps : int
        Steps before the first frame.
    segment_frames : int
        Frames per cached segment.
    """

    state: State
    seed: int
    equilibration_steps: int
    segment_frames: int = SEGMENT_FRAMES


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every simulation of one model needs beside the run itself.

    Attributes
    ----------
    model : Model
        The candidate.
    system : System
        The material.
    cache : Cache
        Where trajectories are kept.
    meter : Meter
        What every force call passes: budget, progress.
    keep : Path or None
        Folder of what the user reads after the run, in ``unstable``; by default that of the cache, which may be
        gone by then.
    """

    model: Model
    system: System
    cache: Cache
    meter: Meter
    keep: Path | None = None


def simulate(workshop: Workshop, run: Run, starts: np.ndarray, *, n_frames: int) -> xr.Dataset:
    """Trajectory of all replicas, from the cache as far as it is there.

    Parameters
    ----------
    workshop : Workshop
        Model, system, cache and meter.
    run : Run
        State point, seed and equilibration.
    starts : ndarray, shape (replica, atom, xyz)
        Start configurations in Å.
    n_frames : int
        Frames wanted; a later call for more continues the same trajectories.

    Returns
    -------
    xr.Dataset
        A trajectory (``schema``) with ``temperature`` (replica, frame) in K and ``net_force`` (replica,
        frame) in eV/Å beside it, and ``force_calls`` (of all replicas, cached or not) in its attributes.

    Raises
    ------
    UnstableError, ModelError, BudgetExhausted, CacheError
        As their descriptions say.
    """
    groups = _groups(workshop, run, starts)
    segments = -(-n_frames // run.segment_frames)
    stride = workshop.system.frame_stride
    per_replica = run.equilibration_steps + segments * run.segment_frames * stride
    label = f"{workshop.model.name} {run.state.name}"
    with surroundings_of(workshop.model).around(), workshop.meter.task(label, per_replica * len(starts), unit="steps"):
        done = _complete_all(groups, segments)
    merged = {
        name: np.concatenate(
            [np.concatenate([part[name] for part in done[index]], axis=1) for index in range(len(groups))]
        )[:, :n_frames]
        for name in _ARRAYS
    }
    trajectory = trajectory_dataset(
        merged["position"],
        np.array(run.state.cell),
        workshop.system.frame_interval,
        numbers=run.state.numbers,
        masses=workshop.system.masses_of(run.state.numbers),
        state=run.state.name,
        force_calls=len(starts) * (run.equilibration_steps + n_frames * stride),
    )
    trajectory["temperature"] = (("replica", "frame"), merged["temperature"], {"units": "K"})
    trajectory["net_force"] = (("replica", "frame"), merged["net_force"], {"units": "eV/Å"})
    return trajectory


def _groups(workshop: Workshop, run: Run, starts: np.ndarray) -> list[_Group]:
    batched = ModelForces(workshop.model, workshop.system, run.state.numbers, run.state.cell).batched
    members = [list(range(len(starts)))] if batched else [[replica] for replica in range(len(starts))]
    return [_Group(workshop, run, starts[group], group) for group in members]


def _complete_all(groups: list[_Group], segments: int) -> dict[int, list[dict[str, np.ndarray]]]:
    """Complete the groups, leaving to other processes those they are at, until all are there."""
    done: dict[int, list[dict[str, np.ndarray]]] = {}
    wait = Wait(groups[0].workshop.meter)
    while len(done) < len(groups):
        before, busy = len(done), groups[0]
        for index, group in enumerate(groups):
            if index in done:
                continue
            found = group.kept(segments)
            if found is None:
                try:
                    with group.lock():
                        found = list(group.complete(segments))
                except Timeout:
                    busy = group
                    continue
            done[index] = found
        if len(done) == before:
            wait.pause(busy.workshop.cache.holder(busy.key(-1)))
    wait.over()
    return done


def _seed(run: Run, members: list[int]) -> int:
    return int(np.random.SeedSequence([run.seed, *members]).generate_state(1)[0])


class _Group:
    """Replicas that share one engine: one of them, or all for a batched model."""

    def __init__(self, workshop: Workshop, run: Run, starts: np.ndarray, members: list[int]) -> None:
        self.workshop, self.run, self.starts = workshop, run, starts
        self.seed = _seed(run, members)
        self.seeds = [_seed(run, [member]) for member in members]  # batched or not, a replica has its own
        described = asdict(run)
        segment_frames = described.pop("segment_frames")
        self.parts: dict[str, Any] = {
            "kind": "trajectory",
            **engine_identity(),
            "model": workshop.model.fingerprint,
            "system": workshop.system.identity,
            "run": described,
            "seed": self.seed,
            "starts": content_key({"positions": np.round(starts, 4).tolist()}),
            "segment_frames": segment_frames,
        }

    def key(self, segment: int) -> str:
        return content_key({**self.parts, "segment": segment})

    def lock(self) -> AbstractContextManager[None]:
        return self.workshop.cache.lock(self.key(-1))

    def kept(self, segments: int) -> list[dict[str, np.ndarray]] | None:
        """Read the first ``segments`` segments if all are there: that takes no lock."""
        cache = self.workshop.cache
        if not all(cache.path(self.key(segment)).exists() for segment in range(segments)):
            return None
        found = [cache.load(self.key(segment), self._fits) for segment in range(segments)]
        if any(one is None for one in found):
            return None
        for segment in range(segments):
            self.workshop.meter.skip(self._steps(segment) * len(self.starts))
        return [_arrays(one) for one in found if one is not None]

    def complete(self, segments: int) -> Iterator[dict[str, np.ndarray]]:
        """Yield the first ``segments`` segments, computing those that are not there.

        Every segment gets a fresh engine: what OpenMM remembers beyond its state (neighbour lists) would make
        an interrupted run differ from an uninterrupted one, in the last digit and soon in every digit.
        """
        previous: dict[str, np.ndarray] | None = None
        for segment in range(segments):
            found = self.workshop.cache.load(self.key(segment), self._fits)
            if found is None:
                found = self._compute(segment, previous)
                self.workshop.cache.save(self.key(segment), found)
                self.workshop.cache.drop_part(self.key(segment))
            else:
                self.workshop.meter.skip(self._steps(segment) * len(self.starts))
            previous = found
            yield _arrays(found)

    def _fits(self, arrays: Mapping[str, np.ndarray], n_frames: int | None = None) -> bool:
        """Whether arrays are a segment of these replicas."""
        shape = (len(self.starts), self.run.segment_frames if n_frames is None else n_frames)
        shapes = {name: shape for name in _ARRAYS} | {"position": (*shape, *self.starts.shape[1:])}
        return "checkpoint" in arrays and all(
            name in arrays and arrays[name].shape == wanted for name, wanted in shapes.items()
        )

    def _fits_part(self, arrays: Mapping[str, np.ndarray]) -> bool:
        """Whether arrays are the beginning of one."""
        frames = arrays["temperature"].shape[-1] if "temperature" in arrays else 0
        return "done" in arrays and frames < self.run.segment_frames and self._fits(arrays, frames)

    def _equilibration(self, segment: int) -> int:
        return self.run.equilibration_steps if segment == 0 else 0

    def _steps(self, segment: int) -> int:
        return self._equilibration(segment) + self.run.segment_frames * self.workshop.system.frame_stride

    def _compute(self, segment: int, previous: dict[str, np.ndarray] | None) -> dict[str, np.ndarray]:
        work = self.workshop
        first = sum(self._steps(before) for before in range(segment))
        work.meter.check(f"step {first + 1} at {self.run.state.name}")
        engine = Engine(work.model, work.system, self.run.state, seeds=self.seeds, meter=work.meter)
        stretch = engine.stretch(self._equilibration(segment), self.run.segment_frames)
        part = None if engine.native else work.cache.load_part(self.key(segment), self._fits_part)
        try:
            if part is not None:
                _take_up(stretch, part)
                work.meter.skip(stretch.done * len(self.starts))
                engine.restore(_unpacked(part), first + stretch.done)
            elif previous is not None:
                engine.restore(_unpacked(previous), first)
            else:
                engine.start(self.starts)
            self._step_through(engine, stretch, segment)
        except UnstableError as error:
            raise self._keep_last_sane(error) from error.__cause__
        return _packed(engine, stretch.frames)

    def _step_through(self, engine: Engine, stretch: Stretch, segment: int) -> None:
        """Take the steps; what is done is kept from time to time, and when the budget ends."""
        meter, began = self.workshop.meter, time.monotonic()
        saved = began
        for block in engine.take(stretch):
            meter.advance(block * len(self.starts))
            now, spent = time.monotonic(), meter.budget.spent
            if stretch.done == self._steps(segment):
                return
            # one more step like this one must not make it late
            if not engine.native and (spent or now + (now - began) - saved >= CHECKPOINT_S):
                self._keep_part(engine, stretch, segment)
                saved = now
            meter.check(f"step {engine.steps_done + 1} at {self.run.state.name}")
            began = time.monotonic()

    def _keep_part(self, engine: Engine, stretch: Stretch, segment: int) -> None:
        n_frames = max(0, (stretch.done - stretch.equilibration) // self.workshop.system.frame_stride)
        frames = stretch.frames
        so_far = Frames(*(array[:, :n_frames] for array in (frames.position, frames.temperature, frames.net_force)))
        part = _packed(engine, so_far) | {"done": np.array(stretch.done)}
        self.workshop.cache.save_part(self.key(segment), part)

    def _keep_last_sane(self, error: UnstableError) -> UnstableError:
        """Save the last sane frame; the same error, with its place."""
        if error.last_sane is None:
            return error
        path = (self.workshop.keep or self.workshop.cache.root) / "unstable" / f"{self.key(0)}.xyz"
        try:
            state = self.run.state
            last = Structure(numbers=np.array(state.numbers), positions=error.last_sane, cell=np.array(state.cell))
            write_atomically(path, extended_xyz([make_atoms(self.workshop.system, last)]))
        except CacheError:  # a full disk must not hide what became of the model
            return error
        kept = UnstableError(f"{error}; last sane frame: {path}")
        kept.last_sane = error.last_sane
        return kept


_ARRAYS = ("position", "temperature", "net_force")


def _arrays(segment: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: segment[name] for name in _ARRAYS}


def _packed(engine: Engine, frames: Frames) -> dict[str, np.ndarray]:
    checkpoint = zlib.compress(engine.checkpoint().encode(), 6)
    arrays = {name: getattr(frames, name) for name in _ARRAYS}
    return {**arrays, "checkpoint": np.frombuffer(checkpoint, dtype=np.uint8)}


def _unpacked(segment: dict[str, np.ndarray]) -> str:
    return zlib.decompress(segment["checkpoint"].tobytes()).decode()


def _take_up(stretch: Stretch, part: dict[str, np.ndarray]) -> None:
    """Put what an interrupted run left into a stretch."""
    for name in _ARRAYS:
        getattr(stretch.frames, name)[:, : part[name].shape[1]] = part[name]
    stretch.done = int(part["done"])
