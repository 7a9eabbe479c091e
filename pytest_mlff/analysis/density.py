"""Density modes ρ_q of a periodic cell: the sum over atoms behind S(q), I(q,t), g2 and the optical contrast.

Every wave vector has integer components, so its phase factor is a product of three powers, one per axis, and
the vectors with components (±a, ±b, ±c) share eight real sums. Those sums are matrix products: wave vectors
are taken in groups of pairs (a, b) against the few c that go with them, a block of frames and atoms that
fits into the cache at a time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_mlff.errors import ObservableError

_BLOCK = 4096  # frames x atoms handled at once: the arrays of one block stay within a core's cache
_GROUP = 16  # pairs (a, b) in one matrix product


@dataclass(frozen=True, slots=True)
class _Group:
    """Pairs (a, b) that share one list of c, and which sums of their product are wanted."""

    pairs: NDArray[np.intp]  # (pair, 2)
    powers: NDArray[np.intp]  # (c,)
    pair_of: NDArray[np.intp]  # (q,) row in ``pairs``
    power_of: NDArray[np.intp]  # (q,) row in ``powers``
    sign: NDArray[np.float32]  # (q, 3) signs of the integers
    target: NDArray[np.intp]  # (q,) column of the result


def density_modes(position: NDArray[np.floating], box: ArrayLike, n: ArrayLike) -> NDArray[np.complex64]:
    """Fourier components of the atomic density on the reciprocal lattice of the cell.

    Parameters
    ----------
    position : ndarray, shape (frame, atom, 3)
        Positions in Å, wrapped or not.
    box : array_like, shape (3,)
        Edges of the orthorhombic cell in Å.
    n : array_like of int, shape (q, 3)
        Integers of the wave vectors q = 2π n / L.

    Returns
    -------
    ndarray of complex64, shape (frame, q)
        ρ_q = Σ_j exp(−i q·r_j), dimensionless; its error is below 1e-5 √N for disordered positions within some
        cells of the origin; beside a crystal's Bragg vectors up to 1e-4 √N, where |ρ_q| itself is of order N.

    Raises
    ------
    ObservableError
        If a shape does not fit or ``n`` is not made of integers.
    """
    position, edges, integers = _checked(position, box, n)
    n_frames, n_atoms, _ = position.shape
    groups = _groups(integers)
    rho = np.zeros((n_frames, len(integers)), dtype=np.complex64)
    highest = np.abs(integers).max(axis=0, initial=0)
    frames = max(1, _BLOCK // max(n_atoms, 1))
    atoms = min(n_atoms, _BLOCK)
    scratch = np.empty(4 * _GROUP * frames * atoms, dtype=np.float32)
    for first in range(0, n_frames, frames):
        for atom in range(0, n_atoms, max(atoms, 1)):
            block = position[first : first + frames, atom : atom + atoms]
            powers = [_powers(block[:, :, k], edges[k], int(highest[k])) for k in range(3)]
            for group in groups:
                rho[first : first + frames, group.target] += _sums(powers, group, scratch)
    return rho


def _checked(
    position: NDArray[np.floating], box: ArrayLike, n: ArrayLike
) -> tuple[NDArray[np.floating], NDArray[np.float64], NDArray[np.int64]]:
    """Arguments as arrays, or the reason why they cannot be used."""
    position = np.asarray(position)
    edges = np.asarray(box, dtype=np.float64)
    given = np.asarray(n)
    if position.ndim != 3 or position.shape[2] != 3:
        raise ObservableError(f"position has shape {position.shape}, expected (frame, atom, 3)")
    if edges.shape != (3,) or not np.all(edges > 0.0):
        raise ObservableError(f"box = {edges}; expected three positive edges in Å (orthorhombic cell)")
    if given.ndim != 2 or given.shape[1] != 3:
        raise ObservableError(f"n has shape {given.shape}, expected (q, 3) integers of q = 2π n / L")
    integers = np.rint(given).astype(np.int64)
    if not np.array_equal(integers, given):
        raise ObservableError("n has fractions; only wave vectors 2π n / L of the cell itself are allowed")
    return position, edges, integers


def _powers(coordinate: NDArray[np.floating], edge: float, highest: int) -> NDArray[np.float32]:
    """Cosine and sine of k·2πx/L for k = 0..highest; shape (frame, k, 2, atom)."""
    turns = coordinate / np.float64(edge)
    turns -= np.rint(turns)
    angle = turns.astype(np.float32) * np.float32(2.0 * np.pi)
    result = np.empty((coordinate.shape[0], highest + 1, 2, coordinate.shape[1]), dtype=np.float32)
    result[:, 0, 0], result[:, 0, 1] = 1.0, 0.0
    if highest == 0:
        return result
    np.cos(angle, out=result[:, 1, 0])
    np.sin(angle, out=result[:, 1, 1])
    known = 1
    while known < highest:  # powers known+1 .. 2 known at once, so errors grow with the logarithm of k
        new = min(known, highest - known)
        cos, sin = result[:, known, None, 0], result[:, known, None, 1]
        low_cos, low_sin = result[:, 1 : new + 1, 0], result[:, 1 : new + 1, 1]
        np.subtract(cos * low_cos, sin * low_sin, out=result[:, known + 1 : known + new + 1, 0])
        np.add(sin * low_cos, cos * low_sin, out=result[:, known + 1 : known + new + 1, 1])
        known += new
    return result


def _sums(powers: list[NDArray[np.float32]], group: _Group, scratch: NDArray[np.float32]) -> NDArray[np.complex64]:
    """Σ_j exp(−i q·r_j) over a block for the wave vectors of one group; shape (frame, q).

    ``scratch`` is memory to work in: fresh pages for every group would cost as much as the products.
    """
    x, y, z = powers
    n_frames, _, _, n_atoms = x.shape
    n_pairs, n_powers = len(group.pairs), len(group.powers)
    shape = (n_frames, n_pairs, 2, 2, n_atoms)
    product = scratch[: math.prod(shape)].reshape(shape)
    for row, (a, b) in enumerate(group.pairs):
        np.multiply(x[:, a, :, None], y[:, b, None, :], out=product[:, row])
    third = z[:, group.powers].reshape(n_frames, 2 * n_powers, n_atoms)
    sums = product.reshape(n_frames, 4 * n_pairs, n_atoms) @ third.transpose(0, 2, 1)
    sums = sums.reshape(n_frames, n_pairs, 2, 2, n_powers, 2)[:, group.pair_of, :, :, group.power_of, :]
    # advanced indices first: (q, frame, cos|sin x, cos|sin y, cos|sin z)
    sx, sy, sz = group.sign.T[:, :, None]
    real = sums[:, :, 0, 0, 0] - sx * sy * sums[:, :, 1, 1, 0]
    real -= sz * (sx * sums[:, :, 1, 0, 1] + sy * sums[:, :, 0, 1, 1])
    imaginary = sx * sums[:, :, 1, 0, 0] + sy * sums[:, :, 0, 1, 0]
    imaginary += sz * (sums[:, :, 0, 0, 1] - sx * sy * sums[:, :, 1, 1, 1])
    result = np.empty(real.T.shape, dtype=np.complex64)
    result.real, result.imag = real.T, -imaginary.T
    return result


def _groups(integers: NDArray[np.int64]) -> list[_Group]:
    """Wave vectors by their pairs (|nx|, |ny|), pairs of similar length together: these need similar |nz|."""
    size = np.abs(integers)
    pairs, pair_of = np.unique(size[:, :2], axis=0, return_inverse=True)
    rank = np.argsort(np.argsort(np.sum(pairs**2, axis=1), kind="stable"), kind="stable")
    group_of = (rank // _GROUP)[pair_of.ravel()]
    groups = []
    for number in np.unique(group_of):
        target = np.flatnonzero(group_of == number)
        members, row = np.unique(size[target, :2], axis=0, return_inverse=True)
        powers, power = np.unique(size[target, 2], return_inverse=True)
        sign = np.sign(integers[target]).astype(np.float32)
        groups.append(_Group(members, powers, row.ravel(), power.ravel(), sign, target))
    return groups
