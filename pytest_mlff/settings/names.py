"""Names that are spelled alike: what a mistyped one was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable


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

    folded = {name.lower(): name for name in sorted(known, reverse=True)}
    near = [folded[match] for match in difflib.get_close_matches(word.lower(), folded, n=3, cutoff=cutoff)]
    return f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
