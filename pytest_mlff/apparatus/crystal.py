"""The crystal's responses to the atoms of one primitive cell: measured once, for the Hessian and the phonons."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.analysis.crystal import Crystal
from pytest_mlff.apparatus.context import CheckContext
from pytest_mlff.apparatus.work import Work
from pytest_mlff.reference.crystal import respond, static_crystal
from pytest_mlff.simulation.derivatives import CALLS_PER_DISPLACED

if TYPE_CHECKING:
    import xarray as xr


def crystal_response(context: CheckContext) -> xr.Dataset:
    """Rows of the candidate's Hessian in the reference's static zero-pressure cell, its atoms at rest there.

    Parameters
    ----------
    context : CheckContext
        Of the run.

    Returns
    -------
    xr.Dataset
        As :func:`pytest_mlff.reference.crystal.respond` returns it.

    Raises
    ------
    ObservableError
        If the model's force noise leaves no sensible step.
    """
    crystal = _crystal(context)
    forces = context.forces(crystal.numbers, crystal.cell)
    parts = {"cells": context.protocol.hessian_cells}
    found = context.memo("crystal", parts, lambda: to_arrays(respond(forces, crystal)), holds=["layout"])
    return from_arrays(found)


def crystal_masses(context: CheckContext, response: xr.Dataset) -> np.ndarray:
    """Masses in amu of the atoms of a response."""
    return context.system.masses_of(response["number"].values)


def relaxation(response: xr.Dataset) -> str:
    """End of a note: what the relaxation did before; empty where there was nothing to do."""
    said = response.attrs["relaxation"]
    return f"; {said}" if said else ""


def crystal_work(context: CheckContext) -> Work:
    """Count the force calls of :func:`crystal_response`: of one atom at rest, or of a crystal that need not relax.

    Shared by the Hessian and the phonons.
    """
    crystal = _crystal(context)
    n = len(crystal.displaced)
    calls = 1 + CALLS_PER_DISPLACED * n + (n > 1)
    return Work(share="crystal", calls=calls, atoms=len(crystal.numbers))


def _crystal(context: CheckContext) -> Crystal:
    return static_crystal(context.system, context.protocol.hessian_cells)


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
