"""What a user sees of a long run, with a clock and a screen of our own."""

from __future__ import annotations

import io

import pytest

from pytest_mlff.report.progress import BEAT_S, LIVE_S, PATIENCE_S, PLAIN_S, Progress, format_time, stream_progress


class Screen:
    """Collects what is written, and tells the time."""

    def __init__(self) -> None:
        self.now = 100.0
        self.written: list[str] = []

    def progress(self, *, live: bool, width: int = 80) -> Progress:
        return Progress(self.written.append, live=live, width=width, clock=lambda: self.now)

    def steps(self, progress: Progress, count: int, *, seconds: float, steps: int = 100) -> None:
        for _ in range(count):
            self.now += seconds
            progress.advance(steps)


def test_a_short_run_says_nothing():
    screen = Screen()
    for live in (True, False):
        progress = screen.progress(live=live)
        progress.start("liquid", 1000)
        screen.steps(progress, 4, seconds=1.0)
        progress.finish()
    assert screen.written == []


def test_a_live_line_appears_after_a_while_and_goes_away():
    screen = Screen()
    progress = screen.progress(live=True, width=60)
    progress.start("liquid", 1000)
    screen.steps(progress, 5, seconds=PATIENCE_S / 5)
    assert [text.strip() for text in screen.written] == ["liquid: 500/1000 steps, 100 steps/s, 5.0s left"]
    screen.steps(progress, 1, seconds=LIVE_S / 2)  # not yet again
    assert len(screen.written) == 1
    screen.steps(progress, 1, seconds=LIVE_S / 2)
    assert len(screen.written) == 2
    progress.finish()
    assert screen.written[-1] == "\r" + " " * 59 + "\r"
    assert all(text.startswith("\r") and "\n" not in text and len(text) <= 61 for text in screen.written)


def test_a_narrow_terminal_is_not_overrun():
    screen = Screen()
    progress = screen.progress(live=True, width=20)
    progress.start("a rather long label", 10**9)
    screen.steps(progress, 1, seconds=PATIENCE_S)
    assert len(screen.written[0]) == 20


def test_plain_lines_now_and_then_and_one_at_the_end():
    screen = Screen()
    progress = screen.progress(live=False)
    progress.start("liquid", 10_000)
    screen.steps(progress, 70, seconds=1.0)
    progress.finish()
    assert PLAIN_S == 30.0
    assert screen.written == [
        "liquid: 3000/10000 steps, 100 steps/s, 1m10s left\n",
        "liquid: 6000/10000 steps, 100 steps/s, 40s left\n",
        "liquid: 7000 steps in 1m10s\n",
    ]


def test_a_thread_that_looks_on_shows_a_line_in_time():
    """Nothing advances for minutes, and there is a line every 30 s all the same."""
    screen = Screen()
    progress = screen.progress(live=False)
    progress.start("liquid", 100)
    for _ in range(240):
        screen.now += BEAT_S
        progress.beat()
    assert screen.written[0] == "liquid: 0/100 steps, 0 steps/s, ? left\n"
    assert len(screen.written) == 120.0 // (PLAIN_S - 2 * BEAT_S)
    progress.finish()
    progress.beat()
    assert screen.written[-1] == "liquid: 0 steps in 2m00s\n"


def test_many_short_tasks_are_not_silent_for_long():
    screen = Screen()
    progress = screen.progress(live=False)
    for _ in range(4):
        progress.start("row", None, "calls")
        screen.steps(progress, 1, seconds=16.0, steps=2)
        progress.finish()
    assert screen.written == [
        line for _ in range(2) for line in ("row: 2 calls, 0.1 calls/s\n", "row: 2 calls in 16s\n")
    ]


def test_what_was_done_before_says_nothing_about_the_pace():
    screen = Screen()
    progress = screen.progress(live=False)
    progress.start("liquid", 1000)
    progress.skip(900)
    screen.steps(progress, 1, seconds=50.0, steps=50)
    assert screen.written == ["liquid: 950/1000 steps, 1.0 steps/s, 50s left\n"]


def test_slow_calls_have_a_pace_too():
    screen = Screen()
    progress = screen.progress(live=False)
    progress.start("liquid", 10)
    screen.steps(progress, 1, seconds=50.0, steps=1)
    assert screen.written == ["liquid: 1/10 steps, 0.02 steps/s, 7m30s left\n"]


@pytest.mark.parametrize("live", [True, False])
def test_a_wait_says_for_whom_and_a_line_that_stays_is_whole(live):
    screen = Screen()
    progress = screen.progress(live=live, width=60)
    progress.start("liquid", 10)
    screen.now += 31.0
    progress.wait("process 12 on here")
    progress.beat()
    progress.say("mlff: waiting")
    progress.wait("")
    screen.now += 31.0
    progress.beat()
    first, *rest = screen.written
    assert first.strip() == "liquid: waiting for process 12 on here, 31s so far"
    assert rest[-2] == "mlff: waiting\n"
    assert rest[:-2] == (["\r" + " " * 59 + "\r"] if live else [])
    assert rest[-1].strip() == "liquid: 0/10 steps, 0 steps/s, ? left"


def test_each_run_counts_for_itself():
    screen = Screen()
    progress = screen.progress(live=False)
    progress.start("first", 1000)
    screen.steps(progress, 1, seconds=31.0)
    progress.start("second", 50)  # an aborted run never said finish
    screen.steps(progress, 1, seconds=31.0, steps=10)
    progress.finish()
    assert screen.written[1] == "first: 100 steps in 31s\n"
    assert screen.written[2] == "second: 10/50 steps, 0.3 steps/s, 2m04s left\n"


def test_more_steps_than_announced():
    screen = Screen()
    progress = screen.progress(live=False)
    progress.start("liquid", 100)
    screen.steps(progress, 1, seconds=31.0, steps=310)
    assert screen.written == ["liquid: 310/100 steps, 10 steps/s, ? left\n"]


def test_silence():
    progress = Progress(clock=iter(range(0, 10_000, 100)).__next__)
    progress.start("liquid", 10)
    progress.advance(5)
    progress.finish()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0s"), (9.94, "9.9s"), (9.96, "10s"), (59.4, "59s"), (59.6, "1m00s"), (185, "3m05s"), (7800, "2h10m")],
)
def test_format_time(seconds, text):
    assert format_time(seconds) == text


def test_a_stream_that_is_no_terminal_gets_plain_lines(monkeypatch):
    stream = io.StringIO()
    progress = stream_progress(stream)
    now = iter([0.0, 40.0, 41.0])
    monkeypatch.setattr(progress, "_clock", now.__next__)
    progress.start("build", 10)
    progress.advance(4)
    progress.finish()
    assert stream.getvalue().splitlines() == ["build: 4/10 steps, 0.1 steps/s, 1m00s left", "build: 4 steps in 41s"]


RUN = """
import time
from pytest_mlff.report import progress

def test_long(mlff_context):
    shown = mlff_context.meter.progress
    print("captured, not shown")
    now = iter([0.0, 31.0, 32.0])
    shown._clock = now.__next__
    shown.start("liquid", 1000)
    shown.advance(100)
    shown.finish()
"""


@pytest.fixture
def fake_run(pytester, plugin_args, request):
    fakes = request.config.rootpath / "tests" / "plugin" / "fakes.py"
    pytester.makepyfile(fakes=fakes.read_text(encoding="utf-8"), test_long=RUN)
    pytester.syspathinsert()
    common = (*plugin_args, "-p", "fakes", "--mlff-model=a", "--mlff-cache-dir=cache", "test_long.py")

    def run(*args, subprocess=False):
        start = pytester.runpytest_subprocess if subprocess else pytester.runpytest_inprocess
        return start(*common, *args)

    return run


# only a process of its own has file descriptors that pytest's default capture can take
@pytest.mark.parametrize("options", [("--capture=fd",), ("-v", "--capture=sys"), ("-s",)])
def test_it_passes_pytests_capture_and_keeps_its_lines_whole(fake_run, options):
    result = fake_run(*options, subprocess="--capture=fd" in options)
    result.assert_outcomes(passed=1)
    lines = result.outlines
    at = lines.index("liquid: 100/1000 steps, 3.2 steps/s, 4m39s left")
    assert lines[at + 1] == "liquid: 100 steps in 32s"
    if "-s" not in options:
        assert "captured, not shown" not in result.stdout.str()


def test_quiet_runs_are_quiet(fake_run):
    assert "steps/s" not in fake_run("-q").stdout.str()
