"""How often something happens, from counts, with its exact interval."""

from __future__ import annotations


def interval(count: int, trials: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper–Pearson interval of a probability.

    Parameters
    ----------
    count : int
        How often it happened.
    trials : int
        How often it could have.
    confidence : float
        Of the two-sided interval; where ``count`` is 0 or ``trials`` all of the error is on one side.

    Returns
    -------
    tuple of float
        Lower and upper bound.
    """
    from scipy.stats import beta

    error = 1.0 - confidence
    tail = error if count in (0, trials) else error / 2.0
    low = float(beta.ppf(tail, count, trials - count + 1)) if count else 0.0
    high = float(beta.isf(tail, count + 1, trials - count)) if count < trials else 1.0
    return low, high


def rate(count: int, trials: int) -> str:
    """Write a probability with its 95 % interval.

    Parameters
    ----------
    count : int
        How often it happened.
    trials : int
        How often it could have.

    Returns
    -------
    str
        In percent, for example ``0 % (≤ 0.99 %)``.
    """
    low, high = (100.0 * bound for bound in interval(count, trials))
    share = f"{100.0 * count / trials:.3g} %"
    if not count:
        return f"{share} (≤ {high:.2g} %)"
    if count == trials:
        return f"{share} (≥ {low:.3g} %)"
    return f"{share} ({low:.2g}–{high:.2g} %)"
