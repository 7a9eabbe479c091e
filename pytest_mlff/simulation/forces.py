"""Forces, energy and stress of a model on arrays of positions: the one place where a calculator is called.

Errors of the calculator become :class:`ModelError` with the original exception as cause; non-finite forces
are returned as they are, because whoever asked knows the step and time to name.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from pytest_mlff.errors import ModelError
from pytest_mlff.schema import Model
from pytest_mlff.simulation.systems import System, make_atoms

T = TypeVar("T")


class ModelForces:
    """Callable ``positions → forces`` for copies of one periodic cell.

    Parameters
    ----------
    model : Model
        Its calculator may offer ``batch_forces(positions, numbers, box)`` for arrays (replica, atom, xyz);
        then all copies go into one call.
    system : System
        The material.
    box : array_like, shape (3,) or (3, 3)
        Cell edges in Å, or cell vectors as rows; a tilted or turned cell is not given to ``batch_forces``.

    Attributes
    ----------
    calls : int
        Configurations evaluated so far.
    """

    def __init__(self, model: Model, system: System, box: Any) -> None:
        self.calls = 0
        self._calculator = model.calculator
        self._name = model.name
        self._system = system
        self._box = np.asarray(box, dtype=float)
        self._atoms: Any = None

    @property
    def batched(self) -> bool:
        """Whether the calculator takes all copies in one call."""
        return self._box.ndim == 1 and callable(getattr(self._calculator, "batch_forces", None))

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """Evaluate one configuration (atom, xyz) or several (replica, atom, xyz).

        Parameters
        ----------
        positions : ndarray
            In Å, wrapped or not.

        Returns
        -------
        ndarray
            Forces in eV/Å, float64, same shape.

        Raises
        ------
        ModelError
            If the calculator raises, or returns forces of another shape.
        """
        stack = positions[None] if positions.ndim == 2 else positions
        forces = self._ask(lambda: self._evaluate(stack), *stack.shape[:2])
        if forces.shape != stack.shape:
            raise ModelError(f"{self._name}: forces have shape {forces.shape}, expected {stack.shape}")
        return forces[0] if positions.ndim == 2 else forces

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
        ModelError
            If the calculator raises.
        """
        atoms = self._placed(positions)

        def evaluate() -> tuple[float, np.ndarray]:
            forces = np.array(atoms.get_forces(apply_constraint=False), dtype=float)
            return float(atoms.get_potential_energy()), forces

        return self._ask(evaluate, 1, len(positions))

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
        ModelError
            If the calculator raises.
        """
        atoms = self._placed(positions)
        return self._ask(lambda: float(atoms.get_potential_energy()), 1, len(positions))

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
        ModelError
            If the calculator raises.
        """
        atoms = self._placed(positions)
        return self._ask(lambda: np.array(atoms.get_stress(voigt=False), dtype=float), 1, len(positions))

    def _placed(self, positions: np.ndarray) -> Any:
        atoms = self._configured(len(positions))
        atoms.positions = positions
        return atoms

    def _ask(self, evaluate: Callable[[], T], n_configurations: int, n_atoms: int) -> T:
        self.calls += n_configurations
        try:
            with warnings.catch_warnings():
                # what a model warns of was shown when it was probed; here a user's filter would make it an error
                warnings.simplefilter("ignore")
                return evaluate()
        except Exception as error:
            raise ModelError(
                f"{self._name}: the calculator raised {type(error).__name__}: {error} "
                f"(force call {self.calls}, {n_atoms} atoms)"
            ) from error

    def _evaluate(self, stack: np.ndarray) -> np.ndarray:
        atoms = self._configured(stack.shape[1])
        if self.batched:
            return np.asarray(self._calculator.batch_forces(stack, atoms.numbers, self._box), dtype=float)
        forces = []
        for positions in stack:
            atoms.positions = positions
            forces.append(np.array(atoms.get_forces(apply_constraint=False), dtype=float))
        return np.stack(forces)

    def _configured(self, n_atoms: int) -> Any:
        if self._atoms is None or len(self._atoms) != n_atoms:
            self._atoms = make_atoms(self._system, np.zeros((n_atoms, 3)), self._box)
            self._atoms.calc = self._calculator
        return self._atoms
