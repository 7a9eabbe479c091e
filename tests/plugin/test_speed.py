"""The speed check: through pytest-benchmark where that is on, by an own timer where it is off."""

from __future__ import annotations

import json


def test_through_pytest_benchmark(gate, pytester, calls):
    result = gate("--mlff-model=a", "-m", "speed", "--benchmark-json=bench.json")
    result.assert_outcomes(passed=7, deselected=53)
    result.stdout.fnmatch_lines(["*benchmark: 6 tests*", "test_cost[[]ms_per_call-*"])
    names = [entry["name"] for entry in json.loads((pytester.path / "bench.json").read_text())["benchmarks"]]
    assert "test_cost[ms_per_call-256]" in names
    assert "timed ms_per_call-256 5" in calls()


def test_by_an_own_timer(gate, calls):
    result = gate("--mlff-model=a", "-m", "speed", "--benchmark-disable")
    result.assert_outcomes(passed=7, deselected=53)
    assert "timed ms_per_call-256 5" in calls()
    result.stdout.fnmatch_lines(["ms_per_call-256 *INFO*"])


def test_without_pytest_benchmark(gate, calls):
    result = gate("--mlff-model=a", "-m", "speed", "-p", "no:benchmark")
    result.assert_outcomes(passed=7, deselected=53)
    assert "timed ms_per_call-256 5" in calls()


def test_benchmark_only_keeps_the_rows_of_speed(gate):
    result = gate("--mlff-model=a", "--benchmark-only")
    assert result.parseoutcomes()["passed"] == 6


def test_an_error_of_the_model_is_a_record(gate, pytester):
    fakes = pytester.path / "fakes.py"
    text = fakes.read_text()
    broken = text.replace("    return lambda: None", "    return fail")
    broken += "\n\ndef fail():\n    raise errors.ModelError('out of memory at 4000 atoms')\n"
    assert broken != text
    fakes.write_text(broken)
    result = gate("--mlff-model=a", "-m", "speed")
    result.assert_outcomes(failed=6, passed=1, deselected=53)
    result.stdout.fnmatch_lines(["*reason *out of memory at 4000 atoms*", "ms_per_call-4000 *ERROR*"])


def test_slow_calls_are_timed_less_often(monkeypatch):
    from types import SimpleNamespace

    from pytest_mlff.checks import speed
    from pytest_mlff.suite import check_speed

    made = []
    monkeypatch.setattr(speed, "time_calls", lambda target, *, repeats: [3.0] * repeats)
    benchmark = SimpleNamespace(
        disabled=False,
        pedantic=lambda target, *, rounds: made.append(rounds),
        stats=SimpleNamespace(stats=SimpleNamespace(data=[3.0, 3.1])),
    )
    assert check_speed.time_calls(benchmark, lambda: None) == [3.0, 3.1]
    assert made == [check_speed.ROUNDS_OF_SLOW]
