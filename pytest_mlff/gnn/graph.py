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
from torch import Tensor

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
    device : str
        Where they are found and stay: ``cpu`` or ``cuda[:n]``.
    """

    def __init__(self, *, cutoff: float, skin: float = 0.0, device: str = "cpu") -> None:
        self._device = device
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
        if len(points) == 0:
            nobody = torch.empty(0, dtype=torch.int64, device=self._device)
            return Edges(torch.empty(0, 3, dtype=torch.float64, device=self._device), nobody, nobody)
        receiver, sender, vector = self._finder.compute(
            points=torch.tensor(points, device=self._device),
            box=torch.tensor(np.asarray(cell, dtype=np.float64), device=self._device),
            periodic=torch.tensor([bool(direction) for direction in pbc], device=self._device),
            quantities="ijD",
        )
        receiver, sender = receiver.view(torch.int64), sender.view(torch.int64)
        order = _order(receiver, sender, vector)
        return Edges(vector[order], sender[order], receiver[order])


def _order(receiver: Tensor, sender: Tensor, vector: Tensor) -> Tensor:
    pair = receiver << 32 | sender
    ordered, order = torch.sort(pair, stable=True)
    if not bool((ordered.diff() == 0).any()):
        return order
    order = torch.arange(len(pair), device=pair.device)  # several images of one atom
    for key in (*vector.T, pair):
        order = order[torch.argsort(key[order], stable=True)]
    return order
