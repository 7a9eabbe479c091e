"""Cases that laws are tried on: drawn and shrunk by Hypothesis, decided by a seed.

Here without pytest, with an own seed, no database and no deadline, so that the same seed gives the same cases
whatever the user's profile says. A case is a tuple of small integers, put together from booleans: for integers
Hypothesis also tries constants of the user's modules, which would make the cases depend on them.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TypeVar

from hypothesis import HealthCheck, Phase, Verbosity, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from pytest_mlff.apparatus.workbench import LIQUID, Piece
from pytest_mlff.errors import BudgetExhausted

SHRINK_CALLS = 200
"""Cases that a search for a smaller failing one may look at."""
_ROUNDS = 4
"""Draws of as many cases as are wanted, until there are so many different ones."""
_SIZES = (2, 4, 13, 32, 108, 256, 256, 256)

Case = TypeVar("Case")


@st.composite
def whole(draw: st.DrawFn, bits: int) -> int:
    """Draw a whole number, the most significant bit first, so that it shrinks towards 0.

    Parameters
    ----------
    draw : callable
        Hypothesis' own.
    bits : int
        It lies below 2 to this power.

    Returns
    -------
    int
        The number.
    """
    return sum(draw(st.booleans()) << bit for bit in reversed(range(bits)))


def pieces(source: str = LIQUID, *, largest: int = 256) -> st.SearchStrategy[Piece]:
    """Draw pieces of 2 to ``largest`` atoms; they shrink towards 2.

    Parameters
    ----------
    source : str
        Set of configurations.
    largest : int
        Most atoms.

    Returns
    -------
    SearchStrategy
        Of pieces.
    """
    return st.builds(
        lambda size, configuration, centre: Piece(source, configuration, min(_SIZES[size], largest), 8 * centre),
        whole(3),
        whole(3),
        whole(5),
    )


def draw(strategy: st.SearchStrategy[Case], count: int, seed: str) -> list[Case]:
    """Draw cases.

    Parameters
    ----------
    strategy : SearchStrategy
        Of the cases.
    count : int
        How many, all different; fewer where there are no more.
    seed : str
        Decides them.

    Returns
    -------
    list
        The cases, the simplest one first.
    """
    drawn: dict[Case, None] = {}

    def never(case: Case) -> bool:
        if len(drawn) < count:
            drawn[case] = None
        return False

    for again in range(_ROUNDS):  # Hypothesis knows equal choices, not that two of them make one case
        if len(drawn) < count:
            _find(strategy, never, count, f"{seed} {again}" if again else seed)
    return list(drawn)


def shrink(strategy: st.SearchStrategy[Case], fails: Callable[[Case], bool], count: int, seed: str) -> Case | None:
    """Find the simplest failing case.

    Parameters
    ----------
    strategy : SearchStrategy
        Of the cases.
    fails : callable
        Whether a case fails; asked once for each, and for at most ``SHRINK_CALLS`` of them.
    count, seed : int, str
        As for :func:`draw`: the search begins with the cases that it drew first.

    Returns
    -------
    case or None
        None where none of them fails, or the budget is spent before one is found.
    """
    known: dict[Case, bool] = {}
    spent = False

    def condition(case: Case) -> bool:
        nonlocal spent
        if case not in known and len(known) < SHRINK_CALLS and not spent:
            try:
                known[case] = fails(case)
            except BudgetExhausted:  # the verdict is known; Hypothesis would look for the simplest way to end here
                spent = True
        return known.get(case, False)

    return _find(strategy, condition, count, seed)


def _find(strategy: st.SearchStrategy[Case], condition: Callable[[Case], bool], count: int, seed: str) -> Case | None:
    chosen = settings(
        max_examples=count,
        phases=(Phase.generate, Phase.shrink),
        database=None,
        deadline=None,
        derandomize=False,
        verbosity=Verbosity.quiet,
        print_blob=False,
        backend="hypothesis",
        suppress_health_check=list(HealthCheck),
    )
    try:
        return find(strategy, condition, settings=chosen, random=Random(seed))
    except NoSuchExample:
        return None
