"""Three-valued decisions: an interval against a limit.

An interval wholly inside the limit is PASS, wholly outside FAIL, else INCONCLUSIVE: the caller takes the
next look. Pure functions of plain numbers; SciPy (for Student's quantile) is imported when first needed.

Why two-sided intervals of level 1 − α/L everywhere, also for one-sided rows: PASS and FAIL are both claims,
each rests on one end of the interval, and so each is wrong with probability at most α/2L at a look and α/2
over L planned looks, where the value is a mean over replicas or configurations. ``docs/statistics.md`` has the argument
in full, and the rows that keep it less well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pytest_mlff.errors import ObservableError
from pytest_mlff.schema import Estimate
from pytest_mlff.verdict.tolerances import Tolerance

BORDERLINE = 0.05
"""A deviation this close to the limit, as a fraction of it, is called borderline instead of undersampled."""

_ON_THE_LIMIT = "borderline: the model lies on the limit, and if it stays there no affordable sampling would decide"

_BARELY = 1.1
"""Below this many times the sampling the number says nothing."""

AFFORDABLE = 100.0
"""Beyond this many times the sampling no number is promised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Outcome of one look at one row.

    Attributes
    ----------
    status : str
        PASS, FAIL, INCONCLUSIVE or INFO.
    deviation : float or None
        What the limit is compared with: (c − r)/r for relative rows, c − r for absolute rows, the value
        itself for upper, lower and sign rows (for squared rows the signed root). Info rows: c − r if there is
        a reference, else None.
    interval : tuple of float or None
        Its interval, in the same unit; None where there is no error bar.
    reason : str
        Why, in one sentence; for INCONCLUSIVE what it would take.
    more_sampling : float or None
        For INCONCLUSIVE: roughly how many times the present sampling would decide if the deviation stayed
        where it is; None where that cannot be said or cannot be had.
    """

    status: Literal["PASS", "FAIL", "INCONCLUSIVE", "INFO"]
    deviation: float | None
    interval: tuple[float, float] | None
    reason: str
    more_sampling: float | None = None


class _Measured(NamedTuple):
    """A deviation and the part of its variance that the reference contributes."""

    estimate: Estimate
    reference_variance: float = 0.0


def student_quantile(level: float, dof: float) -> float:
    """Half-width, in standard errors, of a two-sided interval.

    Parameters
    ----------
    level : float
        Coverage, between 0 and 1.
    dof : float
        Degrees of freedom, > 0; ``inf`` gives the normal quantile.

    Returns
    -------
    float
        For level 1 − 0.05/3 and 7 degrees of freedom 3.13.
    """
    from scipy.special import ndtri, stdtrit

    tail = 0.5 * (1.0 + level)
    return float(ndtri(tail) if math.isinf(dof) else stdtrit(dof, tail))


def interval(estimate: Estimate, *, level: float) -> tuple[float, float]:
    """Student interval of an estimate.

    Parameters
    ----------
    estimate : Estimate
        Value, standard error and degrees of freedom.
    level : float
        Coverage, between 0 and 1.

    Returns
    -------
    tuple of float
        Low and high end in the estimate's unit: a point where the standard error is 0, (NaN, NaN) where
        there is no error bar.

    Raises
    ------
    ObservableError
        For a negative standard error or a level outside (0, 1).
    """
    if not 0.0 < level < 1.0:
        raise ObservableError(f"level = {level}; an interval needs a coverage between 0 and 1, like 0.95")
    _refuse_negative_error(estimate)
    if estimate.stderr == 0.0:
        return estimate.value, estimate.value
    if not (math.isfinite(estimate.stderr) and estimate.dof > 0.0):
        return math.nan, math.nan
    half = student_quantile(level, estimate.dof) * estimate.stderr
    return estimate.value - half, estimate.value + half


def _refuse_negative_error(estimate: Estimate | None) -> None:
    if estimate is not None and estimate.stderr < 0.0:
        raise ObservableError(f"standard error {estimate.stderr:g} is negative; pass NaN where there is none")


def signed_root(square: float) -> float:
    """Distance that belongs to an unbiased squared distance, which noise can make negative.

    Parameters
    ----------
    square : float
        d², of either sign.

    Returns
    -------
    float
        sign(d²)·√abs(d²).
    """
    return math.copysign(math.sqrt(abs(square)), square)


def combine(value: float, parts: tuple[Estimate, Estimate]) -> Estimate:
    """Give a value the joint error of two independent contributions.

    Parameters
    ----------
    value : float
        The combined value.
    parts : tuple of Estimate
        Contributions, their standard errors in the unit of ``value``.

    Returns
    -------
    Estimate
        Standard errors added in quadrature, degrees of freedom after Welch and Satterthwaite (B. L. Welch,
        Biometrika 34 (1947) 28): ν = (Σ s²)² / Σ (s⁴/ν).
    """
    # products and a plain sum: a power or an exact sum that overflows raises, where infinity is the answer
    variances = [part.stderr * part.stderr for part in parts]
    total = sum(variances)
    if total == 0.0:
        return Estimate(value, 0.0, math.inf)
    usable = all(part.dof > 0.0 for part in parts if part.stderr != 0.0)
    if not (usable and math.isfinite(total)):
        return Estimate(value, math.nan, math.nan)
    spread = sum((v / total) ** 2 / part.dof for v, part in zip(variances, parts, strict=True) if v > 0.0)
    return Estimate(value, math.sqrt(total), 1.0 / spread if spread > 0.0 else math.inf)


def decide(
    tolerance: Tolerance,
    candidate: Estimate,
    reference: Estimate | None = None,
    *,
    looks_planned: int = 1,
    alpha: float = 0.05,
    protocol: str | None = None,
) -> Decision:
    """Judge one row at one look.

    Parameters
    ----------
    tolerance : Tolerance
        The row.
    candidate : Estimate
        The candidate's value in ``tolerance.unit``; its square for a squared row.
    reference : Estimate, optional
        The reference's value; needed for relative and absolute rows, ignored for upper, lower and sign rows.
    looks_planned : int
        Number L of looks that may be taken; each uses an interval of level 1 − alpha/L (Bonferroni).
    alpha : float
        Error probability shared by all looks.
    protocol : str, optional
        Where the row carries no verdict in this protocol it is INFO; without it, only rows of kind info are.

    Returns
    -------
    Decision
        See there.

    Raises
    ------
    ObservableError
        For a negative standard error, looks_planned or alpha out of range, or a row that must be judged against a
        reference that is missing, not finite or (relative rows) not positive.
    """
    if not (looks_planned >= 1 and 0.0 < alpha < 1.0):
        raise ObservableError(f"looks_planned = {looks_planned}, alpha = {alpha}: expected ≥ 1 and between 0 and 1")
    for estimate in (candidate, reference):
        _refuse_negative_error(estimate)
    judged = tolerance.kind != "info" and (protocol is None or protocol in tolerance.verdict_in)
    if not math.isfinite(candidate.value):
        return Decision(
            status="FAIL" if judged else "INFO",
            deviation=None,
            interval=None,
            reason=f"the candidate's value is {candidate.value}: nothing could be measured",
        )
    problem = _unusable(tolerance, reference)
    if problem and judged:
        raise ObservableError(f"{tolerance.key}: {problem}")
    if problem or (tolerance.kind == "info" and reference is None):
        return Decision(status="INFO", deviation=None, interval=None, reason=problem)
    measured = _measure(tolerance, candidate, reference)
    bounds = interval(measured.estimate, level=1.0 - alpha / looks_planned)
    return _compare(tolerance, measured, bounds, judged=judged)


def _unusable(tolerance: Tolerance, reference: Estimate | None) -> str:
    """Why the reference cannot serve this row; empty if it can."""
    if tolerance.kind in ("upper", "lower", "sign") or (tolerance.kind == "info" and reference is None):
        return ""
    if reference is None or not math.isfinite(reference.value):
        return f"a deviation of kind {tolerance.kind!r} needs a reference value, there is none"
    if tolerance.kind == "relative" and reference.value <= 0.0:
        return f"the reference is {reference.value:g}; a relative deviation needs a positive one"
    return ""


def _measure(tolerance: Tolerance, candidate: Estimate, reference: Estimate | None) -> _Measured:
    """Deviation with its error; a relative one to first order in the reference's relative error."""
    if reference is None or tolerance.kind in ("upper", "lower", "sign"):
        return _Measured(candidate)
    value, own, other = candidate.value - reference.value, candidate.stderr, reference.stderr
    if tolerance.kind == "relative":
        value /= reference.value
        own /= reference.value
        other *= abs(candidate.value / reference.value) / reference.value
    parts = (Estimate(0.0, own, candidate.dof), Estimate(0.0, other, reference.dof))
    return _Measured(combine(value, parts), other * other)


def _region(tolerance: Tolerance) -> tuple[float, float]:
    """Give the allowed deviations, ends included, on the scale that is decided on."""
    limit = tolerance.limit
    assert limit is not None
    if tolerance.kind in ("relative", "absolute"):
        return -limit, limit
    if tolerance.kind == "upper":
        return -math.inf, limit * limit if tolerance.squared else limit
    if tolerance.kind == "lower":
        return limit, math.inf
    smallest = math.ulp(0.0)  # an exact zero has no sign and lies outside
    return (smallest, math.inf) if limit > 0 else (-math.inf, -smallest)


def _compare(tolerance: Tolerance, measured: _Measured, bounds: tuple[float, float], *, judged: bool) -> Decision:
    shown = signed_root if tolerance.squared else float
    deviation, (low, high) = shown(measured.estimate.value), bounds
    known = not math.isnan(low)
    visible = (shown(low), shown(high)) if known else None
    if not judged:
        return Decision(status="INFO", deviation=deviation, interval=visible, reason="")
    if not known:
        reason = (
            "no error bar: the value cannot be judged (too few replicas: two for a value, three for a distance; or "
            "nothing could be measured without one of them)"
        )
        return Decision(status="INCONCLUSIVE", deviation=deviation, interval=None, reason=reason)
    allowed = _region(tolerance)
    if allowed[0] <= low and high <= allowed[1]:
        return Decision(
            status="PASS",
            deviation=deviation,
            interval=visible,
            reason="the interval is within the limit",
        )
    if low > allowed[1] or high < allowed[0]:
        reason = _outside(tolerance, shown(low), shown(high))
        return Decision(status="FAIL", deviation=deviation, interval=visible, reason=reason)
    reason, factor = _what_it_takes(tolerance, measured, bounds, deviation)
    return Decision(
        status="INCONCLUSIVE",
        deviation=deviation,
        interval=visible,
        reason=reason,
        more_sampling=factor,
    )


def _outside(tolerance: Tolerance, low: float, high: float) -> str:
    limit, unit = tolerance.limit or 0.0, f" {tolerance.unit}" if tolerance.unit else ""
    side, least = ("above", low) if low > 0 else ("below", -high)
    if tolerance.kind == "relative":
        return (
            f"at least {_apart(100 * least, 100 * limit)} % {side} the reference, where {100 * limit:g} % are allowed"
        )
    if tolerance.kind == "absolute":
        return f"at least {_apart(least, limit)}{unit} {side} the reference, where {limit:g}{unit} are allowed"
    if tolerance.kind == "upper":
        return f"at least {_apart(low, limit)}{unit}, where {limit:g}{unit} are allowed"
    if tolerance.kind == "lower":
        return f"at most {_apart(high, limit)}{unit}, where {limit:g}{unit} are demanded"
    return f"the sign is wrong: it should be {'positive' if limit > 0 else 'negative'}"


def _apart(value: float, limit: float) -> str:
    """Three digits, or as many as put the value on its side of the limit."""
    texts, shown = (f"{value:.{digits}g}" for digits in range(3, 18)), float(f"{limit:g}")
    return next((text for text in texts if (float(text) - shown) * (value - limit) > 0.0), repr(value))


def _what_it_takes(
    tolerance: Tolerance, measured: _Measured, bounds: tuple[float, float], deviation: float
) -> tuple[str, float | None]:
    """Explain an interval that straddles a limit, and how many times the sampling would move it off.

    The standard error falls with the root of the sampling, only the candidate's part of it does, and the
    deviation is taken to stay where it is. For a squared distance far above its noise the same law holds;
    near zero its noise falls faster, so that the number is an upper bound there.
    """
    value, stderr = measured.estimate.value, measured.estimate.stderr
    half = 0.5 * (bounds[1] - bounds[0])
    margin = min(abs(value - end) for end in _region(tolerance) if math.isfinite(end))
    if _borderline(tolerance, deviation):
        return _ON_THE_LIMIT, None
    own = stderr * stderr - measured.reference_variance
    needed = margin / half * stderr
    spare = needed * needed - measured.reference_variance
    if spare <= 0.0 and measured.reference_variance > 0.0:
        return "the reference's own error is too large to decide: longer reference runs are needed", None
    factor = own / spare if spare > 0.0 else math.inf
    shrink = half / margin if margin > 0.0 else math.inf
    start = f"the interval straddles the limit and must shrink {shrink:.2g}-fold: " if margin > 0 else ""
    if factor > AFFORDABLE:
        return f"{start}more than {AFFORDABLE:g} times the sampling", None
    if factor < _BARELY:
        return (
            "the interval barely straddles the limit: a little more sampling would decide, if the deviation stays",
            factor,
        )
    return f"{start}about {factor:.2g} times the sampling would decide, if the deviation stays", factor


def _borderline(tolerance: Tolerance, deviation: float) -> bool:
    limit = tolerance.limit or 0.0
    if tolerance.kind == "sign":
        return False
    if tolerance.kind == "lower":  # a symmetry is 1 at best: the room to lose is 1 − limit
        return abs(deviation - limit) <= BORDERLINE * (1.0 - limit if 0.0 < limit < 1.0 else abs(limit))
    distance = deviation if tolerance.kind == "upper" else abs(deviation)
    return abs(distance - limit) <= BORDERLINE * limit
