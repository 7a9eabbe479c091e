"""The exit code follows the records, whatever else a project does to its tests."""

from __future__ import annotations

import json

import pytest

RDF = ("-k", "check_liquid and [rdf]")
FAIL = {"rdf": {"status": "FAIL"}}

# Hooks of single tests in a conftest.py see those below it, so not the suite's: as plugins they see all.
HIDES = {
    "marks everything xfail": """
        import pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_collection_modifyitems(items):
            yield
            for item in items:
                item.add_marker(pytest.mark.xfail(reason="not ready"))
    """,
    "rewrites reports": """
        import pytest

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_makereport():
            report = yield
            report.outcome = "passed"
            return report
    """,
    "rewrites reports before the records are on them": """
        import pytest

        @pytest.hookimpl(wrapper=True, trylast=True)
        def pytest_runtest_makereport():
            report = yield
            report.outcome = "passed"
            return report
    """,
    "sets the exit code": """
        import pytest

        def pytest_sessionfinish(session):
            session.exitstatus = 0
    """,
    "sets the exit code last": """
        import pytest

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_sessionfinish(session):
            yield
            session.exitstatus = pytest.ExitCode.OK
    """,
    "sets the exit code when all is over": """
        def pytest_sessionstart(session):
            session.config.kept = session

        def pytest_unconfigure(config):
            config.kept.exitstatus = 0
    """,
    "exits in a hook": """
        import sys

        def pytest_unconfigure():
            sys.exit(0)
    """,
    "raises exit in a hook": """
        import pytest

        def pytest_sessionfinish():
            pytest.exit("done", returncode=0)
    """,
    "unregisters the plugin": """
        def pytest_runtest_teardown(item):
            plugins = item.config.pluginmanager
            if plugins.has_plugin("mlff-gate"):
                plugins.unregister(name="mlff-gate")
    """,
}


@pytest.mark.parametrize("way", HIDES)
def test_a_plugin_that_hides_a_failure_does_not_open_the_gate(gate, pytester, way):
    pytester.makepyfile(hides=HIDES[way])
    result = gate("-p", "hides", "--mlff-model=a", "--mlff-json=run.json", *RDF, plan=FAIL)
    assert result.ret == 1
    document = json.loads((pytester.path / "run.json").read_text())
    assert document["run"]["exit_status"] == 1
    assert " 1 failed, " in result.outlines[-1] or "pytest's exit code hides 1 FAIL (rdf)" in result.outlines[-1]


MODELS = {
    "sets the exit code of whatever session there is": """
        import gc, pytest

        for found in gc.get_objects():
            if isinstance(found, pytest.Session):
                hold = property(lambda self: 0, lambda self, value: None)
                found.__class__ = type("Session", (type(found),), {"exitstatus": hold})
    """,
    "replaces what fails a test": """
        import pytest

        pytest.fail = lambda *args, **kwargs: pytest.xfail("never mind")
    """,
    "replaces it by what passes": """
        import pytest

        pytest.fail = lambda *args, **kwargs: None
    """,
    "leaves when Python ends": """
        import atexit, sys

        atexit.register(sys.exit, 0)
    """,
}


@pytest.mark.parametrize("way", MODELS)
def test_a_model_does_not_open_the_gate(gate, pytester, way):
    """By what it does when it is imported, short of replacing functions of this package."""
    pytester.makepyfile(hostile=MODELS[way])
    fakes = pytester.path / "fakes.py"
    fakes.write_text(fakes.read_text().replace('    log(f"load {', '    import hostile\n\n    log(f"load {'))
    result = gate("--mlff-model=a", "--mlff-json=run.json", *RDF, plan=FAIL, subprocess=True)
    assert result.ret == 1
    assert json.loads((pytester.path / "run.json").read_text())["run"]["exit_status"] == 1


@pytest.mark.parametrize("status", ["ERROR", "INCONCLUSIVE"])
def test_what_else_fails_a_run_is_not_hidden_either(gate, pytester, status):
    pytester.makeconftest(HIDES["marks everything xfail"])
    result = gate("--mlff-model=a", *RDF, plan={"rdf": {"status": status}})
    assert result.ret == 1
    assert f"hides 1 {status} (rdf)" in result.outlines[-1]
    if status == "INCONCLUSIVE":
        assert gate("--mlff-model=a", "--mlff-inconclusive=pass", *RDF).ret == 0


@pytest.mark.parametrize("way", ["marks everything xfail", "rewrites reports before the records are on them"])
def test_a_defect_that_is_hidden_is_an_error(gate, pytester, way):
    """Also where the report of the broken test is none of a failure."""
    pytester.makepyfile(hides=HIDES[way])
    result = gate("-p", "hides", "--mlff-model=a", "-m", "melting", plan={"melting": {"raise": "ZeroDivisionError"}})
    assert result.ret == 1
    result.stdout.fnmatch_lines(["melting_below *ERROR*", "*hides 2 ERROR (melting_below, melting_above)*"])


def test_marks_alone_do_not_turn_a_pass_red(gate, pytester):
    pytester.makeconftest(HIDES["marks everything xfail"])
    result = gate("--mlff-model=a", *RDF)
    assert result.ret == 0
    assert result.parseoutcomes() == {"xpassed": 1, "deselected": 59}


def test_a_users_record_counts_as_well(gate, pytester):
    pytester.makepyfile(
        test_own="""
        import pytest
        from pytest_mlff.schema import Record

        @pytest.mark.xfail
        def test_own(mlff_record):
            mlff_record(Record(row="own", model="a", status="FAIL", observable="x"))
        """
    )
    result = gate("--mlff-model=a", "test_own.py")
    assert result.ret == 1
    assert "hides 1 FAIL (own)" in result.outlines[-1]


DROPS = {
    "an item": ("removed after they were collected", "items[:] = [item for item in items if 'rdf' not in item.name]"),
    "an item aloud": (
        "deselected, but by no -k",
        """dropped = [item for item in items if 'rdf' in item.name]
            config.hook.pytest_deselected(items=dropped)
            items[:] = [item for item in items if item not in dropped]""",
    ),
    "a test": (
        "planned rows left no record (solid_rdf, rdf): it was begun",
        """for item in items:
                if 'rdf' in item.name:
                    item.runtest = lambda: None""",
    ),
    "all": ("removed after they were collected", "items[:] = []"),
}


@pytest.mark.parametrize("what", DROPS)
def test_what_a_conftest_drops_is_missed(gate, pytester, what):
    why, how = DROPS[what]
    pytester.makeconftest(f"""
        def pytest_collection_modifyitems(config, items):
            {how}
    """)
    result = gate("--mlff-model=a")
    assert result.ret == 1
    assert result.parseoutcomes().get("failed") is None
    assert result.outlines[-1].startswith("mlff: nothing" if what == "all" else "mlff: 2 of 60 planned rows left no")
    assert why in result.outlines[-1]


def test_what_is_not_even_collected_is_missed(gate, pytester):
    pytester.makepyfile(
        ignores="def pytest_ignore_collect(collection_path):\n    return 'melting' in str(collection_path)\n"
    )
    result = gate("-p", "ignores", "--mlff-model=a")
    assert result.ret == 1
    assert "2 of 60 planned rows left no record (melting_below, melting_above): not collected" in result.outlines[-1]


@pytest.mark.parametrize("hook", ["pytest_runtestloop", "pytest_sessionstart"])
def test_a_run_that_never_begins_is_no_green_one(gate, pytester, hook):
    pytester.makeconftest(f"import pytest\n\ndef {hook}():\n    pytest.exit('no', returncode=0)\n")
    result = gate("--mlff-model=a")
    assert result.ret == 1
    assert "nothing was judged: 60 of 60 planned rows" in result.outlines[-1]
    assert result.outlines[-1].endswith("the run ended before they began")


def test_only_benchmarks_in_addopts_is_a_gate_that_judged_little(gate, pytester):
    pytester.makeini("[pytest]\naddopts = --benchmark-only\n")
    result = gate("--mlff-model=a")
    assert result.ret == 1
    assert result.outlines[-1].startswith("mlff: 42 of 60 planned rows left no record (parity-liquid-256, ")
    assert result.outlines[-1].endswith("Skipping non-benchmark (--benchmark-only active).")


def test_rows_without_a_verdict_may_be_skipped(gate, pytester):
    result = gate("--mlff-model=a", "--benchmark-skip")
    assert (result.ret, result.parseoutcomes()) == (0, {"passed": 54, "skipped": 6})
    pytester.makefile(".toml", gate="[check.speed]\nlimits = { ms_per_call = 100 }\n")
    result = gate("--mlff-model=a", "--benchmark-skip", "--mlff-config=gate.toml")
    assert result.ret == 1
    assert "3 of 60 planned rows left no record (ms_per_call-256, ms_per_call-2048, ms_per" in result.outlines[-1]


@pytest.mark.parametrize(
    "options",
    [
        ("-k", "rdf"),
        ("-m", "melting"),
        ("--deselect", "check_liquid.py::test_structure[rdf]", "--deselect", "check_melting.py"),
        ("--collect-only",),
        ("--setup-plan",),
        ("--fixtures",),
        ("--runxfail",),
        ("-p", "no:terminal"),
        ("-p", "no:junitxml", "-p", "no:skipping"),
    ],
)
def test_what_the_user_leaves_out_is_not_missed(gate, options):
    assert gate("--mlff-model=a", *options).ret == 0


def test_ids_name_what_is_planned(gate, pytester):
    from pytest_mlff.suite.collection import SUITE

    test = f"{SUITE}/check_liquid.py::test_structure"
    assert gate("--mlff-model=a", f"{test}[rdf]").ret == 0
    pytester.makepyfile(drops="def pytest_collection_modifyitems(items):\n    del items[0]\n")
    result = gate("-p", "drops", "--mlff-model=a", test)
    assert result.ret == 1
    assert "1 of 2 planned rows left no record (rdf): removed" in result.outlines[-1]


def test_the_last_failed_ones_are_a_choice(gate, pytester):
    again = ("-p", "cacheprovider", "--mlff-model=a")
    assert gate(*again, plan=FAIL).ret == 1
    (pytester.path / "plan.json").unlink()
    result = gate(*again, "--lf")
    assert (result.ret, result.parseoutcomes()["passed"]) == (0, 1)


@pytest.mark.parametrize(("option", "code"), [("-x", 1), ("--maxfail=1", 1), ("--sw", 2)])
def test_a_run_that_stops_at_a_failure_says_no_more_than_that(gate, option, code):
    result = gate("-p", "cacheprovider", "-p", "stepwise", "--mlff-model=a", option, plan=FAIL)
    assert result.ret == code
    assert "planned rows" not in result.stdout.str()


def test_without_a_terminal_the_reason_is_said_on_stderr(gate, pytester):
    pytester.makeconftest(HIDES["marks everything xfail"])
    result = gate("--mlff-model=a", "-p", "no:terminal", *RDF, plan=FAIL)
    assert result.ret == 1
    result.stderr.fnmatch_lines(["mlff: pytest's exit code hides 1 FAIL (rdf)*"])
