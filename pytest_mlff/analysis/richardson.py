"""First derivatives from central differences at shrinking steps, extrapolated, with their own error."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pytest_mlff.errors import ObservableError
from pytest_mlff.finite import refuse_non_finite
from pytest_mlff.schema import Estimate

LEVELS = 3
"""Steps h, h/2 and h/4: six evaluations."""


def derivative(function: Callable[[float], float], *, step: float) -> Estimate:
    """Differentiate a function at zero.

    Parameters
    ----------
    function : callable
        Takes the distance from the point in question.
    step : float
        Largest step h, in the unit of the argument.

    Returns
    -------
    Estimate
        Derivative, and as its standard error the most that the last extrapolation changed. Noise and kinks,
        which no extrapolation removes, show there as well as the curve's own higher orders.

    Raises
    ------
    ObservableError
        If the step is not positive, or as a ``NonFiniteError`` if a value is not finite.

    Notes
    -----
    Central differences D(h) have an error in even powers of h; R₁ = (4 D(h/2) − D(h))/3 lacks h² and
    R₂ = (16 R₁(h/2) − R₁(h))/15 lacks h⁴ (L. F. Richardson, Phil. Trans. R. Soc. A 210 (1911) 307). The error
    given is the larger of abs(R₂ − R₁(h)) and abs(R₂ − R₁(h/2)), as C. J. F. Ridders has it, Adv. Eng. Softw. 4
    (1982) 75: an upper bound for a smooth function, of the size of the noise for a noisy one.
    """
    if not step > 0.0:
        raise ObservableError(f"step = {step}; a difference needs a positive one")
    steps = step / 2.0 ** np.arange(LEVELS)
    values = np.array([[function(float(h)), function(float(-h))] for h in steps])
    refuse_non_finite(f"values at {', '.join(f'±{h:.2g}' for h in steps)} are", values, "steps")
    table = (values[:, 0] - values[:, 1]) / (2.0 * steps)
    last = table
    for order in range(1, LEVELS):
        factor = 4.0**order
        last, table = table, (factor * table[1:] - table[:-1]) / (factor - 1.0)
    return Estimate(float(table[0]), float(np.abs(table[0] - last).max()))
