"""Numbers as people read them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlff.verdict.format import format_deviation, format_estimate, format_number, format_tolerance


@pytest.mark.parametrize(
    ("value", "stderr", "text"),
    [
        (3648.8, 81.3, "3649 ± 81"),
        (0.36488, 0.0081, "0.3649 ± 0.0081"),
        (1.2e-5, 3e-6, "(1.20 ± 0.30)e-5"),
        (0.0, 3e-6, "(0.0 ± 3.0)e-6"),
        (1e9, 1e7, "(1.000 ± 0.010)e9"),
        (99.96, 0.996, "100.0 ± 1.0"),  # the error rounds up into the next digit
        (0.01234, 0.000999, "0.0123 ± 0.0010"),
        (-3649.0, 810.0, "−3650 ± 810"),
        (69.8, 0.65, "69.80 ± 0.65"),
        (-1e-4, 0.02, "0.000 ± 0.020"),  # no minus before a zero
        (0.99984978, 1.1e-9, "0.99985 ± 1e-9"),  # a negligible error is named apart
        (0.9812, 0.0, "0.9812"),
        (256.0, 0.0, "256"),
        (0.98, None, "0.98 ± ?"),
        (0.98, math.nan, "0.98 ± ?"),
        (0.98, math.inf, "0.98 ± ?"),
        (math.inf, 1.0, "∞ ± ?"),
        (math.nan, 1.0, "–"),
        (None, None, "–"),
    ],
)
def test_estimate(value: float | None, stderr: float | None, text: str):
    assert format_estimate(value, stderr) == text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.05, 4, "0.05"),
        (1e-5, 4, "1e-5"),
        (-1.234e-5, 3, "−1.23e-5"),
        (123456.0, 3, "123000"),
        (8.0, 3, "8"),
        (100.0, 3, "100"),
        (0.0, 3, "0"),
        (-math.inf, 3, "−∞"),
        (None, 3, "–"),
    ],
)
def test_number(value: float | None, digits: int, text: str):
    assert format_number(value, digits) == text


@pytest.mark.parametrize(
    ("deviation", "interval", "percent", "text"),
    [
        (0.2257, (0.158, 0.2937), True, "+22.6 % [+15.8, +29.4]"),
        (-0.031, (-0.052, -0.0101), True, "−3.1 % [−5.2, −1.0]"),
        (2.5, None, True, "+250 %"),
        (0.0775, (0.0655, 0.0878), False, "0.0775 [0.0655, 0.0878]"),
        (-0.8, (-1.5, -0.1), False, "−0.8 [−1.5, −0.1]"),
        (0.1, (None, None), True, "+10.0 %"),
        (None, None, True, "–"),
    ],
)
def test_deviation(
    deviation: float | None, interval: tuple[float | None, float | None] | None, percent: bool, text: str
):
    assert format_deviation(deviation, interval, percent=percent) == text


@pytest.mark.parametrize(
    ("kind", "limit", "text"),
    [
        ("relative", 0.1, "±10 %"),
        ("relative", 0.025, "±2.5 %"),
        ("absolute", 2.7, "±2.7"),
        ("upper", 1e-3, "≤ 0.001"),
        ("upper", 0.0, "≤ 0"),
        ("lower", 0.9, "≥ 0.9"),
        ("sign", 1.0, "> 0"),
        ("sign", -1.0, "< 0"),
        ("info", None, "–"),
        ("info", 0.1, "–"),
    ],
)
def test_tolerance(kind: str, limit: float | None, text: str):
    assert format_tolerance(kind, limit) == text


@given(
    value=st.floats(-1e12, 1e12),
    stderr=st.floats(1e-12, 1e12),
)
def test_what_is_printed_is_what_was_meant(value: float, stderr: float):
    text = format_estimate(value, stderr).replace("−", "-")
    body, _, exponent = text.partition(")e")
    shown_value, shown_stderr = (float(part) * 10.0 ** int(exponent or 0) for part in body.strip("(").split(" ± "))
    if stderr < 1e-5 * abs(value):  # negligible: one digit of it, six of the value
        assert shown_stderr == pytest.approx(stderr, rel=0.51)
        assert shown_value == pytest.approx(value, rel=5.1e-6)
    else:
        assert shown_stderr == pytest.approx(stderr, rel=0.051)
        assert abs(shown_value - value) <= 0.051 * stderr + 1e-9 * abs(value)
