"""Density modes ρ_q of a periodic cell: the sum over atoms behind S(q), I(q,t), g2 and the optical contrast.

Every wave vector has integer components, so its phase factor is a product of three powers, one per cell vector, and
the vectors with components (±a, ±b, ±c) share eight real sums. Those sums are matrix products: wave vectors
are taken in groups of pairs (a, b) against the few c that go with them, a block of frames and atoms that
fits into the cache at a time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_mlff.analysis.geometry import checked_cell, fractional
from pytest_mlff.errors import ObservableError

_BLOCK = 4096  # frames x atoms handled at once: the arrays of one block stay within a core's cache
_GROUP = 16  # pairs (a, b) in one matrix product
# exp(−i(x + y + z)) in products of cosines and sines: which factors are sines, and the sign of the product
_SINES = np.array([[0, 0, 0], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]])
_SIGN = np.array([1, -1, -1, -1, -1, -1, -1, 1])


@dataclass(frozen=True, slots=True)
class _Group:
    """Pairs (a, b) that share one list of c, and where the sums of their product go."""

    first: NDArray[np.int64]  # (pair,) a
    second: NDArray[np.int64]  # (pair,) b
    third: NDArray[np.int64]  # (c,)
    place: slice  # (4 pair x 2 c) among all sums


@dataclass(frozen=True, slots=True)
class _Plan:
    """Groups, and how a wave vector is put together from their sums."""

    groups: list[_Group]
    terms: NDArray[np.intp]  # (8, q) places among the sums: four of the real part, four of the imaginary one
    sign: NDArray[np.float32]  # (8, q)

    @property
    def n_sums(self) -> int:
        """Sums of all groups."""
        return self.groups[-1].place.stop if self.groups else 0

    @property
    def most_rows(self) -> int:
        """Rows of cosines and sines that the largest group works with: its products and their factors."""
        return max((8 * len(group.first) + 2 * len(group.third) for group in self.groups), default=0)


def density_modes(position: NDArray[np.floating], cell: ArrayLike, n: ArrayLike) -> NDArray[np.complex64]:
    """Fourier components of the atomic density on the reciprocal lattice of the cell.

    Parameters
    ----------
    position : ndarray, shape (frame, atom, 3)
        Positions in Å, wrapped or not.
    cell : array_like, shape (3, 3)
        Cell vectors in Å, as rows.
    n : array_like of int, shape (q, 3)
        Integers of the wave vectors q = 2π n·inv(cell)ᵀ.

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
    position, vectors, integers = _checked(position, cell, n)
    n_frames, n_atoms, _ = position.shape
    plan = _plan(integers)
    rho = np.empty((n_frames, len(integers)), dtype=np.complex64)
    highest = np.abs(integers).max(axis=0, initial=0)
    frames = max(1, _BLOCK // max(n_atoms, 1))
    columns = min(frames * n_atoms, _BLOCK)
    scratch = np.empty(max(plan.most_rows, int(highest.max(initial=0))) * columns, dtype=np.float32)
    memory = [np.empty((most + 1, 2 * columns), dtype=np.float32) for most in highest]
    for first in range(0, n_frames, frames):
        sums = np.zeros((len(position[first : first + frames]), plan.n_sums), dtype=np.float32)
        for atom in range(0, n_atoms, _BLOCK):
            turns = fractional(position[first : first + frames, atom : atom + _BLOCK], vectors)
            powers = [_powers(turns[k], memory[k], scratch) for k in range(3)]
            for group in plan.groups:
                sums[:, group.place] += _sums(powers, group, scratch)
        terms = plan.sign * sums[:, plan.terms]
        rho.real[first : first + frames] = terms[:, :4].sum(axis=1)
        rho.imag[first : first + frames] = terms[:, 4:].sum(axis=1)
    return rho


def _checked(
    position: NDArray[np.floating], cell: ArrayLike, n: ArrayLike
) -> tuple[NDArray[np.floating], NDArray[np.float64], NDArray[np.int64]]:
    """Arguments as arrays, or the reason why they cannot be used."""
    position = np.asarray(position)
    given = np.asarray(n)
    if position.ndim != 3 or position.shape[2] != 3:
        raise ObservableError(f"position has shape {position.shape}, expected (frame, atom, 3)")
    if given.ndim != 2 or given.shape[1] != 3:
        raise ObservableError(f"n has shape {given.shape}, expected (q, 3) integers of q = 2π n·inv(cell)ᵀ")
    integers = np.rint(given).astype(np.int64)
    if not np.array_equal(integers, given):
        raise ObservableError("n has fractions; only wave vectors 2π n·inv(cell)ᵀ of the cell itself are allowed")
    return position, checked_cell(cell), integers


def _powers(turns: NDArray[np.float64], memory: NDArray[np.float32], spare: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine and sine of 2πk·turns for all k that ``memory`` (k, ...) has, shape (frame, k, 2, atom); spoils turns."""
    n_frames, n_atoms = turns.shape
    highest = len(memory) - 1
    turns -= np.rint(turns)
    angle = turns.astype(np.float32) * np.float32(2.0 * np.pi)
    result, _ = _cut(memory.reshape(-1), (n_frames, highest + 1, 2, n_atoms))
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
        new_cos, new_sin = (result[:, known + 1 : known + new + 1, k] for k in (0, 1))
        product, _ = _cut(spare, new_cos.shape)
        np.multiply(cos, low_cos, out=new_cos)
        new_cos -= np.multiply(sin, low_sin, out=product)
        np.multiply(sin, low_cos, out=new_sin)
        new_sin += np.multiply(cos, low_sin, out=product)
        known += new
    return result


def _sums(powers: list[NDArray[np.float32]], group: _Group, scratch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum the products of cosines and sines of a group over a block; shape (frame, 4 pair x 2 c).

    ``scratch`` is memory to work in: fresh pages for every group would cost as much as the products.
    """
    n_frames, _, _, n_atoms = powers[0].shape
    factors = []
    for power, wanted in zip(powers, (group.first, group.second, group.third), strict=True):
        factor, scratch = _cut(scratch, (n_frames, len(wanted), 2, n_atoms))
        np.take(power, wanted, axis=1, out=factor, mode="clip")  # the other modes copy behind the scenes
        factors.append(factor)
    x, y, z = factors
    product, _ = _cut(scratch, (n_frames, len(group.first), 2, 2, n_atoms))
    np.multiply(x[:, :, :, None], y[:, :, None, :], out=product)
    sums = product.reshape(n_frames, -1, n_atoms) @ z.reshape(n_frames, -1, n_atoms).transpose(0, 2, 1)
    return sums.reshape(n_frames, -1)


def _cut(memory: NDArray[np.float32], shape: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Take an array from the beginning of ``memory``; it comes with what is left."""
    size = math.prod(shape)
    return memory[:size].reshape(shape), memory[size:]


def _plan(integers: NDArray[np.int64]) -> _Plan:
    """Group wave vectors by their pairs (|nx|, |ny|), those of similar length together: these need similar |nz|."""
    size = np.abs(integers)
    base = int(size.max(initial=0)) + 1
    pairs, pair_of = np.unique(size[:, 0] * base + size[:, 1], return_inverse=True)
    a, b = np.divmod(pairs, base)
    by_length = np.argsort(a**2 + b**2, kind="stable")
    rank = np.empty_like(by_length)
    rank[by_length] = np.arange(len(pairs))
    rank_of = rank[pair_of]
    terms = np.empty((8, len(integers)), dtype=np.intp)
    groups, n_sums = [], 0
    for start in range(0, len(pairs), _GROUP):
        members = by_length[start : start + _GROUP]
        target = np.flatnonzero((rank_of >= start) & (rank_of < start + _GROUP))
        third, column = np.unique(size[target, 2], return_inverse=True)
        place = slice(n_sums, n_sums + 8 * len(members) * len(third))
        groups.append(_Group(a[members], b[members], third, place))
        cosines = n_sums + 8 * len(third) * (rank_of[target] - start) + 2 * column
        step = np.array([4 * len(third), 2 * len(third), 1])  # from a cosine to its sine, along the three cell vectors
        terms[:, target] = cosines + (_SINES @ step)[:, None]
        n_sums = place.stop
    sign = _SIGN[:, None] * np.prod(np.where(_SINES[:, :, None], np.sign(integers).T, 1), axis=1)
    return _Plan(groups, terms, sign.astype(np.float32))
