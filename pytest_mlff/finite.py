"""The one rule for numbers that are not finite: they are refused where they come in, and never compared.

NaN is neither above nor below any limit, a sort puts it last, and infinity over infinity is NaN again: whoever goes on
with one of them may find anything. Analysis refuses it in its input, ``simulation.statics`` in what a calculator
answers; the engine ends the run in which it comes up (``simulation.engine``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pytest_mlff.errors import NonFiniteError


def refuse_non_finite(what: str, values: ArrayLike, each: str = "values") -> None:
    """Refuse numbers that are not finite.

    Parameters
    ----------
    what : str
        What they are, with its verb: ``"candidate forces are"``.
    values : array_like, shape (entry, ...) or ()
        Any unit.
    each : str, optional
        What the entries of the first axis are, in the plural.

    Raises
    ------
    NonFiniteError
        If one of them is NaN or infinite: says in how many entries, and in which one first.

    Examples
    --------
    >>> refuse_non_finite("forces are", [[0.0, 1.0], [0.0, float("nan")]], "atoms")
    Traceback (most recent call last):
    pytest_mlff.errors.NonFiniteError: forces are not finite in 1 of 2 atoms, first in atom 1
    """
    numbers = np.atleast_1d(np.asarray(values, dtype=float))
    if np.isfinite(numbers).all():
        return
    bad = ~np.isfinite(numbers.reshape(len(numbers), -1)).all(axis=1)
    if bad.size == 1 and numbers.size == 1:
        raise NonFiniteError(f"{what} not finite: {numbers.item()}")
    raise NonFiniteError(
        f"{what} not finite in {np.count_nonzero(bad)} of {bad.size} {each}, "
        f"first in {each.removesuffix('s')} {int(np.argmax(bad))}"
    )
