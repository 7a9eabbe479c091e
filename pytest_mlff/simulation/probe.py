"""The liquid probe: a configuration in which no pair distance lies near the cutoff.

A plainly truncated potential has a force jump at the cutoff. A pair that crosses it within a difference step
adds the jump over 2h to one element of the Hessian, and not to its mirror image, so that even the exact
potential seems asymmetric. At 108 atoms, ρ* = 0.76 and r_c = 8.5 Å about 76 pairs lie within 0.04 Å of the
cutoff in any thermal configuration: none is free of them, and one has to be made.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_mlff.cells import fractions, perpendicular_widths
from pytest_mlff.errors import ObservableError

FloatArray: TypeAlias = NDArray[np.float64]

PROBE_ATOMS = 108
"""Atoms of the probe that the reference ships."""


def make_probe(
    positions: ArrayLike, cell: ArrayLike, *, cutoff: float, margin: float = 0.04, max_iterations: int = 2000
) -> FloatArray:
    """Move atoms as little as needed until no pair distance lies within ``margin`` of ``cutoff``.

    Every offending pair is pushed apart or together along its line, each to the nearer edge of the window,
    until none is left (projection onto the constraints, as SHAKE does it). Deterministic; the centre of mass
    stays.

    Parameters
    ----------
    positions : array_like, shape (N, 3)
        A thermal configuration in Å; not changed.
    cell : array_like, shape (3, 3)
        Cell vectors as rows, in Å.
    cutoff : float
        The cutoff in Å.
    margin : float
        Half width of the window in Å, four times the difference step.
    max_iterations : int
        Sweeps over all pairs before giving up.

    Returns
    -------
    ndarray, shape (N, 3)
        The probe in Å.

    Raises
    ------
    ObservableError
        If the window does not fit into half the cell, or the sweeps do not end.
    """
    vectors = np.asarray(cell, dtype=float)
    start, width = np.array(positions, dtype=float), float(perpendicular_widths(vectors).min())
    if cutoff + margin >= 0.5 * width:
        raise ObservableError(
            f"cutoff + margin = {cutoff + margin:.3f} Å must stay below half the cell's smallest width "
            f"({0.5 * width:.3f} Å); use a larger system"
        )
    first, second = np.triu_indices(len(start), k=1)
    probe, target = start.copy(), 1.05 * margin  # aim a little past the edge, so that the sweeps end
    for _ in range(max_iterations):
        difference = probe[second] - probe[first]
        difference -= np.round(fractions(difference, vectors)) @ vectors
        distance = np.linalg.norm(difference, axis=1)
        excess = distance - cutoff
        inside = np.abs(excess) <= margin
        if not inside.any():
            return probe
        wanted = np.where(excess[inside] >= 0.0, target, -target) - excess[inside]
        push = 0.5 * (wanted / distance[inside])[:, np.newaxis] * difference[inside]
        np.add.at(probe, second[inside], push)
        np.add.at(probe, first[inside], -push)
    raise ObservableError(
        f"{int(inside.sum())} pairs still within {margin} Å of {cutoff} Å after {max_iterations} sweeps; "
        f"pass a smaller margin or another configuration"
    )
