"""What all mutants are made of: the argon reference with places where one thing can be spoiled.

A mutant sees a configuration (``_seen``), finds its pairs (``_pairs``), takes energy and slope of each
(``_pair_terms``) and hands out results (``_spoil``); a defect is one of these four, overridden. May import
``potentials``, ``units`` and ``errors``.
"""

from __future__ import annotations

import copy
from typing import Any, Self, TypeAlias

import numpy as np
from ase.calculators.calculator import all_changes
from numpy.typing import NDArray

from pytest_mlff.potentials import ARGON_CUTOFF, ARGON_EPSILON, ARGON_SIGMA, LennardJones

FloatArray: TypeAlias = NDArray[np.float64]
Pairs: TypeAlias = tuple[NDArray[Any], NDArray[Any], FloatArray]


class Altered(LennardJones):
    """The argon reference with hooks; unchanged, it is the reference.

    A subclass that changes forces without a native counterpart is a :class:`PythonAltered`.
    """

    atoms: Any
    pairs: Pairs

    def __init__(self) -> None:
        super().__init__(epsilon=ARGON_EPSILON, sigma=ARGON_SIGMA, cutoff=ARGON_CUTOFF)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = copy.copy(self)
        memo[id(self)] = twin
        for name, value in vars(self).items():
            if name != "_neighbors":  # a handle on memory of another library, without a state that matters
                setattr(twin, name, copy.deepcopy(value, memo))
        return twin

    def calculate(
        self,
        atoms: Any = None,
        properties: Any = ("energy",),
        system_changes: Any = tuple(all_changes),
    ) -> None:
        """Energy (eV), forces (eV/Å) and stress (eV/Å³) of the reference, then the defect.

        Parameters
        ----------
        atoms : ase.Atoms, optional
            The configuration; without it the last one.
        properties, system_changes : sequence of str
            As ASE passes them; everything is computed at once.
        """
        super().calculate(atoms, properties, system_changes)
        self._spoil(self.results)

    def _seen(self, atoms: Any) -> Any:
        """Give the configuration as the mutant sees it: new atoms, or those given."""
        return atoms

    def _pairs(self) -> Pairs:
        given = self.atoms
        self.atoms = self._seen(given)
        try:
            self.pairs = super()._pairs()
        finally:
            self.atoms = given
        return self.pairs

    def _spoil(self, results: dict[str, Any]) -> None:
        """Change results in place; ``self.pairs`` are those they came from."""

    def _distances(self) -> FloatArray:
        return np.asarray(np.linalg.norm(self.pairs[2], axis=1))

    def _net(self, pair_force: FloatArray) -> FloatArray:
        """Sum forces on the first atoms of the pairs, and their reactions on the second, over each atom's pairs."""
        first, second, _ = self.pairs
        n = len(self.atoms)
        columns = (np.bincount(first, column, n) - np.bincount(second, column, n) for column in pair_force.T)
        return np.stack(list(columns), axis=1)


class PythonAltered(Altered):
    """A mutant whose forces are not those of a native OpenMM force."""

    openmm_force = None  # type: ignore[assignment]  # not offered


def envelope(r: FloatArray, cutoff: float = ARGON_CUTOFF) -> tuple[FloatArray, FloatArray]:
    """(1 − (r/r_c)²)², which ends smoothly at the cutoff, and its derivative in 1/Å; r up to the cutoff, in Å."""
    inner = 1.0 - (r / cutoff) ** 2
    return inner**2, -4.0 * inner * r / cutoff**2


ENVELOPE = f"(1-(R/{ARGON_CUTOFF})^2)^2"
"""The same in OpenMM's language."""
