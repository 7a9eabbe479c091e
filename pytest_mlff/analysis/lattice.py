"""Sites, wave vectors and nearest images of a periodic face-centred crystal.

The periodic cell holds nx × ny × nz conventional cells. Its N = 4 nx ny nz sites are the lattice translations
that differ by no cell vector, and it has as many wave vectors.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_mlff.analysis.geometry import minimum_image
from pytest_mlff.errors import ObservableError

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]

_SITE_TOLERANCE = 1e-3  # distance from a lattice site, in units of half a cell edge


def cell_counts(repeats: Sequence[int]) -> tuple[int, int, int]:
    """Check the numbers of conventional cells along the edges.

    Parameters
    ----------
    repeats : sequence of int
        Three positive numbers.

    Returns
    -------
    tuple of int
        As plain integers.

    Raises
    ------
    ObservableError
        If they are not three positive numbers.
    """
    shape = tuple(int(n) for n in repeats)
    if len(shape) != 3 or min(shape) < 1:
        raise ObservableError(f"repeats = {shape}; expected three positive numbers of cells")
    return shape[0], shape[1], shape[2]


def lattice_sites(positions: ArrayLike, *, box: ArrayLike, repeats: Sequence[int], atom: int = 0) -> IntArray:
    """Find the site of every atom of a face-centred crystal relative to one atom.

    Parameters
    ----------
    positions : array_like, shape (N, 3)
        Å.
    box : array_like, shape (3,)
        Cell edges in Å.
    repeats : sequence of int
        Number of conventional cells along each edge.
    atom : int
        The atom that becomes (0, 0, 0).

    Returns
    -------
    ndarray of int, shape (N, 3)
        Site in half cell edges, from 0 to 2n − 1 along each edge.

    Raises
    ------
    ObservableError
        If an atom is off its site, or the sites are not all taken once.
    """
    place, shape = np.asarray(positions, dtype=float), np.array(cell_counts(repeats))
    scaled = (place - place[atom]) / (np.asarray(box, dtype=float) / (2.0 * shape))
    whole = np.rint(scaled)
    off = np.abs(scaled - whole).max(axis=1)
    if off.max() > _SITE_TOLERANCE:
        raise ObservableError(
            f"{np.count_nonzero(off > _SITE_TOLERANCE)} of {len(place)} atoms are off the face-centred sites "
            f"of {tuple(shape.tolist())} cells; pass the undisplaced crystal"
        )
    sites = np.mod(whole.astype(np.int64), 2 * shape)
    taken = len(np.unique(sites, axis=0))
    if np.any(sites.sum(axis=1) % 2) or taken != len(place) or taken != 4 * shape.prod():
        raise ObservableError(
            f"{len(place)} atoms take {taken} sites of a face-centred crystal of {tuple(shape.tolist())} "
            f"cells, expected {4 * shape.prod()}; pass the right repeats"
        )
    return np.asarray(sites)


def wave_vectors(box: ArrayLike, repeats: Sequence[int]) -> FloatArray:
    """Wave vectors of the periodic cell, one of each set that differs by reciprocal vectors of the crystal.

    Parameters
    ----------
    box : array_like, shape (3,)
        Cell edges in Å.
    repeats : sequence of int
        Number of conventional cells along each edge.

    Returns
    -------
    ndarray, shape (N, 3)
        1/Å, folded into the first Brillouin zone, N = 4 nx ny nz; before folding 2π(i/Lx, j/Ly, k/Lz) with
        i < 2 nx, j < 2 ny, k < nz, the last index running fastest.
    """
    shape, edges = np.array(cell_counts(repeats)), np.asarray(box, dtype=float)
    ranges = np.arange(2 * shape[0]), np.arange(2 * shape[1]), np.arange(shape[2])
    index = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)
    vectors = 2.0 * np.pi * index / edges
    # the reciprocal lattice of a face-centred crystal is body-centred: indices all even or all odd
    shifts = [hkl for hkl in itertools.product(range(-3, 4), repeat=3) if len({k % 2 for k in hkl}) == 1]
    candidates = vectors[:, np.newaxis, :] - 2.0 * np.pi * np.array(shifts) * shape / edges
    best = np.argmin(np.round(np.sum(candidates**2, axis=-1), 9), axis=1)
    return np.asarray(candidates[np.arange(len(vectors)), best])


def nearest_images(positions: ArrayLike, *, box: ArrayLike, atom: int = 0) -> tuple[IntArray, FloatArray, FloatArray]:
    """Vectors from one atom to the nearest image of every atom, all of them where several are equally near.

    An atom on the boundary of the cell's Wigner–Seitz cell around ``atom`` has several nearest images; each
    gets an equal share, which keeps the crystal's symmetry when force constants are interpolated between wave
    vectors.

    Parameters
    ----------
    positions : array_like, shape (N, 3)
        Å.
    box : array_like, shape (3,)
        Cell edges in Å.
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
    place, edges = np.asarray(positions, dtype=float), np.asarray(box, dtype=float)
    shifts = np.array(list(itertools.product((-1, 0, 1), repeat=3))) * edges
    nearest = minimum_image(place - place[atom], np.diag(edges))
    vectors = nearest[:, np.newaxis, :] + shifts
    distance = np.linalg.norm(vectors, axis=-1)
    kept = distance <= distance.min(axis=1, keepdims=True) + 1e-4 * edges.min()
    index, image = np.nonzero(kept)
    return index, vectors[index, image], 1.0 / kept.sum(axis=1)[index]
