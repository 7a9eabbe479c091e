"""Force parity on held-out configurations, liquid and solid, small and large."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pytest_mlff.apparatus.declaration import (
    CALIBRATED,
    CHOICE,
    EVERYWHERE,
    LONG,
    PAPER_SOURCE,
    Check,
    Declared,
    Setting,
)
from pytest_mlff.apparatus.judging import Finding, measured
from pytest_mlff.settings.parsers import whole
from pytest_mlff.systems.protocols import PROTOCOLS, Protocol

if TYPE_CHECKING:
    import xarray as xr

    from pytest_mlff.apparatus.context import CheckContext
    from pytest_mlff.apparatus.declaration import Row
    from pytest_mlff.apparatus.work import Work
    from pytest_mlff.schema import Record

PROPORTIONAL = 0.05
"""Largest residual, as a share of the candidate's squared forces, where the slope may be that of a unit."""
_SIZE = "If only 4000 atoms fail: whatever depends on the system size."
_HINTS = {
    "liquid": "Typical causes: too few liquid configurations near this density, a cutoff or neighbour list that "
    f"differs from the reference's, or units (the reason names one where the slope fits). {_SIZE}",
    "solid": "Typical causes: no crystal in the training data (a network trained on the liquid extrapolates here), or "
    f"a cutoff that misses a shell. {_SIZE}",
}

ROWS = tuple(
    Declared(
        key=f"parity-{phase}-{atoms}",
        quantity="parity",
        phase=phase,
        atoms=atoms,
        test="check_forces.test_parity",
        observable=f"1 − R² of the forces, {phase}, {atoms} atoms",
        kind="upper",
        limit=1e-3,
        reason="a force error of 3 % of the forces' own spread; ten times 1 − R² of the paper's networks; a local "
        "model has no reason to be worse in a larger cell",
        source=f"{PAPER_SOURCE}, 1 − R² ≈ 1e-4; the factor of ten is a {CHOICE}; {CALIBRATED}",
        protocols=EVERYWHERE if atoms == 256 else LONG,
        hint=hint,
        panel="force parity" if atoms == 256 else "",
    )
    for phase, hint in _HINTS.items()
    for atoms in (256, 4000)
)


def _configurations(protocol: Protocol, count: int) -> Protocol:
    sets = dict(protocol.parity)
    wanted = tuple((name, min(count, shipped)) for name, shipped in PROTOCOLS["full"].parity if name in sets)
    return replace(protocol, parity=wanted)


CHECK = Check(
    order=10,
    samples="configurations",
    worker="forces",
    settings=(
        Setting(
            name="configurations",
            meaning="of every parity set of the protocol; at most those shipped",
            read=whole(2),
            change=_configurations,
        ),
    ),
)


def run(context: CheckContext, rows: Sequence[Row]) -> dict[str, Record]:
    """Judge the parity rows."""
    # a model too large for 4000 atoms still has its 256
    return {row.id: measured(context, row, partial(_parity, context, row)) for row in rows}


def work(context: CheckContext, rows: Sequence[Row]) -> Iterator[Work]:
    """Count the force calls of the rows: a set of them for each row."""
    from pytest_mlff.apparatus.parity import parity_work

    for row in rows:
        yield parity_work(context, row.declared.phase, row.atoms)


def _parity(context: CheckContext, row: Row) -> Finding:
    from pytest_mlff.analysis.parity import common_force_share, force_error_sd, force_parity, one_minus_r2
    from pytest_mlff.apparatus.parity import parity_forces
    from pytest_mlff.units import MEV

    name = f"{row.declared.phase}-{row.atoms}"
    count = dict(context.protocol.parity)[name]
    candidate, exact = parity_forces(context, name, count)
    parity = force_parity(candidate, exact)
    error = force_error_sd(parity)
    note = (
        f"{_slope(parity)}; {count} configurations, "
        f"force error s.d. {error.value * MEV:.3g} ± {error.stderr * MEV:.1g} meV/Å "
        f"of {float(parity['force_rms']) * MEV:.3g} meV/Å rms, "
        f"{common_force_share(candidate, exact):.0%} of its square one force on all atoms"
    )
    return Finding(candidate=one_minus_r2(parity), force_calls=count, note=note)


def _slope(parity: xr.Dataset) -> str:
    """Slope of the forces, and the unit that it points at, where a line through zero fits them."""
    from pytest_mlff.analysis.parity import force_slope
    from pytest_mlff.units import suspect
    from pytest_mlff.verdict.format import format_estimate

    slope = force_slope(parity)
    text = f"slope {format_estimate(slope.value, slope.stderr)}"
    found = suspect(slope.value) if float(parity["slope_residual"]) <= PROPORTIONAL else None
    return text if found is None else f"{text}: forces look like {found.look}, multiply by {found.factor:.4g}"
