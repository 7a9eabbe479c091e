"""Atoms in a cell: positions, species, cell vectors, and what every room asks of them alike.

May import ``cells``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from pytest_mlff.cells import edges_of, perpendicular_widths, wrap

PERIODIC = (True, True, True)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Structure:
    """Atoms in a cell.

    Attributes
    ----------
    numbers : ndarray of int, shape (atom,)
        Atomic numbers.
    positions : ndarray, shape (atom, xyz)
        In Å, wrapped or not.
    cell : ndarray, shape (3, 3)
        Cell vectors as rows, in Å.
    pbc : tuple of bool
        Along which of them it repeats.
    """

    numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray
    pbc: tuple[bool, bool, bool] = PERIODIC

    def at(self, positions: np.ndarray) -> Structure:
        """Place the same atoms elsewhere in the same cell."""
        return replace(self, positions=positions)


def shortest_distance(structure: Structure) -> float:
    """Distance in Å of the two nearest atoms, images of one included; NaN where a position is not finite."""
    from scipy.spatial import cKDTree

    if not np.isfinite(structure.positions).all():
        return float("nan")
    inside, everyone = _with_images(structure, 1)
    nearest = float(cKDTree(everyone).query(inside, k=2)[0][:, 1].min())
    layers = int(np.ceil(nearest / perpendicular_widths(structure.cell).min()))
    if layers > 1:  # a thin cell: atoms that are nearer may lie beyond its next images
        nearest = float(cKDTree(_with_images(structure, layers)[1]).query(inside, k=2)[0][:, 1].min())
    return nearest


def close_pairs(structure: Structure, limit: float) -> list[tuple[int, int, float]]:
    """Pairs of atoms that are nearer to each other than ``limit``, with their distance, in Å.

    An atom that is so near to its own image makes a pair with itself.
    """
    from scipy.spatial import cKDTree

    edges = edges_of(structure.cell)
    if edges is not None and limit < 0.5 * edges.min():
        inside = np.mod(structure.positions, edges) % edges
        found = cKDTree(inside, boxsize=edges).query_pairs(limit)
        return [(first, second, _apart(structure, first, second, edges)) for first, second in sorted(found)]
    inside, everyone = _with_images(structure, int(np.ceil(limit / perpendicular_widths(structure.cell).min())))
    n, near = len(inside), dict[tuple[int, int], float]()
    for first, others in enumerate(cKDTree(everyone).query_ball_point(inside, limit)):
        for other in others:
            one, two = sorted((first, other % n))
            distance = float(np.linalg.norm(inside[first] - everyone[other]))
            if other != first:  # the first n are the cell itself
                near[one, two] = min(distance, near.get((one, two), distance))
    return [(first, second, near[first, second]) for first, second in sorted(near)]


def _apart(structure: Structure, first: int, second: int, edges: np.ndarray) -> float:
    vector = structure.positions[first] - structure.positions[second]
    return float(np.linalg.norm(vector - edges * np.round(vector / edges)))


def _with_images(structure: Structure, layers: int) -> tuple[np.ndarray, np.ndarray]:
    """Wrap the positions; and add their images in so many layers of cells around them, behind them."""
    inside = wrap(structure.positions, structure.cell)
    steps = range(-layers, layers + 1) if layers else (0,)
    shifts = np.array(sorted(product(steps, repeat=3), key=np.count_nonzero)) @ structure.cell
    return inside, (inside + shifts[:, None]).reshape(-1, 3)
