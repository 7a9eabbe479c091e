"""Solid–liquid slabs: the solid fraction of a frame, its drift, and the temperature at which it rests.

Two criteria say which atoms are solid. ``"bonds"``, the default, asks for at least 7 of the 12 nearest
neighbours to see the same orientation of their surroundings (P. R. ten Wolde, M. J. Ruiz-Montero and D. Frenkel,
J. Chem. Phys. 104, 9932 (1996), here over the 12 nearest neighbours instead of those within a distance). It knows
no length, so a model with another lattice is judged alike. ``"count"`` is the paper's: exactly 12 neighbours
within 1.4 σ. Four of ten atoms of a cold liquid pass it. ``docs/melting.md`` has the measured noise of both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.polynomial import Legendre
from numpy.typing import ArrayLike, NDArray

from pytest_mlff.analysis.geometry import half_width, nearest_neighbours, replica_positions, right_angled_edges
from pytest_mlff.analysis.statistics import jackknife, replica_mean
from pytest_mlff.cells import wrap
from pytest_mlff.errors import ObservableError
from pytest_mlff.finite import refuse_non_finite
from pytest_mlff.schema import Estimate, validate_trajectory

if TYPE_CHECKING:
    import xarray as xr

FloatArray: TypeAlias = NDArray[np.float64]
Criterion: TypeAlias = Literal["bonds", "count"]
Number = TypeVar("Number", np.float64, np.complex128)

NEIGHBOURS = 12
"""Nearest neighbours of an atom in a close-packed crystal."""
COHERENCE, COHERENT_NEIGHBOURS = 0.5, 7
"""Scalar product of normalised q₆ above which neighbours are coherent; that many make an atom solid."""
COUNT_CUTOFF = 4.76
"""Radius in Å within which the paper counts neighbours: 1.4 σ of argon."""
INTERFACES = 2
_LEVEL = 6


def _harmonic_polynomials() -> FloatArray:
    """Coefficients (power of z, m) of N_m d^m P₆/dz^m: times (x + iy)^m they are the components of q₆.

    Components with m > 0 carry √2, standing for ±m: scalar products are then those of all 13 components.
    """
    columns = np.zeros((_LEVEL + 1, _LEVEL + 1))
    scale = 1.0  # (6 − m)! / (6 + m)!
    for m in range(_LEVEL + 1):
        if m:
            scale /= (_LEVEL + m) * (_LEVEL - m + 1)
        derivative = Legendre.basis(_LEVEL).deriv(m) if m else Legendre.basis(_LEVEL)
        coefficients = derivative.convert(kind=np.polynomial.Polynomial).coef
        columns[: len(coefficients), m] = coefficients * np.sqrt(scale * (2.0 if m else 1.0))
    return columns


_POLYNOMIALS = _harmonic_polynomials()


def _powers(base: NDArray[Number]) -> NDArray[Number]:
    """Powers 0 … 6 on a new leading axis; repeated products are ten times faster than ``**``."""
    found = np.ones((_LEVEL + 1, *base.shape), dtype=base.dtype)
    for m in range(1, _LEVEL + 1):
        np.multiply(found[m - 1], base, out=found[m])
    return found


def orientation_vectors(bonds: ArrayLike) -> FloatArray:
    """Normalised q₆ of atoms whose bonds are given.

    Parameters
    ----------
    bonds : array_like, shape (atom, neighbour, 3)
        Vectors to the neighbours, of any length but zero, in any unit.

    Returns
    -------
    ndarray, shape (atom, 14)
        Unit vectors; the scalar product of two is the real part of Σ_m q₆ₘ q₆ₘ* / (|q₆| |q₆'|), summed over
        m = −6 … 6. The components are seven real parts, then seven imaginary ones, the first of them zero.

    Notes
    -----
    q₆ₘ is the mean of the spherical harmonic Y₆ₘ over the bonds (P. J. Steinhardt, D. R. Nelson and
    M. Ronchetti, Phys. Rev. B 28, 784 (1983)); as (x + iy)^m times a polynomial in z it needs no angles.
    """
    vectors = np.asarray(bonds, dtype=np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    in_z = np.tensordot(_POLYNOMIALS, _powers(unit[..., 2]), axes=(0, 0))
    in_plane = _powers(unit[..., 0] + 1j * unit[..., 1])
    mean = np.moveaxis((in_z * in_plane).mean(axis=-1), 0, -1)
    q = np.concatenate([mean.real, mean.imag], axis=-1)
    normalised: FloatArray = q / np.linalg.norm(q, axis=-1, keepdims=True)
    return normalised


def coherent_neighbours(position: NDArray[np.floating], cell: ArrayLike) -> NDArray[np.int64]:
    """Count how many of the 12 nearest neighbours of each atom see the same orientation as it does: all in a crystal.

    Takes one frame (atom, 3), wrapped or not, and its cell vectors as rows, in Å; refuses fewer than 13 atoms.
    """
    if len(position) <= NEIGHBOURS:
        raise ObservableError(f"{len(position)} atoms; a bond order over {NEIGHBOURS} neighbours needs more")
    neighbour, bonds = nearest_neighbours(position, cell, NEIGHBOURS)
    orientation = orientation_vectors(bonds)
    product = np.einsum("nc,nkc->nk", orientation, orientation[neighbour])
    coherent: NDArray[np.int64] = (product > COHERENCE).sum(axis=1)
    return coherent


def neighbour_counts(
    position: NDArray[np.floating], cell: ArrayLike, *, cutoff: float = COUNT_CUTOFF
) -> NDArray[np.int64]:
    """Count the neighbours of each atom of a frame (atom, 3) within a distance, without the atom itself.

    All in Å; the cutoff is at most half the smallest perpendicular width of the cell, whose rows are its vectors.
    """
    half = half_width(cell)
    if not 0.0 < cutoff <= half:
        raise ObservableError(f"cutoff = {cutoff} Å; expected at most half the width of the cell, {half:.2f} Å")
    from vesin import NeighborList

    (atom,) = NeighborList(cutoff=cutoff, full_list=True).compute(
        points=wrap(position, cell), box=np.asarray(cell, dtype=np.float64), periodic=True, quantities="i"
    )
    return np.bincount(atom, minlength=len(position)).astype(np.int64)


def solid_atoms(
    position: NDArray[np.floating], cell: ArrayLike, *, criterion: Criterion = "bonds"
) -> NDArray[np.bool_]:
    """Tell which atoms of a frame are solid.

    Parameters
    ----------
    position, cell : ndarray, shape (atom, 3), and array_like, shape (3, 3)
        One frame, wrapped or not, and its cell vectors as rows, in Å.
    criterion : {"bonds", "count"}
        At least 7 coherent neighbours of 12, or exactly 12 neighbours within 4.76 Å.

    Returns
    -------
    ndarray of bool, shape (atom,)
        True for solid.

    Raises
    ------
    ObservableError
        For a frame that is too small for the criterion, or a criterion that there is not.
    """
    if criterion == "bonds":
        return np.asarray(coherent_neighbours(position, cell) >= COHERENT_NEIGHBOURS)
    if criterion == "count":
        return np.asarray(neighbour_counts(position, cell) == NEIGHBOURS)
    raise ObservableError(f"criterion = {criterion!r}; there are 'bonds' and 'count'")


def solid_fraction(trajectory: xr.Dataset, *, criterion: Criterion = "bonds") -> xr.Dataset:
    """Fraction of the atoms that are solid, frame by frame.

    Parameters
    ----------
    trajectory : xr.Dataset
        See :func:`pytest_mlff.schema.validate_trajectory`.
    criterion : {"bonds", "count"}
        As in :func:`solid_atoms`.

    Returns
    -------
    xr.Dataset
        ``solid_fraction`` (replica, frame), dimensionless, with the coordinate ``time`` (frame) in ps.

    Raises
    ------
    ObservableError
        If the data set is no trajectory, or a position is not finite.
    """
    import xarray as xr

    validate_trajectory(trajectory)
    cell = trajectory["cell"].values
    fraction = np.empty((trajectory.sizes["replica"], trajectory.sizes["frame"]))
    for replica in range(len(fraction)):
        for frame, position in enumerate(replica_positions(trajectory, replica)):
            fraction[replica, frame] = solid_atoms(position, cell, criterion=criterion).mean()
    return xr.Dataset(
        {"solid_fraction": (("replica", "frame"), fraction, {"units": "1"})},
        coords={"time": trajectory["time"]},
        attrs={"criterion": criterion},
    )


def interface_drift(
    trajectory: xr.Dataset,
    *,
    skip: float = 0.0,
    criterion: Criterion = "bonds",
    solid_density: float | None = None,
) -> xr.Dataset:
    """Drift of the solid fraction of a slab, and the velocity of its interfaces.

    Parameters
    ----------
    trajectory : xr.Dataset
        Solid–liquid slabs, their interfaces normal to the longest edge of a cell with edges along x, y and z.
    skip : float
        Time in ps, counted from the first frame, that is left out of the fit: the response of both phases to
        a change of temperature is no motion of the interface.
    criterion : {"bonds", "count"}
        As in :func:`solid_atoms`; the velocity means what it says for ``"bonds"`` only.
    solid_density : float, optional
        Number density of the solid in 1/Å³, for the velocity; without it that of the cell.

    Returns
    -------
    xr.Dataset
        ``solid_fraction`` (replica, frame); ``drift``, ``drift_stderr`` and ``drift_replica`` (replica) in
        1/ps, positive when the solid grows; ``velocity``, ``velocity_stderr``, ``velocity_replica`` (replica)
        in Å/ps: how fast each of the two interfaces moves into the liquid.

    Raises
    ------
    ObservableError
        If fewer than two frames are left after ``skip``, or the cell has other angles.

    Notes
    -----
    Least-squares slope of each replica; the error is the scatter between replicas. A growing solid of density
    ρ_s takes dφ/dt · N/ρ_s of volume per time, shared by two interfaces of area A.
    """
    result = solid_fraction(trajectory, criterion=criterion)
    result["drift_replica"] = (("replica",), _slopes(result, skip), {"units": "1/ps"})
    cell = trajectory["cell"].values
    edges = np.sort(right_angled_edges(cell, "the area of an interface"))
    n_atoms = trajectory.sizes["atom"]
    density = n_atoms / edges.prod() if solid_density is None else solid_density
    advance = n_atoms / (density * INTERFACES * edges[0] * edges[1])
    velocity = result["drift_replica"].values * advance
    result["velocity_replica"] = (("replica",), velocity, {"units": "Å/ps"})
    for name, unit in (("drift", "1/ps"), ("velocity", "Å/ps")):
        mean, stderr = replica_mean(result[f"{name}_replica"].values)
        result[name] = ((), mean, {"units": unit})
        result[f"{name}_stderr"] = ((), stderr, {"units": unit})
    return result


def _slopes(fraction: xr.Dataset, skip: float) -> FloatArray:
    time = np.asarray(fraction["time"].values, dtype=np.float64)
    # a frame that falls on the limit is kept whatever the rounding of its time
    kept = time - time[0] >= skip - 1e-9 if len(time) else np.zeros(0, dtype=bool)
    if kept.sum() < 2:
        raise ObservableError(f"skip = {skip} ps leaves {int(kept.sum())} of {len(time)} frames; a drift needs two")
    centred = time[kept] - time[kept].mean()
    slopes: FloatArray = fraction["solid_fraction"].values[:, kept] @ centred / (centred @ centred)
    return slopes


def zero_velocity_temperature(
    temperatures: ArrayLike,
    drift: ArrayLike,
    drift_stderr: ArrayLike,
    *,
    degree: int = 1,
    dof: float = float("inf"),
) -> Estimate:
    """Temperature at which the solid neither grows nor melts, by a weighted polynomial fit.

    Parameters
    ----------
    temperatures, drift, drift_stderr : array_like, shape (temperature,)
        In K, more of them than ``degree``; drift of the solid fraction (or velocity), positive when the solid
        grows, and its standard error, in any unit.
    degree, dof : int, float
        1 for a straight line, 2 for a parabola; degrees of freedom of the standard errors, passed on.

    Returns
    -------
    Estimate
        Temperature in K and its propagated standard error. NaN where the fit has no zero at which it falls:
        then the solid does not melt on heating, and there is no melting point.

    Raises
    ------
    ObservableError
        For too few temperatures, a drift that is not finite, or an error that is not positive.

    Notes
    -----
    The errors count as known: they are not rescaled by the residuals. σ(T₀) = σ_fit(T₀) / |v'(T₀)|.
    """
    kelvin, values = np.asarray(temperatures, dtype=np.float64), np.asarray(drift, dtype=np.float64)
    errors = np.asarray(drift_stderr, dtype=np.float64)
    if not len(kelvin) == len(values) == len(errors) or len(kelvin) <= degree or degree not in (1, 2):
        raise ObservableError(f"{len(kelvin)} temperatures, {len(values)} drifts, degree {degree}; need degree + 1")
    refuse_non_finite("the drift is", values, "temperatures")
    if not np.all(errors > 0.0):
        raise ObservableError(f"drift_stderr = {errors}; a weighted fit needs positive errors (several replicas)")
    centre, scale = kelvin.mean(), np.ptp(kelvin) / 2 or 1.0
    powers = np.vander((kelvin - centre) / scale, degree + 1, increasing=True)
    covariance = np.linalg.inv(powers.T @ (powers / errors[:, None] ** 2))
    fit = np.polynomial.Polynomial(covariance @ powers.T @ (values / errors**2))
    roots = fit.roots()
    real = roots[np.isreal(roots)].real
    falling = real[fit.deriv()(real) < 0.0]
    if not len(falling):
        return Estimate(float("nan"), float("nan"), dof)
    root = falling[0]  # a parabola falls at one of its zeros only
    row = root ** np.arange(degree + 1)
    stderr = scale * np.sqrt(row @ covariance @ row) / abs(fit.deriv()(root))
    return Estimate(float(centre + scale * root), float(stderr), dof)


def crossing_temperature(temperatures: ArrayLike, drift: ArrayLike) -> float:
    """Temperature at which the drift changes sign, by interpolation between neighbours: the paper's way.

    Parameters
    ----------
    temperatures, drift : array_like, shape (temperature,)
        In K, in any order, and the drift of the solid fraction, any unit.

    Returns
    -------
    float
        The lowest temperature in K at which the interpolated drift turns from positive to negative; NaN if it
        never does.

    Raises
    ------
    NonFiniteError
        If a temperature or a drift is not finite.
    """
    pairs = np.array([temperatures, drift], dtype=np.float64)
    refuse_non_finite("temperature and drift are", pairs.T, "temperatures")
    kelvin, values = pairs[:, np.argsort(pairs[0])]
    turns = np.flatnonzero((values[:-1] > 0.0) & (values[1:] <= 0.0))
    if not len(turns):
        return float("nan")
    k = turns[0]
    return float(kelvin[k] + (kelvin[k + 1] - kelvin[k]) * values[k] / (values[k] - values[k + 1]))


def melting_temperature(
    temperatures: ArrayLike,
    drift_replica: ArrayLike,
    *,
    degree: int | None = None,
) -> Estimate:
    """Melting temperature of a ladder of slab runs, with its error from replicas.

    Parameters
    ----------
    temperatures, drift_replica : array_like, shape (temperature,) and (temperature, replica)
        In K, and the drift of each replica in any unit. Replica k may start from the same slab at all temperatures:
        replicas are left out together.
    degree : int, optional
        Of the polynomial fitted to the means; None interpolates as the paper does.

    Returns
    -------
    Estimate
        Temperature in K, jackknife standard error over replicas, replicas − 1 degrees of freedom. NaN where
        there is no zero, also when only some replicas are left.

    Raises
    ------
    ObservableError
        For an array of another shape.

    Notes
    -----
    All temperatures weigh the same in the fit. Weights from the same few replicas would prefer temperatures
    whose scatter happens to be small: with eight replicas the error then comes out 20 % too small.
    """
    values = np.asarray(drift_replica, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] != np.size(temperatures):
        raise ObservableError(f"drift_replica has shape {values.shape}; expected ({np.size(temperatures)}, replicas)")
    if degree is None:
        return jackknife(values.T, lambda part: crossing_temperature(temperatures, part.mean(axis=0)))
    equal = np.ones(len(values))
    return jackknife(
        values.T,
        lambda part: zero_velocity_temperature(temperatures, part.mean(axis=0), equal, degree=degree).value,
    )
