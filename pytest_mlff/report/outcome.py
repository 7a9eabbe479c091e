"""The exit code of a run, from what was planned, what ran, and the records. Pure: no hook, no file, no clock.

pytest counts failed tests; what may be merged is decided by the records. An ``xfail``, a skip, a hook that rewrites
reports or drops items turns the one green and leaves the other as it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from pytest_mlff.schema import Record
from pytest_mlff.settings import Inconclusive

NAMED = 5
"""Rows that a line names; of the others it says how many they are."""

_GREEN = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
_ENDED_EARLY = (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR)
_JUDGED = frozenset({"PASS", "FAIL", "INCONCLUSIVE", "ERROR"})


class Cell(NamedTuple):
    """A row of a model: what one test of the bundled suite judges."""

    model: str
    row: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of a run when it ends.

    Attributes
    ----------
    planned : sequence of Cell
        What the run was asked for, without what the user left out by ``-k``, ``-m``, ids and the like.
    begun : collection of Cell
        Whose test was set up.
    reasons : mapping of Cell to str
        Why a test gave no record, where that is known.
    info_rows : collection of str
        Ids of rows that carry no verdict in this run.
    records : sequence of Record
        What came in, of users' tests as well.
    inconclusive : {"fail", "skip", "pass"}
        What INCONCLUSIVE does.
    cut_short : bool
        Whether ``-x`` or ``--maxfail`` ended the run, as the user wished.
    """

    planned: Sequence[Cell]
    begun: Collection[Cell] = ()
    reasons: Mapping[Cell, str]
    info_rows: Collection[str] = ()
    records: Sequence[Record] = ()
    inconclusive: Inconclusive = "fail"
    cut_short: bool = False


def decide_exit(evidence: Evidence, status: int) -> tuple[int, tuple[str, ...]]:
    """Decide the exit code of a run.

    Parameters
    ----------
    evidence : Evidence
        What is known of it.
    status : int
        What pytest would return.

    Returns
    -------
    status : int
        The same; 1 instead of 0 and 5 where the records or their absence demand it.
    complaints : tuple of str
        One line for each reason that pytest's own output does not show.
    """
    complaints = [*_hidden(evidence, status), *_missing(evidence, status), *_unfit_models(evidence.records)]
    if complaints and status in _GREEN:
        status = pytest.ExitCode.TESTS_FAILED
    return int(status), tuple(complaints)


def _hidden(evidence: Evidence, status: int) -> Iterator[str]:
    """Name records that fail the run although pytest is green."""
    bad = {"FAIL", "ERROR"} | ({"INCONCLUSIVE"} if evidence.inconclusive == "fail" else set())
    found = [record for record in evidence.records if record.status in bad]
    if found and status in _GREEN:
        counts = ", ".join(f"{n} {name}" for name, n in Counter(record.status for record in found).items())
        names = _names(evidence, [Cell(record.model, record.row) for record in found])
        yield (
            f"pytest's exit code hides {counts} ({names}): an xfail mark, or a conftest.py or plugin that changes "
            "reports or the exit code"
        )


def _missing(evidence: Evidence, status: int) -> Iterator[str]:
    """Name rows that have no record: begun, or planned and never run."""
    have = {Cell(record.model, record.row) for record in evidence.records}
    nothing = have.isdisjoint(evidence.planned)
    groups: dict[str, list[Cell]] = {}
    for cell in dict.fromkeys([*evidence.planned, *evidence.begun]):
        excused = cell not in evidence.begun and (
            evidence.cut_short or (cell.row in evidence.info_rows and not nothing)
        )
        if cell not in have and not excused and status not in _ENDED_EARLY:
            groups.setdefault(evidence.reasons.get(cell, "the reason is not known"), []).append(cell)
    for reason, cells in groups.items():
        which = f"{'nothing was judged: ' if nothing else ''}{len(cells)} of {len(evidence.planned)} planned rows"
        yield f"{which} left no record ({_names(evidence, cells)}): {reason}"


def _unfit_models(records: Sequence[Record]) -> Iterator[str]:
    """Name models that did not survive, or to which nothing applies."""
    for model in dict.fromkeys(record.model for record in records):
        own = [record for record in records if record.model == model]
        statuses = {record.status for record in own}
        blocking = dict.fromkeys(record.blocked_by for record in own if record.blocked_by)
        if blocking:
            yield f"{model}: it does not survive the {' and the '.join(blocking)} run, so most rows were not run"
        elif "NOT_APPLICABLE" in statuses and not statuses & _JUDGED:
            yield f"{model}: nothing was judged: no row that ran applies to this model"


def _names(evidence: Evidence, cells: Iterable[Cell]) -> str:
    several = len({cell.model for cell in evidence.planned}) > 1
    names = [f"{cell.row} of {cell.model}" if several else cell.row for cell in cells]
    more = [f"and {len(names) - NAMED} more"] if len(names) > NAMED else []
    return ", ".join(names[:NAMED] + more)
