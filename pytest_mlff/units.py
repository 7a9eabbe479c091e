"""Units and constants: inside the house Å, ps, eV, K, amu; conversions stand here and nowhere else.

Values are CODATA 2018, typed here so that importing them costs nothing.
"""

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
