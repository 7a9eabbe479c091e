"""The crystal whose Hessian is taken, and its responses: measured alike on the reference and on the candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.analysis.crystal import Crystal, supercell
from pytest_mlff.simulation.derivatives import Forces, crystal_rows
from pytest_mlff.simulation.relax import relax_sublattices
from pytest_mlff.systems.system import System

if TYPE_CHECKING:
    import xarray as xr


def static_crystal(system: System, repeats: int) -> Crystal:
    """Crystal of the static lattice at zero pressure, its unit cell repeated so often along each of its vectors."""
    unit = system.crystal
    return supercell(unit.numbers, unit.fractions, unit.cell, repeats * np.eye(3))


def respond(forces: Forces, crystal: Crystal) -> xr.Dataset:
    """Relax the atoms of the primitive cell, then displace them one by one.

    Parameters
    ----------
    forces : callable
        Positions (atom, xyz) in Å → forces in eV/Å, for the atoms and the cell of ``crystal``.
    crystal : Crystal
        The supercell at rest.

    Returns
    -------
    xr.Dataset
        As :func:`pytest_mlff.simulation.derivatives.crystal_rows` has it, and ``number`` (atom), atomic numbers;
        ``force_calls`` are all of them, and the attribute ``relaxation`` says what the relaxation did: nothing of a
        crystal that has no force to follow.
    """
    relaxed = relax_sublattices(forces, crystal.positions, crystal.sublattice)
    rows = crystal_rows(
        forces, relaxed.positions, cell=crystal.cell, lattice=crystal.lattice, displaced=crystal.displaced.tolist()
    )
    calls = int(rows.attrs["force_calls"]) + relaxed.calls
    numbers = ("atom", crystal.numbers, {"units": "1"})
    return rows.assign(number=numbers).assign_attrs(force_calls=calls, relaxation=relaxed.said)
