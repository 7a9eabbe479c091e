"""Time per force call and per MD step: INFO, unless the user sets a limit on a force call.

The suite times :func:`benchmark_target` through pytest-benchmark where that is on, and with
:func:`time_calls` where it is off; either way :func:`judge_time` makes the record. Timings are never cached.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from pytest_mlff.apparatus.context import CheckContext
from pytest_mlff.apparatus.judging import Finding, judge
from pytest_mlff.apparatus.work import Work
from pytest_mlff.gate.catalogue import Row
from pytest_mlff.schema import Estimate, Record
from pytest_mlff.simulation.engine import Engine
from pytest_mlff.systems.system import State, System, as_cell

REPEATS = 5
"""Timed calls per size; the median is less noisy than the mean on a shared machine."""
_SHAKEN, _MOVED = 0.15, 0.005
"""Displacements in Å: once, to leave the perfect crystal, and from call to call, as far as a step of MD moves atoms
(a neighbour list with a skin is then used as in MD, and no call sees the same positions)."""


def benchmark_target(context: CheckContext, row: Row) -> Callable[[], None]:
    """Make the call that is timed.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    row : Row
        ``ms_per_call-<atoms>`` or ``ms_per_step-<atoms>``.

    Returns
    -------
    callable
        One force call on new positions, or one MD step; warmed up.
    """
    atoms = int(row.key.rpartition("-")[2])
    target = _step(context, atoms) if row.key.startswith("ms_per_step") else call_target(context, atoms)
    target()
    return target


def call_target(context: CheckContext, atoms: int) -> Callable[[], None]:
    """Make a force call on a shaken crystal, its atoms a little elsewhere each time.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    atoms : int
        Four times a cube.

    Returns
    -------
    callable
        Not warmed up.
    """
    n = _cells(context.system, atoms)
    lattice = context.system.crystal.repeated((n, n, n))
    forces = context.forces(lattice.numbers, lattice.cell)
    rng = np.random.default_rng(0)
    shaken = lattice.positions + rng.normal(0.0, _SHAKEN, lattice.positions.shape)

    def call() -> None:
        forces(shaken + rng.normal(0.0, _MOVED, shaken.shape))

    return call


def _step(context: CheckContext, atoms: int) -> Callable[[], None]:
    n, solid = _cells(context.system, atoms), next(one for one in context.system.states if one.phase == "solid")
    state = State(
        name=f"{solid.name}, {atoms} atoms",
        phase=solid.phase,
        temperature=solid.temperature,
        numbers=context.system.crystal.numbers * n**3,
        cell=as_cell(n * np.array(solid.cell) / np.array(solid.repeats)[:, np.newaxis]),
        repeats=(n, n, n),
    )
    engine = Engine(context.model, context.system, state, seeds=[context.seed], meter=context.meter)
    engine.start(context.system.lattice(state).positions[np.newaxis])

    def step() -> None:
        engine.step(1)

    return step


def _cells(system: System, atoms: int) -> int:
    """Count the unit cells along each vector of a crystal of so many atoms."""
    count: int = round((atoms / len(system.crystal.numbers)) ** (1 / 3))
    return count


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
    """Time and judge the speed rows, without pytest-benchmark.

    Parameters
    ----------
    context : CheckContext
        Of the run.
    rows : sequence of Row
        Of the check ``speed``.

    Returns
    -------
    dict of str to Record
        By row id.
    """
    return {row.id: judge_time(context, row, time_calls(benchmark_target(context, row))) for row in rows}


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
        One for each row, its warm-up included.
    """
    for row in rows:
        kind, _, atoms = row.key.rpartition("-")
        yield Work(share=row.id, calls=REPEATS + 1, atoms=int(atoms), replicas=int(kind == "ms_per_step"))
