"""A trained network made fast: its algebra folded once, its edges taken in blocks that fit the processor's cache.

Nothing here approximates. Merged linear maps come from ``network``; what this adds is exact too: in the first layer
all senders of one species carry the same features, so that the second linear map of Φ and the product with them
move from the edges to the nodes, behind the sum.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from pytest_mlff.gnn.network import Edges, ForceNetwork

BLOCK = 8192
"""Edges evaluated at a time: 4 MB a tensor in float32."""


class FoldedNetwork:
    """Callable (species, edges) → normalised forces, as :class:`ForceNetwork` computes them.

    Parameters
    ----------
    network : ForceNetwork
        On its device and in its dtype; not trained any more.
    block : int
        Edges evaluated at a time.
    """

    def __init__(self, network: ForceNetwork, *, block: int = BLOCK) -> None:
        self.network = network.eval()
        self.block = block
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
            Every ordered pair within the cutoff, vectors in the network's dtype.

        Returns
        -------
        Tensor, shape (node, 3)
            Normalised forces.
        """
        blocks = list(self._blocks(edges))
        v = self.network.embedding(species)
        for number in range(self.network.config.layers):
            one_sender = number == 0 and len(self.network.config.species) == 1
            v = self._one_species(blocks, v) if one_sender else self._layer(number, blocks, v)
        forces: Tensor = self.network.decoder(self.network.decoder_norm(v))
        return forces

    def _blocks(self, edges: Edges) -> Iterator[tuple[Edges, Tensor, Tensor | None]]:
        """Yield edges, the encoder's hidden layer and the envelope, block by block."""
        parts = (torch.split(item, self.block) for item in (edges.vector, edges.sender, edges.receiver))
        for vector, sender, receiver in zip(*parts, strict=True):
            features, envelope = self.network.edge_features(vector)
            yield Edges(vector, sender, receiver), functional.gelu(self.network.encoder.first(features)), envelope

    def _layer(self, number: int, blocks: list[tuple[Edges, Tensor, Tensor | None]], v: Tensor) -> Tensor:
        layer, folded = self.network.layers[number], self._folded[number]
        seen = layer.norm(v)
        total = torch.zeros_like(v)
        for edges, hidden, envelope in blocks:
            messages = layer.gate(folded, hidden, seen, edges).mul_(seen.index_select(0, edges.sender))
            total.index_add_(0, edges.receiver, messages if envelope is None else messages.mul_(envelope))
        result: Tensor = v + layer.theta(seen + total)
        return result

    def _one_species(self, blocks: list[tuple[Edges, Tensor, Tensor | None]], v: Tensor) -> Tensor:
        layer, folded = self.network.layers[0], self._folded[0]
        seen = layer.norm(v)
        both = (2.0 * seen[:1] @ folded.node.T + folded.bias)[0]  # sender's and receiver's share are one vector
        summed, weight = torch.zeros_like(v), torch.zeros_like(v[:, :1])
        for edges, hidden, envelope in blocks:
            inner = functional.gelu(torch.addmm(both, hidden, folded.edge.T))
            share = torch.ones_like(inner[:, :1]) if envelope is None else envelope
            summed.index_add_(0, edges.receiver, inner.mul_(share))
            weight.index_add_(0, edges.receiver, share)
        second = layer.phi.second
        total = (summed @ second.weight.T + weight * second.bias) * seen
        result: Tensor = v + layer.theta(seen + total)
        return result
