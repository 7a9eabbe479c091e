"""``--mlff-device``: handed to the loader."""

from __future__ import annotations

import pytest


def test_the_loader_gets_it(gate, calls):
    gate("--mlff-model=a", "--mlff-device=CUDA:1", "-k", "rdf")
    assert calls()[0] == "load a cuda:1"


def test_an_unknown_one_is_a_usage_error(gate):
    result = gate("--mlff-model=a", "--mlff-device=gpu")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --mlff-device: 'gpu' is not a device: expected auto, cpu, *"])
