"""From positions to edges: every ordered pair within the cutoff, through all periodic images.

vesin finds all pairs within cutoff and skin; they serve until an atom has moved by half the skin, and each call takes
from them those within the cutoff. They are kept in an order that depends on atoms and images alone: sums in float32
depend on the order of their terms, and a continued run, whose list is new, then has the bits of an uninterrupted one.
A pair is joined by several edges where the cell is narrower than twice the cutoff.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import vesin
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from pytest_mlff.errors import ObservableError
from pytest_mlff.gnn.edges import Edges


class EdgeFinder:
    """Callable (positions, cell, pbc) → edges, for copies of one system whose atoms move.

    Parameters
    ----------
    cutoff : float
        Longest edge in Å.
    skin : float
        Verlet skin in Å; 0 searches anew whenever an atom has moved.
    device : str
        Where the edges are found and stay, as torch calls it.
    """

    def __init__(self, *, cutoff: float, skin: float = 0.0, device: str = "cpu") -> None:
        self._cutoff, self._skin, self._device = cutoff, skin, device
        # one thread: a search is rare, and leaves the other cores to other processes
        self._search = vesin.NeighborList(cutoff=cutoff + skin, full_list=True, n_threads=1)
        self._near: _Neighbourhood | None = None

    def __call__(self, positions: ArrayLike, cell: ArrayLike, pbc: Sequence[bool]) -> Edges:
        """Find the edges.

        Parameters
        ----------
        positions : array_like, shape (N, 3) or (copy, N, 3)
            In Å, wrapped or not.
        cell : array_like, shape (3, 3)
            Cell vectors in Å, in rows; zeros for a direction without any.
        pbc : sequence of bool
            Periodic directions.

        Returns
        -------
        Edges
            Both directions of each pair, sorted by receiver, then by sender; vectors in float64. An atom's own
            images count, the atom itself does not. The atoms of a copy follow those of the one before.

        Raises
        ------
        ObservableError
            If a position is not finite.
        """
        points = np.array(positions, dtype=np.float64, ndmin=3)
        if not np.isfinite(points).all():
            bad = int(np.count_nonzero(~np.isfinite(points).all(axis=-1)))
            raise ObservableError(
                f"positions of {bad} of {points.size // 3} atoms are not finite: there is no graph of them"
            )
        place = _Place(points, np.array(cell, dtype=np.float64), tuple(bool(direction) for direction in pbc))
        if self._near is None or not place.within(0.5 * self._skin, self._near.place):
            self._near = self._neighbourhood(place)
        return self._near.edges(torch.from_numpy(points.reshape(-1, 3)).to(self._device), self._cutoff)

    def _neighbourhood(self, place: _Place) -> _Neighbourhood:
        """Search each copy, and sort all pairs."""
        cell = torch.from_numpy(place.cell).to(self._device)
        periodic = torch.tensor(place.pbc, device=self._device)
        stack = torch.from_numpy(place.points).to(self._device)
        n_atoms = stack.shape[1]
        found = [self._pairs(points, cell, periodic) for points in stack]
        receiver, sender = (torch.cat([pairs[k] + copy * n_atoms for copy, pairs in enumerate(found)]) for k in (0, 1))
        receiver, sender, shift = _sorted(receiver, sender, torch.cat([pairs[2] for pairs in found]))
        return _Neighbourhood(place, receiver, sender, shift.double() @ cell)

    def _pairs(self, points: Tensor, cell: Tensor, periodic: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if len(points) == 0:
            nobody = torch.empty(0, dtype=torch.int64, device=points.device)
            return nobody, nobody, torch.empty(0, 3, dtype=torch.int32, device=points.device)
        receiver, sender, shift = self._search.compute(points=points, box=cell, periodic=periodic, quantities="ijS")
        return receiver.view(torch.int64), sender.view(torch.int64), shift


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the atoms are: positions (copy, N, 3), cell and periodic directions."""

    points: NDArray[np.float64]
    cell: NDArray[np.float64]
    pbc: tuple[bool, ...]

    def within(self, distance: float, other: _Place) -> bool:
        """Whether no atom is farther than that from where it was in the same cell."""
        if self.points.shape != other.points.shape or self.pbc != other.pbc or (self.cell != other.cell).any():
            return False
        moved = ((self.points - other.points) ** 2).sum(axis=-1)
        return bool((moved <= distance**2).all())


@dataclass(frozen=True, slots=True)
class _Neighbourhood:
    """Pairs within cutoff and skin of a place, all copies joined: atoms, and the image of the sender in Å."""

    place: _Place
    receiver: Tensor
    sender: Tensor
    image: Tensor

    def edges(self, points: Tensor, cutoff: float) -> Edges:
        vector = points.index_select(0, self.sender).sub_(points.index_select(0, self.receiver)).add_(self.image)
        near = (vector.square().sum(dim=1) < cutoff**2).nonzero()[:, 0]
        return Edges(*(part.index_select(0, near) for part in (vector, self.sender, self.receiver)))


def _sorted(receiver: Tensor, sender: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sort by receiver, then by sender, then by image."""
    pair = receiver << 32 | sender
    order = torch.arange(len(pair), device=pair.device)
    for key in (*shift.T, pair):
        order = order[torch.argsort(key[order], stable=True)]
    return receiver[order], sender[order], shift[order]
