"""Energy on held-out configurations: how it varies within a phase, and how far the phases are apart.

Statements about the reference's configurations, which the candidate would not visit with the same weights: a right
energy there says that the model has learned the surface, not that its own averages are right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pytest_mlff.apparatus.declaration import CALIBRATED, CHOICE, EVERYWHERE, Check, Declared
from pytest_mlff.apparatus.judging import Finding, measured

if TYPE_CHECKING:
    import numpy as np

    from pytest_mlff.apparatus.context import CheckContext
    from pytest_mlff.apparatus.declaration import Row
    from pytest_mlff.apparatus.work import Work
    from pytest_mlff.schema import Record

ATOMS = 256
"""Of the parity sets that energies are compared on."""
_NEEDS = frozenset({"energy"})
_SOURCE = f"{CHOICE}; {CALIBRATED}"
_REMEDY = "the energy comes in float32, in steps of {step:.2g} eV: {what}; give it in float64, or without the constant"

CHECK = Check(order=20, samples="configurations", worker="forces")
ROWS = (
    *(
        Declared(
            key=f"energy-{phase}",
            quantity="energy",
            phase=phase,
            atoms=ATOMS,
            share=f"parity-{phase}-{ATOMS}",
            test="check_forces.test_energy",
            observable=f"1 − R² of the energy, {phase}, {ATOMS} atoms",
            kind="upper",
            limit=0.05,
            reason=f"an energy error of 22 % of the energy's own spread over {spread}; forces that are right within "
            "3 % and their integral leave less",
            source=_SOURCE,
            needs=_NEEDS,
            protocols=EVERYWHERE,
            hint=hint,
        )
        for phase, spread, hint in (
            (
                "liquid",
                "three densities and temperatures",
                "Where parity passes, the energy varies wrongly with the density: an attraction or repulsion as wide "
                "as the cutoff, whose forces cancel between neighbours. Compare pressure-liquid and energy_forces; "
                "train on energies, or on stresses, at several densities.",
            ),
            (
                "solid",
                "the vibrations of a crystal at 20 K",
                "Where parity passes, forces and energy do not belong together: compare energy_forces. Else the "
                "curvature near the lattice sites is off: compare pdos.",
            ),
        )
    ),
    Declared(
        key="phase_energy",
        test="check_forces.test_energy",
        observable="energy per atom of the liquid less that of the crystal",
        kind="relative",
        limit=0.05,
        unit="eV",
        reason="1.4 meV per atom of the 27 between them: a tenth of the heat of fusion of argon, 12 meV",
        source=_SOURCE,
        needs=_NEEDS,
        protocols=EVERYWHERE,
        hint=(
            "The crystal is bound too strongly, or the liquid too weakly: melting may be too high. Typical causes: "
            "energies of one phase from another calculation, or one of both not in the training data.",
            "The crystal is bound too weakly, or the liquid too strongly: melting may be too low. Typical causes: "
            "energies of one phase from another calculation, or one of both not in the training data.",
        ),
    ),
)


def run(context: CheckContext, rows: Sequence[Row]) -> dict[str, Record]:
    """Judge the rows of the energy."""
    return {row.id: measured(context, row, partial(_finding, context, row)) for row in rows}


def work(context: CheckContext, rows: Sequence[Row]) -> Iterator[Work]:
    """Count the force calls of the rows: those of the parity sets, as energies come with the forces."""
    from pytest_mlff.apparatus.parity import parity_work

    for phase in ("liquid", "solid"):
        if any(row.declared.phase in (phase, "") for row in rows):
            yield parity_work(context, phase, ATOMS)


def _finding(context: CheckContext, row: Row) -> Finding:
    return _within(context, row) if row.declared.phase else _apart(context)


def _energies(context: CheckContext, phase: str) -> tuple[np.ndarray, np.ndarray]:
    """Energies of the candidate and of the reference on a parity set, in eV."""
    from pytest_mlff.apparatus.parity import candidate_results, reference_results

    name = f"{phase}-{ATOMS}"
    count = dict(context.protocol.parity)[name]
    return candidate_results(context, name, count)["energy"], reference_results(context, name, count)["energy"]


def _within(context: CheckContext, row: Row) -> Finding:
    """How the energy varies over the configurations of one phase."""
    from pytest_mlff.analysis.energy import energy_parity, energy_resolution, rounding_share
    from pytest_mlff.schema import Estimate
    from pytest_mlff.units import MEV

    own, exact = _energies(context, row.declared.phase)
    found, limit = energy_parity(own, exact), context.tolerances[row.key].limit
    error, per_atom = own - exact, MEV / ATOMS
    note = (
        f"{len(own)} configurations of the reference, error s.d. {per_atom * error.std():.3g} meV per atom of "
        f"{per_atom * exact.std():.3g}; its mean, {per_atom * error.mean():.3g} meV per atom, is not judged"
    )
    step = energy_resolution(own)
    share = rounding_share(step, exact)
    if limit is not None and found.value > limit and found.value - share < limit:
        found = Estimate(found.value, max(found.stderr, share), found.dof)
        what = f"rounding alone may bring about {share:.2g}, so that the resolution decides here, not the model"
        note += f"; {_REMEDY.format(step=step, what=what)}"
    return Finding(candidate=found, force_calls=len(own), note=note)


def _apart(context: CheckContext) -> Finding:
    """How far the energies of both phases are apart."""
    from pytest_mlff.analysis.energy import energy_difference, energy_resolution
    from pytest_mlff.schema import Estimate
    from pytest_mlff.units import MEV

    sets = [_energies(context, phase) for phase in ("liquid", "solid")]
    candidate, reference = energy_difference(
        (sets[0][0] / ATOMS, sets[1][0] / ATOMS), (sets[0][1] / ATOMS, sets[1][1] / ATOMS)
    )
    note = f"configurations of the reference, {MEV * (candidate.value - reference.value):+.3g} meV per atom"
    steps = [energy_resolution(own) for own, _ in sets]
    rounding = max(steps) / ATOMS  # a sum that is off by a place is so in every configuration alike
    if rounding > candidate.stderr:
        candidate = Estimate(candidate.value, rounding, candidate.dof)
        what = f"per atom it is known to {MEV * rounding:.2g} meV"
        note += f"; {_REMEDY.format(step=max(steps), what=what)}"
    return Finding(candidate=candidate, reference=reference, force_calls=sum(len(own) for own, _ in sets), note=note)
