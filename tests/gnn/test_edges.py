"""Blocks of edges: each node once, sums and their derivatives as a loop over the edges has them."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from pytest_mlff.gnn.edges import Edges, blocks

N_NODES = 9
RECEIVER = [0, 0, 0, 2, 3, 3, 6, 6, 6, 6]  # 1, 4, 5, 7 and 8 have no edge


@pytest.fixture
def edges():
    rng = torch.Generator().manual_seed(3)
    sender = torch.randint(N_NODES, (len(RECEIVER),), generator=rng)
    vector = torch.randn(len(RECEIVER), 3, generator=rng, dtype=torch.float64)
    return Edges(vector, sender, torch.tensor(RECEIVER))


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 100, None])
def test_every_node_and_every_edge_is_in_one_block(edges, size):
    found = list(blocks(edges, N_NODES, size=size))
    assert [node for block in found for node in range(N_NODES)[block.nodes]] == list(range(N_NODES))
    assert torch.equal(torch.cat([block.receiver for block in found]), edges.receiver)
    assert torch.equal(torch.cat([block.sender for block in found]), edges.sender)
    assert torch.equal(torch.cat([edges.vector[block.edges] for block in found]), edges.vector)
    if size is not None and size < 4:
        assert len(found) > 1
        assert max(len(block.sender) for block in found) <= size + 3  # up to the last one of a node


@pytest.mark.parametrize("n_nodes", [0, 3])
def test_without_edges_there_is_at_most_one_block(n_nodes):
    none = torch.zeros(0, dtype=torch.int64)
    found = list(blocks(Edges(torch.zeros(0, 3), none, none), n_nodes))
    assert [block.nodes for block in found] == ([slice(0, 3)] if n_nodes else [])
    for block in found:
        assert torch.equal(block.reduce(torch.ones(0, 2)), torch.zeros(3, 2))
        assert block.gather(torch.ones(6, 2)).shape == (0, 2)


@pytest.mark.parametrize("size", [2, None])
@pytest.mark.parametrize("weighted", [False, True])
def test_sums_are_those_of_a_loop(edges, size, weighted):
    rows, weight, table = random(len(RECEIVER), 4), random(len(RECEIVER)), random(2 * N_NODES, 4)
    summed, both = torch.zeros(N_NODES, 4, dtype=torch.float64), torch.zeros_like(rows)
    for edge, (i, j) in enumerate(zip(RECEIVER, edges.sender.tolist(), strict=True)):
        summed[i] += rows[edge] * (weight[edge] if weighted else 1.0)
        both[edge] = table[i] + table[N_NODES + j]
    found = list(blocks(edges, N_NODES, size=size))
    parts = [block.reduce(rows[block.edges], weight[block.edges] if weighted else None) for block in found]
    torch.testing.assert_close(torch.cat(parts), summed, rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(torch.cat([block.gather(table) for block in found]), both, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("size", [2, None])
def test_derivatives_are_those_of_differences(edges, size):
    for block in blocks(edges, N_NODES, size=size):
        n_edges = len(block.sender)
        rows, weight = random(n_edges, 2).requires_grad_(), random(n_edges).requires_grad_()
        table = random(2 * N_NODES, 2).requires_grad_()
        assert torch.autograd.gradcheck(block.gather, table)
        assert torch.autograd.gradcheck(block.reduce, rows)
        assert torch.autograd.gradcheck(block.reduce, (rows, weight))
        assert torch.autograd.gradcheck(block.reduce, (rows, weight.detach()))


def test_a_second_derivative_is_refused(edges):
    (block,) = blocks(edges, N_NODES)
    rows = random(len(RECEIVER), 2).requires_grad_()
    (slope,) = torch.autograd.grad(block.reduce(rows).square().sum(), rows, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()
