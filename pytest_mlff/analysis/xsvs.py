"""Optical contrast against exposure, as in X-ray speckle visibility spectroscopy, and its correlation time.

I_Δ is the average of n consecutive frames and Δ = n times the frame interval, so an exposure of ONE frame is
a snapshot: its contrast is the "first value" that the correlation time refers to, in both estimators.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from pytest_mlff.analysis.geometry import count_lags, frame_interval, replica_positions
from pytest_mlff.analysis.shells import (
    MAX_LAG,
    PAPER_SHELLS,
    Pooling,
    shell_modes,
    wave_vector_shells,
)
from pytest_mlff.analysis.statistics import delete_one_stderr, jackknife
from pytest_mlff.analysis.xpcs import exposed, field_correlation
from pytest_mlff.errors import ObservableError
from pytest_mlff.finite import refuse_non_finite
from pytest_mlff.schema import validate_trajectory

if TYPE_CHECKING:
    import xarray as xr

Source = Literal["field", "intensity"]
Average = Literal["both", "pixels", "time"]

CONTRAST_SHELL = PAPER_SHELLS[-1]
"""Centre in Å⁻¹ of the shell whose contrast is followed."""


def optical_contrast(
    trajectory: xr.Dataset,
    *,
    shell: float = CONTRAST_SHELL,
    source: Source = "intensity",
    pooling: Pooling = "shell",
    average: Average = "both",
    max_exposure: float = MAX_LAG,
) -> xr.Dataset:
    """Optical contrast β_Δ of all atoms against the exposure Δ.

    Parameters
    ----------
    trajectory : xr.Dataset
        As :func:`pytest_mlff.schema.validate_trajectory` demands.
    shell : float
        Centre of the shell in Å⁻¹.
    source : {"intensity", "field"}
        ``"intensity"``: β_Δ = ⟨I_Δ²⟩/⟨I_Δ⟩² − 1 of intensities averaged over each run of n frames.
        ``"field"``: the same from the field correlation (see Notes), with far less noise.
    pooling : {"shell", "interpolated"}
        How wave vectors are averaged, see :func:`pytest_mlff.analysis.shells.wave_vector_shells`;
        ``"interpolated"`` is for ``source="field"``.
    average : {"both", "pixels", "time"}
        What ⟨I_Δ⟩ is averaged over, for ``source="intensity"``: pixels, time and replicas; the pixels of one
        exposure, as a detector that sees one image at a time; or the time of one pixel. The last two come
        out too low by the inverse of the number of pixels, or of independent exposures; with many they
        agree.
    max_exposure : float
        Longest exposure in ps.

    Returns
    -------
    xr.Dataset
        ``contrast``, ``contrast_stderr`` (exposure), dimensionless, and the coordinate ``exposure`` in ps,
        from one frame interval; ``mean_q``, ``n_vectors``. ``moments_replica`` (replica, moment): what
        :func:`correlation_time` draws its jackknife from.

    Raises
    ------
    ObservableError
        If the run is shorter than ``max_exposure`` or the options exclude each other.

    Notes
    -----
    For a Gaussian field, g2 − 1 = β_0 |F|² (Siegert), and the variance of a mean of n frames is the double
    sum

        β_n/β_1 = [1 + 2 Σ_{k=1}^{n−1} (1 − k/n) |F(k)|²]/n,

    which for short frame intervals is (2/Δ²) ∫ (Δ − t) |F|² dt. It is that sum, not the integral, so both
    sources give the same for any frame interval. β_1 = 1, its value for many atoms.

    References
    ----------
    R. Bandyopadhyay et al., "Speckle-visibility spectroscopy", Rev. Sci. Instrum. 76, 093110 (2005).
    """
    if source == "field" and average != "both":
        raise ObservableError("average is for source='intensity'; the field knows only 'both'")
    if source == "intensity" and pooling != "shell":
        raise ObservableError("source='intensity' needs pooling='shell'")
    if source == "field":
        return _from_field(trajectory, shell, pooling, max_exposure)
    return _from_intensity(trajectory, shell, average, max_exposure)


def correlation_time(
    trajectory: xr.Dataset,
    *,
    shell: float = CONTRAST_SHELL,
    source: Source = "field",
    pooling: Pooling = "shell",
    max_exposure: float = MAX_LAG,
) -> xr.Dataset:
    """Exposure at which the optical contrast has fallen to half of its first value.

    Parameters
    ----------
    trajectory, shell, source, pooling, max_exposure : as in :func:`optical_contrast`
        See there.

    Returns
    -------
    xr.Dataset
        ``correlation_time`` and ``correlation_time_stderr`` (scalars) in ps, linearly interpolated between
        exposures; where the contrast stays above one half, ``max_exposure`` stands as lower bound and
        ``attrs["bounded"]`` is 1. ``mean_q`` and ``n_vectors`` say which wave vectors were used.

    Raises
    ------
    ObservableError
        As :func:`optical_contrast`.

    Examples
    --------
    >>> import numpy as np
    >>> from pytest_mlff.synthetic import brownian_walkers
    >>> walkers = brownian_walkers(
    ...     n_replicas=8, n_frames=116, n_atoms=256, cell=23.65 * np.eye(3),
    ...     diffusivity=0.36, frame_interval=0.1078, rng=np.random.default_rng(0),
    ... )
    >>> found = correlation_time(walkers)  # half of 2(exp(−x) − 1 + x)/x² is reached at x = 2ΓΔ = 2.56
    >>> bool(abs(found["correlation_time"] - 2.56 / (2 * 0.36 * found["mean_q"] ** 2)) < 0.2)
    True
    """
    contrast = optical_contrast(trajectory, shell=shell, source=source, pooling=pooling, max_exposure=max_exposure)
    exposure = contrast["exposure"].to_numpy()
    curve = field_contrast if source == "field" else intensity_contrast

    def statistic(samples: NDArray[np.generic]) -> float:
        return half_time(exposure, curve(np.asarray(samples, dtype=np.float64).mean(axis=0)))

    found = jackknife(contrast["moments_replica"].to_numpy(), statistic)
    unit = {"units": "ps"}
    result = contrast[["mean_q", "n_vectors"]].assign(
        correlation_time=((), found.value, unit | {"long_name": "XSVS correlation time"}),
        correlation_time_stderr=((), found.stderr, unit),
    )
    bounded = int(found.value >= exposure[-1])
    return result.assign_attrs(source=source, pooling=pooling, bounded=bounded, dof=found.dof)


def half_time(exposure: NDArray[np.float64], contrast: NDArray[np.float64]) -> float:
    """Exposure where the contrast first reaches half of its first value.

    Parameters
    ----------
    exposure : ndarray, shape (exposure,)
        Δ in ps, ascending.
    contrast : ndarray, shape (exposure,)
        β_Δ.

    Returns
    -------
    float
        In ps, by linear interpolation; the last exposure if the contrast stays above.

    Raises
    ------
    NonFiniteError
        If the contrast is not finite.
    """
    refuse_non_finite("the contrast is", contrast, "exposures")
    ratio = contrast / contrast[0]
    below = np.flatnonzero(ratio <= 0.5)
    if len(below) == 0:
        return float(exposure[-1])
    k = int(below[0])
    share = (ratio[k - 1] - 0.5) / (ratio[k - 1] - ratio[k])
    return float(exposure[k - 1] + share * (exposure[k] - exposure[k - 1]))


def contrast_moments(
    intensity: NDArray[np.floating], n_exposures: int, *, average: Average = "both"
) -> NDArray[np.float64]:
    """Moments of the intensity of one replica after exposures of 1, 2, ... frames.

    Parameters
    ----------
    intensity : ndarray, shape (frame, pixel)
        Snapshots.
    n_exposures : int
        Longest exposure in frames.
    average : {"both", "pixels", "time"}
        As in :func:`optical_contrast`: for ``"pixels"`` and ``"time"`` intensities are first divided by
        their mean over the pixels of the exposure, or over the time of the pixel.

    Returns
    -------
    ndarray, shape (n_exposures + 1,)
        ⟨I_Δ²⟩ for each exposure, and ⟨I⟩.
    """
    axis = {"both": None, "pixels": 1, "time": 0}[average]
    moments = np.empty(n_exposures + 1)
    for n in range(1, n_exposures + 1):
        mean = exposed(intensity, n)
        if axis is not None:
            mean /= mean.mean(axis=axis, keepdims=True)
        moments[n - 1] = np.mean(mean**2)
    moments[-1] = np.mean(intensity) if axis is None else 1.0
    return moments


def intensity_contrast(moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Contrast from the moments of :func:`contrast_moments`, averaged over replicas.

    Parameters
    ----------
    moments : ndarray, shape (n_exposures + 1,)
        ⟨I_Δ²⟩ for each exposure, and ⟨I⟩.

    Returns
    -------
    ndarray, shape (n_exposures,)
        β_Δ = ⟨I_Δ²⟩/⟨I⟩² − 1.
    """
    contrast: NDArray[np.float64] = moments[:-1] / moments[-1] ** 2 - 1.0
    return contrast


def field_contrast(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Contrast from the field correlation, see the Notes of :func:`optical_contrast`.

    Parameters
    ----------
    correlation : ndarray, shape (lag,)
        F at lags 0, 1, ... frames, not necessarily normalised.

    Returns
    -------
    ndarray, shape (lag,)
        β_n/β_1 for exposures of n = 1, 2, ... frames, as many as there are lags.
    """
    squared = (correlation / correlation[0]) ** 2
    n = np.arange(1, len(squared) + 1)
    # Σ_k (1 − k/n) s_k = Σ_{k<n} s_k − Σ_{k<n} k s_k / n
    plain = np.cumsum(squared) - squared[0]
    first = np.cumsum((n - 1) * squared)
    contrast: NDArray[np.float64] = (1.0 + 2.0 * (plain - first / n)) / n
    return contrast


def _from_field(trajectory: xr.Dataset, shell: float, pooling: Pooling, max_exposure: float) -> xr.Dataset:
    interval = frame_interval(trajectory)
    lags = count_lags(trajectory.sizes["frame"], interval, max_exposure)
    field = field_correlation(trajectory, shells=[shell], pooling=pooling, max_lag=(lags - 1) * interval)
    samples = field["field_correlation_replica"].to_numpy()[:, 0, : lags - 1]
    return _contrast_dataset(samples, field_contrast, interval, float(field["mean_q"][0]), int(field["n_vectors"][0]))


def _from_intensity(trajectory: xr.Dataset, shell: float, average: Average, max_exposure: float) -> xr.Dataset:
    validate_trajectory(trajectory)
    interval = frame_interval(trajectory)
    exposures = count_lags(trajectory.sizes["frame"], interval, max_exposure) - 1
    cell = trajectory["cell"].to_numpy()
    found = wave_vector_shells(cell, shells=[shell])
    samples = []
    for replica in range(trajectory.sizes["replica"]):
        (rho,) = shell_modes(replica_positions(trajectory, replica), cell, found)
        samples.append(contrast_moments(np.abs(rho) ** 2, exposures, average=average))
    return _contrast_dataset(np.array(samples), intensity_contrast, interval, found[0].mean_q, len(found[0].n))


def _contrast_dataset(
    samples: NDArray[np.float64],
    curve: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    interval: float,
    mean_q: float,
    n_vectors: int,
) -> xr.Dataset:
    import xarray as xr

    contrast = curve(samples.mean(axis=0))
    alone = len(samples) == 1
    without = [contrast if alone else curve(np.delete(samples, k, axis=0).mean(axis=0)) for k in range(len(samples))]
    one = {"units": "1"}
    return xr.Dataset(
        {
            "contrast": ("exposure", contrast, one | {"long_name": "optical contrast"}),
            "contrast_stderr": ("exposure", delete_one_stderr(without), one),
            "moments_replica": (("replica", "moment"), samples, one),
            "mean_q": ((), mean_q, {"units": "1/Å"}),
            "n_vectors": ((), n_vectors, one),
        },
        coords={"exposure": ("exposure", interval * np.arange(1, len(contrast) + 1), {"units": "ps"})},
    )
