"""Structures as ``ase.Atoms``: for calculators, and for files that people and viewers read."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from pytest_mlff.systems.structure import Structure
from pytest_mlff.systems.system import System


def make_atoms(system: System, structure: Structure) -> Any:
    """Make ``ase.Atoms`` with the system's masses, and no calculator."""
    from ase import Atoms

    return Atoms(
        numbers=structure.numbers,
        positions=structure.positions,
        cell=structure.cell,
        pbc=structure.pbc,
        masses=system.masses_of(structure.numbers),
    )


def extended_xyz(images: Sequence[Any]) -> bytes:
    """Write ``ase.Atoms``, one frame each, as a file for people and viewers."""
    from ase.io import write

    buffer = io.StringIO()
    write(buffer, list(images), format="extxyz")
    return buffer.getvalue().encode()
