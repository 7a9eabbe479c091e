"""The reference as a model, so that it runs through the same engine as any candidate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pytest_mlff.models.load import load_calculator
from pytest_mlff.systems.system import System


@dataclass(frozen=True)
class ReferenceModel:
    """The reference calculator of a system, as :class:`pytest_mlff.schema.Model` describes a model."""

    system: System

    name = "reference"
    repeatable = True

    @property
    def spec(self) -> str:
        """Spec of the calculator."""
        return self.system.reference

    @property
    def fingerprint(self) -> str:
        """Its spec: the code of argon's potential is tested against ASE and LAMMPS."""
        return f"reference {self.spec}"

    @cached_property
    def calculator(self) -> Any:
        """The calculator, made once."""
        return load_calculator(self.spec)

    @property
    def provides(self) -> frozenset[str]:
        """What the calculator lists of energy, forces and stress."""
        return frozenset({"energy", "forces", "stress"}.intersection(self.calculator.implemented_properties))
