"""Recompute a part of the reference data independently and compare within error.

A state point is run again from its shipped start configurations with another seed; pressures and bulk moduli of the
crystal and of a liquid from runs of their own; the crystal's spectra and the probe are computed again. Checksums are
verified whenever a file is opened.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.analysis.phonons import spectrum_distance
from pytest_mlff.errors import ReferenceDataError
from pytest_mlff.reference.data import Reference
from pytest_mlff.reference.observables import VARIABLES, estimate, measure
from pytest_mlff.reference.parts import make_workshop, measured_part, probe_symmetry
from pytest_mlff.reference.pressure import measured_modulus, measured_pressure, trajectory_pressure
from pytest_mlff.reference.runs import Plan
from pytest_mlff.schema import Estimate
from pytest_mlff.simulation.md import Run, Workshop, simulate
from pytest_mlff.simulation.meter import Progress
from pytest_mlff.systems.protocols import PROTOCOLS
from pytest_mlff.systems.system import State, System
from pytest_mlff.units import BAR

if TYPE_CHECKING:
    import xarray as xr

SEED = 4711
CI = PROTOCOLS["ci"]
"""The second run of a state point is as long as the last look of this protocol."""
SIGMAS = 4.5
"""A deviation beyond this many joint standard errors is none by chance: two-sided 0.3 % for 7 degrees of freedom."""
SAME = 1e-6
"""Relative deviation allowed where nothing is random: other versions of LAPACK and OpenMM."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One number of the reference data and its recomputation.

    Attributes
    ----------
    name : str
        Which number.
    stored, again : Estimate
        As shipped, and recomputed.
    deviation : float
        In joint standard errors; relative where nothing is random.
    limit : float
        Largest deviation that is accepted.
    """

    name: str
    stored: Estimate
    again: Estimate
    deviation: float
    limit: float

    @property
    def agrees(self) -> bool:
        """Whether the deviation is within its limit."""
        return abs(self.deviation) <= self.limit


def verify(
    system: System,
    *,
    cache_dir: Path,
    only: str | None = None,
    directory: Path | None = None,
    progress: Progress | None = None,
) -> list[Comparison]:
    """Recompute a part of the reference data.

    Parameters
    ----------
    system : System
        The material.
    cache_dir : Path
        Where trajectories are kept.
    only : str, optional
        A liquid state point, ``crystal``, ``probe`` or ``pressure``; by default ``crystal``, ``probe`` and
        ``100K-256``.
    directory : Path, optional
        Folder of the reference data; by default that of this installation.
    progress : Progress, optional
        Where steps are reported to.

    Returns
    -------
    list of Comparison
        One per number.

    Raises
    ------
    ReferenceDataError
        If a file fails its checksum, or ``only`` names no part that can be verified.
    """
    reference = Reference(directory)
    workshop = make_workshop(cache_dir, system, progress=progress)
    liquids = {state.name: state for state in system.states if state.phase == "liquid"}
    parts = ["crystal", "probe", "100K-256"] if only is None else [only]
    found: list[Comparison] = []
    for part in parts:
        if part in ("crystal", "probe"):
            found += _exact(reference, workshop, part)
        elif part == "pressure":
            found += _strained(reference, workshop)
        elif part in liquids:
            found += _statistical(reference, workshop, liquids[part])
        else:
            raise ReferenceDataError(
                f"cannot verify {part!r}; there are crystal, probe, pressure, {', '.join(liquids)}"
            )
    return found


def _exact(reference: Reference, workshop: Workshop, part: str) -> Iterator[Comparison]:
    for key, again in _again(reference, workshop, part):
        state, _, name = key.partition("/")
        stored = reference.observable(state, name)
        if name == "phonons":
            distance = spectrum_distance(again["frequency"].values, stored["frequency"].values)
            means = [Estimate(float(side["frequency"].mean()), 0.0) for side in (stored, again)]
            yield Comparison(f"{key}: mean frequency / THz", means[0], means[1], distance, SAME)
        else:
            one, two = estimate(stored, "S"), estimate(again, "S")
            yield Comparison(f"{key}: S", one, two, two.value / one.value - 1, SAME)


def _again(reference: Reference, workshop: Workshop, part: str) -> Iterator[tuple[str, xr.Dataset]]:
    """Crystals anew; of the probe, which the chaos of a liquid made, the numbers of the shipped positions."""
    if part == "crystal":
        yield from measured_part(workshop, part)
    else:
        yield "probe-liquid/symmetry", probe_symmetry(workshop, reference.configurations("probe/liquid")[0])


def _statistical(reference: Reference, workshop: Workshop, state: State) -> Iterator[Comparison]:
    starts = reference.configurations(f"start/{state.name}").positions
    run = Run(state=state, seed=SEED, equilibration_steps=CI.equilibration_steps)
    trajectory = simulate(workshop, run, starts[: CI.replicas], n_frames=CI.looks[-1])
    for name, variable in VARIABLES.items():
        stored, again = reference.observable(state.name, name), measure(name, trajectory)
        several = stored[variable].ndim == 1
        for index in range(stored[variable].size) if several else [None]:
            one, two = estimate(stored, variable, index), estimate(again, variable, index)
            label = f"{state.name}: {name}" + (f" at {float(stored['q'][index]):g} 1/Å" if several else "")
            yield _compared(f"{label} / {stored[variable].attrs['units']}", one, two)
    known = estimate(reference.observable(state.name, "pressure"), "pressure")
    yield _compared(
        f"{state.name}: pressure / bar", *map(_in_bar, (known, trajectory_pressure(workshop, state, trajectory)))
    )


def _strained(reference: Reference, workshop: Workshop) -> Iterator[Comparison]:
    """Run the crystal and a liquid at their volume and at the other two, from lattices and melts of another seed."""
    for state in (workshop.system.state(name) for name in ("20K-solid-256", "100K-256")):
        plan = Plan(replicas=CI.solid_replicas, equilibration_steps=CI.equilibration_steps, frames=CI.looks[0])
        again = {
            "pressure": measured_pressure(workshop, state, plan, seed=SEED),
            "bulk_modulus": measured_modulus(workshop, state, plan, seed=SEED),
        }
        stored = reference.observable(state.name, "pressure")
        for name, found in again.items():
            yield _compared(f"{state.name}: {name} / bar", _in_bar(estimate(stored, name)), _in_bar(found))


def _compared(name: str, stored: Estimate, again: Estimate) -> Comparison:
    deviation = (again.value - stored.value) / math.hypot(stored.stderr, again.stderr)
    return Comparison(name, stored, again, deviation, SIGMAS)


def _in_bar(pressure: Estimate) -> Estimate:
    return Estimate(BAR * pressure.value, BAR * pressure.stderr, pressure.dof)
