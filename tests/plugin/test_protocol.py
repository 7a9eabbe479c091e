"""``--mlff-protocol``: which rows there are."""

from __future__ import annotations

import pytest


def ids(result):
    return {line.partition("[")[2][:-1] for line in result.outlines if "::" in line}


def test_each_protocol_has_its_rows(gate):
    found = {
        name: ids(gate("--mlff-model=a", f"--mlff-protocol={name}", "--collect-only", "-q"))
        for name in ("smoke", "ci", "full")
    }
    assert "stability" in found["smoke"]
    assert "rdf" not in found["smoke"]
    assert {"rdf", "melting_below"} <= found["ci"]
    assert "melting_point" in found["full"] - found["ci"]
    assert "rdf-100K-4000" in found["full"]


def test_tests_without_rows_are_not_there_instead_of_skipped(gate):
    result = gate("--mlff-model=a", "--mlff-protocol=smoke")
    result.assert_outcomes(passed=23)
    assert "check_melting" not in result.stdout.str()


@pytest.mark.parametrize("arguments", [("--mlff-model=a",), ()])
def test_an_unknown_protocol_is_a_usage_error(gate, arguments):
    result = gate("--mlff-protocol=ful", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert len([line for line in result.errlines if line]) == 1
    result.stderr.fnmatch_lines(["ERROR: --mlff-protocol: 'ful' is not a protocol (did you mean 'full'?)*"])


def test_an_unknown_protocol_in_the_ini_file(gate, pytester):
    pytester.makeini("[pytest]\nmlff_protocol = long\n")
    result = gate("--mlff-model=a")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line] == [
        "ERROR: ini option mlff_protocol: 'long' is not a protocol; expected smoke, ci or full"
    ]
