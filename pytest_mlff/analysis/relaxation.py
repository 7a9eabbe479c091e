"""Relaxation rates Γ(q) from correlation functions.

Γ is the rate of the FIELD: F = A exp(−Γτ), g2 − 1 = β exp(−2Γτ). Codes that fit g2 − 1 with exp(−Γτ) report
2Γ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from pytest_mlff.analysis.shells import PAPER_SHELLS, Pooling
from pytest_mlff.analysis.statistics import jackknife
from pytest_mlff.analysis.xpcs import Kind, field_correlation, intensity_autocorrelation
from pytest_mlff.errors import ObservableError
from pytest_mlff.schema import Estimate

if TYPE_CHECKING:
    import xarray as xr

Source = Literal["field", "intensity"]
Window = tuple[float, float]

FIT_WINDOW: Window = (0.3, 2.0)
"""Lags in ps of the fit, at every shell: after the ballistic start, and before the noise of long lags, which
grows faster than what they add. The same for candidate and reference and for runs of any length."""

MEAN_RATE_WINDOW = 4.0
"""Upper end in ps of the integral over F: in argon at 100 K and 1.844 Å⁻¹ it holds 97 % of that up to 6 ps,
with two thirds of the noise."""

_ITERATIONS = 100
_CONVERGED = 1e-9  # relative step of the rate
_STEEPEST = 100.0  # exponent over the window (and step in 1/ps) beyond which nothing is left to fit


def relaxation_rate(
    trajectory: xr.Dataset,
    *,
    kind: Kind = "coherent",
    shells: Sequence[float] = PAPER_SHELLS,
    pooling: Pooling = "shell",
    source: Source = "field",
    windows: Mapping[float, Window] | None = None,
    exposure_frames: int = 1,
    species: str | None = None,
) -> xr.Dataset:
    """Relaxation rate Γ(q) of the field.

    Parameters
    ----------
    trajectory : xr.Dataset
        As :func:`pytest_mlff.schema.validate_trajectory` demands.
    kind : {"coherent", "tracked", "self"}
        See :func:`pytest_mlff.analysis.xpcs.field_correlation`.
    shells : sequence of float
        Centres of the shells in Å⁻¹.
    pooling : {"shell", "interpolated"}
        How wave vectors are averaged, see :func:`pytest_mlff.analysis.shells.wave_vector_shells`.
    source : {"field", "intensity"}
        Fit A exp(−Γτ) to F, or β exp(−2Γτ) to g2 − 1, which has the noise of both phases and amplitudes and
        knows no ``"self"`` and no ``"interpolated"``.
    windows : mapping of float to (float, float), optional
        Lags of the fit in ps, by shell; ``FIT_WINDOW`` where a shell is not named.
    exposure_frames : int
        Finite exposure, for ``source="intensity"``.
    species : str, optional
        Chemical symbol: only these atoms scatter, for ``source="field"``. All of them, alike, if left out.

    Returns
    -------
    xr.Dataset
        ``gamma``, ``gamma_stderr`` (q) in 1/ps; ``gamma_replica`` (replica, q), the rate of each replica
        alone (normalised by itself, so noisier and slightly biased: to look at, not to average); ``mean_q``,
        ``n_vectors``, ``in_window`` (q) as in :func:`pytest_mlff.analysis.xpcs.field_correlation`;
        ``window_start``, ``window_stop`` (q) in ps. NaN where a fit does not converge.

    Raises
    ------
    ObservableError
        If the run is too short, a window holds fewer than three lags, or the options exclude each other.

    Notes
    -----
    Least squares of the exponential itself with two free parameters and equal weights: to first order in the
    noise this is the straight line through ln F with weights F², and it needs no positive F. The error is the
    delete-one jackknife over replicas.

    Examples
    --------
    >>> import numpy as np
    >>> from pytest_mlff.synthetic import brownian_walkers
    >>> walkers = brownian_walkers(
    ...     n_replicas=8, n_frames=116, n_atoms=256, cell=23.65 * np.eye(3),
    ...     diffusivity=0.36, frame_interval=0.1078, rng=np.random.default_rng(0),
    ... )
    >>> rate = relaxation_rate(walkers, kind="self", shells=[1.304])
    >>> bool(abs(rate["gamma"] - 0.36 * rate["mean_q"] ** 2).max() < 4 * rate["gamma_stderr"].max())
    True
    """
    chosen = [tuple((windows or {}).get(shell, FIT_WINDOW)) for shell in shells]
    longest = max(max(window) for window in chosen)
    if source == "field":
        if exposure_frames != 1:
            raise ObservableError("exposure_frames needs source='intensity'")
        curve = field_correlation(
            trajectory, kind=kind, shells=shells, pooling=pooling, max_lag=longest, species=species
        )
        return fitted_rate(curve, windows=windows)
    if pooling != "shell" or species is not None:
        raise ObservableError("source='intensity' needs pooling='shell' and all species")
    curve = intensity_autocorrelation(
        trajectory, kind=kind, shells=shells, max_lag=longest, exposure_frames=exposure_frames
    )
    return fitted_rate(curve, windows=windows)


def fitted_rate(curve: xr.Dataset, *, windows: Mapping[float, Window] | None = None) -> xr.Dataset:
    """Fit Γ(q) to a correlation function that has been computed.

    Parameters
    ----------
    curve : xr.Dataset
        From :func:`pytest_mlff.analysis.xpcs.field_correlation` or
        :func:`pytest_mlff.analysis.xpcs.intensity_autocorrelation`.
    windows : mapping of float to (float, float), optional
        Lags of the fit in ps, by shell; ``FIT_WINDOW`` where a shell is not named.

    Returns
    -------
    xr.Dataset
        As :func:`relaxation_rate`.

    Raises
    ------
    ObservableError
        If a window holds fewer than three lags of the curve.
    """
    lag = curve["lag"].to_numpy()
    shells = [float(q) for q in curve["q"].to_numpy()]
    chosen = [(windows or {}).get(shell, FIT_WINDOW) for shell in shells]
    samples, decay, factor = _samples(curve)
    rows, alone = [], []
    for k, window in enumerate(chosen):
        used = _lags_in(lag, window)
        statistic = _rate_statistic(lag[used], used, decay, factor)
        rows.append(jackknife(samples[:, k], statistic))
        alone.append([statistic(sample[None]) for sample in samples[:, k]])
    return _rates(curve, "gamma", rows, np.array(alone).T).assign(
        window_start=("q", [window[0] for window in chosen], {"units": "ps"}),
        window_stop=("q", [window[1] for window in chosen], {"units": "ps"}),
    )


def mean_relaxation_rate(
    trajectory: xr.Dataset,
    *,
    kind: Kind = "coherent",
    shells: Sequence[float] = (1.844,),
    pooling: Pooling = "shell",
    window: float = MEAN_RATE_WINDOW,
) -> xr.Dataset:
    """Inverse of the mean relaxation time, 1/∫F dτ: another quantity than Γ unless F is a single exponential.

    Parameters
    ----------
    trajectory : xr.Dataset
        As :func:`pytest_mlff.schema.validate_trajectory` demands.
    kind, shells, pooling
        As in :func:`relaxation_rate`.
    window : float
        Upper end of the integral in ps, the same for runs of any length.

    Returns
    -------
    xr.Dataset
        ``mean_rate``, ``mean_rate_stderr`` (q) and ``mean_rate_replica`` (replica, q) in 1/ps, and the
        shells as in :func:`relaxation_rate`. Trapezoids over the lags up to ``window``.

    Raises
    ------
    ObservableError
        If the run is too short.
    """
    from scipy.integrate import trapezoid

    curve = field_correlation(trajectory, kind=kind, shells=shells, pooling=pooling, max_lag=window)
    interval = float(curve["lag"][1])

    def statistic(samples: NDArray[np.generic]) -> float:
        mean = np.asarray(samples, dtype=np.float64).mean(axis=0)
        return float(mean[0] / trapezoid(mean, dx=interval))

    samples = curve["field_correlation_replica"].to_numpy()
    rows = [jackknife(samples[:, k], statistic) for k in range(len(shells))]
    alone = np.array([[statistic(one[None]) for one in samples[:, k]] for k in range(len(shells))])
    return _rates(curve, "mean_rate", rows, alone.T).assign_attrs(window=float(window))


def decay_rate(lag: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Rate of A exp(−k τ) by least squares.

    Parameters
    ----------
    lag : ndarray, shape (lag,)
        τ in ps.
    values : ndarray, shape (lag,)
        What decays.

    Returns
    -------
    float
        k in 1/ps; NaN if fewer than two values are positive, one is not finite, or the iteration does not converge.

    Notes
    -----
    Gauss–Newton from the straight line through the logarithms with weights value²; a step that does not
    reduce the residual is halved.
    """
    if np.count_nonzero(values > 0.0) < 2 or not np.isfinite(values).all():
        return float("nan")
    weight = np.where(values > 0.0, values, 0.0) ** 2
    logarithm = np.log(np.where(values > 0.0, values, 1.0))
    centre = np.average(lag, weights=weight)
    slope = np.sum(weight * (lag - centre) * logarithm) / np.sum(weight * (lag - centre) ** 2)
    rate, time = -float(slope), lag - lag.mean()
    residual, step = _profile(rate, time, values)
    for _ in range(_ITERATIONS):
        if abs(rate) * (time[-1] - time[0]) > _STEEPEST:
            break
        step = max(-_STEEPEST, min(_STEEPEST, step))
        trial, next_step = _profile(rate + step, time, values)
        if trial > residual and abs(step) > _CONVERGED * abs(rate):
            step /= 2.0
            continue
        if abs(step) <= _CONVERGED * max(abs(rate), 1e-3 / time[-1]):
            return rate
        rate, residual, step = rate + step, trial, next_step
    return float("nan")


def _profile(rate: float, time: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[float, float]:
    """Residual at a fixed rate with the amplitude that suits it best, and the Gauss–Newton step of the rate."""
    shape = np.exp(-rate * time)
    norm = shape @ shape
    amplitude = (shape @ values) / norm
    rest = values - amplitude * shape
    slope = -amplitude * time * shape
    slope -= shape * ((shape @ slope) / norm)
    return float(rest @ rest), float((slope @ rest) / max(slope @ slope, 1e-300))


def _lags_in(lag: NDArray[np.float64], window: Window) -> NDArray[np.intp]:
    slack = 1e-6 * lag[1]
    used = np.flatnonzero((lag >= window[0] - slack) & (lag <= window[1] + slack))
    if len(used) < 3 or window[1] > lag[-1] + lag[1]:
        raise ObservableError(
            f"fit window {window} ps holds {len(used)} lags of {lag[0]:.4g} to {lag[-1]:.4g} ps; it needs "
            "three, and must not reach beyond the last"
        )
    return used


def _samples(
    curve: xr.Dataset,
) -> tuple[NDArray[np.float64], Callable[[NDArray[np.float64]], NDArray[np.float64]], float]:
    """Replica material (replica, q, column), the decaying curve its mean holds, and decay rate per Γ."""
    if "g2_replica" in curve:
        intensity = curve["intensity_replica"].to_numpy()[:, :, None]
        stacked = np.concatenate([curve["g2_replica"].to_numpy(), intensity], axis=2)
        return stacked, lambda mean: mean[:-1] / mean[-1] ** 2 - 1.0, 2.0
    return curve["field_correlation_replica"].to_numpy(), lambda mean: mean / mean[0], 1.0


def _rate_statistic(
    lag: NDArray[np.float64],
    used: NDArray[np.intp],
    decay: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    factor: float,
) -> Callable[[NDArray[np.generic]], float]:
    def statistic(samples: NDArray[np.generic]) -> float:
        mean = np.asarray(samples, dtype=np.float64).mean(axis=0)
        return decay_rate(lag, decay(mean)[used]) / factor

    return statistic


def _rates(curve: xr.Dataset, name: str, rows: list[Estimate], alone: NDArray[np.float64]) -> xr.Dataset:
    import xarray as xr

    unit = {"units": "1/ps"}
    result = xr.Dataset(
        {
            name: ("q", [row.value for row in rows], unit),
            f"{name}_stderr": ("q", [row.stderr for row in rows], unit),
            f"{name}_replica": (("replica", "q"), alone, unit),
        },
        coords={"q": curve["q"]},
        attrs=dict(curve.attrs),
    )
    return result.assign({key: curve[key] for key in ("mean_q", "n_vectors", "in_window")})
