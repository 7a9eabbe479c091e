"""The network on DGL's message passing: the same forces from the same weights."""

from __future__ import annotations

import importlib.util
import itertools
import os
import sys

import numpy as np
import pytest

from pytest_mlff.errors import SpecError

pytest.importorskip("torch")

import torch

from pytest_mlff.gnn import dgl_backend
from pytest_mlff.gnn.dgl_backend import DglNetwork
from pytest_mlff.gnn.edges import Edges
from pytest_mlff.gnn.graph import EdgeFinder
from pytest_mlff.gnn.network import NetworkConfig, initialised

# where oracles are required and there is a wheel, a missing DGL fails these tests by its error
HAS_WHEEL = sys.version_info < (3, 12)
needs_dgl = pytest.mark.skipif(
    importlib.util.find_spec("dgl") is None and not (HAS_WHEEL and os.environ.get("MLFF_REQUIRE_ORACLES")),
    reason="DGL is not installed (extra dgl; no wheel from Python 3.12 on)",
)
FORMS = list(itertools.product([False, True], repeat=2))  # layer_norm, smooth_cutoff
CUTOFF = 4.0
SYSTEMS = {  # atoms, edge of the cube, periodic
    "a gas": (24, 12.0, True),
    "more atoms": (90, 15.0, True),
    "several edges between two atoms": (8, 5.5, True),
    "its own images only": (1, 3.5, True),
    "not periodic": (24, 9.0, False),
}


def network(*, layer_norm=True, smooth_cutoff=True, dtype=torch.float64, species=(18, 36)):
    form = {"hidden": 16, "layers": 3, "radial_functions": 10, "cutoff": CUTOFF, "species": species}
    config = NetworkConfig(**form, layer_norm=layer_norm, smooth_cutoff=smooth_cutoff)
    return initialised(config, seed=2).to(dtype)


def graph(points, edge, *, periodic=True, dtype=torch.float64, n_species=2):
    """Edges, and species that alternate."""
    found = EdgeFinder(cutoff=CUTOFF)(points, edge * np.eye(3), (periodic,) * 3)
    return torch.arange(len(points)) % n_species, Edges(found.vector.to(dtype), found.sender, found.receiver)


def assert_same(net, species, edges):
    """To 1e-5 in float32, and to rounding in float64, of the largest force."""
    with torch.no_grad():
        ours, theirs = net(species, edges), DglNetwork(net)(species, edges)
    limit = 1e-5 if ours.dtype == torch.float32 else 1e-12
    assert float(ours.abs().max()) > 1e-3
    assert float((ours - theirs).abs().max()) <= limit * float(ours.abs().max())


@needs_dgl
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize(("layer_norm", "smooth_cutoff"), FORMS)
def test_forces_are_those_of_the_torch_path(gas, layer_norm, smooth_cutoff, name, dtype):
    n_atoms, edge, periodic = SYSTEMS[name]
    species, edges = graph(gas(n_atoms, edge), edge, periodic=periodic, dtype=dtype)
    assert len(edges.sender) > 0
    assert_same(network(layer_norm=layer_norm, smooth_cutoff=smooth_cutoff, dtype=dtype), species, edges)


@needs_dgl
@pytest.mark.parametrize("alone", [1, 3])
def test_an_atom_without_edges_has_the_same_force(gas, alone):
    """The last atoms are far from all others, and once all are: a graph without any edge."""
    points = np.vstack([gas(12, 8.0), [[40.0 + 10.0 * k] * 3 for k in range(alone)]])
    species, edges = graph(points, 100.0)
    assert edges.receiver.max() < 12
    assert_same(network(), species, edges)
    species, edges = graph(points[12:], 100.0)
    assert len(edges.sender) == 0
    assert_same(network(), species, edges)


@needs_dgl
@pytest.mark.parametrize("n_species", [1, 2])
@pytest.mark.parametrize(("layer_norm", "smooth_cutoff"), FORMS)
def test_gradients_are_those_of_the_torch_path(gas, layer_norm, smooth_cutoff, n_species):
    net = network(layer_norm=layer_norm, smooth_cutoff=smooth_cutoff, species=(18, 36)[:n_species])
    species, edges = graph(gas(20, 9.0), 9.0, n_species=n_species)
    edges.vector.requires_grad_()
    sides = [
        torch.autograd.grad(side(species, edges).square().sum(), [edges.vector, *net.parameters()])
        for side in (net, DglNetwork(net))
    ]
    for ours, theirs in zip(*sides, strict=True):
        assert float((ours - theirs).abs().max()) <= 1e-9 * float(ours.abs().max())


@needs_dgl
def test_weights_are_shared(gas):
    net = network()
    species, edges = graph(gas(20, 9.0), 9.0)
    other = DglNetwork(net)
    with torch.no_grad():
        before = other(species, edges)
        net.decoder[2].bias += 1.0
        np.testing.assert_allclose(other(species, edges), before + 1.0, atol=1e-12)


def test_without_dgl_the_module_loads_and_the_network_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "dgl", None)
    spec = importlib.util.spec_from_file_location("fresh_dgl_backend", dgl_backend.__file__)
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    with pytest.raises(SpecError, match=r"pip install 'pytest-mlff\[dgl\]'") as caught:
        fresh.DglNetwork(network())
    assert "\n" not in str(caught.value)
