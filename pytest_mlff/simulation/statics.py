"""A model's answers for structures that are given, not run: what is not finite is refused here.

A run has its own refusal, which names step and time (``simulation.engine``).
"""

from __future__ import annotations

import numpy as np

from pytest_mlff.errors import NonFiniteError
from pytest_mlff.finite import refuse_non_finite
from pytest_mlff.simulation.forces import ModelForces


class StaticForces(ModelForces):
    """Forces, energy and stress as :class:`ModelForces` gives them, all of them finite.

    Every method raises :class:`NonFiniteError` for an answer that holds a NaN or an infinity; it names the force call
    and holds the structure.
    """

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """Evaluate one configuration or several.

        Parameters
        ----------
        positions : ndarray, shape (atom, xyz) or (replica, atom, xyz)
            In Å, wrapped or not.

        Returns
        -------
        ndarray
            Forces in eV/Å, same shape.

        Raises
        ------
        NonFiniteError, ModelError
            If a force is not finite; if the calculator raises.
        """
        forces = super().__call__(positions)
        for structure, each in zip(positions, forces, strict=True) if positions.ndim == 3 else [(positions, forces)]:
            self._refuse("forces are", each, structure)
        return forces

    def energy_and_forces(self, positions: np.ndarray) -> tuple[float, np.ndarray]:
        """Evaluate one configuration of a model that provides energies.

        Parameters
        ----------
        positions : ndarray, shape (atom, xyz)
            In Å.

        Returns
        -------
        energy : float
            In eV.
        forces : ndarray, shape (atom, xyz)
            In eV/Å.

        Raises
        ------
        NonFiniteError, ModelError
            If a number is not finite; if the calculator raises.
        """
        energy, forces = super().energy_and_forces(positions)
        self._refuse("forces are", forces, positions)
        self._refuse("the energy is", energy, positions)
        return energy, forces

    def energy(self, positions: np.ndarray) -> float:
        """Evaluate the energy alone.

        Parameters
        ----------
        positions : ndarray, shape (atom, xyz)
            In Å.

        Returns
        -------
        float
            In eV.

        Raises
        ------
        NonFiniteError, ModelError
            If it is not finite; if the calculator raises.
        """
        energy = super().energy(positions)
        self._refuse("the energy is", energy, positions)
        return energy

    def stress(self, positions: np.ndarray) -> np.ndarray:
        """Evaluate the stress alone.

        Parameters
        ----------
        positions : ndarray, shape (atom, xyz)
            In Å.

        Returns
        -------
        ndarray, shape (3, 3)
            In eV/Å³, of ASE's sign: positive under tension.

        Raises
        ------
        NonFiniteError, ModelError
            If it is not finite; if the calculator raises.
        """
        stress = super().stress(positions)
        self._refuse("the stress is", stress, positions)
        return stress

    def _refuse(self, what: str, values: np.ndarray | float, positions: np.ndarray) -> None:
        each = "atoms" if what.startswith("forces") else "rows"
        try:
            refuse_non_finite(what, values, each)
        except NonFiniteError as error:
            refused = NonFiniteError(f"{self._name}: {error} (force call {self.calls}, {len(positions)} atoms)")
            refused.structure = self._structure(positions)
            raise refused from None
