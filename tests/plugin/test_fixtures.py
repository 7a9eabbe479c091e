"""The fixtures for users' own tests."""

from __future__ import annotations

import json

RECORD = """
import pytest
from pytest_mlff.schema import Record

@pytest.mark.parametrize("status", {statuses})
def test_density(mlff_model, mlff_record, status):
    mlff_record(
        Record(
            row=f"density-{{status}}", model=mlff_model.name, status=status, observable="rho", candidate=1.0
        )
    )
"""


def test_all_of_them(gate, pytester):
    pytester.makepyfile(
        test_own="""
        def test_own(mlff_model, mlff_system, mlff_reference, mlff_run, mlff_tolerances, mlff_record):
            assert mlff_model.name == "a"
            assert mlff_system == "the system"
            assert mlff_reference == "the reference"
            assert mlff_run("100K-256") == ("100K-256", 8, 116)
            assert mlff_run("95K-256", replicas=2, frames=10) == ("95K-256", 2, 10)
            assert mlff_tolerances["rdf"].limit == 0.05
            assert callable(mlff_record)
        """
    )
    gate("--mlff-model=a", "test_own.py").assert_outcomes(passed=1)


def test_a_protocol_without_liquid_runs_lends_the_lengths_of_ci():
    from types import SimpleNamespace

    from pytest_mlff.gate.catalogue import chosen_protocol
    from pytest_mlff.suite.bench import run_state
    from pytest_mlff.systems.protocols import PROTOCOLS

    def lent(config):
        return run_state(
            SimpleNamespace(
                protocol=chosen_protocol("smoke", config),
                config=config,
                trajectory=lambda state, *, replicas, frames: (state, replicas, frames),
            ),
            "100K-256",
        )

    ci = PROTOCOLS["ci"]
    assert lent({}) == ("100K-256", ci.replicas, ci.looks[0])
    assert lent({"liquid": {"replicas": 4}}) == ("100K-256", 4, ci.looks[0])
    assert lent({"liquid": {"looks": (1000, 2000)}}) == ("100K-256", ci.replicas, 100)


def test_they_are_documented_and_of_session_scope(gate):
    text = gate("--fixtures", "-p", "no:fakes").stdout.str()
    for name in ("model", "system", "reference", "run", "tolerances", "record"):
        line = next(line for line in text.splitlines() if line.startswith(f"mlff_{name} "))
        assert "[session scope]" in line
    assert "no docstring available" not in text.partition("mlff_model")[2].partition("mlff_judge")[0]


def test_a_users_record_joins_table_json_and_exit_code(gate, pytester):
    pytester.makepyfile(test_own=RECORD.format(statuses=["PASS", "FAIL", "NOT_APPLICABLE"]))
    result = gate("--mlff-model=a", "--mlff-json=run.json", "test_own.py")
    result.assert_outcomes(passed=1, failed=1, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "density-PASS *PASS*",
            "density-FAIL *FAIL*",
            "FAIL density-FAIL: pytest --mlff-model=a --mlff-cache-dir=* 'test_own.py::test_density[[]FAIL]'",
        ]
    )
    records = json.loads((pytester.path / "run.json").read_text())["records"]
    assert [record["row"] for record in records] == [
        "density-PASS",
        "density-FAIL",
        "density-NOT_APPLICABLE",
    ]


def test_a_users_record_crosses_xdist(gate, pytester):
    text = RECORD.format(statuses=["PASS", "INFO"]).replace("candidate=1.0", "candidate=numpy.float64(1.0)")
    pytester.makepyfile(test_own="import numpy\n" + text)
    result = gate("--mlff-model=a", "test_own.py", "-n", "2", subprocess=True)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["1 PASS, 1 INFO"])


def test_a_row_is_for_the_suite_only(gate, pytester):
    pytester.makepyfile(test_own="def test_own(mlff_row):\n    pass\n")
    result = gate("--mlff-model=a", "test_own.py")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*mlff_row is for the bundled suite only*"])


def test_without_a_model_users_tests_are_skipped(gate, pytester):
    pytester.makepyfile(test_own="def test_own(mlff_record):\n    pass\n")
    gate("test_own.py").assert_outcomes(skipped=1)
