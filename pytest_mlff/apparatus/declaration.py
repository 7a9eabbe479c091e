"""How a check's file declares itself and its rows: plain data, beside the function that measures them.

The file of a check has ``ROWS``, a tuple of :class:`Declared`, ``run(context, rows)``, ``work(context, rows)`` and,
where the defaults do not fit, ``CHECK``, a :class:`Check`. The catalogue finds it and imports it at collection, so that
it may import nothing heavy outside its functions; what it declares stands in no other file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from pytest_mlff.schema import Record, Status
from pytest_mlff.systems.protocols import Protocol
from pytest_mlff.verdict.tolerances import Hint, Tolerance

CI, FULL = frozenset({"ci"}), frozenset({"full"})
LONG = CI | FULL
EVERYWHERE = LONG | {"smoke"}
"""Protocols in which a row is reported."""

PAPER_SOURCE = "Mohanty et al., Comput. Phys. Commun. 288 (2023) 108723"
MEASURED = "measured with this package on the reference"
CHOICE = "choice of this project"
CALIBRATED = "spread and power in docs/calibration.md"
"""Where limits come from, in the words of the table."""

Samples = Literal["configurations", "cases", "trajectories", "machine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a user may set in the table of a check.

    Attributes
    ----------
    name : str
        The key.
    meaning : str
        One line for the documentation.
    read : callable
        Gives what is used of what TOML gave, or raises ``ValueError`` with what it expected.
    change : callable
        ``(protocol, value) → protocol``; raises ``ValueError`` with what it expected.
    """

    name: str
    meaning: str
    read: Callable[[Any], Any]
    change: Callable[[Protocol, Any], Protocol]


def one_look(protocol: Protocol) -> Iterable[Protocol]:
    """Take the protocol as it is: a check without looks."""
    return (protocol,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What the package needs to know of a check beside its rows.

    Attributes
    ----------
    order : int
        Place in the run: those that need no trajectory stand below 100, then the shortest, then the long ones.
    samples : str
        ``configurations`` that are given, the same with every seed; ``cases`` that a seed draws, each of which passes
        or not; ``trajectories``, whose spread from seed to seed is calibrated; or the time and memory of the
        ``machine``, which is not.
    worker : str
        Checks of one name share force calls, so that one xdist worker runs them; by default a check is alone.
    dry_run : bool
        Whether ``work`` counts calls by making those of the reference, which takes seconds.
    looks : callable
        ``protocol → protocols`` of which each takes one of the looks alone.
    settings : tuple of Setting
        What its table of the configuration may hold beside ``limits``.
    """

    order: int = 1000
    samples: Samples = "trajectories"
    worker: str = ""
    dry_run: bool = False
    looks: Callable[[Protocol], Iterable[Protocol]] = one_look
    settings: tuple[Setting, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared(Tolerance):
    """A row of the table, as its check declares it.

    Attributes
    ----------
    check : str
        Name of its check: that of the file, which the catalogue fills in.
    test : str
        ``module.function`` of the suite that carries it.
    hint : str or (str, str)
        What a failure usually means; a pair is (too high, too low).
    quantity : str
        What is measured, where rows of several sizes, phases or shells share it; by default the key.
    phase : str
        ``liquid`` or ``solid``, where rows differ by it.
    atoms : int
        Atoms that it is measured on, where the row fixes them; else 0.
    shell : float or None
        abs(q) in 1/Å of the row's shell.
    share : str
        What rows that come of the same force calls have in common; empty where a row has its own.
    law : bool
        Whether a potential passes it whatever its parameters are.
    panel : str
        Title of the panel in which the calibration draws its detections; empty where it is not drawn.
    per_state : bool
        Whether there is one for each liquid state point of the protocol.
    """

    check: str = ""
    test: str
    hint: Hint = ""
    quantity: str = ""
    phase: str = ""
    atoms: int = 0
    shell: float | None = None
    share: str = ""
    law: bool = False
    panel: str = ""
    per_state: bool = False

    def __post_init__(self) -> None:
        """Let the quantity be the key where nothing else is said."""
        object.__setattr__(self, "quantity", self.quantity or self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the result table: a declared row at one state point.

    Attributes
    ----------
    id : str
        Name in test ids and records: the key, and the state point where a run has several.
    declared : Declared
        What its check says of it.
    state : str
        State point, or empty.
    atoms : int
        Atoms of its state point, else those that the row declares.
    """

    id: str
    declared: Declared
    state: str = ""
    atoms: int = 0

    @property
    def key(self) -> str:
        """Key in the tolerance table."""
        return self.declared.key

    @property
    def check(self) -> str:
        """Name of its check."""
        return self.declared.check

    @property
    def test(self) -> str:
        """``module.function`` of the suite that carries it."""
        return self.declared.test

    def record(self, model: str, status: Status, reason: str, tolerance: Tolerance | None = None) -> Record:
        """Begin a record of the row, without numbers; by the row as declared where no other tolerance is given."""
        told = self.declared if tolerance is None else tolerance
        return Record(
            row=self.id,
            check=self.check,
            model=model,
            state=self.state,
            status=status,
            observable=told.observable,
            unit=told.unit,
            kind=told.kind,
            reason=reason,
        )
