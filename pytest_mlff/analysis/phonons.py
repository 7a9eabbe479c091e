"""Phonons of a crystal from the atoms of one primitive cell: spectrum, density of states, dispersion, their distance.

Frequencies are ν = √(λ/m)/2π in THz, λ the eigenvalues of the symmetrised Hessian whose rows and columns are
multiplied by √(m/mᵢ), m the mass of the lightest atom; a negative λ counts as −√|λ/m|/2π. Three modes at q = 0 are
the crystal's translation. Their λ is zero but for rounding and what a finite step leaves, which falls with its square;
its sign says nothing: they stay in the spectrum, are left out when negative modes are counted, and their largest |ν| is
reported, because a model whose forces are not translation invariant has it off zero at any step. Elsewhere a mode
counts as negative when λ lies below zero by more than three times what the force noise makes. Of a polar crystal the
long-range field at q → 0 is not added (no non-analytic correction).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from pytest_mlff.analysis.hessian import BlockHessian, block_hessian, response_at_step, sites_of, touched_atoms
from pytest_mlff.analysis.lattice import FloatArray, Sites, nearest_images
from pytest_mlff.errors import ObservableError
from pytest_mlff.finite import refuse_non_finite
from pytest_mlff.schema import Estimate
from pytest_mlff.units import EV_PER_AMU_ANGSTROM2_PS2

if TYPE_CHECKING:
    import xarray as xr

FCC_POINTS: Mapping[str, tuple[float, float, float]] = {
    "Γ": (0.0, 0.0, 0.0),
    "X": (1.0, 0.0, 0.0),
    "W": (1.0, 0.5, 0.0),
    "K": (0.75, 0.75, 0.0),
    "L": (0.5, 0.5, 0.5),
}
"""Points of high symmetry of the face-centred cubic Brillouin zone, in 2π/a along the cubic axes."""

FCC_PATH = ("Γ", "X", "W", "K", "Γ", "L")
"""The usual path through it."""

_ROUNDING = 1e-9  # of the largest eigenvalue: what double precision and two steps leave of an exact zero


def frequencies(eigenvalues: ArrayLike, *, mass: float) -> FloatArray:
    """Signed frequencies of Hessian eigenvalues.

    Parameters
    ----------
    eigenvalues : array_like
        eV/Å², any shape.
    mass : float
        In amu.

    Returns
    -------
    ndarray
        sign(λ) √(|λ|/m)/2π in THz, of the same shape.

    Raises
    ------
    ObservableError
        If the mass is not positive or an eigenvalue is not finite.
    """
    values = np.asarray(eigenvalues, dtype=float)
    if not mass > 0.0:
        raise ObservableError(f"mass = {mass} amu must be positive")
    refuse_non_finite("eigenvalues are", values)
    omega2 = values / (mass * EV_PER_AMU_ANGSTROM2_PS2)
    return np.asarray(np.sign(omega2) * np.sqrt(np.abs(omega2)) / (2.0 * np.pi))


def spectrum_distance(candidate: ArrayLike, reference: ArrayLike) -> float:
    """Distance of two spectra: mean |ν_c − ν_r| of the sorted frequencies over the mean of ν_r.

    The mean of the sorted differences is the Wasserstein-1 distance of both densities of states.

    Parameters
    ----------
    candidate, reference : array_like
        Frequencies in THz, equally many, in any order.

    Returns
    -------
    float
        Dimensionless.

    Raises
    ------
    ObservableError
        If the numbers of modes differ, a frequency is not finite, or the reference's mean is not positive.
    """
    refuse_non_finite("the candidate's frequencies are", candidate)
    refuse_non_finite("the reference's frequencies are", reference)
    left, right = np.sort(np.ravel(candidate)), np.sort(np.ravel(reference))
    if left.size != right.size:
        raise ObservableError(
            f"candidate has {left.size} modes, reference {right.size}; compute both on the same crystal"
        )
    mean = float(right.mean())
    if not mean > 0.0:
        raise ObservableError(f"the reference's mean frequency is {mean:.3g} THz; it must be a stable crystal")
    return float(np.mean(np.abs(left - right))) / mean


def phonon_spectrum(rows: xr.Dataset, *, masses: ArrayLike) -> xr.Dataset:
    """All phonon frequencies of a crystal, three per atom, from the atoms of one primitive cell.

    Parameters
    ----------
    rows : xr.Dataset
        ``row`` (step, displaced, atom, force, displacement) in eV/Å² at h and 2h, ``position``, ``cell``,
        ``lattice``, ``displaced_atom`` and ``row_stderr``.
    masses : array_like, shape (atom,)
        Of the atoms in amu; one number where all are the same.

    Returns
    -------
    xr.Dataset
        ``frequency`` (mode) in THz, ascending, at the step h, and ``frequency_stderr``: in quadrature, how
        far the same branch at the same wave vector lies from there when the step is extrapolated to zero, and
        what the force noise makes of its eigenvalue. ``negative_modes`` and ``acoustic_residual`` (THz) as
        the module says.

    Raises
    ------
    ObservableError
        If the rows do not belong to such a crystal or are too noisy.
    """
    import xarray as xr

    sites, stderr = sites_of(rows), float(rows["row_stderr"])
    mass, weights = _weights(rows, sites, masses)
    stepped, extrapolated = (
        block_hessian(response_at_step(rows, extrapolated=far), sites, row_stderr=stderr) for far in (False, True)
    )
    near, limit = stepped.eigenvalues(weights), extrapolated.eigenvalues(weights)
    found, exact = frequencies(near, mass=mass).ravel(), frequencies(limit, mass=mass).ravel()
    order, noise = np.argsort(found), _eigenvalue_noise(rows, sites)
    error = np.hypot(found - exact, _frequency_noise(near.ravel(), noise, mass))
    acoustic, optical = _modes_at_rest(stepped, weights)
    floor = max(3.0 * noise, _ROUNDING * float(np.abs(near).max()))
    return xr.Dataset(
        {
            "frequency": (("mode",), found[order], {"units": "THz"}),
            "frequency_stderr": (("mode",), error[order], {"units": "THz"}),
            "negative_modes": (
                (),
                int(np.count_nonzero(near[1:] < -floor) + np.count_nonzero(optical < -floor)),
                {"units": "1"},
            ),
            "acoustic_residual": (
                (),
                float(np.abs(frequencies(acoustic, mass=mass)).max()),
                {"units": "THz"},
            ),
        }
    )


def pdos_distance(candidate: xr.Dataset, reference: xr.Dataset) -> Estimate:
    """Distance of two phonon spectra with its error.

    Parameters
    ----------
    candidate, reference : xr.Dataset
        From :func:`phonon_spectrum`, on the same crystal.

    Returns
    -------
    Estimate
        :func:`spectrum_distance`; the error adds the mean errors of both sides' modes (anharmonicity and
        force noise) in quadrature. No pairing of two spectra has a smaller mean difference than the sorted
        one, so that the errors of the modes bound what the distance can move.

    Raises
    ------
    ObservableError
        As :func:`spectrum_distance`.
    """
    value = spectrum_distance(candidate["frequency"].values, reference["frequency"].values)
    mean = float(reference["frequency"].mean())
    errors = [float(side["frequency_stderr"].mean()) / mean for side in (candidate, reference)]
    return Estimate(value, math.hypot(*errors))


def density_of_states(spectrum: xr.Dataset, *, max_frequency: float | None = None, n_bins: int = 60) -> xr.Dataset:
    """Phonon density of states as a histogram.

    Parameters
    ----------
    spectrum : xr.Dataset
        From :func:`phonon_spectrum`.
    max_frequency : float, optional
        Upper edge in THz; by default just above the highest mode. The lower edge is 0, or the lowest mode if
        any is negative beyond the bin width.
    n_bins : int
        Number of bins from 0 to the upper edge.

    Returns
    -------
    xr.Dataset
        ``dos`` (frequency) in 1/THz, integral 1 over all modes, and ``dos_stderr``: its change when every
        mode moves by its own error, up and down.

    Raises
    ------
    ObservableError
        If a mode lies above ``max_frequency``.
    """
    import xarray as xr

    modes, error = spectrum["frequency"].values, spectrum["frequency_stderr"].values
    top = 1.02 * float(modes.max()) if max_frequency is None else max_frequency
    if modes.max() > top:
        raise ObservableError(f"a mode at {modes.max():.3f} THz lies above max_frequency = {top:.3f} THz; raise it")
    width = top / n_bins
    below = math.ceil(-float(modes.min()) / width) if modes.min() < -width else 0
    edges = width * np.arange(-below, n_bins + 1)

    def histogram(values: FloatArray) -> FloatArray:
        inside = np.clip(values, edges[0], edges[-1])
        return np.asarray(np.histogram(inside, bins=edges)[0] / (modes.size * width))

    spread = 0.5 * np.abs(histogram(modes + error) - histogram(modes - error))
    return xr.Dataset(
        {
            "dos": (("frequency",), histogram(modes), {"units": "1/THz"}),
            "dos_stderr": (("frequency",), spread, {"units": "1/THz"}),
        },
        coords={"frequency": (("frequency",), 0.5 * (edges[1:] + edges[:-1]), {"units": "THz"})},
    )


def fcc_points(edge: float) -> dict[str, FloatArray]:
    """Give the points of :data:`FCC_POINTS` for a cubic cell along x, y and z.

    Parameters
    ----------
    edge : float
        Of the cell in Å.

    Returns
    -------
    dict of str to ndarray, shape (3,)
        In 1/Å.
    """
    return {name: 2.0 * np.pi / edge * np.array(point) for name, point in FCC_POINTS.items()}


def dispersion(
    rows: xr.Dataset,
    *,
    masses: ArrayLike,
    points: Mapping[str, ArrayLike],
    path: Sequence[str],
    n_points: int = 30,
) -> xr.Dataset:
    """Phonon dispersion along a path, by Fourier interpolation of the responses of one primitive cell.

    Parameters
    ----------
    rows : xr.Dataset
        As :func:`phonon_spectrum` takes it.
    masses : array_like, shape (atom,)
        Of the atoms in amu; one number where all are the same.
    points : mapping
        Wave vectors (3,) in 1/Å by name, for instance from :func:`fcc_points`.
    path : sequence of str
        Names in ``points``.
    n_points : int
        Wave vectors per leg, both ends included.

    Returns
    -------
    xr.Dataset
        ``frequency`` (q, branch) in THz, ascending in each point, ``frequency_stderr``, ``wave_vector`` (q,
        xyz) in 1/Å, the coordinate ``q`` (length along the path, 1/Å), and ``corner`` (label): lengths of the
        path's points.

    Raises
    ------
    ObservableError
        If the path names an unknown point.
    """
    import xarray as xr

    vectors, length, corners = _walk(path, points, n_points)
    sites = sites_of(rows)
    mass, weights = _weights(rows, sites, masses)
    near, limit = (
        _interpolated(rows, sites, response_at_step(rows, extrapolated=far), vectors).eigenvalues(weights)
        for far in (False, True)
    )
    found, exact = frequencies(near, mass=mass), frequencies(limit, mass=mass)
    error = np.hypot(found - exact, _frequency_noise(near, _eigenvalue_noise(rows, sites), mass))
    return xr.Dataset(
        {
            "frequency": (("q", "branch"), found, {"units": "THz"}),
            "frequency_stderr": (("q", "branch"), error, {"units": "THz"}),
            "wave_vector": (("q", "xyz"), vectors, {"units": "1/Å"}),
            "corner": (("label",), corners, {"units": "1/Å"}),
        },
        coords={"q": (("q",), length, {"units": "1/Å"}), "label": (("label",), list(path), {"units": "1"})},
    )


def _frequency_noise(eigenvalues: FloatArray, noise: float, mass: float) -> FloatArray:
    """Error of the frequency in THz from that of the eigenvalue; finite also at zero."""
    upper, lower = (frequencies(eigenvalues + sign * noise, mass=mass) for sign in (1.0, -1.0))
    return 0.5 * (upper - lower)


def _interpolated(rows: xr.Dataset, sites: Sites, response: FloatArray, vectors: FloatArray) -> BlockHessian:
    """H(q) at any wave vectors, each pair of atoms over its nearest images."""
    displaced = rows["displaced_atom"].values
    symbol = np.zeros((len(vectors), len(displaced), 3, len(displaced), 3), dtype=complex)
    for k, atom in enumerate(displaced):
        index, image, weight = nearest_images(rows["position"].values, cell=rows["cell"].values, atom=int(atom))
        phase = np.exp(-1j * (vectors @ image.T)) * weight
        for other in range(len(displaced)):
            of_it = sites.sublattice[index] == other
            symbol[:, other, :, k] = np.einsum("qm,mba->qba", phase[:, of_it], response[k, index[of_it]])
    return BlockHessian(vectors, symbol.reshape(len(vectors), 3 * len(displaced), -1))


def _walk(
    path: Sequence[str], points: Mapping[str, ArrayLike], n_points: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Wave vectors along the path, length walked at each, length at the corners."""
    unknown = [name for name in path if name not in points]
    if unknown or len(path) < 2 or n_points < 2:
        raise ObservableError(
            f"path {list(path)} with {n_points} points a leg; expected two or more names of {sorted(points)} "
            f"and at least 2 points"
        )
    corners = np.array([points[name] for name in path], dtype=float)
    share = np.linspace(0.0, 1.0, n_points)[:, np.newaxis]
    legs = [start + share * (end - start) for start, end in pairwise(corners)]
    vectors = np.concatenate(legs)
    walked = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    return vectors, np.concatenate([np.linspace(a, b, n_points) for a, b in pairwise(walked)]), walked


def _weights(rows: xr.Dataset, sites: Sites, masses: ArrayLike) -> tuple[float, FloatArray]:
    """Mass of the lightest atom, and √(that mass / the atom's own) of each displaced coordinate."""
    every = np.broadcast_to(np.asarray(masses, dtype=float), rows.sizes["atom"])
    own = every[rows["displaced_atom"].values]
    if np.any(every != own[sites.sublattice]):
        raise ObservableError("atoms of one sublattice have different masses; displace the atoms of a primitive cell")
    lightest = float(own.min())
    if not lightest > 0.0:
        raise ObservableError(f"mass = {lightest} amu must be positive")
    return lightest, np.repeat(np.sqrt(lightest / own), 3)


def _modes_at_rest(hessian: BlockHessian, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues at q = 0 among the translations of the crystal, and among the motions that leave it in place."""
    shifts = np.kron(1.0 / weights[::3, np.newaxis], np.eye(3)) / math.sqrt(float(np.sum(weights[::3] ** -2)))
    basis = np.linalg.qr(shifts, mode="complete")[0]
    at_rest = hessian.blocks[:1] * np.outer(weights, weights)
    within = [motions.T @ at_rest @ motions for motions in (shifts, basis[:, 3:])]
    acoustic, optical = (BlockHessian(hessian.wave_vectors[:1], blocks).eigenvalues()[0] for blocks in within)
    return acoustic, optical


def _eigenvalue_noise(rows: xr.Dataset, sites: Sites) -> float:
    """S.d. of an eigenvalue from the force noise: every atom reached adds its own to H(q).

    The atoms of one sublattice add up in one element of H(q), and the mean over the elements of a mode is no noisier
    than the noisiest of them.
    """
    touched = touched_atoms(response_at_step(rows))
    reached = max(np.bincount(sites.sublattice, weights=one).max() for one in touched)
    return float(rows["row_stderr"]) * math.sqrt(float(reached))
