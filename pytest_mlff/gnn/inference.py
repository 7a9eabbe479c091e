"""A trained network made fast: its linear maps are merged once, and nothing is kept for a derivative."""

from __future__ import annotations

import torch
from torch import Tensor

from pytest_mlff.gnn.edges import Edges
from pytest_mlff.gnn.network import ForceNetwork, block_messages


class FoldedNetwork:
    """Callable (species, edges) → normalised forces, as :class:`ForceNetwork` computes them.

    Parameters
    ----------
    network : ForceNetwork
        On its device and in its dtype; not trained any more.
    block : int, optional
        Edges evaluated at a time; by default what suits the device.
    compiled : bool
        Run the messages, the heavy part of the work on edges, through ``torch.compile``.
    """

    def __init__(self, network: ForceNetwork, *, block: int | None = None, compiled: bool = False) -> None:
        self.network, self.block = network.eval(), block
        self._messages = torch.compile(block_messages, dynamic=True) if compiled else block_messages
        with torch.no_grad():
            self._folded = network.folded()

    @torch.inference_mode()
    def __call__(self, species: Tensor, edges: Edges) -> Tensor:
        """Compute the forces on all nodes.

        Parameters
        ----------
        species : Tensor of int64, shape (node,)
            Indices into ``config.species``.
        edges : Edges
            Every ordered pair within the cutoff, sorted by receiver; vectors in the network's dtype.

        Returns
        -------
        Tensor, shape (node, 3)
            Normalised forces.
        """
        return self.network.evaluate(species, edges, self._folded, block=self.block, messages=self._messages)
