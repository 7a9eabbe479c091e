"""Mutants that see wrong neighbours: images, cells, lists and their upkeep."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytest_mlff.mutants.base import Pairs, PythonAltered


class _MissingImage(PythonAltered):
    def __init__(self, axes: str) -> None:
        super().__init__()
        self.periodic = np.array([axis not in axes for axis in "xyz"])

    def _seen(self, atoms: Any) -> Any:
        seen = atoms.copy()
        seen.wrap()
        seen.pbc &= self.periodic
        return seen


def missing_image(axes: str) -> PythonAltered:
    """No neighbours across faces of the cell.

    Parameters
    ----------
    axes : str
        Directions without images, of ``"xyz"``.

    Returns
    -------
    PythonAltered
        Atoms are wrapped into the cell, and see those inside it.
    """
    return _MissingImage(axes)


class _LostOutside(PythonAltered):
    def __init__(self, reach: int) -> None:
        super().__init__()
        self.reach = reach

    def _pairs(self) -> Pairs:
        first, second, vector = super()._pairs()
        cells = np.floor(self.atoms.get_scaled_positions(wrap=False)) * self.atoms.pbc
        binned = np.abs(cells).max(axis=1) <= self.reach
        kept = binned[first] & binned[second]
        self.pairs = first[kept], second[kept], vector[kept]
        return self.pairs


def lost_outside(reach: int) -> PythonAltered:
    """Atoms that left the cell are not wrapped back, and nobody finds them.

    Parameters
    ----------
    reach : int
        Cells to each side in which an atom is still found: 0 for a list that bins the cell only, 1 for code
        that adds or subtracts one box length.

    Returns
    -------
    PythonAltered
        Right for wrapped configurations.
    """
    return _LostOutside(reach)


class _StaleList(PythonAltered):
    """Pairs and their images are kept until the number of atoms changes or one moved too far."""

    def __init__(self, move: float) -> None:
        super().__init__()
        self.move = move
        self.built: Any = None
        self.kept: Pairs

    def _pairs(self) -> Pairs:
        atoms = self.atoms
        if self._outdated():
            first, second, vector = super()._pairs()
            self.built = atoms.copy()
            self.kept = first, second, vector - (atoms.positions[second] - atoms.positions[first])
        first, second, shift = self.kept
        vector = atoms.positions[second] - atoms.positions[first] + shift
        near = np.einsum("ij,ij->i", vector, vector) < self.cutoff**2
        self.pairs = first[near], second[near], vector[near]
        return self.pairs

    def _outdated(self) -> bool:
        atoms, built = self.atoms, self.built
        if built is None or len(built) != len(atoms):
            return True
        if self.move == np.inf:
            return False
        moved = np.abs(atoms.positions - built.positions).max()
        return bool(moved > self.move or (atoms.cell.array != built.cell.array).any())


def stale_list() -> PythonAltered:
    """Neighbour list that is built once for each number of atoms, and never again.

    Returns
    -------
    PythonAltered
        Right for the first configuration after another number of atoms.
    """
    return _StaleList(np.inf)


def late_list(move: float) -> PythonAltered:
    """Neighbour list without a margin, built anew only when an atom has moved far enough.

    Parameters
    ----------
    move : float
        Along one axis, in Å; until then, pairs that come within the cutoff are missed.

    Returns
    -------
    PythonAltered
        Right for configurations that differ by more than this; in between, forces depend on what came before.
    """
    return _StaleList(move)


class _MaxNeighbors(PythonAltered):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def _spoil(self, results: dict[str, Any]) -> None:
        first, second, vector = self.pairs
        listed = self._listed()
        energy, scale = self._pair_terms(np.einsum("ij,ij->i", vector, vector))
        force = scale[:, None] * vector
        for atom, sign, missing in ((first, -1.0, ~listed[: len(first)]), (second, 1.0, ~listed[len(first) :])):
            np.add.at(results["forces"], atom[missing], sign * force[missing])
            results["energy"] -= 0.5 * float(energy[missing].sum())
        results["free_energy"] = results["energy"]

    def _listed(self) -> np.ndarray:
        """Whether the first atom's list has room for the second; then the other way round."""
        first, second, _ = self.pairs
        atom, neighbor = np.concatenate([first, second]), np.concatenate([second, first])
        order = np.lexsort((neighbor, atom))
        sizes = np.bincount(atom, minlength=len(self.atoms))
        place = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        listed = np.empty(len(order), dtype=bool)
        listed[order] = place < self.count
        return listed


def max_neighbors(count: int) -> PythonAltered:
    """Neighbours beyond a maximum count are dropped, in the order of the list of atoms.

    Parameters
    ----------
    count : int
        Largest number of neighbours; within 8.5 Å an atom has about 50 in the liquid and 78 in the crystal.

    Returns
    -------
    PythonAltered
        Action without reaction where one of two atoms has room for the other and not the other way round.
    """
    return _MaxNeighbors(count)


class _NearestImage(PythonAltered):
    def _pairs(self) -> Pairs:
        first, second, vector = super()._pairs()
        pair = np.minimum(first, second) * len(self.atoms) + np.maximum(first, second)
        order = np.lexsort((np.einsum("ij,ij->i", vector, vector), pair))
        nearest = np.ones(len(order), dtype=bool)
        nearest[1:] = np.diff(pair[order]) != 0
        kept = order[nearest]
        kept = kept[first[kept] != second[kept]]
        self.pairs = first[kept], second[kept], vector[kept]
        return self.pairs


def nearest_image() -> PythonAltered:
    """Only the nearest image of each atom, in every cell.

    Returns
    -------
    PythonAltered
        Right where the cell is wider than twice the cutoff.
    """
    return _NearestImage()


class _OrthogonalCell(PythonAltered):
    def _seen(self, atoms: Any) -> Any:
        seen = atoms.copy()
        seen.cell = np.diag(atoms.cell.lengths())
        return seen


def orthogonal_cell() -> PythonAltered:
    """Of the cell only the lengths of its edges are read; they are taken to lie along x, y and z.

    Returns
    -------
    PythonAltered
        Right in every cell that the gate's runs use.
    """
    return _OrthogonalCell()
