"""Pressure: its kinetic part, the bulk modulus that turns it into a density, and what a changed potential does to it.

All pressures are those of the virial of the forces, in eV/Å³, positive under compression.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from pytest_mlff.analysis.statistics import jackknife, replica_estimate
from pytest_mlff.errors import ObservableError
from pytest_mlff.schema import Estimate
from pytest_mlff.units import BOLTZMANN_EV


def kinetic_pressure(atoms: int, volume: float, temperature: float) -> float:
    """Kinetic part of the pressure where the centre of mass rests: (N − 1) kT/V.

    Parameters
    ----------
    atoms : int
        Number N of atoms.
    volume : float
        Of the cell in Å³.
    temperature : float
        Of the thermostat in K.

    Returns
    -------
    float
        In eV/Å³.
    """
    return (atoms - 1) * BOLTZMANN_EV * temperature / volume


def mean_pressure(virial: ArrayLike, *, atoms: int, volume: float, temperature: float) -> Estimate:
    """Pressure of a run at constant volume.

    Parameters
    ----------
    virial : array_like, shape (replica, frame)
        Virial pressures in eV/Å³.
    atoms, volume, temperature : int, float, float
        As for :func:`kinetic_pressure`.

    Returns
    -------
    Estimate
        With the kinetic part of the thermostat's temperature, in eV/Å³; its error from the scatter of replicas.
    """
    found = replica_estimate(np.mean(np.asarray(virial, dtype=float), axis=1))
    return Estimate(found.value + kinetic_pressure(atoms, volume, temperature), found.stderr, found.dof)


def bulk_modulus(compressed: Estimate, expanded: Estimate, *, volume_ratio: float) -> Estimate:
    """Isothermal bulk modulus −V dp/dV by a central difference.

    Parameters
    ----------
    compressed, expanded : Estimate
        Pressures at the smaller and at the larger volume, in any unit.
    volume_ratio : float
        Larger volume over the smaller one.

    Returns
    -------
    Estimate
        In the unit of the pressures.

    Raises
    ------
    ObservableError
        If ``volume_ratio`` is not above 1, or the pressure does not fall as the volume grows.
    """
    if not volume_ratio > 1.0:
        raise ObservableError(f"volume_ratio = {volume_ratio}; expected the larger volume over the smaller, above 1")
    span = math.log(volume_ratio)
    value = (compressed.value - expanded.value) / span
    if not value > 0.0:
        raise ObservableError(
            f"the pressure grows with the volume: {compressed.value:g} before, {expanded.value:g} behind; "
            "the state is not stable, take volumes that are nearer to each other"
        )
    stderr = math.hypot(compressed.stderr, expanded.stderr) / span
    return Estimate(value, stderr, min(compressed.dof, expanded.dof))


def paired_pressure(candidate: ArrayLike, reference: ArrayLike, energy_change: ArrayLike, *, kt: float) -> Estimate:
    """Change of the mean pressure when a potential is changed, from configurations of the unchanged one.

    Parameters
    ----------
    candidate, reference : array_like, shape (configuration,)
        Pressure of each configuration by either potential, in eV/Å³.
    energy_change : array_like, shape (configuration,)
        Energy of the candidate less that of the reference in eV; a constant in it has no effect.
    kt : float
        Temperature of the configurations in eV.

    Returns
    -------
    Estimate
        ⟨p_c − p_r⟩ − cov(p_c, ΔU)/kT in eV/Å³, with its jackknife error.

    Raises
    ------
    ObservableError
        For less than three configurations or arrays of different shapes.

    Notes
    -----
    The second term is the first order of ⟨p_c exp(−ΔU/kT)⟩/⟨exp(−ΔU/kT)⟩: the candidate would visit other
    configurations. It is as large as the first, and has often the other sign.
    """
    own, other, change = (np.asarray(values, dtype=float) for values in (candidate, reference, energy_change))
    if own.ndim != 1 or own.shape != other.shape or own.shape != change.shape or len(own) < 3:
        raise ObservableError(
            f"pressures and energies have shapes {own.shape}, {other.shape}, {change.shape}; expected one number of "
            "each for at least three configurations"
        )
    return jackknife(np.stack([own, other, change], axis=1), lambda sample: _shift(sample, kt))


def _shift(sample: np.ndarray, kt: float) -> float:
    own, other, change = sample.T
    covariance = float(np.cov(own, change)[0, 1])
    return float(np.mean(own - other)) - covariance / kt
