"""What the model costs: time per force call and per MD step, and memory.

Through pytest-benchmark, so that its table, ``--benchmark-json`` and comparisons work; where it is off (under
xdist, or with ``--benchmark-disable``) the calls are timed here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import pytest

from pytest_mlff.apparatus.declaration import Row

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

pytestmark = pytest.mark.speed

ROUNDS, ROUNDS_OF_SLOW, SLOW_S = 5, 2, 2.0
"""Timed calls; fewer where one takes longer than ``SLOW_S``, or a large network would spend minutes here."""


def test_cost(mlff_row: Row, mlff_judge: Callable[..., None], benchmark: BenchmarkFixture | None) -> None:
    """Time of a force call or an MD step; judged only where the configuration sets a limit."""
    mlff_judge(mlff_row, timer=partial(time_calls, benchmark))


def test_memory(mlff_row: Row, mlff_judge: Callable[..., None]) -> None:
    """Memory that is kept of each force call; judged only where the configuration sets a limit."""
    mlff_judge(mlff_row)


def time_calls(benchmark: BenchmarkFixture | None, target: Callable[[], None]) -> Sequence[float]:
    """Time a call.

    Parameters
    ----------
    benchmark : BenchmarkFixture or None
        Of pytest-benchmark; None where the user left that plugin out.
    target : callable
        What to time.

    Returns
    -------
    sequence of float
        Seconds of each call.
    """
    from pytest_mlff.checks import speed

    (first,) = speed.time_calls(target, repeats=1)
    rounds = ROUNDS if first < SLOW_S else ROUNDS_OF_SLOW
    if benchmark is not None:
        benchmark.pedantic(target, rounds=1 if benchmark.disabled else rounds)
    if benchmark is None or benchmark.disabled:
        return speed.time_calls(target, repeats=rounds)
    seconds: list[float] = benchmark.stats.stats.data
    return seconds
