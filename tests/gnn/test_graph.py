"""Edges against a search through all images."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pytest_mlff.errors import ObservableError

pytest.importorskip("torch")

import torch

from pytest_mlff.gnn.graph import EdgeFinder

CUTOFF = 4.0
CUBE, ALL, NONE = np.eye(3), (True,) * 3, (False,) * 3
SKEW = np.array([[7.0, 0.0, 0.0], [2.0, 8.0, 0.0], [-1.5, 1.0, 9.0]])
SYSTEMS = {
    "wider than two cutoffs": (12, 9.0 * CUBE, ALL),
    "narrower than two cutoffs": (5, 5.0 * CUBE, ALL),
    "narrower than one cutoff": (2, 3.0 * CUBE, ALL),
    "its own images only": (1, 3.5 * CUBE, ALL),
    "skew": (9, SKEW, ALL),
    "not periodic": (12, np.zeros((3, 3)), NONE),
    "not periodic in a cell": (12, 6.0 * CUBE, NONE),
    "a wire": (12, 5.0 * CUBE, (False, False, True)),
    "a slab": (12, 6.0 * CUBE, (True, True, False)),
    "nobody near": (1, 9.0 * CUBE, ALL),
}


def positions(n_atoms, cell, *, seed=0):
    """Scattered through the cell and its neighbours, as those of unwrapped atoms are."""
    rng = np.random.default_rng(seed)
    if not np.any(cell):
        return 7.0 * rng.random((n_atoms, 3))
    return rng.uniform(-0.3, 1.6, size=(n_atoms, 3)) @ cell


def table(edges):
    rows = np.column_stack([edges.receiver.numpy(), edges.sender.numpy(), edges.vector.numpy()])
    return rows[np.lexsort(np.round(rows, 6).T[::-1])]


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("skin", [0.0, 0.8])
def test_edges_are_all_pairs_through_all_images(all_images, name, skin):
    n_atoms, cell, pbc = SYSTEMS[name]
    points = positions(n_atoms, cell)
    expected = all_images(points, cell, pbc, CUTOFF)
    assert len(expected) > 0 or name == "nobody near"
    edges = EdgeFinder(cutoff=CUTOFF, skin=skin)(points, cell, pbc)
    np.testing.assert_allclose(table(edges), expected, atol=1e-12)
    pairs = edges.receiver.numpy() * n_atoms + edges.sender.numpy()
    assert np.all(np.diff(pairs) >= 0)  # by receiver, then by sender


def test_a_narrow_cell_joins_a_pair_by_several_edges(all_images):
    edges = EdgeFinder(cutoff=CUTOFF)([[0.0, 0.0, 0.0], [1.5, 0.0, 0.0]], 3.0 * CUBE, ALL)
    pairs = list(zip(edges.receiver.tolist(), edges.sender.tolist(), strict=True))
    assert pairs.count((0, 1)) > 1
    assert pairs.count((0, 0)) == 6  # (±1, 0, 0) and so on; (1, 1, 0) is 4.24 Å away


def test_edges_stay_right_while_atoms_move_within_the_skin_and_beyond(all_images):
    """Both a list that is used again and one that is made anew; a search that never looks again would fail."""
    cell, rng = 9.0 * CUBE, np.random.default_rng(3)
    points, finder = positions(20, cell), EdgeFinder(cutoff=CUTOFF, skin=1.0)
    first = finder(points, cell, ALL)
    kept = first.vector.clone()
    for length in (0.05, 0.05, 0.1, 0.3, 3.0, 0.1):
        points = points + length * rng.uniform(-1.0, 1.0, size=points.shape)
        np.testing.assert_allclose(table(finder(points, cell, ALL)), all_images(points, cell, ALL, CUTOFF), atol=1e-12)
    assert (first.vector == kept).all()  # what was handed out before is not written over


@pytest.mark.parametrize("edge", [9.0, 5.0])
def test_the_order_of_edges_depends_on_the_positions_alone(edge):
    """Else sums would differ in their last bits between a run and its continuation, whose list is new."""
    points, rng = positions(12, edge * CUBE), np.random.default_rng(0)
    finder = EdgeFinder(cutoff=CUTOFF, skin=1.0)
    for _ in range(6):
        points = points + rng.uniform(-0.12, 0.12, size=points.shape)
        reused, fresh = finder(points, edge * CUBE, ALL), EdgeFinder(cutoff=CUTOFF, skin=1.0)(points, edge * CUBE, ALL)
        for name in ("sender", "receiver", "vector"):
            assert torch.equal(getattr(reused, name), getattr(fresh, name)), name


def test_another_system_is_searched_anew(all_images):
    """The skin must not carry a list over to another cell, other periodic directions or another number of atoms."""
    points, finder = positions(12, 6.0 * CUBE), EdgeFinder(cutoff=CUTOFF, skin=1.0)
    for n_atoms, cell, pbc in [(12, 6.0, ALL), (12, 6.1, ALL), (12, 6.1, NONE), (7, 6.1, NONE), (12, 9.0, ALL)]:
        found = table(finder(points[:n_atoms], cell * CUBE, pbc))
        np.testing.assert_allclose(found, all_images(points[:n_atoms], cell * CUBE, pbc, CUTOFF), atol=1e-12)


@pytest.mark.parametrize("edge", [9.0, 5.0])
def test_copies_follow_one_another_each_with_its_own_edges(edge):
    """While the atoms of one of them move through the skin and the others rest."""
    cell, rng = edge * CUBE, np.random.default_rng(1)
    stack, finder = np.stack([positions(12, cell, seed=seed) for seed in range(3)]), EdgeFinder(cutoff=CUTOFF, skin=1.0)
    for _ in range(6):
        stack[1] += rng.uniform(-0.2, 0.2, size=(12, 3))
        found, parts = finder(stack, cell, ALL), [EdgeFinder(cutoff=CUTOFF)(points, cell, ALL) for points in stack]
        assert torch.equal(found.vector, torch.cat([part.vector for part in parts]))
        for name in ("sender", "receiver"):
            expected = torch.cat([getattr(part, name) + 12 * copy for copy, part in enumerate(parts)])
            assert torch.equal(getattr(found, name), expected)


def test_one_graph_is_no_graph_of_its_copies():
    """The list of one must not serve for three of it."""
    points, finder = positions(12, 9.0 * CUBE), EdgeFinder(cutoff=CUTOFF, skin=1.0)
    one, three = finder(points, 9.0 * CUBE, ALL), finder(np.stack([points] * 3), 9.0 * CUBE, ALL)
    assert len(one.sender) > 0
    assert torch.equal(three.vector, one.vector.repeat(3, 1))


def test_what_is_changed_in_place_is_seen(all_images):
    """The list must keep its own copy of where the atoms were, and of the cell."""
    points, cell = positions(12, 9.0 * CUBE), 9.0 * CUBE
    finder, rng = EdgeFinder(cutoff=CUTOFF, skin=1.0), np.random.default_rng(0)
    finder(points, cell, ALL)
    points += rng.uniform(-3.0, 3.0, size=points.shape)
    np.testing.assert_allclose(table(finder(points, cell, ALL)), all_images(points, cell, ALL, CUTOFF), atol=1e-12)
    cell *= 0.8
    np.testing.assert_allclose(table(finder(points, cell, ALL)), all_images(points, cell, ALL, CUTOFF), atol=1e-12)


@pytest.mark.parametrize("edge", [9.0, 5.0])
def test_the_order_does_not_depend_on_that_of_the_search(edge):
    """On a GPU it is another one each time. At 5 Å an atom sees several images of another."""
    points, shuffled = positions(12, edge * CUBE), EdgeFinder(cutoff=CUTOFF, skin=1.0)
    compute, rng = shuffled._search.compute, np.random.default_rng(0)

    def search(**given):
        found = compute(**given)
        order = torch.from_numpy(rng.permutation(len(found[0])))
        return [part.view(torch.int64)[order] if part.dtype == torch.uint64 else part[order] for part in found]

    shuffled._search = SimpleNamespace(compute=search)
    expected, found = (find(points, edge * CUBE, ALL) for find in (EdgeFinder(cutoff=CUTOFF, skin=1.0), shuffled))
    for name in ("sender", "receiver", "vector"):
        assert torch.equal(getattr(found, name), getattr(expected, name)), name


def test_a_search_serves_until_an_atom_has_moved_by_half_the_skin():
    """In every copy: the fastest atom of all decides."""
    stack = np.stack([positions(12, 9.0 * CUBE, seed=seed) for seed in range(2)])
    finder, searches = EdgeFinder(cutoff=CUTOFF, skin=1.0), 0
    compute = finder._search.compute

    def counted(**given):
        nonlocal searches
        searches += 1
        return compute(**given)

    finder._search = SimpleNamespace(compute=counted)
    for moved, expected in [(0.0, 2), (0.49, 2), (0.5, 2), (0.51, 4), (0.9, 4), (1.02, 6)]:
        here = stack.copy()
        here[1, 7, 2] += moved
        finder(here, 9.0 * CUBE, ALL)
        assert searches == expected, moved


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_positions_that_are_not_finite_are_refused(bad):
    points = positions(4, 9.0 * CUBE)
    points[2, 1] = bad
    with pytest.raises(ObservableError, match="1 of 4 atoms"):
        EdgeFinder(cutoff=CUTOFF)(points, 9.0 * CUBE, ALL)
