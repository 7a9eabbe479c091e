"""The crystal's response to one displaced atom: measured once, used by the Hessian and the phonon checks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.apparatus.context import CheckContext
from pytest_mlff.apparatus.work import Work
from pytest_mlff.simulation.derivatives import CRYSTAL_CALLS, crystal_rows

if TYPE_CHECKING:
    import xarray as xr


def crystal_response(context: CheckContext) -> xr.Dataset:
    """Rows of the candidate's Hessian at the static zero-pressure lattice of the reference.

    Parameters
    ----------
    context : CheckContext
        Of the run.

    Returns
    -------
    xr.Dataset
        As :func:`pytest_mlff.simulation.derivatives.crystal_rows` returns it.

    Raises
    ------
    ObservableError
        If the model's force noise leaves no sensible step.
    """
    n = context.protocol.hessian_cells
    found = context.memo("crystal", {"cells": n}, lambda: to_arrays(_measure(context, n)), holds=["layout"])
    return from_arrays(found)


def crystal_work(context: CheckContext) -> Work:
    """Count the force calls of :func:`crystal_response`.

    Parameters
    ----------
    context : CheckContext
        Of the run.

    Returns
    -------
    Work
        Shared by the Hessian and the phonons.
    """
    return Work(
        share="crystal",
        calls=CRYSTAL_CALLS,
        atoms=len(context.system.crystal.numbers) * context.protocol.hessian_cells**3,
    )


def _measure(context: CheckContext, n: int) -> xr.Dataset:
    crystal = context.system.crystal.repeated((n, n, n))
    forces = context.forces(crystal.numbers, crystal.cell)
    return crystal_rows(forces, crystal.positions, box=np.diagonal(crystal.cell), repeats=(n, n, n))


def to_arrays(dataset: xr.Dataset) -> dict[str, np.ndarray]:
    """Take a data set apart for the cache.

    Parameters
    ----------
    dataset : xr.Dataset
        With JSON-able attributes.

    Returns
    -------
    dict of str to ndarray
        Its variables, and ``layout``: dimensions and attributes as JSON.
    """
    layout = {
        "attrs": dataset.attrs,
        "dims": {str(name): variable.dims for name, variable in dataset.variables.items()},
        "units": {str(name): variable.attrs for name, variable in dataset.variables.items()},
        "coords": [str(name) for name in dataset.coords],
    }
    arrays = {str(name): variable.values for name, variable in dataset.variables.items()}
    return {**arrays, "layout": np.array(json.dumps(layout))}


def from_arrays(arrays: dict[str, np.ndarray]) -> xr.Dataset:
    """Put a data set together again.

    Parameters
    ----------
    arrays : dict of str to ndarray
        From :func:`to_arrays`.

    Returns
    -------
    xr.Dataset
        Equal to the one taken apart.
    """
    import xarray as xr

    layout = json.loads(str(arrays["layout"]))
    variables = {
        name: (layout["dims"][name], values, layout["units"][name])
        for name, values in arrays.items()
        if name != "layout"
    }
    dataset = xr.Dataset(variables, attrs=layout["attrs"])
    return dataset.set_coords(layout["coords"])
