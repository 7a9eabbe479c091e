"""The network against its formulas, and the symmetries, locality and continuity that its form promises."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from pytest_mlff.errors import SpecError

pytest.importorskip("torch")

import torch

from pytest_mlff.gnn.checkpoint import Checkpoint, save_checkpoint
from pytest_mlff.gnn.edges import Edges, blocks
from pytest_mlff.gnn.graph import EdgeFinder
from pytest_mlff.gnn.network import ForceNetwork, NetworkConfig, initialised, smooth_envelope, weights_at_cutoff

CUTOFF, EDGE = 4.0, 9.0
SMALL = {"hidden": 16, "layers": 3, "radial_functions": 10, "cutoff": CUTOFF}
FORMS = list(itertools.product([False, True], repeat=2))  # layer_norm, smooth_cutoff
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def network(*, layer_norm=True, smooth_cutoff=True, dtype=torch.float64, seed=1, **others):
    config = NetworkConfig(**{**SMALL, **others}, layer_norm=layer_norm, smooth_cutoff=smooth_cutoff)
    return initialised(config, seed=seed).to(dtype)


def edges_of(points, *, edge=EDGE, dtype=torch.float64):
    found = EdgeFinder(cutoff=CUTOFF)(points, (edge or 0.0) * np.eye(3), (edge is not None,) * 3)
    return Edges(found.vector.to(dtype), found.sender, found.receiver)


def forces(net, points, *, species=None, edge=EDGE):
    if species is None:
        species = torch.zeros(len(points), dtype=torch.int64)
    with torch.no_grad():
        return net(species, edges_of(points, edge=edge, dtype=net.centres.dtype)).numpy()


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("layer_norm", "smooth_cutoff"), FORMS)
@pytest.mark.parametrize("species", [(18,), (18, 36)])
def test_forces_are_those_of_the_formulas(gas, literal, dtype, layer_norm, smooth_cutoff, species):
    net = network(layer_norm=layer_norm, smooth_cutoff=smooth_cutoff, dtype=dtype, species=species)
    species = torch.arange(14) % len(species)
    edges = edges_of(gas(14, EDGE), dtype=dtype)
    assert (edges.vector.norm(dim=1) > 0.9 * CUTOFF).any()  # or the envelope is not tried
    with torch.no_grad():
        ours, expected = net(species, edges), literal(net, species, edges)
    scale = float(expected.abs().max())
    assert scale > 1e-3
    assert float((ours - expected).abs().max()) <= TOLERANCE[dtype] * scale


@pytest.mark.parametrize(("layer_norm", "smooth_cutoff"), FORMS)
@pytest.mark.parametrize("species", [(18,), (18, 36)])
@pytest.mark.parametrize("block", [1, 7, None])
def test_gradients_are_those_of_the_formulas(gas, literal, monkeypatch, layer_norm, smooth_cutoff, species, block):
    """Of all weights and of the edges' vectors, over one block of edges and over many."""
    net = network(layer_norm=layer_norm, smooth_cutoff=smooth_cutoff, species=species)
    species, edges = torch.arange(14) % len(species), edges_of(gas(14, EDGE))
    edges.vector.requires_grad_()
    sizes = []
    monkeypatch.setattr("pytest_mlff.gnn.network.blocks", lambda *a, size: sizes.append(size) or blocks(*a, size=size))
    sides = [
        torch.autograd.grad(forces.square().sum(), [edges.vector, *net.parameters()])
        for forces in (net.evaluate(species, edges, net.folded(), block=block), literal(net, species, edges))
    ]
    assert sizes == [block]
    for ours, theirs in zip(*sides, strict=True):
        assert float((ours - theirs).abs().max()) <= 1e-9 * float(theirs.abs().max())


@pytest.mark.parametrize("species", [(18,), (18, 36)])
def test_of_no_atoms_there_are_no_forces(species):
    assert forces(network(species=species), np.zeros((0, 3))).shape == (0, 3)


def test_the_gaussians_are_evenly_spaced_from_zero_to_the_cutoff():
    net = network()
    np.testing.assert_allclose(net.centres.numpy(), np.linspace(0.0, CUTOFF, 10), atol=1e-6)
    features, envelope = net.edge_features(torch.tensor([[0.0, 0.0, CUTOFF / 9], [0.0, 3.0, 0.0]], dtype=torch.float64))
    np.testing.assert_allclose(features[0, 3:6].numpy(), np.exp([-0.5, 0.0, -0.5]), rtol=1e-6)
    np.testing.assert_allclose(features[:, :3].numpy(), [[0, 0, 1], [0, 1, 0]], atol=1e-15)
    np.testing.assert_allclose(envelope.numpy(), 1.0)


def test_species_matter(gas):
    net, points = network(species=(18, 36)), gas(10, EDGE)
    one = forces(net, points)
    other = forces(net, points, species=torch.tensor([1] + [0] * 9))
    assert np.abs(other - one).max() > 1e-3 * np.abs(one).max()


def test_atoms_may_be_renumbered(gas):
    net, points = network(species=(18, 36)), gas(14, EDGE)
    species, order = torch.arange(14) % 2, np.random.default_rng(0).permutation(14)
    expected = forces(net, points, species=species)[order]
    found = forces(net, points[order], species=species[torch.from_numpy(order)])
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert np.abs(found - forces(net, points, species=species)).max() > 1e-3  # the order does show


def test_forces_do_not_depend_on_the_origin(gas):
    net, points = network(), gas(14, EDGE)
    moved = points + np.array([3.3, -7.1, 12.9])
    expected = forces(net, points)
    np.testing.assert_allclose(forces(net, moved), expected, atol=1e-11)
    np.testing.assert_allclose(forces(net, moved % EDGE), expected, atol=1e-11)


def test_a_force_reaches_as_many_neighbours_far_as_there_are_layers():
    net = network(layers=2)
    chain = np.zeros((4, 3))
    chain[:, 0] = 0.85 * CUTOFF * np.arange(4)
    expected = forces(net, chain, edge=None)

    def change(atom):
        moved = chain.copy()
        moved[atom] += [0.0, 0.3, 0.2]
        return np.abs(forces(net, moved, edge=None) - expected).max(axis=1)

    assert change(3)[0] == 0.0
    assert change(3)[1] > 1e-6  # two steps away
    assert change(2)[0] > 1e-6


def jump(net, points, atom):
    """Change of all forces when one atom crosses the cutoff of atom 0 on the x axis, and a typical force."""
    inside, outside = points.copy(), points.copy()
    inside[atom], outside[atom] = [CUTOFF * (1 - 1e-9), 0.0, 0.0], [CUTOFF * (1 + 1e-9), 0.0, 0.0]
    before, after = forces(net, inside, edge=None), forces(net, outside, edge=None)
    return np.abs(after - before).max(), np.abs(before).max()


@pytest.mark.parametrize("layer_norm", [False, True])
def test_only_a_smooth_cutoff_lets_an_atom_leave_without_a_jump(layer_norm):
    points = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, 2.2, 0.3], [-1.5, -1.0, 2.0]])
    smooth, scale = jump(network(layer_norm=layer_norm), points, 1)
    assert smooth < 1e-6 * scale
    plain, scale = jump(network(layer_norm=layer_norm, smooth_cutoff=False), points, 1)
    assert plain > 1e-3 * scale


def test_the_envelope_and_two_derivatives_of_it_are_continuous():
    x = torch.tensor([0.0, 0.5, 0.9, 0.95, 1.0, 1.2], dtype=torch.float64)
    np.testing.assert_allclose(smooth_envelope(x).numpy(), [1.0, 1.0, 1.0, 0.5, 0.0, 0.0], atol=1e-13)
    assert (smooth_envelope(torch.linspace(0.9, 1.0, 50)).diff() <= 0.0).all()
    x = torch.tensor([0.9 + 1e-7, 1.0 - 1e-7, 0.95], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(smooth_envelope(x).sum(), x, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), x)
    slope, curvature = slope.detach().abs().numpy(), curvature.abs().numpy()
    assert slope[2] == pytest.approx(18.75)  # 15/8 over a tenth
    assert slope[:2].max() < 1e-8
    assert curvature[:2].max() < 0.01  # its largest is 577


def test_a_seed_gives_the_weights_and_the_global_random_state_is_left_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one = network(seed=3).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    again, other = network(seed=3).state_dict(), network(seed=4).state_dict()
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert not torch.equal(one["encoder.0.weight"], other["encoder.0.weight"])


def test_the_default_network_is_of_the_size_it_says(tmp_path):
    net = initialised(NetworkConfig(), seed=0)
    assert sum(weight.numel() for weight in net.parameters()) == 369_667
    path = tmp_path / "model.pt"
    save_checkpoint(Checkpoint(network=net.config, weights=net.state_dict(), force_scale=0.04), path)
    assert path.stat().st_size <= 5_000_000


@pytest.mark.parametrize(("layer_norm", "smooth_cutoff"), FORMS)
def test_every_weight_can_be_trained(gas, layer_norm, smooth_cutoff):
    net = network(layer_norm=layer_norm, smooth_cutoff=smooth_cutoff)
    net(torch.zeros(10, dtype=torch.int64), edges_of(gas(10, EDGE))).square().sum().backward()
    still = [name for name, weight in net.named_parameters() if weight.grad is None or not weight.grad.abs().max() > 0]
    assert still == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"cutoff": 0.0},
        {"cutoff": float("nan")},
        {"hidden": 0},
        {"layers": -1},
        {"radial_functions": 1},
        {"species": ()},
    ],
)
def test_a_form_that_cannot_be_is_refused(wrong):
    with pytest.raises(SpecError, match="network: "):
        NetworkConfig(**wrong)


def test_weights_at_another_cutoff_are_the_same_function_of_the_distance():
    """Where the Gaussians of both forms reach, the encoder sees the same; all other weights stay."""
    old = network(dtype=torch.float64)
    frequency = torch.linspace(0.0, 2.0, old.config.hidden, dtype=torch.float64)
    with torch.no_grad():  # smooth functions: what the old Gaussians resolve and the new ones do not is lost
        old.encoder.first.weight[:, 3:] = torch.cos(frequency[:, None] * old.centres)
    form = replace(old.config, cutoff=1.15 * CUTOFF)
    moved = weights_at_cutoff(old.state_dict(), old.config, form)
    new = ForceNetwork(form).double()
    new.load_state_dict(moved)
    vector = torch.linspace(1.0, CUTOFF, 200, dtype=torch.float64)[:, None] * torch.tensor([[0.6, 0.0, 0.8]]).double()
    before, after = (net.encoder.first(net.edge_features(vector)[0]) for net in (old, new))
    assert float((after - before).detach().abs().max()) < 0.02 * float(before.detach().std())
    changed = [name for name, weight in old.state_dict().items() if not torch.equal(weight, moved[name])]
    assert changed == ["encoder.0.weight"]
    same = weights_at_cutoff(old.state_dict(), old.config, old.config)
    assert all(torch.allclose(same[name], weight, atol=1e-9) for name, weight in old.state_dict().items())
