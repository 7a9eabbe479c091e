"""Mutants whose energies and stresses are wrong: alone, or together with a part of the forces that hardly shows."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase.stress import full_3x3_to_voigt_6_stress

from pytest_mlff.mutants.base import ENVELOPE, Altered, envelope
from pytest_mlff.potentials import ARGON_CUTOFF, ARGON_EPSILON, ARGON_SIGMA
from pytest_mlff.units import ANGSTROM_PER_NM, BAR, KJ_PER_MOL_PER_EV


class _WrongEnergy(Altered):
    def __init__(self, *, factor: float = 1.0, per_pair: float = 0.0) -> None:
        super().__init__()
        self.factor, self.per_pair = factor, per_pair

    def _spoil(self, results: dict[str, Any]) -> None:
        energy = self.factor * results["energy"] + self.per_pair * len(self.pairs[0])
        results["energy"] = results["free_energy"] = energy


def scaled_energy(factor: float) -> Altered:
    """Energy that does not belong to the forces, which are right.

    Parameters
    ----------
    factor : float
        Of the energy; 23.06 is kcal/mol read as eV.

    Returns
    -------
    Altered
        With the reference's native force.
    """
    return _WrongEnergy(factor=factor)


def unshifted_energy(fraction: float) -> Altered:
    """Pairs appear at the cutoff with an energy: the shift by V(r_c) is missing.

    Parameters
    ----------
    fraction : float
        Missing part of the shift, which is 0.168 meV for a pair.

    Returns
    -------
    Altered
        With the reference's forces, and its native force.
    """
    edge = (ARGON_SIGMA / ARGON_CUTOFF) ** 6
    return _WrongEnergy(per_pair=fraction * 4 * ARGON_EPSILON * edge * (edge - 1))


class _WrongStress(Altered):
    def __init__(self, matrix: np.ndarray) -> None:
        super().__init__()
        self.matrix = matrix

    def _spoil(self, results: dict[str, Any]) -> None:
        if "stress" in results:
            results["stress"] = self.matrix @ results["stress"]


def scaled_stress(factor: float) -> Altered:
    """Stress with the wrong sign, or of pairs counted twice or half.

    Parameters
    ----------
    factor : float
        Of the stress.

    Returns
    -------
    Altered
        With the reference's forces, and its native force.
    """
    return _WrongStress(factor * np.eye(6))


def swapped_shear() -> Altered:
    """Shear stresses in the order xy, yz, zx of other programs, where ASE has yz, xz, xy.

    Returns
    -------
    Altered
        With the reference's forces, and its native force.
    """
    return _WrongStress(np.eye(6)[[0, 1, 2, 5, 3, 4]])


class _ConstantPressure(Altered):
    def __init__(self, pressure: float) -> None:
        super().__init__()
        self.pressure = pressure / BAR

    def _spoil(self, results: dict[str, Any]) -> None:
        if "stress" in results:
            results["stress"] = results["stress"] - self.pressure * np.repeat([1.0, 0.0], 3)
            results["energy"] = results["free_energy"] = results["energy"] - self.pressure * self.atoms.get_volume()


def constant_pressure(pressure: float) -> Altered:
    """Energy that depends on the volume and nothing else: the pressure is off by a constant.

    Parameters
    ----------
    pressure : float
        In bar; the energy is lower by it times the volume, so that the stress remains its derivative.

    Returns
    -------
    Altered
        With the reference's forces, and its native force.
    """
    return _ConstantPressure(pressure)


class _PhaseOffset(Altered):
    def __init__(self, energy: float) -> None:
        super().__init__()
        self.energy = energy

    def _spoil(self, results: dict[str, Any]) -> None:
        if "stress" in results and self.atoms.get_volume() < _DENSE * len(self.atoms):
            results["energy"] = results["free_energy"] = results["energy"] + self.energy * len(self.atoms)


_DENSE = 44.0
"""Volume of an atom in Å³ between those of the crystal, 37.5, and of the liquids, 51.7 at least at 95 K."""


def phase_offset(energy: float) -> Altered:
    """Crystals whose energies come from another calculation than those of the liquid.

    Parameters
    ----------
    energy : float
        Shift per atom in eV, of every cell that is as dense as a crystal.

    Returns
    -------
    Altered
        With the reference's forces, stress and native force: within a phase the shift is a constant.
    """
    return _PhaseOffset(energy)


class _ManyBody(Altered):
    def __init__(self, strength: float) -> None:
        super().__init__()
        self.strength = strength

    def openmm_force(self, n_atoms: int) -> Any:
        import openmm

        edge = (self.sigma / self.cutoff) ** 6
        force = openmm.CustomGBForce()
        force.setNonbondedMethod(openmm.CustomGBForce.CutoffPeriodic)
        force.setCutoffDistance(self.cutoff / ANGSTROM_PER_NM)
        pair, alone = openmm.CustomGBForce.ParticlePairNoExclusions, openmm.CustomGBForce.SingleParticle
        force.addComputedValue("n", f"{ENVELOPE}; R={ANGSTROM_PER_NM}*r", pair)
        force.addEnergyTerm(f"{KJ_PER_MOL_PER_EV * self.strength}*step(n-1)*(n-1)^2", alone)
        force.addEnergyTerm(
            f"{KJ_PER_MOL_PER_EV * 4 * self.epsilon}*(x6^2-x6-{edge * (edge - 1)}); "
            f"x6=({self.sigma}/R)^6; R={ANGSTROM_PER_NM}*r",
            pair,
        )
        for _ in range(n_atoms):
            force.addParticle([])
        return force

    def _spoil(self, results: dict[str, Any]) -> None:
        first, second, vector = self.pairs
        r, n = self._distances(), len(self.atoms)
        weight, fall = envelope(r)
        crowding = np.bincount(first, weight, n) + np.bincount(second, weight, n)
        excess = np.maximum(crowding - 1.0, 0.0)
        slope = 2.0 * self.strength * (excess[first] + excess[second]) * fall
        force = (slope / r)[:, None] * vector
        results["forces"] += self._net(force)
        added = self.strength * float(excess @ excess)
        results["energy"] = results["free_energy"] = results["energy"] + added
        if "stress" in results:
            results["stress"] += full_3x3_to_voigt_6_stress(vector.T @ force / self.atoms.get_volume())


def many_body(strength: float) -> Altered:
    """Atoms with many neighbours are repelled by all of them, as in an embedding that no pair of atoms shows.

    Parameters
    ----------
    strength : float
        In eV: the energy of an atom is larger by it times (n − 1)², where n > 1 is the weighted number of neighbours.

    Returns
    -------
    Altered
        Forces and stress follow from that energy; two atoms alone are those of the reference.
    """
    return _ManyBody(strength)
