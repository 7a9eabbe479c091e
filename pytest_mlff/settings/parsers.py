"""What may stand in a TOML file: each parser takes a value as TOML gave it, and says what it expected."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

LARGEST = 2**53
"""Largest whole number: every one up to it is exact as a float, and fits into any integer of NumPy."""


def positive(value: Any) -> float:
    """Accept a positive number.

    Parameters
    ----------
    value : object
        From TOML.

    Returns
    -------
    float
        The number.

    Raises
    ------
    ValueError
        For anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value < math.inf:
        raise ValueError("expected a positive number")
    try:
        return float(value)
    except OverflowError:
        raise ValueError("expected a number below 1.8e308") from None


def not_negative(value: Any) -> float:
    """Accept a number that is positive or zero.

    Parameters
    ----------
    value : object
        From TOML.

    Returns
    -------
    float
        The number.

    Raises
    ------
    ValueError
        For anything else.
    """
    if isinstance(value, bool) or value != 0:
        try:
            return positive(value)
        except ValueError:
            raise ValueError("expected a number that is not negative") from None
    return 0.0


def whole(minimum: int) -> Callable[[Any], int]:
    """Make a parser of whole numbers.

    Parameters
    ----------
    minimum : int
        The smallest it accepts.

    Returns
    -------
    callable
        The parser.
    """

    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise ValueError(f"expected a whole number >= {minimum}")
        if value > LARGEST:
            raise ValueError(f"expected a whole number up to {LARGEST}")
        return value

    return parse


def one_of(known: tuple[str, ...]) -> Callable[[Any], str]:
    """Make a parser of words.

    Parameters
    ----------
    known : tuple of str
        Those it accepts.

    Returns
    -------
    callable
        The parser.
    """

    def parse(value: Any) -> str:
        if value not in known:
            raise ValueError(f"expected one of {', '.join(known)}")
        return str(value)

    return parse


def growing(value: Any) -> tuple[int, ...]:
    """Accept a list of step counts that grow.

    Parameters
    ----------
    value : object
        From TOML.

    Returns
    -------
    tuple of int
        The numbers.

    Raises
    ------
    ValueError
        For anything else.
    """
    hint = "expected a list of step counts, each larger than the one before, such as [1160, 2320]"
    if not isinstance(value, list) or not value:
        raise ValueError(hint)
    if any(isinstance(step, bool) or not isinstance(step, int) or not 1 <= step <= LARGEST for step in value):
        raise ValueError(hint)
    if any(later <= earlier for earlier, later in pairwise(value)):
        raise ValueError(hint)
    return tuple(value)


def names(value: Any) -> tuple[str, ...]:
    """Accept a list of names.

    Parameters
    ----------
    value : object
        From TOML.

    Returns
    -------
    tuple of str
        The names.

    Raises
    ------
    ValueError
        For anything else.
    """
    if not isinstance(value, list) or not value or not all(isinstance(name, str) and name for name in value):
        raise ValueError('expected a list of names such as ["100K-256"]')
    if len(set(value)) != len(value):
        raise ValueError("expected each name once")
    return tuple(value)
