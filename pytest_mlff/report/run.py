"""One run: what was asked for, what was loaded, which rows there are, and the records as they come in."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pytest_mlff.checks.catalogue import UNSTABLE
from pytest_mlff.errors import ReferenceDataError, SpecError
from pytest_mlff.schema import Record
from pytest_mlff.settings import Settings, check_folder

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlff.checks.catalogue import Row
    from pytest_mlff.models.load import LoadedModel

_JUDGED = frozenset({"PASS", "FAIL", "INCONCLUSIVE", "ERROR"})


@dataclass(slots=True, kw_only=True)
class Run:
    """State of a run that has a model.

    Attributes
    ----------
    settings : Settings
        What was asked for.
    runs_suite : bool
        Whether the bundled suite is collected.
    started : float
        Unix time in s at which it began.
    models, rows, reference
        Models, catalogue and version of the reference data (None where it is missing), from :meth:`open` on.
    complaints : list of str
        What the summary has to say beside the table.
    """

    settings: Settings
    runs_suite: bool
    started: float = field(default_factory=time.time)
    models: tuple[LoadedModel, ...] = ()
    rows: tuple[Row, ...] = ()
    reference: str | None = None
    complaints: list[str] = field(default_factory=list)
    _records: dict[tuple[str, str, str], Record] = field(default_factory=dict)
    _rows_begun: set[str] = field(default_factory=set)

    def open(self) -> None:
        """Check all that can be checked before any physics, cheapest first; load and probe the models.

        Raises
        ------
        MlffError
            One line about what cannot be used.
        """
        from pytest_mlff.checks.catalogue import rows
        from pytest_mlff.verdict.overrides import tolerances

        settings = self.settings
        self.rows = rows(settings.protocol, settings.config)
        tolerances(settings.config.get("tolerances", {}))
        if settings.json is not None:
            _check_target(settings.json)
        check_folder(settings.cache_root, "--mlff-cache-dir")

        from pytest_mlff.models.load import load_model, unique_names

        self.models = unique_names([load_model(spec, device=settings.device) for spec in settings.models])
        self.reference = self._reference_version()

    def _reference_version(self) -> str | None:
        from pytest_mlff.reference.data import Reference

        try:
            return str(Reference().version)
        except ReferenceDataError:
            if self.runs_suite:
                raise
            return None  # a user's own tests may well do without

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
        if getattr(report, "mlff_row", None) is not None:
            self._rows_begun.add(report.nodeid)
        for fields in getattr(report, "mlff_records", ()):
            ends = fields["interval"]
            record = Record(**fields | {"interval": ends if ends is None else tuple(ends)})
            self._records[report.nodeid, record.model, record.check] = record

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
            return known, places.get(record.check, len(places))

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
        if any(row.id == record.check for row in self.rows):
            return None
        keys = (key for key, known in self._records.items() if known is record)
        return next((nodeid for nodeid, _, _ in keys), None)

    def exit_status(self, status: int) -> int:
        """Exit code of the run: a gate that judged nothing must not look open.

        Parameters
        ----------
        status : int
            What pytest would return.

        Returns
        -------
        int
            The same, or 1 where a model did not survive the stability run, none of the rows that ran applied
            to it, or every one of them was skipped from outside.
        """
        known = {row.id for row in self.rows}
        if self._rows_begun and not any(record.check in known for record in self._records.values()):
            self.complaints.append(
                f"nothing was judged: all {len(self._rows_begun)} rows were skipped before they began, by a "
                "conftest.py of this project or an option"
            )
            status = status or pytest.ExitCode.TESTS_FAILED
        for model in dict.fromkeys(record.model for record in self._records.values()):
            own = [record for record in self._records.values() if record.model == model]
            statuses = {record.status for record in own}
            if any(record.status == "NOT_APPLICABLE" and record.reason.startswith(UNSTABLE) for record in own):
                complaint = f"{model}: it does not survive the stability run, so most rows were not run"
            elif "NOT_APPLICABLE" in statuses and not statuses & _JUDGED:
                complaint = f"{model}: nothing was judged: no row that ran applies to this model"
            else:
                continue
            self.complaints.append(complaint)
            if status == pytest.ExitCode.OK:
                status = pytest.ExitCode.TESTS_FAILED
        return status


def _check_target(path: Path) -> None:
    try:
        target = path.resolve()  # what a link points at is written
    except (OSError, RuntimeError) as error:
        raise SpecError(f"--mlff-json={path}: {error}") from None
    check_folder(target.parent, "--mlff-json")
    if target.is_dir():
        raise SpecError(f"--mlff-json={path} is a folder; name a file")
    if target.exists() and not target.is_file():
        raise SpecError(f"--mlff-json={path} is no regular file, and would be replaced by one")
