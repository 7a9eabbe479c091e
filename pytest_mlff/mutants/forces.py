"""Mutants whose forces are spoiled: no gradient, no symmetry, or no precision."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from ase.stress import full_3x3_to_voigt_6_stress

from pytest_mlff.mutants.base import Pairs, PythonAltered, envelope


class _MixedAxes(PythonAltered):
    def __init__(self, matrix: np.ndarray) -> None:
        super().__init__()
        self.matrix = matrix

    def _spoil(self, results: dict[str, Any]) -> None:
        results["forces"] = results["forces"] @ self.matrix


def flipped_axis(axis: Literal["x", "y", "z"]) -> PythonAltered:
    """One force component with the wrong sign.

    Parameters
    ----------
    axis : {"x", "y", "z"}
        Which.

    Returns
    -------
    PythonAltered
        1 − R² = 4/3 in an isotropic system.
    """
    return _MixedAxes(np.diag([-1.0 if axis == own else 1.0 for own in "xyz"]))


def swapped_axes(axes: Literal["xy", "xz", "yz"]) -> PythonAltered:
    """Two force components exchanged.

    Parameters
    ----------
    axes : {"xy", "xz", "yz"}
        Which.

    Returns
    -------
    PythonAltered
        1 − R² = 4/3 in an isotropic system.
    """
    order = ["xyz".index(axis) for axis in "xyz".translate(str.maketrans(axes, axes[::-1]))]
    return _MixedAxes(np.eye(3)[order])


class _Curl(PythonAltered):
    def __init__(self, strength: float) -> None:
        super().__init__()
        self.strength = strength

    def _spoil(self, results: dict[str, Any]) -> None:
        r = self._distances()
        size = self.strength * envelope(r)[0] / r
        results["forces"] += self._net(size[:, None] * np.cross([0.0, 0.0, 1.0], self.pairs[2]))


def curl_force(strength: float) -> PythonAltered:
    """Each pair is turned about the z axis: action and reaction, but no energy.

    Parameters
    ----------
    strength : float
        In eV/Å; at contact the force is 0.7 of it, at the cutoff it ends.

    Returns
    -------
    PythonAltered
        Neither energy nor angular momentum is conserved.
    """
    return _Curl(strength)


class _CrowdingForce(PythonAltered):
    def __init__(self, strength: float) -> None:
        super().__init__()
        self.strength = strength

    def _spoil(self, results: dict[str, Any]) -> None:
        first, second, vector = self.pairs
        r, n = self._distances(), len(self.atoms)
        weight = envelope(r)[0]
        crowding = (np.bincount(first, weight, n) + np.bincount(second, weight, n)) / _TYPICAL_CROWDING - 1.0
        scale = self._pair_terms(r**2)[1] * 0.5 * self.strength * (crowding[first] + crowding[second])
        results["forces"] += self._net(scale[:, None] * vector)


_TYPICAL_CROWDING = 15.0
"""Sum of the envelope over an atom's neighbours in the liquid at 100 K."""


def crowding_force(strength: float) -> PythonAltered:
    """Pair forces that grow with the number of neighbours, without the term that would make them a gradient.

    Parameters
    ----------
    strength : float
        Relative change of the forces for a relative change of the weighted number of neighbours.

    Returns
    -------
    PythonAltered
        Every symmetry holds; only energy is not conserved.
    """
    return _CrowdingForce(strength)


class _ForceNoise(PythonAltered):
    def __init__(self, sd: float) -> None:
        super().__init__()
        self.sd = sd
        self.rng = np.random.default_rng(0)

    def _spoil(self, results: dict[str, Any]) -> None:
        results["forces"] += self.rng.normal(scale=self.sd, size=results["forces"].shape)


def force_noise(sd: float) -> PythonAltered:
    """Random error, another one in every call.

    Parameters
    ----------
    sd : float
        Of a force component in eV/Å; the liquid's own is 0.041, that of the crystal at 20 K 0.022.

    Returns
    -------
    PythonAltered
        1 − R² = (sd / s.d. of the forces)²; heats a run without a thermostat.
    """
    return _ForceNoise(sd)


class _HalfPrecision(PythonAltered):
    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    def _seen(self, atoms: Any) -> Any:
        if self.what != "positions":
            return atoms
        seen = atoms.copy()
        seen.positions = _rounded(seen.positions)
        return seen

    def _pairs(self) -> Pairs:
        first, second, vector = super()._pairs()
        self.pairs = first, second, _rounded(vector) if self.what == "distances" else vector
        return self.pairs

    def _spoil(self, results: dict[str, Any]) -> None:
        if self.what == "forces":
            results["forces"] = _rounded(results["forces"])


def _rounded(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float16).astype(np.float64)


def float16(what: Literal["forces", "distances", "positions"]) -> PythonAltered:
    """Numbers rounded to half precision, which has 11 bits.

    Parameters
    ----------
    what : {"forces", "distances", "positions"}
        Forces before they are handed out, vectors between neighbours, or absolute positions.

    Returns
    -------
    PythonAltered
        Positions suffer most: 20 Å from the origin they are known to 0.016 Å.
    """
    return _HalfPrecision(what)


class _Anisotropic(PythonAltered):
    def __init__(self, strength: float) -> None:
        super().__init__()
        self.strength = strength

    def _spoil(self, results: dict[str, Any]) -> None:
        vector, r = self.pairs[2], self._distances()
        energy, scale = self._pair_terms(r**2)
        cosine = vector[:, 2] / r
        legendre = self.strength * 0.5 * (3.0 * cosine**2 - 1.0)
        force = (legendre * scale)[:, None] * vector
        turning = 3.0 * self.strength * energy * cosine / r  # d(legendre)/d(vector), times the energy
        force += turning[:, None] * (np.array([0.0, 0.0, 1.0]) - (cosine / r)[:, None] * vector)
        results["forces"] += self._net(force)
        results["energy"] = results["free_energy"] = results["energy"] + float(legendre @ energy)
        if "stress" in results:
            virial = vector.T @ force / self.atoms.get_volume()
            results["stress"] += full_3x3_to_voigt_6_stress(0.5 * (virial + virial.T))


def anisotropic(strength: float) -> PythonAltered:
    """Pairs along z bind more strongly than pairs across it; forces and stress follow from that energy.

    Parameters
    ----------
    strength : float
        Of the pair energy, times the Legendre polynomial (3 cos²θ − 1)/2.

    Returns
    -------
    PythonAltered
        Conserves energy and momentum; not invariant under rotations.
    """
    return _Anisotropic(strength)


class _DriftForce(PythonAltered):
    def __init__(self, force: float) -> None:
        super().__init__()
        self.force = force

    def _spoil(self, results: dict[str, Any]) -> None:
        results["forces"][:, 0] += self.force


def drift_force(force: float) -> PythonAltered:
    """Constant force on every atom.

    Parameters
    ----------
    force : float
        Along x, in eV/Å.

    Returns
    -------
    PythonAltered
        The engine removes the net force, so that runs are those of the reference.
    """
    return _DriftForce(force)


class _ExternalField(PythonAltered):
    def __init__(self, energy: float) -> None:
        super().__init__()
        self.energy = energy

    def _spoil(self, results: dict[str, Any]) -> None:
        along = self.atoms.cell.reciprocal()[0]  # of length 1/L in a cubic cell, zero without a cell
        phase = 2 * np.pi * self.atoms.positions @ along
        results["forces"] += 2 * np.pi * self.energy * np.sin(phase)[:, None] * along
        results["energy"] = results["free_energy"] = results["energy"] + float(self.energy * np.cos(phase).sum())


def external_field(energy: float) -> PythonAltered:
    """Absolute positions matter: a potential that varies once along the cell.

    Parameters
    ----------
    energy : float
        Its amplitude in eV.

    Returns
    -------
    PythonAltered
        Forces and stress are derivatives of the energy, which is not invariant under translations.
    """
    return _ExternalField(energy)
