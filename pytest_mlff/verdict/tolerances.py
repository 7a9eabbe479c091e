"""The type of a tolerance: what a row is judged by, how far it may be off, and why.

The table itself is :data:`pytest_mlff.gate.catalogue.TABLE`, out of what each check declares. A row may carry a verdict
in a protocol only if a perfect model's spread there is at most :data:`NARROW` of the limit (``docs/statistics.md``); in
the protocols of ``info_in`` it does not, and the row is INFO there. What a limit comes to, the spread of a perfect
model in units of it and the smallest error of ε or σ that the row finds, is measured and tabulated in
``docs/calibration.md``; a reason is physics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind = Literal["relative", "absolute", "upper", "lower", "sign", "info"]
Hint: TypeAlias = str | tuple[str, str]
"""What a failure usually means: hedged, short, and about the model; a pair is (too high, too low)."""

NARROW = 1 / 6
"""Largest spread of a perfect model in a row that carries a verdict, as a fraction of the row's limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """One row of the table.

    Attributes
    ----------
    key : str
        Name of the row: the parameter in the test id, the key in the user's ``limits``.
    observable : str
        The quantity in words.
    kind : str
        With candidate c, reference r and limit t: ``relative`` (abs(c − r)/r ≤ t), ``absolute``
        (abs(c − r) ≤ t), ``upper`` (c ≤ t), ``lower`` (c ≥ t), ``sign`` (c has the sign of t) or ``info``.
    limit : float or None
        A fraction for ``relative``, in ``unit`` otherwise; None for a row that is never judged.
    unit : str
        Unit of the candidate's value; empty for a pure number.
    reason, source : str
        Why this limit, and where it comes from.
    needs : frozenset of str
        What the model must provide, of ``{"energy", "forces", "stress"}``.
    protocols : frozenset of str
        Where the row is reported at all.
    info_in : frozenset of str
        Those of ``protocols`` in which it is shown without a verdict.
    judged_from : int
        Atoms of the smallest system in which the row carries a verdict; in smaller ones it is INFO.
    squared : bool
        The estimate handed to ``decide`` is the square of the quantity (a distance estimated without bias as
        d², which may be negative); ``limit`` is that of the distance itself.
    judged_if_limited : bool
        A row of kind ``info`` that becomes an upper bound where the user sets a limit.
    """

    key: str
    observable: str
    kind: Kind
    limit: float | None = None
    unit: str = ""
    reason: str
    source: str
    needs: frozenset[str] = frozenset({"forces"})
    protocols: frozenset[str] = frozenset({"ci", "full"})
    info_in: frozenset[str] = frozenset()
    judged_from: int = 0
    squared: bool = False
    judged_if_limited: bool = False

    @property
    def verdict_in(self) -> frozenset[str]:
        """The protocols in which the row carries a verdict."""
        return frozenset() if self.kind == "info" else self.protocols - self.info_in

    @property
    def adjustable(self) -> bool:
        """Whether a configuration may set the limit."""
        if self.kind == "info":
            return self.judged_if_limited
        return self.kind != "sign" and self.limit != 0.0
