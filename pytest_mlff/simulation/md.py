"""Trajectories on demand: in segments, each cached under its content, each computed by one process only.

:func:`simulate` is the door. A trajectory that was run before is read; one that was interrupted goes on after
its last whole segment; a longer one continues the shorter. Under xdist the workers share the replicas of one
state point between them through the locks of the cache.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from filelock import Timeout

import pytest_mlff
from pytest_mlff.errors import CacheError, UnstableError
from pytest_mlff.schema import Model, trajectory_dataset
from pytest_mlff.simulation.budget import Budget
from pytest_mlff.simulation.cache import Cache, content_key, write_atomically
from pytest_mlff.simulation.engine import Engine
from pytest_mlff.simulation.forces import ModelForces
from pytest_mlff.simulation.surroundings import surroundings_of
from pytest_mlff.simulation.systems import StatePoint, System, extended_xyz, make_atoms

if TYPE_CHECKING:
    import xarray as xr

SEGMENT_FRAMES = 58
"""Frames per cached segment: what a killed run can lose, 580 steps of argon."""
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


class Progress(Protocol):
    """What the engine reports to while it steps."""

    def start(self, label: str, total_steps: int) -> None:
        """Announce a run of ``total_steps`` steps."""

    def advance(self, steps: int) -> None:
        """Count steps that are done."""

    def finish(self) -> None:
        """Announce its end."""


class NoProgress:
    """Reports to nobody."""

    def start(self, label: str, total_steps: int) -> None:
        """Ignore."""

    def advance(self, steps: int) -> None:
        """Ignore."""

    def finish(self) -> None:
        """Ignore."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run, described by plain data: any process can execute it.

    Attributes
    ----------
    state : StatePoint
        Where.
    seed : int
        Of velocities.
    equilibration_steps : int
        Steps before the first frame.
    segment_frames : int
        Frames per cached segment.
    """

    state: StatePoint
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
    budget : Budget
        Wall time left.
    progress : Progress
        Where the engine reports to.
    keep : Path or None
        Folder of what the user reads after the run, in ``unstable``; by default that of the cache, which may be
        gone by then.
    """

    model: Model
    system: System
    cache: Cache
    budget: Budget
    progress: Progress
    keep: Path | None = None


def simulate(workshop: Workshop, run: Run, starts: np.ndarray, *, n_frames: int) -> xr.Dataset:
    """Trajectory of all replicas, from the cache as far as it is there.

    Parameters
    ----------
    workshop : Workshop
        Model, system, cache, budget and progress.
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
    workshop.progress.start(f"{workshop.model.name} {run.state.name}", per_replica * len(starts))
    try:
        with surroundings_of(workshop.model).around():
            done = _complete_all(groups, segments)
    finally:
        workshop.progress.finish()
    merged = {
        name: np.concatenate(
            [np.concatenate([part[name] for part in done[index]], axis=1) for index in range(len(groups))]
        )[:, :n_frames]
        for name in ("position", "temperature", "net_force")
    }
    trajectory = trajectory_dataset(
        merged["position"],
        run.state.box,
        workshop.system.frame_interval,
        state=run.state.name,
        force_calls=len(starts) * (run.equilibration_steps + n_frames * stride),
    )
    trajectory["temperature"] = (("replica", "frame"), merged["temperature"], {"units": "K"})
    trajectory["net_force"] = (("replica", "frame"), merged["net_force"], {"units": "eV/Å"})
    return trajectory


def _groups(workshop: Workshop, run: Run, starts: np.ndarray) -> list[_Group]:
    batched = ModelForces(workshop.model, workshop.system, run.state.box).batched
    members = [list(range(len(starts)))] if batched else [[replica] for replica in range(len(starts))]
    return [_Group(workshop, run, starts[group], group) for group in members]


def _complete_all(groups: list[_Group], segments: int) -> dict[int, list[dict[str, np.ndarray]]]:
    """Complete the groups, leaving to other processes those they are at, until all are there."""
    done: dict[int, list[dict[str, np.ndarray]]] = {}
    while len(done) < len(groups):
        before = len(done)
        for index, group in enumerate(groups):
            if index in done:
                continue
            try:
                with group.lock().acquire(timeout=0):
                    done[index] = list(group.complete(segments))
            except Timeout:
                continue
        if len(done) == before:
            time.sleep(0.2)
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
            "system": asdict(workshop.system),
            "run": described,
            "seed": self.seed,
            "starts": content_key({"positions": np.round(starts, 4).tolist()}),
            "segment_frames": segment_frames,
        }

    def key(self, segment: int) -> str:
        return content_key({**self.parts, "segment": segment})

    def lock(self) -> Any:
        return self.workshop.cache.lock(self.key(-1))

    def complete(self, segments: int) -> Iterator[dict[str, np.ndarray]]:
        """Yield the first ``segments`` segments, computing those that are not there.

        Every segment gets a fresh engine: what OpenMM remembers beyond its state (neighbour lists) would make
        an interrupted run differ from an uninterrupted one, in the last digit and soon in every digit.
        """
        previous: dict[str, np.ndarray] | None = None
        steps = self.run.segment_frames * self.workshop.system.frame_stride
        for segment in range(segments):
            found = self.workshop.cache.load(self.key(segment))
            if found is None:
                self.workshop.budget.check(f"segment {segment + 1} of {segments} at {self.run.state.name}")
                found = self._compute(self._engine(segment, previous), segment)
                self.workshop.cache.save(self.key(segment), found)
            equilibration = self.run.equilibration_steps if segment == 0 else 0
            self.workshop.progress.advance((steps + equilibration) * len(self.starts))
            previous = found
            yield {name: found[name] for name in ("position", "temperature", "net_force")}

    def _engine(self, segment: int, previous: dict[str, np.ndarray] | None) -> Engine:
        work = self.workshop
        engine = Engine(work.model, work.system, self.run.state, seeds=self.seeds)
        if previous is None:
            engine.start(self.starts)
        else:
            done = self.run.equilibration_steps + segment * self.run.segment_frames * work.system.frame_stride
            engine.restore(zlib.decompress(previous["checkpoint"].tobytes()).decode(), done)
        return engine

    def _compute(self, engine: Engine, segment: int) -> dict[str, np.ndarray]:
        try:
            if segment == 0:
                engine.equilibrate(self.run.equilibration_steps)
            frames = engine.sample(self.run.segment_frames)
        except UnstableError as error:
            raise self._keep_last_sane(error) from error.__cause__
        checkpoint = zlib.compress(engine.checkpoint().encode(), 6)
        return {
            "position": frames.position,
            "temperature": frames.temperature,
            "net_force": frames.net_force,
            "checkpoint": np.frombuffer(checkpoint, dtype=np.uint8),
        }

    def _keep_last_sane(self, error: UnstableError) -> UnstableError:
        """Save the last sane frame; the same error, with its place."""
        if error.last_sane is None:
            return error
        path = (self.workshop.keep or self.workshop.cache.root) / "unstable" / f"{self.key(0)}.xyz"
        try:
            image = make_atoms(self.workshop.system, error.last_sane, self.run.state.box)
            write_atomically(path, extended_xyz([image]))
        except CacheError:  # a full disk must not hide what became of the model
            return error
        kept = UnstableError(f"{error}; last sane frame: {path}")
        kept.last_sane = error.last_sane
        return kept
