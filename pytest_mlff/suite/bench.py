"""From a row to its record, and from a record to what pytest does about it.

A check runs once per model; its rows share the records. What a check itself did not turn into records becomes one
in :func:`record_of_error`, by the same map; an ordinary exception is a defect and keeps its traceback. :func:`settle`
is the one place where a status becomes an outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn
from unittest import SkipTest

import pytest

from pytest_mlff.errors import MlffError
from pytest_mlff.foreign import is_escape, raise_interrupt, traceback_text
from pytest_mlff.schema import Record
from pytest_mlff.suite.collection import row_of

if TYPE_CHECKING:
    import xarray as xr

    from pytest_mlff.apparatus.context import CheckContext
    from pytest_mlff.apparatus.declaration import Row

Timer = Callable[[Callable[[], None]], Sequence[float]]

_SKIPS = (pytest.skip.Exception, pytest.xfail.Exception, SkipTest)
"""What ends a test before it was begun."""

ITEM_RECORDS = pytest.StashKey[list[Record]]()
"""Records of one test item."""


def record_of_error(row: Row, model: str, error: BaseException) -> Record:
    """Turn an error into the record of a row.

    Parameters
    ----------
    row : Row
        The row that got no number.
    model : str
        Name of the model.
    error : BaseException
        What stopped it.

    Returns
    -------
    Record
        As :mod:`~pytest_mlff.apparatus.failure` maps it; without a limit, which the user may have changed.
    """
    from pytest_mlff.apparatus.failure import reason_of, status_of

    record = row.record(model, status_of(error), reason_of(error))
    return replace(record, traceback=traceback_text(error))


def settle(record: Record, *, inconclusive: str, tell: Callable[[Record], str]) -> None:
    """Give the running test the outcome that a record asks for.

    Parameters
    ----------
    record : Record
        PASS and INFO return.
    inconclusive : {"fail", "skip", "pass"}
        What INCONCLUSIVE does.
    tell : callable
        Gives the failure text of a record.
    """
    __tracebackhide__ = True
    status = record.status
    if status in ("PASS", "INFO") or (status == "INCONCLUSIVE" and inconclusive == "pass"):
        return
    if status == "NOT_APPLICABLE":
        pytest.skip(f"NOT_APPLICABLE: {record.reason}")
    if status == "INCONCLUSIVE" and inconclusive == "skip":
        pytest.skip(f"INCONCLUSIVE: {record.reason}")
    _fail(tell(record))


def _fail(text: str) -> NoReturn:
    __tracebackhide__ = True
    pytest.fail(text, pytrace=False)


def attach(item: pytest.Item, record: Record) -> None:
    """Put a record on a test, where the report and JUnit find it.

    Parameters
    ----------
    item : pytest.Item
        The running test.
    record : Record
        Its outcome, or one of several.
    """
    item.stash.setdefault(ITEM_RECORDS, []).append(record)
    item.user_properties.extend(properties(record))


def properties(record: Record) -> list[tuple[str, object]]:
    """Spell a record as JUnit properties.

    Parameters
    ----------
    record : Record
        Any.

    Returns
    -------
    list of (str, object)
        ``mlff_status``, ``mlff_candidate`` and so on: strings and numbers; what the record lacks is left out.
    """
    fields: dict[str, Any] = record.to_dict()
    low, high = fields.pop("interval") or (None, None)
    fields |= {"interval_low": low, "interval_high": high}
    del fields["replicas"]  # JSON has them
    return [(f"mlff_{name}", value) for name, value in fields.items() if value is not None and value != ""]


@dataclass(slots=True, kw_only=True)
class Bench:
    """Where checks are run and their records handed in; shared by all tests of a run.

    Attributes
    ----------
    rows : sequence of Row
        The catalogue of this run.
    model_names : sequence of str
        Names of the models.
    make_context : callable
        Model → context of its checks.
    inconclusive : {"fail", "skip", "pass"}
        What INCONCLUSIVE does.
    tell : callable
        Gives the failure text of a record.
    item : pytest.Item or None
        The test that runs now: session fixtures cannot know.
    """

    rows: Sequence[Row]
    model_names: Sequence[str]
    make_context: Callable[[Any], Any]
    inconclusive: str
    tell: Callable[..., str]
    item: pytest.Item | None = None
    _contexts: dict[str, Any] = field(default_factory=dict)
    _outcomes: dict[tuple[str, str], Mapping[str, Record]] = field(default_factory=dict)

    def context(self, model: Any) -> Any:
        """Context of a model's checks.

        Parameters
        ----------
        model : Model
            The model.

        Returns
        -------
        CheckContext
            The same one for every check.
        """
        if model.name not in self._contexts:
            self._contexts[model.name] = self.make_context(model)
        return self._contexts[model.name]

    def forecasts(self, items: Iterable[pytest.Item], models: Sequence[Any], *, always: bool) -> list[Any]:
        """Say what the collected rows will take.

        Parameters
        ----------
        items : iterable of pytest.Item
            What is collected.
        models : sequence of Model
            Those of the run.
        always : bool
            Also where it is not long.

        Returns
        -------
        list of Forecast
            By model; of one that cannot be timed, or takes little time, there is none.
        """
        from pytest_mlff.gate.forecast import forecast

        wanted: dict[int, list[Row]] = {}
        for model, row in filter(None, map(row_of, items)):
            wanted.setdefault(model, []).append(row)
        found = []
        for number, chosen in wanted.items():
            with suppress(MlffError):  # its rows will say so
                context = self.context(models[number])
                with context.meter.task(f"forecast of {models[number].name}"):
                    found.append(forecast(context, chosen, always=always))
        return [one for one in found if one is not None]

    def judge(self, model: Any, row: Row, *, timer: Timer | None = None) -> None:
        """Hand in the record of a row; the first row of a check runs the check.

        Parameters
        ----------
        model : Model
            The model.
        row : Row
            The row.
        timer : callable, optional
            For rows of the speed check, whose measurement is the caller's: takes what to time, gives the
            seconds of each call.
        """
        __tracebackhide__ = True
        self.hand_in(self._record(row, model) if timer is None else self._timed(row, model, timer))

    def hand_in(self, record: Record) -> None:
        """Put a record on the running test and give the test the outcome it asks for.

        Parameters
        ----------
        record : Record
            Of the bundled suite or of a user's own test.
        """
        __tracebackhide__ = True
        if self.item is None:
            raise RuntimeError("a record can only be handed in while a test runs")
        attach(self.item, record)
        tell = partial(self._story, self.item)
        settle(record, inconclusive=self.inconclusive, tell=tell)

    def _story(self, item: pytest.Item, record: Record) -> str:
        """Failure text of a record, with the traceback of an ERROR where the user asked for long ones."""
        text = self.tell(record, test=item.nodeid)
        wanted = record.traceback and item.config.getoption("tbstyle") == "long"
        return f"{text}\n\n{record.traceback}" if wanted else text

    def annotate(self, report: pytest.TestReport, item: pytest.Item, error: BaseException | None) -> None:
        """Put the records of a test on its report, as builtins: so they cross xdist.

        Parameters
        ----------
        report : pytest.TestReport
            Of one phase of the test.
        item : pytest.Item
            The test.
        error : BaseException or None
            What ended the phase; if it left no record and is no skip, the suite's row gets one of status ERROR.
        """
        if report.when == "teardown":
            return
        found = row_of(item)
        if found is not None:
            model, row = self.model_names[found[0]], found[1]
            vars(report)["mlff_cell"] = (model, row.id)
            # whatever a hook or a mark made of the report: what broke the test is an error of its row
            broken = error is not None and not isinstance(error, _SKIPS)
            if broken and error is not None and ITEM_RECORDS not in item.stash:
                attach(item, record_of_error(row, model, error))
                report.user_properties = list(item.user_properties)
        # an attribute, not a user property: JUnit would print the whole record as one property
        vars(report)["mlff_records"] = [record.to_dict() for record in item.stash.get(ITEM_RECORDS, [])]

    def _record(self, row: Row, model: Any) -> Record:
        key = (model.name, row.check)
        if key not in self._outcomes:
            try:
                self._outcomes[key] = self._run(row.check, model)
            except BaseException as error:
                raise_interrupt(error)
                # the other rows of the check must not run it again, for hours, into the same wall
                self._outcomes[key] = self._failed(row.check, model, error)
                if _is_defect(error):
                    raise
        found = self._outcomes[key]
        if row.id not in found:
            raise RuntimeError(f"check {row.check!r} gave no record for its row {row.id!r}; it gave {sorted(found)}")
        return found[row.id]

    def _timed(self, row: Row, model: Any, timer: Timer) -> Record:
        from pytest_mlff.checks import speed

        try:
            context = self.context(model)
            return speed.judge_time(context, row, timer(speed.benchmark_target(context, row)))
        except BaseException as error:
            raise_interrupt(error)
            if _is_defect(error):
                raise
            return record_of_error(row, model.name, error)

    def _run(self, check: str, model: Any) -> Mapping[str, Record]:
        from pytest_mlff.gate.catalogue import run_check

        return run_check(check, self.context(model))

    def _failed(self, check: str, model: Any, error: BaseException) -> Mapping[str, Record]:
        return {row.id: record_of_error(row, model.name, error) for row in self.rows if row.check == check}


def _is_defect(error: BaseException) -> bool:
    """Whether a traceback helps: not for what is raised on purpose, here or by pytest, nor for an exit."""
    return not isinstance(error, MlffError) and not is_escape(error)


def run_state(
    context: CheckContext, state: str, *, replicas: int | None = None, frames: int | None = None
) -> xr.Dataset:
    """Run the model at a state point.

    Parameters
    ----------
    context : CheckContext
        Of the model.
    state : str
        Name of a state point, such as ``"100K-256"``.
    replicas, frames : int, optional
        How many runs and how long; by default the protocol's replicas and first look, or those of ``ci``
        where the protocol has none, the user's changes included.

    Returns
    -------
    xr.Dataset
        The trajectory, from the cache as far as it is there.
    """
    from pytest_mlff.gate.catalogue import chosen_protocol

    lengths = context.protocol if context.protocol.looks else chosen_protocol("ci", context.config)
    return context.trajectory(state, replicas=replicas or lengths.replicas, frames=frames or lengths.looks[0])
