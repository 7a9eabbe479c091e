"""A salt of two species with charges, screened and repelled: a potential with energy, forces and stress in any cell."""

from __future__ import annotations

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress
from vesin import NeighborList

CUTOFF, SCREENING, WALL = 7.0, 1.6, 0.33
CHARGE = {11: 1.0, 17: -1.0}
RADIUS = {11: 1.1, 17: 1.7}


class Salt(Calculator):
    """Σ (A exp((R_a + R_b − r)/ρ) + q_a q_b e²/r exp(−r/λ)) (1 − (r/r_c)²)²."""

    implemented_properties = ["energy", "forces", "stress"]  # noqa: RUF012

    def calculate(self, atoms=None, properties=("energy",), system_changes=tuple(all_changes)):
        super().calculate(atoms, properties, system_changes)
        neighbors = NeighborList(cutoff=CUTOFF, full_list=False)
        first, second, vector = neighbors.compute(atoms.positions, atoms.cell.array, bool(atoms.pbc.any()), "ijD")
        r = np.linalg.norm(vector, axis=1)
        charge, radius = (np.array([table[z] for z in atoms.numbers]) for table in (CHARGE, RADIUS))
        wall = 0.2 * np.exp((radius[first] + radius[second] - r) / WALL)
        coulomb = 14.4 * charge[first] * charge[second] / r * np.exp(-r / SCREENING)
        inner = 1 - (r / CUTOFF) ** 2
        slope = -wall / WALL - coulomb * (1 / r + 1 / SCREENING)
        slope = slope * inner**2 - (wall + coulomb) * 4 * inner * r / CUTOFF**2
        pull = (slope / r)[:, None] * vector
        forces = np.zeros((len(atoms), 3))
        np.add.at(forces, first, pull)
        np.subtract.at(forces, second, pull)
        self.results = {"energy": float(((wall + coulomb) * inner**2).sum()), "forces": forces}
        if atoms.cell.rank == 3:
            self.results["stress"] = full_3x3_to_voigt_6_stress(vector.T @ pull / atoms.get_volume())
