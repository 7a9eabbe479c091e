"""How far a long run is: a live line on a terminal, now and then a plain line elsewhere, else silence.

The meter of a run calls what is here, from the thread that works and from one that looks on; it knows nothing of
pytest. Time and output come from outside: tests need neither a clock nor a terminal.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, TextIO

from pytest_mlff.simulation.meter import BEAT_S

if TYPE_CHECKING:
    import pytest

PATIENCE_S = 5.0
"""A task shorter than this is not worth a live line."""

LIVE_S = 0.5
"""Time between two updates of the live line."""

PLAIN_S = 30.0
"""Longest time without a plain line while something is done."""


class Progress:
    """Shows what is done, how fast, and the time left.

    Parameters
    ----------
    write : callable or None
        Takes text for the user's screen, past pytest's capture; None keeps silent.
    live : bool
        Whether a line can be written over (a terminal); otherwise plain lines are written.
    width : int
        Columns of the terminal.
    clock : callable
        Seconds, monotonic.
    """

    def __init__(
        self,
        write: Callable[[str], object] | None = None,
        *,
        live: bool = False,
        width: int = 80,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._live = live
        self._width = width
        self._clock = clock
        self._mutex = threading.RLock()
        self._label = self._unit = self._whom = ""
        self._total: int | None = None
        self._done = self._skipped = 0
        self._started = 0.0
        self._shown: float | None = None
        self._runs = self._visible = False

    def start(self, label: str, total: int | None, unit: str = "steps") -> None:
        """Begin a task.

        Parameters
        ----------
        label : str
            What runs, in a few words.
        total : int or None
            What it takes in all, where that is known.
        unit : str
            What is counted.
        """
        with self._mutex:
            if self._visible:
                self.finish()
            self._label, self._total, self._unit, self._whom = label, total, unit, ""
            self._done = self._skipped = 0
            self._started, self._runs = self._clock(), True
            self._shown = self._started if self._shown is None else self._shown

    def advance(self, count: int) -> None:
        """Count what is done, and show it when it is time.

        Parameters
        ----------
        count : int
            Done since the last call.
        """
        self._done += count
        self._show(PLAIN_S)

    def skip(self, count: int) -> None:
        """Count what was done by an earlier run.

        Parameters
        ----------
        count : int
            It says nothing about the pace.
        """
        self._done += count
        self._skipped += count

    def beat(self) -> None:
        """Show what is done when it would be late the next time."""
        self._show(PLAIN_S - 2 * BEAT_S)

    def wait(self, whom: str) -> None:
        """Say for whom the task waits.

        Parameters
        ----------
        whom : str
            In words; empty when it goes on.
        """
        self._whom = whom

    def say(self, line: str) -> None:
        """Show a line that stays.

        Parameters
        ----------
        line : str
            Without its end.
        """
        with self._mutex:
            if self._write is None:
                return
            self._wipe()
            self._write(line + "\n")
            self._shown = self._clock()

    def finish(self) -> None:
        """End the task: the live line disappears, plain lines stay and get a last one."""
        with self._mutex:
            self._wipe()
            if self._write is not None and self._visible and not self._live:
                spent = self._clock() - self._started
                self._emit(f"{self._label}: {self._done} {self._unit} in {format_time(spent)}")
            self._runs = self._visible = False

    def _show(self, plain: float) -> None:
        """Show the task if the last line is old enough."""
        if self._write is None:
            return
        with self._mutex:
            if not self._runs or self._shown is None:
                return
            now = self._clock()
            since = now - (self._shown if self._visible or not self._live else self._started)
            due = plain if not self._live else LIVE_S if self._visible else PATIENCE_S
            if since >= due:
                self._shown, self._visible = now, True
                self._emit(self._line(now - self._started))

    def _wipe(self) -> None:
        if self._write is not None and self._visible and self._live:
            self._write("\r" + " " * (self._width - 1) + "\r")

    def _line(self, spent: float) -> str:
        if self._whom:
            return f"{self._label}: waiting for {self._whom}, {format_time(spent)} so far"
        rate = (self._done - self._skipped) / spent if spent > 0 else 0.0
        pace = f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}" if rate >= 0.1 else f"{rate:.2g}"
        if self._total is None:
            return f"{self._label}: {self._done} {self._unit}, {pace} {self._unit}/s"
        left = format_time((self._total - self._done) / rate) if rate > 0 and self._total >= self._done else "?"
        return f"{self._label}: {self._done}/{self._total} {self._unit}, {pace} {self._unit}/s, {left} left"

    def _emit(self, line: str) -> None:
        assert self._write is not None
        if self._live:
            room = self._width - 1
            self._write("\r" + line[:room].ljust(room))
        else:
            self._write(line + "\n")


def format_time(seconds: float) -> str:
    """Wall time for people.

    Parameters
    ----------
    seconds : float
        Non-negative, in s.

    Returns
    -------
    str
        Such as ``"0.4s"``, ``"12s"``, ``"3m05s"`` or ``"2h10m"``.
    """
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def session_progress(config: pytest.Config) -> Progress:
    """Make the progress display of a pytest run.

    Parameters
    ----------
    config : pytest.Config
        Of the run.

    Returns
    -------
    Progress
        It writes past pytest's capture; silent on xdist workers, with ``-q`` and without a terminal reporter.
    """
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    if reporter is None or hasattr(config, "workerinput") or reporter.verbosity < 0:
        return Progress()

    def write(text: str) -> None:
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            reporter.ensure_newline()  # pytest's own line is complete, and begun anew by the next result
            reporter.write(text, flush=True)

    return Progress(write, live=reporter.isatty, width=config.get_terminal_writer().fullwidth)


def stream_progress(stream: TextIO) -> Progress:
    """Make the progress display of a console command.

    Parameters
    ----------
    stream : text stream
        Where to write, usually ``sys.stderr``.

    Returns
    -------
    Progress
        Live on a terminal.
    """

    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    return Progress(write, live=stream.isatty(), width=shutil.get_terminal_size().columns)
