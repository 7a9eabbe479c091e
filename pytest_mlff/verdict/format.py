"""Numbers as people read them: an error to two digits, its value to the same place, intervals, percent.

Used by the failure text here and by the tables of ``report``; plain strings out.
"""

from __future__ import annotations

import math

from pytest_mlff.schema import Record

_FIXED_FROM, _FIXED_TO = 1e-3, 1e7
"""Magnitudes printed without an exponent."""
_NEGLIGIBLE = 1e-5
"""A standard error below this fraction of its value is named apart: nobody reads the ten digits before it."""


def format_estimate(value: float | None, stderr: float | None = None) -> str:
    """Write a number with its error.

    Parameters
    ----------
    value : float or None
        The number; None and NaN give "–".
    stderr : float or None
        Its standard error, shown to two significant digits; 0 for an exact number, shown without one; None or
        NaN for an unknown error, shown as "?".

    Returns
    -------
    str
        As in "3649 ± 81", "0.3649 ± 0.0081", "(1.20 ± 0.30)e-5", "0.9812" (exact), "0.9812 ± ?", or, where the
        error is negligible, "0.99985 ± 1e-9".

    Examples
    --------
    >>> format_estimate(3648.8, 81.3)
    '3649 ± 81'
    """
    if value is None or math.isnan(value):
        return "–"
    if stderr == 0.0:
        return format_number(value)
    if stderr is None or not math.isfinite(stderr) or not math.isfinite(value):
        return f"{format_number(value)} ± ?"
    if abs(stderr) < _NEGLIGIBLE * abs(value):
        return f"{format_number(value, 6)} ± {format_number(abs(stderr), 1)}"
    size = max(abs(value), abs(stderr))
    exponent = 0 if _FIXED_FROM <= size < _FIXED_TO else math.floor(math.log10(size))
    scale = 10.0**exponent
    value, stderr = value / scale, abs(stderr) / scale
    place = 1 - math.floor(math.log10(float(f"{stderr:.1e}")))
    text = f"{_fixed(value, place)} ± {_fixed(stderr, place)}"
    return f"({text})e{exponent}" if exponent else text


def format_number(value: float | None, digits: int = 4) -> str:
    """Write a number without an error.

    Parameters
    ----------
    value : float or None
        The number; None and NaN give "–".
    digits : int
        Significant digits.

    Returns
    -------
    str
        Without an exponent where it is readable: "0.05", "256", "1.2e-5".
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0.0:
        return "0"
    if _FIXED_FROM <= abs(value) < _FIXED_TO:
        place = digits - 1 - math.floor(math.log10(abs(value)))
        text = _fixed(value, place)
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa.replace('-', '−')}e{int(exponent)}"


def format_candidate(record: Record) -> str:
    """Write a record's value.

    Parameters
    ----------
    record : Record
        Of a row.

    Returns
    -------
    str
        With its standard error; a distance without one, for its interval is asymmetric.
    """
    if record.candidate_stderr is None and record.interval is not None:
        return format_number(record.candidate)
    return format_estimate(record.candidate, record.candidate_stderr)


def format_deviation(
    deviation: float | None, interval: tuple[float | None, float | None] | None, *, percent: bool
) -> str:
    """Write a deviation and its interval.

    Parameters
    ----------
    deviation : float or None
        As in a record; None gives "–".
    interval : tuple of float or None
        Its interval.
    percent : bool
        Whether both are fractions to be written in percent, with signs.

    Returns
    -------
    str
        As in "+22.6 % [+17.1, +28.2]" or "0.031 [0.022, 0.038]".
    """
    if deviation is None:
        return "–"
    ends = () if interval is None or None in interval else tuple(float(end or 0.0) for end in interval)
    if percent:
        numbers = [_signed(100.0 * x) for x in (deviation, *ends)]
        return f"{numbers[0]} %" + (f" [{numbers[1]}, {numbers[2]}]" if ends else "")
    numbers = [format_number(x, 3) for x in (deviation, *ends)]
    return numbers[0] + (f" [{numbers[1]}, {numbers[2]}]" if ends else "")


def format_tolerance(kind: str, tolerance: float | None) -> str:
    """Write a limit.

    Parameters
    ----------
    kind : str
        Kind of the row.
    tolerance : float or None
        The limit as in a record: a fraction for relative rows.

    Returns
    -------
    str
        As in "±10 %", "±2.7", "≤ 0.05", "≥ 0.9", "> 0"; "–" where nothing is judged.
    """
    if kind == "info" or tolerance is None:
        return "–"
    if kind == "relative":
        return f"±{format_number(100.0 * tolerance)} %"
    if kind == "sign":
        return "> 0" if tolerance > 0 else "< 0"
    return {"absolute": "±", "upper": "≤ ", "lower": "≥ "}[kind] + format_number(tolerance)


def _fixed(value: float, place: int) -> str:
    """Round to a decimal place, negative ones included, with a real minus sign and never "−0"."""
    rounded = round(value, place) + 0.0
    return f"{rounded:.{max(place, 0)}f}".replace("-", "−")


def _signed(value: float) -> str:
    place = 1 if abs(value) < 100.0 else 0
    text = _fixed(value, place)
    return text if text.startswith("−") else f"+{text}"
