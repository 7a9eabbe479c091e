"""Data with known answers: ideal gas, Brownian walkers, harmonic crystal, speckle.

Shipped, so that users can test their own checks on data whose diffusivity, relaxation rate, contrast or
spectrum is known in closed form. May import ``schema`` and below; no engine.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.schema import trajectory_dataset

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import ArrayLike, NDArray

ARGON_FRAME_INTERVAL = 0.1078
"""Time between frames of the argon runs in ps."""

_FCC_BASIS = np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [0.0, 0.5, 0.5]])
_FCC_NEIGHBOURS = np.array(
    [d for d in product((-0.5, 0.0, 0.5), repeat=3) if np.isclose(np.dot(d, d), 0.5)], dtype=float
)


def ideal_gas(
    *,
    n_replicas: int,
    n_frames: int,
    n_atoms: int,
    cell: ArrayLike,
    rng: np.random.Generator,
    frame_interval: float = ARGON_FRAME_INTERVAL,
) -> xr.Dataset:
    """Uniform positions, independent between atoms, frames and replicas: g(r) = 1 and S(q) = 1.

    Parameters
    ----------
    n_replicas, n_frames, n_atoms : int
        Shape of the trajectory.
    cell : array_like, shape (3, 3)
        Cell vectors in Å, as rows.
    rng : numpy.random.Generator
        Source of randomness.
    frame_interval : float, default 0.1078
        Time between frames in ps.

    Returns
    -------
    xr.Dataset
        A trajectory, see :func:`pytest_mlff.schema.trajectory_dataset`; its frames are not a motion.
    """
    vectors = np.asarray(cell, dtype=float)
    position = rng.random((n_replicas, n_frames, n_atoms, 3), dtype=np.float32) @ vectors.astype(np.float32)
    return trajectory_dataset(position, vectors, frame_interval)


def brownian_walkers(
    *,
    n_replicas: int,
    n_frames: int,
    n_atoms: int,
    cell: ArrayLike,
    diffusivity: float,
    frame_interval: float,
    rng: np.random.Generator,
) -> xr.Dataset:
    """Independent Brownian walkers that start uniformly in the cell and are followed unwrapped.

    Parameters
    ----------
    n_replicas, n_frames, n_atoms : int
        Shape of the trajectory.
    cell : array_like, shape (3, 3)
        Cell vectors in Å, as rows.
    diffusivity : float
        D in Å²/ps.
    frame_interval : float
        Time between frames in ps.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    xr.Dataset
        A trajectory with MSD(t) = 6 D t, self and coherent field correlation exp(−D q² t), g(r) = S(q) = 1.
    """
    vectors = np.asarray(cell, dtype=float)
    position = rng.standard_normal((n_replicas, n_frames, n_atoms, 3), dtype=np.float32)
    position *= np.float32(np.sqrt(2.0 * diffusivity * frame_interval))
    position[:, 0] = rng.random((n_replicas, n_atoms, 3)) @ vectors
    np.cumsum(position, axis=1, out=position)
    return trajectory_dataset(position, vectors, frame_interval, diffusivity=float(diffusivity))


def fcc_sites(*, n_cells: int, lattice_parameter: float) -> NDArray[np.float64]:
    """Sites of a face-centred cubic crystal.

    Parameters
    ----------
    n_cells : int
        Conventional cubic cells along each edge.
    lattice_parameter : float
        Edge of the conventional cell in Å.

    Returns
    -------
    ndarray, shape (4 n_cells³, 3)
        Positions in Å, in a cubic cell of edge ``n_cells * lattice_parameter``.
    """
    cells = np.array(list(product(range(n_cells), repeat=3)), dtype=float)
    sites: NDArray[np.float64] = lattice_parameter * (cells[:, None, :] + _FCC_BASIS).reshape(-1, 3)
    return sites


def harmonic_crystal(
    *,
    n_replicas: int,
    n_frames: int,
    n_cells: int,
    lattice_parameter: float,
    amplitude: float,
    rng: np.random.Generator,
    frame_interval: float = ARGON_FRAME_INTERVAL,
) -> xr.Dataset:
    """Einstein crystal: independent Gaussian displacements about the sites of a face-centred cubic lattice.

    Parameters
    ----------
    n_replicas, n_frames : int
        Shape of the trajectory; it has ``4 n_cells³`` atoms.
    n_cells : int
        Conventional cells along each edge.
    lattice_parameter : float
        Edge of the conventional cell in Å.
    amplitude : float
        Standard deviation u of every Cartesian displacement in Å.
    rng : numpy.random.Generator
        Source of randomness.
    frame_interval : float, default 0.1078
        Time between frames in ps.

    Returns
    -------
    xr.Dataset
        A trajectory with MSD(t) = 6 u² at every lag and S(q) = 1 + exp(−q² u²) (S_lattice(q) − 1).
    """
    sites = fcc_sites(n_cells=n_cells, lattice_parameter=lattice_parameter)
    noise = rng.standard_normal((n_replicas, n_frames, len(sites), 3), dtype=np.float32)
    position = sites.astype(np.float32) + np.float32(amplitude) * noise
    return trajectory_dataset(position, n_cells * lattice_parameter * np.eye(3), frame_interval)


def spring_hessian(*, n_cells: int, spring: float) -> NDArray[np.float64]:
    """Hessian of a periodic fcc crystal of nearest-neighbour springs at their rest length.

    Parameters
    ----------
    n_cells : int
        Conventional cells along each edge, at least 2 (so that no atom is its own neighbour twice).
    spring : float
        Force constant k in eV/Å².

    Returns
    -------
    ndarray, shape (12 n_cells³, 12 n_cells³)
        ``H[3 i + a, 3 j + b]`` in eV/Å²: −k d d^T between neighbours with unit vector d, atoms in the order
        of :func:`fcc_sites`; every row sums to zero.
    """
    doubled = np.rint(2 * fcc_sites(n_cells=n_cells, lattice_parameter=1.0)).astype(int)
    index = {tuple(site): i for i, site in enumerate(doubled)}
    hessian = np.zeros((len(doubled), 3, len(doubled), 3))
    for step in _FCC_NEIGHBOURS:
        block = spring * np.outer(step, step) / np.dot(step, step)
        for i, site in enumerate(doubled):
            j = index[tuple((site + np.rint(2 * step).astype(int)) % (2 * n_cells))]
            hessian[i, :, i, :] += block
            hessian[i, :, j, :] -= block
    return hessian.reshape(3 * len(doubled), 3 * len(doubled))


def spring_eigenvalues(*, n_cells: int, spring: float) -> NDArray[np.float64]:
    """Spectrum of :func:`spring_hessian`, from its dynamical matrix.

    Parameters
    ----------
    n_cells : int
        Conventional cells along each edge.
    spring : float
        Force constant k in eV/Å².

    Returns
    -------
    ndarray, shape (12 n_cells³,)
        Ascending eigenvalues in eV/Å².

    Notes
    -----
    With one atom per primitive cell, H(q) = k Σ_d d d^T (1 − cos q·R_d) over the twelve neighbours R_d with
    unit vectors d. The wave vectors 2π/(n a) (h, k, l) with h, k < 2 n and l < n hold every point of the
    primitive zone once.
    """
    integers = product(range(2 * n_cells), range(2 * n_cells), range(n_cells))
    wave = 2.0 * np.pi * np.array(list(integers), dtype=float) / n_cells
    weight = 1.0 - np.cos(wave @ _FCC_NEIGHBOURS.T)
    dyads = spring * np.einsum("da,db->dab", _FCC_NEIGHBOURS, _FCC_NEIGHBOURS) / 0.5
    return np.sort(np.linalg.eigvalsh(np.einsum("qd,dab->qab", weight, dyads)).ravel())


def exponential_field(
    *,
    n_replicas: int,
    n_frames: int,
    n_pixels: int,
    rate: float,
    frame_interval: float,
    rng: np.random.Generator,
) -> NDArray[np.complex128]:
    """Speckle field: stationary complex Gaussian, correlated as exp(−Γ τ), independent between pixels.

    Parameters
    ----------
    n_replicas, n_frames, n_pixels : int
        Shape of the result.
    rate : float
        Field rate Γ in 1/ps.
    frame_interval : float
        Time between frames in ps.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray, shape (replica, frame, pixel)
        E(t) with ⟨|E|²⟩ = 1; the intensity |E|² has g2 − 1 = exp(−2 Γ τ) and contrast β_0 = 1.
    """
    shape = (n_replicas, n_frames, n_pixels)
    field: NDArray[np.complex128] = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    field /= np.sqrt(2.0)
    memory = np.exp(-rate * frame_interval)
    field[:, 1:] *= np.sqrt(1.0 - memory**2)
    for frame in range(1, n_frames):
        field[:, frame] += memory * field[:, frame - 1]
    return field


def exponential_contrast(exposure: ArrayLike, *, rate: float) -> NDArray[np.float64]:
    """Optical contrast of speckle with g2 − 1 = exp(−2 Γ τ) after a continuous exposure.

    Parameters
    ----------
    exposure : array_like
        Δ in ps.
    rate : float
        Field rate Γ in 1/ps.

    Returns
    -------
    ndarray
        β_Δ/β_0 = 2 (exp(−x) − 1 + x)/x² with x = 2 Γ Δ; 1 at zero exposure.

    References
    ----------
    R. Bandyopadhyay et al., "Speckle-visibility spectroscopy", *Rev. Sci. Instrum.* **76**, 093110 (2005).
    """
    x = 2.0 * rate * np.asarray(exposure, dtype=float)
    safe = np.where(x > 1e-4, x, 1.0)
    return np.where(x > 1e-4, 2.0 * (np.expm1(-safe) + safe) / safe**2, 1.0 - x / 3.0)
