"""Perfect crystals that fill a periodic cell: a unit cell repeated by any integer matrix, and its primitive lattice."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pytest_mlff.analysis.lattice import (
    SITE_TOLERANCE,
    FloatArray,
    IntArray,
    checked_matrix,
    images,
    reduced_basis,
)


@dataclass(frozen=True, slots=True, eq=False)
class Crystal:
    """A perfect crystal that fills a periodic cell, and how it repeats.

    Attributes
    ----------
    numbers : ndarray of int, shape (atom,)
        Atomic numbers.
    positions : ndarray, shape (atom, 3)
        Å.
    cell, lattice : ndarray, shape (3, 3)
        Vectors of the periodic cell and of the primitive lattice as rows, Å.
    sublattice : ndarray of int, shape (atom,)
        Which atom of the primitive cell each is a copy of.
    displaced : ndarray of int, shape (n,)
        One atom of each sublattice: together they are a primitive cell.
    """

    numbers: IntArray
    positions: FloatArray
    cell: FloatArray
    lattice: FloatArray
    sublattice: IntArray
    displaced: IntArray


def supercell(numbers: ArrayLike, fractions: ArrayLike, cell: ArrayLike, matrix: ArrayLike) -> Crystal:
    """Repeat a unit cell, primitive or not, to fill the cell ``matrix`` · ``cell``.

    Parameters
    ----------
    numbers : array_like of int, shape (n,)
        Atomic numbers.
    fractions : array_like, shape (n, 3)
        Positions in units of the cell vectors.
    cell : array_like, shape (3, 3)
        Vectors of the unit cell in Å.
    matrix : array_like of int, shape (3, 3)
        Any with a determinant.

    Returns
    -------
    Crystal
        Unit cell by unit cell from the origin on, the last index running fastest.

    Raises
    ------
    ObservableError
        If the matrix is no such matrix.
    """
    species, places = np.asarray(numbers, dtype=np.int64), np.asarray(fractions, dtype=float)
    unit, whole = np.asarray(cell, dtype=float), checked_matrix(matrix)
    lattice, orbit = primitive_lattice(species, places, unit)
    grid = _cells_within(whole)
    return Crystal(
        numbers=np.tile(species, len(grid)),
        positions=(grid[:, np.newaxis] + places).reshape(-1, 3) @ unit,
        cell=whole @ unit,
        lattice=lattice,
        sublattice=np.tile(orbit, len(grid)),
        displaced=np.unique(orbit, return_index=True)[1],
    )


def primitive_lattice(numbers: IntArray, fractions: FloatArray, cell: FloatArray) -> tuple[FloatArray, IntArray]:
    """Find the smallest cell by which a crystal repeats.

    Parameters
    ----------
    numbers, fractions, cell : array_like
        A unit cell, as :func:`supercell` takes it.

    Returns
    -------
    lattice : ndarray, shape (3, 3)
        The three shortest translations that span it, in Å, right-handed; ``cell`` itself where it is primitive.
    sublattice : ndarray of int, shape (n,)
        Which of the primitive cell's atoms each atom is, numbered as they first appear.
    """
    species, counts = np.unique(numbers, return_counts=True)
    rarest = np.flatnonzero(numbers == species[np.argmin(counts)])
    tried = [(shift, _image_of(shift, numbers, fractions, cell)) for shift in fractions[rarest] - fractions[rarest[0]]]
    found = [(shift, image) for shift, image in tried if image is not None]
    if len(found) == 1:
        return cell, np.arange(len(numbers))
    orbit = np.unique(np.min([image for _, image in found], axis=0), return_inverse=True)[1]
    return _shortest_basis(np.array([shift for shift, _ in found]), cell), np.asarray(orbit, dtype=np.int64)


def _image_of(shift: FloatArray, numbers: IntArray, fractions: FloatArray, cell: FloatArray) -> IntArray | None:
    """Atom that each atom comes to lie on when all are shifted; None where one meets none of its species."""
    gap = fractions[:, np.newaxis] + shift - fractions
    distance = np.linalg.norm((gap - np.rint(gap)) @ cell, axis=-1)
    distance[numbers[:, np.newaxis] != numbers] = np.inf
    image = np.argmin(distance, axis=1)
    return image if distance.min(axis=1).max() <= SITE_TOLERANCE else None


def _shortest_basis(shifts: FloatArray, cell: FloatArray) -> FloatArray:
    """Basis of the lattice of the cell and fractional translations: in three dimensions the shortest three span it."""
    vectors = images(shifts @ cell, reduced_basis(cell)).reshape(-1, 3)
    length = np.linalg.norm(vectors, axis=1)
    flat = SITE_TOLERANCE * float(np.sort(length[length > SITE_TOLERANCE])[0])
    basis: list[FloatArray] = []
    for vector in vectors[np.argsort(np.round(length, 6), kind="stable")]:
        tried = np.array([*basis, vector])
        # the smallest singular value: a vector in the line or plane of the others has none of its own
        if np.linalg.svd(tried, compute_uv=False)[-1] > flat:
            basis.append(vector)
        if len(basis) == 3:
            break
    found = np.array(basis)
    return found if np.linalg.det(found) > 0.0 else -found


def _cells_within(matrix: IntArray) -> IntArray:
    """Integer vectors, one of each class modulo the rows of ``matrix``, the last component running fastest."""
    corners = np.array(list(itertools.product((0, 1), repeat=3))) @ matrix
    ranges = [np.arange(low, high + 1) for low, high in zip(corners.min(axis=0), corners.max(axis=0), strict=True)]
    grid = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)
    size = round(float(np.linalg.det(matrix)))
    inside = np.sign(size) * grid @ np.rint(np.linalg.inv(matrix) * size).astype(np.int64)
    return np.asarray(grid[np.all((inside >= 0) & (inside < abs(size)), axis=1)])
