"""Data sets as they are written into the reference files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.reference.data import pack
from pytest_mlff.schema import Estimate

if TYPE_CHECKING:
    import xarray as xr

EXACT = 10**6
"""Replicas of a number whose error is no scatter between replicas."""


def packed(position: np.ndarray, box: Any) -> xr.Dataset:
    """Make a data set of configurations of one cell.

    Parameters
    ----------
    position : ndarray, shape (configuration, atom, xyz)
        In Å, wrapped or not.
    box : array_like, shape (3,)
        Cell edges in Å.

    Returns
    -------
    xr.Dataset
        ``fraction`` (configuration, atom, xyz) as :func:`pytest_mlff.reference.data.pack` makes it, and ``box``.
    """
    import xarray as xr

    box = np.asarray(box, dtype=float)
    return xr.Dataset(
        {
            "fraction": (("configuration", "atom", "xyz"), pack(position, box), {"units": "edge/65536"}),
            "box": (("xyz",), box, {"units": "Å"}),
        }
    )


def number(name: str, estimate: Estimate, unit: str = "1") -> xr.Dataset:
    """Make a data set of one number with its error.

    Parameters
    ----------
    name : str
        Of the variable.
    estimate : Estimate
        The number.
    unit : str, optional
        Its unit.

    Returns
    -------
    xr.Dataset
        ``<name>`` and ``<name>_stderr``; degrees of freedom + 1 in ``attrs["replicas"]``.
    """
    import xarray as xr

    variables = {
        name: ((), estimate.value, {"units": unit}),
        f"{name}_stderr": ((), estimate.stderr, {"units": unit}),
    }
    finite = np.isfinite(estimate.dof)
    return xr.Dataset(variables, attrs={"replicas": int(estimate.dof) + 1 if finite else EXACT})
