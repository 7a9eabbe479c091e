"""Errors from replicas: means, the jackknife, and the squared distance of two curves.

Replicas are independent runs of one state point, so their scatter is the whole error: no correlation time is
ever estimated. One replica gives no error bar, and then the standard error is NaN, never 0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_mlff.errors import ObservableError
from pytest_mlff.schema import Estimate

FloatArray = NDArray[np.float64]


def replica_estimate(values: ArrayLike) -> Estimate:
    """Mean over replicas with its standard error.

    Parameters
    ----------
    values : array_like, shape (replica,)
        One number per independent replica, any unit.

    Returns
    -------
    Estimate
        Mean, standard error (sample s.d. / √n) and n − 1 degrees of freedom; the error of one replica is NaN.

    Raises
    ------
    ObservableError
        If ``values`` is empty or not one-dimensional.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or numbers.size == 0:
        raise ObservableError(f"values have shape {numbers.shape}; pass one number per replica, at least one")
    mean, stderr = replica_mean(numbers)
    return Estimate(float(mean), float(stderr), float(numbers.size - 1))


def replica_mean(values: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Mean and standard error over the leading axis, element by element.

    Parameters
    ----------
    values : array_like, shape (replica, ...)
        One curve (or number) per replica, any unit.

    Returns
    -------
    mean, stderr : ndarray, shape (...)
        In the unit of ``values``; ``stderr`` is NaN throughout for a single replica.
    """
    numbers = np.asarray(values, dtype=np.float64)
    mean = numbers.mean(axis=0)
    n = len(numbers)
    if n < 2:
        return mean, np.full_like(mean, np.nan)
    return mean, numbers.std(axis=0, ddof=1) / np.sqrt(n)


def jackknife(samples: NDArray[np.generic], statistic: Callable[[NDArray[np.generic]], float]) -> Estimate:
    """Statistic of all replicas with its delete-one jackknife error.

    Parameters
    ----------
    samples : ndarray, shape (replica, ...)
        One entry per independent replica.
    statistic : callable
        Maps samples (any number of replicas on the leading axis) to a number. It sees all of them once, then
        each set that lacks one.

    Returns
    -------
    Estimate
        ``statistic(samples)`` without bias correction; standard error √((n − 1)/n · Σ(θ₋ₖ − θ̄)²), NaN for one
        replica; n − 1 degrees of freedom.

    Notes
    -----
    B. Efron and C. Stein, Ann. Stat. 9, 586 (1981): on average the jackknife variance is never too small.
    """
    value = float(statistic(samples))
    n = len(samples)
    if n < 2:
        return Estimate(value, float("nan"), float(n - 1))
    without = [float(statistic(np.delete(samples, k, axis=0))) for k in range(n)]
    return Estimate(value, float(delete_one_stderr(without)), float(n - 1))


def delete_one_stderr(without: ArrayLike) -> FloatArray:
    """Delete-one jackknife error of anything that was computed without each replica in turn.

    Parameters
    ----------
    without : array_like, shape (replica, ...)
        The statistic of all replicas but one, any unit.

    Returns
    -------
    ndarray, shape (...)
        √((n − 1)/n · Σ(θ₋ₖ − θ̄)²) in that unit; NaN throughout for a single replica.
    """
    numbers = np.asarray(without, dtype=np.float64)
    n = len(numbers)
    return np.full(numbers.shape[1:], np.nan) if n < 2 else np.asarray(np.sqrt((n - 1) * numbers.var(axis=0)))


def curve_distance2(
    curves: ArrayLike,
    reference: ArrayLike,
    reference_stderr: ArrayLike,
    weight: ArrayLike,
    scale: float,
) -> Estimate:
    """Squared distance of a candidate's curve from the reference's: zero on average for a perfect candidate.

    Parameters
    ----------
    curves : array_like, shape (replica, x)
        The candidate's curve, one per independent replica.
    reference, reference_stderr : array_like, shape (x,)
        The reference's curve and its standard error, in the unit of ``curves``; 0 where it is
        exact. An unknown error (NaN) makes the distance NaN.
    weight : array_like, shape (x,)
        Weight w of each point, for example r² dr.
    scale : float
        What the squared distance is measured in, for example Σ w (g_r − 1)².

    Returns
    -------
    Estimate
        d² (dimensionless, may come out negative), its standard error and replicas − 1 degrees of freedom. The
        distance needs two replicas and its error three; NaN with fewer.

    Raises
    ------
    ObservableError
        If the shapes do not fit or ``scale`` is not positive.

    Notes
    -----
    With Δₖ the difference of replica k from the reference,
    d² = [Σₖ≠ₗ ⟨Δₖ, Δₗ⟩_w / (n(n − 1)) − Σ w σ_r²] / scale. Products of different replicas carry no noise of
    the candidate on average; the reference's own, which all of them share, is subtracted. The standard error
    joins the jackknife over replicas with what the reference's noise adds, whose variance is estimated
    without bias by (4 Σ w² Δ̄² σ_r² − 2 Σ w² σ_r⁴) / scale², its points taken as independent.
    """
    candidate = np.asarray(curves, dtype=np.float64)
    target, noise, w = (np.asarray(a, dtype=np.float64) for a in (reference, reference_stderr, weight))
    if candidate.ndim != 2 or any(a.shape != candidate.shape[1:] for a in (target, noise, w)):
        shapes = f"{candidate.shape}, {target.shape}, {noise.shape}, {w.shape}"
        raise ObservableError(
            f"curves, reference, reference_stderr and weight have shapes {shapes}; expected (replica, x) and "
            "three times (x,) on the same grid"
        )
    if not scale > 0.0:
        raise ObservableError(f"scale = {scale}; it must be positive: the reference's curve has no structure")
    variance = noise**2
    bias = float(np.sum(w * variance))
    difference = candidate - target
    found = jackknife(difference, lambda delta: (_pair_mean(delta, w) - bias) / scale)
    mean2 = difference.mean(axis=0) ** 2
    shared = float(np.sum(w**2 * variance * (4.0 * mean2 - 2.0 * variance))) / scale**2
    return Estimate(found.value, float(np.sqrt(found.stderr**2 + np.maximum(shared, 0.0))), found.dof)


def _pair_mean(delta: NDArray[np.generic], weight: FloatArray) -> float:
    """Mean of ⟨Δₖ, Δₗ⟩ over pairs of different replicas, NaN when there is no pair."""
    n = len(delta)
    if n < 2:
        return float("nan")
    total = np.sum(delta, axis=0)
    return float(np.sum(weight * (total**2 - np.sum(np.square(delta), axis=0))) / (n * (n - 1)))
