"""Stands in for models and physics in an inner pytest run (``-p fakes``): the plugin alone is under test.

The catalogue is the real one. ``plan.json`` in the current folder says what becomes of a row or a check:
``{"rdf": {"status": "FAIL"}, "xpcs": {"raise": "ModelError"}}``; ``{"terminate": "self"}`` is a check that waits while
the process is cancelled; ``calls.log`` records what was run.
"""

from __future__ import annotations

import builtins
import importlib
import json
import os
import signal
import sys
import time
import unittest
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from _pytest import outcomes

from pytest_mlff import errors
from pytest_mlff.errors import SpecError
from pytest_mlff.gate import catalogue
from pytest_mlff.gate.catalogue import TABLE
from pytest_mlff.schema import Record


@dataclass(frozen=True, kw_only=True)
class FakeModel:
    name: str
    spec: str
    device: str = "cpu"
    dtype: str = "float64"
    fingerprint: str = "0123456789abcdef"
    provides: frozenset[str] = frozenset({"energy", "forces"})
    repeatable: bool = True


def log(line: str) -> None:
    with Path("calls.log").open("a") as file:
        file.write(line + "\n")


def plan(name: str) -> dict:
    path = Path("plan.json")
    return json.loads(path.read_text()).get(name, {}) if path.exists() else {}


def load_model(spec: str, *, device: str = "auto") -> FakeModel:
    log(f"load {spec} {device}")
    if spec.startswith("bad"):
        raise SpecError(f"cannot load {spec!r}:\n no such module")
    return FakeModel(name=spec.partition("(")[0], spec=spec)


def run_check(check: str, ctx: SimpleNamespace) -> dict[str, Record]:
    log(f"check {check} {ctx.model.name}")
    terminated = plan(check).get("terminate")
    if terminated:
        process = {"self": os.getpid(), "parent": os.getppid()}[terminated]
        os.kill(process, signal.Signals[plan(check).get("by", "SIGTERM")])
        time.sleep(60)
    error = plan(check).get("raise")
    if error:
        kinds = (getattr(place, error, None) for place in (errors, builtins, outcomes, unittest))
        raise next(kind for kind in kinds if kind)(f"{error} raised on purpose")
    found = catalogue.rows(ctx.settings.protocol, ctx.settings.config)
    return {row.id: record_of(row, ctx) for row in found if row.check == check}


def record_of(row: catalogue.Row, ctx: SimpleNamespace) -> Record:
    known = TABLE[row.key]
    record = Record(
        row=row.id,
        model=ctx.model.name,
        status="INFO" if known.kind == "info" else "PASS",
        observable=known.observable,
        unit=known.unit,
        kind=known.kind,
        candidate=0.3672,
        candidate_stderr=0.0081,
        reference=0.3649,
        reference_stderr=0.0009,
        deviation=0.0063,
        interval=(-0.041, 0.054),
        tolerance=known.limit,
        looks=1,
        force_calls=11000,
        wall_s=412.0,
        reason="by plan",
    )
    wanted = plan(row.id) or plan("*")
    return replace(record, **wanted)


def build_context(settings, model, meter=None, *, reference=None):
    log(f"context {model.name}")
    return SimpleNamespace(
        settings=settings,
        model=model,
        meter=meter or SimpleNamespace(task=lambda label: nullcontext()),
        system="the system",
        reference="the reference",
        tolerances=TABLE,
        protocol=SimpleNamespace(looks=(116, 232), replicas=8),
        trajectory=lambda state, *, replicas, frames: (state, replicas, frames),
    )


def forecast(ctx, rows, *, always):
    log(f"forecast {len(rows)} {always}")
    return None


def unique_names(models):
    return tuple(models)


def reference(directory=None):
    return SimpleNamespace(version="fake0001", kind="files")


def benchmark_target(ctx, row):
    return lambda: None


def time_calls(target, *, repeats=5):
    return [0.01 for _ in range(repeats) if target() is None]


def judge_time(ctx, row, seconds):
    log(f"timed {row.id} {len(seconds)}")
    return record_of(row, ctx)


# Whole modules, not attributes: importing the real ones takes seconds in every process.
STAND_INS = {
    "pytest_mlff.gate.assembly": {"build_context": build_context},
    "pytest_mlff.checks.speed": {
        "benchmark_target": benchmark_target,
        "judge_time": judge_time,
        "time_calls": time_calls,
    },
    "pytest_mlff.gate.forecast": {"forecast": forecast},
    "pytest_mlff.models.load": {"load_model": load_model, "unique_names": unique_names},
    "pytest_mlff.reference.data": {"Reference": reference},
}
PATCH = pytest.StashKey[pytest.MonkeyPatch]()


def pytest_configure(config: pytest.Config) -> None:
    patch = config.stash[PATCH] = pytest.MonkeyPatch()
    for name, content in STAND_INS.items():
        module = ModuleType(name)
        vars(module).update(content)
        parent, _, leaf = name.rpartition(".")
        patch.setitem(sys.modules, name, module)
        patch.setattr(importlib.import_module(parent), leaf, module, raising=False)
    patch.setattr(catalogue, "run_check", run_check)


def pytest_unconfigure(config: pytest.Config) -> None:
    if PATCH in config.stash:  # not when another plugin refused the configuration first
        config.stash[PATCH].undo()
