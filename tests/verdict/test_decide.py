"""Three-valued decisions: tables of cases, the awkward ones, and what the reasons promise."""

import dataclasses
import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_mlff.errors import ObservableError
from pytest_mlff.schema import Estimate
from pytest_mlff.verdict.decide import decide, signed_root
from pytest_mlff.verdict.tolerances import Tolerance

NAN, INF = math.nan, math.inf
Z95 = 1.959964  # two-sided normal quantile


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


# --------------------------------------------------------------------- tables

TINY = 1e-6
CASES = [
    # relative: ten percent of 2
    *[
        (RELATIVE, c, e, 2.0, status)
        for c, e, status in [
            (2.0, 0.0, "PASS"),
            (2.19, 0.0, "PASS"),
            (1.81, 0.0, "PASS"),
            (2.21, 0.0, "FAIL"),
            (1.79, 0.0, "FAIL"),
            (2.0, 0.10, "PASS"),  # ±9.8 %
            (2.0, 0.105, "INCONCLUSIVE"),  # ±10.3 %, both limits inside
            (2.1, 0.04, "PASS"),
            (2.1, 0.06, "INCONCLUSIVE"),
            (1.9, 0.04, "PASS"),
            (1.9, 0.06, "INCONCLUSIVE"),
            (2.3, 0.04, "FAIL"),
            (2.3, 0.06, "INCONCLUSIVE"),
            (1.7, 0.04, "FAIL"),
            (1.7, 0.06, "INCONCLUSIVE"),
            (-2.0, 0.1, "FAIL"),
            (2.0, 5.0, "INCONCLUSIVE"),
        ]
    ],
    # absolute: 2.7 around 55.2, and around a negative reference
    *[
        (ABSOLUTE, r + c, e, r, status)
        for r in (55.2, -55.2, 0.0)
        for c, e, status in [
            (0.0, 1.0, "PASS"),
            (2.6, 0.0, "PASS"),
            (-2.6, 0.0, "PASS"),
            (2.8, 0.0, "FAIL"),
            (-2.8, 0.0, "FAIL"),
            (1.0, 1.0, "INCONCLUSIVE"),
            (-1.0, 1.0, "INCONCLUSIVE"),
            (5.0, 1.0, "FAIL"),
            (-5.0, 1.0, "FAIL"),
        ]
    ],
    *[
        (UPPER, c, e, None, status)
        for c, e, status in [
            (0.05, 0.0, "PASS"),  # the limit itself is allowed
            (math.nextafter(0.05, 1), 0.0, "FAIL"),
            (0.0, 0.0, "PASS"),
            (-1.0, 0.1, "PASS"),
            (0.04, 0.005, "PASS"),
            (0.04, 0.0052, "INCONCLUSIVE"),
            (0.06, 0.0052, "INCONCLUSIVE"),
            (0.06, 0.005, "FAIL"),
        ]
    ],
    *[
        (LOWER, c, e, None, status)
        for c, e, status in [
            (0.95, 0.0, "PASS"),
            (math.nextafter(0.95, 0), 0.0, "FAIL"),
            (1.0, 0.025, "PASS"),
            (1.0, 0.026, "INCONCLUSIVE"),
            (0.90, 0.026, "INCONCLUSIVE"),
            (0.90, 0.025, "FAIL"),
        ]
    ],
    # squares: limit 0.05² = 0.0025
    *[
        (SQUARED, c, e, None, status)
        for c, e, status in [
            (0.0, 0.001, "PASS"),
            (-0.001, 0.001, "PASS"),
            (0.0, 0.0013, "INCONCLUSIVE"),
            (0.0024, 0.0, "PASS"),
            (0.0026, 0.0, "FAIL"),
            (0.04, 0.001, "FAIL"),
            (0.0035, 0.0005, "FAIL"),
            (0.0035, 0.0006, "INCONCLUSIVE"),
        ]
    ],
    *[
        (tolerance, sign * c, e, None, status)
        for tolerance, sign in ((GROWS, 1), (MELTS, -1))
        for c, e, status in [
            (1.0, 0.5, "PASS"),
            (1.0, 0.52, "INCONCLUSIVE"),
            (-1.0, 0.52, "INCONCLUSIVE"),
            (-1.0, 0.5, "FAIL"),
            (TINY, 0.0, "PASS"),
            (-TINY, 0.0, "FAIL"),
            (0.0, 0.0, "FAIL"),  # it does not grow
            (0.0, 1.0, "INCONCLUSIVE"),
        ]
    ],
]


@pytest.mark.parametrize(("tolerance", "value", "stderr", "reference", "status"), CASES)
def test_table(tolerance: Tolerance, value: float, stderr: float, reference: float | None, status: str):
    other = None if reference is None else Estimate(reference, 0.0)
    assert decide(tolerance, Estimate(value, stderr), other).status == status


def test_a_deviation_is_reported_in_the_unit_it_is_judged_in():
    relative = decide(RELATIVE, Estimate(2.3, 0.04), Estimate(2.0, 0.0))
    assert relative.deviation == pytest.approx(0.15)
    assert relative.interval == pytest.approx((0.15 - Z95 * 0.02, 0.15 + Z95 * 0.02))
    absolute = decide(ABSOLUTE, Estimate(50.0, 1.0), Estimate(55.2, 0.0))
    assert absolute.deviation == pytest.approx(-5.2)
    lower = decide(LOWER, Estimate(0.8, 0.0))
    assert (lower.deviation, lower.interval) == (0.8, (0.8, 0.8))


def test_a_squared_distance_is_reported_as_a_distance():
    decision = decide(SQUARED, Estimate(0.0035, 0.0005))
    ends = 0.0035 - Z95 * 0.0005, 0.0035 + Z95 * 0.0005
    assert decision.deviation == pytest.approx(math.sqrt(0.0035))
    assert decision.interval == pytest.approx(tuple(map(math.sqrt, ends)))
    negative = decide(SQUARED, Estimate(-0.0001, 0.0002))
    assert negative.deviation == pytest.approx(-0.01)
    assert negative.interval == pytest.approx((-math.sqrt(0.0001 + Z95 * 2e-4), math.sqrt(Z95 * 2e-4 - 0.0001)))
    assert signed_root(-4.0) == -2.0


def test_the_error_of_the_reference_counts():
    candidate = Estimate(2.1, 0.03)
    assert decide(RELATIVE, candidate, Estimate(2.0, 0.0)).status == "PASS"
    assert decide(RELATIVE, candidate, Estimate(2.0, 0.06)).status == "INCONCLUSIVE"
    exact = decide(RELATIVE, Estimate(2.4, 0.0), Estimate(2.0, 0.02))
    # c/r with r uncertain by 1 %: 1.2 % of error on the ratio 1.2
    assert exact.interval == pytest.approx((0.2 - Z95 * 0.012, 0.2 + Z95 * 0.012))


def test_few_replicas_need_a_wider_interval():
    assert decide(RELATIVE, Estimate(2.0, 0.09, INF), Estimate(2.0, 0.0)).status == "PASS"
    assert decide(RELATIVE, Estimate(2.0, 0.09, 7), Estimate(2.0, 0.0)).status == "INCONCLUSIVE"


def test_more_planned_looks_need_a_wider_interval():
    widths = []
    for looks in (1, 2, 3):
        decision = decide(RELATIVE, Estimate(2.0, 0.01, 7), Estimate(2.0, 0.0), looks_planned=looks)
        assert decision.interval is not None
        widths.append(decision.interval[1])
    assert widths == pytest.approx([q * 0.005 for q in (2.364624, 2.841244, 3.127552)], rel=1e-4)


# ------------------------------------------------------------ the awkward ones


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("tolerance", [RELATIVE, ABSOLUTE, UPPER, LOWER, SQUARED, GROWS], ids=lambda t: t.kind)
def test_nothing_measured_is_a_failure(tolerance: Tolerance, value: float):
    decision = decide(tolerance, Estimate(value, 0.1), Estimate(2.0, 0.1))
    assert decision.status == "FAIL"
    assert "nothing could be measured" in decision.reason
    assert decision.deviation is None


@pytest.mark.parametrize("value", [0.0, 2.0, 100.0])
@pytest.mark.parametrize("tolerance", [RELATIVE, ABSOLUTE, UPPER, LOWER, SQUARED, GROWS], ids=lambda t: t.kind)
def test_no_error_bar_no_verdict(tolerance: Tolerance, value: float):
    decision = decide(tolerance, Estimate(value, NAN, 0), Estimate(2.0, 0.1), looks_planned=2)
    assert (decision.status, decision.interval) == ("INCONCLUSIVE", None)
    assert "no error bar" in decision.reason


@pytest.mark.parametrize("reference", [Estimate(2.0, NAN), Estimate(2.0, 0.1, 0), Estimate(2.0, 0.1, NAN)])
@pytest.mark.parametrize("tolerance", [RELATIVE, ABSOLUTE], ids=lambda t: t.kind)
def test_a_reference_without_error_bar_gives_no_verdict(tolerance: Tolerance, reference: Estimate):
    decision = decide(tolerance, Estimate(2.0, 0.01, 7), reference)
    assert decision.status == "INCONCLUSIVE"
    assert "no error bar" in decision.reason


@pytest.mark.parametrize("reference", [0.0, -2.0, NAN, INF, None])
def test_a_relative_row_needs_a_positive_reference(reference: float | None):
    other = None if reference is None else Estimate(reference, 0.1)
    with pytest.raises(ObservableError, match=r"row: .*needs a"):
        decide(RELATIVE, Estimate(2.0, 0.1), other)
    shown = decide(dataclasses.replace(RELATIVE, info_in=frozenset({"ci"})), Estimate(2.0, 0.1), other, protocol="ci")
    assert (shown.status, shown.deviation) == ("INFO", None)


def test_a_negative_error_is_a_mistake():
    for candidate, reference in (
        (Estimate(1, -0.1), Estimate(1, 0.1)),
        (Estimate(1, 0.1), Estimate(1, -0.1)),
    ):
        for tolerance in (RELATIVE, ABSOLUTE):
            with pytest.raises(ObservableError, match="negative"):
                decide(tolerance, candidate, reference)


@pytest.mark.parametrize("arguments", [{"looks_planned": 0}, {"alpha": 0.0}, {"alpha": 1.0}])
def test_looks_and_alpha_are_checked(arguments: dict[str, float]):
    with pytest.raises(ObservableError, match="looks_planned = "):
        decide(UPPER, Estimate(0, 0), **arguments)  # type: ignore[arg-type]


ANY = st.floats(allow_nan=True, allow_infinity=True, width=64)
SIZE = st.floats(min_value=0.0, allow_infinity=True) | st.just(NAN)


@settings(max_examples=300)
@given(
    tolerance=st.sampled_from([RELATIVE, ABSOLUTE, UPPER, LOWER, SQUARED, GROWS, MELTS]),
    candidate=st.builds(Estimate, ANY, SIZE, SIZE),
    reference=st.builds(Estimate, st.floats(5e-324, 1e308), SIZE, SIZE),
    looks=st.integers(1, 3),
)
# each share of the error is finite, their sum is not
@example(tolerance=RELATIVE, candidate=Estimate(1.0, 1.0, 2.3e-309), reference=Estimate(1.0, 1.0, 2.3e-309), looks=1)
def test_no_number_is_so_odd_that_it_passes_unmeasured_or_stops_the_decision(tolerance, candidate, reference, looks):
    found = decide(tolerance, candidate, reference, looks_planned=looks)
    if not math.isfinite(candidate.value):
        assert found.status == "FAIL"
        assert str(candidate.value) in found.reason
    elif not math.isfinite(candidate.stderr):
        assert found.status == "INCONCLUSIVE"
    if found.status == "PASS":
        assert math.isfinite(found.deviation)
        assert found.interval is not None


def test_information_is_never_a_verdict():
    info = row("info", None)
    for value in (0.0, 1e9, NAN):
        assert decide(info, Estimate(value, 0.1)).status == "INFO"
    assert decide(info, Estimate(5.0, 1.0)).deviation is None
    compared = decide(info, Estimate(5.0, 1.0), Estimate(3.0, 0.0))
    assert compared.deviation == pytest.approx(2.0)
    assert compared.interval == pytest.approx((2 - Z95, 2 + Z95))
    assert decide(info, Estimate(5.0, 1.0), Estimate(NAN, 0.0)).deviation is None


def test_a_row_judged_elsewhere_is_shown_with_its_numbers():
    tolerance = dataclasses.replace(RELATIVE, info_in=frozenset({"ci"}))
    candidate, reference = Estimate(3.0, 0.01), Estimate(2.0, 0.0)
    shown = decide(tolerance, candidate, reference, protocol="ci", looks_planned=2)
    assert shown.status == "INFO"
    assert shown.deviation == pytest.approx(0.5)
    assert shown.interval is not None
    assert decide(tolerance, candidate, reference, protocol="full").status == "FAIL"


# ------------------------------------------------------- what it would take


@pytest.mark.parametrize(
    ("tolerance", "value", "stderr", "reference"),
    [
        (RELATIVE, 2.1, 0.10, Estimate(2.0, 0.0)),
        (RELATIVE, 2.1, 0.10, Estimate(2.0, 0.02, INF)),
        (RELATIVE, 1.5, 0.30, Estimate(2.0, 0.02, INF)),
        (ABSOLUTE, 3.0 + 55.2, 1.0, Estimate(55.2, 0.05)),
        (UPPER, 0.03, 0.02, None),
        (LOWER, 0.97, 0.05, None),
        (SQUARED, 0.0015, 0.001, None),
        (GROWS, 0.5, 1.0, None),
    ],
)
def test_the_sampling_asked_for_is_the_sampling_that_decides(
    tolerance: Tolerance, value: float, stderr: float, reference: Estimate | None
):
    first = decide(tolerance, Estimate(value, stderr), reference)
    assert first.status == "INCONCLUSIVE"
    assert first.more_sampling is not None
    assert f"about {first.more_sampling:.2g} times the sampling" in first.reason

    def after(sampling: float) -> str:
        return decide(tolerance, Estimate(value, stderr / math.sqrt(sampling)), reference).status

    assert after(1.001 * first.more_sampling) in ("PASS", "FAIL")
    assert after(0.999 * first.more_sampling) == "INCONCLUSIVE"


@pytest.mark.parametrize(
    ("tolerance", "value"),
    [
        (RELATIVE, 2.201),
        (RELATIVE, 1.795),
        (ABSOLUTE, 2.0 + 2.6),
        (UPPER, 0.0495),
        (LOWER, 0.952),
        (SQUARED, 0.0512**2),
    ],
)
def test_a_borderline_model_is_told_so(tolerance: Tolerance, value: float):
    decision = decide(tolerance, Estimate(value, 0.1), Estimate(2.0, 0.0))
    assert decision.status == "INCONCLUSIVE"
    assert "no affordable sampling" in decision.reason
    assert decision.more_sampling is None


def test_a_good_symmetry_is_not_called_borderline():
    assert "borderline" not in decide(LOWER, Estimate(0.979, 0.02)).reason


def test_a_bad_reference_is_blamed_for_it():
    decision = decide(RELATIVE, Estimate(2.1, 0.0), Estimate(2.0, 0.2))
    assert decision.status == "INCONCLUSIVE"
    assert "longer reference runs" in decision.reason


def test_an_interval_that_barely_straddles_is_not_told_to_shrink_onefold():
    """Model A's net force: 1.5595 ± 0.1865 of 2."""
    decision = decide(dataclasses.replace(UPPER, limit=2.0), Estimate(1.5595, 0.1865, 7.0))
    assert decision.status == "INCONCLUSIVE"
    assert decision.reason.startswith("the interval barely straddles the limit: a little more")
    assert 1.0 < decision.more_sampling < 1.1


def test_the_unaffordable_is_not_promised():
    decision = decide(RELATIVE, Estimate(2.1, 2.0), Estimate(2.0, 0.0))
    assert "more than 100 times" in decision.reason
    assert decision.more_sampling is None


@pytest.mark.parametrize(
    ("tolerance", "value", "words"),
    [
        (RELATIVE, 2.4, "at least 20 % above the reference, where 10 % are allowed"),
        (RELATIVE, 1.6, "at least 20 % below the reference, where 10 % are allowed"),
        (ABSOLUTE, 6.0, "at least 4 u above the reference, where 2.7 u are allowed"),
        (ABSOLUTE, -2.0, "at least 4 u below the reference, where 2.7 u are allowed"),
        (UPPER, 0.08, "at least 0.08 u, where 0.05 u are allowed"),
        (LOWER, 0.8, "at most 0.8 u, where 0.95 u are demanded"),
        (LOWER, 0.94996, "at most 0.94996 u, where 0.95 u are demanded"),
        (dataclasses.replace(UPPER, limit=1.234), 1.2345, "at least 1.2345 u, where 1.234 u are allowed"),
        (UPPER, 0.0500001, "at least 0.0500001 u, where 0.05 u are allowed"),
        (RELATIVE, 2.20002, "at least 10.001 % above the reference, where 10 % are allowed"),
        (GROWS, -1.0, "should be positive"),
        (MELTS, 1.0, "should be negative"),
    ],
)
def test_a_failure_says_by_how_much(tolerance: Tolerance, value: float, words: str):
    assert words in decide(tolerance, Estimate(value, 0.0), Estimate(2.0, 0.0)).reason
