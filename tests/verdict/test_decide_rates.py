"""Three-valued decisions: invariants, and the error rates that the intervals promise."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlff.schema import Estimate
from pytest_mlff.verdict.decide import decide
from pytest_mlff.verdict.tolerances import Tolerance

INF = math.inf


def row(kind: str, limit: float | None, **changes: object) -> Tolerance:
    base = Tolerance(
        key="row",
        observable="a quantity",
        kind=kind,  # type: ignore[arg-type]
        limit=limit,
        unit="u",
        reason="for this test",
        source="this test",
    )
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


RELATIVE, ABSOLUTE = row("relative", 0.10), row("absolute", 2.7)
UPPER, LOWER = row("upper", 0.05), row("lower", 0.95)
SQUARED = row("upper", 0.05, squared=True)
GROWS, MELTS = row("sign", 1.0), row("sign", -1.0)


KINDS = st.sampled_from([RELATIVE, ABSOLUTE, UPPER, LOWER, SQUARED, GROWS, MELTS])
VALUES = st.floats(-10, 10)
ERRORS = st.floats(1e-6, 10)


@given(tolerance=KINDS, value=VALUES, stderr=ERRORS, shrink=st.floats(0, 1), dof=st.sampled_from([1.0, 7.0, INF]))
def test_a_smaller_error_never_turns_a_verdict(
    tolerance: Tolerance, value: float, stderr: float, shrink: float, dof: float
):
    reference = Estimate(2.0, 0.0)
    before = decide(tolerance, Estimate(value, stderr, dof), reference).status
    after = decide(tolerance, Estimate(value, shrink * stderr, dof), reference).status
    if before != "INCONCLUSIVE":
        assert after == before


@given(value=st.floats(0.1, 10), e_c=ERRORS, e_r=ERRORS, exponent=st.integers(-40, 40))
def test_units_do_not_matter_for_a_relative_row(value: float, e_c: float, e_r: float, exponent: int):
    unit = 2.0**exponent  # exact in binary, so that not even rounding differs
    here = decide(RELATIVE, Estimate(value, e_c, 7), Estimate(2.0, e_r, 30))
    there = decide(RELATIVE, Estimate(unit * value, unit * e_c, 7), Estimate(unit * 2.0, unit * e_r, 30))
    assert (here.status, here.deviation, here.interval) == (there.status, there.deviation, there.interval)


@given(tolerance=st.sampled_from([ABSOLUTE, UPPER, LOWER]), value=VALUES, stderr=ERRORS, e=st.integers(-20, 20))
def test_units_do_not_matter_when_the_limit_has_them_too(tolerance: Tolerance, value: float, stderr: float, e: int):
    unit = 2.0**e
    assert tolerance.limit is not None
    scaled = dataclasses.replace(tolerance, limit=unit * tolerance.limit)
    here = decide(tolerance, Estimate(value, stderr), Estimate(2.0, 0.5))
    there = decide(scaled, Estimate(unit * value, unit * stderr), Estimate(unit * 2.0, unit * 0.5))
    assert here.status == there.status


@given(value=VALUES, stderr=ERRORS)
def test_mirror_image(value: float, stderr: float):
    assert decide(GROWS, Estimate(value, stderr)).status == decide(MELTS, Estimate(-value, stderr)).status
    assert (
        decide(ABSOLUTE, Estimate(value, stderr), Estimate(0.0, 0.0)).status
        == decide(ABSOLUTE, Estimate(-value, stderr), Estimate(0.0, 0.0)).status
    )


@given(tolerance=KINDS, value=VALUES, stderr=st.floats(0, 10), limit_factor=st.floats(1, 10))
def test_a_wider_limit_never_fails_what_passed(tolerance: Tolerance, value: float, stderr: float, limit_factor: float):
    assert tolerance.limit is not None
    factor = 1 / limit_factor if tolerance.kind == "lower" else limit_factor
    wider = dataclasses.replace(tolerance, limit=tolerance.limit * factor)
    reference = Estimate(2.0, 0.0)
    if decide(tolerance, Estimate(value, stderr), reference).status == "PASS":
        assert decide(wider, Estimate(value, stderr), reference).status == "PASS"


@given(tolerance=KINDS, value=VALUES, stderr=ERRORS, looks=st.integers(1, 5))
def test_planning_more_looks_never_makes_a_look_decide(tolerance: Tolerance, value: float, stderr: float, looks: int):
    reference = Estimate(2.0, 0.0)
    more = decide(tolerance, Estimate(value, stderr, 7), reference, looks_planned=looks).status
    if more != "INCONCLUSIVE":
        assert decide(tolerance, Estimate(value, stderr, 7), reference).status == more


REPLICAS, TRIALS, ALPHA = 8, 4000, 0.05


def sequential(tolerance: Tolerance, truth: float, noise: float, looks: int, *, seed: int) -> dict[str, float]:
    """Frequencies of the final status when the same replicas are continued until the row is decided."""
    rng = np.random.default_rng(seed)
    segments = truth + noise * rng.standard_normal((TRIALS, REPLICAS, looks))
    counts = {"PASS": 0, "FAIL": 0, "INCONCLUSIVE": 0}
    for trial in segments:
        for look in range(1, looks + 1):
            replicas = trial[:, :look].mean(axis=1)
            estimate = Estimate(float(replicas.mean()), float(replicas.std(ddof=1)) / REPLICAS**0.5, REPLICAS - 1)
            status = decide(tolerance, estimate, Estimate(1.0, 0.0), looks_planned=looks, alpha=ALPHA).status
            if status != "INCONCLUSIVE":
                break
        counts[status] += 1
    return {status: count / TRIALS for status, count in counts.items()}


def margin(probability: float) -> float:
    """Four standard deviations of a frequency."""
    return 4 * math.sqrt(probability * (1 - probability) / TRIALS)


@pytest.mark.parametrize("looks", [1, 2, 3])
@pytest.mark.parametrize("truth", [1.10, 0.90])
def test_error_rates_for_a_model_on_the_limit(looks: int, truth: float):
    """On the limit itself either verdict is wrong by a hair: each may occur in alpha/2 of the cases."""
    rates = sequential(RELATIVE, truth, noise=0.05, looks=looks, seed=looks)
    for status in ("PASS", "FAIL"):
        assert rates[status] <= ALPHA / 2 + margin(ALPHA / 2)
    # and the interval is not needlessly wide: some of the error that is allowed is used
    assert rates["FAIL"] >= 0.4 * ALPHA / 2


@pytest.mark.parametrize("looks", [1, 2, 3])
def test_a_perfect_model_is_not_alarmed_about(looks: int):
    """Noise at a sixth of the tolerance: no failure, and hardly an open case."""
    sixth = 0.10 / 6 * math.sqrt(REPLICAS * looks)
    rates = sequential(RELATIVE, 1.0, noise=sixth, looks=looks, seed=10 + looks)
    assert rates["FAIL"] <= 0.001
    assert rates["PASS"] >= 0.95


def test_why_the_spread_must_be_a_sixth_of_the_tolerance():
    """At half of the tolerance a perfect model stays open most of the time with Student's interval."""
    half = 0.10 / 2 * math.sqrt(REPLICAS)
    assert sequential(RELATIVE, 1.0, noise=half, looks=1, seed=20)["INCONCLUSIVE"] > 1 / 3


@pytest.mark.parametrize("looks", [1, 3])
@pytest.mark.parametrize("tolerance", [row("upper", 1.0), row("lower", 1.0)], ids=["upper", "lower"])
def test_error_rates_of_one_sided_rows(tolerance: Tolerance, looks: int):
    rates = sequential(tolerance, 1.0, noise=0.3, looks=looks, seed=30 + looks)
    for status in ("PASS", "FAIL"):
        assert 0.4 * ALPHA / 2 <= rates[status] <= ALPHA / 2 + margin(ALPHA / 2)


def test_a_bad_model_is_caught():
    """Twice the tolerance off at a spread of a sixth of it."""
    sixth = 0.10 / 6 * math.sqrt(REPLICAS)
    assert sequential(RELATIVE, 1.20, noise=sixth, looks=2, seed=40)["FAIL"] >= 0.99


def test_without_bonferroni_the_promise_would_break():
    """The looks share alpha for a reason: eight looks at the full alpha each err too often."""
    rng = np.random.default_rng(50)
    looks = 8
    wrong = 0
    for trial in 1.0 + 0.3 * rng.standard_normal((TRIALS, REPLICAS, looks)):
        for look in range(1, looks + 1):
            replicas = trial[:, :look].mean(axis=1)
            estimate = Estimate(float(replicas.mean()), float(replicas.std(ddof=1)) / REPLICAS**0.5, REPLICAS - 1)
            status = decide(row("upper", 1.0), estimate, alpha=ALPHA).status
            if status != "INCONCLUSIVE":
                wrong += status == "FAIL"
                break
    assert wrong / TRIALS > ALPHA / 2 + margin(ALPHA / 2)
