"""Mutants that are another pair potential: each also offers it as a native OpenMM force, and runs at its speed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from pytest_mlff.mutants.base import ENVELOPE, Altered, FloatArray, envelope
from pytest_mlff.potentials import ARGON_EPSILON, ARGON_SIGMA, lennard_jones
from pytest_mlff.units import ANGSTROM_PER_NM, KJ_PER_MOL_PER_EV

Change: TypeAlias = Callable[[FloatArray, FloatArray, FloatArray], tuple[FloatArray, FloatArray]]
"""Distances (Å), reference energies (eV) and their slopes (eV/Å) → energies and slopes of the mutant."""

NEAREST = 5.2687 / math.sqrt(2)
"""Distance in Å of nearest neighbours in the crystal at zero pressure."""


class PairMutant(Altered):
    """A pair potential: the reference's, changed.

    Parameters
    ----------
    expression : str
        Its energy in eV in OpenMM's language, from ``R`` (Å) and ``lj``, the reference.
    change : callable
        The same in NumPy.
    """

    def __init__(self, expression: str, change: Change) -> None:
        super().__init__()
        self.expression, self.change = expression, change

    def _pair_terms(self, r2: FloatArray) -> tuple[FloatArray, FloatArray]:
        energy, slope_over_r = super()._pair_terms(r2)
        r = np.sqrt(r2)
        energy, slope = self.change(r, energy, slope_over_r * r)
        return energy, slope / r

    def openmm_force(self, n_atoms: int) -> Any:
        """Build the same potential as an OpenMM force.

        Parameters
        ----------
        n_atoms : int
            Number of particles of the system it will be added to.

        Returns
        -------
        openmm.CustomNonbondedForce
            Periodic, plainly truncated.
        """
        import openmm

        edge = (self.sigma / self.cutoff) ** 6
        force = openmm.CustomNonbondedForce(
            f"{KJ_PER_MOL_PER_EV}*({self.expression}); lj={4 * self.epsilon}*(x6^2-x6-{edge * (edge - 1)}); "
            f"x6=({self.sigma}/R)^6; R={ANGSTROM_PER_NM}*r"
        )
        force.setNonbondedMethod(openmm.CustomNonbondedForce.CutoffPeriodic)
        force.setCutoffDistance(self.cutoff / ANGSTROM_PER_NM)
        for _ in range(n_atoms):
            force.addParticle([])
        return force


def soft_core(radius: float) -> PairMutant:
    """Repulsion that fades where the training data ended: F decays within 0.2 Å instead of growing.

    Parameters
    ----------
    radius : float
        Distance in Å below which it fades.

    Returns
    -------
    PairMutant
        A barrier of V(radius) + 0.2 Å · F(radius) is all that keeps atoms apart.
    """
    length = 0.2
    top, slope_at = _reference(radius)

    def change(r: FloatArray, energy: FloatArray, slope: FloatArray) -> tuple[FloatArray, FloatArray]:
        decay = np.exp(np.minimum(r - radius, 0.0) / length)
        inside = r < radius
        return (
            np.where(inside, top - slope_at * length * (1.0 - decay), energy),
            np.where(inside, slope_at * decay, slope),
        )

    core = f"{top}-{slope_at * length}*(1-exp((R-{radius})/{length}))"
    return PairMutant(f"select(step({radius}-R), {core}, lj)", change)


def core_hole(radius: float) -> PairMutant:
    """Repulsion that turns into attraction 0.2 Å further in, as extrapolated potentials may.

    Parameters
    ----------
    radius : float
        Distance in Å below which the force falls linearly, through zero at ``radius`` − 0.2 Å.

    Returns
    -------
    PairMutant
        A barrier of V(radius) + 0.1 Å · F(radius), and a hole behind it.
    """
    length = 0.2
    top, slope_at = _reference(radius)

    def change(r: FloatArray, energy: FloatArray, slope: FloatArray) -> tuple[FloatArray, FloatArray]:
        depth = radius - r
        inside = depth > 0.0
        return (
            np.where(inside, top - slope_at * depth * (1.0 - 0.5 * depth / length), energy),
            np.where(inside, slope_at * (1.0 - depth / length), slope),
        )

    core = f"{top}-{slope_at}*({radius}-R)*(1-({radius}-R)/{2 * length})"
    return PairMutant(f"select(step({radius}-R), {core}, lj)", change)


def liquid_only(fraction: float) -> PairMutant:
    """Too soft at the nearest-neighbour distance of the crystal, and nowhere else: a model that saw liquid only.

    Parameters
    ----------
    fraction : float
        Of the reference's V'' that is missing there; the error ends within 0.3 Å of that distance.

    Returns
    -------
    PairMutant
        The force at that distance, and most forces in the liquid, are right.
    """
    width, missing = 0.15, fraction * _curvature(NEAREST)

    def change(r: FloatArray, energy: FloatArray, slope: FloatArray) -> tuple[FloatArray, FloatArray]:
        bell = missing * np.exp(-0.5 * ((r - NEAREST) / width) ** 2)
        return energy + width**2 * bell, slope - (r - NEAREST) * bell

    bell = f"{missing * width**2}*exp(-0.5*((R-{NEAREST})/{width})^2)"
    return PairMutant(f"lj+{bell}", change)


def wrong_hessian(fraction: float) -> PairMutant:
    """Ripple on the potential: forces right on average, a Hessian that is symmetric and wrong.

    Parameters
    ----------
    fraction : float
        Of the reference's V'' that is missing at the nearest-neighbour distance of the crystal.

    Returns
    -------
    PairMutant
        Wavelength 0.15 Å, well below the thermal motion, in the first shell.
    """
    wave, width = 2 * math.pi / 0.15, 0.5
    height = fraction * _curvature(NEAREST) / (wave**2 + 1 / width**2)

    def change(r: FloatArray, energy: FloatArray, slope: FloatArray) -> tuple[FloatArray, FloatArray]:
        away = r - NEAREST
        bell = height * np.exp(-0.5 * (away / width) ** 2)
        ripple = bell * np.cos(wave * away)
        return energy + ripple, slope - wave * bell * np.sin(wave * away) - away / width**2 * ripple

    ripple = f"{height}*exp(-0.5*((R-{NEAREST})/{width})^2)*cos({wave}*(R-{NEAREST}))"
    return PairMutant(f"lj+{ripple}", change)


def force_step(jump: float) -> PairMutant:
    """Force jump at 5 Å, as where two fits or two tables meet; the energy is continuous.

    Parameters
    ----------
    jump : float
        In eV/Å; the reference's own at its cutoff is 1.18e-4.

    Returns
    -------
    PairMutant
        The error decays inwards within 0.3 Å.
    """
    place, width = 5.0, 0.3

    def change(r: FloatArray, energy: FloatArray, slope: FloatArray) -> tuple[FloatArray, FloatArray]:
        depth = np.maximum(place - r, 0.0)
        tail = jump * np.exp(-depth / width)
        return energy + depth * tail, slope - np.where(r < place, (1.0 - depth / width) * tail, 0.0)

    extra = f"{jump}*({place}-R)*exp(-({place}-R)/{width})"
    return PairMutant(f"lj+select(step({place}-R), {extra}, 0)", change)


def frozen_noise(one_minus_r2: float) -> PairMutant:
    """Smooth frozen error, as a network has: four unrelated waves that end at the cutoff.

    Parameters
    ----------
    one_minus_r2 : float
        1 − R² that it has on the liquid's parity configurations.

    Returns
    -------
    PairMutant
        In the crystal the same error is another fraction of other forces.
    """
    size = _UNIT_NOISE * math.sqrt(one_minus_r2)

    def change(r: FloatArray, energy: FloatArray, slope: FloatArray) -> tuple[FloatArray, FloatArray]:
        value, fall = envelope(r)
        waves = sum(np.sin(wave * r + phase) / wave for wave, phase in _WAVES)
        slopes = sum(np.cos(wave * r + phase) for wave, phase in _WAVES)
        return energy + size * value * waves, slope + size * (value * slopes + fall * waves)

    waves = "+".join(f"sin({wave}*R+{phase})/{wave}" for wave, phase in _WAVES)
    return PairMutant(f"lj+{size}*{ENVELOPE}*({waves})", change)


def mean_field(height: float) -> PairMutant:
    """Weak repulsion as wide as the cutoff: it cancels between neighbours, but not in the pressure.

    Parameters
    ----------
    height : float
        Energy of a pair at contact in eV.

    Returns
    -------
    PairMutant
        The reference and ``height`` · (1 − (r/r_c)²)², which ends smoothly.
    """

    def change(r: FloatArray, energy: FloatArray, slope: FloatArray) -> tuple[FloatArray, FloatArray]:
        value, fall = envelope(r)
        return energy + height * value, slope + height * fall

    return PairMutant(f"lj+{height}*{ENVELOPE}", change)


_WAVES = ((2.1, 0.3), (3.3, 1.9), (4.7, 4.1), (5.9, 2.6))
"""Wave number (1/Å) and phase (rad) of the waves of the frozen noise."""
_UNIT_NOISE = 0.02911
"""Amplitude of each wave in eV/Å at which 1 − R² would be one: measured on the parity set ``liquid-256``."""


def _reference(r: float) -> tuple[float, float]:
    """Energy and slope of the reference at a distance."""
    energy, slope_over_r = lennard_jones()._pair_terms(np.array([r**2]))
    return float(energy[0]), float(slope_over_r[0]) * r


def _curvature(r: float) -> float:
    """V'' of the reference in eV/Å²."""
    x6 = (ARGON_SIGMA / r) ** 6
    return 4 * ARGON_EPSILON * (156 * x6**2 - 42 * x6) / r**2
