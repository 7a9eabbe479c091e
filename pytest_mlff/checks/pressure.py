"""Pressure of the liquid in the candidate's own runs, as the density at which it would be the reference's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pytest_mlff.apparatus.declaration import EVERYWHERE, Check, Declared
from pytest_mlff.apparatus.density import CAUSES, NEEDS, SOURCE
from pytest_mlff.apparatus.lengths import liquid_looks

if TYPE_CHECKING:
    from pytest_mlff.apparatus.context import CheckContext
    from pytest_mlff.apparatus.declaration import Row
    from pytest_mlff.apparatus.work import Work
    from pytest_mlff.schema import Record

CHECK = Check(order=150, worker="liquid", looks=liquid_looks)
ROWS = (
    Declared(
        key="pressure-liquid",
        quantity="pressure",
        phase="liquid",
        share="liquid",
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
    """Judge the pressure of the liquid at every state point."""
    from pytest_mlff.apparatus.density import from_configurations, from_runs

    if not context.protocol.liquid_states:
        return from_configurations(context, rows, "liquid")
    return from_runs(
        context,
        {row.state: row for row in rows},
        replicas=context.protocol.replicas,
        looks=context.protocol.looks,
    )


def work(context: CheckContext, rows: Sequence[Row]) -> Iterator[Work]:
    """Count the force calls of the rows.

    Those of the liquid's runs, which other checks share, and the frames whose stress is taken at each look.
    """
    from pytest_mlff.apparatus.density import frame_work
    from pytest_mlff.apparatus.parity import parity_work
    from pytest_mlff.apparatus.runs import liquid_work

    if not context.protocol.liquid_states:
        yield parity_work(context, "liquid", 256)
        return
    yield from liquid_work(context, rows)
    for state in dict.fromkeys(row.state for row in rows):
        yield from frame_work(context, state, replicas=context.protocol.replicas, looks=context.protocol.looks)
