"""How a check's file declares its rows: plain data, beside the function that measures them.

The file of a check has ``ROWS``, a tuple of :class:`Declared`, and ``run(context, rows)``. The catalogue imports it at
collection, so that it may import nothing heavy outside its functions; what it declares stands in no other file.
"""

from __future__ import annotations

from dataclasses import dataclass

from pytest_mlff.verdict.tolerances import Hint, Tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared(Tolerance):
    """A row of the table, as its check declares it.

    Attributes
    ----------
    test : str
        ``module.function`` of the suite that carries it.
    hint : str or (str, str)
        What a failure usually means; a pair is (too high, too low).
    per_state : bool
        Whether there is one for each liquid state point of the protocol.
    """

    test: str
    hint: Hint
    per_state: bool = False
