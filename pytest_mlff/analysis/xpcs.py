"""Correlations of the scattered field and intensity, F(q, τ) and g2(q, τ): photon correlation spectroscopy.

Conventions: I(q, t) = |Σ_j exp(−i q·r_j(t))|²/N; F(q, τ) is the normalised correlation of the field and
falls as exp(−Γτ); g2 = ⟨I(t) I(t + τ)⟩/⟨I⟩², and g2 − 1 = |F|² falls as exp(−2Γτ) (Siegert).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from pytest_mlff.analysis.geometry import count_lags, frame_interval, replica_positions
from pytest_mlff.analysis.shells import (
    MAX_LAG,
    PAPER_SHELLS,
    Pooling,
    Shell,
    self_correlation,
    shell_modes,
    time_correlation,
    wave_vector_shells,
)
from pytest_mlff.analysis.species import atoms_of
from pytest_mlff.analysis.statistics import delete_one_stderr
from pytest_mlff.errors import ObservableError
from pytest_mlff.schema import validate_trajectory

if TYPE_CHECKING:
    import xarray as xr

Kind = Literal["coherent", "tracked", "self"]

SELF_VECTORS = 12
"""Wave vectors per shell that the self part is averaged over."""


def tracked_atoms(n_atoms: int) -> NDArray[np.intp]:
    """Atoms of the tracked subset, the same ones for the same size of system.

    Parameters
    ----------
    n_atoms : int
        Atoms of the system.

    Returns
    -------
    ndarray of int, ascending
        25 of 256 and 45 of 4000 atoms, as in the paper; in between and beyond by the power law through both.
        They are drawn at random (not evenly: neighbours in a list may be neighbours in a crystal), with a
        fixed seed.
    """
    exponent = np.log(45 / 25) / np.log(4000 / 256)
    count = min(n_atoms, max(1, round(25 * (n_atoms / 256) ** exponent)))
    return np.sort(np.random.default_rng(2023).choice(n_atoms, count, replace=False))


def field_correlation(
    trajectory: xr.Dataset,
    *,
    kind: Kind = "coherent",
    shells: Sequence[float] = PAPER_SHELLS,
    pooling: Pooling = "shell",
    max_lag: float = MAX_LAG,
    species: str | None = None,
) -> xr.Dataset:
    """Normalised intermediate scattering function F(q, τ).

    Parameters
    ----------
    trajectory : xr.Dataset
        As :func:`pytest_mlff.schema.validate_trajectory` demands.
    kind : {"coherent", "tracked", "self"}
        All atoms; the subset :func:`tracked_atoms`; or each atom with itself only (F_s, all atoms).
    shells : sequence of float
        Centres of the shells in Å⁻¹.
    pooling : {"shell", "interpolated"}
        How a shell's wave vectors are averaged, see
        :func:`pytest_mlff.analysis.shells.wave_vector_shells`; the self part always uses the plain shell.
    max_lag : float
        Longest lag in ps.
    species : str, optional
        Chemical symbol: only these atoms scatter. All of them, alike, if left out.

    Returns
    -------
    xr.Dataset
        ``field_correlation``, ``field_correlation_stderr`` (q, lag), dimensionless, 1 at lag 0, and
        ``field_correlation_replica`` (replica, q, lag), whose mean over replicas is ``field_correlation``;
        the coordinate ``q`` is the centre asked for, ``mean_q`` (q) and ``n_vectors`` (q) what the cell
        offers, ``in_window`` (q) whether that lies in the window; ``lag`` in ps, from 0.

    Raises
    ------
    ObservableError
        If the run is shorter than ``max_lag`` or the trajectory is not usable.

    Notes
    -----
    F = ⟨Re ρ(t + τ) ρ*(t)⟩/⟨|ρ|²⟩, both averages over the shell, all time origins and all replicas. The
    error is the delete-one jackknife over replicas.

    Examples
    --------
    >>> import numpy as np
    >>> from pytest_mlff.synthetic import brownian_walkers
    >>> walkers = brownian_walkers(
    ...     n_replicas=4, n_frames=116, n_atoms=256, cell=23.65 * np.eye(3),
    ...     diffusivity=0.36, frame_interval=0.1078, rng=np.random.default_rng(0),
    ... )
    >>> found = field_correlation(walkers, kind="self", shells=[1.844])
    >>> decay = np.exp(-0.36 * found["mean_q"] ** 2 * found["lag"])
    >>> bool(abs(found["field_correlation"] - decay).max() < 0.05)
    True
    """
    found, interval, lags = _prepared(trajectory, shells, "shell" if kind == "self" else pooling, max_lag)
    cell = trajectory["cell"].to_numpy()
    curves, atoms = [], atoms_of(trajectory, species)
    for replica in range(trajectory.sizes["replica"]):
        position = replica_positions(trajectory, replica)[:, atoms]
        if kind == "self":
            rows = [self_correlation(position, cell, s, lags, max_vectors=SELF_VECTORS) for s in found]
        else:
            chosen = position if kind == "coherent" else position[:, tracked_atoms(position.shape[1])]
            modes = shell_modes(chosen, cell, found)
            rows = [time_correlation(rho, lags, s.weight) for rho, s in zip(modes, found, strict=True)]
        curves.append(rows)
    scaled = np.array(curves)
    power = scaled.mean(axis=0)[:, :1]
    if not np.all(power > 0.0):
        raise ObservableError("the scattered power of a shell is not positive; use pooling='shell'")
    scaled = scaled / power
    return _dataset("field_correlation", scaled, _field_stderr(scaled), found, interval, kind)


def intensity_autocorrelation(
    trajectory: xr.Dataset,
    *,
    kind: Kind = "coherent",
    shells: Sequence[float] = PAPER_SHELLS,
    max_lag: float = MAX_LAG,
    exposure_frames: int = 1,
) -> xr.Dataset:
    """Intensity autocorrelation g2(q, τ).

    Parameters
    ----------
    trajectory : xr.Dataset
        As :func:`pytest_mlff.schema.validate_trajectory` demands.
    kind : {"coherent", "tracked"}
        All atoms, or the subset :func:`tracked_atoms`.
    shells : sequence of float
        Centres of the shells in Å⁻¹.
    max_lag : float
        Longest lag in ps.
    exposure_frames : int
        Average the intensity over so many consecutive frames first: a finite exposure, which lowers
        the contrast. The averages slide by one frame, so lags below the exposure are those of overlapping
        ones.

    Returns
    -------
    xr.Dataset
        ``g2``, ``g2_stderr`` (q, lag), dimensionless; ``g2_replica`` (replica, q, lag), whose mean over
        replicas is ``g2``, and ``intensity_replica`` (replica, q), relative to the mean over replicas;
        coordinates as in :func:`field_correlation`.

    Raises
    ------
    ObservableError
        If the run is too short, the exposure is not positive, or ``kind`` is ``"self"``: one atom alone
        scatters the same intensity at all times.

    Notes
    -----
    g2 = ⟨I(t) I(t + τ)⟩/⟨I⟩², both averages over the shell, time and replicas; a time average per wave vector
    would lower g2 − 1 by about 2τ_c/T.
    """
    if kind == "self" or exposure_frames < 1:
        raise ObservableError(
            f"kind = {kind!r}, exposure_frames = {exposure_frames}; expected 'coherent' or 'tracked', and at least 1"
        )
    found, interval, lags = _prepared(trajectory, shells, "shell", max_lag, trim=exposure_frames - 1)
    cell = trajectory["cell"].to_numpy()
    products, means = [], []
    for replica in range(trajectory.sizes["replica"]):
        position = replica_positions(trajectory, replica)
        chosen = position if kind == "coherent" else position[:, tracked_atoms(position.shape[1])]
        intensities = [exposed(np.abs(rho) ** 2, exposure_frames) for rho in shell_modes(chosen, cell, found)]
        products.append([time_correlation(one, lags) for one in intensities])
        means.append([one.mean() for one in intensities])
    intensity = np.array(means) / np.mean(means, axis=0)
    scaled = np.array(products) / np.mean(means, axis=0)[:, None] ** 2
    result = _dataset("g2", scaled, _g2_stderr(scaled, intensity), found, interval, kind)
    result["intensity_replica"] = (("replica", "q"), intensity, {"units": "1"})
    return result.assign_attrs(exposure_frames=exposure_frames)


def exposed(intensity: NDArray[np.floating], n_frames: int) -> NDArray[np.float64]:
    """Average intensities over consecutive frames.

    Parameters
    ----------
    intensity : ndarray, shape (frame, pixel)
        Intensity of each frame.
    n_frames : int
        Length of the exposure in frames.

    Returns
    -------
    ndarray, shape (frame − n_frames + 1, pixel)
        Mean over each run of ``n_frames`` frames.
    """
    total = np.cumsum(intensity, axis=0, dtype=np.float64)
    total[n_frames:] -= total[:-n_frames].copy()
    averaged: NDArray[np.float64] = total[n_frames - 1 :] / n_frames
    return averaged


def _prepared(
    trajectory: xr.Dataset, shells: Sequence[float], pooling: Pooling, max_lag: float, *, trim: int = 0
) -> tuple[list[Shell], float, int]:
    """Shells, frame interval in ps and number of lags of a trajectory that has been checked."""
    validate_trajectory(trajectory)
    interval = frame_interval(trajectory)
    lags = count_lags(trajectory.sizes["frame"] - trim, interval, max_lag)
    found = wave_vector_shells(trajectory["cell"].to_numpy(), shells=shells, pooling=pooling)
    return found, interval, lags


def _without_one(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over all replicas but one, for each of them; empty-handed (NaN) for one replica."""
    n = len(values)
    if n < 2:
        return np.full(values.shape, np.nan)
    rest: NDArray[np.float64] = (values.sum(axis=0) - values) / (n - 1)
    return rest


def _field_stderr(scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    rest = _without_one(scaled)
    return delete_one_stderr(rest / rest[:, :, :1])


def _g2_stderr(scaled: NDArray[np.float64], intensity: NDArray[np.float64]) -> NDArray[np.float64]:
    return delete_one_stderr(_without_one(scaled) / _without_one(intensity)[:, :, None] ** 2)


def _dataset(
    name: str,
    curves: NDArray[np.float64],
    stderr: NDArray[np.float64],
    shells: list[Shell],
    interval: float,
    kind: Kind,
) -> xr.Dataset:
    import xarray as xr

    one = {"units": "1"}
    long_name = {"field_correlation": "field correlation", "g2": "intensity autocorrelation"}[name]
    return xr.Dataset(
        {
            name: (("q", "lag"), curves.mean(axis=0), one | {"long_name": long_name}),
            f"{name}_stderr": (("q", "lag"), stderr, one),
            f"{name}_replica": (("replica", "q", "lag"), curves, one),
            "mean_q": ("q", [s.mean_q for s in shells], {"units": "1/Å"}),
            "n_vectors": ("q", [len(s.n) for s in shells], one),
            "in_window": ("q", [s.in_window for s in shells], one),
        },
        coords={
            "q": ("q", [s.q for s in shells], {"units": "1/Å"}),
            "lag": ("lag", interval * np.arange(curves.shape[2]), {"units": "ps"}),
        },
        attrs={"kind": kind, "pooling": ",".join(s.pooling for s in shells)},
    )
