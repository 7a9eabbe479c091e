"""One run: what was asked for, what was loaded, which rows there are, and the records as they come in."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import chdir, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mlff.errors import CacheError, ReferenceDataError, SpecError
from pytest_mlff.report.attendance import Attendance
from pytest_mlff.report.file import RecordsFile, check_target
from pytest_mlff.report.outcome import Cell, Evidence, decide_exit
from pytest_mlff.report.records import describe_models, run_document
from pytest_mlff.schema import Record
from pytest_mlff.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlff.apparatus.declaration import Row
    from pytest_mlff.gate.forecast import Forecast
    from pytest_mlff.models.load import LoadedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What pytest's own options leave out of a run.

    Attributes
    ----------
    deselects : bool
        Whether one of ``-k``, ``-m``, ``--deselect``, ``--lf`` and ``--sw`` is set: only then a row that is
        deselected was left out by the user.
    last_failed : bool
        Whether ``--lf`` is set, which keeps whole files from being collected.
    """

    deselects: bool = False
    last_failed: bool = False


@dataclass(slots=True, kw_only=True)
class Run:
    """State of a run that has a model.

    Attributes
    ----------
    settings : Settings
        What was asked for.
    runs_suite : bool
        Whether the bundled suite is collected.
    selection : Selection
        What pytest's own options leave out.
    decides : bool
        Whether this process decides the exit code and writes the file: no xdist worker, and something is to run.
    started : float
        Unix time in s at which it began.
    models, rows, reference, reference_kind
        Models, catalogue, version of the reference data and what was asked to make them (None where they are missing),
        from :meth:`open` on.
    attendance : Attendance
        What became of the suite's tests.
    cut_short : bool
        Whether ``-x`` or ``--maxfail`` ended the run.
    forecasts : list of Forecast
        What each model will take, once the tests are collected; none of a short run.
    notes : list of str
        What the header has to say beside the models, from :meth:`open` on.
    complaints : tuple of str
        Why the exit code is not what pytest's own output says, from :meth:`close` on.
    """

    settings: Settings
    runs_suite: bool
    selection: Selection = field(default_factory=Selection)
    decides: bool = True
    started: float = field(default_factory=time.time)
    models: tuple[LoadedModel, ...] = ()
    rows: tuple[Row, ...] = ()
    reference: str | None = None
    reference_kind: str | None = None
    attendance: Attendance = field(default_factory=Attendance)
    cut_short: bool = False
    forecasts: list[Forecast] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    complaints: tuple[str, ...] = ()
    _records: dict[tuple[str, str, str], Record] = field(default_factory=dict)
    _info_rows: frozenset[str] = frozenset()
    _file: RecordsFile | None = None
    _closed_with: int | None = None

    def open(self) -> None:
        """Check all that can be checked before any physics, cheapest first; load and probe the models.

        Raises
        ------
        MlffError
            One line about what cannot be used.
        """
        from pytest_mlff.gate.catalogue import rows
        from pytest_mlff.gate.limits import info_rows, limits

        settings = self.settings
        self.rows = rows(settings.protocol, settings.config)
        self._info_rows = info_rows(self.rows, limits(settings), settings.protocol)
        target = None if settings.json is None else check_target(settings.json)
        self.notes = _cache_notes(settings.cache_root)
        self._file = RecordsFile(target) if target is not None and self.decides else None
        with self._file.old_one_aside() if self._file else nullcontext():
            self._load()
            if self._file:
                self._file.write(self._document())

    def _load(self) -> None:
        from pytest_mlff.models.load import load_model, unique_names

        settings = self.settings
        with chdir(settings.folder or Path.cwd()):  # a conftest.py may have left it
            self.models = unique_names([load_model(spec, device=settings.device) for spec in settings.models])
        self._find_reference()

    def _find_reference(self) -> None:
        from pytest_mlff.reference.data import Reference

        try:
            found = Reference()
        except ReferenceDataError:
            if self.runs_suite:
                raise
            return  # a user's own tests may well do without
        self.reference, self.reference_kind = found.version, found.kind

    def spec_of(self, name: str) -> str:
        """Spec of a model.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        str
            The spec; the name itself for a model of a user's own record.
        """
        return next((model.spec for model in self.models if model.name == name), name)

    def take(self, report: pytest.TestReport) -> None:
        """Take in the records of a report, wherever the test ran.

        Parameters
        ----------
        report : pytest.TestReport
            Of one phase of a test.
        """
        self.attendance.take(report)
        came_in = getattr(report, "mlff_records", ())
        for fields in came_in:
            ends = fields["interval"]
            record = Record(**fields | {"interval": ends if ends is None else tuple(ends)})
            self._records[report.nodeid, record.model, record.row] = record
        if came_in and self._file:
            self._file.offer(self._document)

    def records(self) -> list[Record]:
        """Sort the records that came in.

        Returns
        -------
        list of Record
            Model by model, the catalogue's rows in its order, those of users' tests behind them.
        """
        models = [model.name for model in self.models]
        places = {row.id: place for place, row in enumerate(self.rows)}

        def place(record: Record) -> tuple[int, int]:
            known = models.index(record.model) if record.model in models else len(models)
            return known, places.get(record.row, len(places))

        return sorted(self._records.values(), key=place)

    def users_test(self, record: Record) -> str | None:
        """Node id of the user's test that handed a record in.

        Parameters
        ----------
        record : Record
            One of :meth:`records`.

        Returns
        -------
        str or None
            None for a row of the bundled suite.
        """
        if any(row.id == record.row for row in self.rows):
            return None
        keys = (key for key, known in self._records.items() if known is record)
        return next((nodeid for nodeid, _, _ in keys), None)

    def close(self, status: int) -> int:
        """Decide the exit code, and write the file of ``--mlff-json`` for the last time.

        Parameters
        ----------
        status : int
            What pytest would return. Asked again with what was decided, this does nothing; with another code, as
            when a hook changed it meanwhile, it decides anew.

        Returns
        -------
        int
            The exit code; :attr:`complaints` say why, where it is another one.
        """
        if status != self._closed_with:
            status, self.complaints = decide_exit(self._evidence(), status)
            self._closed_with = self._save(status)
        return self._closed_with

    def give_up(self, complaint: str) -> None:
        """Write what there is of a run that cannot go on to its end.

        Parameters
        ----------
        complaint : str
            Why.
        """
        self.complaints += (complaint,)
        if self._file is not None:
            with suppress(OSError):
                self._file.write(self._document())

    def _save(self, status: int) -> int:
        if self._file is None:
            return status
        try:
            self._file.write(self._document(exit_status=status))
        except OSError as error:
            self.complaints += (f"cannot write {self.settings.json}: {error.strerror or error}",)
            return status or int(pytest.ExitCode.TESTS_FAILED)
        return status

    def _evidence(self) -> Evidence:
        attendance = self.attendance
        whole = self.runs_suite and not self.selection.last_failed
        cells = self._catalogue() if whole else tuple(attendance.collected)
        left_out = attendance.deselected if self.selection.deselects else frozenset()
        planned = [cell for cell in cells if cell not in left_out]
        return Evidence(
            planned=planned,
            begun=frozenset(attendance.begun),
            reasons={cell: attendance.reason(cell) for cell in (*planned, *attendance.begun)},
            info_rows=self._info_rows,
            records=self.records(),
            inconclusive=self.settings.inconclusive,
            cut_short=self.cut_short,
        )

    def _catalogue(self) -> tuple[Cell, ...]:
        return tuple(Cell(model.name, row.id) for model in self.models for row in self.rows)

    def _document(self, *, exit_status: int | None = None) -> dict[str, Any]:
        settings = self.settings
        facts = {
            "protocol": settings.protocol,
            "device": settings.device,
            "seed": settings.seed,
            "budget_s": settings.budget_s,
            "inconclusive": settings.inconclusive,
            "config": {"check": _builtin(settings.config)} if settings.config else {},
            "system": settings.system,
            "reference": self.reference,
            "reference_kind": self.reference_kind,
            "started": datetime.fromtimestamp(self.started, UTC).isoformat(timespec="seconds"),
            "forecast": [forecast.to_dict() for forecast in self.forecasts],
            "wall_s": max(0.0, time.time() - self.started),
            "exit_status": exit_status,
        }
        return run_document(
            [record.to_dict() for record in self.records()],
            models=describe_models(self.models, device=settings.device),
            run=facts,
            complete=exit_status is not None,
        )


def _builtin(content: Mapping[str, Any]) -> dict[str, Any]:
    """Give nested settings as plain builtins."""
    found: dict[str, Any] = {}
    for key, value in content.items():
        nested = _builtin(value) if isinstance(value, Mapping) else value
        found[key] = list(nested) if isinstance(nested, tuple) else nested
    return found


def _cache_notes(root: Path) -> list[str]:
    """Open the cache, so that hours of work do not depend on one that cannot be used; say what is odd about it."""
    from pytest_mlff.simulation.locks import open_folder

    try:
        cache = open_folder(root)
    except CacheError as error:
        raise SpecError(f"--mlff-cache-dir: {error}") from None
    notes = []
    if not cache.locks:
        notes.append(f"the file system of {root} knows no locks: runs at the same time may compute a thing twice")
    if not cache.writable:
        notes.append(f"{root} cannot be written to: what is in it serves, nothing else can be computed")
    return notes
