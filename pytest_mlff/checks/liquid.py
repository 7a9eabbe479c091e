"""Structure and transport of the liquid: g(r), S(q), self-diffusivity, and the net force that was removed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_mlff.apparatus.causes import FAST, SLOW, STRUCTURE
from pytest_mlff.apparatus.declaration import CALIBRATED, CHOICE, PAPER_SOURCE, Check, Declared, Setting
from pytest_mlff.apparatus.judging import Finding
from pytest_mlff.apparatus.lengths import STRIDE, frames_of, liquid_looks, refuse_more_than
from pytest_mlff.settings.parsers import growing, names, whole
from pytest_mlff.systems.protocols import LIQUID_STATES, MIN_LOOK, STARTS, Protocol

if TYPE_CHECKING:
    import xarray as xr

    from pytest_mlff.apparatus.context import CheckContext
    from pytest_mlff.apparatus.declaration import Row
    from pytest_mlff.apparatus.work import Work
    from pytest_mlff.schema import Estimate, Record


def _distance(key: str, curve: str, reason: str, hint: str, panel: str = "") -> Declared:
    return Declared(
        key=key,
        share="liquid",
        test="check_liquid.test_structure",
        per_state=True,
        observable=f"distance of {curve} from the reference",
        kind="upper",
        limit=0.05,
        reason=reason,
        source=f"{CHOICE}, after the agreement of the curves in {PAPER_SOURCE}; {CALIBRATED}",
        squared=True,
        hint=hint,
        panel=panel,
    )


ROWS = (
    _distance("rdf", "g(r)", "5 % of the structure g(r) − 1: the curves coincide on a plot", STRUCTURE, "g(r)"),
    _distance(
        "structure_factor",
        "S(q)",
        "as g(r), with more weight on long wavelengths",
        f"{STRUCTURE} An error at small q only points at the compressibility.",
    ),
    Declared(
        key="diffusion",
        share="liquid",
        test="check_liquid.test_transport",
        per_state=True,
        observable="self-diffusivity D",
        kind="relative",
        limit=0.10,
        unit="Å²/ps",
        reason="the paper accepts 10 % at 256 atoms; its network is off by 1 to 5 %",
        source=f"{PAPER_SOURCE}, 256 atoms; {CALIBRATED}",
        hint=(FAST, SLOW),
        panel="D",
    ),
    Declared(
        key="net_force",
        share="liquid",
        test="check_liquid.test_stability",
        per_state=True,
        observable="net force per atom before it is removed, r.m.s.",
        kind="info",
        unit="eV/Å",
        reason="derivatives of an energy sum to zero, the output of a direct-force network does not; the engine "
        "removes the sum, so it is shown here",
        source=CHOICE,
    ),
)


def _replicas(protocol: Protocol, count: int) -> Protocol:
    refuse_more_than(STARTS, count)
    return replace(protocol, replicas=count) if protocol.liquid_states else protocol


def _looks(protocol: Protocol, steps: tuple[int, ...]) -> Protocol:
    frames = tuple(map(frames_of, steps))
    if min(frames) < MIN_LOOK:
        raise ValueError(f"expected at least {STRIDE * MIN_LOOK} steps: the longest lag of an estimator is 6 ps")
    return replace(protocol, looks=frames) if protocol.liquid_states else protocol


def _state_points(protocol: Protocol, states: tuple[str, ...]) -> Protocol:
    for state in states:
        if state not in LIQUID_STATES:
            raise ValueError(f"no {state!r} in the reference; there are {', '.join(LIQUID_STATES)}")
    return replace(protocol, liquid_states=states) if protocol.liquid_states else protocol


CHECK = Check(
    order=130,
    worker="liquid",
    looks=liquid_looks,
    # a mean needs two replicas for an error bar, a distance of curves three; without one there is no verdict
    settings=(
        Setting(name="state_points", meaning="which states are run", read=names, change=_state_points),
        Setting(name="replicas", meaning="independent runs of each state", read=whole(3), change=_replicas),
        Setting(name="looks", meaning="steps per replica at each look", read=growing, change=_looks),
    ),
)


def run(context: CheckContext, rows: Sequence[Row]) -> dict[str, Record]:
    """Judge the liquid's rows at every state point."""
    from pytest_mlff.apparatus.runs import by_state

    return by_state(context, rows, _finding)


def work(context: CheckContext, rows: Sequence[Row]) -> Iterator[Work]:
    """Count the force calls of the rows: those of the stability run first, then a set for each look."""
    from pytest_mlff.apparatus.runs import liquid_work

    yield from liquid_work(context, rows)


def _finding(context: CheckContext, row: Row, trajectory: xr.Dataset) -> Finding:
    from pytest_mlff.analysis import rdf, structure_factor
    from pytest_mlff.reference.observables import estimate, measure, replica_values

    calls = int(trajectory.attrs["force_calls"])
    if row.key == "net_force":
        return Finding(candidate=_net_force(trajectory), force_calls=calls)
    candidate = measure(row.key, trajectory)
    reference = context.reference.observable(row.state, row.key)
    if row.key == "diffusion":
        return Finding(
            candidate=estimate(candidate, "D"),
            reference=estimate(reference, "D"),
            force_calls=calls,
            replicas=replica_values(candidate, "D"),
        )
    distance2 = {"rdf": rdf.distance2, "structure_factor": structure_factor.distance2}[row.key]
    return Finding(candidate=distance2(candidate, reference), force_calls=calls)


def _net_force(trajectory: xr.Dataset) -> Estimate:
    """Root mean square over frames of the net force per atom, in eV/Å."""
    import numpy as np

    from pytest_mlff.analysis.statistics import replica_estimate

    squares = (trajectory["net_force"].values / trajectory.sizes["atom"]) ** 2
    return replica_estimate(np.sqrt(squares.mean(axis=1)))
