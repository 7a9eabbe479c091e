"""A trained network made fast: its algebra folded once, its edges taken in blocks that fit the processor's cache.

Nothing here approximates. Merged linear maps come from ``network``; what this adds is exact too. In the first layer
all senders of one species carry the same features, so that the second linear map of Φ and the product with them
move from the edges to the nodes, behind the sum; in every layer the constant of that map does. Gathering from two
nodes and summing over the edges of a node are weighted sums of rows of a table (``embedding_bag``), one pass each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from pytest_mlff.gnn.network import Edges, Folded, ForceNetwork, MessageLayer

BLOCK = 4096
"""Edges evaluated at a time on a CPU, up to the last one of a node: 2 MB a tensor in float32."""
DEVICE_BLOCK = 2**18
"""The same elsewhere, where launches cost more than a cache saves: 134 MB a tensor. Not measured."""

_sum = partial(functional.embedding_bag, mode="sum")


@dataclass(frozen=True, slots=True)
class _Block:
    """The edges of some successive receivers, with all that is the same in every layer.

    Attributes
    ----------
    nodes : slice
        The receivers.
    first : Tensor of int64, shape (receiver,)
        Each one's first edge.
    edge : Tensor of int64, shape (edge,)
        Their numbers: 0, 1, 2, ...
    sender : Tensor of int64, shape (edge,)
        Nodes.
    ends : Tensor of int64, shape (edge, 2)
        Rows of receiver and sender in a table of all nodes as receivers, then all as senders.
    hidden : Tensor, shape (edge, h)
        The encoder's hidden layer.
    envelope : Tensor, shape (edge,)
        Weights of the messages; 1 where the form has no smooth cutoff.
    """

    nodes: slice
    first: Tensor
    edge: Tensor
    sender: Tensor
    ends: Tensor
    hidden: Tensor
    envelope: Tensor

    def reduce(self, rows: Tensor, index: Tensor) -> Tensor:
        """Sum rows over the edges of each receiver, weighted by the envelope."""
        return _sum(index, rows, self.first, per_sample_weights=self.envelope)


class FoldedNetwork:
    """Callable (species, edges) → normalised forces, as :class:`ForceNetwork` computes them.

    Parameters
    ----------
    network : ForceNetwork
        On its device and in its dtype; not trained any more.
    block : int, optional
        Edges evaluated at a time; by default what suits the network's device.
    compiled : bool
        Run the work on edges through ``torch.compile``.
    """

    def __init__(self, network: ForceNetwork, *, block: int | None = None, compiled: bool = False) -> None:
        self.network = network.eval()
        self.block = block or (BLOCK if network.embedding.weight.device.type == "cpu" else DEVICE_BLOCK)
        self._messages: Callable[..., Tensor] = torch.compile(_messages, dynamic=True) if compiled else _messages
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
        v = self.network.embedding(species)
        blocks = list(self._blocks(edges, len(v)))
        for number, (layer, folded) in enumerate(zip(self.network.layers, self._folded, strict=True)):
            seen = layer.norm(v)
            one_sender = number == 0 and len(self.network.config.species) == 1
            gather = self._one_species if one_sender else self._gather
            v = v + layer.theta(seen + gather(layer, folded, blocks, seen))
        forces: Tensor = self.network.decoder(self.network.decoder_norm(v))
        return forces

    def _blocks(self, edges: Edges, n_nodes: int) -> Iterator[_Block]:
        """Cut the edges behind the last one of a node, so that no sum goes over two blocks."""
        last = torch.bincount(edges.receiver, minlength=n_nodes).cumsum(0)
        start = 0
        edge = torch.arange(len(edges.sender), device=last.device)
        ends = torch.stack([edges.receiver, edges.sender + n_nodes], dim=1)
        for nodes in _slices(last, self.block):
            stop = int(last[nodes.stop - 1])
            here = slice(start, stop)
            features, envelope = self.network.edge_features(edges.vector[here])
            hidden = functional.gelu(self.network.encoder.first(features))
            yield _Block(
                nodes=nodes,
                first=functional.pad(last[nodes.start : nodes.stop - 1], (1, 0), value=start) - start,
                edge=edge[: stop - start],
                sender=edges.sender[here],
                ends=ends[here],
                hidden=hidden,
                envelope=torch.ones_like(hidden[:, 0]) if envelope is None else envelope[:, 0],
            )
            start = stop

    def _gather(self, layer: MessageLayer, folded: Folded, blocks: list[_Block], seen: Tensor) -> Tensor:
        """Sum of the messages to each node."""
        node = seen @ folded.node.T
        table = torch.cat([node + folded.bias, node])
        second = layer.phi.second
        total = torch.empty_like(seen)
        for block in blocks:
            messages = self._messages(block.ends, table, block.hidden, folded.edge, second.weight, seen, block.sender)
            constant = second.bias * block.reduce(seen, block.sender)
            total[block.nodes] = block.reduce(messages, block.edge).add_(constant)
        return total

    def _one_species(self, layer: MessageLayer, folded: Folded, blocks: list[_Block], seen: Tensor) -> Tensor:
        """Sum the messages where all nodes carry the same features."""
        both = (2.0 * seen[:1] @ folded.node.T + folded.bias)[0]  # sender's and receiver's share are one vector
        summed, weight = torch.empty_like(seen), torch.empty_like(seen[:, :1])
        for block in blocks:
            inner = functional.gelu(torch.addmm(both, block.hidden, folded.edge.T))
            summed[block.nodes] = block.reduce(inner, block.edge)
            weight[block.nodes] = block.reduce(torch.ones_like(inner[:, :1]), block.edge)
        second = layer.phi.second
        return (summed @ second.weight.T + weight * second.bias) * seen


def _messages(
    ends: Tensor, table: Tensor, hidden: Tensor, edge: Tensor, second: Tensor, seen: Tensor, sender: Tensor
) -> Tensor:
    """Messages without the constant of Φ's second map and without the envelope."""
    inner = functional.gelu(_sum(ends, table).addmm_(hidden, edge.T))
    return (inner @ second.T).mul_(seen.index_select(0, sender))


def _slices(last: Tensor, block: int) -> Iterator[slice]:
    """Yield successive nodes with about as many edges as a block has."""
    n_nodes = len(last)
    targets = torch.arange(block, int(last[-1]) + block, block, device=last.device) if n_nodes else last
    stops = torch.searchsorted(last, targets).clamp_(max=n_nodes - 1) + 1
    stops = torch.unique(torch.cat([stops, stops.new_tensor([n_nodes])])).tolist()
    for start, stop in zip([0, *stops[:-1]], stops, strict=True):
        if stop > start:
            yield slice(start, stop)
