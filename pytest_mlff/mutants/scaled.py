"""Mutants that are the reference with other parameters: of all atoms, or of some, or of some sizes.

All offer a native OpenMM force.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pytest_mlff.mutants.base import Altered, FloatArray
from pytest_mlff.potentials import ARGON_EPSILON, ARGON_SIGMA, LennardJones, lennard_jones
from pytest_mlff.units import KCAL_PER_MOL_PER_EV

SIMULATED = 100
"""Atoms of the smallest system that counts as a simulation: more than a test of a fast path takes."""


def scaled_epsilon(factor: float) -> LennardJones:
    """All energies and forces too large by a factor.

    Parameters
    ----------
    factor : float
        Of the well depth.

    Returns
    -------
    LennardJones
        1 − R² = (factor − 1)², frequencies are off by half of factor − 1.
    """
    return lennard_jones(epsilon=factor * ARGON_EPSILON)


def scaled_sigma(factor: float) -> LennardJones:
    """Atoms too large by a factor, the cutoff unchanged.

    Parameters
    ----------
    factor : float
        Of the diameter.

    Returns
    -------
    LennardJones
        Stiff and repulsive at the reference's densities where factor > 1.
    """
    return lennard_jones(sigma=factor * ARGON_SIGMA)


def short_cutoff(cutoff: float) -> LennardJones:
    """Cutoff too short, with the larger force jump that this brings.

    Parameters
    ----------
    cutoff : float
        In units of σ; the reference's is 2.5.

    Returns
    -------
    LennardJones
        The truncated potential.
    """
    return lennard_jones(cutoff=cutoff * ARGON_SIGMA)


def kcal_as_ev() -> LennardJones:
    """Numbers in kcal/mol that are read as eV.

    Returns
    -------
    LennardJones
        Energies and forces 23.06 times too large.
    """
    return lennard_jones(epsilon=KCAL_PER_MOL_PER_EV * ARGON_EPSILON)


class SizeDependent(Altered):
    """The reference with a well depth that knows how many atoms there are."""

    def __init__(self, per_doubling: float) -> None:
        super().__init__()
        self.per_doubling = per_doubling

    def _factor(self, n_atoms: int) -> float:
        return 1.0 + self.per_doubling * math.log2(n_atoms / 256)

    def _pair_terms(self, r2: FloatArray) -> tuple[FloatArray, FloatArray]:
        energy, slope_over_r = super()._pair_terms(r2)
        factor = self._factor(len(self.atoms))
        return factor * energy, factor * slope_over_r

    def openmm_force(self, n_atoms: int) -> Any:
        """Build the same potential as an OpenMM force.

        Parameters
        ----------
        n_atoms : int
            Number of particles of the system it will be added to.

        Returns
        -------
        openmm.NonbondedForce
            That of the reference with the well depth for so many atoms.
        """
        return scaled_epsilon(self._factor(n_atoms)).openmm_force(n_atoms)


def size_dependent(per_doubling: float) -> SizeDependent:
    """Interactions that depend on the number of atoms, as where a network pools over all of them.

    Parameters
    ----------
    per_doubling : float
        Relative growth of the well depth with each doubling of the number of atoms; right at 256.

    Returns
    -------
    SizeDependent
        Energy is not extensive, and a supercell is not what it repeats.
    """
    return SizeDependent(per_doubling)


class IndexDependent(Altered):
    """The reference with well depths that alternate along the list of atoms, combined by Berthelot's rule."""

    def __init__(self, spread: float) -> None:
        super().__init__()
        self.spread = spread

    def _factors(self, n_atoms: int) -> FloatArray:
        return np.where(np.arange(n_atoms) % 2 == 0, 1.0 + self.spread, 1.0 - self.spread)

    def _pair_terms(self, r2: FloatArray) -> tuple[FloatArray, FloatArray]:
        energy, slope_over_r = super()._pair_terms(r2)
        factors = np.sqrt(self._factors(len(self.atoms)))
        factor = factors[self.pairs[0]] * factors[self.pairs[1]]
        return factor * energy, factor * slope_over_r

    def openmm_force(self, n_atoms: int) -> Any:
        """Build the same potential as an OpenMM force.

        Parameters
        ----------
        n_atoms : int
            Number of particles of the system it will be added to.

        Returns
        -------
        openmm.NonbondedForce
            That of the reference with a well depth for each particle.
        """
        force = super().openmm_force(n_atoms)
        for index, factor in enumerate(self._factors(n_atoms)):
            charge, sigma, epsilon = force.getParticleParameters(index)
            force.setParticleParameters(index, charge, sigma, factor * epsilon)
        return force


def index_dependent(spread: float) -> IndexDependent:
    """Interactions that depend on the place in the list of atoms.

    Parameters
    ----------
    spread : float
        Atoms of even index have a well depth larger by this fraction, those of odd index a smaller one.

    Returns
    -------
    IndexDependent
        Energy and forces of one structure change with the order of its atoms.
    """
    return IndexDependent(spread)


class EngineDependent(Altered):
    """The reference, whose native force has other parameters once there are as many atoms as a simulation has."""

    def __init__(self, epsilon: float, sigma: float) -> None:
        super().__init__()
        self.factors = epsilon, sigma

    def openmm_force(self, n_atoms: int) -> Any:
        """Build an OpenMM force that is the potential's in a small system only.

        Parameters
        ----------
        n_atoms : int
            Number of particles of the system it will be added to.

        Returns
        -------
        openmm.NonbondedForce
            The reference's below 100 particles.
        """
        if n_atoms < SIMULATED:
            return super().openmm_force(n_atoms)
        epsilon, sigma = self.factors
        return lennard_jones(epsilon=epsilon * ARGON_EPSILON, sigma=sigma * ARGON_SIGMA).openmm_force(n_atoms)


def engine_dependent(epsilon: float, sigma: float) -> EngineDependent:
    """Right forces when asked for, and those of other parameters where a simulation takes its fast path.

    Parameters
    ----------
    epsilon, sigma : float
        Factors of well depth and diameter on the fast path.

    Returns
    -------
    EngineDependent
        No test of forces sees it; trajectories do.
    """
    return EngineDependent(epsilon, sigma)
