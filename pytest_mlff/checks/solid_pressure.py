"""Pressure of the crystal at 20 K in the candidate's own runs, as the density at which it would be the reference's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pytest_mlff.apparatus.declaration import EVERYWHERE, Check, Declared
from pytest_mlff.apparatus.density import CAUSES, NEEDS, SOURCE

if TYPE_CHECKING:
    from pytest_mlff.apparatus.context import CheckContext
    from pytest_mlff.apparatus.declaration import Row
    from pytest_mlff.apparatus.work import Work
    from pytest_mlff.schema import Record

CHECK = Check(order=120, worker="solid")
ROWS = (
    Declared(
        key="pressure-solid",
        quantity="pressure",
        phase="solid",
        share="solid",
        test="check_solid.test_pressure",
        observable="density of the crystal at the reference's pressure",
        kind="relative",
        limit=0.01,
        unit="kg/m³",
        reason="18 kg/m³, or 230 bar, 0.3 % of the lattice parameter: atoms that are 0.2 % too large, as parity just "
        "allows, move it by 0.6 %",
        source=SOURCE,
        needs=NEEDS,
        protocols=EVERYWHERE,
        hint=(
            f"The crystal would shrink: its lattice parameter is too small. {CAUSES}",
            f"The crystal would expand: its lattice parameter is too large. {CAUSES}",
        ),
    ),
)


def run(context: CheckContext, rows: Sequence[Row]) -> dict[str, Record]:
    """Judge the pressure of the crystal."""
    from pytest_mlff.apparatus.density import from_configurations, from_runs
    from pytest_mlff.apparatus.runs import CRYSTAL

    protocol = context.protocol
    if not protocol.solid_replicas:
        return from_configurations(context, rows, "solid")
    return from_runs(
        context, dict.fromkeys([CRYSTAL], rows[0]), replicas=protocol.solid_replicas, looks=(protocol.solid_frames,)
    )


def work(context: CheckContext, rows: Sequence[Row]) -> Iterator[Work]:
    """Count the force calls of the rows.

    Those of the crystal's runs, which another check shares, and the frames whose stress is taken.
    """
    from pytest_mlff.apparatus.density import frame_work
    from pytest_mlff.apparatus.parity import parity_work
    from pytest_mlff.apparatus.runs import CRYSTAL, crystal_run_work

    protocol = context.protocol
    if not protocol.solid_replicas:
        yield parity_work(context, "solid", 256)
        return
    yield from crystal_run_work(context)
    yield from frame_work(context, CRYSTAL, replicas=protocol.solid_replicas, looks=(protocol.solid_frames,))
