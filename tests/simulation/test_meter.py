"""What every force call passes: budget, progress, and a watch on calls that last."""

from __future__ import annotations

import threading
import time

import pytest

from pytest_mlff.errors import BudgetExhausted
from pytest_mlff.simulation import meter as module
from pytest_mlff.simulation.budget import Budget
from pytest_mlff.simulation.forces import ModelForces
from pytest_mlff.simulation.meter import Meter, NoProgress
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")


class Seen(NoProgress):
    """Writes down what it is told."""

    def __init__(self):
        self.told = []

    def start(self, label, total, unit="steps"):
        self.told.append((label, total, unit))

    def advance(self, count):
        self.told.append(count)

    def skip(self, count):
        self.told.append(f"skip {count}")

    def beat(self):
        self.told.append("beat")

    def finish(self):
        self.told.append("finish")


def without_beats(seen):
    return [what for what in seen.told if what != "beat"]


def counting(seconds):
    """A budget whose clock is moved by hand."""
    now = [0.0]
    return Budget(seconds, clock=lambda: now[0]), now


def test_force_calls_are_the_progress_of_a_task_that_counts_them():
    seen = Seen()
    meter = Meter(progress=seen)
    with meter.task("parity", 3):
        assert meter.call(lambda: 7, 1, "a call") == 7
        meter.call(lambda: None, 2, "two in one")
    assert without_beats(seen) == [("parity", 3, "calls"), 1, 2, "finish"]
    assert meter.calls == 3


def test_a_task_of_steps_counts_its_own_and_the_one_around_it_comes_back():
    seen = Seen()
    meter = Meter(progress=seen)
    with meter.task("row hot"):
        meter.call(lambda: None, 1, "a call")
        with meter.task("run", 10, unit="steps"):
            meter.call(lambda: None, 1, "a step")
            meter.advance(1)
    assert without_beats(seen) == [
        *[("row hot", None, "calls"), 1],
        *[("run", 10, "steps"), 1, "finish"],
        *[("row hot", None, "calls"), "skip 1", "finish"],
    ]


def test_the_budget_is_asked_before_every_call_and_says_how_far_it_came():
    budget, now = counting(10.0)
    meter = Meter(budget)

    def call():
        now[0] += 4.0

    with meter.task("m parity", 20):
        for _ in range(3):
            meter.call(call, 1, "a call")
        with pytest.raises(BudgetExhausted) as caught:
            meter.call(call, 1, "a call")
    assert str(caught.value) == "the budget of 10 s was spent before the end of m parity (3 of 20 calls)"
    assert meter.calls == 3


def test_a_stack_of_configurations_is_left_between_two_of_them(plain, batched, small, liquid):
    for model, made in ((plain(), 2), (batched(), 4)):
        budget, now = counting(1.5)

        def tick(forces, call, now=now):
            now[0] += 1.0
            return forces

        model.calculator.alter = tick
        forces = ModelForces(model, ARGON, small.numbers, small.cell, Meter(budget))
        if made == 2:
            with pytest.raises(BudgetExhausted):
                forces(liquid)
        else:
            forces(liquid)  # one call
        assert forces.calls == made


def test_a_spent_budget_is_no_fault_of_the_model(plain, small, liquid):
    forces = ModelForces(plain(), ARGON, small.numbers, small.cell, Meter(Budget(0.0)))
    for ask in (forces, forces.energy, forces.energy_and_forces, forces.stress):
        with pytest.raises(BudgetExhausted, match="before a force call"):
            ask(liquid[0])
    assert forces.calls == 0


def meters():
    return [thread for thread in threading.enumerate() if thread.name == "mlff-meter"]


def wait_until(condition):
    end = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


@pytest.fixture
def quick(monkeypatch):
    wait_until(lambda: not meters())  # those of the tests before look once more
    monkeypatch.setattr(module, "BEAT_S", 0.01)


@pytest.mark.usefixtures("quick")
def test_a_thread_looks_on_while_a_call_lasts_and_no_longer():
    seen = Seen()
    meter = Meter(progress=seen)
    with meter.task("slow", 1):
        meter.call(lambda: wait_until(lambda: seen.told.count("beat") >= 3), 1, "a call")
        assert len(meters()) == 1
    wait_until(lambda: not meters())
    with meter.task("again", 1):
        wait_until(lambda: len(meters()) == 1)
    wait_until(lambda: not meters())


@pytest.mark.usefixtures("quick")
def test_silence_needs_no_thread():
    with Meter().task("quick"):
        assert not meters()


@pytest.mark.usefixtures("quick")
def test_a_call_that_takes_too_long_is_told_while_it_lasts():
    told = []
    meter = Meter(timeout_s=0.05, on_timeout=told.append)
    with meter.task("m 100K-256", 250):
        meter.call(lambda: None, 1, "m, force call 1, 256 atoms")
        time.sleep(0.1)  # between calls nothing is late
        assert told == []
        meter.call(lambda: wait_until(lambda: told), 1, "m, force call 2, 256 atoms")
    expected = "a force call took longer than 0.05 s (--mlff-timeout): m, force call 2, 256 atoms in m 100K-256"
    assert told == [f"{expected} (1 of 250 calls)"]
