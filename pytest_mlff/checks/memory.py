"""Memory that the calculator keeps of each force call: INFO, unless the user sets a limit."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from pytest_mlff.apparatus.declaration import EVERYWHERE, Check, Declared
from pytest_mlff.apparatus.judging import Finding, Stopwatch, judge
from pytest_mlff.schema import Estimate
from pytest_mlff.simulation.memory import resident_mb

if TYPE_CHECKING:
    from pytest_mlff.apparatus.context import CheckContext
    from pytest_mlff.apparatus.declaration import Row
    from pytest_mlff.apparatus.work import Work
    from pytest_mlff.schema import Record

ATOMS = 256
"""Atoms of the configuration."""
WARM_UP, BLOCKS, BLOCK = 20, 10, 20
"""Calls before the first look, looks, and calls between two of them."""
PATIENCE_S = 5.0
"""Time after which a slow model is called less often between two looks."""
ROWS = (
    Declared(
        key="memory_growth",
        atoms=ATOMS,
        test="check_speed.test_memory",
        observable="memory kept of 1000 force calls",
        kind="info",
        unit="MB",
        reason="what is kept of 25 000 calls of `ci` must fit; judged where the user sets a limit",
        source="user's configuration",
        protocols=EVERYWHERE,
        judged_if_limited=True,
        hint="The calculator keeps something of every call: a list that only grows, a graph that is not freed.",
    ),
)
CHECK = Check(order=60, samples="machine", worker="speed")


def run(context: CheckContext, rows: Sequence[Row]) -> dict[str, Record]:
    """Judge the growth of memory."""
    from pytest_mlff.apparatus.calls import call_target

    watch = Stopwatch()
    finding = growth(call_target(context, ATOMS))
    return {row.id: judge(context, row, finding, wall_s=watch.seconds) for row in rows}


def growth(
    call: Callable[[], None],
    *,
    memory: Callable[[], float] = resident_mb,
    clock: Callable[[], float] = time.perf_counter,
) -> Finding:
    """Measure what calls leave behind.

    Parameters
    ----------
    call : callable
        One force call.
    memory, clock : callable, optional
        Memory in MB and time in s, for tests.

    Returns
    -------
    Finding
        What Python would throw away at its next chance is thrown away before each look.
    """
    import numpy as np

    began, warm = clock(), 0
    while warm < WARM_UP and (warm < 2 or clock() - began < PATIENCE_S / BLOCKS):
        call()
        warm += 1
    per_call = (clock() - began) / warm
    block = max(1, min(BLOCK, int(PATIENCE_S / BLOCKS / per_call) if per_call > 0.0 else BLOCK))
    with _young():
        looks = [_settled(memory)]
        for _ in range(BLOCKS):
            for _ in range(block):
                call()
            looks.append(_settled(memory))
    held = np.array(looks)
    calls = block * (np.arange(BLOCKS + 1) - BLOCKS / 2)
    slope = float(calls @ held / (calls @ calls))
    rest = held - held.mean() - slope * calls  # memory comes in pieces
    stderr = float(np.sqrt(rest @ rest / (BLOCKS - 1) / (calls @ calls)))
    estimate = Estimate(1000.0 * slope, 1000.0 * stderr, BLOCKS - 1)
    note = f"{BLOCKS} × {block} calls of {ATOMS} atoms, {held[-1]:.0f} MB at the end"
    return Finding(candidate=estimate, force_calls=warm + BLOCKS * block, note=note)


@contextlib.contextmanager
def _young() -> Iterator[None]:
    """Keep the collector from going through what was there before: a tenth of a second at each look."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _settled(memory: Callable[[], float]) -> float:
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # not glibc: what was freed may stay, and hide what comes
        ctypes.CDLL(None).malloc_trim(0)
    return memory()


def work(context: CheckContext, rows: Sequence[Row]) -> Iterator[Work]:
    """Count the force calls of the row.

    As many as a fast model is asked for; a slow one takes ``PATIENCE_S``, or a call for each look.
    """
    from pytest_mlff.apparatus.work import Work

    yield Work(share="memory_growth", calls=WARM_UP + BLOCKS * BLOCK, atoms=ATOMS, longest_s=PATIENCE_S)
