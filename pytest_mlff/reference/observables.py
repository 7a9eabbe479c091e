"""What is measured on a trajectory, with which fixed parameters: the same for candidate and reference.

Both sides go through :func:`measure`, so a number can only differ because the trajectory does. Windows and
ranges are fixed by the state point alone, never by the length of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pytest_mlff.errors import ReferenceDataError
from pytest_mlff.potentials import ARGON_SIGMA
from pytest_mlff.schema import Estimate

if TYPE_CHECKING:
    import xarray as xr

STRUCTURE_STRIDE = {256: 4, 4000: 40}
"""Frames between configurations of g(r) and S(q), by number of atoms: structure changes little in 0.43 ps, and a
frame of 4000 atoms holds as much as sixteen of 256."""
Q_MAX = {256: 4.0, 4000: 2.6}
"""Largest |q| of S(q) in 1/Å by number of atoms; the number of wave vectors grows with its cube."""


def _rdf(trajectory: xr.Dataset) -> xr.Dataset:
    from pytest_mlff.analysis.geometry import half_width
    from pytest_mlff.analysis.rdf import radial_distribution

    r_max = min(4 * ARGON_SIGMA, 0.999 * half_width(trajectory["cell"].values))
    return radial_distribution(_strided(trajectory), r_max=r_max)


def _structure_factor(trajectory: xr.Dataset) -> xr.Dataset:
    from pytest_mlff.analysis.structure_factor import structure_factor

    return structure_factor(_strided(trajectory), q_max=Q_MAX[_size(trajectory)])


def _diffusion(trajectory: xr.Dataset) -> xr.Dataset:
    from pytest_mlff.analysis.msd import self_diffusivity

    return self_diffusivity(trajectory)


def _long_diffusion(trajectory: xr.Dataset) -> xr.Dataset:
    """D at 2 to 6 ps, past the slow part of the tail: for the comparison with the paper's table."""
    from pytest_mlff.analysis.msd import self_diffusivity

    return self_diffusivity(trajectory, lag_window=(2.0, 6.0))


def _self_rates(trajectory: xr.Dataset) -> xr.Dataset:
    from pytest_mlff.analysis.relaxation import relaxation_rate

    return relaxation_rate(trajectory, kind="self")


def _coherent_rates(trajectory: xr.Dataset) -> xr.Dataset:
    from pytest_mlff.analysis.relaxation import relaxation_rate

    return relaxation_rate(trajectory, kind="coherent", pooling="interpolated")


def _tracked_rates(trajectory: xr.Dataset) -> xr.Dataset:
    from pytest_mlff.analysis.relaxation import relaxation_rate

    return relaxation_rate(trajectory, kind="tracked")


def _mean_rate(trajectory: xr.Dataset) -> xr.Dataset:
    from pytest_mlff.analysis.relaxation import mean_relaxation_rate

    return mean_relaxation_rate(trajectory, pooling="interpolated")


def _contrast(trajectory: xr.Dataset) -> xr.Dataset:
    from pytest_mlff.analysis.xsvs import correlation_time

    return correlation_time(trajectory, pooling="interpolated")


def _direct_contrast(trajectory: xr.Dataset) -> xr.Dataset:
    """XSVS time from intensities and the bare shell: noisier, for the comparison with the paper's table."""
    from pytest_mlff.analysis.xsvs import correlation_time

    return correlation_time(trajectory, source="intensity")


def _strided(trajectory: xr.Dataset) -> xr.Dataset:
    return trajectory.isel(frame=slice(None, None, STRUCTURE_STRIDE[_size(trajectory)]))


def _size(trajectory: xr.Dataset) -> int:
    """Find the reference's liquid size that is nearest to this one."""
    return min(STRUCTURE_STRIDE, key=lambda size: abs(size - trajectory.sizes["atom"]))


MEASURES: Mapping[str, Callable[[xr.Dataset], xr.Dataset]] = {
    "rdf": _rdf,
    "structure_factor": _structure_factor,
    "diffusion": _diffusion,
    "long_diffusion": _long_diffusion,
    "gamma_self": _self_rates,
    "gamma_coherent": _coherent_rates,
    "gamma_tracked": _tracked_rates,
    "mean_relaxation_rate": _mean_rate,
    "xsvs_time": _contrast,
    "direct_xsvs_time": _direct_contrast,
}
"""Observable name → function of a trajectory."""
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
LIQUID = tuple(MEASURES)
SOLID = ("rdf",)


def measure(name: str, trajectory: xr.Dataset) -> xr.Dataset:
    """Measure one observable.

    Parameters
    ----------
    name : str
        Key of :data:`MEASURES`.
    trajectory : xr.Dataset
        As ``schema`` describes it.

    Returns
    -------
    xr.Dataset
        The observable with its error; the number of replicas in ``attrs["replicas"]``.
    """
    found = MEASURES[name](trajectory)
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
