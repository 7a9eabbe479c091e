"""What a calculator returned: real numbers of the right shape, or an error that says what it is instead.

Asked at every call and by the probe alike: ``np.asarray(..., dtype=float)`` would drop an imaginary part with a warning
that nobody sees, fill the gaps of a masked array and read numbers from strings.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pytest_mlff.errors import ModelError
from pytest_mlff.foreign import described, raise_interrupt

_REAL = "fiu"
_EXPECTED = {
    "forces": "{} real numbers in eV/Å",
    "energy": "one real number in eV",
    "stress": "{} real numbers in eV/Å³",
}
_HAS = {"forces": "forces have", "energy": "energy has", "stress": "stress has"}

Quantity = Literal["forces", "energy", "stress"]


def real_numbers(answer: Any, quantity: Quantity, shape: tuple[int, ...] = ()) -> NDArray[np.float64]:
    """Take what a calculator returned as float64.

    Parameters
    ----------
    answer : object
        An array, a torch tensor on any device, a number, or nested lists of them.
    quantity : {"forces", "energy", "stress"}
        What it is, for the message.
    shape : tuple of int
        What it must have; one number may come in any shape that holds one.

    Returns
    -------
    ndarray
        Of that shape, finite or not; it may be the calculator's own.

    Raises
    ------
    ModelError
        For another shape, complex numbers, truth values, texts, objects and masked values: says type and shape.
    """
    array = answer if type(answer) is np.ndarray else _array(answer, quantity, shape)
    if array.dtype.kind not in _REAL or not (array.shape == shape or (not shape and array.size == 1)):
        kind = type(answer).__name__ if array.dtype.kind == "O" else array.dtype
        raise _unusable(f"shape {array.shape} and type {kind}", quantity, shape)
    return np.asarray(array, dtype=np.float64).reshape(shape)


def _array(answer: Any, quantity: Quantity, shape: tuple[int, ...]) -> NDArray[Any]:
    try:
        if callable(getattr(answer, "detach", None)):  # a tensor that remembers its gradient, or lies on a GPU
            answer = answer.detach().cpu()
            answer = answer.double() if answer.is_floating_point() else answer  # NumPy has no bfloat16
        array = np.asarray(answer)
    except BaseException as error:
        raise_interrupt(error)
        kind = f"type {type(answer).__name__}, of which NumPy makes no array ({described(error)})"
        raise _unusable(kind, quantity, shape) from None
    if np.ma.is_masked(answer):
        raise _unusable(f"shape {array.shape} and masked values", quantity, shape)
    return array


def _unusable(what: str, quantity: Quantity, shape: tuple[int, ...]) -> ModelError:
    return ModelError(f"the model's {_HAS[quantity]} {what}; expected {_EXPECTED[quantity].format(shape)}")


def ask_forces(atoms: Any) -> NDArray[np.float64]:
    """Ask the calculator of some atoms for their forces.

    Parameters
    ----------
    atoms : ase.Atoms
        With a calculator.

    Returns
    -------
    ndarray, shape (atom, 3)
        In eV/Å; a copy.

    Raises
    ------
    ModelError
        As :func:`real_numbers`; what the calculator raises is not caught.
    """
    return real_numbers(atoms.get_forces(apply_constraint=False), "forces", (len(atoms), 3)).copy()


def ask_energy(atoms: Any) -> float:
    """Ask the calculator of some atoms for their energy.

    Parameters
    ----------
    atoms : ase.Atoms
        With a calculator.

    Returns
    -------
    float
        In eV.

    Raises
    ------
    ModelError
        As :func:`ask_forces`.
    """
    return float(real_numbers(atoms.get_potential_energy(), "energy"))


def ask_stress(atoms: Any) -> NDArray[np.float64]:
    """Ask the calculator of some atoms for the stress.

    Parameters
    ----------
    atoms : ase.Atoms
        With a calculator.

    Returns
    -------
    ndarray, shape (3, 3)
        In eV/Å³, of ASE's sign: positive under tension.

    Raises
    ------
    ModelError
        As :func:`ask_forces`.
    """
    from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress

    answer = atoms.calc.get_stress(atoms)  # Atoms.get_stress asserts the shape without a word
    if np.shape(answer) == (3, 3):
        answer = full_3x3_to_voigt_6_stress(real_numbers(answer, "stress", (3, 3)))
    full: NDArray[np.float64] = voigt_6_to_full_3x3_stress(real_numbers(answer, "stress", (6,)))
    return full
