"""Forces, energy and stress of a model on arrays of positions: the one place where a calculator is called.

Whatever the calculator raises becomes a :class:`ModelError` with the original exception as cause, the place in the
user's code, and the structure; only Ctrl-C goes on. Non-finite forces are returned as they are, because whoever asked
knows the step and time to name.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from pytest_mlff.errors import BudgetExhausted, ModelError
from pytest_mlff.foreign import described, place, raise_interrupt
from pytest_mlff.schema import Model
from pytest_mlff.simulation.answers import ask_energy, ask_forces, ask_stress, real_numbers
from pytest_mlff.simulation.meter import Meter
from pytest_mlff.simulation.surroundings import surroundings_of
from pytest_mlff.systems.atoms import make_atoms
from pytest_mlff.systems.structure import Structure, shortest_distance
from pytest_mlff.systems.system import System

T = TypeVar("T")

_QUESTIONS: Mapping[str, Callable[[Any], Any]] = {"forces": ask_forces, "energy": ask_energy, "stress": ask_stress}
"""In the order in which most calculators get them from one evaluation."""


class ModelForces:
    """Callable ``positions → forces`` for copies of the same atoms in one periodic cell.

    Parameters
    ----------
    model : Model
        Its calculator may offer ``batch_forces(positions, numbers, cell)`` for arrays (replica, atom, xyz);
        then all copies go into one call.
    system : System
        The material.
    numbers : array_like of int, shape (atom,)
        Atomic numbers.
    cell : array_like, shape (3, 3)
        Cell vectors as rows, in Å.
    meter : Meter, optional
        What every call passes; by default one without a limit that reports to nobody.

    Attributes
    ----------
    calls : int
        Configurations evaluated so far.
    """

    def __init__(
        self, model: Model, system: System, numbers: ArrayLike, cell: ArrayLike, meter: Meter | None = None
    ) -> None:
        self.calls = 0
        self._meter = meter or Meter()
        self._calculator = model.calculator
        self._name = model.name
        self._surroundings = surroundings_of(model)
        self._system = system
        self._numbers, self._cell = np.asarray(numbers, dtype=int), np.asarray(cell, dtype=float)
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
            If the calculator raises, or returns what are no forces.
        BudgetExhausted
            If the wall time is spent before a call: after each configuration, unless they go into one call.
        """
        stack = positions[None] if positions.ndim == 2 else positions
        if self.batched:
            forces = self._ask(partial(self._batch, stack), stack)
        else:
            forces = np.stack([self._ask(partial(self._single, one), one[None]) for one in stack])
        return forces[0] if positions.ndim == 2 else forces

    def results(self, positions: np.ndarray, wanted: Collection[str]) -> dict[str, Any]:
        """Evaluate one configuration once, for several quantities.

        Parameters
        ----------
        positions : ndarray, shape (atom, xyz)
            In Å.
        wanted : collection of str
            Of ``energy``, ``forces`` and ``stress``, which the model must provide.

        Returns
        -------
        dict
            ``energy`` in eV, ``forces`` (atom, xyz) in eV/Å, ``stress`` (3, 3) in eV/Å³: those that are wanted. Forces
            as a call of this object gives them; where that is the batched way, the others take a second call.

        Raises
        ------
        ModelError
            If the calculator raises, or returns what is no answer.
        """
        found: dict[str, Any] = {}
        if self.batched and "forces" in wanted:
            found["forces"] = self(positions)
        atoms = self._placed(positions)
        left = [name for name in _QUESTIONS if name in wanted and name not in found]
        if left:
            found |= self._ask(lambda: {name: _QUESTIONS[name](atoms) for name in left}, positions[None])
        return found

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
            If the calculator raises, or returns what is no answer.
        """
        atoms = self._placed(positions)

        def evaluate() -> tuple[float, np.ndarray]:
            forces = ask_forces(atoms)
            return ask_energy(atoms), forces

        return self._ask(evaluate, positions[None])

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
            If the calculator raises, or returns what is no answer.
        """
        atoms = self._placed(positions)
        return self._ask(lambda: ask_energy(atoms), positions[None])

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
            If the calculator raises, or returns what is no answer.
        """
        atoms = self._placed(positions)
        return self._ask(lambda: ask_stress(atoms), positions[None])

    def _placed(self, positions: np.ndarray) -> Any:
        if self._atoms is None:
            self._atoms = make_atoms(self._system, self._structure(positions))
            self._atoms.calc = self._calculator
        self._atoms.positions = positions
        return self._atoms

    def _structure(self, positions: np.ndarray) -> Structure:
        return Structure(numbers=self._numbers, positions=positions, cell=self._cell)

    def _ask(self, evaluate: Callable[[], T], stack: np.ndarray) -> T:
        self.calls += len(stack)
        what = f"{self._name}, force call {self.calls}, {stack.shape[1]} atoms"
        try:
            with self._surroundings.around(), warnings.catch_warnings():
                # what a model warns of was shown when it was probed; here a user's filter would make it an error
                warnings.simplefilter("ignore")
                return self._meter.call(evaluate, len(stack), what, stack.shape[1])
        except BudgetExhausted:
            self.calls -= len(stack)
            raise
        except BaseException as error:
            raise self._told(error, stack) from (error.__cause__ if isinstance(error, ModelError) else error)

    def _told(self, error: BaseException, stack: np.ndarray) -> ModelError:
        """Say what went wrong, where in the user's code, and on which structure."""
        told = error if isinstance(error, ModelError) else raised("the calculator", error, self._calculator)
        images = [make_atoms(self._system, self._structure(positions)) for positions in stack]
        distance = min(shortest_distance(self._structure(positions)) for positions in stack)
        near = f", shortest distance {distance:.2f} Å" if np.isfinite(distance) else ""
        found = ModelError(f"{self._name}: {told} (force call {self.calls}, {stack.shape[1]} atoms{near})")
        found.images = images
        return found

    def _batch(self, stack: np.ndarray) -> np.ndarray:
        answer = self._calculator.batch_forces(stack, self._numbers, self._cell)
        return real_numbers(answer, "forces", stack.shape)

    def _single(self, positions: np.ndarray) -> np.ndarray:
        return ask_forces(self._placed(positions))


def raised(what: str, error: BaseException, calculator: Any) -> ModelError:
    """Make the error of code that is not ours.

    Parameters
    ----------
    what : str
        What was called.
    error : BaseException
        What it raised.
    calculator : object
        Whose code it is.

    Returns
    -------
    ModelError
        Names type, text, file, line and function.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C goes on.
    """
    raise_interrupt(error)
    where = place(error, calculator)
    return ModelError(f"{what} raised {described(error)}{f' at {where}' if where else ''}")


@contextmanager
def calling(what: str, model: Model) -> Iterator[None]:
    """Turn whatever an offer of a calculator raises, beside its forces, into an error of the model.

    Parameters
    ----------
    what : str
        What is called.
    model : Model
        Whose calculator it is.

    Yields
    ------
    None

    Raises
    ------
    ModelError
        Instead of whatever is raised, but for Ctrl-C.
    """
    try:
        yield
    except BaseException as error:
        raise ModelError(f"{model.name}: {raised(what, error, model.calculator)}") from error
