"""Time per call: shown, and judged where the user sets a limit."""

from __future__ import annotations

import time

import numpy as np
import pytest

from pytest_mlff.checks import speed
from pytest_mlff.gate.catalogue import rows
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")

ROWS = {row.key: row for row in rows("smoke", {}) if row.check == "speed"}


def test_without_a_limit_times_are_shown(context):
    record = speed.judge_time(context(ReferenceModel(ARGON)), ROWS["ms_per_call-256"], [0.010, 0.012, 0.011])
    assert record.status == "INFO"
    assert record.candidate == pytest.approx(11.0)
    assert (record.unit, record.tolerance) == ("ms", None)
    assert record.wall_s == pytest.approx(0.033)


@pytest.mark.parametrize(("limit", "status"), [(20.0, "PASS"), (5.0, "FAIL"), (11.0, "INCONCLUSIVE")])
def test_with_a_limit_they_are_judged(context, limit, status):
    where = context(ReferenceModel(ARGON), config={"speed": {"limits": {"ms_per_call": limit}}})
    seconds = [0.010, 0.0105, 0.011, 0.0115, 0.012]
    record = speed.judge_time(where, ROWS["ms_per_call-2048"], seconds)
    assert (record.status, record.tolerance) == (status, limit)
    assert speed.judge_time(where, ROWS["ms_per_step-256"], seconds).status == "INFO"


def test_one_outlier_does_not_decide(context):
    where = context(ReferenceModel(ARGON), config={"speed": {"limits": {"ms_per_call": 20.0}}})
    record = speed.judge_time(where, ROWS["ms_per_call-256"], [0.010, 0.0101, 0.0099, 0.01, 3.0])
    assert (record.status, record.candidate) == ("PASS", pytest.approx(10.0))


def test_the_error_of_the_median_is_that_of_normal_noise(context):
    rng, where = np.random.default_rng(0), context(ReferenceModel(ARGON))
    found = [
        speed.judge_time(where, ROWS["ms_per_call-256"], 0.01 + 1e-3 * rng.standard_normal(25)) for _ in range(300)
    ]
    scatter = np.std([record.candidate for record in found])
    assert np.mean([record.candidate_stderr for record in found]) == pytest.approx(scatter, rel=0.15)


@pytest.mark.parametrize("repeats", [2, speed.REPEATS, 25])
def test_a_time_on_the_limit_is_said_to_be_above_it_in_one_of_forty_cases_at_most(context, repeats):
    """At as few calls as are timed; 4000 trials know 2.5 % to 0.25 %."""
    rng = np.random.default_rng(1)
    where = context(ReferenceModel(ARGON), config={"speed": {"limits": {"ms_per_call": 10.0}}})
    trials = 0.010 + 1e-3 * rng.standard_normal((4000, repeats))
    found = [speed.judge_time(where, ROWS["ms_per_call-256"], trial).status for trial in trials]
    for side in ("FAIL", "PASS"):
        assert found.count(side) / len(found) < 0.025 + 3 * 0.0025


@pytest.mark.parametrize("key", ROWS)
def test_what_is_timed_is_one_call_of_that_size(context, key):
    seen = []

    class Model:
        name, fingerprint, repeatable = "timed", "timed", True

        class calculator:
            @staticmethod
            def get_forces(atoms):
                seen.append(atoms.positions.copy())
                return np.zeros((len(atoms), 3))

    target = speed.benchmark_target(context(Model()), ROWS[key])
    assert len(seen) >= 1  # warmed up
    warm = len(seen)
    for _ in range(3):
        target()
    assert len(seen) == warm + 3
    assert {len(positions) for positions in seen} == {int(key.rpartition("-")[2])}
    if key.startswith("ms_per_call"):
        assert not np.array_equal(seen[-1], seen[-2])  # no calculator can answer from memory


def test_the_own_timer_measures(context):
    seconds = speed.time_calls(lambda: time.sleep(0.01), repeats=3)
    assert len(seconds) == 3
    assert all(0.01 <= second < 1.0 for second in seconds)


def test_the_check_times_every_row(context):
    wanted = [ROWS["ms_per_call-256"], ROWS["ms_per_step-256"]]
    records = speed.run(context(ReferenceModel(ARGON)), wanted)
    assert list(records) == [row.id for row in wanted]
    for record in records.values():
        assert record.status == "INFO"
        assert 0.01 < record.candidate < 1000.0
