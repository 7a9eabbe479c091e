"""docs/mutants.md says what the registry says, and its example runs."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

import pytest

from pytest_mlff.gate.catalogue import TABLE
from pytest_mlff.mutants import MUTANTS

PAGE = Path(__file__).parents[2].joinpath("docs", "mutants.md").read_text(encoding="utf-8")
JUDGED = [key for key, row in TABLE.items() if "ci" in row.verdict_in]


def cells() -> list[list[str]]:
    lines = [line for line in PAGE.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]


def test_the_table_is_the_registry():
    found = {line[0].strip("`"): line[1:] for line in cells() if line[0].startswith("`")}
    assert list(found) == [mutant.call(strength) for mutant in MUTANTS.values() for strength in mutant.strengths]
    for mutant in MUTANTS.values():
        assert [f"*{mutant.defect}*{' (native)' if mutant.native else ''}", "", ""] in cells()
        for strength in mutant.strengths:
            rows, effect = found[mutant.call(strength)]
            named = {key for pattern in re.findall(r"`(.+?)`", rows) for key in fnmatch.filter(JUDGED, pattern)}
            assert named == strength.fails
            assert effect == strength.effect


def examples() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_the_users_own_check_can_fail(pytester: pytest.Pytester, plugin_args: tuple[str, ...]):
    pytester.makepyfile(test_bulk_modulus=examples()[0])
    run = ("-p", "no:cacheprovider", *plugin_args, "test_bulk_modulus.py")
    alone = pytester.runpytest_subprocess(*run)
    alone.assert_outcomes(passed=5, skipped=1)
    bad = pytester.runpytest_subprocess(*run, "--mlff-model=pytest_mlff.mutants:liquid_only(0.15)")
    bad.assert_outcomes(passed=5, failed=1)


def test_all_mutants_can_be_gone_through(capsys):
    check, sweep = examples()
    names: dict[str, object] = {"__name__": "test_bulk_modulus"}
    exec(check, names)
    exec(sweep, names)
    told = dict(line.split(" ", 1) for line in capsys.readouterr().out.splitlines())
    assert len(told) == sum(len(mutant.strengths) for mutant in MUTANTS.values())
    assert told["scaled_energy(1.05)"] == "is caught"
    assert told["force_noise(0.002)"] == "passes"  # the energy has no noise
