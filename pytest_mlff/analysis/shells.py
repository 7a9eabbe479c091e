"""Shells of wave vectors, and time correlation functions pooled over them: the material of g2, Γ(q) and XSVS.

Kernels return one curve per shell for ONE replica, unnormalised. Normalisation is by averages over the shell,
time and all replicas together: a short run divided by its own time average would be biased by its correlation
time over its length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from pytest_mlff.analysis.density import density_modes
from pytest_mlff.analysis.geometry import fractional, reciprocal_vectors, smallest_wave_number, wave_number
from pytest_mlff.errors import ObservableError

Pooling = Literal["shell", "interpolated"]

PAPER_SHELLS = (0.461, 0.922, 1.304, 1.595, 1.844)
"""Centres of the paper's shells, |q| in Å⁻¹."""

HALF_WIDTH = 0.029
"""Half width of a shell in Å⁻¹."""

BAND_HALF_WIDTH = 0.15
"""Half width in Å⁻¹ of the band from which the value at a shell's centre is interpolated."""

BAND_VECTORS = 400
"""Wave vectors taken from a band at most; more cost time and gain little."""

MAX_LAG = 6.0
"""Longest lag (and exposure) in ps: half of the shortest run that is judged."""

_BLOCK_VALUES = 1 << 18  # frames x wave vectors (or atoms) transformed at once
_FRAMES = 256  # frames of density modes computed at once


@dataclass(frozen=True, slots=True)
class Shell:
    """Wave vectors of one shell and their weights.

    Attributes
    ----------
    q : float
        Centre that was asked for, in Å⁻¹.
    n : ndarray of int, shape (q, 3)
        Integers of q = 2π n·inv(cell)ᵀ, one of each ±q pair.
    weight : ndarray, shape (q,)
        Weights of the vectors; they sum to 1 and are negative for some vectors of a band.
    mean_q : float
        Weighted mean |q| in Å⁻¹.
    in_window : bool
        False when the cell has no vector within the window, so that the nearest |q| stands in.
    pooling : str
        ``"shell"`` or ``"interpolated"``: how the weights were made.
    """

    q: float
    n: NDArray[np.int64]
    weight: NDArray[np.float64]
    mean_q: float
    in_window: bool
    pooling: Pooling


def wave_vector_shells(
    cell: ArrayLike,
    *,
    shells: Sequence[float] = PAPER_SHELLS,
    pooling: Pooling = "shell",
    half_width: float = HALF_WIDTH,
    band_half_width: float = BAND_HALF_WIDTH,
) -> list[Shell]:
    """Wave vectors of the cell that stand for given |q|.

    Parameters
    ----------
    cell : array_like, shape (3, 3)
        Cell vectors in Å, as rows.
    shells : sequence of float
        Centres in Å⁻¹.
    pooling : {"shell", "interpolated"}
        ``"shell"``: all vectors with |q| in centre ± half_width, with equal weights. ``"interpolated"``: the
        vectors in centre ± band_half_width (at most ``BAND_VECTORS``, evenly picked), weighted so that their
        mean is the value at the centre of a parabola in |q| fitted through the band.
    half_width, band_half_width : float
        Half widths of the windows in Å⁻¹.

    Returns
    -------
    list of Shell
        One per centre. Where a shell holds no vector of the cell, all vectors of the nearest |q| are taken
        (the smaller one of two equally near) and ``in_window`` is False. Where a band has fewer than three
        different |q|, none on one side of the centre, or weights that are worth fewer vectors than the shell
        holds (in large cells: 1084 with 4000 atoms), the shell is used.

    Raises
    ------
    ObservableError
        If a centre or a width is not positive, or a centre is given twice.

    Notes
    -----
    The noise of a coherent correlation function is that of the number of independent wave vectors. The 256
    atoms of a short run have only 31 in 1.844 ± 0.029 Å⁻¹, which moreover lie at 1.857 Å⁻¹ on average; in a
    band of ± 0.15 they have 373. The weights with Σ w = 1, Σ w (|q| − q0) = Σ w (|q| − q0)² = 0 and the least
    Σ w² are those of local quadratic regression (W. S. Cleveland, J. Am. Stat. Assoc. 74, 829 (1979)).
    """
    widths = (half_width, band_half_width)
    if len(shells) == 0 or min(widths) <= 0.0 or not all(centre > 0.0 for centre in shells):
        raise ObservableError(f"shells {list(shells)} Å⁻¹, half widths {widths}; expected positive numbers")
    if len(set(shells)) != len(shells):
        raise ObservableError(f"shells {list(shells)} Å⁻¹; expected each of them once")
    found = []
    for centre in shells:
        shell = _shell(cell, centre, half_width)
        band = _band(cell, centre, band_half_width) if pooling == "interpolated" else None
        better = band is not None and (not shell.in_window or _worth(band) > _worth(shell))
        found.append(band if band is not None and better else shell)
    return found


def _shell(cell: ArrayLike, centre: float, half_width: float) -> Shell:
    """All vectors in the window with equal weights, or those of the nearest |q|."""
    n = reciprocal_vectors(cell, q_min=max(0.0, centre - half_width), q_max=centre + half_width)
    in_window = len(n) > 0
    if not in_window:
        n = _nearest(cell, centre)
    weight = np.full(len(n), 1.0 / len(n))
    return Shell(float(centre), n, weight, float(wave_number(n, cell).mean()), in_window, "shell")


def _worth(shell: Shell) -> float:
    """Count the vectors of equal weight whose mean would be as noisy."""
    return float(1.0 / np.sum(shell.weight**2))


def _band(cell: ArrayLike, centre: float, half_width: float) -> Shell | None:
    """Vectors of the band, weighted as in local quadratic regression; None where that would extrapolate."""
    n = reciprocal_vectors(cell, q_min=max(0.0, centre - half_width), q_max=centre + half_width)
    n = evenly(n, BAND_VECTORS)
    offset = wave_number(n, cell) - centre
    different = np.unique(np.round(offset, 9))
    if len(different) < 3 or different[0] > 0.0 or different[-1] < 0.0:
        return None
    design = np.vander(offset / half_width, 3, increasing=True)
    weight = design @ np.linalg.solve(design.T @ design, np.array([1.0, 0.0, 0.0]))
    return Shell(float(centre), n, weight, float(centre + weight @ offset), True, "interpolated")


def _nearest(cell: ArrayLike, centre: float) -> NDArray[np.int64]:
    """All vectors of the |q| next to ``centre``."""
    n = reciprocal_vectors(cell, q_min=0.0, q_max=centre + smallest_wave_number(cell))
    length = wave_number(n, cell)
    distance = np.abs(length - centre)
    nearest = length[np.argmin(distance)]
    chosen: NDArray[np.int64] = n[np.abs(length - nearest) <= 1e-9 * nearest]
    return chosen


def shell_modes(
    position: NDArray[np.floating], cell: ArrayLike, shells: Sequence[Shell]
) -> Iterator[NDArray[np.complex64]]:
    """Density modes of every shell.

    Parameters
    ----------
    position : ndarray, shape (frame, atom, 3)
        Positions in Å.
    cell : array_like, shape (3, 3)
        Cell vectors in Å, as rows.
    shells : sequence of Shell
        From :func:`wave_vector_shells`.

    Yields
    ------
    ndarray of complex64, shape (frame, q)
        ρ_q(t)/√N of one shell after the other, so that |ρ_q|² is the intensity I(q, t).
    """
    n = np.concatenate([shell.n for shell in shells])
    modes = np.empty((len(position), len(n)), dtype=np.complex64)
    for first in range(0, len(position), _FRAMES):
        modes[first : first + _FRAMES] = density_modes(position[first : first + _FRAMES], cell, n)
    modes /= np.float32(np.sqrt(position.shape[1]))
    yield from np.split(modes, np.cumsum([len(shell.n) for shell in shells])[:-1], axis=1)


def time_correlation(
    series: NDArray[np.inexact], n_lag: int, weight: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Autocorrelation in time, averaged over time origins and over the columns.

    Parameters
    ----------
    series : ndarray, shape (frame, column)
        Real or complex signals.
    n_lag : int
        Lags 0, 1, ... n_lag − 1, at most the number of frames.
    weight : ndarray, shape (column,), optional
        Weights of the columns, summing to 1; equal ones if left out.

    Returns
    -------
    ndarray, shape (n_lag,)
        Re⟨a(t + τ) a*(t)⟩, each lag divided by its own number of origins; the mean is not subtracted.
    """
    n_frames, n_columns = series.shape
    weight = np.full(n_columns, 1.0 / n_columns) if weight is None else weight
    length = scipy.fft.next_fast_len(n_frames + n_lag - 1)
    power = np.zeros(length)
    block = max(1, _BLOCK_VALUES // length)
    for first in range(0, n_columns, block):
        spectrum = scipy.fft.fft(np.ascontiguousarray(series[:, first : first + block].T), n=length, axis=1)
        power += weight[first : first + block] @ (spectrum.real**2 + spectrum.imag**2)
    correlation = scipy.fft.ifft(power).real[:n_lag]
    average: NDArray[np.float64] = correlation / (n_frames - np.arange(n_lag))
    return average


def self_correlation(
    position: NDArray[np.floating], cell: ArrayLike, shell: Shell, n_lag: int, *, max_vectors: int
) -> NDArray[np.float64]:
    """Self part of the intermediate scattering function, averaged over atoms, origins and wave vectors.

    Parameters
    ----------
    position : ndarray, shape (frame, atom, 3)
        UNWRAPPED or wrapped positions in Å.
    cell : array_like, shape (3, 3)
        Cell vectors in Å, as rows.
    shell : Shell
        Its wave vectors.
    n_lag : int
        Lags 0, 1, ... n_lag − 1.
    max_vectors : int
        Use at most so many wave vectors, evenly picked: the noise comes from the atoms' few paths, not from
        the number of directions they are seen from.

    Returns
    -------
    ndarray, shape (n_lag,)
        ⟨exp(i q·(r_j(t + τ) − r_j(t)))⟩, 1 at lag 0.
    """
    n = evenly(shell.n, max_vectors)
    n_frames, n_atoms, _ = position.shape
    total = np.zeros(n_lag)
    block = max(1, _BLOCK_VALUES // n_frames)
    for first in range(0, n_atoms, block):
        # (atom, 3, frame): time runs fastest
        part = np.ascontiguousarray(fractional(position[:, first : first + block], cell).transpose(2, 0, 1))
        for vector in n:
            phase = vector.astype(np.float64) @ part
            phase -= np.rint(phase)
            angle = phase.astype(np.float32) * np.float32(2.0 * np.pi)
            wave = np.empty(angle.shape, dtype=np.complex64)
            np.cos(angle, out=wave.real)
            np.sin(angle, out=wave.imag)
            total += time_correlation(wave.T, n_lag) * len(part)
    average: NDArray[np.float64] = total / (n_atoms * len(n))
    return average


def evenly(n: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """At most ``count`` rows of ``n``, evenly spaced, the same ones every time.

    Parameters
    ----------
    n : ndarray of int, shape (q, 3)
        Integers of wave vectors.
    count : int
        How many to keep at most.

    Returns
    -------
    ndarray of int, shape (<= count, 3)
        All of them if there are few enough.
    """
    if len(n) <= count:
        return n
    picked: NDArray[np.int64] = n[(np.arange(count) * len(n)) // count]
    return picked
