"""Pieces of periodic geometry, and of time, that several observables share.

A cell is 3 x 3, its rows are the cell vectors in Å, and it never changes within a trajectory. Where the vectors lie
along x, y and z the arithmetic is that of three edges: exact, and faster. Only this module knows the difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from pytest_mlff.cells import edges_of, perpendicular_widths, volume, wrap
from pytest_mlff.errors import ObservableError

if TYPE_CHECKING:
    import xarray as xr

Float = TypeVar("Float", np.float32, np.float64)


def checked_cell(cell: ArrayLike) -> NDArray[np.float64]:
    """Cell vectors (3, 3) in Å as an array, refused unless they span a volume."""
    vectors = np.asarray(cell, dtype=np.float64)
    if vectors.shape != (3, 3) or not np.isfinite(vectors).all():
        raise ObservableError(f"cell = {vectors.tolist()}; expected three cell vectors in Å, shape (3, 3)")
    flat = np.prod(np.linalg.norm(vectors, axis=1)) * 1e-9
    if not volume(vectors) > flat:
        raise ObservableError(f"cell = {vectors.tolist()} Å spans no volume; expected three independent vectors")
    return vectors


def right_angled_edges(cell: ArrayLike, what: str) -> NDArray[np.float64]:
    """Edges (3,) in Å, for what has a meaning only where the cell vectors lie along x, y and z."""
    vectors = checked_cell(cell)
    edges = edges_of(vectors)
    if edges is None:
        raise ObservableError(f"{what} needs cell vectors along x, y and z; this cell is {vectors.tolist()} Å")
    return edges


def half_width(cell: ArrayLike) -> float:
    """Radius in Å up to which a periodic cell shows each pair once: half the smallest perpendicular width."""
    return float(np.min(perpendicular_widths(cell))) / 2.0


def fractional(position: NDArray[np.floating], cell: ArrayLike) -> NDArray[np.float64]:
    """Coordinates along the cell vectors.

    Parameters
    ----------
    position : ndarray, shape (..., 3)
        Positions in Å.
    cell : array_like, shape (3, 3)
        Cell vectors in Å, as rows.

    Returns
    -------
    ndarray, shape (3, ...)
        In units of the cell vectors, which come FIRST: each is then worked on by itself, in one piece.
    """
    vectors = np.asarray(cell, dtype=np.float64)
    edges = edges_of(vectors)
    if edges is None:
        return np.ascontiguousarray(np.moveaxis(position @ np.linalg.inv(vectors), -1, 0))
    scaled = np.empty((3, *position.shape[:-1]))
    for k in range(3):
        np.divide(position[..., k], edges[k], out=scaled[k])
    return scaled


def minimum_image(displacement: NDArray[Float], cell: ArrayLike) -> NDArray[Float]:
    """Shortest periodic image of each displacement.

    Parameters
    ----------
    displacement : ndarray, shape (..., 3)
        Differences of positions in Å, wrapped or not.
    cell : array_like, shape (3, 3)
        Cell vectors in Å, as rows.

    Returns
    -------
    ndarray, shape (..., 3)
        The same displacements up to lattice vectors, none of which would make them shorter, in Å and in the
        precision of ``displacement``.

    Notes
    -----
    Rounding the coordinates along the cell vectors finds every image within half the smallest perpendicular width: its
    coordinates are below one half. What it leaves longer is compared with all images that could be shorter.
    """
    vectors = np.asarray(cell, dtype=np.float64)
    edges = edges_of(vectors)
    if edges is not None:
        lengths = edges.astype(displacement.dtype)
        along: NDArray[Float] = displacement - lengths * np.rint(displacement / lengths)
        return along
    turns = np.rint(displacement @ np.linalg.inv(vectors).astype(displacement.dtype))
    shortest: NDArray[Float] = displacement - turns @ vectors.astype(displacement.dtype)
    far = np.linalg.norm(shortest, axis=-1) > half_width(vectors)
    if far.any():
        shortest[far] = _shortest_of_all(shortest[far], vectors)
    return shortest


def _shortest_of_all(displacement: NDArray[Float], cell: NDArray[np.float64]) -> NDArray[Float]:
    """Shortest image of displacements (k, 3) whose coordinates along the cell vectors are within one half.

    An image t away that is not longer than the displacement d has coordinates within |d|/w, w the perpendicular
    widths, so no component of t is beyond |d|/w + 1/2.
    """
    longest = float(np.linalg.norm(displacement, axis=1).max())
    reach = np.floor(longest / perpendicular_widths(cell) + 0.5 + 1e-9).astype(int)
    best, square = displacement.copy(), np.sum(displacement**2, axis=1)
    for shift in product(*(range(-most, most + 1) for most in reach)):
        image = displacement + (np.array(shift) @ cell).astype(displacement.dtype)
        length = np.sum(image**2, axis=1)
        nearer = length < square
        best[nearer], square[nearer] = image[nearer], length[nearer]
    return best


def image_lengths(scaled: Sequence[NDArray[np.float32]], cell: ArrayLike) -> NDArray[np.float32]:
    """Lengths of displacements given by their coordinates along the cell vectors; works in place.

    Parameters
    ----------
    scaled : sequence of three ndarray
        Displacements in units of the cell vectors, one array per vector; destroyed.
    cell : array_like, shape (3, 3)
        Cell vectors in Å, as rows.

    Returns
    -------
    ndarray
        In Å, of the images whose coordinates are within one half: the nearest ones wherever that is nearer than half
        the smallest perpendicular width, and beyond that none is given as nearer.
    """
    vectors = np.asarray(cell, dtype=np.float64)
    straight = edges_of(vectors) is not None
    if not straight:
        vectors = _sheared(scaled, vectors)
    for d, edge in zip(scaled, np.diagonal(vectors).astype(np.float32), strict=True):
        if straight:  # here and not before: what is in the processor's cache stays there
            d -= np.rint(d)
        d *= edge
        d *= d
    total = scaled[0]
    total += scaled[1]
    total += scaled[2]
    return np.sqrt(total, out=total)


def _sheared(scaled: Sequence[NDArray[np.float32]], cell: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round coordinates to within one half, and make them those along edges at right angles; returns the edges.

    A turned cell has the same lengths: turn it so that the first vector lies along x, the second in the xy plane.
    """
    upright = np.linalg.qr(cell.T)[1].T
    for d in scaled:
        d -= np.rint(d)
    for k, other in ((0, 1), (0, 2), (1, 2)):
        scaled[k][...] += np.float32(upright[other, k] / upright[k, k]) * scaled[other]
    return np.asarray(upright)


def nearest_neighbours(
    position: NDArray[np.floating], cell: ArrayLike, count: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Nearest neighbours of each atom.

    Parameters
    ----------
    position : ndarray, shape (atom, 3)
        One frame in Å, wrapped or not, of more than ``count`` atoms.
    cell : array_like, shape (3, 3)
        Cell vectors in Å, as rows.
    count : int
        Neighbours per atom.

    Returns
    -------
    index : ndarray of int, shape (atom, count)
        Which atoms, the nearest first.
    vector : ndarray, shape (atom, count, 3)
        From the atom to them, in Å.
    """
    vectors = np.asarray(cell, dtype=np.float64)
    inside, edges = wrap(position, vectors), edges_of(vectors)
    if edges is not None:
        _, found = cKDTree(inside, boxsize=edges).query(inside, count + 1)
        neighbour = found[:, 1:]  # the nearest is the atom itself
        return neighbour, minimum_image(inside[neighbour] - inside[:, None], vectors)
    layers = 0
    while True:  # until the images reach as far as the neighbours are
        layers += 1
        shifts = np.array(list(product(range(-layers, layers + 1), repeat=3))) @ vectors
        images = (shifts[:, None] + inside).reshape(-1, 3)
        distance, found = cKDTree(images).query(inside, count + 1)
        if distance.max() <= layers * 2.0 * half_width(vectors):
            neighbour = found[:, 1:]
            return neighbour % len(inside), images[neighbour] - inside[:, None]


def wave_vector(n: ArrayLike, cell: ArrayLike) -> NDArray[np.float64]:
    """Wave vectors q = 2π n·inv(cell)ᵀ of integers n (..., 3), in 1/Å: each turns by 2π nᵢ along cell vector i."""
    integers, vectors = np.asarray(n, dtype=np.float64), np.asarray(cell, dtype=np.float64)
    edges = edges_of(vectors)
    if edges is None:
        return 2.0 * np.pi * integers @ np.linalg.inv(vectors).T
    return 2.0 * np.pi * integers / edges


def wave_number(n: ArrayLike, cell: ArrayLike) -> NDArray[np.float64]:
    """Lengths |q| in 1/Å of the wave vectors of integers n (..., 3)."""
    length: NDArray[np.float64] = np.sqrt(np.sum(wave_vector(n, cell) ** 2, axis=-1))
    return length


def smallest_wave_number(cell: ArrayLike) -> float:
    """Length in 1/Å of the shortest of the three reciprocal cell vectors."""
    return float(wave_number(np.eye(3), cell).min())


def reciprocal_vectors(cell: ArrayLike, *, q_min: float, q_max: float) -> NDArray[np.int64]:
    """Wave vectors that the periodic cell has, one of each ±q pair.

    Parameters
    ----------
    cell : array_like, shape (3, 3)
        Cell vectors in Å, as rows.
    q_min, q_max : float
        Closed range of |q| in Å⁻¹; q = 0 is never included.

    Returns
    -------
    ndarray of int, shape (q, 3)
        Integers n with q = 2π n·inv(cell)ᵀ, ordered by |q| (then by n); the first non-zero component of each is
        positive. Empty when the cell has no wave vector in the range.

    Raises
    ------
    ObservableError
        If the cell spans no volume or the range is not one.

    Notes
    -----
    |nᵢ| = |q·aᵢ|/2π ≤ |q| |aᵢ|/2π bounds the integers. A rounding error of |q| of one part in 10¹² does not exclude a
    vector, so the members of a shell that touches the range are in or out together.
    """
    vectors = checked_cell(cell)
    if not 0.0 <= q_min <= q_max < np.inf:
        raise ObservableError(f"q range [{q_min}, {q_max}] Å⁻¹; expected 0 <= q_min <= q_max, finite")
    slack = 1e-12
    lengths = np.linalg.norm(vectors, axis=1)
    most = np.floor(q_max * (1.0 + slack) * lengths / (2.0 * np.pi)).astype(np.int64)
    n = np.stack(np.meshgrid(*(np.arange(-m, m + 1) for m in most), indexing="ij"), axis=-1).reshape(-1, 3)
    first, second, third = n.T
    half = (first > 0) | ((first == 0) & ((second > 0) | ((second == 0) & (third > 0))))
    n = n[half]
    length = wave_number(n, vectors)
    inside = (length >= q_min * (1.0 - slack)) & (length <= q_max * (1.0 + slack))
    n, length = n[inside], length[inside]
    order = np.lexsort((n[:, 2], n[:, 1], n[:, 0], np.round(length, 10)))
    ordered: NDArray[np.int64] = n[order]
    return ordered


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
    """Time between frames in ps; refused for fewer than two frames, and for frames that are not evenly spaced."""
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

    Lags are 0, 1, ... frames that do not exceed ``max_lag``, all times in ps; a millionth of a frame is rounding.
    Refused where ``max_lag`` is no frame long, or the run does not reach it: a window that depends on the run's length
    is not used.
    """
    last = int(np.floor(max_lag / interval + 1e-6)) if np.isfinite(max_lag) else n_frames
    if not 1 <= last < n_frames:
        raise ObservableError(
            f"max_lag = {max_lag:g} ps; the run has {n_frames} frames, {interval:g} ps apart: pass a lag "
            f"from {interval:g} to {interval * (n_frames - 1):g} ps or use a longer run"
        )
    return last + 1
