"""SIGTERM, with which a CI cancels a job, ends a run as Ctrl-C does: with table, records and exit code 2."""

from __future__ import annotations

import signal
import threading
from typing import Any


class Termination:
    """Turns SIGTERM into an interrupt while rows run, and takes no notice of it once the run is being closed.

    A CI sends one or two signals and kills some seconds later: what is left of that time belongs to the table and
    the files.
    """

    def __init__(self) -> None:
        self._closing = False

    def install(self) -> None:
        """Begin, unless somebody else handles the signal, or this is no main thread, where Python forbids it."""
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._handle)

    def close(self) -> None:
        """Let the run write its end in peace."""
        self._closing = True

    def remove(self) -> None:
        """Give the signal back."""
        if signal.getsignal(signal.SIGTERM) == self._handle:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _handle(self, number: int, frame: Any) -> None:
        """Interrupt what runs: a force call in Python at once, a native one when it returns."""
        if not self._closing:
            raise KeyboardInterrupt("SIGTERM: the run was cancelled")
