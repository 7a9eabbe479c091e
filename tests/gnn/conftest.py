"""What the network's tests share: configurations, and their edges found by going through all images."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest


def images_within(position, cell, pbc, cutoff):
    """Every pair through every periodic image: receiver, sender, vector, by receiver, sender and vector."""
    position, cell = np.asarray(position, float), np.asarray(cell, float)
    counts = [0, 0, 0]
    if any(pbc):
        heights = 1.0 / np.linalg.norm(np.linalg.pinv(cell), axis=0)
        spread = np.ptp(position, axis=0).max()
        counts = [
            int(np.ceil((cutoff + np.sqrt(3.0) * spread) / h)) if on else 0 for h, on in zip(heights, pbc, strict=True)
        ]
    found = []
    for shift in itertools.product(*(range(-n, n + 1) for n in counts)):
        vector = position[None] - position[:, None] + np.array(shift) @ cell
        distance = np.linalg.norm(vector, axis=2)
        receiver, sender = np.nonzero((distance < cutoff) & ((distance > 0.0) | bool(any(shift))))
        found += [(i, j, *vector[i, j]) for i, j in zip(receiver, sender, strict=True)]
    table = np.array(found).reshape(-1, 5)
    return table[np.lexsort(np.round(table, 6).T[::-1])]


@pytest.fixture(scope="session")
def all_images():
    return images_within


@pytest.fixture(scope="session")
def gas():
    """Positions (atom, 3) in a cubic cell, none closer than 2 Å to another through any face, from a seed."""

    def make(n_atoms, edge, *, seed=0):
        rng, points = np.random.default_rng(seed), np.empty((0, 3))
        while len(points) < n_atoms:
            trial = edge * rng.random(3)
            apart = points - trial
            apart -= edge * np.round(apart / edge)
            if not (np.linalg.norm(apart, axis=1) < 2.0).any():
                points = np.vstack([points, trial])
        return points

    return make


@pytest.fixture(scope="session")
def literal():
    """The network as its formulas stand, to compare with."""
    return literal_forces


def literal_forces(net, species, edges):
    """The formulas of the docstring of ``network``, edge by edge, from the weights alone; differentiable."""
    torch = pytest.importorskip("torch")
    weights, config = dict(net.named_parameters()), net.config

    def linear(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def mlp(x, name):
        inner = linear(x, f"{name}.0")
        return linear(0.5 * inner * (1.0 + torch.erf(inner / math.sqrt(2.0))), f"{name}.2")

    def norm(x, name):
        if not config.layer_norm:
            return x
        centred = x - x.mean(dim=1, keepdim=True)
        scaled = centred / torch.sqrt((centred**2).mean(dim=1, keepdim=True) + 1e-5)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    d = torch.sqrt((edges.vector**2).sum(dim=1, keepdim=True))
    width = config.cutoff / (config.radial_functions - 1)
    radial = torch.exp(-((d - net.centres) ** 2) / (2.0 * width**2))
    encoded = mlp(torch.cat([edges.vector / d, radial], dim=1), "encoder")
    x = ((d / config.cutoff - 0.9) / 0.1).clamp(0.0, 1.0)
    f = 1.0 - 10.0 * x**3 + 15.0 * x**4 - 6.0 * x**5 if config.smooth_cutoff else torch.ones_like(d)
    v = weights["embedding.weight"][species]
    for k in range(config.layers):
        name = f"message_layers.{k}"
        seen, e = norm(v, f"{name}.norm"), linear(encoded, f"{name}.edge_affine")
        received = torch.zeros_like(v).detach()
        for edge, (i, j) in enumerate(zip(edges.receiver.tolist(), edges.sender.tolist(), strict=True)):
            received[i] += f[edge] * mlp(seen[j] + e[edge] + seen[i], f"{name}.phi") * seen[j]
        v = v + mlp(seen + received, f"{name}.theta")
    return mlp(norm(v, "decoder_norm"), "decoder")
