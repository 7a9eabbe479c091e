"""Parity: how well a model's forces agree with the reference's on given configurations.

1 − R² = Σ(f_c − f_r)² / Σ(f_r − ⟨f_r⟩)², over all force components of all configurations, where ⟨f_r⟩ is the
mean of all reference components (zero but for rounding: reference forces add up to nothing). Errors come from
a bootstrap over configurations, whose atoms share one model error and are no independent data.

The slope is that of the candidate's components on the reference's, Σ f_c f_r / Σ f_r²: a line through zero. Forces in
another unit have a slope far from 1 and all the same a small residual, Σ (f_c − slope f_r)² / Σ f_c².
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_mlff.errors import ObservableError
from pytest_mlff.finite import refuse_non_finite
from pytest_mlff.schema import Estimate

if TYPE_CHECKING:
    import xarray as xr

FloatArray: TypeAlias = NDArray[np.float64]

QUANTILES = (0.5, 0.9, 0.99, 1.0)
"""Quantiles of |force error| that are reported; 1 is the largest error."""


def force_parity(
    candidate: ArrayLike,
    reference: ArrayLike,
    *,
    quantiles: Sequence[float] = QUANTILES,
    n_bootstrap: int = 400,
    seed: int = 0,
) -> xr.Dataset:
    """Agreement of two sets of forces on the same configurations.

    Parameters
    ----------
    candidate, reference : array_like, shape (configuration, atom, 3)
        Forces in eV/Å.
    quantiles : sequence of float
        Which quantiles of |error| over all components.
    n_bootstrap : int
        Number of resamples of the configurations.
    seed : int
        Of the resampling, so that the same forces give the same errors.

    Returns
    -------
    xr.Dataset
        ``one_minus_r2`` (1), ``force_error_sd`` (eV/Å, s.d. of all components of the error about their mean),
        ``force_error_mean`` (eV/Å), ``force_rms`` (eV/Å, of the reference), ``slope`` (1), ``slope_residual`` (1, NaN
        where all candidate forces are zero), ``error_quantile`` (quantile) (eV/Å) and
        ``one_minus_r2_configuration`` (configuration): each configuration's share, whose mean is
        ``one_minus_r2``. All but the last with ``_stderr``: NaN for one configuration, and for the
        largest error, for which a bootstrap says nothing.

    Raises
    ------
    ObservableError
        If shapes differ, a force is not finite, or all reference forces are equal.

    Notes
    -----
    A bootstrap over n configurations has (n − 1)/n of the variance it should have; that is corrected. The
    degrees of freedom are n − 1.
    """
    error, target = _checked(candidate, reference)
    level = np.asarray(quantiles, dtype=float)
    if level.size == 0 or level.min() < 0.0 or level.max() > 1.0:
        raise ObservableError(f"quantiles = {list(quantiles)}; expected numbers between 0 and 1")
    n = len(error)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1.0 / n), size=n_bootstrap)
    sums = _sums(error, target)
    whole, resampled = _figures(sums.sum(axis=0)), _figures(counts @ sums)
    spread = _bootstrap_stderr(resampled, n)
    found, found_spread = _quantiles(error, level, counts)
    variance = float(np.mean((target - target.mean()) ** 2))
    share = np.mean(error**2, axis=(1, 2)) / variance
    return _dataset(whole, spread, level, found, found_spread, share)


def one_minus_r2(parity: xr.Dataset) -> Estimate:
    """1 − R² as the number a verdict takes.

    Parameters
    ----------
    parity : xr.Dataset
        From :func:`force_parity`.

    Returns
    -------
    Estimate
        With the number of configurations less one as degrees of freedom.
    """
    return _estimate(parity, "one_minus_r2")


def force_error_sd(parity: xr.Dataset) -> Estimate:
    """S.d. of the force error in eV/Å.

    Parameters
    ----------
    parity : xr.Dataset
        From :func:`force_parity`.

    Returns
    -------
    Estimate
        With the number of configurations less one as degrees of freedom.
    """
    return _estimate(parity, "force_error_sd")


def force_slope(parity: xr.Dataset) -> Estimate:
    """Slope of the candidate's forces on the reference's.

    Parameters
    ----------
    parity : xr.Dataset
        From :func:`force_parity`.

    Returns
    -------
    Estimate
        With the number of configurations less one as degrees of freedom.
    """
    return _estimate(parity, "slope")


def common_force_share(candidate: ArrayLike, reference: ArrayLike) -> float:
    """Share of the squared force error that is one force on all atoms of a configuration.

    Parameters
    ----------
    candidate, reference : array_like, shape (configuration, atom, 3)
        Forces in eV/Å.

    Returns
    -------
    float
        Σ N |⟨e⟩|² / Σ |e|², where ⟨e⟩ is the mean error of a configuration's N atoms and the sums go over
        configurations and over atoms: 1 for a uniform force, 1/N on average for errors that atoms do not share, 0
        without any error.

    Raises
    ------
    ObservableError
        As :func:`force_parity`.
    """
    error, _ = _checked(candidate, reference)
    total = float(np.sum(error**2))
    return float(error.shape[1] * np.sum(error.mean(axis=1) ** 2) / total) if total > 0.0 else 0.0


def _estimate(parity: xr.Dataset, name: str) -> Estimate:
    n = parity.sizes["configuration"]
    return Estimate(float(parity[name]), float(parity[f"{name}_stderr"]), float(n - 1))


def _sums(error: FloatArray, target: FloatArray) -> FloatArray:
    """Per configuration: number of components, Σe, Σe², Σf, Σf², Σef (configuration, 6)."""
    flat_error, flat = error.reshape(len(error), -1), target.reshape(len(target), -1)
    size = np.full(len(flat), float(flat.shape[1]))
    terms = [size, flat_error.sum(1), (flat_error**2).sum(1), flat.sum(1), (flat**2).sum(1), (flat_error * flat).sum(1)]
    return np.stack(terms, axis=1)


def _figures(sums: FloatArray) -> FloatArray:
    """1 − R², error s.d., mean error, reference rms, slope and its residual from summed terms (..., 6)."""
    size, e1, e2, f1, f2, ef = np.moveaxis(sums, -1, 0)
    error_mean, target_mean = e1 / size, f1 / size
    with np.errstate(divide="ignore", invalid="ignore"):  # a resample may draw configurations without force
        ratio = np.where(e2 > 0.0, e2 / (f2 - size * target_mean**2), 0.0)
        slope = 1.0 + ef / f2
        # f_c − slope f_r = e − (ef/f2) f_r, without the difference of large numbers
        residual = np.maximum(e2 - ef**2 / f2, 0.0) / (e2 + 2.0 * ef + f2)
    deviation = np.sqrt(np.maximum(e2 / size - error_mean**2, 0.0))
    return np.stack([ratio, deviation, error_mean, np.sqrt(f2 / size), slope, residual], axis=-1)


def _quantiles(error: FloatArray, level: FloatArray, counts: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """Quantiles of |error| and standard errors; at most 200 resamples, each one pass over sorted errors."""
    size = error[0].size
    order = np.argsort(np.abs(error), axis=None)
    ordered, owner = np.abs(error).ravel()[order], (order // size).astype(np.intp)
    # inverse of the empirical distribution: the smallest error that a share `level` of the components does
    # not exceed
    place = np.clip(np.ceil(level * ordered.size).astype(int) - 1, 0, ordered.size - 1)
    target = np.maximum(np.ceil(level * ordered.size), 1.0)
    drawn = np.stack([ordered[np.searchsorted(np.cumsum(draw[owner]), target)] for draw in counts[:200]])
    spread = _bootstrap_stderr(drawn, len(error))
    return ordered[place], np.where(level < 1.0, spread, np.nan)


def _bootstrap_stderr(resampled: FloatArray, n: int) -> FloatArray:
    if n < 2:
        return np.full(resampled.shape[1], np.nan)
    return np.asarray(resampled.std(axis=0, ddof=1) * math.sqrt(n / (n - 1)))


def _dataset(
    whole: FloatArray,
    spread: FloatArray,
    level: FloatArray,
    found: FloatArray,
    found_spread: FloatArray,
    share: FloatArray,
) -> xr.Dataset:
    import xarray as xr

    units = {"one_minus_r2": "1", "force_error_sd": "eV/Å", "force_error_mean": "eV/Å", "force_rms": "eV/Å"}
    units |= {"slope": "1", "slope_residual": "1"}
    values = {name: ((), value, {"units": unit}) for (name, unit), value in zip(units.items(), whole, strict=True)}
    errors = {
        f"{name}_stderr": ((), value, {"units": unit})
        for (name, unit), value in zip(units.items(), spread, strict=True)
    }
    return xr.Dataset(
        {
            **values,
            **errors,
            "error_quantile": (("quantile",), found, {"units": "eV/Å"}),
            "error_quantile_stderr": (("quantile",), found_spread, {"units": "eV/Å"}),
            "one_minus_r2_configuration": (("configuration",), share, {"units": "1"}),
        },
        coords={"quantile": (("quantile",), level, {"units": "1"})},
    )


def _checked(candidate: ArrayLike, reference: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Errors and reference forces, (configuration, atom, 3)."""
    given, target = np.asarray(candidate, dtype=float), np.asarray(reference, dtype=float)
    if given.shape != target.shape or given.ndim != 3 or given.shape[2] != 3 or not given.size:
        raise ObservableError(
            f"candidate forces have shape {given.shape}, reference forces {target.shape}; "
            f"both must be (configuration, atom, 3) and equal"
        )
    refuse_non_finite("candidate forces are", given, "configurations")
    refuse_non_finite("reference forces are", target, "configurations")
    if np.ptp(target) == 0.0:
        raise ObservableError("all reference forces are equal, R² has no meaning; use thermal configurations")
    return given - target, target
