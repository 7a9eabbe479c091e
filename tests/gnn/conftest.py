"""What the network's tests share: configurations, and their edges found by going through all images."""

from __future__ import annotations

import itertools

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
