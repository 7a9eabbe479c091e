"""Relax the atoms of a crystal's primitive cell by their forces; the cell and the translations stay.

Forces alone suffice: where they are no gradient there may be no place without force, so the number and length of steps
are bounded, and what is left is said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_mlff.simulation.derivatives import FloatArray, Forces, evaluate

FORCE_TOLERANCE = 1e-4
"""Largest force in eV/Å that counts as none: 1e-4 Å at a curvature of 1 eV/Å²."""

MAX_STEPS = 60
"""Steps after which the search ends, converged or not: a force call each, and one at the start."""

LONGEST_STEP = 0.1
"""How far in Å an atom may move in one step."""

_STIFFNESS = 10.0  # eV/Å², the curvature of a first guess, between argon's 0.3 and diamond's 50


@dataclass(frozen=True, slots=True, eq=False)
class Relaxed:
    """Where the atoms came to rest.

    Attributes
    ----------
    positions : ndarray, shape (atom, 3)
        Å.
    force : float
        Largest force in eV/Å that is left on an atom.
    moved : float
        How far in Å the atom that moved most is from its start.
    calls : int
        Force calls.
    """

    positions: FloatArray
    force: float
    moved: float
    calls: int

    @property
    def converged(self) -> bool:
        """Whether the force that is left counts as none."""
        return self.force <= FORCE_TOLERANCE

    @property
    def said(self) -> str:
        """What a reader has to know of it; empty where nothing moved and no force was left."""
        if not self.converged:
            return (
                f"atoms of the primitive cell not at rest after {self.calls} calls, {self.force:.2g} eV/Å left "
                f"(none is below {FORCE_TOLERANCE:g}), moved by {self.moved:.3g} Å"
            )
        return f"atoms of the primitive cell relaxed by {self.moved:.3g} Å" if self.moved else ""


def relax_sublattices(forces: Forces, positions: FloatArray, sublattice: NDArray[np.int64]) -> Relaxed:
    """Move all copies of each atom of the primitive cell together until no force is left on them.

    A quasi-Newton search without an energy (BFGS). The mean force on the crystal moves none of its atoms relative to
    the others and is left out. Nothing moves where symmetry, or a single atom, leaves no force.

    Parameters
    ----------
    forces : callable
        Positions (atom, 3) in Å to forces (atom, 3) in eV/Å.
    positions : ndarray, shape (atom, 3)
        The crystal in Å; not changed.
    sublattice : ndarray of int, shape (atom,)
        Which atom of the primitive cell each is a copy of, from 0 on.

    Returns
    -------
    Relaxed
        The place with the smallest force of those that were tried.
    """
    n = int(sublattice.max()) + 1
    if n == 1:
        return Relaxed(positions, 0.0, 0.0, 0)

    def pull(shift: FloatArray) -> FloatArray:
        found = evaluate(forces, positions + shift.reshape(n, 3)[sublattice])
        mean = np.stack([found[sublattice == k].mean(axis=0) for k in range(n)])
        return np.asarray((mean - mean.mean(axis=0)).ravel())

    shift, hessian = np.zeros(3 * n), _STIFFNESS * np.eye(3 * n)
    force, calls = pull(shift), 1
    best, left = shift, _largest(force, n)
    while left > FORCE_TOLERANCE and calls <= MAX_STEPS:
        step = _newton_step(hessian, force, n)
        shift, calls, before = shift + step, calls + 1, force
        force = pull(shift)
        hessian = _updated(hessian, step, before - force)
        if _largest(force, n) < left:
            best, left = shift, _largest(force, n)
    return Relaxed(positions + best.reshape(n, 3)[sublattice], left, _largest(best, n), calls)


def _newton_step(hessian: FloatArray, force: FloatArray, n: int) -> FloatArray:
    """Step to where a quadratic energy has no force, downhill along negative curvature, and not too long."""
    values, vectors = np.linalg.eigh(hessian)
    step = vectors @ ((vectors.T @ force) / np.abs(values))
    return np.asarray(step * min(1.0, LONGEST_STEP / _largest(step, n)))


def _updated(hessian: FloatArray, step: FloatArray, change: FloatArray) -> FloatArray:
    """BFGS: the curvature along the step becomes the one that was met."""
    met, along = float(change @ step), hessian @ step
    if abs(met) < 1e-12 * float(step @ along):
        return hessian
    return hessian + np.outer(change, change) / met - np.outer(along, along) / float(step @ along)


def _largest(values: FloatArray, n: int) -> float:
    return float(np.linalg.norm(values.reshape(n, 3), axis=1).max())
