"""Velocities to start from."""

from __future__ import annotations

import numpy as np


def thermal_velocities(rng: np.random.Generator, relative: np.ndarray) -> np.ndarray:
    """Draw velocities without net momentum for atoms of relative masses (atom, 1).

    Returns
    -------
    ndarray, shape (atom, xyz)
        Normal, of variance 1 for an atom of relative mass 1; whoever asks scales them to a temperature.
    """
    velocity = rng.standard_normal((len(relative), 3)) / np.sqrt(relative)
    return np.asarray(velocity - (relative * velocity).mean(axis=0) / relative.mean())
