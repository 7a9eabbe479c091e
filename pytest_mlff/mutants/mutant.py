"""The record of a mutant: its factory, the strengths that are tested, and what is expected of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """One strength of a defect.

    Attributes
    ----------
    arguments : tuple
        Of the factory; literals.
    fails : frozenset of str
        Rows of the gate that must FAIL; others may. Empty: the whole gate must pass.
    effect : str
        Why: the number, measured or from a formula.
    """

    arguments: tuple[Any, ...]
    fails: frozenset[str]
    effect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One defect, in graded strength.

    Attributes
    ----------
    factory : callable
        Makes the calculator from the arguments of a strength.
    strengths : tuple of Strength
        From the strongest to the weakest.
    native : bool
        Whether it runs as a native OpenMM force, twenty to thirty times faster a step.
    """

    factory: Callable[..., Any]
    strengths: tuple[Strength, ...]
    native: bool

    @property
    def name(self) -> str:
        """Name of the factory."""
        return self.factory.__name__

    @property
    def defect(self) -> str:
        """What is wrong, in one sentence."""
        return (self.factory.__doc__ or "").partition("\n")[0]

    def call(self, strength: Strength) -> str:
        """Write the call of the factory.

        Parameters
        ----------
        strength : Strength
            One of ``strengths``.

        Returns
        -------
        str
            For example ``scaled_epsilon(0.95)``.
        """
        return f"{self.name}({', '.join(map(repr, strength.arguments))})"

    def spec(self, strength: Strength) -> str:
        """Write the spec for ``--mlff-model``.

        Parameters
        ----------
        strength : Strength
            One of ``strengths``.

        Returns
        -------
        str
            For example ``pytest_mlff.mutants:scaled_epsilon(0.95)``.
        """
        return f"{__package__}:{self.call(strength)}"

    def make(self, strength: Strength) -> Any:
        """Make the calculator.

        Parameters
        ----------
        strength : Strength
            One of ``strengths``.

        Returns
        -------
        ase.calculators.calculator.Calculator
            A fresh one.
        """
        return self.factory(*strength.arguments)
