"""Lennard-Jones: an ASE calculator that also offers a native OpenMM force.

The reference of the argon system is this calculator, and so is the cheapest candidate there is:
``--mlff-model='pytest_mlff.potentials:lennard_jones(epsilon=0.0103)'`` runs at OpenMM's own speed.
May import ``schema``, ``units`` and ``errors``.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.cell import Cell
from ase.stress import full_3x3_to_voigt_6_stress
from vesin import NeighborList

from pytest_mlff.units import ANGSTROM_PER_NM, KJ_PER_MOL_PER_EV

ARGON_EPSILON = 0.0103
"""Well depth of argon in eV (Mohanty et al., Comput. Phys. Commun. 288, 108723, 2023)."""
ARGON_SIGMA = 3.40
"""Diameter of argon in Å (same source)."""
ARGON_CUTOFF = 8.5
"""Plain truncation radius in Å, 2.5 σ (same source)."""


class LennardJones(Calculator):  # type: ignore[misc]  # ase is not typed
    """Lennard-Jones potential, plainly truncated; the energy is shifted by V(r_c) per pair.

    Parameters
    ----------
    epsilon : float
        Well depth in eV.
    sigma : float
        Zero of the unshifted potential in Å.
    cutoff : float
        Truncation radius in Å. Forces are those of the plain truncation: they jump to zero there.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "forces", "stress"]

    def __init__(self, *, epsilon: float, sigma: float, cutoff: float) -> None:
        super().__init__()
        if not (0 <= epsilon < math.inf and 0 < sigma < math.inf and 0 < cutoff < math.inf):
            raise ValueError(
                f"lennard_jones(epsilon={epsilon}, sigma={sigma}, cutoff={cutoff}): "
                "epsilon must not be negative, sigma and cutoff must be positive, all finite"
            )
        self.epsilon, self.sigma, self.cutoff = float(epsilon), float(sigma), float(cutoff)
        self._neighbors = NeighborList(cutoff=self.cutoff, full_list=False)

    def __deepcopy__(self, memo: dict[int, Any]) -> LennardJones:
        return LennardJones(epsilon=self.epsilon, sigma=self.sigma, cutoff=self.cutoff)

    def calculate(
        self,
        atoms: Any = None,
        properties: Any = ("energy",),
        system_changes: Any = tuple(all_changes),
    ) -> None:
        """Energy (eV), forces (eV/Å) and, in a periodic cell, stress (eV/Å³), as ASE asks for them.

        Parameters
        ----------
        atoms : ase.Atoms, optional
            The configuration; without it the last one.
        properties, system_changes : sequence of str
            As ASE passes them; everything is computed at once.
        """
        super().calculate(atoms, properties, system_changes)
        first, second, vector = self._pairs()
        energy, scale = self._pair_terms(np.einsum("ij,ij->i", vector, vector))
        pair_force = scale[:, None] * vector  # on the first atom of the pair
        n = len(self.atoms)
        forces = np.empty((n, 3))
        for axis in range(3):
            component = pair_force[:, axis]
            forces[:, axis] = np.bincount(first, component, n) - np.bincount(second, component, n)
        self.results = {"energy": float(energy.sum()), "free_energy": float(energy.sum()), "forces": forces}
        if self.atoms.cell.rank == 3:
            virial = vector.T @ pair_force
            self.results["stress"] = full_3x3_to_voigt_6_stress(virial / self.atoms.get_volume())

    def openmm_force(self, n_atoms: int) -> Any:
        """Build the same potential as an OpenMM force.

        Parameters
        ----------
        n_atoms : int
            Number of particles of the system it will be added to.

        Returns
        -------
        openmm.NonbondedForce
            Periodic, plainly truncated: no switch, no dispersion correction. Its energy is not shifted.
        """
        import openmm

        force = openmm.NonbondedForce()
        force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
        force.setCutoffDistance(self.cutoff / ANGSTROM_PER_NM)
        force.setUseSwitchingFunction(False)
        force.setUseDispersionCorrection(False)
        for _ in range(n_atoms):
            force.addParticle(0.0, self.sigma / ANGSTROM_PER_NM, self.epsilon * KJ_PER_MOL_PER_EV)
        return force

    def _pairs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return neighbor_pairs(self._neighbors, self.atoms)

    def _pair_terms(self, r2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Shifted pair energies and dV/dr / r for squared distances ``r2``."""
        x6 = (self.sigma**2 / r2) ** 3
        edge = (self.sigma / self.cutoff) ** 6
        energy = 4 * self.epsilon * (x6 * (x6 - 1) - edge * (edge - 1))
        return energy, -24 * self.epsilon * x6 * (2 * x6 - 1) / r2


def neighbor_pairs(neighbors: NeighborList, atoms: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each pair within the cutoff once, in any cell: indices, and the vector from the first to the second in Å."""
    positions, cell, periodic = atoms.positions, atoms.cell.array, atoms.pbc
    if periodic.any() and not periodic.all():
        # a free direction, normal to the others, gets so much vacuum that no image is within reach
        cell = Cell(np.where(periodic[:, None], cell, 0.0)).complete().array
        span = positions.max(axis=0) - positions.min(axis=0)
        cell[~periodic] *= np.linalg.norm(span) + 2 * neighbors.cutoff
    return tuple(neighbors.compute(positions, cell, bool(periodic.any()), "ijD"))


def lennard_jones(
    *,
    epsilon: float = ARGON_EPSILON,
    sigma: float = ARGON_SIGMA,
    cutoff: float = ARGON_CUTOFF,
) -> LennardJones:
    """Make the Lennard-Jones calculator; with its defaults it is the argon reference.

    Parameters
    ----------
    epsilon : float, optional
        Well depth in eV.
    sigma : float, optional
        Zero of the unshifted potential in Å.
    cutoff : float, optional
        Truncation radius in Å.

    Returns
    -------
    LennardJones
        An ASE calculator (energy, forces, stress) that also offers ``openmm_force``.

    Raises
    ------
    ValueError
        If ``epsilon`` is negative, ``sigma`` or ``cutoff`` not positive, or one of them not finite.
    """
    return LennardJones(epsilon=epsilon, sigma=sigma, cutoff=cutoff)
