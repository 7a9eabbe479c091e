"""Hessian: how symmetric it is, and a crystal's whole Hessian from the atoms of one primitive cell.

A conservative force has a symmetric Hessian H_ij = −∂f_i/∂x_j. The measure is the paper's,
S = (‖A_s‖₂ − ‖A_a‖₂)/(‖A_s‖₂ + ‖A_a‖₂) with the spectral norms of the symmetric and the antisymmetric part.

In a perfect crystal the lattice translations give the response to any displaced atom from the responses to the n
atoms of one primitive cell. The Hessian is then block-circulant on the group of the N translations of the periodic
cell, and the discrete Fourier transform turns it into one 3n × 3n matrix per wave vector,
H(q) = Σ_R B(R) exp(−iq·R). Nothing but translation invariance is used: no point group, no symmetry of H, no sum rule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_mlff.analysis.lattice import FloatArray, Sites, lattice_sites
from pytest_mlff.errors import ObservableError
from pytest_mlff.finite import refuse_non_finite
from pytest_mlff.schema import Estimate

if TYPE_CHECKING:
    import xarray as xr

ComplexArray: TypeAlias = NDArray[np.complex128]

MAX_NOISE = 0.02
"""Largest norm of the noise that a displaced atom may carry, relative to the Hessian's; 0.04 of S."""

_DENSE_LIMIT = 1500  # above this size spectral norms come from Lanczos iterations


@dataclass(frozen=True, slots=True, eq=False)
class BlockHessian:
    """A block-circulant Hessian, one block per wave vector.

    Attributes
    ----------
    wave_vectors : ndarray, shape (N, 3)
        1/Å, folded into the first Brillouin zone; the first one is zero.
    blocks : ndarray, shape (N, 3n, 3n)
        H(q) in eV/Å², not symmetrised: row = force component, column = displaced coordinate.
    """

    wave_vectors: FloatArray
    blocks: ComplexArray

    def eigenvalues(self, weights: ArrayLike = 1.0) -> FloatArray:
        """Eigenvalues (N, 3n) of the symmetrised blocks in eV/Å², ascending in each row.

        Rows and columns are first multiplied by the weights (3n,): by √(m₀/m) for the modes of atoms of masses m.
        """
        scale = np.broadcast_to(np.asarray(weights, dtype=float), self.blocks.shape[-1:])
        return np.asarray(np.linalg.eigvalsh(symmetric_part(self.blocks) * np.outer(scale, scale)), dtype=float)

    @property
    def symmetric_norm(self) -> float:
        """Spectral norm of the symmetric part of the whole Hessian, eV/Å²."""
        return float(np.abs(self.eigenvalues()).max())

    @property
    def antisymmetric_norm(self) -> float:
        """Spectral norm of its antisymmetric part, eV/Å²."""
        return _anti_norm(self.blocks)

    @property
    def symmetry(self) -> float:
        """S of the whole Hessian."""
        return _symmetry_of(self.symmetric_norm, self.antisymmetric_norm)


def symmetry(hessian: ArrayLike) -> float:
    """Symmetry S of a dense Hessian: 1 when symmetric, −1 when antisymmetric.

    Parameters
    ----------
    hessian : array_like, shape (n, n)
        Not symmetrised, any unit.

    Returns
    -------
    float
        S = (‖A_s‖₂ − ‖A_a‖₂)/(‖A_s‖₂ + ‖A_a‖₂).

    Raises
    ------
    ObservableError
        If the matrix is not square, not finite, or zero.
    """
    matrix = _checked_square(hessian)
    return _symmetry_of(*_dense_norms(matrix))


def symmetry_estimate(hessian: ArrayLike, *, step: float, force_noise: float) -> Estimate:
    """Symmetry S of a dense Hessian with the error that the force noise makes.

    Parameters
    ----------
    hessian : array_like, shape (3N, 3N)
        Not symmetrised, eV/Å².
    step : float
        Difference step in Å.
    force_noise : float
        S.d. of one force component in eV/Å.

    Returns
    -------
    Estimate
        S; its error is what a noise of that size, added once more, could take from S: it bounds what the
        noise has taken already. What the step itself does (anharmonicity, pairs that cross the cutoff) is
        seen in the reference's S on the same configuration and step.

    Raises
    ------
    ObservableError
        As :func:`symmetry`.
    """
    matrix = _checked_square(hessian)
    symmetric, antisymmetric = _dense_norms(matrix)
    rng = np.random.default_rng(0)  # fixed: the same Hessian gives the same error bar
    noise = rng.normal(0.0, force_noise / (math.sqrt(2.0) * step), matrix.shape)
    # only elements that respond: where both forces come from the same numbers, their rounding is the same
    _, excess = _dense_norms(noise * (matrix != 0.0))
    return Estimate(_symmetry_of(symmetric, antisymmetric), 2.0 * excess / (symmetric + antisymmetric))


def block_hessian(response: ArrayLike, sites: Sites, *, row_stderr: float = 0.0) -> BlockHessian:
    """Whole Hessian of a crystal from the responses to the atoms of one primitive cell.

    Parameters
    ----------
    response : array_like, shape (n, atom, 3, 3)
        ``response[k, j, b, a]`` = −∂f_jb/∂x_a of the k-th displaced atom, eV/Å².
    sites : Sites
        Of the undisplaced crystal.
    row_stderr : float
        Standard error of one element of ``response`` from the force noise, eV/Å².

    Returns
    -------
    BlockHessian
        On the N wave vectors that the periodic cell has.

    Raises
    ------
    ObservableError
        If the response is not that of such a crystal, or the noise is too large: one noisy row copied N
        times is not N noisy rows, so that the result would be noise that looks like a Hessian.
    """
    rows = _checked_response(response, sites)
    found = BlockHessian(sites.wave_vectors, _blocks(rows, sites))
    noise, norm = _noise_norm(rows, sites, row_stderr), found.symmetric_norm
    if not noise <= MAX_NOISE * norm:
        raise ObservableError(
            f"force noise makes {noise:.2g} eV/Å² of a Hessian of {norm:.2g} eV/Å² (limit {MAX_NOISE:.0%}); "
            f"one noisy row must not be copied to all atoms: use a larger step or the dense Hessian"
        )
    return found


def crystal_symmetry(rows: xr.Dataset) -> Estimate:
    """Symmetry S of a crystal's whole Hessian from the atoms of one primitive cell, at two steps.

    Parameters
    ----------
    rows : xr.Dataset
        ``row`` (step, displaced, atom, force, displacement) in eV/Å² at h and 2h, with ``position``, ``cell``,
        ``lattice``, ``displaced_atom`` and ``row_stderr``.

    Returns
    -------
    Estimate
        S at h. The error adds in quadrature its distance to S extrapolated to a vanishing step (error ∝ h²)
        and twice the norm of a noise of size ``row_stderr`` on the atoms that respond.

    Raises
    ------
    ObservableError
        As :func:`block_hessian`, and if the atoms are not the sites of that crystal.
    """
    sites, stderr = sites_of(rows), float(rows["row_stderr"])
    near, limit = (
        block_hessian(response_at_step(rows, extrapolated=far), sites, row_stderr=stderr) for far in (False, True)
    )
    symmetric, value = near.symmetric_norm, near.symmetry
    noise = _noise_norm(response_at_step(rows), sites, stderr)
    return Estimate(value, math.hypot(limit.symmetry - value, 2.0 * noise / symmetric))


def response_at_step(rows: xr.Dataset, *, extrapolated: bool = False) -> FloatArray:
    """Responses (n, atom, 3, 3) in eV/Å² at the step h, or extrapolated to a vanishing step.

    Richardson's (4 B(h) − B(2h))/3 is free of the error in h².
    """
    pair = rows["row"].transpose("step", "displaced", "atom", "force", "displacement").values
    return np.asarray((4.0 * pair[0] - pair[1]) / 3.0 if extrapolated else pair[0])


def sites_of(rows: xr.Dataset) -> Sites:
    """Sites of the crystal that ``rows`` describes."""
    return lattice_sites(
        rows["position"].values,
        cell=rows["cell"].values,
        lattice=rows["lattice"].values,
        displaced=rows["displaced_atom"].values,
    )


def touched_atoms(response: FloatArray) -> NDArray[np.bool_]:
    """Which atoms (n, atom) respond to each displaced one.

    Elsewhere both forces come from the same numbers, so does their rounding, and the difference is exactly zero.
    """
    return np.asarray(np.any(response != 0.0, axis=(2, 3)))


def symmetric_part(blocks: ComplexArray) -> ComplexArray:
    """Hermitian part of each block: that of the whole matrix's symmetric part."""
    return np.asarray(0.5 * (blocks + blocks.conj().swapaxes(-1, -2)))


def _blocks(response: FloatArray, sites: Sites) -> ComplexArray:
    """H(q) (N, 3n, 3n) by the transform of the responses on the grid of translations."""
    n = len(response)
    grid = np.zeros((*sites.shape, n, 3, n, 3))
    grid[(*sites.point.T, sites.sublattice)] = np.moveaxis(response, 0, 2)
    full = np.fft.fftn(grid, axes=(0, 1, 2))
    return np.asarray(full[tuple(sites.transform_point.T)].reshape(-1, 3 * n, 3 * n))


def _anti_norm(blocks: ComplexArray) -> float:
    antisymmetric = 0.5 * (blocks - blocks.conj().swapaxes(-1, -2))
    return float(np.abs(np.linalg.eigvalsh(1j * antisymmetric)).max())


def _noise_norm(response: FloatArray, sites: Sites, row_stderr: float) -> float:
    """Spectral norm of the antisymmetric part that noise on the responding atoms alone would have."""
    if row_stderr == 0.0 or not math.isfinite(row_stderr):
        return row_stderr
    noise = np.random.default_rng(0).normal(0.0, row_stderr, response.shape)
    return _anti_norm(_blocks(noise * touched_atoms(response)[:, :, np.newaxis, np.newaxis], sites))


def _dense_norms(matrix: FloatArray) -> tuple[float, float]:
    symmetric, antisymmetric = 0.5 * (matrix + matrix.T), 0.5 * (matrix - matrix.T)
    if len(matrix) <= _DENSE_LIMIT:
        return (
            float(np.abs(np.linalg.eigvalsh(symmetric)).max()),
            # −A² is symmetric and positive: its root gives the norm without complex numbers
            math.sqrt(max(float(np.linalg.eigvalsh(antisymmetric.T @ antisymmetric)[-1]), 0.0)),
        )
    return _lanczos(symmetric, symmetric), _lanczos(antisymmetric, -antisymmetric)


def _lanczos(matrix: FloatArray, transpose: FloatArray) -> float:
    """Largest singular value of a large matrix."""
    if not matrix.any():
        return 0.0
    from scipy.sparse.linalg import LinearOperator, eigsh

    def apply(vector: FloatArray) -> Any:
        return transpose @ (matrix @ vector)

    operator = LinearOperator(matrix.shape, matvec=apply, dtype=float)
    start = np.random.default_rng(0).standard_normal(len(matrix))
    largest = eigsh(operator, k=1, which="LA", v0=start, tol=1e-10, return_eigenvectors=False)
    return math.sqrt(max(float(largest[0]), 0.0))


def _symmetry_of(symmetric: float, antisymmetric: float) -> float:
    total = symmetric + antisymmetric
    if not total > 0.0:
        raise ObservableError("the Hessian is zero, its symmetry has no meaning; check that the atoms interact")
    return (symmetric - antisymmetric) / total


def _checked_square(hessian: ArrayLike) -> FloatArray:
    matrix = np.asarray(hessian, dtype=float)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ObservableError(f"Hessian has shape {matrix.shape}; expected (3N, 3N)")
    refuse_non_finite("the Hessian is", matrix, "rows")
    return matrix


def _checked_response(response: ArrayLike, sites: Sites) -> FloatArray:
    rows, expected = np.asarray(response, dtype=float), (sites.sublattice.max() + 1, len(sites.sublattice), 3, 3)
    if rows.shape != expected:
        raise ObservableError(f"the response has shape {rows.shape}; expected {expected} (displaced, atom, 3, 3)")
    refuse_non_finite("the response is", rows.swapaxes(0, 1), "atoms")
    return rows
