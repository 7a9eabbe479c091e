"""Hessian: how symmetric it is, and the spectrum of a crystal's Hessian from one displaced atom.

A conservative force has a symmetric Hessian H_ij = −∂f_i/∂x_j. The measure is the paper's,
S = (‖A_s‖₂ − ‖A_a‖₂)/(‖A_s‖₂ + ‖A_a‖₂) with the spectral norms of the symmetric and the antisymmetric part.

In a perfect crystal the lattice translations give the response to any displaced atom from the response to
one. The Hessian is then block-circulant on the group of the N translations of the periodic cell, and the
discrete Fourier transform turns it into one 3×3 matrix per wave vector, H(q) = Σ_R B(R) exp(−iq·R). Nothing
but translation invariance is used: no point group, no symmetry of H, no sum rule.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_mlff.analysis.lattice import FloatArray, IntArray, cell_counts, lattice_sites, wave_vectors
from pytest_mlff.errors import ObservableError
from pytest_mlff.finite import refuse_non_finite
from pytest_mlff.schema import Estimate

if TYPE_CHECKING:
    import xarray as xr

ComplexArray: TypeAlias = NDArray[np.complex128]

MAX_NOISE = 0.02
"""Largest norm of the noise that one displaced atom may carry, relative to the Hessian's; 0.04 of S."""

_DENSE_LIMIT = 1500  # above this size spectral norms come from Lanczos iterations


@dataclass(frozen=True, slots=True)
class BlockSpectrum:
    """Spectrum of a block-circulant Hessian.

    Attributes
    ----------
    wave_vectors : ndarray, shape (N, 3)
        1/Å, folded into the first Brillouin zone; the first one is zero.
    eigenvalues : ndarray, shape (N, 3)
        Eigenvalues of the symmetrised blocks in eV/Å², ascending in each row.
    symmetric_norm, antisymmetric_norm : float
        Spectral norms of both parts of the whole 3N × 3N Hessian, eV/Å².
    """

    wave_vectors: FloatArray
    eigenvalues: FloatArray
    symmetric_norm: float
    antisymmetric_norm: float

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


def block_circulant_spectrum(
    row: ArrayLike,
    positions: ArrayLike,
    *,
    box: ArrayLike,
    repeats: Sequence[int],
    atom: int = 0,
    row_stderr: float = 0.0,
) -> BlockSpectrum:
    """Spectrum of a face-centred crystal's whole Hessian from the response to one displaced atom.

    Parameters
    ----------
    row : array_like, shape (N, 3, 3)
        ``row[j, b, a]`` = −∂f_jb/∂x_a of the displaced atom, eV/Å².
    positions : array_like, shape (N, 3)
        The undisplaced crystal in Å, in the same order.
    box : array_like, shape (3,)
        Cell edges in Å.
    repeats : sequence of int
        Number of conventional cells along each edge; N = 4 nx ny nz.
    atom : int
        The displaced atom.
    row_stderr : float
        Standard error of one element of ``row`` from the force noise, eV/Å².

    Returns
    -------
    BlockSpectrum
        Of the N wave vectors that the periodic cell has.

    Raises
    ------
    ObservableError
        If the atoms are not the sites of that crystal, or the noise is too large: one noisy row copied N
        times is not N noisy rows, so that the result would be noise that looks like a Hessian.
    """
    blocks = _checked_row(row)
    shape = cell_counts(repeats)
    sites = lattice_sites(positions, box=box, repeats=shape, atom=atom)
    symbol = _symbol(blocks, sites, shape)
    symmetric, antisymmetric = _parts(symbol)
    eigenvalues = np.asarray(np.linalg.eigvalsh(symmetric), dtype=float)
    norm = float(np.abs(eigenvalues).max())
    _refuse_noise(blocks, sites, shape, row_stderr, norm)
    vectors = wave_vectors(box, shape)
    return BlockSpectrum(vectors, eigenvalues, norm, _anti_norm(antisymmetric))


def crystal_symmetry(rows: xr.Dataset) -> Estimate:
    """Symmetry S of a crystal's whole Hessian from one displaced atom, at two steps.

    Parameters
    ----------
    rows : xr.Dataset
        ``row`` (step, atom, force, displacement) in eV/Å² at h and 2h, with ``position``, ``box``,
        ``repeats``, ``row_stderr`` and the attribute ``displaced_atom``.

    Returns
    -------
    Estimate
        S at h. The error adds in quadrature its distance to S extrapolated to a vanishing step (error ∝ h²)
        and twice the norm of a noise of size ``row_stderr`` on the atoms that respond.

    Raises
    ------
    ObservableError
        As :func:`block_circulant_spectrum`.
    """
    near, limit = row_at_step(rows), row_at_step(rows, extrapolated=True)
    spectrum = spectrum_of(rows, near)
    moved = spectrum_of(rows, limit).symmetry - spectrum.symmetry
    shape = cell_counts(rows["repeats"].values.tolist())
    sites = lattice_sites(rows["position"].values, box=rows["box"].values, repeats=shape, atom=_displaced(rows))
    noise = _noise_norm(near, sites, shape, float(rows["row_stderr"]))
    return Estimate(spectrum.symmetry, math.hypot(moved, 2.0 * noise / spectrum.symmetric_norm))


def row_at_step(rows: xr.Dataset, *, extrapolated: bool = False) -> FloatArray:
    """One displaced atom's response at the step h, or extrapolated to a vanishing step.

    Parameters
    ----------
    rows : xr.Dataset
        ``row`` (step, atom, force, displacement) at h and 2h.
    extrapolated : bool
        Richardson's (4 B(h) − B(2h))/3, free of the error in h².

    Returns
    -------
    ndarray, shape (N, 3, 3)
        eV/Å².
    """
    pair = rows["row"].transpose("step", "atom", "force", "displacement").values
    return np.asarray((4.0 * pair[0] - pair[1]) / 3.0 if extrapolated else pair[0])


def spectrum_of(rows: xr.Dataset, row: FloatArray) -> BlockSpectrum:
    """Spectrum of the crystal that ``rows`` describes, with ``row`` as the response.

    Parameters
    ----------
    rows : xr.Dataset
        As :func:`crystal_symmetry` takes it.
    row : ndarray, shape (N, 3, 3)
        eV/Å², for instance from :func:`row_at_step`.

    Returns
    -------
    BlockSpectrum
        As :func:`block_circulant_spectrum`.
    """
    return block_circulant_spectrum(
        row,
        rows["position"].values,
        box=rows["box"].values,
        repeats=rows["repeats"].values.tolist(),
        atom=_displaced(rows),
        row_stderr=float(rows["row_stderr"]),
    )


def _symbol(blocks: FloatArray, sites: IntArray, shape: tuple[int, ...]) -> ComplexArray:
    """H(q) (N, 3, 3) on the reciprocal lattice of the cell.

    The sites are put on the grid of half cell edges, where every second point is empty. Its transform holds
    each wave vector twice, since (nx, ny, nz) is a reciprocal vector of the crystal: half of the last axis
    has them once.
    """
    grid = np.zeros((2 * shape[0], 2 * shape[1], 2 * shape[2], 3, 3))
    grid[sites[:, 0], sites[:, 1], sites[:, 2]] = blocks
    full = np.fft.fftn(grid, axes=(0, 1, 2))
    return np.asarray(full[:, :, : shape[2]].reshape(-1, 3, 3))


def _parts(symbol: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
    adjoint = symbol.conj().swapaxes(-1, -2)
    return 0.5 * (symbol + adjoint), 0.5 * (symbol - adjoint)


def _anti_norm(antisymmetric: ComplexArray) -> float:
    return float(np.abs(np.linalg.eigvalsh(1j * antisymmetric)).max())


def _noise_norm(blocks: FloatArray, sites: IntArray, shape: tuple[int, ...], row_stderr: float) -> float:
    """Spectral norm of the antisymmetric part that noise on the responding atoms alone would have."""
    if row_stderr == 0.0 or not math.isfinite(row_stderr):
        return row_stderr
    touched = np.any(blocks != 0.0, axis=(1, 2))
    noise = np.random.default_rng(0).normal(0.0, row_stderr, blocks.shape) * touched[:, np.newaxis, np.newaxis]
    return _anti_norm(_parts(_symbol(noise, sites, shape))[1])


def _refuse_noise(blocks: FloatArray, sites: IntArray, shape: tuple[int, ...], row_stderr: float, norm: float) -> None:
    noise = _noise_norm(blocks, sites, shape, row_stderr)
    if not noise <= MAX_NOISE * norm:
        raise ObservableError(
            f"force noise makes {noise:.2g} eV/Å² of a Hessian of {norm:.2g} eV/Å² (limit {MAX_NOISE:.0%}); "
            f"one noisy row must not be copied to all atoms: use a larger step or the dense Hessian"
        )


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


def _checked_row(row: ArrayLike) -> FloatArray:
    blocks = np.asarray(row, dtype=float)
    if blocks.ndim != 3 or blocks.shape[1:] != (3, 3):
        raise ObservableError(f"row has shape {blocks.shape}; expected (atom, 3, 3)")
    refuse_non_finite("the row is", blocks, "atoms")
    return blocks


def _displaced(rows: xr.Dataset) -> int:
    return int(rows.attrs["displaced_atom"])
