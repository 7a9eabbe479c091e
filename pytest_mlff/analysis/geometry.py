"""Pieces of periodic geometry, and of time, that several observables share. Orthorhombic, fixed cells only."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_mlff.errors import ObservableError

if TYPE_CHECKING:
    import xarray as xr

Float = TypeVar("Float", np.float32, np.float64)


def minimum_image(displacement: NDArray[Float], box: ArrayLike) -> NDArray[Float]:
    """Shortest periodic image of each displacement.

    Parameters
    ----------
    displacement : ndarray, shape (..., 3)
        Differences of positions in Å, wrapped or not.
    box : array_like, shape (3,)
        Edges of the orthorhombic cell in Å.

    Returns
    -------
    ndarray, shape (..., 3)
        The same displacements up to lattice vectors, each component within half an edge, in Å and in the
        precision of ``displacement``.
    """
    edges = np.asarray(box, dtype=displacement.dtype)
    shortest: NDArray[Float] = displacement - edges * np.rint(displacement / edges)
    return shortest


def wrap(position: NDArray[Float], box: ArrayLike) -> NDArray[np.float64]:
    """Bring positions into the cell.

    Parameters
    ----------
    position : ndarray, shape (..., 3)
        Positions in Å.
    box : array_like, shape (3,)
        Edges of the orthorhombic cell in Å.

    Returns
    -------
    ndarray, shape (..., 3)
        Positions in Å in the half-open cell: 0 ≤ x < L also after rounding.
    """
    edges = np.asarray(box, dtype=np.float64)
    inside = np.mod(np.asarray(position, dtype=np.float64), edges)
    # np.mod(-1e-20, L) rounds to L itself
    return np.where(inside >= edges, 0.0, inside)


def half_shortest_edge(box: ArrayLike) -> float:
    """Radius up to which a periodic cell shows each pair once.

    Parameters
    ----------
    box : array_like, shape (3,)
        Edges of the orthorhombic cell in Å.

    Returns
    -------
    float
        Half of the shortest edge in Å.
    """
    return float(np.min(np.asarray(box, dtype=np.float64))) / 2.0


def reciprocal_vectors(box: ArrayLike, *, q_min: float, q_max: float) -> NDArray[np.int64]:
    """Wave vectors that the periodic cell has, one of each ±q pair.

    Parameters
    ----------
    box : array_like, shape (3,)
        Edges of the orthorhombic cell in Å.
    q_min, q_max : float
        Closed range of |q| in Å⁻¹; q = 0 is never included.

    Returns
    -------
    ndarray of int, shape (q, 3)
        Integers n with q = 2π n / L, ordered by |q| (then by n); the first non-zero component of each is
        positive. Empty when the cell has no wave vector in the range.

    Raises
    ------
    ObservableError
        If an edge is not positive or the range is not one.

    Notes
    -----
    A rounding error of |q| of one part in 10¹² does not exclude a vector, so the members of a shell that
    touches the range are in or out together.
    """
    edges = np.asarray(box, dtype=np.float64)
    if edges.shape != (3,) or not np.all(edges > 0.0):
        raise ObservableError(f"box = {edges}; expected three positive edges in Å (orthorhombic cell)")
    if not 0.0 <= q_min <= q_max < np.inf:
        raise ObservableError(f"q range [{q_min}, {q_max}] Å⁻¹; expected 0 <= q_min <= q_max, finite")
    slack = 1e-12
    most = np.floor(q_max * (1.0 + slack) * edges / (2.0 * np.pi)).astype(np.int64)
    n = np.stack(np.meshgrid(*(np.arange(-m, m + 1) for m in most), indexing="ij"), axis=-1).reshape(-1, 3)
    first, second, third = n.T
    half = (first > 0) | ((first == 0) & ((second > 0) | ((second == 0) & (third > 0))))
    n = n[half]
    length = wave_number(n, edges)
    inside = (length >= q_min * (1.0 - slack)) & (length <= q_max * (1.0 + slack))
    n, length = n[inside], length[inside]
    order = np.lexsort((n[:, 2], n[:, 1], n[:, 0], np.round(length, 10)))
    ordered: NDArray[np.int64] = n[order]
    return ordered


def wave_number(n: ArrayLike, box: ArrayLike) -> NDArray[np.float64]:
    """Length of wave vectors given by their integers.

    Parameters
    ----------
    n : array_like of int, shape (..., 3)
        Integers of q = 2π n / L.
    box : array_like, shape (3,)
        Edges of the orthorhombic cell in Å.

    Returns
    -------
    ndarray, shape (...)
        |q| in Å⁻¹.
    """
    q = 2.0 * np.pi * np.asarray(n, dtype=np.float64) / np.asarray(box, dtype=np.float64)
    length: NDArray[np.float64] = np.sqrt(np.sum(q**2, axis=-1))
    return length


def replica_positions(trajectory: xr.Dataset, replica: int) -> NDArray[np.floating]:
    """Positions of one replica, checked to be finite.

    Parameters
    ----------
    trajectory : xr.Dataset
        As :func:`pytest_mlff.schema.validate_trajectory` demands.
    replica : int
        Index of the replica.

    Returns
    -------
    ndarray, shape (frame, atom, 3)
        Unwrapped positions in Å, in the precision they are stored in.

    Raises
    ------
    ObservableError
        Naming replica and first frame with a NaN or infinite position.
    """
    position: NDArray[np.floating] = trajectory["position"].isel(replica=replica).values
    good = np.isfinite(position).all(axis=(1, 2))
    if not good.all():
        raise ObservableError(
            f"replica {replica} has a NaN or infinite position in frame {int(np.argmin(good))}; "
            "keep only the frames before it"
        )
    return position


def frame_interval(trajectory: xr.Dataset) -> float:
    """Time between frames.

    Parameters
    ----------
    trajectory : xr.Dataset
        As :func:`pytest_mlff.schema.validate_trajectory` demands.

    Returns
    -------
    float
        Interval in ps.

    Raises
    ------
    ObservableError
        If there are fewer than two frames or they are not evenly spaced.
    """
    time = np.asarray(trajectory["time"].values, dtype=np.float64)
    if len(time) < 2:
        raise ObservableError(f"trajectory has {len(time)} frame(s); a time-dependent observable needs two")
    steps = np.diff(time)
    interval = float(steps.mean())
    if interval <= 0.0 or np.max(np.abs(steps - interval)) > 1e-6 * interval:
        raise ObservableError(
            f"frames are {steps.min()} to {steps.max()} ps apart; expected evenly spaced, increasing times"
        )
    return interval


def count_lags(n_frames: int, interval: float, max_lag: float) -> int:
    """Count the lags from 0 to ``max_lag``.

    Parameters
    ----------
    n_frames : int
        Frames of the run.
    interval : float
        Time between frames in ps.
    max_lag : float
        Longest lag in ps.

    Returns
    -------
    int
        Lags 0, 1, ... frames that do not exceed ``max_lag``. A millionth of a frame counts as rounding.

    Raises
    ------
    ObservableError
        If ``max_lag`` is no frame long, or the run does not reach it: a window that depends on the run's
        length is not used.
    """
    last = int(np.floor(max_lag / interval + 1e-6)) if np.isfinite(max_lag) else n_frames
    if not 1 <= last < n_frames:
        raise ObservableError(
            f"max_lag = {max_lag:g} ps; the run has {n_frames} frames, {interval:g} ps apart: pass a lag "
            f"from {interval:g} to {interval * (n_frames - 1):g} ps or use a longer run"
        )
    return last + 1
