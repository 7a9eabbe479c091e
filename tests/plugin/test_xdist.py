"""Under xdist: the same records, and no check on two workers."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

pytest.importorskip("xdist")
PLAN = {
    "rdf": {"status": "FAIL"},
    "diffusion": {"status": "INCONCLUSIVE"},
    "pdos": {"status": "NOT_APPLICABLE", "reason": "needs stress"},
    "melting": {"raise": "ModelError"},
}


def test_the_same_records_and_each_check_once(gate, pytester, calls):
    statuses = []
    for workers in ((), ("-n", "2")):
        result = gate("--mlff-model=a", "--mlff-json=run.json", *workers, plan=PLAN, subprocess=bool(workers))
        assert result.ret == 1
        result.stdout.fnmatch_lines(["mlff: a [[]*", "rdf *FAIL*", "FAIL rdf: pytest *", "INCONCLUSIVE diffusion:*"])
        statuses.append(json.loads((pytester.path / "run.json").read_text())["records"])
    assert statuses[0] == statuses[1]
    checks = [line for line in calls() if line.startswith("check")]
    assert sorted(checks) == sorted(2 * [line for line in set(checks)])
    # by pytest-benchmark without workers, by an own timer on a worker
    assert calls().count("timed ms_per_call-256 5") == 2
    # the controller, too, loads the model: once without workers, then on three processes
    assert [line for line in calls() if line.startswith("load")] == 4 * ["load a auto"]


HIDES_AND_DROPS = """
import pytest

def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if "pdos" not in item.name]
    for item in items:
        item.add_marker(pytest.mark.xfail)
"""


def test_the_exit_code_follows_records_and_rows_of_all_workers(gate, pytester):
    pytester.makeconftest(HIDES_AND_DROPS)
    plan = {"symmetry-solid": {"status": "FAIL"}}
    result = gate("--mlff-model=a", "-n", "1", "-m", "solid", plan=plan, subprocess=True)
    assert result.ret == 1
    assert result.parseoutcomes() == {"xfailed": 1, "xpassed": 4}
    hidden, dropped = result.outlines[-2:]
    assert hidden.startswith("mlff: pytest's exit code hides 1 FAIL (symmetry-solid): ")
    assert dropped.startswith("mlff: 1 of 6 planned rows left no record (pdos): removed after they were collected")


def test_what_is_left_out_on_the_workers_is_not_missed(gate):
    assert gate("--mlff-model=a", "-n", "1", "-k", "rdf", subprocess=True).ret == 0


def test_a_worker_that_dies_leaves_a_row_without_a_record(gate):
    """And only that one: its successor does what is left, and does not wait for ever."""
    plan = {"liquid": {"terminate": "self", "by": "SIGKILL"}}
    rows = "check_liquid and [rdf] or pdos or melting_below"
    result = gate("--mlff-model=a", "-n", "1", "-k", rows, plan=plan, subprocess=True)
    assert result.ret == 1
    assert result.parseoutcomes() == {"passed": 2, "failed": 1}
    assert result.outlines[-1].startswith("mlff: 1 of 3 planned rows left no record (rdf): it was begun and did not")


def test_what_a_dead_worker_leaves_to_others():
    from pytest_mlff.suite.collection import without_done

    workload = {
        "solid": {"pdos": True},
        "liquid": {"rdf": True, "diffusion": False, "xsvs": False},
        "own": {"t": False},
    }
    assert without_done(workload, killer="t") == {"liquid": workload["liquid"]}
    assert without_done(workload, killer="diffusion") == {
        "liquid": {"rdf": True, "diffusion": True, "xsvs": False},
        "own": {"t": False},
    }


def test_a_distribution_of_the_users_choice_stays():
    from pytest_mlff.suite.collection import scheduler

    for chosen in ("no", "worksteal", "loadfile", "each"):
        config = SimpleNamespace(getoption=lambda name, default, chosen=chosen: chosen)
        assert scheduler(config, None, ["a"], ()) is None


@pytest.mark.parametrize(
    ("nodeid", "models", "scope"),
    [
        ("check_liquid.py::test_structure[rdf]", ["a"], ":liquid"),
        ("check_xpcs.py::test_contrast[xsvs_time]", ["a"], ":liquid"),
        ("lib/suite/check_phonons.py::test_density_of_states[pdos]", ["a"], ":solid"),
        ("check_liquid.py::test_structure[a-rdf]", ["a", "a-2"], "a:liquid"),
        ("check_liquid.py::test_structure[a-2-rdf]", ["a", "a-2"], "a-2:liquid"),
        ("check_speed.py::test_memory[memory_growth]", ["a"], ":speed"),
        ("check_melting.py::test_melting[melting_below]", ["a"], ":melting"),
        ("check_liquid.py::test_structure[unknown]", ["a"], "check_liquid.py::test_structure[unknown]"),
        ("test_own.py::test_own[rdf]", ["a"], "test_own.py::test_own[rdf]"),
        ("test_check_all.py::TestA::test_b", ["a"], "test_check_all.py::TestA::test_b"),
    ],
)
def test_what_shares_a_worker(nodeid, models, scope):
    from pytest_mlff.gate.catalogue import rows
    from pytest_mlff.suite.collection import worker_scope, workers_of

    assert worker_scope(nodeid, models, workers_of(rows("ci", {}))) == scope


NOTES = """
from pathlib import Path
import time
import pytest

@pytest.mark.parametrize("number", range(2))
def test_cache(mlff_context, number):
    root = mlff_context.cache.root
    Path(f"root{number}").write_text(str(root))
    time.sleep(number)  # the other worker is through by then
    assert root.is_dir()
"""


def test_what_forces_that_do_not_repeat_left_is_removed_at_the_end(pytester, plugin_args, noisy):
    pytester.makepyfile(test_notes=NOTES)
    result = pytester.runpytest_subprocess(*plugin_args, "-n2", *noisy, "test_notes.py")
    result.assert_outcomes(passed=2)
    roots = {(pytester.path / f"root{number}").read_text() for number in range(2)}
    (root,) = roots  # shared by both workers
    assert root.startswith(str(pytester.path / "temporary" / "pytest-mlff-"))
    assert not list(pytester.path.glob("temporary/pytest-mlff-*"))


@pytest.mark.parametrize(("repeatable", "session", "removed"), [(False, True, 1), (False, False, 0), (True, True, 0)])
def test_only_the_controller_removes_what_was_shared(monkeypatch, repeatable, session, removed):
    from pytest_mlff.gate import assembly
    from pytest_mlff.suite.collection import remove_shared

    gone = []
    monkeypatch.setattr(assembly, "remove_shared_folder", gone.append)
    dsession = SimpleNamespace(nodemanager=SimpleNamespace(testrunuid="abc123")) if session else None
    config = SimpleNamespace(pluginmanager=SimpleNamespace(get_plugin={"dsession": dsession}.get))
    remove_shared(config, [SimpleNamespace(repeatable=True), SimpleNamespace(repeatable=repeatable)])
    assert gone == ["abc123"] * removed
