"""What is measured on a trajectory, with which fixed parameters: the same for candidate and reference.

Both sides go through :func:`measure`, so a number can only differ because the trajectory does. Windows and
ranges are arguments, fixed by the state point alone and never by the length of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlff.errors import ReferenceDataError
from pytest_mlff.potentials import ARGON_SIGMA
from pytest_mlff.schema import Estimate

if TYPE_CHECKING:
    import xarray as xr

    from pytest_mlff.analysis.shells import Pooling
    from pytest_mlff.analysis.xpcs import Kind
    from pytest_mlff.analysis.xsvs import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """Windows and ranges in which observables are measured: the same on both sides, whatever the length of a run.

    Attributes
    ----------
    structure_stride : int
        Frames between the configurations of g(r) and S(q).
    r_max : float
        Largest distance of g(r) in Å; half the smallest perpendicular width of the cell where that is less.
    q_max : float
        Largest |q| of S(q) in 1/Å.
    diffusion, long_diffusion : tuple of float
        Lags in ps of the fit of D, and of a later one, past the slow part of the tail.
    shells : tuple of float
        Centres |q| in 1/Å of the relaxation rates.
    fit : tuple of float
        Lags in ps of their fits.
    mean_rate_shell, mean_rate : float
        Centre in 1/Å, and upper end in ps of the integral, of the mean relaxation rate.
    contrast_shell, longest_exposure : float
        Centre in 1/Å, and longest exposure in ps, of the optical contrast.
    """

    structure_stride: int
    r_max: float
    q_max: float
    diffusion: tuple[float, float]
    long_diffusion: tuple[float, float]
    shells: tuple[float, ...]
    fit: tuple[float, float]
    mean_rate_shell: float
    mean_rate: float
    contrast_shell: float
    longest_exposure: float


def argon_ranges(n_atoms: int) -> Ranges:
    """Ranges of argon's states, by what suits 256 or 4000 atoms: the one of them that is nearer.

    Structure changes little in 0.43 ps, and a frame of 4000 atoms holds as much as sixteen of 256; the number of wave
    vectors grows with the volume.
    """
    from pytest_mlff.analysis.msd import LAG_WINDOW
    from pytest_mlff.analysis.relaxation import FIT_WINDOW, MEAN_RATE_WINDOW
    from pytest_mlff.analysis.shells import MAX_LAG, PAPER_SHELLS
    from pytest_mlff.analysis.xsvs import CONTRAST_SHELL

    small = abs(n_atoms - 256) <= abs(n_atoms - 4000)
    return Ranges(
        structure_stride=4 if small else 40,
        r_max=4 * ARGON_SIGMA,
        q_max=4.0 if small else 2.6,
        diffusion=LAG_WINDOW,
        long_diffusion=(2.0, 6.0),
        shells=PAPER_SHELLS,
        fit=FIT_WINDOW,
        mean_rate_shell=PAPER_SHELLS[-1],
        mean_rate=MEAN_RATE_WINDOW,
        contrast_shell=CONTRAST_SHELL,
        longest_exposure=MAX_LAG,
    )


def _rdf(trajectory: xr.Dataset, ranges: Ranges) -> xr.Dataset:
    from pytest_mlff.analysis.geometry import half_width
    from pytest_mlff.analysis.rdf import partial_distributions, radial_distribution
    from pytest_mlff.analysis.species import species_of

    r_max = min(ranges.r_max, 0.999 * half_width(trajectory["cell"].values))
    several = len(species_of(trajectory)) > 1
    return (partial_distributions if several else radial_distribution)(_strided(trajectory, ranges), r_max=r_max)


def _structure_factor(trajectory: xr.Dataset, ranges: Ranges) -> xr.Dataset:
    from pytest_mlff.analysis.structure_factor import structure_factor

    return structure_factor(_strided(trajectory, ranges), q_max=ranges.q_max)


def _partial_structure_factors(trajectory: xr.Dataset, ranges: Ranges) -> xr.Dataset:
    from pytest_mlff.analysis.structure_factor import partial_structure_factors

    return partial_structure_factors(_strided(trajectory, ranges), q_max=ranges.q_max)


def _strided(trajectory: xr.Dataset, ranges: Ranges) -> xr.Dataset:
    return trajectory.isel(frame=slice(None, None, ranges.structure_stride))


def _diffusion(trajectory: xr.Dataset, ranges: Ranges) -> xr.Dataset:
    return _diffusivity(trajectory, ranges.diffusion)


def _long_diffusion(trajectory: xr.Dataset, ranges: Ranges) -> xr.Dataset:
    """Take D past the slow part of the tail: for the comparison with the paper's table."""
    return _diffusivity(trajectory, ranges.long_diffusion)


def _diffusivity(trajectory: xr.Dataset, window: tuple[float, float]) -> xr.Dataset:
    from pytest_mlff.analysis.msd import self_diffusivity
    from pytest_mlff.analysis.species import each_species

    return each_species(lambda name: self_diffusivity(trajectory, lag_window=window, species=name), trajectory)


def _self_rates(trajectory: xr.Dataset, ranges: Ranges) -> xr.Dataset:
    from pytest_mlff.analysis.relaxation import relaxation_rate
    from pytest_mlff.analysis.species import each_species

    windows = dict.fromkeys(ranges.shells, ranges.fit)
    return each_species(
        lambda name: relaxation_rate(trajectory, kind="self", shells=ranges.shells, windows=windows, species=name),
        trajectory,
    )


def _coherent_rates(trajectory: xr.Dataset, ranges: Ranges) -> xr.Dataset:
    return _rates_of_all(trajectory, ranges, "coherent", "interpolated")


def _tracked_rates(trajectory: xr.Dataset, ranges: Ranges) -> xr.Dataset:
    return _rates_of_all(trajectory, ranges, "tracked", "shell")


def _rates_of_all(trajectory: xr.Dataset, ranges: Ranges, kind: Kind, pooling: Pooling) -> xr.Dataset:
    """Measure Γ of the total number density, whatever the species."""
    from pytest_mlff.analysis.relaxation import relaxation_rate

    windows = dict.fromkeys(ranges.shells, ranges.fit)
    return relaxation_rate(trajectory, kind=kind, pooling=pooling, shells=ranges.shells, windows=windows)


def _mean_rate(trajectory: xr.Dataset, ranges: Ranges) -> xr.Dataset:
    from pytest_mlff.analysis.relaxation import mean_relaxation_rate

    shells = (ranges.mean_rate_shell,)
    return mean_relaxation_rate(trajectory, pooling="interpolated", shells=shells, window=ranges.mean_rate)


def _contrast(trajectory: xr.Dataset, ranges: Ranges) -> xr.Dataset:
    return _correlation_time(trajectory, ranges, "field", "interpolated")


def _direct_contrast(trajectory: xr.Dataset, ranges: Ranges) -> xr.Dataset:
    """XSVS time from intensities and the bare shell: noisier, for the comparison with the paper's table."""
    return _correlation_time(trajectory, ranges, "intensity", "shell")


def _correlation_time(trajectory: xr.Dataset, ranges: Ranges, source: Source, pooling: Pooling) -> xr.Dataset:
    from pytest_mlff.analysis.xsvs import correlation_time

    where = {"shell": ranges.contrast_shell, "max_exposure": ranges.longest_exposure}
    return correlation_time(trajectory, source=source, pooling=pooling, **where)


MEASURES: Mapping[str, Callable[[xr.Dataset, Ranges], xr.Dataset]] = {
    "rdf": _rdf,
    "structure_factor": _structure_factor,
    "partial_structure_factors": _partial_structure_factors,
    "diffusion": _diffusion,
    "long_diffusion": _long_diffusion,
    "gamma_self": _self_rates,
    "gamma_coherent": _coherent_rates,
    "gamma_tracked": _tracked_rates,
    "mean_relaxation_rate": _mean_rate,
    "xsvs_time": _contrast,
    "direct_xsvs_time": _direct_contrast,
}
"""Observable name → function of a trajectory and its ranges."""
VARIABLES: Mapping[str, str] = {
    "diffusion": "D",
    "long_diffusion": "D",
    "gamma_self": "gamma",
    "gamma_coherent": "gamma",
    "gamma_tracked": "gamma",
    "mean_relaxation_rate": "mean_rate",
    "xsvs_time": "correlation_time",
    "direct_xsvs_time": "correlation_time",
}
"""Observables that are numbers, and the variable that holds them; the others are curves."""
LIQUID = tuple(name for name in MEASURES if name != "partial_structure_factors")
"""Observables of a liquid; where there are several species, the partial structure factors come beside them."""
SOLID = ("rdf",)


def measure(name: str, trajectory: xr.Dataset, ranges: Ranges | None = None) -> xr.Dataset:
    """Measure one observable.

    Parameters
    ----------
    name : str
        Key of :data:`MEASURES`.
    trajectory : xr.Dataset
        As ``schema`` describes it.
    ranges : Ranges, optional
        Windows and ranges of the material; those of argon if left out.

    Returns
    -------
    xr.Dataset
        The observable with its error; the number of replicas in ``attrs["replicas"]``. Where there are several species
        g(r) and the partial S(q) have the dimension ``pair``, D and the self rates ``species``:
        :func:`pytest_mlff.analysis.species.parts` takes them apart. S(q), the coherent and tracked rates and the
        contrast are those of the total number density.
    """
    found = MEASURES[name](trajectory, ranges or argon_ranges(trajectory.sizes["atom"]))
    return found.assign_attrs(replicas=trajectory.sizes["replica"])


def estimate(dataset: xr.Dataset, name: str, index: int | None = None) -> Estimate:
    """Take one number with its error out of an observable.

    Parameters
    ----------
    dataset : xr.Dataset
        From :func:`measure`.
    name : str
        Variable that has a ``<name>_stderr`` beside it.
    index : int, optional
        Position along its only dimension, where it has one.

    Returns
    -------
    Estimate
        With replicas − 1 degrees of freedom.

    Raises
    ------
    ReferenceDataError
        If the data set has no such variable.
    """
    if name not in dataset or f"{name}_stderr" not in dataset:
        raise ReferenceDataError(f"no {name!r} with an error bar among {', '.join(map(str, dataset.data_vars))}")
    value, stderr = dataset[name].values, dataset[f"{name}_stderr"].values
    if index is not None:
        value, stderr = value[index], stderr[index]
    return Estimate(float(value), float(stderr), float(dataset.attrs["replicas"] - 1))


def replica_values(dataset: xr.Dataset, name: str, index: int | None = None) -> tuple[float, ...]:
    """Values of single replicas beside :func:`estimate`; none where the number is no mean over them."""
    if f"{name}_replica" not in dataset:
        return ()
    values = dataset[f"{name}_replica"].values
    return tuple(map(float, values if index is None else values[:, index]))
