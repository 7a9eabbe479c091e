"""The wall-clock budget."""

import pytest

from pytest_mlff.errors import BudgetExhausted
from pytest_mlff.simulation.budget import Budget


def test_a_budget_is_spent_when_its_time_is_over():
    now = [100.0]
    budget = Budget(20.0, clock=lambda: now[0])
    for moment, spent in ((100.0, False), (119.9, False), (120.0, True), (500.0, True)):
        now[0] = moment
        assert budget.spent is spent


def test_the_check_says_what_was_not_done_any_more():
    budget = Budget(0.0)
    with pytest.raises(BudgetExhausted, match="the budget of 0 s was spent before the second look"):
        budget.check("the second look")


def test_without_a_limit_it_lasts():
    now = [0.0]
    budget = Budget(clock=lambda: now[0])
    now[0] = 1e12
    assert not budget.spent
    budget.check("anything")
