"""``--mlff-seed``."""

from __future__ import annotations

import pytest


def test_the_context_gets_it(gate, pytester):
    pytester.makepyfile(test_own="def test_own(mlff_context):\n    assert mlff_context.settings.seed == 7\n")
    gate("--mlff-model=a", "--mlff-seed=7", "test_own.py").assert_outcomes(passed=1)


@pytest.mark.parametrize("seed", ["-1", "1.5", "x"])
def test_only_whole_numbers_from_zero_on(gate, seed):
    result = gate("--mlff-model=a", f"--mlff-seed={seed}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --mlff-seed: '{seed}' is not a seed: expected a whole number >= 0"])
