"""The edges of a graph, in blocks that fit the processor's cache: rows of nodes gathered on them, and summed over them.

A block holds all edges of some successive receivers, so that no sum goes over two blocks. Gathering from both ends of
an edge and summing over the edges of a node are weighted sums of rows of a table (``embedding_bag``), one pass each.
Their derivatives are written here, because torch's own derivative of such a sum is several times slower. Imports
nothing of this room.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

BLOCK = 4096
"""Edges evaluated at a time on a CPU, up to the last one of a node: 2 MB a tensor in float32."""
DEVICE_BLOCK = 2**18
"""The same on a GPU, where launches cost more than a cache saves: 134 MB a tensor. An H200 needs a fifth more time with
a quarter of it, and 3 % less with four times as much."""

_sum = partial(functional.embedding_bag, mode="sum")


@dataclass(frozen=True, slots=True)
class Edges:
    """The edges of one or more configurations, sorted by receiver.

    Attributes
    ----------
    vector : Tensor, shape (edge, 3)
        From receiver to sender, in Å.
    sender, receiver : Tensor of int64, shape (edge,)
        Node indices.
    """

    vector: Tensor
    sender: Tensor
    receiver: Tensor

    def to(self, device: str, dtype: torch.dtype) -> Edges:
        """Move them to a device, with vectors of a floating type.

        Parameters
        ----------
        device : str
            As torch calls it.
        dtype : torch.dtype
            Of the vectors.

        Returns
        -------
        Edges
            On the device; without a copy of what is there already.
        """
        return Edges(self.vector.to(device, dtype), self.sender.to(device), self.receiver.to(device))


@dataclass(frozen=True, slots=True)
class Block:
    """The edges of some successive receivers.

    Attributes
    ----------
    nodes : slice
        The receivers.
    edges : slice
        Where they lie among all edges.
    first : Tensor of int64, shape (receiver,)
        Each receiver's first edge, counted in the block.
    number : Tensor of int64, shape (edge,)
        The edges' numbers: 0, 1, 2, ...
    sender, receiver : Tensor of int64, shape (edge,)
        Nodes.
    ends : Tensor of int64, shape (edge, 2)
        Rows of receiver and sender in a table of all nodes as receivers, then all as senders.
    """

    nodes: slice
    edges: slice
    first: Tensor
    number: Tensor
    sender: Tensor
    receiver: Tensor
    ends: Tensor

    def gather(self, table: Tensor) -> Tensor:
        """Add the rows of an edge's two ends.

        Parameters
        ----------
        table : Tensor, shape (2 node, h)
            Rows of all nodes as receivers, then of all as senders.

        Returns
        -------
        Tensor, shape (edge, h)
            A tensor of its own, which may be changed in place.
        """
        gathered: Tensor = _Gather.apply(table, self)  # type: ignore[no-untyped-call]
        return gathered

    def reduce(self, rows: Tensor, weight: Tensor | None = None) -> Tensor:
        """Sum rows over the edges of each receiver.

        Parameters
        ----------
        rows : Tensor, shape (edge, h)
            What is summed.
        weight : Tensor, shape (edge,), optional
            Of the rows; 1 by default.

        Returns
        -------
        Tensor, shape (receiver, h)
            Zero for a receiver without edges.
        """
        reduced: Tensor = _Reduce.apply(rows, weight, self)  # type: ignore[no-untyped-call]
        return reduced


@dataclass(frozen=True, slots=True)
class Encoded:
    """A block of edges with what is the same on them in every layer: the encoder's hidden layer, and the envelope."""

    block: Block
    hidden: Tensor
    envelope: Tensor | None

    def reduce(self, rows: Tensor) -> Tensor:
        """Sum rows over the edges of each receiver, weighted by the envelope."""
        return self.block.reduce(rows, self.envelope)


def blocks(edges: Edges, n_nodes: int, *, size: int | None = None) -> Iterator[Block]:
    """Cut the edges behind the last one of a node.

    Parameters
    ----------
    edges : Edges
        Of all nodes.
    n_nodes : int
        Number of nodes.
    size : int, optional
        Edges of a block, up to the last one of a node; by default what suits their device.

    Yields
    ------
    Block
        Every node is a receiver in exactly one, in order.
    """
    size = size or (BLOCK if edges.receiver.device.type == "cpu" else DEVICE_BLOCK)
    last = torch.bincount(edges.receiver, minlength=n_nodes).cumsum(0)
    number = torch.arange(len(edges.sender), device=last.device)
    ends = torch.stack([edges.receiver, edges.sender + n_nodes], dim=1)
    start = 0
    for nodes in _slices(last, size):
        stop = int(last[nodes.stop - 1])
        here = slice(start, stop)
        yield Block(
            nodes=nodes,
            edges=here,
            first=functional.pad(last[nodes.start : nodes.stop - 1], (1, 0), value=start) - start,
            number=number[: stop - start],
            sender=edges.sender[here],
            receiver=edges.receiver[here],
            ends=ends[here],
        )
        start = stop


def _slices(last: Tensor, size: int) -> Iterator[slice]:
    """Yield successive nodes with about as many edges as a block has."""
    n_nodes = len(last)
    targets = torch.arange(size, int(last[-1]) + size, size, device=last.device) if n_nodes else last
    stops = torch.searchsorted(last, targets).clamp_(max=n_nodes - 1) + 1
    stops = torch.unique(torch.cat([stops, stops.new_tensor([n_nodes])])).tolist()
    for start, stop in zip([0, *stops[:-1]], stops, strict=True):
        if stop > start:
            yield slice(start, stop)


class _Gather(torch.autograd.Function):
    """Rows of the two ends of each edge, added."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, block: Block) -> Tensor:
        ctx.block, ctx.n_rows = block, len(table)
        return _sum(block.ends, table)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        block, n_nodes = ctx.block, ctx.n_rows // 2
        table = grad.new_zeros(ctx.n_rows, grad.shape[1])
        table[block.nodes] = _sum(block.number, grad, block.first)
        table[n_nodes:].index_add_(0, block.sender, grad)
        return table, None


class _Reduce(torch.autograd.Function):
    """Weighted sum over the edges of each receiver."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor | None, block: Block) -> Tensor:
        ctx.block = block
        ctx.save_for_backward(weight, rows if ctx.needs_input_grad[1] else None)
        return _sum(block.number, rows, block.first, per_sample_weights=weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, None]:
        weight, rows = ctx.saved_tensors
        spread = grad.index_select(0, ctx.block.receiver - ctx.block.nodes.start)
        of_weight = None if rows is None else (spread * rows).sum(dim=1)
        return spread if weight is None else spread.mul_(weight[:, None]), of_weight, None
