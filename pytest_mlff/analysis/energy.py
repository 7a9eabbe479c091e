"""Energies of a candidate beside the reference's on the same configurations; a constant in them has no effect."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_mlff.analysis.continuity import rounding_step
from pytest_mlff.analysis.statistics import jackknife
from pytest_mlff.errors import ObservableError, TooFewError
from pytest_mlff.finite import refuse_non_finite
from pytest_mlff.schema import Estimate

FloatArray = NDArray[np.float64]

PLACES = 2.0
"""Steps by which an energy may be off that is a sum of many float32 terms."""


def energy_parity(candidate: ArrayLike, reference: ArrayLike) -> Estimate:
    """1 − R² of energies about their means.

    Parameters
    ----------
    candidate, reference : array_like, shape (configuration,)
        Energies of the same configurations in eV.

    Returns
    -------
    Estimate
        Σ (e − ⟨e⟩)² / Σ (E_r − ⟨E_r⟩)² with e = E_c − E_r, and its jackknife error over configurations.

    Raises
    ------
    ObservableError
        If shapes differ or all reference energies are equal; TooFewError for fewer than three configurations,
        NonFiniteError if an energy is not finite.
    """
    own, other = _checked(candidate, reference)
    if len(other) < 3:
        raise TooFewError(f"{len(other)} configuration(s); how the energy varies, with an error, takes three")
    if np.ptp(other) == 0.0:
        raise ObservableError("all reference energies are equal, R² has no meaning; use thermal configurations")

    def share(pair: NDArray[Any]) -> float:
        return float(np.var(pair[:, 0]) / np.var(pair[:, 1]))

    return jackknife(np.stack([own - other, other], axis=1), share)


def energy_difference(
    candidate: tuple[ArrayLike, ArrayLike], reference: tuple[ArrayLike, ArrayLike]
) -> tuple[Estimate, Estimate]:
    """Energy of one set of configurations above that of another, beside the same of the reference.

    Parameters
    ----------
    candidate, reference : tuple of array_like, shape (configuration,)
        Energies per atom in eV: of the upper set and of the lower one.

    Returns
    -------
    candidate, reference : Estimate
        Differences of the means in eV. That of the reference is exact, being a statement about these configurations;
        the error of the candidate's is that of the ratio of both, by a jackknife over either set.

    Raises
    ------
    ObservableError
        As :func:`energy_parity`.
    """
    upper, lower = (np.stack(_checked(*pair), axis=1) for pair in zip(candidate, reference, strict=True))

    def ratio(above: NDArray[Any], below: NDArray[Any]) -> float:
        own, other = above.mean(axis=0) - below.mean(axis=0)
        return float(own / other)

    parts = jackknife(upper, lambda above: ratio(above, lower)), jackknife(lower, lambda below: ratio(upper, below))
    own, other = upper.mean(axis=0) - lower.mean(axis=0)
    stderr = math.hypot(*(part.stderr for part in parts)) * abs(float(other))
    return Estimate(float(own), stderr, min(part.dof for part in parts)), Estimate(float(other), 0.0)


def energy_resolution(energies: ArrayLike) -> float:
    """Find the steps in which energies come, where they were rounded to float32.

    Parameters
    ----------
    energies : array_like, shape (configuration,)
        In eV.

    Returns
    -------
    float
        In eV; 0 where nothing shows that they were rounded.
    """
    values = np.asarray(energies, dtype=float)
    if np.ptp(values) == 0.0:  # so large a number that all of them are one
        return float(np.finfo(np.float32).eps) * float(np.abs(values).max(initial=0.0))
    return rounding_step(values)


def rounding_share(step: float, reference: ArrayLike) -> float:
    """1 − R² that rounding alone may bring about.

    Parameters
    ----------
    step : float
        From :func:`energy_resolution`, in eV.
    reference : array_like, shape (configuration,)
        Energies of the reference in eV.

    Returns
    -------
    float
        (``PLACES`` · step)² over their variance.
    """
    return float((PLACES * step) ** 2 / np.var(np.asarray(reference, dtype=float)))


def _checked(candidate: ArrayLike, reference: ArrayLike) -> tuple[FloatArray, FloatArray]:
    own, other = np.asarray(candidate, dtype=float), np.asarray(reference, dtype=float)
    if own.shape != other.shape or own.ndim != 1 or not own.size:
        raise ObservableError(
            f"candidate energies have shape {own.shape}, reference energies {other.shape}; both must be "
            "(configuration,) and equal"
        )
    refuse_non_finite("energies are", own, "configurations")
    return own, other
