"""How far a long run is: a live line on a terminal, now and then a plain line elsewhere, else silence.

The engine calls ``start``, ``advance`` and ``finish``; it knows nothing of pytest. Time and output come from
outside: tests need neither a clock nor a terminal.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    import pytest

PATIENCE_S = 5.0
"""A run shorter than this is not worth a line."""

LIVE_S = 0.5
"""Time between two updates of the live line."""

PLAIN_S = 30.0
"""Time between two plain lines."""


class Progress:
    """Shows steps done, steps per second and time left.

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
        self._label = ""
        self._total = self._done = 0
        self._started = self._shown = 0.0
        self._visible = False

    def start(self, label: str, total_steps: int) -> None:
        """Begin a run.

        Parameters
        ----------
        label : str
            What runs, in a few words.
        total_steps : int
            Steps it takes in all.
        """
        if self._visible:
            self.finish()
        self._label, self._total, self._done = label, total_steps, 0
        self._started = self._shown = self._clock()

    def advance(self, steps: int) -> None:
        """Count steps done, and show them when it is time.

        Parameters
        ----------
        steps : int
            Steps done since the last call.
        """
        self._done += steps
        now = self._clock()
        due = PLAIN_S if not self._live else LIVE_S if self._visible else PATIENCE_S
        if self._write is None or now - self._shown < due:
            return
        self._shown, self._visible = now, True
        self._emit(self._line(now - self._started))

    def finish(self) -> None:
        """End the run: the live line disappears, plain lines stay and get a last one."""
        if self._write is not None and self._visible:
            if self._live:
                self._write("\r" + " " * (self._width - 1) + "\r")
            else:
                spent = self._clock() - self._started
                self._emit(f"{self._label}: {self._done} steps in {format_time(spent)}")
        self._visible = False

    def _line(self, spent: float) -> str:
        rate = self._done / spent if spent > 0 else 0.0
        left = format_time((self._total - self._done) / rate) if rate > 0 and self._total >= self._done else "?"
        pace = f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}"
        return f"{self._label}: {self._done}/{self._total} steps, {pace} steps/s, {left} left"

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
