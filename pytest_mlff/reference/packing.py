"""Data sets as they are written into the reference files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from pytest_mlff.reference.data import pack
from pytest_mlff.schema import Estimate

if TYPE_CHECKING:
    import xarray as xr

EXACT = 10**6
"""Replicas of a number whose error is no scatter between replicas."""


def packed(position: np.ndarray, numbers: ArrayLike, cells: ArrayLike) -> xr.Dataset:
    """Make a data set of configurations of the same atoms.

    Parameters
    ----------
    position : ndarray, shape (configuration, atom, xyz)
        In Å, wrapped or not.
    numbers : array_like of int, shape (atom,)
        Atomic numbers.
    cells : array_like, shape (3, 3) or (configuration, 3, 3)
        Cell vectors as rows, in Å: of all, or of each.

    Returns
    -------
    xr.Dataset
        ``fraction`` (configuration, atom, xyz) as :func:`pytest_mlff.reference.data.pack` makes it,
        ``numbers`` (atom) and ``cell`` ([configuration,] vector, xyz).
    """
    import xarray as xr

    cells = np.asarray(cells, dtype=float)
    each = np.broadcast_to(cells, (len(position), 3, 3))
    fraction = np.stack([pack(one, cell) for one, cell in zip(position, each, strict=True)])
    return xr.Dataset(
        {
            "fraction": (("configuration", "atom", "xyz"), fraction, {"units": "vector/65536"}),
            "numbers": (("atom",), np.asarray(numbers, dtype=np.uint8), {"units": "1"}),
            "cell": (("configuration", "vector", "xyz")[-cells.ndim :], cells, {"units": "Å"}),
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
