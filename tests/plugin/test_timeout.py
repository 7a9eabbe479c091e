"""``--mlff-timeout``: a force call that hangs ends the run, and what there is is written."""

from __future__ import annotations

import json

import pytest

HANGS = """
import time
from pytest_mlff.potentials import lennard_jones

class Hangs:
    def __init__(self, at):
        self.at, self.calls, self.potential = at, 0, lennard_jones()

    def get_forces(self, atoms):
        self.calls += 1
        if self.calls == self.at:
            time.sleep(600)
        return self.potential.get_forces(atoms)

def hangs(at=10**9):
    return Hangs(at)
"""


def test_a_call_that_hangs_is_an_error_of_its_row(pytester, plugin_args):
    pytester.makepyfile(hangs=HANGS)
    own = (
        *plugin_args,
        "-p",
        "no:cacheprovider",
        "--mlff-cache-dir=cache",
        "--mlff-protocol=smoke",
        "-k",
        "translation",
    )
    asked = ("--mlff-model=hangs.py:hangs(60)", "--mlff-json=m.json", "--mlff-timeout=2s")
    result = pytester.runpytest_subprocess(*own, *asked, timeout=120)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "translation *ERROR*",
            "mlff: a force call took longer than 2 s (--mlff-timeout): hangs, force call *; the run ends here",
        ]
    )
    (record,) = json.loads((pytester.path / "m.json").read_text())["records"]
    assert (record["row"], record["status"]) == ("translation", "ERROR")
    assert record["reason"].startswith("a force call took longer than 2 s")


def test_what_is_no_duration_is_a_usage_error(gate):
    result = gate("--mlff-model=a", "--mlff-timeout=never")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
