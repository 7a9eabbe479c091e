"""``--mlff-budget``."""

from __future__ import annotations

import pytest


def test_the_context_gets_seconds(gate, pytester):
    pytester.makepyfile(test_own="def test_own(mlff_context):\n    assert mlff_context.settings.budget_s == 1200\n")
    gate("--mlff-model=a", "--mlff-budget=20m", "test_own.py").assert_outcomes(passed=1)


@pytest.mark.parametrize("budget", ["-5m", "0", "soon"])
def test_what_is_no_duration_is_a_usage_error(gate, budget):
    result = gate("--mlff-model=a", f"--mlff-budget={budget}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --mlff-budget: '{budget}' is *expected a positive duration*"])


def test_a_spent_budget_leaves_the_rows_inconclusive(gate):
    result = gate("--mlff-model=a", "--mlff-budget=1s", "-k", "xsvs_time", plan={"xpcs": {"raise": "BudgetExhausted"}})
    assert result.ret == 1
    result.stdout.fnmatch_lines(["INCONCLUSIVE  xsvs_time:*", "*BudgetExhausted raised on purpose*"])
