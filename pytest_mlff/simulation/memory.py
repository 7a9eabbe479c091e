"""Memory that a process holds, and its growth from force call to force call."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

MB = 1e6
STEEP_MB = 100.0
"""Growth in MB per 1000 calls that is warned of while a run lasts: 2 GB in ``ci``, for networks that are 100 MB."""
FIRST, BETWEEN = 200, 500
"""Calls before the first look, when caches and compilers have their memory; and calls between two looks."""
_STATM = Path("/proc/self/statm")


def resident_mb() -> float:
    """Memory of this process.

    Returns
    -------
    float
        In MB, what is resident now; where the system does not say (not Linux), the most there ever was.
    """
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MB
    except (OSError, ValueError, IndexError, AttributeError):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / MB if sys.platform == "darwin" else most * 1024 / MB


class Growth:
    """Looks at the memory now and then, and warns once when it grows steeply.

    Parameters
    ----------
    say : callable
        Takes the warning, one line.
    memory : callable, optional
        Memory in MB, for tests.
    """

    def __init__(self, say: Callable[[str], None], *, memory: Callable[[], float] = resident_mb) -> None:
        self._say, self._memory = say, memory
        self._next, self._first = FIRST, (0, 0.0)
        self._steep = 0

    def look(self, calls: int) -> None:
        """Look, if it is time.

        Parameters
        ----------
        calls : int
            Force calls so far.
        """
        if calls < self._next:
            return
        self._next = calls + BETWEEN
        now = self._memory()
        before_calls, before = self._first
        self._first = (calls, now)
        if not before_calls:
            return
        rate = 1000.0 * (now - before) / (calls - before_calls)
        self._steep = self._steep + 1 if rate > STEEP_MB else 0
        if self._steep == 2:  # one piece of the gate's own work may take as much, once
            self._say(
                f"mlff: memory grows by {rate:.0f} MB per 1000 force calls and is {now:.0f} MB after {calls}: "
                "the calculator seems to keep something of every call"
            )
