"""What all work passes: the wall time left, what the user sees of it, and how long a force call may take.

A *task* is a stretch of work with a name, such as one trajectory or one set of parity forces. Every force call
goes through :meth:`Meter.call`, so that the budget ends a run within the cost of one of them. What lasts longer than
a call, or is none (a wait for another process), is shown by a thread that lives as long as there is a task.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pytest_mlff.simulation.budget import Budget
from pytest_mlff.simulation.memory import Growth

T = TypeVar("T")

BEAT_S = 0.5
"""Time between two looks of the thread, in s."""
CALLS = "calls"
"""Unit of a task whose force calls are its progress; one of another unit says itself how far it is."""


class Progress(Protocol):
    """What is shown of a task."""

    def start(self, label: str, total: int | None, unit: str = "steps") -> None:
        """Announce a task of ``total`` units; None where nobody knows how many."""

    def advance(self, count: int) -> None:
        """Count units that are done."""

    def skip(self, count: int) -> None:
        """Count units that were done before: they say nothing about the pace."""

    def beat(self) -> None:
        """Show what there is when it is time; called by a thread."""

    def wait(self, whom: str) -> None:
        """Show for whom the task waits; empty when it goes on."""

    def say(self, line: str) -> None:
        """Show a line that stays."""

    def finish(self) -> None:
        """Announce the end of the task."""


class NoProgress:
    """Reports to nobody."""

    def start(self, label: str, total: int | None, unit: str = "steps") -> None:
        """Ignore."""

    def advance(self, count: int) -> None:
        """Ignore."""

    def skip(self, count: int) -> None:
        """Ignore."""

    def beat(self) -> None:
        """Ignore."""

    def wait(self, whom: str) -> None:
        """Ignore."""

    def say(self, line: str) -> None:
        """Ignore."""

    def finish(self) -> None:
        """Ignore."""


@dataclass(slots=True)
class _Task:
    label: str
    total: int | None
    unit: str
    done: int = 0

    def __str__(self) -> str:
        of = "" if self.total is None else f" of {self.total}"
        return f"{self.label} ({self.done}{of} {self.unit})"


class Meter:
    """Budget, progress and watch of a run; shared by all its models.

    Parameters
    ----------
    budget : Budget, optional
        Wall time left; by default without a limit.
    progress : Progress, optional
        Where to report to; by default nowhere.
    timeout_s : float, optional
        Longest force call in s; by default any.
    on_timeout : callable, optional
        Takes what happened, in words; called by the thread, while the call still lasts.
    watch_memory : bool, optional
        Whether to warn of memory that grows steeply.

    Attributes
    ----------
    sizes : Counter
        Configurations evaluated so far, by their number of atoms.
    """

    def __init__(
        self,
        budget: Budget | None = None,
        progress: Progress | None = None,
        *,
        timeout_s: float | None = None,
        on_timeout: Callable[[str], None] | None = None,
        watch_memory: bool = False,
    ) -> None:
        self.budget = budget or Budget()
        self.progress = progress or NoProgress()
        self.timeout_s, self.on_timeout = timeout_s, on_timeout
        self._growth = Growth(self.progress.say) if watch_memory else None
        self.sizes: Counter[int] = Counter()
        self._tasks: list[_Task] = []
        self._call: tuple[float, str] | None = None
        self._thread: threading.Thread | None = None
        self._mutex = threading.Lock()

    @property
    def calls(self) -> int:
        """Configurations evaluated so far."""
        return self.sizes.total()

    @contextmanager
    def task(self, label: str, total: int | None = None, *, unit: str = CALLS) -> Iterator[None]:
        """Do a stretch of work under a name; the one around it is shown again afterwards.

        Parameters
        ----------
        label : str
            What it is, in a few words.
        total : int, optional
            Units it takes in all, where that is known.
        unit : str
            What is counted: its own force calls, or what :meth:`advance` is told.
        """
        self._tasks.append(_Task(label, total, unit))
        self.progress.start(label, total, unit)
        self._watch()
        try:
            yield
        finally:
            self.progress.finish()
            self._tasks.pop()
            if self._tasks:
                outer = self._tasks[-1]
                self.progress.start(outer.label, outer.total, outer.unit)
                self.progress.skip(outer.done)

    def advance(self, count: int) -> None:
        """Count units of the task that are done.

        Parameters
        ----------
        count : int
            Since the last time.
        """
        self._tasks[-1].done += count
        self.progress.advance(count)

    def skip(self, count: int) -> None:
        """Count units of the task that an earlier run did.

        Parameters
        ----------
        count : int
            How many.
        """
        self._tasks[-1].done += count
        self.progress.skip(count)

    def check(self, before: str = "") -> None:
        """Stop here when the budget is spent.

        Parameters
        ----------
        before : str
            What would be done next, for the message; by default the end of the task.

        Raises
        ------
        BudgetExhausted
            If the budget is spent.
        """
        if self.budget.spent:
            self.budget.check(before or (f"the end of {self._tasks[-1]}" if self._tasks else "a force call"))

    def call(self, evaluate: Callable[[], T], count: int, what: str, atoms: int = 0) -> T:
        """Make a force call.

        Parameters
        ----------
        evaluate : callable
            Makes it.
        count : int
            Configurations in it.
        what : str
            The call in words, for the message when it takes too long.
        atoms : int, optional
            In each of them.

        Returns
        -------
        object
            What ``evaluate`` returned.

        Raises
        ------
        BudgetExhausted
            If the budget was spent before.
        """
        self.check()
        if self.timeout_s is not None:
            self._call = (time.monotonic(), what)
            self._watch()
        try:
            found = evaluate()
        finally:
            self._call = None
            self.sizes[atoms] += count
        if self._growth is not None:
            self._growth.look(self.calls)
        if self._tasks and self._tasks[-1].unit == CALLS:
            self.advance(count)
        return found

    def _watch(self) -> None:
        """Have a thread look on: one, as long as there is something to look at."""
        if type(self.progress) is NoProgress and self.timeout_s is None:
            return
        with self._mutex:
            if self._thread is None:
                self._thread = threading.Thread(target=self._look_on, name="mlff-meter", daemon=True)
                self._thread.start()

    def _look_on(self) -> None:
        while True:
            time.sleep(BEAT_S)
            self._look()
            with self._mutex:
                if not self._tasks and self._call is None:
                    self._thread = None
                    return

    def _look(self) -> None:
        self.progress.beat()
        began, what = self._call or (time.monotonic(), "")
        if self.timeout_s is not None and time.monotonic() - began > self.timeout_s:
            self._call = None
            if self.on_timeout is not None:
                where = f" in {self._tasks[-1]}" if self._tasks else ""
                self.on_timeout(f"a force call took longer than {self.timeout_s:g} s (--mlff-timeout): {what}{where}")
