"""From positions to edges: every ordered pair within the cutoff, through all periodic images.

vesin finds them; with a Verlet skin it goes through the cells again only when an atom has moved by half the skin.
The order in which it gives them depends on when it last did. Sums in float32 depend on their order, so the edges are
put into one that depends on the positions alone: a continued run then has the bits of an uninterrupted one. A pair
is joined by several edges where the cell is narrower than twice the cutoff.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import vesin
from numpy.typing import ArrayLike

from pytest_mlff.errors import ObservableError
from pytest_mlff.gnn.edges import Edges


class EdgeFinder:
    """Callable (positions, cell, pbc) → edges, for one system whose atoms move.

    Parameters
    ----------
    cutoff : float
        Longest edge in Å.
    skin : float
        Verlet skin in Å; 0 searches anew on every call.
    """

    def __init__(self, *, cutoff: float, skin: float = 0.0) -> None:
        # one thread: while the skin holds, vesin takes a few hundredths of a force call
        self._finder = vesin.NeighborList(cutoff=cutoff, full_list=True, skin=skin, n_threads=1)

    def __call__(self, positions: ArrayLike, cell: ArrayLike, pbc: Sequence[bool]) -> Edges:
        """Find the edges.

        Parameters
        ----------
        positions : array_like, shape (N, 3)
            In Å, wrapped or not.
        cell : array_like, shape (3, 3)
            Cell vectors in Å, in rows; zeros for a direction without any.
        pbc : sequence of bool
            Periodic directions.

        Returns
        -------
        Edges
            Both directions of each pair, sorted by receiver, then by sender; vectors in float64. An atom's own
            images count, the atom itself does not.

        Raises
        ------
        ObservableError
            If a position is not finite.
        """
        points = np.ascontiguousarray(positions, dtype=np.float64)
        if not np.isfinite(points).all():
            bad = int(np.count_nonzero(~np.isfinite(points).all(axis=1)))
            raise ObservableError(
                f"positions of {bad} of {len(points)} atoms are not finite: there is no graph of them"
            )
        receiver, sender, vector = self._finder.compute(
            points=points, box=np.ascontiguousarray(cell, dtype=np.float64), periodic=list(pbc), quantities="ijD"
        )
        order = _order(receiver, sender, vector)
        return Edges(
            torch.from_numpy(vector[order]),
            torch.from_numpy(sender[order].astype(np.int64)),
            torch.from_numpy(receiver[order].astype(np.int64)),
        )


def _order(receiver: np.ndarray, sender: np.ndarray, vector: np.ndarray) -> np.ndarray:
    pair = receiver.astype(np.int64) << 32 | sender.astype(np.int64)
    order = np.argsort(pair, kind="stable")
    if (np.diff(pair[order]) == 0).any():  # several images of one atom
        return np.lexsort((*vector.T, pair))
    return order
