"""Units and constants: inside the house Å, ps, eV, K, amu; conversions stand here and nowhere else.

Values are CODATA 2018, typed here so that importing them costs nothing. Which unit numbers may be in that should be in
eV/Å is told by :func:`suspect`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

BOLTZMANN_EV = 8.617333262e-5
"""Boltzmann constant in eV/K."""

EV_PER_AMU_ANGSTROM2_PS2 = 1.0364269656e-4
"""1 amu Å² ps⁻² in eV."""

KJ_PER_MOL_PER_EV = 96.48533212
"""1 eV in kJ/mol, the energy unit of OpenMM."""

KCAL_PER_MOL_PER_EV = KJ_PER_MOL_PER_EV / 4.184
"""1 eV in kcal/mol, thermochemical calories."""

EV_PER_HARTREE = 27.211386245988
"""1 hartree in eV; two rydberg."""

ANGSTROM_PER_BOHR = 0.529177210903
"""1 bohr in Å."""

ANGSTROM_PER_NM = 10.0
"""1 nm, the length unit of OpenMM, in Å."""

MICRON2_PER_S = 1e4
"""1 Å²/ps in µm²/s, the unit in which diffusivities are printed."""

MEV = 1e3
"""1 eV in meV."""

BAR = 1.602176634e6
"""1 eV/Å³ in bar, the unit in which pressures are printed."""

KG_PER_M3 = 1660.53906660
"""1 amu/Å³ in kg/m³, the unit in which densities are printed."""

G_PER_CM3 = 1.66053906660
"""The same in g/cm³, the unit in which files give densities."""

FORCE_UNITS: Mapping[str, float] = {
    "kcal/mol/Å": 1.0 / KCAL_PER_MOL_PER_EV,
    "kJ/mol/Å": 1.0 / KJ_PER_MOL_PER_EV,
    "eV/bohr": 1.0 / ANGSTROM_PER_BOHR,
    "Ha/Å": EV_PER_HARTREE,
    "Ha/bohr": EV_PER_HARTREE / ANGSTROM_PER_BOHR,
    "Ry/bohr": 0.5 * EV_PER_HARTREE / ANGSTROM_PER_BOHR,
}
"""What forces come in, in eV/Å."""

NEAR = 0.03
"""How far, as a fraction, a slope may be from that of a unit; those of two units are never closer than 5 %."""


@dataclass(frozen=True, slots=True)
class UnitSuspicion:
    """What numbers that are off by a factor look like.

    Attributes
    ----------
    unit : str
        Key of the table of units; the house's own where only the sign is wrong.
    look : str
        What they look like: ``"Ha/bohr"``, ``"eV/Å converted from Ha/bohr"`` where they were in the house's own unit
        before, and each with ``"minus "`` where the sign is wrong.
    factor : float
        What to multiply them by.
    """

    unit: str
    look: str
    factor: float


def suspect(slope: float, units: Mapping[str, float] = FORCE_UNITS, *, own: str = "eV/Å") -> UnitSuspicion | None:
    """Name the unit that a constant factor points at.

    Parameters
    ----------
    slope : float
        What the numbers are, divided by what they should be.
    units : mapping of str to float, optional
        Sizes of the units they may be in, in the house's own.
    own : str, optional
        Name of that.

    Returns
    -------
    UnitSuspicion or None
        The nearest within ``NEAR``: numbers left in a unit, converted from it without need, or of the wrong sign. None
        where nothing is near, and for a slope of 1.

    Examples
    --------
    >>> suspect(0.01945).unit, suspect(-1.0).factor, suspect(0.9)
    ('Ha/bohr', -1.0, None)
    """
    known = [(own, own, 1.0)]
    for name, size in units.items():
        known += [(name, name, size), (name, f"{own} converted from {name}", 1.0 / size)]
    unit, look, factor = min(known, key=lambda one: abs(abs(slope) * one[2] - 1.0))
    if not abs(abs(slope) * factor - 1.0) <= NEAR or (unit == own and slope > 0.0):
        return None
    return UnitSuspicion(unit, look if slope > 0.0 else f"minus {look}", math.copysign(factor, slope))
