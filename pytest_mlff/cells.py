"""Geometry of a periodic cell, for every room: vectors as rows, shape (3, 3), in Å.

Where the vectors lie along x, y and z the arithmetic is that of three edges, to the last digit. Imports numpy alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def edges_of(cell: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Edges of a cell whose vectors lie along x, y and z; None for any other."""
    edges = np.diagonal(cell)
    return edges if np.count_nonzero(cell) == 3 and min(edges.tolist()) > 0.0 else None


def volume(cell: ArrayLike) -> float:
    """Volume of a cell in Å³."""
    vectors = np.asarray(cell, dtype=np.float64)
    edges = edges_of(vectors)
    return float(abs(np.linalg.det(vectors)) if edges is None else np.prod(edges))


def perpendicular_widths(cell: ArrayLike) -> NDArray[np.float64]:
    """Distances in Å of the three pairs of opposite faces; the edges where all angles are right."""
    vectors = np.asarray(cell, dtype=np.float64)
    edges = edges_of(vectors)
    return 1.0 / np.linalg.norm(np.linalg.inv(vectors), axis=0) if edges is None else edges.copy()


def fractions(position: NDArray[np.floating], cell: ArrayLike) -> NDArray[np.float64]:
    """Positions (..., 3) in units of the cell vectors."""
    vectors = np.asarray(cell, dtype=np.float64)
    edges = edges_of(vectors)
    return np.asarray(position @ np.linalg.inv(vectors) if edges is None else position / edges)


def wrap(position: NDArray[np.floating], cell: ArrayLike) -> NDArray[np.float64]:
    """Bring positions into the cell.

    Parameters
    ----------
    position : ndarray, shape (..., 3)
        Positions in Å.
    cell : array_like, shape (3, 3)
        Cell vectors in Å, as rows.

    Returns
    -------
    ndarray, shape (..., 3)
        Positions in Å in the half-open cell. Along x, y and z 0 ≤ x < L holds also after rounding; in a cell with
        other angles rounding may leave a position on the far face.
    """
    vectors = np.asarray(cell, dtype=np.float64)
    place = np.asarray(position, dtype=np.float64)
    edges = edges_of(vectors)
    if edges is None:
        return place - np.floor(place @ np.linalg.inv(vectors)) @ vectors
    inside = np.mod(place, edges)
    # np.mod(-1e-20, L) rounds to L itself
    return np.where(inside >= edges, 0.0, inside)
