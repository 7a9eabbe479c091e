"""Laws that a network may only have learned: rotation, and no net force or torque without anything outside.

A model whose forces are no derivatives of an invariant energy breaks them by something of the size of its force
error, which parity has judged. So the unit here is that error, on the same structures, and to break a law by
more than twice of it is a defect of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations, product
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from pytest_mlff.analysis.statistics import jackknife
from pytest_mlff.apparatus.cases import draw, pieces, shrink, whole
from pytest_mlff.apparatus.judging import Finding
from pytest_mlff.apparatus.workbench import LIQUID, SOLID, Piece, Workbench
from pytest_mlff.errors import BudgetExhausted, ModelError
from pytest_mlff.schema import Estimate
from pytest_mlff.systems.structure import Structure
from pytest_mlff.units import MEV

CASES = 8
"""Structures of each kind, so that the error bar has seven degrees of freedom."""
ALONE = 2.0
"""A structure beyond so many limits decides alone: by independent errors one in 10⁹ has as much net force."""
NEGLIGIBLE = 1e-3
"""Smallest force error that counts as one, as a fraction of the thermal force: 1 − R² = 1e-6. Rounding of float32
is a fortieth of it."""
CLUSTER = 13
"""Atoms of an isolated cluster: one and its first shell."""

Frames = list[tuple[Structure, np.ndarray]]
Turn = tuple[int, int, int, int]


class Breach(NamedTuple):
    """Mean square per component, in (eV/Å)²: by how much a law is broken, and the force error beside it."""

    violation: float
    error: float
    frames: Frames


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Structures of one kind.

    Attributes
    ----------
    name : str
        For the note.
    cases : sequence
        Those that are judged.
    smaller : SearchStrategy
        Where a small failing one is looked for.
    measure : callable
        Case → Breach.
    """

    name: str
    cases: Sequence[Any]
    smaller: st.SearchStrategy[Any]
    measure: Callable[[Any], Breach]


def rotation(bench: Workbench) -> Finding:
    """Judge whether forces turn with the structure, liquid and crystal, cell included.

    Root mean square change of a force component in force errors; independent errors before and after give √2.
    """
    tilted = _takes_turned_cells(bench)

    def measure(case: tuple[Piece, Turn]) -> Breach:
        structure, turn = bench.structure(case[0]), turned(case[1], quarters=not tilted)
        cell = structure.cell @ turn.T if tilted else structure.cell
        image = replace(structure, positions=structure.positions @ turn.T, cell=cell)
        forces, image_forces = bench.forces_of(case[0]), bench.forces(image)
        violation = float(np.mean((image_forces @ turn - forces) ** 2))
        return Breach(violation, _error(bench, structure, forces), [(structure, forces), (image, image_forces)])

    turns = st.tuples(whole(2), whole(2), whole(2), whole(2))
    kinds = [
        Kind(
            name=name,
            cases=list(zip(_bulk(source), draw(turns, CASES, bench.seed(f"rotation {name}")), strict=True)),
            smaller=st.tuples(pieces(source), turns),
            measure=measure,
        )
        for name, source in (("liquid", LIQUID), ("crystal", SOLID))
    ]
    note = "" if tilted else "; the model refuses cells that are not along the axes: quarter turns only"
    return _judge(bench, "rotation", kinds, note)


def momentum(bench: Workbench) -> Finding:
    """Judge the net force of the liquid and of isolated clusters.

    abs(Σ f)/√(3N) in force errors, root mean square over structures; independent errors give 1.
    """

    def net(structure: Structure, forces: np.ndarray) -> Breach:
        violation = float(np.sum(forces.sum(axis=0) ** 2)) / forces.size
        return Breach(violation, _error(bench, structure, forces), [(structure, forces)])

    liquid = Kind(
        name="liquid",
        cases=_bulk(LIQUID),
        smaller=pieces(),
        measure=lambda piece: net(bench.structure(piece), bench.forces_of(piece)),
    )
    return _judge(bench, "momentum", [liquid, _clusters(bench, "momentum", net)])


def torque(bench: Workbench) -> Finding:
    """Judge the torque on isolated clusters.

    abs(Σ r × f)/√(2 Σ r²), r from the centre, in force errors, root mean square over structures; independent errors
    give 1.
    """

    def turning(structure: Structure, forces: np.ndarray) -> Breach:
        arm = structure.positions - structure.positions.mean(axis=0)
        violation = float(np.sum(np.cross(arm, forces).sum(axis=0) ** 2) / (2.0 * np.sum(arm**2)))
        return Breach(violation, _error(bench, structure, forces), [(structure, forces)])

    return _judge(bench, "torque", [_clusters(bench, "torque", turning)])


def _bulk(source: str) -> list[Piece]:
    return [Piece(source, configuration, 256, 0) for configuration in range(CASES)]


def _clusters(bench: Workbench, key: str, law: Callable[[Structure, np.ndarray], Breach]) -> Kind:
    def measure(piece: Piece) -> Breach:
        structure = bench.isolated(piece)
        return law(structure, bench.forces(structure))

    cut = st.builds(lambda piece: piece._replace(atoms=CLUSTER), pieces())
    return Kind(
        name=f"clusters of {CLUSTER}",
        cases=draw(cut, CASES, bench.seed(f"{key} clusters")),
        smaller=pieces(largest=CLUSTER),
        measure=measure,
    )


def _error(bench: Workbench, structure: Structure, forces: np.ndarray) -> float:
    """Mean square force error per component, or what is too small to matter."""
    error = float(np.mean((forces - bench.reference_forces(structure)) ** 2))
    return max(error, (NEGLIGIBLE * bench.thermal_force) ** 2)


def _judge(bench: Workbench, key: str, kinds: Sequence[Kind], remark: str = "") -> Finding:
    """Take the kind of structures that breaks the law most; if that is too much, find a small one."""
    before = bench.calls
    judged = [(kind, *_ratio([kind.measure(case) for case in kind.cases], bench.limit(key))) for kind in kinds]
    kind, found, error = max(judged, key=lambda item: item[1].value)
    smallest = " (smaller ones count as this)" if error <= 1.001 * NEGLIGIBLE * bench.thermal_force else ""
    note = f"{len(kind.cases)} × {kind.name}, force error {error * MEV:.3g} meV/Å{smallest}{remark}"
    if found.value > bench.limit(key):

        def fails(case: Any) -> bool:
            breach = kind.measure(case)
            return breach.violation > bench.limit(key) ** 2 * breach.error

        try:
            found_one = shrink(kind.smaller, fails, bench.cases, bench.seed(key))
            breach = kind.measure(kind.cases[0] if found_one is None else found_one)
        except BudgetExhausted as spent:
            note = f"{note}; no structure kept: {spent}"
        else:
            n = len(breach.frames[0][0].positions)
            ratio = np.sqrt(breach.violation / breach.error)
            note = f"{n} atoms break it by {ratio:.3g} force errors; {note}{bench.keep(key, breach.frames)}"
    return Finding(candidate=found, force_calls=bench.calls - before, note=note)


def _ratio(breaches: Sequence[Breach], limit: float) -> tuple[Estimate, float]:
    """Violation in force errors with its jackknife error, and the force error in eV/Å."""
    samples = np.array([(breach.violation, breach.error) for breach in breaches])
    worst = float(np.sqrt(np.max(samples[:, 0] / samples[:, 1])))
    if worst > ALONE * limit:
        return Estimate(worst, 0.0), float(np.sqrt(samples[:, 1].mean()))
    found = jackknife(samples, lambda some: float(np.sqrt(np.sum(some[:, 0]) / np.sum(some[:, 1]))))
    return found, float(np.sqrt(samples[:, 1].mean()))


def _takes_turned_cells(bench: Workbench) -> bool:
    structure = bench.structure(Piece(LIQUID, 0, CLUSTER, 0))
    turn = turned((0, 0, 0, 0))
    try:
        bench.forces(replace(structure, positions=structure.positions @ turn.T, cell=structure.cell @ turn.T))
    except ModelError as error:
        if not error.is_refusal:
            raise
        return False
    return True


def turned(numbers: Turn, *, quarters: bool = False) -> np.ndarray:
    """Rotation matrix of a case.

    Parameters
    ----------
    numbers : tuple of int
        Four of them, from 0 to 3.
    quarters : bool, optional
        Take one of the 23 rotations of a cube instead of a general one.

    Returns
    -------
    ndarray, shape (3, 3)
        Never the identity.
    """
    if quarters:
        return _QUARTERS[sum(number << 2 * place for place, number in enumerate(numbers)) % len(_QUARTERS)]
    w, x, y, z = np.array([1.5, 0.5, 1.0, -2.5]) + np.array([-1, 1, 1, 1]) * numbers  # never along the first axis
    w, x, y, z = np.array([w, x, y, z]) / np.linalg.norm([w, x, y, z])
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _rotations_of_the_cube() -> Iterator[np.ndarray]:
    for order, signs in product(permutations(range(3)), product((1.0, -1.0), repeat=3)):
        matrix = np.zeros((3, 3))
        matrix[range(3), order] = signs
        if np.linalg.det(matrix) > 0 and np.trace(matrix) < 3:
            yield matrix


_QUARTERS = tuple(_rotations_of_the_cube())
