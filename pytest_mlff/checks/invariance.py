"""Symmetries and conservation laws: which row is measured how, and its record."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlff.apparatus.declaration import CHOICE, EVERYWHERE, LONG, MEASURED, Check, Declared
from pytest_mlff.apparatus.judging import Finding, measured

if TYPE_CHECKING:
    import numpy as np

    from pytest_mlff.apparatus.context import CheckContext
    from pytest_mlff.apparatus.declaration import Row
    from pytest_mlff.apparatus.work import Work
    from pytest_mlff.apparatus.workbench import Workbench
    from pytest_mlff.schema import Record

_ENERGY = frozenset({"forces", "energy"})


def _law(key: str, test: str, **declared: Any) -> Declared:
    return Declared(key=key, test=f"check_invariance.{test}", kind="upper", law=True, **declared)


def _exact(key: str, change: str, hint: str, *, in_smoke: bool = True) -> Declared:
    return _law(
        key,
        "test_symmetry",
        observable=f"change of the forces {change}, in resolutions of a force",
        limit=8.0,
        unit="res.",
        reason="rounding alone gives about one, and up to three where coordinates are larger; the rest is margin",
        source="rounding of float32 coordinates and inside the model, measured on the model itself",
        protocols=EVERYWHERE if in_smoke else LONG,
        hint=hint,
    )


def _learned(key: str, test: str, breach: str, hint: str) -> Declared:
    return _law(
        key,
        test,
        observable=f"{breach}, in force errors",
        limit=2.0,
        unit="errors",
        reason="independent force errors give 1, and √2 for a rotation; less is what parity has judged",
        source=CHOICE,
        hint=hint,
    )


ROWS = (
    _exact(
        "translation",
        "when all atoms are moved",
        "Forces may depend on vectors between atoms only. Typical causes: absolute positions among the inputs, pairs "
        "across the faces of the cell that are missed, a grid that is fixed in the cell.",
    ),
    _exact(
        "permutation",
        "when atoms are renumbered",
        "Typical causes: a limit on the number of neighbours that keeps the first ones instead of the nearest, results "
        "scattered back in the wrong order, an index among the inputs.",
    ),
    _exact(
        "wrapping",
        "when atoms are moved by edges of the cell",
        "Atoms that left the cell are not brought back into it: wrap positions, or look for the nearest image of every "
        "pair, before the neighbour search.",
    ),
    _exact(
        "determinism",
        "when they are asked for again",
        "Typical causes: dropout or noise left on, a neighbour list that is kept too long or belongs to another "
        "structure, results kept from the last call, state that a copy does not take along.",
    ),
    _exact(
        "supercell",
        "when the cell is repeated",
        "Something depends on the size of the cell or the number of atoms: a normalisation, a pooling over all atoms, "
        "images that are missed.",
        in_smoke=False,
    ),
    _exact(
        "small_cell",
        "in a cell below twice the cutoff",
        "An atom meets several images of its neighbours there, and its own: count them all, or let the calculator "
        "raise an error for a cell below twice its cutoff.",
        in_smoke=False,
    ),
    _learned(
        "rotation",
        "test_symmetry",
        "change of the forces when a structure is turned with its cell",
        "If only turned cells are wrong, the calculator reads the edges of the cell and not its vectors. If the "
        "crystal is, it was learned in one orientation: turn the training data at random.",
    ),
    _learned(
        "momentum",
        "test_conservation",
        "net force",
        "A network that gives forces directly has a net force; penalise it in training, or subtract it in the "
        "calculator. Forces derived from pairs or from an energy have none: then a pair is counted on one side.",
    ),
    _learned(
        "torque",
        "test_conservation",
        "torque on an isolated cluster",
        "The forces turn a cluster by itself, as no derivative of an energy does: a part of them is a curl. Compare "
        "symmetry-liquid and energy_forces.",
    ),
    _law(
        "energy_forces",
        "test_conservation",
        observable="mismatch of force and −dE/dx, as a fraction of the rms force",
        limit=0.01,
        reason="a third of the force error that parity allows; the reference is below 1e-3, for pairs that cross its "
        "cutoff",
        source=f"{CHOICE}; {MEASURED}",
        needs=_ENERGY,
        hint="Typical causes: units or a factor in one of both, a term that is in the energy only, another network for "
        "each, float32 sums of large energies (the mismatch then falls with larger steps).",
    ),
    _law(
        "stress",
        "test_conservation",
        observable="mismatch of the stress and the strain derivative of the energy",
        limit=6e-6,
        unit="eV/Å³",
        reason="10 bar: at the compressibility of liquid argon 0.2 % of the density",
        source=CHOICE,
        needs=_ENERGY | {"stress"},
        hint="Typical causes: the sign (ASE: positive under tension), the volume, a factor of two for pairs, the order "
        "xx, yy, zz, yz, xz, xy, shear components.",
    ),
    _law(
        "nve_drift",
        "test_conservation",
        observable="drift of the energy per atom without a thermostat",
        limit=4e-6,
        unit="eV/ps",
        reason="2 K in the 134 ps of a long run at a heat capacity of 3k: about 4 % of D",
        source=f"{CHOICE}; spread of the reference 6e-7, {MEASURED}",
        needs=_ENERGY,
        hint="Forces that are no derivative of the energy, that jump, or that belong to an outdated neighbour list. "
        "Compare energy_forces, cutoff_continuity and determinism.",
    ),
    _law(
        "cutoff_continuity",
        "test_extremes",
        observable="largest jump of force or energy between two atoms, in jumps of the reference",
        limit=2.0,
        unit="jumps",
        reason="the reference's own jump at its cutoff, 0.118 meV/Å, is part of what is learned; twice of it is not",
        source=CHOICE,
        hint="Let messages or pair terms fall to zero smoothly at the model's own cutoff, the energy with them; the "
        "reason names the distance.",
    ),
    _law(
        "dimer",
        "test_extremes",
        observable="force of the wrong sign between two atoms alone",
        limit=1.3e-3,
        unit="eV/Å",
        reason="the force error that parity allows in the liquid: √0.001 of 41 meV/Å",
        source=CHOICE,
        hint="At short distances: too few close pairs in the training data; add some, or a repulsion by hand. At long "
        "ones: ripples of the radial functions, or a network that never saw a lone pair.",
    ),
    _law(
        "hot",
        "test_extremes",
        observable="part of a run at 300 K not survived",
        limit=0.0,
        reason="a core that holds at 300 K has pairs to spare at 100 K",
        source=CHOICE,
        hint="The core gives way where 100 K does not reach. Compare dimer; include hot or compressed configurations "
        "in the training data.",
    ),
)
CHECK = Check(order=70, samples="cases", worker="invariance", dry_run=True)


def _measures() -> Mapping[str, Callable[[Workbench], Finding]]:
    from pytest_mlff.apparatus import conservation, extremes, learned, symmetries

    return {
        **{key: partial(symmetries.exact, key=key) for key in symmetries.EXACT},
        "determinism": symmetries.determinism,
        "small_cell": symmetries.small_cell,
        "rotation": learned.rotation,
        "momentum": learned.momentum,
        "torque": learned.torque,
        "energy_forces": conservation.energy_forces,
        "stress": conservation.stress,
        "nve_drift": conservation.nve_drift,
        "cutoff_continuity": extremes.cutoff_continuity,
        "dimer": extremes.dimer_curve,
        "hot": extremes.hot,
    }


def run(context: CheckContext, rows: Sequence[Row]) -> dict[str, Record]:
    """Judge the rows of symmetries and conservation laws."""
    from pytest_mlff.apparatus.workbench import Workbench

    bench = Workbench(context)
    # what one structure breaks, another may bear
    return {row.id: measured(context, row, partial(_finding, bench, row)) for row in rows}


def _finding(bench: Workbench, row: Row) -> Finding:
    with bench.context.meter.task(f"{bench.context.model.name} {row.id}"):
        return _measures()[row.key](bench)


def work(context: CheckContext, rows: Sequence[Row]) -> Iterator[Work]:
    """Count the force calls of the rows, by running them with the reference in place of the candidate.

    For each row a set for each size; where a model fails, the search for a small structure comes on top.
    """
    import pytest_mlff
    from pytest_mlff.apparatus.work import Work

    parts = {
        "kind": "invariance calls",
        "rows": [row.key for row in rows],
        "cases": context.protocol.invariance_cases,
        "seed": context.seed,
        "provides": sorted(context.model.provides),
        "system": context.system.identity,
        "reference": context.reference.version,
        "version": pytest_mlff.__version__,
    }
    found = context.cache.memo(parts, partial(_counted, context, rows), context.meter, holds=("row", "atoms", "calls"))
    for number, atoms, calls in zip(*(found[name].tolist() for name in ("row", "atoms", "calls")), strict=True):
        yield Work(share=rows[number].id, calls=calls, atoms=atoms)


def _counted(context: CheckContext, rows: Sequence[Row]) -> dict[str, np.ndarray]:
    """Count the calls of the reference in each row, by the number of atoms."""
    import numpy as np

    from pytest_mlff.apparatus.workbench import Workbench
    from pytest_mlff.reference.model import ReferenceModel
    from pytest_mlff.simulation.cache import Cache
    from pytest_mlff.simulation.meter import Meter

    counted: list[tuple[int, int, int]] = []
    with tempfile.TemporaryDirectory(prefix="pytest-mlff-") as folder:
        cache, meter = Cache(Path(folder)), Meter()
        stand_in = _StandIn(_ThroughPython(ReferenceModel(context.system).calculator), context.model.provides)
        bench = Workbench(replace(context, model=stand_in, cache=cache, meter=meter, keep=None))
        for number, row in enumerate(rows):
            before = meter.sizes.copy()
            _measures()[row.key](bench)
            counted.extend((number, atoms, calls) for atoms, calls in sorted((meter.sizes - before).items()))
    names = ("row", "atoms", "calls")
    return dict(zip(names, np.array(counted, dtype=int).reshape(-1, 3).T, strict=True))


class _ThroughPython:
    """A calculator without its native force, whose steps nobody could count."""

    def __init__(self, calculator: Any) -> None:
        for name in ("get_forces", "get_potential_energy", "get_stress"):
            setattr(self, name, getattr(calculator, name))


@dataclass(frozen=True)
class _StandIn:
    """A model that is cheap, and passes."""

    calculator: Any
    provides: frozenset[str]
    name = spec = fingerprint = "the reference"
    repeatable = True
