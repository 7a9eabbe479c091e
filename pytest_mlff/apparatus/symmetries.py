"""Exact symmetries: what may be done to a structure without changing the forces on its atoms.

They hold for whatever sees only vectors between atoms, up to rounding; so they are judged in units of the
model's own rounding.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from pytest_mlff.apparatus.cases import draw, pieces, shrink, whole
from pytest_mlff.apparatus.judging import Finding
from pytest_mlff.apparatus.workbench import Piece, Workbench, largest_norm
from pytest_mlff.cells import perpendicular_widths, wrap
from pytest_mlff.errors import BudgetExhausted, ModelError, RefusedError
from pytest_mlff.schema import Estimate
from pytest_mlff.simulation.forces import calling
from pytest_mlff.systems.structure import Structure

JITTER = 1e-3
"""Å by which all atoms of a failing structure are moved to see whether it still fails: a pair that sits on a
cutoff to within rounding is then off it."""
ROUNDING = 1e-5
"""Largest share of a force that counts as rounding, where forces do not repeat."""

_SHAKEN = 0.15
"""Displacements of the small crystals in Å: those of argon near melting."""

Operation = tuple[int, ...]


class Image(NamedTuple):
    """A structure after an operation, how its forces come back onto the original's atoms, and what was done."""

    structure: Structure
    back: Callable[[np.ndarray], np.ndarray]
    words: str


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One comparison: a structure, its image, the forces of both, what differs, and the unit of that."""

    original: Structure
    image: Structure
    forces: np.ndarray
    image_forces: np.ndarray
    difference: np.ndarray
    words: str
    unit: float

    @property
    def ratio(self) -> float:
        """Largest change of a force, in units of the resolution."""
        return largest_norm(self.difference) / self.unit


def _translated(structure: Structure, operation: Operation) -> Image:
    a, b, c = operation
    shift = 0.37 * np.array([1 + a, b, c])
    moved = wrap(structure.positions + shift, structure.cell)
    return Image(structure.at(moved), _same, f"all atoms moved by {_vector(shift)} Å and wrapped")


def _permuted(structure: Structure, operation: Operation) -> Image:
    roll, flip = operation
    n = len(structure.positions)
    order = np.roll(np.arange(n), 1 + roll % max(n - 1, 1))
    order = order[::-1] if flip else order
    inverse = np.argsort(order)
    image = replace(structure, numbers=structure.numbers[order], positions=structure.positions[order])
    return Image(image, lambda forces: forces[inverse], f"atoms in another order (0 is now {int(inverse[0])})")


def _wrapped(structure: Structure, operation: Operation) -> Image:
    a, b, c, every = operation
    steps = np.array([(1, 0, -1, -2)[a], *((0, 1, -1, -2)[k] for k in (b, c))])
    moved = structure.positions.copy()
    moved[:: 2 + every] += steps @ structure.cell
    words = f"atoms 0, {2 + every}, {2 * (2 + every)}, ... moved by {_vector(steps)} vectors of the cell"
    return Image(structure.at(moved), _same, words)


def _repeated(structure: Structure, times: tuple[int, int, int]) -> Image:
    n, cell = len(structure.positions), structure.cell
    shifts = np.array(list(product(*map(range, times)))) @ cell
    positions = (structure.positions + shifts[:, None]).reshape(-1, 3)
    words = f"{' × '.join(map(str, times))} copies of the cell"
    numbers = np.tile(structure.numbers, len(shifts))
    larger = replace(structure, numbers=numbers, positions=positions, cell=cell * np.array(times)[:, None])
    return Image(larger, lambda forces: forces.reshape(-1, n, 3), words)


def _supercell(structure: Structure, operation: Operation) -> Image:
    return _repeated(structure, ((2, 1, 1), (1, 2, 1), (1, 1, 2), (2, 2, 1))[operation[0]])


def _same(forces: np.ndarray) -> np.ndarray:
    return forces


def _vector(values: np.ndarray) -> str:
    return f"({', '.join(f'{value:g}' for value in values)})"


EXACT: Mapping[str, tuple[Callable[[Structure, Operation], Image], tuple[int, ...]]] = {
    "translation": (_translated, (5, 5, 5)),
    "permutation": (_permuted, (7, 1)),
    "wrapping": (_wrapped, (2, 2, 2, 2)),
    "supercell": (_supercell, (2,)),
}
"""By row: the operation, and the bits of the numbers that it takes."""


def exact(bench: Workbench, key: str) -> Finding:
    """Judge a symmetry that holds exactly for whatever sees only vectors between atoms.

    Parameters
    ----------
    bench : Workbench
        Of the run.
    key : str
        One of :data:`EXACT`.

    Returns
    -------
    Finding
        Largest change of a force in units of the resolution, over all cases; an exact number.
    """
    operate, bits = EXACT[key]
    strategy = st.tuples(pieces(), st.tuples(*map(whole, bits)))

    def trial(case: tuple[Piece, Operation], shift: float) -> Trial:
        piece, operation = case
        structure = jittered(bench.structure(piece), shift)
        return compare(bench, structure, operate(structure, operation), None if shift else bench.forces_of(piece))

    return worst_case(bench, key, strategy, trial)


def worst_case(
    bench: Workbench,
    key: str,
    strategy: st.SearchStrategy[Any],
    trial: Callable[[Any, float], Trial],
) -> Finding:
    """Draw cases, take the worst, and when it fails look for a smaller one that does.

    Parameters
    ----------
    bench : Workbench
        Of the run.
    key : str
        The row.
    strategy : SearchStrategy
        Of the cases.
    trial : callable
        Makes the comparison of a case, its atoms moved at random by up to so many Å.

    Returns
    -------
    Finding
        The worst ratio; the note names the smallest failing structure.
    """
    before = bench.calls

    def ratio(case: Any) -> float:
        found = trial(case, 0.0).ratio
        return found if found <= bench.limit(key) else min(found, trial(case, JITTER).ratio)

    ratios: dict[Any, float] = {}
    try:
        for case in draw(strategy, bench.cases, bench.seed(key)):
            ratios[case] = ratio(case)
    except BudgetExhausted as spent:
        worst_so_far = max(ratios.values(), default=0.0)
        if worst_so_far <= bench.limit(key):
            raise BudgetExhausted(f"{spent}; worst of {len(ratios)} cases: {worst_so_far:.3g}") from None
    note = f"{len(ratios)} cases, resolution {bench.resolution:.2g} eV/Å"
    if not bench.context.model.repeatable:
        note += ", which holds the noise of forces that do not repeat"
    worst = max(ratios, key=lambda case: ratios[case])
    if ratios[worst] > bench.limit(key):

        def fails(case: Any) -> bool:
            if case not in ratios:
                ratios[case] = ratio(case)
            return ratios[case] > bench.limit(key)

        try:
            smallest = trial(shrink(strategy, fails, bench.cases, bench.seed(key)) or worst, 0.0)
        except BudgetExhausted as spent:
            note = f"{note}; no structure kept: {spent}"
        else:
            frames = [(smallest.original, smallest.forces), (smallest.image, smallest.image_forces)]
            note = f"{describe(smallest)}; {note}{bench.keep(key, frames)}"
    return Finding(candidate=Estimate(max(ratios.values()), 0.0), force_calls=bench.calls - before, note=note)


def compare(bench: Workbench, structure: Structure, image: Image, forces: np.ndarray | None = None) -> Trial:
    """Evaluate a structure and its image.

    Parameters
    ----------
    bench : Workbench
        Of the run.
    structure : Structure
        The original.
    image : Image
        What became of it.
    forces : ndarray, shape (atom, xyz), optional
        Of the original, where they are known.

    Returns
    -------
    Trial
        With the difference of the forces in eV/Å, on the original's atoms.
    """
    forces = bench.forces(structure) if forces is None else forces
    image_forces = bench.forces(image.structure)
    difference = image.back(image_forces) - forces
    return Trial(structure, image.structure, forces, image_forces, difference, image.words, bench.resolution)


def jittered(structure: Structure, size: float) -> Structure:
    """Move all atoms at random, the same way every time.

    Parameters
    ----------
    structure : Structure
        The original; not changed.
    size : float
        Largest displacement along an axis in Å.

    Returns
    -------
    Structure
        In the same cell.
    """
    shift = np.random.default_rng(0).uniform(-size, size, structure.positions.shape)
    return structure.at(structure.positions + shift)


def describe(trial: Trial) -> str:
    """Say which structure, what was done, which atom, and how far its force is off.

    Parameters
    ----------
    trial : Trial
        One comparison.

    Returns
    -------
    str
        For the reason of a record.
    """
    norms = np.linalg.norm(trial.difference, axis=-1)
    norms = norms.reshape(-1, norms.shape[-1]).max(axis=0)
    n = len(norms)
    atom = int(np.argmax(norms))
    size = float(np.linalg.norm(trial.forces[atom]))
    return f"{n} atoms, {trial.words}: the force on atom {atom} changes by {norms[atom]:.3g} eV/Å (it is {size:.3g})"


def small_cell(bench: Workbench) -> Finding:
    """Judge crystals of 4 and 32 atoms against the 256 atoms of their supercell.

    Parameters
    ----------
    bench : Workbench
        Of the run.

    Returns
    -------
    Finding
        As :func:`exact`.

    Raises
    ------
    RefusedError
        If the calculator takes no cell smaller than twice its cutoff.
    """
    crystal = bench.context.system.crystal

    def trial(case: tuple[int, int], shift: float) -> Trial:
        n_cells, seed = 1 + case[0], case[1]
        lattice = crystal.repeated((n_cells, n_cells, n_cells))
        shaken = lattice.positions + np.random.default_rng(seed).normal(0.0, _SHAKEN, lattice.positions.shape)
        structure = jittered(lattice.at(shaken), shift)
        try:
            forces = bench.forces(structure)
        except ModelError as error:
            if not error.is_refusal:
                raise
            narrow = perpendicular_widths(lattice.cell).min()
            raise RefusedError(f"the model refuses a cell of {narrow:.2f} Å ({error})") from error
        return compare(bench, structure, _repeated(structure, (4 // n_cells,) * 3), forces)

    return worst_case(bench, "small_cell", st.tuples(whole(1), whole(4)), trial)


def determinism(bench: Workbench) -> Finding:
    """Judge whether the forces on a structure depend on anything but the structure.

    As :func:`exact`, for the worst of the ways to ask again.
    """
    twins = _precisions(bench)
    single_unit = bench.resolution_of(twins[0]) if twins else 0.0

    def trial(case: Piece, shift: float) -> Trial:
        structure = jittered(bench.structure(case), shift)
        first = bench.forces(structure)
        # the resolution holds the very noise that is judged here, so that it may not grow past rounding
        size = largest_norm(first)
        unit = min(bench.resolution, ROUNDING * size) if size > 0.0 else bench.resolution
        found = [
            Trial(structure, structure, first, again, again - first, words, unit)
            for words, again in _again(bench, structure, case)
        ]
        if twins:
            single, double = (bench.forces(structure, twin) for twin in twins)
            words = "float32 against float64"
            found.append(Trial(structure, structure, double, single, single - double, words, single_unit))
        return max(found, key=lambda one: one.ratio)

    return worst_case(bench, "determinism", pieces(), trial)


def _again(bench: Workbench, structure: Structure, piece: Piece) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the forces of a structure asked for in other ways, with words for them."""
    calculator = bench.context.model.calculator
    bench.forces(jittered(structure, 0.1))
    yield "asked again, after the same atoms a little displaced", bench.forces(structure)
    size = 13 if piece.atoms != 13 else 32
    other = bench.structure(piece._replace(atoms=size, configuration=7 - piece.configuration))
    bench.forces(other)
    yield f"asked again, after {size} other atoms", bench.forces(structure)
    for how in (copy.copy, copy.deepcopy):
        try:
            with calling(f"copy.{how.__name__}", bench.context.model):
                twin = how(calculator)
        except ModelError as error:
            if not error.is_refusal:
                raise
            continue  # what cannot be copied (an open file, a compiled graph) cannot go wrong that way
        yield f"asked of its copy.{how.__name__}", bench.forces(structure, twin)


def _precisions(bench: Workbench) -> tuple[Any, ...]:
    """Return the calculator in float32 and in float64, where it offers ``with_dtype``."""
    offer = getattr(bench.context.model.calculator, "with_dtype", None)
    with calling("with_dtype", bench.context.model):
        return (offer("float32"), offer("float64")) if callable(offer) else ()
