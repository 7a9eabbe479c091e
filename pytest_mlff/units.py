"""Units and constants: inside the house Å, ps, eV, K, amu; conversions stand here and nowhere else.

Values are CODATA 2018, typed here so that importing them costs nothing.
"""

import math

BOLTZMANN_EV = 8.617333262e-5
"""Boltzmann constant in eV/K."""

EV_PER_AMU_ANGSTROM2_PS2 = 1.0364269656e-4
"""1 amu Å² ps⁻² in eV."""

KJ_PER_MOL_PER_EV = 96.48533212
"""1 eV in kJ/mol, the energy unit of OpenMM."""

ANGSTROM_PER_NM = 10.0
"""1 nm, the length unit of OpenMM, in Å."""

MICRON2_PER_S = 1e4
"""1 Å²/ps in µm²/s, the unit in which diffusivities are printed."""

MEV = 1e3
"""1 eV in meV."""


def frequency_thz(eigenvalue: float, mass: float) -> float:
    """Signed frequency of a Hessian eigenvalue.

    Parameters
    ----------
    eigenvalue : float
        Eigenvalue of the Hessian in eV/Å².
    mass : float
        Mass in amu.

    Returns
    -------
    float
        ``sqrt(λ/m)/2π`` in THz (1/ps); ``−sqrt(−λ/m)/2π`` for a negative eigenvalue.
    """
    omega2 = eigenvalue / (mass * EV_PER_AMU_ANGSTROM2_PS2)
    return math.copysign(math.sqrt(abs(omega2)), omega2) / (2.0 * math.pi)
