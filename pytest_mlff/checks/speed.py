"""Time per force call and per MD step: INFO, unless the user sets a limit on a force call.

The suite times :func:`benchmark_target` through pytest-benchmark where that is on, and with
:func:`time_calls` where it is off; either way :func:`judge_time` makes the record. Timings are never cached.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from pytest_mlff.apparatus.declaration import EVERYWHERE, Check, Declared
from pytest_mlff.apparatus.judging import Finding, judge
from pytest_mlff.schema import Estimate

if TYPE_CHECKING:
    from pytest_mlff.apparatus.context import CheckContext
    from pytest_mlff.apparatus.declaration import Row
    from pytest_mlff.apparatus.work import Work
    from pytest_mlff.schema import Record

REPEATS = 5
"""Timed calls per size; the median is less noisy than the mean on a shared machine."""
_WORDS = {"ms_per_call": "time per force call", "ms_per_step": "time per MD step"}

ROWS = tuple(
    Declared(
        key=f"{quantity}-{atoms}",
        quantity=quantity,
        atoms=atoms,
        test="check_speed.test_cost",
        observable=f"{words}, {atoms} atoms",
        kind="info",
        unit="ms",
        reason="speed is shown; a force call is judged where the user sets a limit",
        source="user's configuration",
        protocols=EVERYWHERE,
        judged_if_limited=quantity == "ms_per_call",
        hint="Slower than your limit: check device and number of threads, and that the machine was idle."
        if quantity == "ms_per_call"
        else "",
    )
    for quantity, words in _WORDS.items()
    for atoms in (256, 2048, 4000)
)
CHECK = Check(order=50, samples="machine", worker="speed")


def benchmark_target(context: CheckContext, row: Row) -> Callable[[], None]:
    """Make the call that is timed.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    row : Row
        Time of a force call or of an MD step.

    Returns
    -------
    callable
        One force call on new positions, or one MD step; warmed up.
    """
    from pytest_mlff.apparatus.calls import call_target

    make = _step if row.declared.quantity == "ms_per_step" else call_target
    target = make(context, row.atoms)
    target()
    return target


def _step(context: CheckContext, atoms: int) -> Callable[[], None]:
    import numpy as np

    from pytest_mlff.apparatus.calls import cells_along
    from pytest_mlff.simulation.engine import Engine
    from pytest_mlff.systems.system import State, as_cell

    system = context.system
    n, solid = cells_along(system, atoms), next(state for state in system.states if state.phase == "solid")
    state = State(
        name=f"{solid.name}, {atoms} atoms",
        phase=solid.phase,
        temperature=solid.temperature,
        numbers=system.crystal.numbers * n**3,
        cell=as_cell(n * np.array(solid.cell) / np.array(solid.repeats)[:, np.newaxis]),
        repeats=(n, n, n),
    )
    engine = Engine(context.model, system, state, seeds=[context.seed], meter=context.meter)
    engine.start(system.lattice(state).positions[np.newaxis])

    def step() -> None:
        engine.step(1)

    return step


def time_calls(target: Callable[[], None], *, repeats: int = REPEATS) -> list[float]:
    """Time calls without pytest-benchmark.

    Parameters
    ----------
    target : callable
        What to call.
    repeats : int, optional
        How often.

    Returns
    -------
    list of float
        Seconds of each call.
    """
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        target()
        seconds.append(time.perf_counter() - start)
    return seconds


def judge_time(context: CheckContext, row: Row, seconds: Sequence[float]) -> Record:
    """Make the record of a timed row.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    row : Row
        Which row.
    seconds : sequence of float
        Of each call.

    Returns
    -------
    Record
        Median in ms; its error from the median absolute deviation. A limit is judged as any upper row.
    """
    import numpy as np

    milliseconds = 1e3 * np.asarray(seconds, dtype=float)
    median = float(np.median(milliseconds))
    deviation = float(np.median(np.abs(milliseconds - median)))
    estimate = Estimate(median, *_error_of_median(deviation, len(milliseconds)))
    finding = Finding(candidate=estimate, force_calls=len(milliseconds) + 1)
    return judge(context, row, finding, wall_s=float(milliseconds.sum()) / 1e3)


_SMALL_SAMPLE = {2: 1.196, 3: 1.495, 4: 1.363, 5: 1.206, 6: 1.200, 7: 1.140, 8: 1.129, 9: 1.107}
"""What the median absolute deviation of so few is to be multiplied with (C. Croux and P. J. Rousseeuw, COMPSTAT
(1992) 411); n/(n − 0.8) for more."""


def _error_of_median(deviation: float, n: int) -> tuple[float, float]:
    """Give standard error and degrees of freedom of a median, from the median absolute deviation of n normal values.

    1.4826 deviations estimate the s.d.; a median's error is √(π/2) of the mean's. With half of the mean's degrees of
    freedom Student's intervals of 95 and 99 % miss on either side in 1.6 to 2.4 and 0.3 to 0.6 % of all cases, for n
    from 2 to 25 (simulated).
    """
    spread = 1.4826 * _SMALL_SAMPLE.get(n, n / (n - 0.8)) * deviation
    return spread * math.sqrt(math.pi / 2 / n), max(1.0, 0.5 * (n - 1))


def run(context: CheckContext, rows: Sequence[Row]) -> dict[str, Record]:
    """Time and judge the speed rows, without pytest-benchmark."""
    return {row.id: judge_time(context, row, time_calls(benchmark_target(context, row))) for row in rows}


def work(context: CheckContext, rows: Sequence[Row]) -> Iterator[Work]:
    """Count the force calls of the rows: a set of them for each row, its warm-up included."""
    from pytest_mlff.apparatus.work import Work

    for row in rows:
        in_md = row.declared.quantity == "ms_per_step"
        yield Work(share=row.id, calls=REPEATS + 1, atoms=row.atoms, replicas=int(in_md))
