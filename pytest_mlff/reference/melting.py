"""Slabs and melting points: how the reference prepares the first and runs the second.

:func:`ladder_drifts` serves both sides, so that candidate and reference take the same steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.analysis.interface import Criterion, interface_drift, melting_temperature
from pytest_mlff.reference.data import unpack
from pytest_mlff.reference.packing import number, packed
from pytest_mlff.reference.runs import SEED
from pytest_mlff.schema import Estimate
from pytest_mlff.simulation.md import SEGMENT_FRAMES, Run, Workshop, engine_identity, simulate
from pytest_mlff.simulation.slabs import (
    BRACKET,
    COEXISTENCE_LADDER,
    PAPER_LADDER,
    Ladder,
    Preparation,
    Rung,
    prepare_slab,
)
from pytest_mlff.systems.protocols import PROTOCOLS

if TYPE_CHECKING:
    import xarray as xr

_BRACKET, _LADDERS = PROTOCOLS["ci"].melting, PROTOCOLS["full"].melting
assert _BRACKET is not None
assert _LADDERS is not None
BRACKET_SLABS, LADDER_SLABS = _BRACKET.slabs, _LADDERS.slabs
"""Slabs kept for each temperature of the bracket, and for each ladder."""
BRACKET_FRAMES = _BRACKET.looks[-1]
"""Frames of the reference's own bracket runs: those of the last look."""
BRACKET_SEGMENT = _BRACKET.looks[0]
"""Frames per cached segment of a bracket run: those between two looks."""
LADDER_RUNS = 16
"""Slabs that the reference's own ladders run."""
LADDER_SEGMENT = 50
"""The same of a ladder's: their lengths are multiples of it, so that no step is taken in vain."""


def melting_part(workshop: Workshop) -> Iterator[tuple[str, xr.Dataset]]:
    """Prepare the slabs, run them, and measure.

    Parameters
    ----------
    workshop : Workshop
        Of the reference.

    Yields
    ------
    tuple of (str, xr.Dataset)
        Slabs by geometry, drifts of the bracket, melting points of the ladders.
    """
    for row, rung in BRACKET.items():
        slabs = _slabs(workshop, rung, BRACKET_SLABS, Preparation())
        state = rung.geometry.state(workshop.system, rung.temperature)
        yield f"slab/{rung.geometry.name}", packed(slabs, state.numbers, state.cell)
        drift = rung_drift(workshop, rung, slabs, frames=BRACKET_FRAMES, seed=SEED, segment_frames=BRACKET_SEGMENT)
        yield f"{row}/drift", _drift(drift)
    for ladder in (PAPER_LADDER, COEXISTENCE_LADDER):
        rung = ladder.rungs[0]
        slabs = _slabs(workshop, rung, LADDER_SLABS, ladder.preparation)
        state = rung.geometry.state(workshop.system, rung.temperature)
        stored = packed(slabs, state.numbers, state.cell)
        yield f"slab/{ladder.name}", stored
        kept = unpack(stored["fraction"].values[:LADDER_RUNS], stored["cell"].values)
        found = melting_point(ladder, ladder_drifts(workshop, ladder, kept, seed=SEED))
        yield f"{ladder.name}/melting_point", number("T", found, "K")


def _slabs(workshop: Workshop, rung: Rung, count: int, preparation: Preparation) -> np.ndarray:
    """Prepare slabs, each from its own melt, from the cache as far as they are there."""
    parts = {
        "kind": "slab",
        "geometry": asdict(rung.geometry),
        "temperature": rung.start_temperature,
        "preparation": asdict(preparation),
        "system": workshop.system.identity,
        **engine_identity(),
    }

    def prepare(seed: int) -> dict[str, np.ndarray]:
        position = prepare_slab(
            rung.geometry,
            workshop.system,
            rung.start_temperature,
            calculator=workshop.model.calculator,
            seed=seed,
            preparation=preparation,
        )
        return {"position": position}

    slabs = []
    for index in range(count):
        seed = SEED + index
        key = {**parts, "seed": seed}
        found = workshop.cache.memo(key, partial(prepare, seed), workshop.meter, holds=["position"])
        slabs.append(found["position"])
    return np.stack(slabs)


def rung_drift(
    workshop: Workshop,
    rung: Rung,
    slabs: np.ndarray,
    *,
    frames: int,
    seed: int,
    skip: float = 0.0,
    criterion: Criterion = "bonds",
    segment_frames: int = SEGMENT_FRAMES,
) -> xr.Dataset:
    """Run slabs at one temperature and measure the drift of their solid fraction.

    Parameters
    ----------
    workshop : Workshop
        Of the model.
    rung : Rung
        Geometry and temperature.
    slabs : ndarray, shape (replica, atom, xyz)
        Start configurations in Å.
    frames : int
        Length of each run.
    seed : int
        Of the velocities.
    skip : float, optional
        Time in ps that is left out of the fit.
    criterion : {"bonds", "count"}, optional
        Which atoms are solid.
    segment_frames : int, optional
        Frames per cached segment.

    Returns
    -------
    xr.Dataset
        As :func:`pytest_mlff.analysis.interface.interface_drift`, with ``force_calls`` in its attributes.
    """
    state = rung.geometry.state(workshop.system, rung.temperature)
    run = Run(state=state, seed=seed, equilibration_steps=0, segment_frames=segment_frames)
    trajectory = simulate(workshop, run, slabs, n_frames=frames)
    drift = interface_drift(trajectory, skip=skip, criterion=criterion)
    return drift.assign_attrs(force_calls=trajectory.attrs["force_calls"], replicas=len(slabs))


def ladder_drifts(workshop: Workshop, ladder: Ladder, slabs: np.ndarray, *, seed: int) -> list[xr.Dataset]:
    """Drifts at all temperatures of a ladder.

    Parameters
    ----------
    workshop : Workshop
        Of the model.
    ladder : Ladder
        Temperatures and lengths.
    slabs : ndarray, shape (replica, atom, xyz)
        Start configurations in Å, the same at every temperature.
    seed : int
        Of the velocities.

    Returns
    -------
    list of xr.Dataset
        One per rung.
    """
    how: dict[str, Any] = {"frames": ladder.frames, "seed": seed, "skip": ladder.skip, "criterion": ladder.criterion}
    return [rung_drift(workshop, rung, slabs, **how, segment_frames=LADDER_SEGMENT) for rung in ladder.rungs]


def melting_point(ladder: Ladder, drifts: Sequence[xr.Dataset]) -> Estimate:
    """Temperature at which the interfaces of a ladder's slabs rest.

    Parameters
    ----------
    ladder : Ladder
        Temperatures.
    drifts : sequence of xr.Dataset
        From :func:`ladder_drifts`.

    Returns
    -------
    Estimate
        In K; NaN where the drift has no falling zero.
    """
    by_rung = np.stack([drift["drift_replica"].values for drift in drifts])
    return melting_temperature([rung.temperature for rung in ladder.rungs], by_rung, degree=ladder.degree)


def _drift(drift: xr.Dataset) -> Any:
    kept = drift[["drift", "drift_stderr", "velocity", "velocity_stderr"]]
    return kept.drop_vars([name for name in kept.coords])
