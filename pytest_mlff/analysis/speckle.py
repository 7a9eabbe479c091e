"""Speckle: the picture that coherent light scattered by one configuration leaves on a detector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_mlff.analysis.density import density_modes
from pytest_mlff.analysis.geometry import checked_cell, minimum_image, wave_vector
from pytest_mlff.cells import wrap
from pytest_mlff.errors import ObservableError

if TYPE_CHECKING:
    import xarray as xr

_BLOCK = 1 << 20  # phases computed at once


def speckle_pattern(
    position: NDArray[np.floating],
    cell: ArrayLike,
    *,
    n_pixels: int = 81,
    q_max: float = 2.2,
    photon_wave_number: float = 5.0,
    commensurate: bool = False,
) -> xr.Dataset:
    """Scattered intensity I(q) on a spherical slice of reciprocal space (Ewald sphere).

    Parameters
    ----------
    position : ndarray, shape (atom, 3)
        One configuration in Å, wrapped or not.
    cell : array_like, shape (3, 3)
        Cell vectors in Å, as rows.
    n_pixels : int
        Pixels along each edge of the square picture; an odd number puts the forward direction into the
        middle.
    q_max : float
        The picture spans −q_max to q_max in q_x and q_y, in Å⁻¹; the default shows the first ring of
        liquid argon, near 2 Å⁻¹.
    photon_wave_number : float
        Of the light, k = 2π/λ in Å⁻¹, the radius of the sphere; the default, 9.9 keV, is a usual X-ray. It
        must exceed √2 q_max, so that the sphere reaches the corners.
    commensurate : bool
        Move each pixel to the nearest wave vector of the cell, which removes the streaks that the cut at the
        faces of the cell leaves along the axes, and makes the picture blocky.

    Returns
    -------
    xr.Dataset
        ``intensity`` (y, x), dimensionless (|Σ exp(−i q·r)|²/N, so S(q) on average and N in the forward
        direction), and ``q_z`` (y, x); coordinates ``q_x`` (x) and ``q_y`` (y) in Å⁻¹.

    Raises
    ------
    ObservableError
        If the sphere does not reach the corners or a shape does not fit.

    Notes
    -----
    The beam comes along z. Elastic scattering into direction s takes q = k (s − z), so the pixel at (q_x,
    q_y) has q_z = √(k² − q_x² − q_y²) − k.
    """
    points = np.asarray(position, dtype=np.float64)
    vectors = checked_cell(cell)
    if points.ndim != 2 or points.shape[1] != 3:
        raise ObservableError(f"position has shape {points.shape}; expected (atom, 3)")
    if n_pixels < 2 or not 0.0 < q_max < photon_wave_number / np.sqrt(2.0):
        raise ObservableError(
            f"q_max = {q_max} Å⁻¹ with photon_wave_number = {photon_wave_number} Å⁻¹ and {n_pixels} pixels; "
            "expected at least 2 pixels and 0 < q_max < photon_wave_number/√2"
        )
    axis = np.linspace(-q_max, q_max, n_pixels)
    q_y, q_x = np.meshgrid(axis, axis, indexing="ij")
    q_z = np.sqrt(photon_wave_number**2 - q_x**2 - q_y**2) - photon_wave_number
    q = np.stack([q_x, q_y, q_z], axis=-1).reshape(-1, 3)
    if commensurate:
        nearest = q - minimum_image(q, wave_vector(np.eye(3), vectors))
        n, pixel = np.unique(np.rint(nearest @ vectors.T / (2.0 * np.pi)), axis=0, return_inverse=True)
        rho = density_modes(points[None], vectors, n)[0, pixel.ravel()]
    else:
        rho = _modes_anywhere(wrap(points, vectors), q)
    intensity = (np.abs(rho) ** 2 / len(points)).reshape(n_pixels, n_pixels)
    return _picture(intensity, q_z, axis)


def _modes_anywhere(points: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.complex64]:
    """Σ_j exp(−i q·r_j) for wave vectors that need not belong to the cell; shape (q,)."""
    rho = np.empty(len(q), dtype=np.complex64)
    block = max(1, _BLOCK // max(len(points), 1))
    for first in range(0, len(q), block):
        turns = (q[first : first + block] / (2.0 * np.pi)) @ points.T
        angle = ((turns - np.rint(turns)) * (2.0 * np.pi)).astype(np.float32)
        rho.real[first : first + block] = np.cos(angle).sum(axis=1, dtype=np.float64)
        rho.imag[first : first + block] = -np.sin(angle).sum(axis=1, dtype=np.float64)
    return rho


def _picture(intensity: NDArray[np.floating], q_z: NDArray[np.float64], axis: NDArray[np.float64]) -> xr.Dataset:
    import xarray as xr

    per_angstrom = {"units": "1/Å"}
    return xr.Dataset(
        {
            "intensity": (("y", "x"), intensity, {"units": "1", "long_name": "scattered intensity per atom"}),
            "q_z": (("y", "x"), q_z, per_angstrom),
        },
        coords={"q_x": ("x", axis, per_angstrom), "q_y": ("y", axis, per_angstrom)},
    )
