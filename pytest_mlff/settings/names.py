"""Names and values of users in messages: what a mistyped one was probably meant to be, and any value on one line."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_mlff.foreign import one_line

_LONGEST = 200


def suggest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Name what was probably meant.

    Parameters
    ----------
    word : str
        What the user typed.
    known : iterable of str
        What there is.
    cutoff : float
        Least similarity, 0 to 1; case does not count.

    Returns
    -------
    str
        Such as ``" (did you mean 'liquid'?)"``, with three names at most, the nearest first; empty when nothing is
        near.
    """
    import difflib

    if len(word) > _LONGEST:
        return ""  # the time grows with the square of the length
    folded = {name.lower(): name for name in sorted(known, reverse=True)}
    near = [folded[match] for match in difflib.get_close_matches(word.lower(), folded, n=3, cutoff=cutoff)]
    return f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""


def shown(value: object, limit: int = 80) -> str:
    """Write a value into a message.

    Parameters
    ----------
    value : object
        Any value.
    limit : int
        Longest result.

    Returns
    -------
    str
        Its ``repr`` on one line, cut; its type where it has none.
    """
    try:
        return one_line(repr(value), limit)
    except (ValueError, RecursionError):  # thousands of digits, or of levels
        return f"a value of type {type(value).__name__} that is too long to be shown"
