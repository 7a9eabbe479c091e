"""Linear drift of a conserved quantity along one trajectory, with an error that knows of correlation."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from pytest_mlff.errors import ObservableError
from pytest_mlff.finite import refuse_non_finite
from pytest_mlff.schema import Estimate


def linear_drift(time: ArrayLike, values: ArrayLike) -> Estimate:
    """Slope of a series whose fluctuations are correlated in time.

    Parameters
    ----------
    time : array_like, shape (frame,)
        Evenly spaced, any unit.
    values : array_like, shape (frame,)
        The series.

    Returns
    -------
    Estimate
        Least-squares slope, in units of the values per unit of time. Its variance is that for independent
        residuals times the statistical inefficiency g = 1 + 2 Σ ρₖ, the autocorrelation ρ of the residuals
        summed up to its first zero; degrees of freedom n/g − 2.

    Raises
    ------
    ObservableError
        If there are fewer than ten frames or a value is not finite.

    Notes
    -----
    There is one run here, not replicas, for what is fitted is the energy of one conservative trajectory. The
    inefficiency is that of W. C. Swope et al., J. Chem. Phys. 76 (1982) 637.
    """
    t, y = np.asarray(time, dtype=float), np.asarray(values, dtype=float)
    if t.shape != y.shape or t.ndim != 1 or t.size < 10:
        raise ObservableError(f"time and values have shapes {t.shape} and {y.shape}; expected ten frames")
    refuse_non_finite("values are", y, "frames")
    centred = t - t.mean()
    spread = float(np.sum(centred**2))
    slope = float(np.sum(centred * y)) / spread
    residual = y - y.mean() - slope * centred
    variance = float(np.sum(residual**2)) / (t.size - 2)
    inefficiency = _inefficiency(residual)
    dof = max(t.size / inefficiency - 2.0, 1.0)
    return Estimate(slope, math.sqrt(variance * inefficiency / spread), dof)


def _inefficiency(residual: np.ndarray) -> float:
    total = float(np.sum(residual**2))
    if total == 0.0:
        return 1.0
    g = 1.0
    for lag in range(1, residual.size // 2):
        rho = float(np.sum(residual[lag:] * residual[:-lag])) / total
        if rho <= 0.0:
            break
        g += 2.0 * rho
    return g
