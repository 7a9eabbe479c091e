"""What is known of each mutant: which checks must catch it at which strength, and what is too small to be caught.

Expectations are those of the protocol ``ci``. Where a number stands without a source, it was measured: 1 − R²
on the shipped parity configurations, S and the phonon spectrum by the gate's own checks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from pytest_mlff.mutants import calls, energies, forces, neighbors, pair, scaled
from pytest_mlff.mutants.mutant import Mutant, Strength


def _at(*arguments: Any, effect: str, fails: str = "") -> Strength:
    return Strength(arguments=arguments, fails=frozenset(fails.split()), effect=effect)


def _native(factory: Callable[..., Any], *strengths: Strength) -> Mutant:
    return Mutant(factory=factory, strengths=strengths, native=True)


def _python(factory: Callable[..., Any], *strengths: Strength) -> Mutant:
    return Mutant(factory=factory, strengths=strengths, native=False)


_LIQUID = "parity-liquid-256 parity-liquid-4000"
_SOLID = "parity-solid-256 parity-solid-4000"
_PARITY = f"{_LIQUID} {_SOLID}"
_SELF = " ".join(f"gamma_self-{q}" for q in ("0.461", "0.922", "1.304", "1.595", "1.844"))
_RATES = f"{_SELF} gamma_coherent-1.844 mean_relaxation_rate-1.844"
_ENERGY = "energy-liquid energy-solid phase_energy"
_PRESSURE = "pressure-liquid pressure-solid"
_TRAJECTORIES = f"rdf structure_factor solid_rdf diffusion {_RATES}"

_ALL = (
    _native(
        scaled.scaled_epsilon,
        _at(0.4, fails=f"{_PARITY} {_ENERGY} pdos melting_below", effect="1 − R² = 0.36; the crystal melts at 59 K"),
        _at(
            0.7,
            fails=f"{_PARITY} pdos {_TRAJECTORIES}",
            effect="1 − R² = 9e-2, frequencies − 16 %, D + 25 %; the XSVS time, − 8.5 %, is within 10 %",
        ),
        _at(1.10, fails=f"{_PARITY} pdos", effect="1 − R² = 1e-2, frequencies + 4.9 %"),
        _at(0.90, fails=f"{_PARITY} pdos", effect="1 − R² = 1e-2, frequencies − 5.1 %"),
        _at(1.05, fails=_PARITY, effect="1 − R² = 2.5e-3; frequencies + 2.5 % are within 3 %"),
        _at(0.95, fails=_PARITY, effect="1 − R² = 2.5e-3; frequencies − 2.5 % are within 3 %"),
        _at(1.02, effect="1 − R² = 4e-4, frequencies + 1 %, density of the liquid + 0.9 %, of 2 allowed"),
        _at(0.98, effect="1 − R² = 4e-4, frequencies − 1 %, density of the liquid − 1 %, of 2 allowed"),
    ),
    _native(
        scaled.scaled_sigma,
        _at(1.03, fails=f"{_PARITY} pdos xsvs_time", effect="1 − R² = 0.35; the XSVS time is longer by 20 %"),
        _at(
            1.02,
            fails=f"{_PARITY} pdos rdf structure_factor solid_rdf diffusion {_SELF} melting_above",
            effect="1 − R² = 0.13, frequencies + 17 %, D − 23 %, the crystal grows above its melting point",
        ),
        _at(
            0.98,
            fails=f"{_PARITY} pdos rdf structure_factor solid_rdf diffusion gamma_coherent-1.844 {_SELF}",
            effect="1 − R² = 8e-2, frequencies − 15 %, D + 19 %",
        ),
        _at(1.01, fails=f"{_PARITY} pdos", effect="1 − R² = 3e-2, frequencies + 8 %"),
        _at(0.99, fails=f"{_PARITY} pdos", effect="1 − R² = 2e-2, frequencies − 8 %"),
        _at(1.005, fails=f"{_PARITY} pdos", effect="1 − R² = 7e-3, frequencies + 4.1 %"),
        _at(0.995, fails=f"{_PARITY} pdos", effect="1 − R² = 6e-3, frequencies − 4.0 %"),
        _at(1.001, effect="1 − R² = 2.7e-4, frequencies + 0.8 %, density of either phase − 0.3 %"),
    ),
    _native(
        scaled.short_cutoff,
        _at(1.5, fails=f"{_PARITY} symmetry-liquid", effect="1 − R² = 2.6e-3, S = 0.89 in the liquid"),
        _at(
            2.0,
            fails=f"cutoff_continuity phase_energy {_PRESSURE}",
            effect="1 − R² = 2e-4; the force jumps by 0.55 meV/Å, 4.7 times the reference's jump; without the "
            "tail + 260 and + 325 bar, and 3.5 meV per atom less between the phases",
        ),
        _at(
            2.2,
            fails="cutoff_continuity pressure-liquid",
            effect="1 − R² = 7e-5, far below its limit; a jump of 0.29 meV/Å, 2.4 times the reference's jump; "
            "+ 120 bar in the liquid",
        ),
        _at(2.4, effect="1 − R² = 2e-5 in the liquid, 1e-4 in the crystal; a jump 1.3 times the reference's; + 32 bar"),
    ),
    _native(
        scaled.kcal_as_ev,
        _at(fails=f"{_PARITY} pdos stability", effect="1 − R² = 487; the temperature runs away within 10 steps"),
    ),
    _native(
        scaled.size_dependent,
        _at(
            0.05,
            fails="parity-liquid-4000 parity-solid-4000 pdos supercell",
            effect="1 − R² = 0 at 256 atoms and 3.9e-2 at 4000; frequencies + 7.2 % at 2048",
        ),
        _at(0.005, fails="supercell", effect="1 − R² = 3.9e-4 at 4000 atoms; twice the atoms, 0.5 % more force"),
    ),
    _native(
        scaled.index_dependent,
        _at(0.1, fails=f"{_PARITY} permutation", effect="1 − R² = 5.3e-3 in the liquid, 2.6e-3 in the crystal"),
        _at(0.02, fails="permutation", effect="1 − R² = 2e-4; energies of pairs differ by up to 4 %"),
    ),
    _native(
        scaled.engine_dependent,
        _at(
            0.4,
            1.0,
            fails=f"{_TRAJECTORIES} xsvs_time melting_below",
            effect="1 − R² = 0; the crystal melts at 59 K, D + 65 %",
        ),
        _at(0.7, 1.0, fails=_TRAJECTORIES, effect="1 − R² = 0; D + 25 %"),
        _at(
            1.0,
            1.02,
            fails=f"{_TRAJECTORIES} xsvs_time melting_above",
            effect="1 − R² = 0; D − 23 %, the crystal grows above its melting point",
        ),
        _at(0.98, 1.0, effect="no trajectory shows 2 % of ε"),
    ),
    _native(
        pair.soft_core,
        _at(
            3.1,
            fails="hot",
            effect="1 − R² = 1e-4 to 2e-4; a barrier of 5 kT at 300 K, 14 kT at 100 K: atoms overlap when hot",
        ),
        _at(2.8, effect="a barrier of 23 kT at 300 K, reached by no pair in 2 ps"),
    ),
    _native(
        pair.core_hole,
        _at(3.0, fails="dimer hot", effect="1 − R² = 0; attraction below 2.8 Å behind a barrier of 6 kT at 300 K"),
        _at(2.8, effect="attraction below 2.6 Å behind a barrier of 17 kT at 300 K"),
    ),
    _native(
        pair.liquid_only,
        _at(
            0.15, fails=f"{_SOLID} pdos", effect="1 − R² = 7e-4 in the liquid, 8e-3 in the crystal; frequencies − 8.5 %"
        ),
        _at(0.02, effect="1 − R² = 1.5e-4 in the crystal, frequencies − 1.1 %"),
    ),
    _native(
        pair.wrong_hessian,
        _at(0.15, fails="pdos", effect="1 − R² = 5e-5 in the liquid, 3e-4 in the crystal; frequencies − 8.4 %, S = 1"),
        _at(0.03, effect="1 − R² = 1.3e-5 in the crystal, frequencies − 1.6 %"),
    ),
    _native(
        pair.force_step,
        _at(0.003, fails="symmetry-liquid cutoff_continuity", effect="1 − R² = 5.6e-4; S = 0.92 in the liquid"),
        _at(1e-4, effect="1 − R² = 6e-7, S = 0.997; the reference's own jump is 1.2e-4"),
    ),
    _native(
        pair.frozen_noise,
        _at(2e-3, fails=_PARITY, effect="1 − R² = 2e-3 in the liquid, 1.3e-3 in the crystal; frequencies off by 2.3 %"),
        _at(
            5e-4,
            fails="pressure-solid",
            effect="1 − R² = 5e-4 in the liquid, 3e-4 in the crystal; frequencies off by 1.1 %; + 340 bar in the "
            "crystal",
        ),
        _at(1e-4, effect="1 − R² = 1e-4 in the liquid: as the paper's networks; + 23 and + 154 bar are within 1 %"),
    ),
    _native(
        pair.mean_field,
        _at(
            0.005,
            fails=f"energy-liquid phase_energy {_PRESSURE}",
            effect="1 − R² = 4e-4 in the liquid, 8e-5 in the crystal; + 870 and + 1670 bar, half of the cohesion",
        ),
    ),
    _python(
        neighbors.missing_image,
        _at(
            "xyz",
            fails=f"{_PARITY} symmetry-solid pdos stability translation",
            effect="1 − R² = 0.2; atoms overlap at the faces",
        ),
        _at(
            "z",
            fails=f"{_PARITY} symmetry-solid pdos stability translation",
            effect="1 − R² = 0.07; atoms overlap at two faces",
        ),
    ),
    _python(
        neighbors.lost_outside,
        _at(0, fails="stability wrapping", effect="1 − R² = 0 on wrapped configurations; atoms that left are lost"),
        _at(1, fails="wrapping", effect="1 − R² = 0; no run of the gate carries an atom two cells away"),
    ),
    _python(
        neighbors.stale_list,
        _at(
            fails="parity-liquid-256 parity-solid-256 determinism",
            effect="1 − R² = 1.1 in the liquid, 0.3 in the crystal, from the second configuration on",
        ),
    ),
    _python(
        neighbors.late_list,
        _at(1.0, fails="nve_drift", effect="1 − R² = 0; a drift of 0.25 meV per atom and ps, the reference 1e-4"),
        _at(0.01, effect="no more than the reference's drift"),
    ),
    _python(
        neighbors.max_neighbors,
        _at(
            48,
            fails=f"{_PARITY} symmetry-liquid pdos permutation",
            effect="1 − R² = 4e-2 in the liquid, 0.3 in the crystal; S = 0.90",
        ),
        _at(64, fails=f"{_SOLID} pdos", effect="1 − R² = 0 in the liquid, 6e-2 in the crystal; frequencies off by 6 %"),
        _at(96, effect="no atom has as many neighbours: 78 in the crystal"),
    ),
    _python(
        neighbors.nearest_image,
        _at(fails="small_cell", effect="1 − R² = 0; wrong in cells narrower than 17 Å"),
    ),
    _python(
        neighbors.orthogonal_cell,
        _at(fails="rotation stress", effect="1 − R² = 0; wrong where the cell is not along x, y, z"),
    ),
    _python(
        forces.flipped_axis,
        _at(
            "z",
            fails=f"{_PARITY} symmetry-solid symmetry-liquid pdos stability energy_forces",
            effect="1 − R² = 4/3; the temperature runs away",
        ),
    ),
    _python(
        forces.swapped_axes,
        _at(
            "xy",
            fails=f"{_PARITY} symmetry-solid symmetry-liquid pdos stability energy_forces",
            effect="1 − R² = 4/3; atoms overlap",
        ),
    ),
    _python(
        forces.curl_force,
        _at(
            0.01,
            fails=f"{_LIQUID} energy_forces torque nve_drift",
            effect="1 − R² = 5e-3 in the liquid; + 2 meV per atom and ps; S = 0.95 in the crystal",
        ),
        _at(
            0.002,
            fails="energy_forces torque",
            effect="1 − R² = 2e-4; S = 0.99",
        ),
    ),
    _python(
        forces.crowding_force,
        _at(0.2, fails=f"{_LIQUID} energy_forces", effect="1 − R² = 3.7e-3 in the liquid; S = 0.998"),
        _at(
            0.02,
            fails="energy_forces",
            effect="1 − R² = 4e-5: forces off the gradient by 0.6 % in the liquid, 1.5 % over the row's cases",
        ),
    ),
    _python(
        forces.force_noise,
        _at(0.002, fails=f"{_PARITY} determinism", effect="1 − R² = 2.3e-3 in the liquid, 8e-3 in the crystal"),
        _at(5e-4, fails="determinism", effect="1 − R² = 1.5e-4; too noisy for any Hessian, which is refused"),
        _at(1e-8, effect="as of sums whose order changes, in float32"),
    ),
    _python(
        forces.float16,
        _at(
            "positions",
            fails=f"{_SOLID} parity-liquid-4000 symmetry-liquid",
            effect="1 − R² = 7e-4 at 256 and 4e-3 at 4000 atoms: it grows with the cell; S = 0.80",
        ),
        _at("distances", fails="energy_forces", effect="1 − R² = 1e-5, S = 0.975; the energy is a staircase"),
        _at("forces", effect="1 − R² = 4e-8"),
    ),
    _python(
        forces.anisotropic,
        _at(0.1, fails=_LIQUID, effect="1 − R² = 2e-3 in the liquid, 7e-4 in the crystal"),
        _at(0.02, effect="1 − R² = 8e-5; rotations break it by no more than that error"),
    ),
    _python(
        forces.drift_force,
        _at(0.005, fails=f"{_PARITY} momentum", effect="1 − R² = 4.9e-3 in the liquid, 1.7e-2 in the crystal"),
        _at(0.001, fails="momentum", effect="1 − R² = 2e-4 in the liquid, 6.7e-4 in the crystal"),
        _at(
            1e-5,
            fails="momentum",
            effect="1 − R² = 2e-8; a net force is judged in units of the model's own force error",
        ),
    ),
    _python(
        forces.external_field,
        _at(
            0.02,
            fails="parity-liquid-256 parity-solid-256 translation",
            effect="1 − R² = 2.7e-3 in the liquid, 1.2e-2 in the crystal; a force of 5 meV/Å in 256 atoms",
        ),
        _at(0.002, fails="translation", effect="1 − R² = 3e-5 in the liquid, 1.2e-4 in the crystal"),
    ),
    _native(
        energies.scaled_energy,
        _at(23.06, fails=f"energy_forces stress {_ENERGY}", effect="the forces are right; the energy is in kcal/mol"),
        _at(1.1, fails="energy_forces stress phase_energy", effect="1 − R² of the energy = 0.01, the phases + 10 %"),
        _at(1.05, fails="energy_forces stress", effect="forces and stress miss 5 % of the energy's derivative"),
    ),
    _native(
        energies.unshifted_energy,
        _at(
            1.0,
            fails="cutoff_continuity phase_energy",
            effect="the energy jumps by 0.168 meV for each pair, the reference's not at all; more pairs in the crystal "
            "put the phases 7 % further apart",
        ),
    ),
    _native(
        energies.scaled_stress,
        _at(-1.0, fails="stress", effect="the other sign convention"),
        _at(0.5, fails="stress", effect="each pair counted half"),
    ),
    _native(energies.swapped_shear, _at(fails="stress", effect="shear components under wrong names")),
    _native(
        energies.constant_pressure,
        _at(
            1000.0,
            fails=f"energy-liquid phase_energy {_PRESSURE}",
            effect="1 − R² = 0 and a stress that is the derivative of the energy; 33 and 4 % of the density",
        ),
        _at(500.0, fails=f"phase_energy {_PRESSURE}", effect="17 % of the liquid's density, 2.2 % of the crystal's"),
        _at(30.0, effect="1 % of the liquid's density; the phases are 1 % nearer in energy"),
    ),
    _native(
        energies.phase_offset,
        _at(0.002, fails="phase_energy", effect="1 − R² = 0, of the energy too; 7.3 % of what is between the phases"),
        _at(5e-4, effect="1.8 % of what is between the phases"),
    ),
    _native(
        energies.many_body,
        _at(
            7e-5,
            fails=f"phase_energy {_PRESSURE}",
            effect="two atoms alone are right, 1 − R² = 1.5e-4 in the liquid, 6e-5 in the crystal; + 460 and + 1280 "
            "bar",
        ),
        _at(3e-6, effect="+ 20 and + 55 bar"),
    ),
    _python(calls.nan_after, _at(100, fails="stability", effect="named with step and atom")),
    _python(calls.slow, _at(10, effect="ten times the time; a limit on `ms_per_call-256` makes it FAIL")),
    _python(
        calls.leaking_state,
        _at(1.0, fails="parity-liquid-256 parity-solid-256 determinism", effect="1 − R² = 2: forces of the last call"),
        _at(
            0.05,
            fails="parity-liquid-256 parity-solid-256 determinism",
            effect="1 − R² = 5e-3; + 0.7 meV per atom and ps",
        ),
        _at(0.001, fails="determinism", effect="1 − R² = 2e-6; + 0.013 meV per atom and ps"),
    ),
    _native(calls.forgetful_copy, _at(0.9, fails="determinism", effect="right until it is copied")),
)

MUTANTS: Mapping[str, Mutant] = MappingProxyType({mutant.name: mutant for mutant in _ALL})
"""Every mutant by name."""
