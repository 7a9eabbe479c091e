"""The wall-clock budget of a run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from pytest_mlff.errors import BudgetExhausted


class Budget:
    """A deadline, counted from the moment the object is made.

    Parameters
    ----------
    seconds : float or None
        Wall time allowed; None for no limit.
    clock : callable, optional
        Source of time in seconds, for tests.
    """

    def __init__(self, seconds: float | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._start = clock()

    @property
    def left(self) -> float:
        """Seconds left; infinite without a limit."""
        return math.inf if self.seconds is None else self.seconds - (self._clock() - self._start)

    @property
    def spent(self) -> bool:
        """Whether the deadline has passed."""
        return self.left <= 0.0

    def check(self, before: str) -> None:
        """Stop here when the budget is spent.

        Parameters
        ----------
        before : str
            What would be done next, for the message.

        Raises
        ------
        BudgetExhausted
            If the deadline has passed.
        """
        if self.spent:
            raise BudgetExhausted(f"the budget of {self.seconds:g} s was spent before {before}")
