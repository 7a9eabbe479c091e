"""From the status of a record to the outcome of its test and the exit code of the run."""

from __future__ import annotations

import pytest

RDF = ("-k", "check_liquid and [rdf]")


@pytest.mark.parametrize(
    ("status", "outcome", "code"),
    [
        ("PASS", {"passed": 1}, 0),
        ("INFO", {"passed": 1}, 0),
        ("FAIL", {"failed": 1}, 1),
        ("ERROR", {"failed": 1}, 1),
        ("INCONCLUSIVE", {"failed": 1}, 1),
        ("NOT_APPLICABLE", {"skipped": 1}, 1),
    ],
)
def test_of_one_row(gate, status, outcome, code):
    result = gate("--mlff-model=a", *RDF, plan={"rdf": {"status": status}})
    result.assert_outcomes(**outcome, deselected=59)
    assert result.ret == code


def test_not_applicable_beside_a_verdict_is_no_failure(gate):
    plan = {"rdf": {"status": "NOT_APPLICABLE", "reason": "needs stress"}}
    result = gate("--mlff-model=a", "-rs", plan=plan)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["NOT_APPLICABLE rdf: needs stress", "SKIPPED*NOT_APPLICABLE: needs stress"])


def test_an_unstable_model_is_refused_whatever_rows_were_chosen(gate):
    blocked = {"status": "NOT_APPLICABLE", "blocked_by": "stability"}
    result = gate("--mlff-model=a", "-m", "solid", plan={"solid_rdf": blocked})
    assert result.ret == 1
    assert "failed" not in result.parseoutcomes()
    result.stdout.fnmatch_lines(["mlff: a: it does not survive the stability run*"])


def test_nothing_applicable_is_a_failure(gate):
    result = gate("--mlff-model=a", plan={"*": {"status": "NOT_APPLICABLE", "reason": "needs energy"}})
    assert result.ret == 1
    assert result.parseoutcomes() == {"skipped": 60}
    result.stdout.fnmatch_lines(
        [
            "NOT_APPLICABLE parity-liquid-256, *: needs energy",
            "mlff: a: nothing was judged: no row that ran applies*",
        ]
    )


SKIPS_ALL = {
    "hook": """
        import pytest

        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker(pytest.mark.skip(reason="needs --integration"))
    """,
    "fixture": """
        import pytest

        @pytest.fixture(autouse=True)
        def _no_network():
            pytest.skip("no network")
    """,
}


@pytest.mark.parametrize("workers", [(), ("-n", "1")])
@pytest.mark.parametrize("way", SKIPS_ALL)
def test_a_conftest_that_skips_every_row_does_not_open_the_gate(gate, pytester, way, workers):
    pytester.makeconftest(SKIPS_ALL[way])
    result = gate("--mlff-model=a", "--mlff-json=run.json", "-m", "solid", *workers, subprocess=bool(workers))
    assert result.ret == 1
    assert "passed" not in result.parseoutcomes()
    result.stdout.fnmatch_lines(
        ["mlff: nothing was judged: 6 of 6 planned rows left no record (symmetry-solid, *): skipped by a conftest.py*"]
    )


def test_a_users_test_that_passes_is_no_row(gate, pytester):
    """Without the suite there is nothing that had to be judged."""
    pytester.makepyfile(test_own="def test_own():\n    pass\n")
    assert gate("--mlff-model=a", "test_own.py").ret == 0


def test_benchmarks_that_are_skipped_are_no_verdict(gate):
    result = gate("--mlff-model=a", "-k", "ms_per", "--benchmark-skip")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["mlff: nothing was judged: 6 of 6 planned rows left no record *--benchmark-skip*"])


def test_info_beside_not_applicable_is_no_verdict(gate):
    plan = {"*": {"status": "NOT_APPLICABLE"}, "net_force": {"status": "INFO"}}
    assert gate("--mlff-model=a", plan=plan).ret == 1
    assert gate("--mlff-model=a", "-k", "net_force", plan=plan).ret == 0


def test_codes_of_pytest_stay(gate, pytester):
    assert gate("--mlff-model=a", "-k", "no_such_row").ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert gate("--mlff-model=a", "no_such_file.py").ret == pytest.ExitCode.USAGE_ERROR
    pytester.makepyfile(test_stop="def test_stop():\n    raise KeyboardInterrupt\n")
    assert gate("--mlff-model=a", "test_stop.py", subprocess=True).ret == pytest.ExitCode.INTERRUPTED


def test_the_failure_text_has_no_traceback(gate):
    result = gate("--mlff-model=a", "-k", "diffusion", plan={"diffusion": {"status": "FAIL"}})
    text = result.stdout.str()
    result.stdout.fnmatch_lines(["FAIL  diffusion: self-diffusivity D, model a", "  candidate  3672 ± 81 µm²/s"])
    assert "judge.py" not in text
    assert "def test_transport" not in text


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("ModelError", "ERROR"),
        ("CacheError", "ERROR"),
        ("ReferenceDataError", "ERROR"),
        ("ObservableError", "ERROR"),
        ("NonFiniteError", "FAIL"),
        ("UnstableError", "FAIL"),
        ("SystemExit", "ERROR"),
        ("GeneratorExit", "ERROR"),
        ("Skipped", "ERROR"),
        ("XFailed", "ERROR"),
        ("Exit", "ERROR"),
        ("SkipTest", "ERROR"),
    ],
)
def test_what_ends_a_check_becomes_its_records(gate, name, status, calls):
    result = gate("--mlff-model=a", "-m", "dynamics", plan={"xpcs": {"raise": name}})
    result.assert_outcomes(failed=17, deselected=43)
    assert "Traceback" not in result.stdout.str()
    result.stdout.fnmatch_lines(["*raised on purpose*", f"xsvs_time *{status}*", f"{status} xsvs_time: pytest *"])
    assert calls().count("check xpcs a") == 1


def test_a_defect_keeps_its_traceback_once_and_runs_once(gate, calls):
    result = gate("--mlff-model=a", "-m", "dynamics", plan={"xpcs": {"raise": "ZeroDivisionError"}})
    result.assert_outcomes(failed=17, deselected=43)
    assert result.stdout.str().count("fakes.py:") == 1
    assert calls().count("check xpcs a") == 1
    result.stdout.fnmatch_lines(
        [
            "E *ZeroDivisionError: ZeroDivisionError raised on purpose",
            "gamma_self-0.461 *ERROR*",
            "xsvs_time *ERROR*",
        ]
    )


def test_a_context_that_cannot_be_made_is_an_error_of_every_row(gate, pytester):
    fakes = pytester.path / "fakes.py"
    text = fakes.read_text().replace('    log(f"context {model.name}")', "    raise errors.CacheError('disk full')")
    fakes.write_text(text)
    result = gate("--mlff-model=a")
    result.assert_outcomes(failed=60)
    result.stdout.fnmatch_lines(["parity-liquid-256 *ERROR*", "60 ERROR"])


def test_a_check_that_forgets_a_row_is_caught(gate, pytester):
    fakes = pytester.path / "fakes.py"
    fakes.write_text(fakes.read_text().replace("if row.check == check}", "if row.check == check and row.id != 'rdf'}"))
    result = gate("--mlff-model=a", *RDF)
    result.assert_outcomes(failed=1, deselected=59)
    result.stdout.fnmatch_lines(["*check 'liquid' gave no record for its row 'rdf'*", "rdf *ERROR*"])


def test_an_interrupt_inside_a_check_interrupts(gate):
    result = gate("--mlff-model=a", *RDF, plan={"liquid": {"raise": "KeyboardInterrupt"}}, subprocess=True)
    assert result.ret == pytest.ExitCode.INTERRUPTED
