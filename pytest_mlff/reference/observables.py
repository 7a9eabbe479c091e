"""What is measured on a trajectory, with which fixed parameters: the same for candidate and reference.

Both sides go through :func:`measure`, so a number can only differ because the trajectory does. Windows and ranges
are fixed by the state point alone, never by the length of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pytest_mlff.errors import ReferenceDataError
from pytest_mlff.schema import Estimate
from pytest_mlff.simulation.systems import ARGON_SIGMA

if TYPE_CHECKING:
    import xarray as xr

STRUCTURE_STRIDE = 4
"""Frames (0.43 ps) between configurations of g(r) and S(q), which change little in between."""
Q_MAX = {256: 4.0, 4000: 2.6}
"""Largest |q| of S(q) in 1/Å by number of atoms; the number of wave vectors grows with its cube."""


def _rdf(trajectory: xr.Dataset) -> xr.Dataset:
    from pytest_mlff.analysis.rdf import radial_distribution

    half_edge = 0.5 * float(trajectory["box"].min())
    r_max = min(4 * ARGON_SIGMA, 0.999 * half_edge)
    return radial_distribution(_strided(trajectory), r_max=r_max)


def _structure_factor(trajectory: xr.Dataset) -> xr.Dataset:
    from pytest_mlff.analysis.structure_factor import structure_factor

    q_max = Q_MAX[min(Q_MAX, key=lambda size: abs(size - trajectory.sizes["atom"]))]
    return structure_factor(_strided(trajectory), q_max=q_max)


def _diffusion(trajectory: xr.Dataset) -> xr.Dataset:
    from pytest_mlff.analysis.msd import self_diffusivity

    return self_diffusivity(trajectory)


def _strided(trajectory: xr.Dataset) -> xr.Dataset:
    return trajectory.isel(frame=slice(None, None, STRUCTURE_STRIDE))


MEASURES: Mapping[str, Callable[["xr.Dataset"], "xr.Dataset"]] = {
    "rdf": _rdf,
    "structure_factor": _structure_factor,
    "diffusion": _diffusion,
}
"""Observable name → function of a trajectory."""
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
