"""Translations, sites, wave vectors and nearest images of a crystal in a periodic cell of any shape.

A crystal repeats by a primitive lattice; the periodic cell, the supercell, is spanned by vectors of that lattice. It
holds N = |det M| translations, M the integer matrix with cell = M · lattice, and as many wave vectors. Vectors are
rows.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_mlff.errors import ObservableError

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]

SITE_TOLERANCE = 1e-3
"""How far in Å an atom may be from its site, and a cell from lattice vectors."""

_SHIFTS = np.array(list(itertools.product((-2, -1, 0, 1, 2), repeat=3)))


@dataclass(frozen=True, slots=True, eq=False)
class Translations:
    """The N translations of a periodic cell as a group of integer points (i, j, k), counted round in each direction.

    Attributes
    ----------
    shape : tuple of int
        Where each of the three integers begins again.
    index_of : ndarray of int, shape (3, 3)
        Lattice coordinates t (a row of integers) lie on the point t · ``index_of`` modulo ``shape``.
    """

    shape: tuple[int, int, int]
    index_of: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Sites:
    """Where the atoms of a crystal sit, on a grid whose discrete Fourier transform holds its wave vectors.

    Attributes
    ----------
    shape : tuple of int
        Of the grid of :class:`Translations`.
    point : ndarray of int, shape (atom, 3)
        Point of each atom's translation from the displaced atom of its sublattice.
    sublattice : ndarray of int, shape (atom,)
        Which displaced atom each is a copy of.
    wave_vectors : ndarray, shape (N, 3)
        As :func:`wave_vectors` gives them.
    transform_point : ndarray of int, shape (N, 3)
        Where the transform of the grid holds each of them.
    """

    shape: tuple[int, int, int]
    point: IntArray
    sublattice: IntArray
    wave_vectors: FloatArray
    transform_point: IntArray


def translations(matrix: ArrayLike) -> Translations:
    """Put the translations of the cell M · lattice on a grid.

    Counting along the cell's own vectors is the plainest way, and taken where at most every second point stays empty.
    In a skew cell nearly all points would: there M is made diagonal, U M V = D with unimodular U and V, and the
    translations are the points of D.

    Parameters
    ----------
    matrix : array_like of int, shape (3, 3)
        M, with a determinant.

    Returns
    -------
    Translations
        Different ones have different points.
    """
    whole = checked_matrix(matrix)
    size = round(float(np.linalg.det(whole)))
    adjugate = np.rint(np.linalg.inv(whole) * size).astype(np.int64)
    steps = [abs(size) // math.gcd(size, *column) for column in adjugate.T.tolist()]
    if math.prod(steps) <= 2 * abs(size):
        return Translations((steps[0], steps[1], steps[2]), adjugate * steps // size)
    return _diagonal_form(whole)


def supercell_matrix(cell: ArrayLike, lattice: ArrayLike) -> IntArray:
    """Integer matrix M with cell = M · lattice.

    Raises
    ------
    ObservableError
        If the cell's vectors are none of the lattice.
    """
    outer, inner = np.asarray(cell, dtype=float), np.asarray(lattice, dtype=float)
    whole = np.rint(outer @ np.linalg.inv(inner)).astype(np.int64)
    off = float(np.abs(outer - whole @ inner).max())
    if off > SITE_TOLERANCE:
        raise ObservableError(
            f"the cell {outer.tolist()} Å is {off:.2g} Å off the lattice {inner.tolist()} Å; pass a cell that the "
            "crystal fills"
        )
    return checked_matrix(whole)


def lattice_sites(positions: ArrayLike, *, cell: ArrayLike, lattice: ArrayLike, displaced: ArrayLike) -> Sites:
    """Find the site of every atom relative to the atoms of one primitive cell.

    Parameters
    ----------
    positions : array_like, shape (atom, 3)
        Å, wrapped or not.
    cell, lattice : array_like, shape (3, 3)
        Periodic cell and primitive lattice, Å.
    displaced : array_like of int, shape (n,)
        The atoms of one primitive cell.

    Returns
    -------
    Sites
        And the wave vectors of the cell.

    Raises
    ------
    ObservableError
        If an atom is off every site, or the sites are not all taken once.
    """
    place, inner = np.asarray(positions, dtype=float), np.asarray(lattice, dtype=float)
    home, matrix = np.asarray(displaced, dtype=np.int64), supercell_matrix(cell, lattice)
    scaled = (place - place[home][:, np.newaxis]) @ np.linalg.inv(inner)
    whole = np.rint(scaled)
    off = np.linalg.norm((scaled - whole) @ inner, axis=-1)
    sublattice, far = np.argmin(off, axis=0), np.count_nonzero(off.min(axis=0) > SITE_TOLERANCE)
    if far:
        raise ObservableError(f"{far} of {len(place)} atoms are off the sites of the crystal; pass the undisplaced one")
    group = translations(matrix)
    point = np.mod(whole[sublattice, np.arange(len(place))].astype(np.int64) @ group.index_of, group.shape)
    taken = len(np.unique(np.column_stack([point, sublattice]), axis=0))
    sites = len(home) * round(abs(float(np.linalg.det(matrix))))
    if not taken == len(place) == sites:
        raise ObservableError(
            f"{len(place)} atoms take {taken} of the {sites} sites that {len(home)} atoms of a primitive cell have in "
            "this cell; pass the right lattice and one atom of each of its sublattices"
        )
    return Sites(group.shape, point, sublattice, *wave_vectors(cell, lattice))


def wave_vectors(cell: ArrayLike, lattice: ArrayLike) -> tuple[FloatArray, IntArray]:
    """Wave vectors of the periodic cell, one of each set that differs by reciprocal vectors of the crystal.

    Parameters
    ----------
    cell, lattice : array_like, shape (3, 3)
        Periodic cell and primitive lattice, Å.

    Returns
    -------
    vector : ndarray, shape (N, 3)
        1/Å, folded into the first Brillouin zone; the first one is zero.
    point : ndarray of int, shape (N, 3)
        Their points h on the transform of the grid of :func:`translations`: exp(−i q·R) turns by h/shape from one
        point to the next.
    """
    matrix, inner = supercell_matrix(cell, lattice), np.asarray(lattice, dtype=float)
    group = translations(matrix)
    points = np.stack(np.meshgrid(*(np.arange(n) for n in group.shape), indexing="ij"), axis=-1).reshape(-1, 3)
    # q in reciprocal vectors of the crystal is index_of · (h / shape), a multiple of one over the common period
    period = math.lcm(*group.shape)
    reduced = np.mod((points * (period // np.array(group.shape))) @ group.index_of.T, period)
    last_first = np.lexsort(points.T)
    once = np.unique(reduced[last_first], axis=0, return_index=True)[1]
    kept = np.sort(last_first[once])
    reciprocal = 2.0 * np.pi * np.linalg.inv(inner).T
    return _first_zone(reduced[kept] / period @ reciprocal, reciprocal), points[kept]


def nearest_images(positions: ArrayLike, *, cell: ArrayLike, atom: int = 0) -> tuple[IntArray, FloatArray, FloatArray]:
    """Vectors from one atom to the nearest image of every atom, all of them where several are equally near.

    An atom on the boundary of the cell's Wigner–Seitz cell around ``atom`` has several nearest images; each
    gets an equal share, which keeps the crystal's symmetry when force constants are interpolated between wave
    vectors.

    Parameters
    ----------
    positions : array_like, shape (N, 3)
        Å.
    cell : array_like, shape (3, 3)
        Vectors of the periodic cell in Å.
    atom : int
        The atom in the middle.

    Returns
    -------
    index : ndarray of int, shape (M,)
        The atom that each image belongs to, M ≥ N.
    vector : ndarray, shape (M, 3)
        From ``atom`` to the image, Å.
    weight : ndarray, shape (M,)
        One over the number of nearest images of that atom.
    """
    place, basis = np.asarray(positions, dtype=float), reduced_basis(cell)
    vectors = images(place - place[atom], basis)
    distance = np.linalg.norm(vectors, axis=-1)
    kept = distance <= distance.min(axis=1, keepdims=True) + 1e-4 * np.linalg.norm(basis[0])
    index, image = np.nonzero(kept)
    return index, vectors[index, image], 1.0 / kept.sum(axis=1)[index]


def reduced_basis(basis: ArrayLike) -> FloatArray:
    """Shortest vectors that span the same lattice (Minkowski's), the shortest first.

    In three dimensions a basis is the shortest when none of its vectors gets shorter by adding or taking one or none
    of each of the others (P. Q. Nguyen and D. Stehlé, ACM Trans. Algorithms 5 (2009) 46).
    """
    vectors = np.array(basis, dtype=float)
    while True:
        vectors = vectors[np.argsort(np.round(np.linalg.norm(vectors, axis=1), 9), kind="stable")]
        for k in (1, 2):
            combined = vectors[k] + np.array(list(itertools.product((0, -1, 1), repeat=k))) @ vectors[:k]
            length = np.linalg.norm(combined, axis=1)
            best = int(np.argmin(length))
            if length[best] < length[0] * (1.0 - 1e-9):
                vectors[k] = combined[best]
                break
        else:
            return vectors


def _diagonal_form(matrix: IntArray) -> Translations:
    """D and V of U M V = D by integer row and column operations."""
    left, right = matrix.copy(), np.eye(3, dtype=np.int64)
    for k in range(3):
        while np.any(left[k + 1 :, k]) or np.any(left[k, k + 1 :]) or not left[k, k]:
            rest = np.where(left[k:, k:] == 0, np.iinfo(np.int64).max, np.abs(left[k:, k:]))
            row, column = (k + int(i) for i in np.unravel_index(np.argmin(rest), rest.shape))
            left[[k, row]] = left[[row, k]]
            left[:, [k, column]] = left[:, [column, k]]
            right[:, [k, column]] = right[:, [column, k]]
            left[k + 1 :] -= np.outer(left[k + 1 :, k] // left[k, k], left[k])
            factor = left[k, k + 1 :] // left[k, k]
            left[:, k + 1 :] -= np.outer(left[:, k], factor)
            right[:, k + 1 :] -= np.outer(right[:, k], factor)
    first, second, third = (abs(int(n)) for n in np.diagonal(left))
    return Translations((first, second, third), right)


def images(vectors: FloatArray, basis: FloatArray) -> FloatArray:
    """All images (vector, image, 3) of each vector that may be its shortest, of a lattice with a reduced basis."""
    near = vectors - np.rint(vectors @ np.linalg.inv(basis)) @ basis
    return np.asarray(near[:, np.newaxis] + _SHIFTS @ basis)


def _first_zone(vectors: FloatArray, reciprocal: FloatArray) -> FloatArray:
    candidates = images(vectors, reduced_basis(reciprocal))
    best = np.argmin(np.round(np.sum(candidates**2, axis=-1), 9), axis=1)
    return np.asarray(candidates[np.arange(len(vectors)), best])


def checked_matrix(matrix: ArrayLike) -> IntArray:
    """Supercell matrix as integers, refused where it is none."""
    given = np.asarray(matrix, dtype=float)
    if given.shape != (3, 3) or np.any(given != np.rint(given)) or abs(np.linalg.det(given)) < 0.5:
        raise ObservableError(f"supercell matrix {given.tolist()}; expected 3 x 3 integers with a determinant")
    return given.astype(np.int64)
