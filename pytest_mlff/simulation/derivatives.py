"""Force derivatives by central differences: dense Hessian, rows of a crystal, and the noise that sets the step.

Everything here calls forces and returns raw derivative data; what they mean is said in ``analysis.hessian``
and ``analysis.phonons``. A force function takes positions (N, 3) in Å and returns forces (N, 3) in eV/Å.

The step. A difference quotient carries the force noise divided by the step, and the potential's anharmonicity
(and the pairs that cross a cutoff) times the step squared. 1e-2 Å is the default; the measured noise may ask
for more, up to 5e-2 Å, and past that there is no sensible step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_mlff.errors import ObservableError
from pytest_mlff.finite import refuse_non_finite

if TYPE_CHECKING:
    import xarray as xr

FloatArray: TypeAlias = NDArray[np.float64]
Forces: TypeAlias = Callable[[FloatArray], ArrayLike]

STEP = 1e-2
"""Default displacement in Å."""

MAX_STEP = 5e-2
"""Largest displacement in Å: argon's spectrum is then off by 0.16 %, a twentieth of the PDOS tolerance."""

NOISE_FRACTION = 0.01
"""Largest spectral norm of the noise, as a fraction of the mean eigenvalue; it costs 0.02 of S at most."""

NOISE_CALLS, CALLS_PER_ATOM, CALLS_PER_DISPLACED = 12, 6, 9
"""Force calls of :func:`force_noise`, of each atom of :func:`dense_hessian`, and of each displaced atom of
:func:`crystal_rows` at the step that most models have; that has one more for them all."""

_NORM_PER_ELEMENT = 3.0
# Spectral norm of the antisymmetric part of a noise matrix, per sqrt(atoms reached) and element s.d.: sqrt(2
# * 3) for independent elements (Wigner's semicircle), and up to 3 for the largest 3x3 block of a circulant.


@dataclass(frozen=True, slots=True)
class ForceNoise:
    """How far a force function is from a smooth, repeatable one.

    Attributes
    ----------
    repeat : float
        S.d. of a force component between calls with the same input, eV/Å.
    rounding : float
        S.d. of a force component about its smooth course when one atom moves by a few units in the last place
        of a float32 coordinate, eV/Å; contains ``repeat`` when that is not zero.
    scale : float
        Mean curvature of the energy with respect to one coordinate of an atom, eV/Å²; in a crystal the mean
        eigenvalue of the Hessian.
    reached : int
        Number of atoms whose forces change when one atom moves; noise reaches no others.
    """

    repeat: float
    rounding: float
    scale: float
    reached: int

    @property
    def value(self) -> float:
        """S.d. of one force component, eV/Å: the larger of both measures."""
        return max(self.repeat, self.rounding)


def dense_hessian(forces: Forces, positions: ArrayLike, *, step: float = STEP) -> FloatArray:
    """Hessian H_ij = −∂f_i/∂x_j by central differences, 6N force calls.

    Parameters
    ----------
    forces : callable
        Positions (N, 3) in Å to forces (N, 3) in eV/Å.
    positions : array_like, shape (N, 3)
        Configuration in Å; not changed.
    step : float
        Displacement in Å.

    Returns
    -------
    ndarray, shape (3N, 3N)
        eV/Å², not symmetrised: row = force component, column = displaced coordinate.

    Raises
    ------
    ObservableError
        If the step is not positive or a force is not finite.
    """
    start = _checked(positions, step)
    columns = [single_atom_rows(forces, start, atom=atom, step=step) for atom in range(len(start))]
    size = start.size
    return np.concatenate([column.reshape(size, 3) for column in columns], axis=1)


def single_atom_rows(forces: Forces, positions: ArrayLike, *, atom: int = 0, step: float = STEP) -> FloatArray:
    """Response of every force to the displacement of one atom, six force calls.

    Parameters
    ----------
    forces : callable
        Positions (N, 3) in Å to forces (N, 3) in eV/Å.
    positions : array_like, shape (N, 3)
        Configuration in Å; not changed.
    atom : int
        The atom to displace.
    step : float
        Displacement in Å.

    Returns
    -------
    ndarray, shape (N, 3, 3)
        ``rows[j, b, a]`` = −∂f_jb/∂x_a of the displaced atom, eV/Å².

    Raises
    ------
    ObservableError
        If the step is not positive or a force is not finite.
    """
    start = _checked(positions, step)
    rows = np.empty((len(start), 3, 3))
    for axis in range(3):
        forward = _displaced(forces, start, atom, axis, step)
        rows[:, :, axis] = -(forward - _displaced(forces, start, atom, axis, -step)) / (2.0 * step)
    return rows


def force_noise(
    forces: Forces, positions: ArrayLike, *, rng: np.random.Generator, draws: int = 3, step: float = STEP
) -> ForceNoise:
    """Measure a model's own force noise: repeated input, and displacements at the resolution of float32.

    A smooth force has no second difference at that scale (argon: 1e-10 eV/Å), so what is seen is rounding.
    One atom is displaced, as in every Hessian here: what all coordinates have in common cancels in a
    difference. The curvature is an average over all atoms, as in a liquid that of one atom may be near zero:
    with z of random signs, z·H·z has the trace of H as its mean (Hutchinson, Commun. Stat. Simul. Comput. 19
    (1990) 433). 2 + 2 ``draws`` + 4 force calls.

    Parameters
    ----------
    forces : callable
        Positions (N, 3) in Å to forces (N, 3) in eV/Å.
    positions : array_like, shape (N, 3)
        Configuration in Å; not changed.
    rng : numpy.random.Generator
        Draws the atoms, directions and signs.
    draws : int
        Number of tiny displacements.
    step : float
        Displacement in Å for the curvature.

    Returns
    -------
    ForceNoise
        Both noise levels, the curvature, and the reach of one atom.

    Raises
    ------
    ObservableError
        If a force is not finite, or moving one atom changes no force.
    """
    start = _checked(positions, step)
    base = evaluate(forces, start)
    repeat = float(np.sqrt(np.mean((evaluate(forces, start) - base) ** 2) / 2.0))
    tiny = 4.0 * float(np.spacing(np.float32(np.abs(start).max() + 1.0)))
    variance = [_second_difference(forces, start, base, rng, tiny) for _ in range(draws)]
    atom, shift = int(rng.integers(len(start))), np.zeros_like(start)
    shift[atom] = step * _direction(rng)
    reached = int(np.count_nonzero(np.any(_response(forces, start, shift) != 0.0, axis=1)))
    if not reached:
        raise ObservableError(
            f"moving atom {atom} by {step} Å changes no force; the model does not see these positions, "
            f"pass a configuration whose atoms interact"
        )
    signs = rng.choice((-1.0, 1.0), size=start.shape)
    scale = abs(float(np.mean(_response(forces, start, step * signs) * signs))) / (2.0 * step)
    return ForceNoise(repeat, math.sqrt(float(np.mean(variance))), scale, reached)


def choose_step(noise: ForceNoise) -> float:
    """Choose the smallest step from 1e-2 Å on at which the noise is below a hundredth of the curvature.

    Parameters
    ----------
    noise : ForceNoise
        As :func:`force_noise` measures it.

    Returns
    -------
    float
        Step in Å, between ``STEP`` and ``MAX_STEP``.

    Raises
    ------
    ObservableError
        If the noise asks for more than ``MAX_STEP``.
    """
    return max(STEP, _needed_step(noise.value, noise.scale, noise.reached))


def crystal_rows(
    forces: Forces,
    positions: ArrayLike,
    *,
    cell: ArrayLike,
    lattice: ArrayLike,
    displaced: Sequence[int] = (0,),
    step: float | None = None,
) -> xr.Dataset:
    """Responses of a crystal's forces to each atom of one primitive cell, at two steps: 9 calls an atom and 1.

    One call at rest, then for each atom six at ±h and three at +2h. With the even part of the response taken from the
    calls at ±h (it grows as h²), f(2h) gives the odd part at 2h, so both steps have their difference quotient. The
    third difference f(2h) − 3f(h) + 3f(0) − f(−h) is the noise, its s.d. times √20, where the anharmonic part
    h³f‴ is smaller: the value kept is therefore an upper limit. The noisiest atom sets the step of all.

    Parameters
    ----------
    forces : callable
        Positions (N, 3) in Å to forces (N, 3) in eV/Å.
    positions : array_like, shape (N, 3)
        The undisplaced crystal in Å; not changed.
    cell, lattice : array_like, shape (3, 3)
        Vectors of the periodic cell and of the crystal's primitive lattice in Å: kept with the rows.
    displaced : sequence of int
        The atoms to displace, one of each sublattice.
    step : float, optional
        Step h in Å. By default 1e-2, or the larger one that the noise asks for (nine more calls an atom then).

    Returns
    -------
    xr.Dataset
        ``row`` (step, displaced, atom, force, displacement) in eV/Å² at h and 2h, ``displaced_atom``,
        ``position``, ``cell``, ``lattice``, ``force_noise`` in eV/Å, ``row_stderr`` in eV/Å² (of one element at
        h), and the attribute ``force_calls``.

    Raises
    ------
    ObservableError
        If a force is not finite, or the noise leaves no sensible step.
    """
    start = _checked(positions, STEP if step is None else step)
    base = evaluate(forces, start)
    width, calls = (STEP if step is None else step), 1 + CALLS_PER_DISPLACED * len(displaced)
    found = [_two_steps(forces, start, base, atom, width) for atom in displaced]
    if step is None:
        needed = max(
            _needed_step(noise, float(np.trace(rows[0, atom]) / 3.0), reached)
            for atom, (rows, noise, reached) in zip(displaced, found, strict=True)
        )
        if needed > width:
            width, calls = needed, calls + CALLS_PER_DISPLACED * len(displaced)
            found = [_two_steps(forces, start, base, atom, width) for atom in displaced]
    noise = max(one[1] for one in found)
    return _rows_dataset(
        np.stack([one[0] for one in found], axis=1),
        {"position": start, "cell": cell, "lattice": lattice},
        np.asarray(displaced, dtype=int),
        width,
        noise,
    ).assign_attrs(force_calls=calls)


def _two_steps(
    forces: Forces, start: FloatArray, base: FloatArray, atom: int, step: float
) -> tuple[FloatArray, float, int]:
    """Rows (2, N, 3, 3) at h and 2h, noise s.d. of a force component, number of atoms reached."""
    rows, third = np.empty((2, len(start), 3, 3)), np.empty((len(start), 3, 3))
    for axis in range(3):
        back, ahead, far = (_displaced(forces, start, atom, axis, k * step) for k in (-1.0, 1.0, 2.0))
        even = 0.5 * (ahead + back) - base
        rows[0, :, :, axis] = -(ahead - back) / (2.0 * step)
        rows[1, :, :, axis] = -(far - base - 4.0 * even) / (2.0 * step)
        third[:, :, axis] = far - 3.0 * ahead + 3.0 * base - back
    touched = np.any(rows[0] != 0.0, axis=(1, 2))
    if not touched.any():
        raise ObservableError(f"moving atom {atom} by {step} Å changes no force; the atoms do not interact")
    # the 68 % quantile leaves out the near atoms, whose third difference is anharmonic
    noise = float(np.quantile(np.abs(third[touched]), 0.683)) / math.sqrt(20.0)
    return rows, noise, int(np.count_nonzero(touched))


def _rows_dataset(
    rows: FloatArray, places: Mapping[str, ArrayLike], displaced: NDArray[np.int_], step: float, noise: float
) -> xr.Dataset:
    import xarray as xr

    first = {"position": "atom", "cell": "vector", "lattice": "vector"}
    return xr.Dataset(
        {
            "row": (("step", "displaced", "atom", "force", "displacement"), rows, {"units": "eV/Å²"}),
            "displaced_atom": (("displaced",), displaced, {"units": "1"}),
            **{
                name: ((first[name], "xyz"), np.asarray(values, dtype=float), {"units": "Å"})
                for name, values in places.items()
            },
            "force_noise": ((), noise, {"units": "eV/Å"}),
            "row_stderr": ((), noise / (math.sqrt(2.0) * step), {"units": "eV/Å²"}),
        },
        coords={"step": (("step",), np.array([step, 2.0 * step]), {"units": "Å"})},
    )


def _needed_step(noise: float, scale: float, reached: int) -> float:
    """Step in Å at which the norm of the noise is ``NOISE_FRACTION`` of the curvature, if not too large."""
    norm = _NORM_PER_ELEMENT * math.sqrt(reached) * noise / math.sqrt(2.0)
    needed = norm / (NOISE_FRACTION * abs(scale)) if scale else math.inf
    if needed > MAX_STEP:
        raise ObservableError(
            f"force noise of {noise:.2g} eV/Å against a curvature of {abs(scale):.2g} eV/Å² asks for a "
            f"step of {needed:.2g} Å, but past {MAX_STEP} Å the crystal is no longer harmonic; "
            f"run the model in a higher precision"
        )
    return needed


def _second_difference(
    forces: Forces, start: FloatArray, base: FloatArray, rng: np.random.Generator, size: float
) -> float:
    """Noise variance of a force component from f(x+δ) − 2f(x) + f(x−δ) over the atoms that respond."""
    shift = np.zeros_like(start)
    shift[int(rng.integers(len(start)))] = size * _direction(rng)
    second = evaluate(forces, start + shift) - 2.0 * base + evaluate(forces, start - shift)
    touched = np.any(second != 0.0, axis=1)
    return float(np.mean(second[touched] ** 2) / 6.0) if touched.any() else 0.0


def _response(forces: Forces, start: FloatArray, shift: FloatArray) -> FloatArray:
    return evaluate(forces, start + shift) - evaluate(forces, start - shift)


def _direction(rng: np.random.Generator) -> FloatArray:
    vector = rng.standard_normal(3)
    return np.asarray(vector / np.linalg.norm(vector))


def _displaced(forces: Forces, start: FloatArray, atom: int, axis: int, step: float) -> FloatArray:
    moved = start.copy()
    moved[atom, axis] += step
    return evaluate(forces, moved)


def evaluate(forces: Forces, positions: FloatArray) -> FloatArray:
    """Call the forces, in eV/Å, and refuse what is not one finite vector for each atom."""
    # a copy goes out, so that a calculator that wraps in place cannot move the caller's atoms
    value = np.array(forces(positions.copy()), dtype=float)
    if value.shape != positions.shape:
        raise ObservableError(f"forces have shape {value.shape}, expected {positions.shape}")
    refuse_non_finite("forces are", value, "atoms")
    return value


def _checked(positions: ArrayLike, step: float) -> FloatArray:
    start = np.array(positions, dtype=float)
    if start.ndim != 2 or start.shape[1] != 3 or not np.isfinite(start).all():
        raise ObservableError(f"positions have shape {start.shape}; expected finite (atom, 3) in Å")
    if not step > 0.0:
        raise ObservableError(f"step = {step} Å must be positive; {STEP} Å is the default")
    return start
