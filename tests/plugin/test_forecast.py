"""``--mlff-forecast``: say what the run would take, and stop."""

from __future__ import annotations


def test_it_stops_before_the_first_row(gate, calls):
    result = gate("--mlff-model=a", "--mlff-forecast")
    assert result.ret == 0
    assert "forecast 60 True" in calls()
    assert not [line for line in calls() if line.startswith("check ")]


def test_a_run_forecasts_the_rows_that_are_chosen(gate, calls):
    gate("--mlff-model=a", "-k", "xsvs_time").assert_outcomes(passed=1, deselected=59)
    assert "forecast 1 False" in calls()


def test_what_only_collects_is_not_timed(gate, calls):
    gate("--mlff-model=a", "--collect-only", "-q")
    assert not [line for line in calls() if line.startswith("forecast")]


def test_users_tests_alone_have_none(gate, pytester, calls):
    pytester.makepyfile(test_own="def test_own(mlff_model):\n    pass\n")
    gate("--mlff-model=a", "test_own.py").assert_outcomes(passed=1)
    assert not [line for line in calls() if line.startswith("forecast")]
