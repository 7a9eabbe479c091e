"""Forces of a model on arrays of positions: the one place where a calculator is called.

Errors of the calculator become :class:`ModelError` with the original exception as cause; non-finite forces
are returned as they are, because whoever asked knows the step and time to name.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from pytest_mlff.errors import ModelError
from pytest_mlff.schema import Model
from pytest_mlff.simulation.systems import System, make_atoms


class ModelForces:
    """Callable ``positions → forces`` for copies of one periodic cell.

    Parameters
    ----------
    model : Model
        Its calculator may offer ``batch_forces(positions, numbers, box)`` for arrays (replica, atom, xyz);
        then all copies go into one call.
    system : System
        The material.
    box : array_like, shape (3,)
        Cell edges in Å.

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
        return callable(getattr(self._calculator, "batch_forces", None))

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
        self.calls += len(stack)
        try:
            with warnings.catch_warnings():
                # what a model warns of was shown when it was probed; here a user's filter would make it an error
                warnings.simplefilter("ignore")
                forces = self._evaluate(stack)
        except Exception as error:
            raise ModelError(
                f"{self._name}: the calculator raised {type(error).__name__}: {error} "
                f"(force call {self.calls}, {stack.shape[1]} atoms)"
            ) from error
        if forces.shape != stack.shape:
            raise ModelError(f"{self._name}: forces have shape {forces.shape}, expected {stack.shape}")
        return forces[0] if positions.ndim == 2 else forces

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
