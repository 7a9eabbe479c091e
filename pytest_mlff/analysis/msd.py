"""Mean-squared displacement and self-diffusivity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from pytest_mlff.analysis.geometry import count_lags, frame_interval, replica_positions
from pytest_mlff.analysis.species import atoms_of
from pytest_mlff.analysis.statistics import replica_mean
from pytest_mlff.errors import ObservableError
from pytest_mlff.schema import validate_trajectory

if TYPE_CHECKING:
    import xarray as xr

LAG_WINDOW = (1.0, 3.0)
"""Lags in ps over which the liquid diffuses: after caging, within half of the shortest run (12.5 ps)."""

_BLOCK = 2**21
"""Coordinates that are transformed at once (16 MB each in float64)."""


def mean_squared_displacement(
    trajectory: xr.Dataset, *, max_lag: float, single_origin: bool = False, species: str | None = None
) -> xr.Dataset:
    """Mean-squared displacement relative to the centre of mass.

    Parameters
    ----------
    trajectory : xr.Dataset
        UNWRAPPED ``position`` (replica, frame, atom, xyz) in Å, see
        :func:`pytest_mlff.schema.validate_trajectory`.
    max_lag : float
        Longest lag in ps; must lie within the run.
    single_origin : bool
        Count displacements from the first frame only, instead of from every frame that has one ``lag`` later.
    species : str, optional
        Chemical symbol of the atoms to average over; the centre of mass is that of all of them.

    Returns
    -------
    xr.Dataset
        ``msd``, ``msd_stderr`` (lag) and ``msd_replica`` (replica, lag) in Å²; ``lag`` in ps, from 0. The
        error comes from the scatter between replicas (NaN for one).

    Raises
    ------
    ObservableError
        If the run is shorter than ``max_lag``, frames are not evenly spaced, or a position is not finite.

    Notes
    -----
    The drift of the centre is removed frame by frame. Where the total momentum is zero this changes nothing;
    atoms that diffuse independently, as Brownian walkers do, lose the fraction 1/N of their displacement.

    All time origins by FFT: V. Calandrini et al., Collection SFN 12, 201 (2011), section 4.2.
    """
    import xarray as xr

    validate_trajectory(trajectory)
    interval = frame_interval(trajectory)
    n_lags = count_lags(trajectory.sizes["frame"], interval, max_lag)
    kernel = _from_first_frame if single_origin else windowed_msd
    atoms, masses = atoms_of(trajectory, species), trajectory["masses"].values
    curves = []
    for k in range(trajectory.sizes["replica"]):
        position = replica_positions(trajectory, k)
        curves.append(kernel(position[:, atoms], n_lags, centre_of_mass(position, masses)))
    mean, stderr = replica_mean(np.array(curves))
    area = {"units": "Å²"}
    return xr.Dataset(
        {
            "msd": ("lag", mean, area | {"long_name": "mean-squared displacement"}),
            "msd_stderr": ("lag", stderr, area),
            "msd_replica": (("replica", "lag"), np.array(curves), area),
        },
        coords={"lag": ("lag", interval * np.arange(n_lags), {"units": "ps"})},
        attrs={"origins": "first frame" if single_origin else "all frames"},
    )


def self_diffusivity(
    trajectory: xr.Dataset,
    *,
    lag_window: tuple[float, float] = LAG_WINDOW,
    single_origin: bool = False,
    species: str | None = None,
) -> xr.Dataset:
    """Self-diffusivity from the slope of the mean-squared displacement.

    Parameters
    ----------
    trajectory : xr.Dataset
        UNWRAPPED ``position`` (replica, frame, atom, xyz) in Å, see
        :func:`pytest_mlff.schema.validate_trajectory`.
    lag_window : tuple of float
        Shortest and longest lag of the fit in ps. It is the same for runs of any length, so that the
        estimate does not depend on the length.
    single_origin : bool
        The estimator of Mohanty et al., Comput. Phys. Commun. 288, 108723 (2023): displacements from the
        first frame, fitted over the whole run; ``lag_window`` is then not used.
    species : str, optional
        Chemical symbol of the atoms whose D it is, of all of them if left out.

    Returns
    -------
    xr.Dataset
        ``D``, ``D_stderr`` (scalars) and ``D_replica`` (replica) in Å²/ps. The error comes from the scatter
        between replicas (NaN for one).

    Raises
    ------
    ObservableError
        If the window does not fit the run or holds fewer than two lags, frames are not evenly spaced, or a
        position is not finite.

    Notes
    -----
    D = slope/6 of an unweighted straight line. No correction for the size of the cell is made: 256 atoms give
    3 to 6 % less than 4000 (I.-C. Yeh and G. Hummer, J. Phys. Chem. B 108, 15873 (2004)).

    Examples
    --------
    >>> import numpy as np
    >>> from pytest_mlff.synthetic import brownian_walkers
    >>> walkers = brownian_walkers(
    ...     n_replicas=8, n_frames=116, n_atoms=256, cell=20.0 * np.eye(3),
    ...     diffusivity=0.36, frame_interval=0.1078, rng=np.random.default_rng(0),
    ... )
    >>> found = self_diffusivity(walkers)
    >>> bool(abs(found["D"] - 0.36) < 4 * found["D_stderr"])
    True
    """
    import xarray as xr

    validate_trajectory(trajectory)
    interval = frame_interval(trajectory)
    duration = interval * (trajectory.sizes["frame"] - 1)
    first, last = (0.0, duration) if single_origin else lag_window
    motion = mean_squared_displacement(trajectory, max_lag=last, single_origin=single_origin, species=species)
    lag = motion["lag"].values
    used = lag >= first - 1e-6 * interval
    if first < 0.0 or np.count_nonzero(used) < 2:
        raise ObservableError(
            f"lag window {first:g} to {last:g} ps holds {np.count_nonzero(used)} lags of {interval:g} ps; "
            "the fit needs 0 <= first < last and at least two lags"
        )
    of_replica = np.polynomial.polynomial.polyfit(lag[used], motion["msd_replica"].values[:, used].T, 1)[1] / 6.0
    mean, stderr = replica_mean(of_replica)
    unit = {"units": "Å²/ps"}
    return xr.Dataset(
        {
            "D": ((), float(mean), unit | {"long_name": "self-diffusivity"}),
            "D_stderr": ((), float(stderr), unit),
            "D_replica": ("replica", of_replica, unit),
        },
        attrs={"lag_window_ps": [float(first), float(last)], "origins": motion.attrs["origins"]},
    )


def centre_of_mass(position: NDArray[np.floating], masses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centre of mass (frame, 3) of positions (frame, atom, 3) in Å; equal masses give the plain mean."""
    if (masses == masses[0]).all():
        return np.asarray(position.mean(axis=1, dtype=np.float64))
    return np.asarray(np.einsum("fax,a->fx", position, masses / masses.sum()))


def windowed_msd(
    position: NDArray[np.floating], n_lags: int, centre: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Mean-squared displacement of one replica over all atoms and time origins.

    Parameters
    ----------
    position : ndarray, shape (frame, atom, 3)
        Unwrapped positions in Å.
    n_lags : int
        Number of lags, counted from 0, at most the number of frames.
    centre : ndarray, shape (frame, 3), optional
        What the displacements are relative to, in Å: the drift that is removed. By default the mean of these atoms.

    Returns
    -------
    ndarray, shape (n_lags,)
        Å². Lag 0 is exactly 0.

    Notes
    -----
    Σ_t |r(t + m) − r(t)|² = Σ_t (|r(t + m)|² + |r(t)|²) − 2 Σ_t r(t + m)·r(t), the last sum by FFT, padded by
    the longest lag only. Each path is centred on its own mean first, which keeps the difference accurate.
    """
    n_frames, n_atoms = position.shape[:2]
    if centre is None:
        centre = position.mean(axis=1, dtype=np.float64)
    square = np.zeros(n_frames)
    product = np.zeros(n_lags)
    size = next_fast_len(n_frames + n_lags - 1, real=True)
    step = max(1, _BLOCK // (3 * size))
    for start in range(0, n_atoms, step):
        path = position[:, start : start + step] - centre[:, None]
        path -= path.mean(axis=0)
        path = np.ascontiguousarray(path.reshape(n_frames, -1).T)
        square += np.einsum("ct,ct->t", path, path)
        spectrum = rfft(path, n=size, axis=1)
        power = np.sum(spectrum.real**2 + spectrum.imag**2, axis=0)
        product += irfft(power, n=size)[:n_lags]
    total = np.concatenate([[0.0], np.cumsum(square)])
    lags = np.arange(n_lags)
    ends = (total[n_frames] - total[lags]) + total[n_frames - lags]
    msd = (ends - 2.0 * product) / ((n_frames - lags) * n_atoms)
    msd[0] = 0.0
    return np.asarray(msd)


def _from_first_frame(position: NDArray[np.floating], n_lags: int, centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean-squared displacement from frame 0, one frame at a time."""
    origin = position[0] - centre[0]
    curve = np.zeros(n_lags)
    for k in range(1, n_lags):
        step = position[k] - centre[k] - origin
        curve[k] = np.einsum("ax,ax->", step, step) / len(step)
    return curve
