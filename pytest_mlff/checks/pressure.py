"""Pressure of the liquid in the candidate's own runs, as the density at which it would have the reference's pressure.

The row that people expect of a run at constant pressure, without one. Where no liquid is run (``smoke``) the pressure
follows from the reference's configurations, to first order in the error; what is found there needs many of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pytest_mlff.checks.declaration import Declared
from pytest_mlff.verdict.tolerances import EVERYWHERE

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from pytest_mlff.checks.catalogue import Row
    from pytest_mlff.checks.context import CheckContext
    from pytest_mlff.checks.judge import Finding
    from pytest_mlff.checks.work import Work
    from pytest_mlff.schema import Estimate, Record
    from pytest_mlff.simulation.systems import StatePoint

PAIRED_FROM = 300
"""Configurations from which the pressure of the reference's configurations carries a verdict."""
NEEDS = frozenset({"forces", "stress"})
SOURCE = (
    "choice of this project; B_T measured with this package on the reference; spread and power in docs/calibration.md"
)
CAUSES = (
    "Typical causes: a long-ranged part of the interaction, whose forces cancel between neighbours and whose pressure "
    "does not; no stresses, and no other densities, in the training data. If stress fails, mend that first: the stress "
    "may be wrong, and the pressure with it."
)

ROWS = (
    Declared(
        key="pressure-liquid",
        check="pressure",
        test="check_liquid.test_pressure",
        per_state=True,
        observable="density of the liquid at the reference's pressure",
        kind="relative",
        limit=0.02,
        unit="kg/m³",
        reason="26 kg/m³, or 60 bar: a well that is 3 % too deep, as parity just allows, moves it by 1.5 %",
        source=SOURCE,
        needs=NEEDS,
        protocols=EVERYWHERE,
        hint=(
            f"At the reference's density its pressure is too low, so that it would shrink. {CAUSES}",
            f"At the reference's density its pressure is too high, so that it would expand. {CAUSES}",
        ),
    ),
)


def run(context: CheckContext, rows: Sequence[Row]) -> dict[str, Record]:
    """Judge the pressure of the liquid at every state point.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    rows : sequence of Row
        ``pressure-liquid``.

    Returns
    -------
    dict of str to Record
        By row id.
    """
    if not context.protocol.liquid_states:
        return from_configurations(context, rows, "liquid")
    return from_runs(
        context,
        {row.state: row for row in rows},
        replicas=context.protocol.replicas,
        looks=context.protocol.looks,
    )


def from_runs(
    context: CheckContext, rows: Mapping[str, Row], *, replicas: int, looks: Sequence[int]
) -> dict[str, Record]:
    """Judge the pressure in the candidate's own runs.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    rows : mapping of str to Row
        By state point, one each.
    replicas : int
        Runs of each state.
    looks : sequence of int
        Frames at each look.

    Returns
    -------
    dict of str to Record
        By row id; NOT_APPLICABLE for all if the stability run failed.
    """
    from pytest_mlff.checks.judge import sequential
    from pytest_mlff.checks.stability import skip_unstable

    skipped = skip_unstable(context, list(rows.values()))
    if skipped is not None:
        return skipped
    records: dict[str, Record] = {}
    for state, row in rows.items():

        def look(frames: int, wanted: Sequence[Row], state: str = state) -> dict[str, Finding]:
            trajectory = context.trajectory(state, replicas=replicas, frames=frames)
            return {row.id: _finding(context, state, trajectory) for row in wanted}

        records |= sequential(context, [row], looks, look)
    return records


def work(context: CheckContext, rows: Sequence[Row]) -> Iterator[Work]:
    """Count the force calls of the rows.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    rows : sequence of Row
        Of this check.

    Yields
    ------
    Work
        Those of the liquid's runs, which other checks share, and the frames whose stress is taken at each look.
    """
    from pytest_mlff.checks import liquid
    from pytest_mlff.checks.forces import parity_work

    if not context.protocol.liquid_states:
        yield parity_work(context, "liquid-256")
        return
    yield from liquid.work(context, rows)
    for state in dict.fromkeys(row.state for row in rows):
        yield from frame_work(context, state, replicas=context.protocol.replicas, looks=context.protocol.looks)


def frame_work(context: CheckContext, state: str, *, replicas: int, looks: Sequence[int]) -> Iterator[Work]:
    """Count the calls for the stress of a run's frames.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    state : str
        State point.
    replicas : int
        Runs of it.
    looks : sequence of int
        Frames at each look.

    Yields
    ------
    Work
        One for each look; a later one takes all frames again.
    """
    from pytest_mlff.checks.work import Work
    from pytest_mlff.simulation.pressure import pressure_frames
    from pytest_mlff.simulation.systems import state_point

    atoms = state_point(state, context.system).n_atoms
    for number, frames in enumerate(looks, 1):
        where = f"pressure {state}" if len(looks) == 1 else f"pressure {state}, look {number}"
        calls = replicas * len(pressure_frames(frames, atoms))
        yield Work(share=where, calls=calls, atoms=atoms, certain=number == 1)


def _finding(context: CheckContext, state: str, trajectory: xr.Dataset) -> Finding:
    """Compare the pressure of a trajectory with the reference's at the same volume."""
    import numpy as np

    from pytest_mlff.analysis.pressure import mean_pressure
    from pytest_mlff.simulation.systems import state_point

    point, virial = state_point(state, context.system), _virial(context, state, trajectory)
    calls = int(trajectory.attrs["force_calls"]) + virial.size
    volume = float(np.prod(point.box))
    own = mean_pressure(virial, atoms=point.n_atoms, volume=volume, temperature=point.temperature)
    return density_finding(context, point, own, calls, "at the same volume")


def _virial(context: CheckContext, state: str, trajectory: xr.Dataset) -> np.ndarray:
    """Virial pressure (replica, frame) of every few frames, in eV/Å³: each replica's is kept apart."""
    import hashlib

    import numpy as np

    from pytest_mlff.simulation.pressure import frame_pressures, pressure_frames

    frames = list(pressure_frames(trajectory.sizes["frame"], trajectory.sizes["atom"]))
    forces, meter = context.forces(np.diag(trajectory["cell"].values)), context.meter
    found = []
    with meter.task(f"{context.model.name} pressure {state}", len(frames) * trajectory.sizes["replica"]):
        for positions in trajectory["position"].values[:, frames]:

            def compute(positions: np.ndarray = positions) -> dict[str, np.ndarray]:
                return {"virial": frame_pressures(forces, positions)}

            content, before = np.ascontiguousarray(positions).tobytes(), meter.calls
            parts = {"state": state, "frames": hashlib.sha256(content).hexdigest()}
            found.append(context.memo("pressure", parts, compute, holds=["virial"])["virial"])
            meter.skip(len(frames) - (meter.calls - before))
    return np.stack(found)


def density_finding(context: CheckContext, point: StatePoint, own: Estimate, calls: int, where: str) -> Finding:
    """Turn a pressure into the density at which it would be the reference's.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    point : StatePoint
        State of the reference.
    own : Estimate
        Pressure of the candidate in eV/Å³.
    calls : int
        Force calls behind it.
    where : str
        What the note says of how it was found.

    Returns
    -------
    Finding
        ρ(1 − Δp/B_T) in kg/m³ beside ρ, whose error is that of the reference's pressure and bulk modulus.
    """
    import math

    import numpy as np

    from pytest_mlff.checks.judge import Finding
    from pytest_mlff.reference.observables import estimate
    from pytest_mlff.schema import Estimate
    from pytest_mlff.units import BAR, KG_PER_M3

    stored = context.reference.observable(point.name, "pressure")
    pressure, modulus = estimate(stored, "pressure"), estimate(stored, "bulk_modulus")
    density = KG_PER_M3 * context.system.mass * point.n_atoms / float(np.prod(point.box))
    change = own.value - pressure.value
    note = (
        f"pressure {BAR * own.value:.4g} ± {BAR * own.stderr:.2g} bar {where}, the reference "
        f"{BAR * pressure.value:.4g} ± {BAR * pressure.stderr:.2g} bar; bulk modulus "
        f"{BAR * modulus.value:.4g} ± {BAR * modulus.stderr:.2g} bar"
    )
    per_pressure = density / modulus.value
    error = math.hypot(pressure.stderr, change * modulus.stderr / modulus.value)
    return Finding(
        candidate=Estimate(density - per_pressure * change, per_pressure * own.stderr, own.dof),
        reference=Estimate(density, per_pressure * error, pressure.dof),
        force_calls=calls,
        note=note,
    )


def from_configurations(context: CheckContext, rows: Sequence[Row], phase: str) -> dict[str, Record]:
    """Judge the pressure by the reference's configurations; it is shown alone where they are few.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    rows : sequence of Row
        The row of this phase.
    phase : str
        ``liquid`` or ``solid``.

    Returns
    -------
    dict of str to Record
        By row id.
    """
    from pytest_mlff.checks.judge import measured, without_verdict

    count = dict(context.protocol.parity)[f"{phase}-256"]
    if "energy" not in context.model.provides:
        reason = "the model provides no energy: without runs of its own the pressure takes one"
        return {row.id: without_verdict(context, row, "NOT_APPLICABLE", reason) for row in rows}
    find = partial(_paired, context, phase, count)
    return {
        row.id: measured(context if count >= PAIRED_FROM else _shown_alone(context, row), row, find) for row in rows
    }


def _shown_alone(context: CheckContext, row: Row) -> CheckContext:
    """Take the verdict from a row."""
    from dataclasses import replace

    tolerance = context.tolerances[row.key]
    return replace(context, tolerances={**context.tolerances, row.key: replace(tolerance, info_in=tolerance.protocols)})


def _paired(context: CheckContext, phase: str, count: int) -> Finding:
    """Mean over the states of a parity set of the density that a paired pressure stands for, on that of the first."""
    import math
    from dataclasses import replace
    from statistics import fmean

    from pytest_mlff.checks.judge import Finding
    from pytest_mlff.schema import Estimate

    shifts = paired_shifts(context, phase, count)
    parts = []
    for point, shift in shifts:
        own = _reference_pressure(context, point)
        own = Estimate(own.value + shift.value, shift.stderr, shift.dof)
        parts.append((point, density_finding(context, point, own, count, "on the reference's configurations")))
    base = parts[0][1].reference
    assert base is not None
    own_density, errors = [], []
    for _, part in parts:
        assert part.reference is not None
        own_density.append(part.candidate.value / part.reference.value)
        errors.append(part.candidate.stderr / part.reference.value)
    candidate = Estimate(
        base.value * fmean(own_density),
        base.value * math.hypot(*errors) / len(errors),
        min(shift.dof for _, shift in shifts),
    )
    first = parts[0][1]
    note = (
        f"{count} configurations of the reference at {', '.join(point.name for point, _ in shifts)}, to first order in "
        f"the error; a verdict takes {PAIRED_FROM} or runs of the candidate; at the first {first.note}"
    )
    # what both sides have in common, the reference's pressure, cancels
    return replace(Finding(candidate=candidate, reference=Estimate(base.value, 0.0)), force_calls=count, note=note)


def paired_shifts(context: CheckContext, phase: str, count: int) -> list[tuple[StatePoint, Estimate]]:
    """Change of the pressure from the reference to the candidate, from configurations of the reference.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    phase : str
        ``liquid`` or ``solid``.
    count : int
        Configurations.

    Returns
    -------
    list of (StatePoint, Estimate)
        By state of the parity set, in eV/Å³, as :func:`pytest_mlff.analysis.pressure.paired_pressure` has it.
    """
    import numpy as np

    from pytest_mlff.analysis.pressure import paired_pressure
    from pytest_mlff.checks.forces import candidate_results, parity_cells, reference_results
    from pytest_mlff.errors import TooFewError
    from pytest_mlff.finite import refuse_non_finite
    from pytest_mlff.simulation.pressure import virial_pressure
    from pytest_mlff.simulation.systems import state_points
    from pytest_mlff.units import BOLTZMANN_EV

    name = f"{phase}-256"
    own, exact = (results(context, name, count) for results in (candidate_results, reference_results))
    refuse_non_finite("energies are", own["energy"], "configurations")
    refuse_non_finite("stresses are", own["stress"], "configurations")
    pressures = [np.array([virial_pressure(stress) for stress in side["stress"]]) for side in (own, exact)]
    boxes, found = parity_cells(context, name, count)[1], []
    for point in state_points(context.system).values():
        chosen = np.abs(boxes - np.array(point.box)).max(axis=1) < 1e-6
        if point.phase == phase and chosen.sum() > 2:
            change = (own["energy"] - exact["energy"])[chosen]
            kt = BOLTZMANN_EV * point.temperature
            shift = paired_pressure(pressures[0][chosen], pressures[1][chosen], change, kt=kt)
            found.append((point, shift))
    if not found:
        raise TooFewError(f"{count} configurations; a pressure takes three of each state")
    return found


def _reference_pressure(context: CheckContext, point: StatePoint) -> Estimate:
    from pytest_mlff.reference.observables import estimate

    return estimate(context.reference.observable(point.name, "pressure"), "pressure")
