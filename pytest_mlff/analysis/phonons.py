"""Phonons of a crystal from one displaced atom: spectrum, density of states, dispersion, and their distance.

Frequencies are ν = √(λ/m)/2π in THz of the symmetrised Hessian's eigenvalues λ; a negative λ counts as
−√|λ/m|/2π. The three modes at q = 0 are the crystal's translation. Their λ is zero but for rounding and what a
finite step leaves, which falls with its square; its sign says nothing: they stay in the spectrum, are left out when
negative modes are counted, and their largest |ν| is reported, because a model whose forces are not translation
invariant has it off zero at any step. Elsewhere a mode counts as negative when λ lies below zero by more than three
times what the force noise makes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from pytest_mlff.analysis.hessian import BlockSpectrum, row_at_step, spectrum_of
from pytest_mlff.analysis.lattice import FloatArray, nearest_images
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
"""Points of high symmetry of the face-centred cubic Brillouin zone, in 2π/a."""

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
        Mass of an atom in amu.

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


def phonon_spectrum(rows: xr.Dataset, *, mass: float) -> xr.Dataset:
    """All 3N phonon frequencies of a crystal from one displaced atom.

    Parameters
    ----------
    rows : xr.Dataset
        ``row`` (step, atom, force, displacement) in eV/Å² at h and 2h, ``position``, ``box``, ``repeats``,
        ``row_stderr``, ``reached`` and the attribute ``displaced_atom``.
    mass : float
        Mass of an atom in amu.

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

    near = spectrum_of(rows, row_at_step(rows))
    limit = spectrum_of(rows, row_at_step(rows, extrapolated=True))
    found, exact = (frequencies(side.eigenvalues, mass=mass).ravel() for side in (near, limit))
    order, noise = np.argsort(found), _eigenvalue_noise(rows)
    error = np.hypot(found - exact, _frequency_noise(near.eigenvalues.ravel(), noise, mass))
    acoustic, negative = _split_modes(near, noise)
    return xr.Dataset(
        {
            "frequency": (("mode",), found[order], {"units": "THz"}),
            "frequency_stderr": (("mode",), error[order], {"units": "THz"}),
            "negative_modes": ((), negative, {"units": "1"}),
            "acoustic_residual": (
                (),
                float(np.abs(frequencies(acoustic, mass=mass)).max()),
                {"units": "THz"},
            ),
        },
        attrs={"mass_amu": mass},
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


def dispersion(
    rows: xr.Dataset,
    *,
    mass: float,
    path: Sequence[str] = FCC_PATH,
    points: Mapping[str, tuple[float, float, float]] = FCC_POINTS,
    n_points: int = 30,
) -> xr.Dataset:
    """Phonon dispersion along a path, by Fourier interpolation of one displaced atom's response.

    Parameters
    ----------
    rows : xr.Dataset
        As :func:`phonon_spectrum` takes it; the crystal is cubic.
    mass : float
        Mass of an atom in amu.
    path : sequence of str
        Names in ``points``.
    points : mapping
        Points in units of 2π/a.
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
        If the path names an unknown point, or the crystal is not cubic.
    """
    import xarray as xr

    edges = rows["box"].values / rows["repeats"].values
    if np.ptp(edges) > 1e-6 * edges.mean():
        raise ObservableError(f"conventional cell edges {edges} Å differ; the path is that of a cubic crystal")
    vectors, length, corners = _walk(path, points, 2.0 * np.pi / float(edges.mean()), n_points)
    near, limit = (_interpolated(rows, row_at_step(rows, extrapolated=far), vectors) for far in (False, True))
    found, exact = frequencies(near, mass=mass), frequencies(limit, mass=mass)
    error = np.hypot(found - exact, _frequency_noise(near, _eigenvalue_noise(rows), mass))
    return xr.Dataset(
        {
            "frequency": (("q", "branch"), found, {"units": "THz"}),
            "frequency_stderr": (("q", "branch"), error, {"units": "THz"}),
            "wave_vector": (("q", "xyz"), vectors, {"units": "1/Å"}),
            "corner": (("label",), corners, {"units": "1/Å"}),
        },
        coords={"q": (("q",), length, {"units": "1/Å"}), "label": (("label",), list(path), {"units": "1"})},
        attrs={"mass_amu": mass},
    )


def _frequency_noise(eigenvalues: FloatArray, noise: float, mass: float) -> FloatArray:
    """Error of the frequency in THz from that of the eigenvalue; finite also at zero."""
    upper, lower = (frequencies(eigenvalues + sign * noise, mass=mass) for sign in (1.0, -1.0))
    return 0.5 * (upper - lower)


def _interpolated(rows: xr.Dataset, row: FloatArray, vectors: FloatArray) -> FloatArray:
    """Eigenvalues (q, 3) of the symmetrised H(q) at any wave vector."""
    index, image, weight = nearest_images(
        rows["position"].values, box=rows["box"].values, atom=int(rows.attrs["displaced_atom"])
    )
    phase = np.exp(-1j * (vectors @ image.T)) * weight
    symbol = np.einsum("qm,mba->qba", phase, row[index])
    return np.asarray(np.linalg.eigvalsh(0.5 * (symbol + symbol.conj().swapaxes(-1, -2))))


def _walk(
    path: Sequence[str], points: Mapping[str, tuple[float, float, float]], unit: float, n_points: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Wave vectors along the path, length walked at each, length at the corners."""
    unknown = [name for name in path if name not in points]
    if unknown or len(path) < 2 or n_points < 2:
        raise ObservableError(
            f"path {list(path)} with {n_points} points a leg; expected two or more names of {sorted(points)} "
            f"and at least 2 points"
        )
    corners = unit * np.array([points[name] for name in path])
    share = np.linspace(0.0, 1.0, n_points)[:, np.newaxis]
    legs = [start + share * (end - start) for start, end in pairwise(corners)]
    vectors = np.concatenate(legs)
    walked = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    return vectors, np.concatenate([np.linspace(a, b, n_points) for a, b in pairwise(walked)]), walked


def _split_modes(spectrum: BlockSpectrum, noise: float) -> tuple[FloatArray, int]:
    """Eigenvalues at q = 0, and the number of negative ones elsewhere."""
    floor = max(3.0 * noise, _ROUNDING * spectrum.symmetric_norm)
    return spectrum.eigenvalues[0], int(np.count_nonzero(spectrum.eigenvalues[1:] < -floor))


def _eigenvalue_noise(rows: xr.Dataset) -> float:
    """S.d. of an eigenvalue from the force noise: every atom reached adds its own to H(q)."""
    return float(rows["row_stderr"]) * math.sqrt(float(rows["reached"]))
