"""Calculators with one known defect each, to show that a check can fail.

    pytest --mlff-model='pytest_mlff.mutants:scaled_epsilon(0.95)'

Each is the argon reference, ``pytest_mlff.potentials.lennard_jones()``, with one thing wrong, in graded strength.
:data:`MUTANTS` lists them with the strengths that are tested and what is expected of each. Mutants of any calculator
are in :mod:`pytest_mlff.mutants.wrapped`. May import ``verdict``, ``potentials``, ``units`` and ``errors``; ``wrapped``
also ``models`` and ``simulation``.
"""

from pytest_mlff.mutants.calls import forgetful_copy, leaking_state, nan_after, slow
from pytest_mlff.mutants.energies import (
    constant_pressure,
    many_body,
    phase_offset,
    scaled_energy,
    scaled_stress,
    swapped_shear,
    unshifted_energy,
)
from pytest_mlff.mutants.forces import (
    anisotropic,
    crowding_force,
    curl_force,
    drift_force,
    external_field,
    flipped_axis,
    float16,
    force_noise,
    swapped_axes,
)
from pytest_mlff.mutants.mutant import Mutant, Strength
from pytest_mlff.mutants.neighbors import (
    late_list,
    lost_outside,
    max_neighbors,
    missing_image,
    nearest_image,
    orthogonal_cell,
    stale_list,
)
from pytest_mlff.mutants.pair import (
    core_hole,
    force_step,
    frozen_noise,
    liquid_only,
    mean_field,
    soft_core,
    wrong_hessian,
)
from pytest_mlff.mutants.registry import MUTANTS
from pytest_mlff.mutants.scaled import (
    engine_dependent,
    index_dependent,
    kcal_as_ev,
    scaled_epsilon,
    scaled_sigma,
    short_cutoff,
    size_dependent,
)

__all__ = [
    "MUTANTS",
    "Mutant",
    "Strength",
    "anisotropic",
    "constant_pressure",
    "core_hole",
    "crowding_force",
    "curl_force",
    "drift_force",
    "engine_dependent",
    "external_field",
    "flipped_axis",
    "float16",
    "force_noise",
    "force_step",
    "forgetful_copy",
    "frozen_noise",
    "index_dependent",
    "kcal_as_ev",
    "late_list",
    "leaking_state",
    "liquid_only",
    "lost_outside",
    "many_body",
    "max_neighbors",
    "mean_field",
    "missing_image",
    "nan_after",
    "nearest_image",
    "orthogonal_cell",
    "phase_offset",
    "scaled_energy",
    "scaled_epsilon",
    "scaled_sigma",
    "scaled_stress",
    "short_cutoff",
    "size_dependent",
    "slow",
    "soft_core",
    "stale_list",
    "swapped_axes",
    "swapped_shear",
    "unshifted_energy",
    "wrong_hessian",
]
