"""The paper's long runs with a model: 4000 atoms in the liquid, slabs by its melting protocol, one at a time.

Hours each on a CPU. What was measured of a finished run goes to a file of JSON lines, which a later call continues;
frames stay in the cache. :func:`join` puts the replicas of a run together.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import pytest_mlff
from pytest_mlff.analysis.interface import melting_temperature
from pytest_mlff.analysis.msd import mean_squared_displacement
from pytest_mlff.analysis.statistics import replica_estimate
from pytest_mlff.apparatus.context import CheckContext
from pytest_mlff.errors import SpecError
from pytest_mlff.gate.assembly import build_context
from pytest_mlff.journal import Journal
from pytest_mlff.models.load import load_model
from pytest_mlff.reference.data import Reference
from pytest_mlff.reference.melting import rung_drift
from pytest_mlff.reference.observables import VARIABLES, measure
from pytest_mlff.schema import Estimate
from pytest_mlff.settings import Settings
from pytest_mlff.simulation.md import Run, simulate
from pytest_mlff.simulation.meter import Meter, Progress
from pytest_mlff.simulation.slabs import PAPER_LADDER, Rung

if TYPE_CHECKING:
    import xarray as xr

LIQUID_FRAMES = 580
"""Frames of a liquid run: 62.5 ps."""
OBSERVABLES = ("diffusion", "long_diffusion", "xsvs_time", "direct_xsvs_time", "gamma_self", "gamma_coherent")
"""What is measured of a liquid run, beside its mean-squared displacement."""
_MSD_LAG = 6.0
"""Longest lag in ps of the displacement that is kept."""
_SEGMENT = 10
"""Frames of a cached segment: two minutes at one second a call, where the gate's are ten."""

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LongRun:
    """One of the paper's runs: ``measure(context, replica)`` gives its values as plain builtins.

    ``starts`` names the start configurations, one for each replica; ``state`` is empty for a slab.
    """

    measure: Callable[[CheckContext, int], Values]
    starts: str
    state: str = ""


def _liquid(state: str, context: CheckContext, replica: int) -> Values:
    """Run a replica of the liquid, and measure."""
    start = context.reference.configurations(f"start/{state}").positions[replica]
    run = Run(
        state=context.system.state(state),
        seed=replica,
        equilibration_steps=context.protocol.equilibration_steps,
        segment_frames=_SEGMENT,
    )
    return measured(simulate(context.workshop, run, start[None], n_frames=LIQUID_FRAMES))


def measured(trajectory: xr.Dataset) -> Values:
    """Values of a liquid run of one replica, by observable a number or one for each abs(q).

    D in Å²/ps, times in ps, rates in 1/ps, ``mean_q`` in 1/Å, ``msd`` in Å² at the lags ``msd_lag``, the mean
    ``temperature`` in K, and the number of ``frames``.
    """
    found = {name: measure(name, trajectory) for name in OBSERVABLES}
    values: Values = {name: data[VARIABLES[name]].values.tolist() for name, data in found.items()}
    motion = mean_squared_displacement(trajectory, max_lag=_MSD_LAG)
    return values | {
        "mean_q": found["gamma_self"]["mean_q"].values.tolist(),
        "msd": motion["msd"].values.tolist(),
        "msd_lag": motion["lag"].values.tolist(),
        "frames": trajectory.sizes["frame"],
        "temperature": float(trajectory["temperature"].mean()),
    }


def _slab(rung: Rung, context: CheckContext, replica: int) -> Values:
    """Run a slab at one temperature of the paper's, and measure."""
    start = context.reference.configurations(f"slab/{PAPER_LADDER.name}").positions[replica]
    drift = rung_drift(
        context.workshop,
        rung,
        start[None],
        frames=PAPER_LADDER.frames,
        seed=replica,
        skip=PAPER_LADDER.skip,
        criterion=PAPER_LADDER.criterion,  # type: ignore[arg-type]
        segment_frames=_SEGMENT,
    )
    return {
        "drift": float(drift["drift_replica"].values[0]),
        "solid_fraction": np.round(drift["solid_fraction"].values[0], 5).tolist(),
        "frames": PAPER_LADDER.frames,
    }


RUNS: Mapping[str, LongRun] = {
    **{
        f"liquid-{state}": LongRun(partial(_liquid, state), f"start/{state}", state)
        for state in ("100K-4000", "95K-4000", "110K-4000")
    },
    **{
        f"slab-{rung.temperature:g}K": LongRun(partial(_slab, rung), f"slab/{PAPER_LADDER.name}")
        for rung in PAPER_LADDER.rungs
    },
}
"""By name, in the order in which they are run."""


def journal(output: Path) -> Journal:
    """Values by model spec, run and replica, of this version of the package and of the reference alone."""
    keys = {"model": str, "run": str, "replica": int}
    reference = Reference()
    measured_with = {"version": pytest_mlff.__version__, "reference": reference.version}
    accepts = {"reference": reference.contains}
    return Journal(path=output, keys=keys, measured_with=measured_with, check=dict, accepts=accepts)


def run(
    spec: str,
    output: Path,
    *,
    cache_dir: Path,
    names: Sequence[str] = (),
    replicas: range = range(2),
    device: str = "auto",
    progress: Progress | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Run replicas of the paper's runs, all by default, one after the other; what is in the file is not run again.

    Each replica has its own start configuration and velocities. Raises ``SpecError`` for a run that there is not, or a
    replica without a start of its own.
    """
    strange = [name for name in names if name not in RUNS]
    if strange:
        raise SpecError(f"no run {strange[0]!r}; there are {', '.join(RUNS)}")
    reference = Reference()
    for name in names or RUNS:
        count = len(reference.configurations(RUNS[name].starts))
        if replicas and max(replicas) >= count:
            raise SpecError(f"replica {max(replicas)} of {name}: the reference has starts 0 to {count - 1}")
    results = journal(output)
    done = results.read()
    results.touch()
    settings = Settings(protocol="full", cache_dir=cache_dir)
    model = load_model(spec, device=device)
    context = build_context(settings, model, Meter(progress=progress))
    for name in names or RUNS:
        for replica in replicas:
            if (spec, name, replica) in done:
                continue
            say(f"{name}, replica {replica}")
            values = RUNS[name].measure(context, replica)
            results.append((spec, name, replica), values | {"commit": commit(), "device": model.device})


def commit() -> str:
    """Short hash of this code's commit, with ``+`` where files have changed since; empty outside a git checkout."""
    folder = Path(__file__).parent
    try:
        of = partial(subprocess.run, cwd=folder, capture_output=True, text=True, check=True, timeout=10)
        tracked = of(["git", "ls-files", "--error-unmatch", Path(__file__).name]).stdout
        head = of(["git", "rev-parse", "--short", "HEAD"]).stdout.strip()
        changed = of(["git", "status", "--porcelain", "--untracked-files=no", "--", ".."]).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
    return f"{head}{'+' if changed else ''}" if tracked else ""


def records(results: Mapping[tuple[str, str, int], Values], spec: str) -> dict[str, Values]:
    """Spell what the runs of a model gave as records of the rows that the paper's tables stand for.

    D in Å²/ps, times in ps, temperatures in K; rows of fewer than two replicas are left out.
    """
    found: dict[str, Estimate | None] = {"melting_point-paper": melting_point(results, spec)}
    for name, what in RUNS.items():
        if what.state:
            found[f"diffusion-{what.state}"] = join(results, spec, name, "long_diffusion")
            found[f"xsvs_time-{what.state}"] = join(results, spec, name, "direct_xsvs_time")
    return {
        row: {"candidate": one.value, "candidate_stderr": one.stderr} for row, one in found.items() if one is not None
    }


def join(results: Mapping[tuple[str, str, int], Values], spec: str, name: str, observable: str) -> Estimate | None:
    """Mean of an observable over the replicas of a run; None where there are fewer than two."""
    values = [found[observable] for (model, run, _), found in sorted(results.items()) if (model, run) == (spec, name)]
    return replica_estimate(np.array(values)) if len(values) > 1 else None


def melting_point(results: Mapping[tuple[str, str, int], Values], spec: str) -> Estimate | None:
    """Melting point in K by the paper's protocol; None where fewer than three slabs ran at every temperature."""
    names = [f"slab-{rung.temperature:g}K" for rung in PAPER_LADDER.rungs]
    slabs = set.intersection(*({key[2] for key in results if key[:2] == (spec, name)} for name in names))
    if len(slabs) < 3:
        return None
    drifts = np.array([[results[spec, name, slab]["drift"] for slab in sorted(slabs)] for name in names])
    temperatures = [rung.temperature for rung in PAPER_LADDER.rungs]
    return melting_temperature(temperatures, drifts, degree=PAPER_LADDER.degree)
