"""Radial distribution functions of a periodic system, of all atoms or of pairs of species, and their distance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from pytest_mlff.analysis.geometry import fractional, half_width, image_lengths, replica_positions
from pytest_mlff.analysis.species import groups_of, pairs_of, stacked
from pytest_mlff.analysis.statistics import curve_distance2, replica_mean
from pytest_mlff.cells import volume, wrap
from pytest_mlff.errors import ObservableError
from pytest_mlff.schema import Estimate, validate_trajectory

if TYPE_CHECKING:
    import xarray as xr

Number = TypeVar("Number", np.int64, np.float64)

_BLOCK = 2**15
"""Pairs handled at once by the direct kernel: its arrays stay in the processor's cache."""

_FEW_ATOMS = 1000
_SPHERE_SHARE = 1.0 / 16.0
"""The direct kernel looks at every pair (5 ns each), the neighbour list at those in range (80 ns each)."""


def radial_distribution(trajectory: xr.Dataset, *, r_max: float, n_bins: int = 200) -> xr.Dataset:
    """Radial distribution function g(r) of all atoms, whatever their species.

    Parameters
    ----------
    trajectory : xr.Dataset
        ``position`` (replica, frame, atom, xyz) and ``cell`` (vector, xyz) in Å, see
        :func:`pytest_mlff.schema.validate_trajectory`. Every frame counts the same.
    r_max : float
        Upper edge of the last bin in Å, at most half the smallest perpendicular width of the cell.
    n_bins : int
        Number of bins of equal width, from 0 to ``r_max``.

    Returns
    -------
    xr.Dataset
        ``g``, ``g_stderr`` (r) and ``g_replica`` (replica, r), dimensionless; ``r`` are the middles of the
        bins in Å. The error comes from the scatter between replicas (NaN for one).

    Raises
    ------
    ObservableError
        If ``r_max`` does not fit the cell, there are fewer than two atoms, or a position is not finite.

    Notes
    -----
    g = pairs found / pairs expected, the expectation being N(N − 1)/2 times the bin's share of the volume: a
    finite ideal gas gives exactly 1 on average. Codes that divide by N² give (N − 1)/N there.

    Examples
    --------
    >>> import numpy as np
    >>> from pytest_mlff.synthetic import ideal_gas
    >>> gas = ideal_gas(n_replicas=4, n_frames=50, n_atoms=64, cell=10 * np.eye(3), rng=np.random.default_rng(0))
    >>> g = radial_distribution(gas, r_max=5.0, n_bins=10)
    >>> bool(abs(g["g"][-1] - 1) < 0.05)
    True
    """
    validate_trajectory(trajectory)
    cell = np.asarray(trajectory["cell"].values, dtype=np.float64)
    n_atoms = trajectory.sizes["atom"]
    _check_range(r_max, n_bins, cell, n_atoms)
    edges = np.linspace(0.0, r_max, n_bins + 1)
    expected = trajectory.sizes["frame"] * ideal_pairs(edges, n_atoms, volume(cell))
    curves = np.empty((trajectory.sizes["replica"], n_bins))
    for k in range(len(curves)):
        found = np.zeros(n_bins, dtype=np.int64)
        for frame in replica_positions(trajectory, k):
            found += count_pairs(frame, cell, r_max=r_max, n_bins=n_bins)
        curves[k] = found / expected
    return _distribution(curves, edges)


def partial_distributions(trajectory: xr.Dataset, *, r_max: float, n_bins: int = 200) -> xr.Dataset:
    """Partial distribution functions g_ab(r), one for each unordered pair of species.

    Parameters
    ----------
    trajectory : xr.Dataset
        As for :func:`radial_distribution`.
    r_max : float
        Largest distance in Å.
    n_bins : int
        Bins up to there.

    Returns
    -------
    xr.Dataset
        As from :func:`radial_distribution`, with the dimension ``pair`` first: its labels are such as ``Na-Cl``, the
        coordinates ``first`` and ``second`` (pair) hold the species. A species of one atom makes no pair with itself.

    Raises
    ------
    ObservableError
        As :func:`radial_distribution`.

    Notes
    -----
    g_ab = pairs found / pairs expected, N_a(N_a − 1)/2 times the bin's share of the volume for a = b and N_a N_b times
    it otherwise: in a finite ideal gas each is exactly 1 on average. Pairs of unlike atoms are those of both species
    together less those of either.
    """
    validate_trajectory(trajectory)
    cell = np.asarray(trajectory["cell"].values, dtype=np.float64)
    _check_range(r_max, n_bins, cell, trajectory.sizes["atom"])
    groups = groups_of(trajectory)
    pairs = [(a, b) for a, b in pairs_of(trajectory) if a != b or len(groups[a]) > 1]
    edges = np.linspace(0.0, r_max, n_bins + 1)
    kernel = _kernel(trajectory.sizes["atom"], cell, r_max)  # one for all, so that a pair always falls into one bin

    def ideal(*species: str) -> NDArray[np.float64]:
        return ideal_pairs(edges, sum(len(groups[name]) for name in species), volume(cell))

    expected = trajectory.sizes["frame"] * _of_pairs(ideal, pairs)
    curves = np.zeros((trajectory.sizes["replica"], len(pairs), n_bins))
    for k in range(len(curves)):
        for frame in replica_positions(trajectory, k):
            inside = wrap(frame, cell)

            def count(*species: str, inside: NDArray[np.float64] = inside) -> NDArray[np.int64]:
                return kernel(inside[np.concatenate([groups[name] for name in species])], cell, r_max, n_bins)

            curves[k] += _of_pairs(count, pairs)
    curves /= expected
    return stacked([_distribution(curves[:, k], edges) for k in range(len(pairs))], pairs)


def _of_pairs(count: Callable[..., NDArray[Number]], pairs: Sequence[tuple[str, str]]) -> NDArray[Number]:
    """Count like pairs, and unlike ones: those of both species together less those of either."""
    wanted = {names for a, b in pairs for names in ((a,), (b,), (a, b)) if a != b or len(names) == 1}
    known = {names: count(*names) for names in wanted}
    return np.array([known[a,] if a == b else known[a, b] - known[a,] - known[b,] for a, b in pairs])


def _distribution(curves: NDArray[np.float64], edges: NDArray[np.float64]) -> xr.Dataset:
    """Make the data set of one g(r) from its curves (replica, r)."""
    import xarray as xr

    mean, stderr = replica_mean(curves)
    dimensionless = {"units": "1", "long_name": "radial distribution function"}
    return xr.Dataset(
        {
            "g": ("r", mean, dimensionless),
            "g_stderr": ("r", stderr, {"units": "1"}),
            "g_replica": (("replica", "r"), curves, {"units": "1"}),
        },
        coords={"r": ("r", 0.5 * (edges[1:] + edges[:-1]), {"units": "Å"})},
        attrs={"normalisation": "N(N-1)", "r_max": float(edges[-1])},
    )


def ideal_pairs(edges: ArrayLike, n_atoms: int, volume: float) -> NDArray[np.float64]:
    """Mean number of pairs that an ideal gas of the same size has in each bin.

    Parameters
    ----------
    edges : array_like, shape (bin + 1,)
        Edges of the bins in Å.
    n_atoms : int
        Number of atoms N.
    volume : float
        Volume of the cell in Å³.

    Returns
    -------
    ndarray, shape (bin,)
        Unordered pairs per frame, N(N − 1)/2 · 4π(r₂³ − r₁³)/3V.
    """
    shells = np.diff(4.0 / 3.0 * np.pi * np.asarray(edges, dtype=np.float64) ** 3)
    expected: NDArray[np.float64] = 0.5 * n_atoms * (n_atoms - 1) * shells / volume
    return expected


def count_pairs(
    position: NDArray[np.floating], cell: NDArray[np.float64], *, r_max: float, n_bins: int
) -> NDArray[np.int64]:
    """Histogram of pair distances of one configuration.

    Parameters
    ----------
    position : ndarray, shape (atom, 3)
        Positions in Å, wrapped or not.
    cell : ndarray, shape (3, 3)
        Cell vectors in Å, as rows.
    r_max : float
        Upper edge of the last bin in Å, at most half the smallest perpendicular width; not counted itself.
    n_bins : int
        Number of bins of equal width.

    Returns
    -------
    ndarray of int, shape (n_bins,)
        Unordered pairs, by the distance of their nearest images.

    Notes
    -----
    All pairs are visited when there are few atoms or ``r_max`` covers much of the cell, otherwise those of a
    neighbour list (``vesin``), whose cost is linear in the number of atoms.
    """
    return _kernel(len(position), cell, r_max)(wrap(position, cell), cell, r_max, n_bins)


_Kernel = Callable[[NDArray[np.float64], NDArray[np.float64], float, int], NDArray[np.int64]]


def _kernel(n_atoms: int, cell: NDArray[np.float64], r_max: float) -> _Kernel:
    """Choose the faster way to count the pairs of so many atoms."""
    share = 4.0 / 3.0 * np.pi * r_max**3 / volume(cell)
    return _count_all if n_atoms <= _FEW_ATOMS or share > _SPHERE_SHARE else _count_listed


def distance2(candidate: xr.Dataset, reference: xr.Dataset) -> Estimate:
    """Squared distance of two g(r), relative to the structure of the reference.

    Parameters
    ----------
    candidate : xr.Dataset
        With ``g_replica`` (replica, r) on the coordinate ``r``, as :func:`radial_distribution` returns it.
    reference : xr.Dataset
        With ``g`` and ``g_stderr`` (r) on the same ``r``.

    Returns
    -------
    Estimate
        d² = Σ r² (g − g_r)² / Σ r² (g_r − 1)² without the noise of either side: zero on average for a perfect
        candidate, whose single distances are often negative.

    Raises
    ------
    ObservableError
        If the two are not on the same grid.
    """
    r = np.asarray(reference["r"].values, dtype=np.float64)
    other = np.asarray(candidate["r"].values, dtype=np.float64)
    if r.shape != other.shape or not np.allclose(r, other, rtol=1e-6, atol=0.0):
        raise ObservableError(
            f"candidate has r on {len(other)} points up to {other.max():g} Å, reference {len(r)} up to "
            f"{r.max():g} Å; compute both with the same r_max and n_bins"
        )
    target = np.asarray(reference["g"].values, dtype=np.float64)
    scale = float(np.sum(r**2 * (target - 1.0) ** 2))
    return curve_distance2(candidate["g_replica"].values, target, reference["g_stderr"].values, r**2, scale)


def _check_range(r_max: float, n_bins: int, cell: NDArray[np.float64], n_atoms: int) -> None:
    limit = half_width(cell)
    if not 0.0 < r_max <= limit * (1.0 + 1e-9):
        raise ObservableError(
            f"r_max = {r_max} Å exceeds half the width of the cell ({limit:g} Å) or is not positive; "
            f"pass r_max <= {limit:g} or use a larger system"
        )
    if n_bins < 1:
        raise ObservableError(f"n_bins = {n_bins}; pass at least 1")
    if n_atoms < 2:
        raise ObservableError(f"trajectory has {n_atoms} atom(s); g(r) needs at least two")


def _count_all(
    position: NDArray[np.float64], cell: NDArray[np.float64], r_max: float, n_bins: int
) -> NDArray[np.int64]:
    """Visit every pair once: atom i with atoms i + 1 ... i + N/2, counted round a ring of atoms."""
    n = len(position)
    per_axis = list(fractional(position, cell).astype(np.float32))
    rings = [sliding_window_view(np.concatenate([x, x[: n // 2]]), n) for x in per_axis]
    counts = np.zeros(n_bins, dtype=np.int64)
    whole, rows = (n - 1) // 2, max(1, _BLOCK // n)
    for start in range(1, whole + 1, rows):
        stop = min(start + rows, whole + 1)
        windows = [ring[start:stop] - x for ring, x in zip(rings, per_axis, strict=True)]
        counts += _bin(image_lengths(windows, cell), r_max, n_bins)
    if n % 2 == 0:  # the opposite atom on the ring is met from both sides
        half = n // 2
        windows = [x[half:] - x[:half] for x in per_axis]
        counts += _bin(image_lengths(windows, cell), r_max, n_bins)
    return counts


def _count_listed(
    position: NDArray[np.float64], cell: NDArray[np.float64], r_max: float, n_bins: int
) -> NDArray[np.int64]:
    """Visit the pairs of a half neighbour list."""
    from vesin import NeighborList

    pairs = NeighborList(cutoff=r_max, full_list=False)
    (length,) = pairs.compute(points=position, box=cell, periodic=True, quantities="d")
    return _bin(length, r_max, n_bins)


def _bin(length: NDArray[np.floating], r_max: float, n_bins: int) -> NDArray[np.int64]:
    """Count lengths below ``r_max`` in bins of equal width."""
    index = (length.ravel() * length.dtype.type(n_bins / r_max)).astype(np.intp)
    counts: NDArray[np.int64] = np.bincount(index, minlength=n_bins)[:n_bins]
    return counts
