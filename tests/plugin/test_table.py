"""The table at the end of a run, as a user sees it."""

from __future__ import annotations

import pytest


def test_it_comes_after_the_failures_in_the_catalogues_order(gate):
    result = gate("--mlff-model=a", plan={"diffusion": {"status": "FAIL"}})
    result.stdout.fnmatch_lines(
        [
            "FAIL  diffusion: *",
            "*= mlff: a, protocol ci =*",
            "check *candidate *reference *unit *deviation *tolerance *verdict *time",
            "parity-liquid-256 *PASS*",
            "diffusion * 3672 ± 81 * 3649.0 ± 9.0 * µm²/s *+0.6 % [[]−4.1, +5.4] *±10 % *FAIL *6m52s",
            "melting_above *PASS*",
            'FAIL diffusion: pytest --mlff-model=a -k "[[]diffusion]" --mlff-cache-dir=*',
            "50 PASS, 1 FAIL, 9 INFO",
            "FAILED check_liquid.py::test_transport[[]diffusion]*",
        ]
    )


def test_it_fits_120_columns(gate, monkeypatch):
    plan = {"mean_relaxation_rate-1.844": {"status": "INFO", "deviation": -0.1234, "interval": [-0.2345, 0.1234]}}
    result = gate("--mlff-model=a", "-m", "mlff and not speed", plan=plan)
    rows = [line for line in result.outlines if line.endswith("6m52s")]
    assert len(rows) == 53
    assert max(map(len, rows)) <= 120
    assert "11000" not in rows[0]
    monkeypatch.setenv("COLUMNS", "160")
    result = gate("--mlff-model=a", "-k", "rdf or mean_relaxation_rate")
    assert len([line for line in result.outlines if line.endswith("11000  6m52s")]) == 3


@pytest.mark.parametrize(
    "ini", ["mlff_protocol = smoke\nmlff_seed = 3", "addopts = --mlff-protocol=smoke --mlff-seed 3"]
)
def test_the_rerun_command_runs_that_row_alone(gate, pytester, ini):
    """Also where an ini file says otherwise than the command line did."""
    import shlex

    pytester.makeini(f"[pytest]\n{ini}\n")
    plan = {key: {"status": "FAIL"} for key in ("rdf", "gamma_self-0.461", "stability")}
    result = gate("--mlff-model=a(x='1 2')", "--mlff-seed=0", "--mlff-protocol=ci", plan=plan)
    lines = [line for line in result.outlines if line.startswith("FAIL ") and ": pytest" in line]
    assert len(lines) == 3
    for line in lines:
        program, *arguments = shlex.split(line.partition(": ")[2])
        assert program == "pytest"
        again = gate(*arguments)
        again.assert_outcomes(failed=1, deselected=59)
        again.stdout.fnmatch_lines(["*a(x='1 2'), *protocol ci, seed 0*"])


def test_ascii_terminals_get_ascii(gate, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    monkeypatch.setenv("PYTHONUTF8", "0")
    result = gate("--mlff-model=a", "-k", "diffusion", subprocess=True)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["diffusion *3672 +- 81 *um^2/s *[[]-4.1, +5.4] *+-10 %*"])
    assert result.stdout.str().isascii()


def test_colour_follows_the_verdict(gate):
    plan = {"rdf": {"status": "FAIL"}, "diffusion": {"status": "INCONCLUSIVE"}}
    result = gate("--mlff-model=a", "--color=yes", plan=plan)
    text = result.stdout.str()
    assert "\x1b[32mPASS" in text
    assert "\x1b[1m\x1b[31mFAIL" in text or "\x1b[31m\x1b[1mFAIL" in text
    assert "\x1b[33m" in text


def test_no_records_no_table(gate, pytester):
    pytester.makepyfile(test_own="def test_own():\n    pass\n")
    result = gate("--mlff-model=a", "test_own.py")
    assert "candidate" not in result.stdout.str()
