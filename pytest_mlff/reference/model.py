"""The reference as a model, so that it runs through the same engine as any candidate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pytest_mlff.simulation.systems import ARGON, System


@dataclass(frozen=True)
class ReferenceModel:
    """The reference potential of a system, as :class:`pytest_mlff.schema.Model` describes a model.

    Attributes
    ----------
    system : System
        The material.
    """

    system: System = ARGON

    name = "reference"
    spec = "pytest_mlff.potentials:lennard_jones()"
    provides = frozenset({"energy", "forces", "stress"})
    repeatable = True

    @property
    def fingerprint(self) -> str:
        """Its parameters: the potential's code is tested against ASE and LAMMPS."""
        potential = self.system
        return f"reference-lennard-jones-{potential.sigma}-{potential.epsilon}-{potential.cutoff}"

    @property
    def calculator(self) -> Any:
        """A fresh calculator of the potential."""
        return self.system.potential()
