"""Which rows of the suite were collected, kept, begun and skipped: the roll call of a run, over all its processes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_mlff.report.outcome import Cell

if TYPE_CHECKING:
    import pytest

OUTSIDE = "by a conftest.py of this project (it acts on the suite too), a plugin or an option"


@dataclass(slots=True, kw_only=True)
class Attendance:
    """What became of the suite's tests before they could leave a record.

    Attributes
    ----------
    collected : dict of Cell to None
        All that pytest found, in its order, before anything was taken out.
    kept : set of Cell
        What was left to run.
    deselected : set of Cell
        What pytest was told is left out.
    begun : set of Cell
        Whose test was set up.
    skipped : dict of Cell to str
        What a test said that was skipped.
    counted : bool
        Whether a collection came to its end, here or on a worker.
    """

    collected: dict[Cell, None] = field(default_factory=dict)
    kept: set[Cell] = field(default_factory=set)
    deselected: set[Cell] = field(default_factory=set)
    begun: set[Cell] = field(default_factory=set)
    skipped: dict[Cell, str] = field(default_factory=dict)
    counted: bool = False

    def take(self, report: pytest.TestReport) -> None:
        """Take in a report, wherever the test ran.

        Parameters
        ----------
        report : pytest.TestReport
            Of one phase of a test; ``mlff_cell`` says which row of which model it judges.
        """
        found = getattr(report, "mlff_cell", None)
        if found is None:
            return
        cell = Cell(*found)
        if report.when == "call" or report.passed:
            self.begun.add(cell)
        if report.skipped:
            self.skipped[cell] = _skip_text(report)

    def keep(self, cells: Iterable[Cell]) -> None:
        """Note what is left to run after the collection.

        Parameters
        ----------
        cells : iterable of Cell
            Those of the suite.
        """
        self.kept |= set(cells)
        self.counted = True

    def to_builtin(self) -> dict[str, list[list[str]]]:
        """Give what only the collecting process knows, for the xdist controller.

        Returns
        -------
        dict of str to list
            Plain builtins.
        """
        sets = {"collected": self.collected, "kept": self.kept, "deselected": self.deselected}
        return {name: [list(cell) for cell in cells] for name, cells in sets.items()}

    def merge(self, worker: Mapping[str, Iterable[Iterable[Any]]]) -> None:
        """Take in what a worker knows.

        Parameters
        ----------
        worker : mapping
            From its :meth:`to_builtin`.
        """
        self.collected |= dict.fromkeys(Cell(*cell) for cell in worker["collected"])
        self.kept |= {Cell(*cell) for cell in worker["kept"]}
        self.deselected |= {Cell(*cell) for cell in worker["deselected"]}
        self.counted = True

    def reason(self, cell: Cell) -> str:
        """Say why a row may have no record.

        Parameters
        ----------
        cell : Cell
            A planned row.

        Returns
        -------
        str
            What is known of it.
        """
        if cell in self.skipped:
            return f"skipped {OUTSIDE}: {self.skipped[cell]}"
        if cell in self.begun:
            return "it was begun and did not come back: its process died, or a conftest.py or plugin replaced its test"
        if cell in self.deselected:
            return f"deselected, but by no -k, -m, --deselect, --lf or --sw: {OUTSIDE}"
        if cell in self.kept or not self.counted:
            return "the run ended before they began"
        if cell in self.collected:
            return f"removed after they were collected, {OUTSIDE}"
        return f"not collected: left out {OUTSIDE} such as --ignore"


def _skip_text(report: pytest.TestReport) -> str:
    """Give the reason of a skip, or of an xfail that ran nothing."""
    text = getattr(report, "wasxfail", "")
    if not text and isinstance(report.longrepr, tuple | list):
        text = str(report.longrepr[-1]).removeprefix("Skipped: ")
    return " ".join(text.split()) or "no reason given"
