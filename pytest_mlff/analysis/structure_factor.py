"""Static structure factors on the reciprocal lattice of the cell, total and partial, and the distance of two."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_mlff.analysis.density import density_modes
from pytest_mlff.analysis.geometry import reciprocal_vectors, replica_positions, smallest_wave_number, wave_number
from pytest_mlff.analysis.species import groups_of, pairs_of, stacked
from pytest_mlff.analysis.statistics import curve_distance2, replica_mean
from pytest_mlff.errors import ObservableError
from pytest_mlff.schema import Estimate, validate_trajectory

if TYPE_CHECKING:
    import xarray as xr

FormFactor = Callable[[NDArray[np.float64]], ArrayLike] | ArrayLike

_BLOCK = 2**22
"""Density modes held at once (32 MB in complex single precision)."""


def structure_factor(
    trajectory: xr.Dataset,
    *,
    q_max: float,
    bin_width: float = 0.05,
    form_factor: FormFactor | None = None,
) -> xr.Dataset:
    """Structure factor S(q) of all atoms, averaged over the wave vectors of each bin of |q|.

    Parameters
    ----------
    trajectory : xr.Dataset
        ``position`` (replica, frame, atom, xyz) and ``cell`` (vector, xyz) in Å, see
        :func:`pytest_mlff.schema.validate_trajectory`. Every frame counts the same.
    q_max : float
        Largest |q| in Å⁻¹.
    bin_width : float
        Width of the bins in Å⁻¹, counted from 0. Bins in which the cell has no wave vector are left out.
    form_factor : callable or array_like, optional
        What each atom scatters: a function of |q| (Å⁻¹), the same for all atoms, or one number per atom. Then
        the weighted S(q) is returned, in the form factor's unit squared.

    Returns
    -------
    xr.Dataset
        ``S``, ``S_stderr`` (q) and ``S_replica`` (replica, q), dimensionless, and ``n_vectors`` (q), the
        number of ±q pairs in the bin; ``q`` is their mean |q| in Å⁻¹. The error comes from the scatter
        between replicas (NaN for one).

    Raises
    ------
    ObservableError
        If the cell has no wave vector up to ``q_max``, the form factor does not fit the atoms, or a position
        is not finite.

    Notes
    -----
    S(q) = ⟨|Σ f exp(−iq·r)|²⟩/N with q = 2π n·inv(cell)ᵀ for integer n only, where the periodic images of an atom
    scatter in phase; f = 1 unless a form factor is given: then S is the number-number one, whatever the species.

    Examples
    --------
    >>> import numpy as np
    >>> from pytest_mlff.synthetic import ideal_gas
    >>> gas = ideal_gas(n_replicas=4, n_frames=50, n_atoms=64, cell=10 * np.eye(3), rng=np.random.default_rng(0))
    >>> s = structure_factor(gas, q_max=3.0)
    >>> bool(abs(s["S"].mean() - 1) < 0.05)
    True
    """
    bins = _bins(trajectory, q_max, bin_width)
    of_q, of_atom = _form_factor(form_factor, bins.length, trajectory.sizes["atom"])
    curves = np.empty((trajectory.sizes["replica"], len(bins.n_vectors)))
    for k in range(len(curves)):
        power = of_q**2 * mean_power(replica_positions(trajectory, k), bins.cell, bins.n, of_atom)
        curves[k] = bins.mean(power)
    return _dataset(curves, bins, bin_width, weighted=form_factor is not None)


def partial_structure_factors(trajectory: xr.Dataset, *, q_max: float, bin_width: float = 0.05) -> xr.Dataset:
    """Partial structure factors S_ab(q) of Ashcroft and Langreth, one for each unordered pair of species.

    Parameters
    ----------
    trajectory : xr.Dataset
        As for :func:`structure_factor`.
    q_max : float
        Largest abs(q) in 1/Å.
    bin_width : float
        In 1/Å.

    Returns
    -------
    xr.Dataset
        As from :func:`structure_factor`, with the dimension ``pair`` first: its labels are such as ``Na-Cl``, the
        coordinates ``first`` and ``second`` (pair) hold the species.

    Raises
    ------
    ObservableError
        As :func:`structure_factor`.

    Notes
    -----
    S_ab(q) = ⟨Re ρ_a ρ_b*⟩/√(N_a N_b) with ρ_a = Σ exp(−iq·r) over the atoms of a: at large q it goes to 1 for
    a = b and to 0 otherwise, and S = Σ_ab √(c_a c_b) S_ab with c the mole fractions is the number-number one, both
    orders of an unlike pair counted (N. W. Ashcroft and D. C. Langreth, Phys. Rev. 156, 685 (1967)).
    """
    bins, pairs = _bins(trajectory, q_max, bin_width), pairs_of(trajectory)
    groups = groups_of(trajectory)
    curves = np.empty((len(pairs), trajectory.sizes["replica"], len(bins.n_vectors)))
    for k in range(trajectory.sizes["replica"]):
        powers = _cross_powers(replica_positions(trajectory, k), bins.cell, bins.n, groups, pairs)
        curves[:, k] = [bins.mean(power) for power in powers]
    return stacked([_dataset(one, bins, bin_width, weighted=False) for one in curves], pairs)


@dataclass(frozen=True, slots=True)
class _Bins:
    """Wave vectors of a cell up to q_max, and the bins of |q| they fall into."""

    cell: NDArray[np.float64]
    n: NDArray[np.int64]  # (q, 3)
    length: NDArray[np.float64]  # (q,) in 1/Å
    member: NDArray[np.intp]  # (q,) bin
    n_vectors: NDArray[np.intp]  # (bin,)

    def mean(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean of values (q,) over each bin."""
        return np.bincount(self.member, weights=values) / self.n_vectors


def _bins(trajectory: xr.Dataset, q_max: float, bin_width: float) -> _Bins:
    validate_trajectory(trajectory)
    cell = np.asarray(trajectory["cell"].values, dtype=np.float64)
    n = reciprocal_vectors(cell, q_min=0.0, q_max=q_max)
    if len(n) == 0 or not bin_width > 0.0:
        raise ObservableError(
            f"q_max = {q_max} Å⁻¹, bin_width = {bin_width} Å⁻¹; the smallest |q| of the cell is "
            f"{smallest_wave_number(cell):g} Å⁻¹: pass q_max above it and a positive width"
        )
    length = wave_number(n, cell)
    _, member, n_vectors = np.unique(_bin_index(length, bin_width), return_inverse=True, return_counts=True)
    return _Bins(cell, n, length, member, n_vectors)


def _dataset(curves: NDArray[np.float64], bins: _Bins, bin_width: float, *, weighted: bool) -> xr.Dataset:
    """Make the data set of one S(q) from its curves (replica, bin)."""
    import xarray as xr

    mean, stderr = replica_mean(curves)
    unit = {"units": "1"}
    return xr.Dataset(
        {
            "S": ("q", mean, unit | {"long_name": "structure factor"}),
            "S_stderr": ("q", stderr, unit),
            "S_replica": (("replica", "q"), curves, unit),
            "n_vectors": ("q", bins.n_vectors, unit),
        },
        coords={"q": ("q", bins.mean(bins.length), {"units": "1/Å"})},
        attrs={"bin_width": float(bin_width), "weighted": int(weighted)},
    )


def mean_power(
    position: NDArray[np.floating],
    cell: NDArray[np.float64],
    n: NDArray[np.int64],
    weight: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Scattered intensity per atom of one replica, averaged over frames.

    Parameters
    ----------
    position : ndarray, shape (frame, atom, 3)
        Positions in Å.
    cell : ndarray, shape (3, 3)
        Cell vectors in Å, as rows.
    n : ndarray of int, shape (q, 3)
        Integers of the wave vectors q = 2π n·inv(cell)ᵀ.
    weight : ndarray, shape (atom,), optional
        What each atom scatters; 1 when omitted.

    Returns
    -------
    ndarray, shape (q,)
        ⟨|Σ w exp(−iq·r)|²⟩/N in the unit of ``weight`` squared.
    """
    n_frames, n_atoms = position.shape[:2]
    groups = _groups(weight, n_atoms)
    total = np.zeros(len(n))
    step = max(1, _BLOCK // len(n))
    for start in range(0, n_frames, step):
        frames = position[start : start + step]
        modes = np.zeros((len(frames), len(n)), dtype=np.complex64)
        for value, atoms in groups:
            modes += np.float32(value) * density_modes(frames[:, atoms], cell, n)
        total += np.sum(modes.real**2 + modes.imag**2, axis=0, dtype=np.float64)
    power: NDArray[np.float64] = total / (n_frames * n_atoms)
    return power


def _cross_powers(
    position: NDArray[np.floating],
    cell: NDArray[np.float64],
    n: NDArray[np.int64],
    groups: Mapping[str, NDArray[np.intp]],
    pairs: Sequence[tuple[str, str]],
) -> list[NDArray[np.float64]]:
    """⟨Re ρ_a ρ_b*⟩/√(N_a N_b) (q,) of one replica for each pair, averaged over frames."""
    totals = [np.zeros(len(n)) for _ in pairs]
    step = max(1, _BLOCK // (len(n) * len(groups)))
    for start in range(0, len(position), step):
        frames = position[start : start + step]
        modes = {name: density_modes(frames[:, atoms], cell, n) for name, atoms in groups.items()}
        for total, (a, b) in zip(totals, pairs, strict=True):
            product = modes[a].real * modes[b].real + modes[a].imag * modes[b].imag
            total += np.sum(product, axis=0, dtype=np.float64)
    scale = [len(position) * np.sqrt(len(groups[a]) * len(groups[b])) for a, b in pairs]
    return [total / of_pair for total, of_pair in zip(totals, scale, strict=True)]


def distance2(candidate: xr.Dataset, reference: xr.Dataset) -> Estimate:
    """Squared distance of two S(q), relative to the structure of the reference.

    Parameters
    ----------
    candidate : xr.Dataset
        With ``S_replica`` (replica, q) on the coordinate ``q``, as :func:`structure_factor` returns it.
    reference : xr.Dataset
        With ``S`` and ``S_stderr`` (q) on the same ``q``.

    Returns
    -------
    Estimate
        d² = Σ (S − S_r)² / Σ (S_r − 1)² without the noise of either side: zero on average for a perfect
        candidate, whose single distances are often negative.

    Raises
    ------
    ObservableError
        If the two are not on the same grid.
    """
    q = np.asarray(reference["q"].values, dtype=np.float64)
    other = np.asarray(candidate["q"].values, dtype=np.float64)
    if q.shape != other.shape or not np.allclose(q, other, rtol=1e-6, atol=0.0):
        raise ObservableError(
            f"candidate has q on {len(other)} points up to {other.max():g} Å⁻¹, reference {len(q)} up to "
            f"{q.max():g} Å⁻¹; compute both in the same cell, with the same q_max and bin_width"
        )
    target = np.asarray(reference["S"].values, dtype=np.float64)
    scale = float(np.sum((target - 1.0) ** 2))
    weight = np.ones_like(target)
    return curve_distance2(candidate["S_replica"].values, target, reference["S_stderr"].values, weight, scale)


def _form_factor(
    form_factor: FormFactor | None, length: NDArray[np.float64], n_atoms: int
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Split a form factor into its part of |q| and its part of the atom."""
    if form_factor is None:
        return np.ones_like(length), None
    if callable(form_factor):
        of_q = np.asarray(form_factor(length), dtype=np.float64)
        if of_q.shape != length.shape:
            raise ObservableError(
                f"form_factor returned shape {of_q.shape} for {length.size} values of |q|; expected as many"
            )
        return of_q, None
    weight = np.asarray(form_factor, dtype=np.float64)
    if weight.shape != (n_atoms,):
        raise ObservableError(
            f"form_factor has shape {weight.shape}; pass one number for each of the {n_atoms} atoms, "
            "or a function of |q|"
        )
    return np.ones_like(length), weight


def _bin_index(length: NDArray[np.float64], width: float) -> NDArray[np.int64]:
    """Bin of each |q|; one part in 10⁹ of slack keeps equal lengths in one bin."""
    index: NDArray[np.int64] = np.floor(length / width * (1.0 + 1e-9)).astype(np.int64)
    return index


def _groups(weight: NDArray[np.float64] | None, n_atoms: int) -> list[tuple[float, NDArray[np.intp] | slice]]:
    """Atoms that share a weight, so that one sum over them serves."""
    if weight is None:
        return [(1.0, slice(None))]
    return [(float(value), np.flatnonzero(weight == value)) for value in np.unique(weight)]
