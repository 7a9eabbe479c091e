"""Memory that a calculator keeps of each call."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_mlff.checks import memory
from pytest_mlff.gate.catalogue import rows
from pytest_mlff.simulation.memory import BETWEEN, FIRST, Growth, resident_mb

(ROW,) = [row for row in rows("smoke", {}) if row.key == "memory_growth"]


def hoarding(kilobytes):
    kept = []

    def alter(forces, call):
        if kilobytes:
            kept.append(np.ones(kilobytes * 125))
        return forces

    return alter


def record(context, altered, kilobytes, **config):
    where = context(altered(hoarding(kilobytes)), **config)
    return memory.run(where, [ROW])[ROW.id]


def test_what_is_kept_of_every_call_is_seen(context, altered):
    found = record(context, altered, 200)
    assert found.status == "INFO"
    assert found.candidate == pytest.approx(200.0, abs=40.0)
    assert found.unit == "MB"
    assert "10 × 20 calls of 256 atoms" in found.reason


def test_a_limit_judges_it(context, altered):
    limit = {"config": {"memory": {"limits": {"memory_growth": 50.0}}}}
    assert record(context, altered, 200, **limit).status == "FAIL"
    kept = record(context, altered, 0, **limit)
    assert kept.status == "PASS"
    assert kept.tolerance == 50.0


def test_a_slow_model_is_called_less_often():
    now, calls = [0.0], []

    def call():
        now[0] += 0.25
        calls.append(1)

    found = memory.growth(call, memory=lambda: 0.1 * len(calls), clock=lambda: now[0])
    assert found.force_calls == len(calls) == 2 + 10 * 2
    assert found.candidate.value == pytest.approx(100.0)
    assert found.candidate.stderr == pytest.approx(0.0, abs=1e-9)


def test_memory_is_that_of_this_process():
    before = resident_mb()
    kept = np.ones(6_000_000)
    assert 40.0 < resident_mb() - before < 60.0
    assert kept.sum() == 6e6


def warned(held):
    """Warnings of a run whose memory in MB after so many calls is ``held(calls)``."""
    said, now = [], [0]
    growth = Growth(said.append, memory=lambda: held(now[0]))
    for now[0] in range(1, FIRST + 6 * BETWEEN):
        growth.look(now[0])
    return said


def test_steep_growth_is_warned_of_once_while_it_runs():
    (line,) = warned(lambda calls: 500.0 + 0.2 * calls)
    assert line == (
        f"mlff: memory grows by 200 MB per 1000 force calls and is {500 + 0.2 * (FIRST + 2 * BETWEEN):.0f} MB after "
        f"{FIRST + 2 * BETWEEN}: the calculator seems to keep something of every call"
    )


def test_slow_growth_and_one_large_piece_are_not():
    assert warned(lambda calls: 500.0 + 0.05 * calls) == []
    assert warned(lambda calls: 500.0 if calls < 1000 else 900.0) == []
