"""Does the model survive a short run of the liquid? Long checks ask for the same run first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pytest_mlff.apparatus.declaration import CHOICE, EVERYWHERE, Check, Declared
from pytest_mlff.apparatus.judging import Finding, measured

if TYPE_CHECKING:
    from pytest_mlff.apparatus.context import CheckContext
    from pytest_mlff.apparatus.declaration import Row
    from pytest_mlff.apparatus.work import Work
    from pytest_mlff.schema import Record

CHECK = Check(order=80, samples="cases", worker="liquid")
ROWS = (
    Declared(
        key="stability",
        test="check_liquid.test_stability",
        observable="part of the stability run not survived",
        kind="upper",
        limit=0.0,
        reason="a model that loses atoms or heats up in a short run cannot be judged by a longer one",
        source=CHOICE,
        protocols=EVERYWHERE,
        law=True,
        hint="Close pairs are the usual cause: equilibrium data hold few of them, so that a learned repulsion may turn "
        "into attraction. Check units and the sign of the forces too.",
    ),
)


def run(context: CheckContext, rows: Sequence[Row]) -> dict[str, Record]:
    """Judge whether the model survives."""
    return {row.id: measured(context, row, partial(_finding, context)) for row in rows}


def work(context: CheckContext, rows: Sequence[Row]) -> Iterator[Work]:
    """Count the force calls of the row, which every long check shares."""
    from pytest_mlff.apparatus.survival import survival_work

    yield survival_work(context)


def _finding(context: CheckContext) -> Finding:
    from pytest_mlff.apparatus.survival import STATE, failure
    from pytest_mlff.schema import Estimate

    reason = failure(context)
    return Finding(
        candidate=Estimate(1.0 if reason else 0.0, 0.0),
        force_calls=context.protocol.stability_steps,
        note=reason or f"survived {context.protocol.stability_steps} steps at {STATE}",
    )
