"""A calculator that raises in the middle of a run: real physics, of fifty steps."""

from __future__ import annotations

import json
import re

import pytest

SOURCE = """
import sys

import pytest

from pytest_mlff.potentials import lennard_jones


class Leaves:
    def __init__(self, how):
        self.how, self.calls, self.inner = how, 0, lennard_jones()

    def get_forces(self, atoms):
        self.calls += 1
        if self.calls > 10:
            leave(self.how)
        return self.inner.get_forces(atoms)


def leave(how):
    if how == "skip":
        pytest.skip("no licence")
    if how == "exit":
        sys.exit("no licence")
    if how == "text":
        raise ValueError("no licence \\udc80")
    if how == "interrupt":
        raise KeyboardInterrupt
"""


@pytest.fixture
def stability(pytester, plugin_args):
    """Run the stability row of a calculator."""
    pytester.makepyfile(calc=SOURCE)

    def run(how, *args):
        own = (*plugin_args, "-p", "no:cacheprovider", "--mlff-cache-dir=cache", "--mlff-protocol=smoke")
        model = f"--mlff-model=calc.py:Leaves('{how}')"
        return pytester.runpytest_subprocess(*own, model, "--mlff-json=run.json", "-k", "[stability]", *args)

    return run


@pytest.mark.parametrize(("how", "kind"), [("skip", "Skipped"), ("exit", "SystemExit"), ("text", "ValueError")])
def test_it_is_one_error_that_says_where(stability, pytester, how, kind):
    result = stability(how)
    assert result.ret == 1
    result.assert_outcomes(failed=1, deselected=22)
    (record,) = json.loads((pytester.path / "run.json").read_text())["records"]
    assert record["status"] == "ERROR"
    assert f"the calculator raised {kind}: no licence" in record["reason"]
    assert f" at {pytester.path / 'calc.py'}:" in record["reason"]
    assert re.search(r" in leave \(force call \d+, 256 atoms, shortest distance 3\.", record["reason"])
    assert "Traceback" not in result.stdout.str()


def test_a_long_traceback_shows_the_users_code(stability, pytester):
    result = stability("text", "--tb=long")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["ERROR  stability:*", "Traceback (most recent call last):", "*calc.py*in leave"])


def test_an_interrupt_interrupts(stability):
    assert stability("interrupt").ret == pytest.ExitCode.INTERRUPTED
