"""What a run prints: header, failure texts, the table, and the last lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING

from pytest_mlff.foreign import one_line
from pytest_mlff.report.progress import format_time
from pytest_mlff.report.records import describe_models
from pytest_mlff.report.run import Run
from pytest_mlff.report.terminal import (
    Span,
    count_line,
    fit_encoding,
    in_printed_units,
    remarks,
    rerun,
    table,
)
from pytest_mlff.schema import Record
from pytest_mlff.verdict.explain import explain

if TYPE_CHECKING:
    import pytest

    from pytest_mlff.gate.forecast import Forecast


def failure_text(run: Run, record: Record, *, test: str | None = None) -> str:
    """Tell the story of a record, in printed units, with the command that repeats it.

    Parameters
    ----------
    run : Run
        This run.
    record : Record
        Its record.
    test : str, optional
        Node id of the test that handed it in.

    Returns
    -------
    str
        Several lines.
    """
    spec, settings = run.spec_of(record.model), run.settings
    of_suite = next((row for row in run.rows if row.id == record.row), None)
    command = rerun(record.row, settings, spec, test=None if of_suite else test)
    hint = of_suite.declared.hint if of_suite else ""
    return explain(in_printed_units(record), rerun=command, hint=hint)


def header(run: Run) -> list[str]:
    """Say what is tested, for pytest's header.

    Parameters
    ----------
    run : Run
        With its models loaded.

    Returns
    -------
    list of str
        One line for each model, one for each oddity that loading found, one for each of the cache.
    """
    settings = run.settings
    common = (
        f"protocol {settings.protocol}, seed {settings.seed}, reference {run.reference or 'none'}, "
        f"cache {settings.cache_root}"
    )
    lines = []
    for model, described in zip(run.models, describe_models(run.models, device=settings.device), strict=True):
        lines.append(
            f"mlff: {model.name} [{model.fingerprint[:12]}] {one_line(model.spec, 160)}, device {described['device']}, "
            f"dtype {described['dtype'] or 'unknown'}, {common}"
        )
        lines.extend(f"mlff: {model.name}: {note}" for note in getattr(model, "notes", ()))
    lines.extend(f"mlff: {note}" for note in run.notes)
    return [fit_encoding(line, _encoding()) for line in lines]


def forecast_lines(run: Run) -> list[str]:
    """Say what the run will take, before it begins.

    Parameters
    ----------
    run : Run
        With its forecasts.

    Returns
    -------
    list of str
        One line for each model; with ``--mlff-forecast`` one for each thing that is computed before it.
    """
    lines: list[str] = []
    for forecast in run.forecasts:
        if run.settings.forecast:
            lines.extend(_forecast_rows(forecast))
        lines.append(_forecast_line(forecast, run.settings.budget_s))
    return [fit_encoding(f"mlff: {line}", _encoding()) for line in lines]


def _forecast_line(forecast: Forecast, budget_s: float | None) -> str:
    least, most = (forecast.calls(all_looks=looks) for looks in (False, True))
    calls = f"{least}" if least == most else f"{least} to {most}"
    times = [format_time(forecast.seconds(all_looks=looks)) for looks in (False, True)]
    time = times[0] if least == most else f"{times[0]} to {times[1]}"
    pace = ", ".join(f"{atoms} atoms {ms:.3g} ms" for atoms, ms in forecast.ms_per_call.items())
    smoke = format_time(forecast.smoke_s)
    line = f"{forecast.model}: {calls} force calls ({pace}), about {time}; smoke would take {smoke}"
    if budget_s is not None and forecast.left_out:
        line += f"; the budget of {format_time(budget_s)} leaves out: {'; '.join(forecast.left_out)}"
    return line


def _forecast_rows(forecast: Forecast) -> Iterator[str]:
    width = max((len(line.what) for line in forecast.lines), default=0)
    for line in forecast.lines:
        remark = "" if line.certain else ", where a row is still open"
        remark += "" if line.in_budget else ", beyond the budget"
        yield f"{line.check:<13} {line.what:<{width}} {line.calls:>7} calls {format_time(line.seconds):>7}{remark}"


def write_table(reporter: pytest.TerminalReporter, run: Run) -> None:
    """Write the summary of a run: a table per model, then what did not pass and how to run it again.

    Parameters
    ----------
    reporter : pytest.TerminalReporter
        Where to.
    run : Run
        What to show.
    """
    records = run.records()
    columns = max(120, reporter.config.get_terminal_writer().fullwidth)
    for name in dict.fromkeys(record.model for record in records):
        own = [record for record in records if record.model == name]
        reporter.write_sep("=", fit_encoding(f"mlff: {name}, protocol {run.settings.protocol}", _encoding()))
        for line in (*table(own, columns=columns), *remarks(own, partial(_rerun, run))):
            _write(reporter, line)
        reporter.write_line(count_line(own))


def write_complaints(config: pytest.Config, run: Run) -> None:
    """Say last of all why the exit code is not what pytest's own output says.

    Parameters
    ----------
    config : pytest.Config
        Of the run, which is over.
    run : Run
        Closed.
    """
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    for complaint in run.complaints:
        line = fit_encoding(f"mlff: {complaint}", _encoding())
        if reporter is not None:
            reporter.write_line(line, red=True, bold=True)
        else:
            print(line, file=sys.stderr)


def give_up(config: pytest.Config, run: Run, complaint: str) -> None:
    """Write the records and the table of a run that cannot go on, past pytest's capture.

    Parameters
    ----------
    config : pytest.Config
        Of the run.
    run : Run
        With the records so far.
    complaint : str
        Why.
    """
    run.give_up(complaint)
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        if reporter is not None and not hasattr(config, "workerinput"):
            reporter.ensure_newline()
            write_table(reporter, run)
        write_complaints(config, run)


def _rerun(run: Run, record: Record) -> str:
    return rerun(record.row, run.settings, run.spec_of(record.model), test=run.users_test(record))


def _write(reporter: pytest.TerminalReporter, line: Sequence[Span]) -> None:
    for piece in line:
        reporter.write(fit_encoding(piece.text, _encoding()), **piece.markup)
    reporter.write("\n")


def _encoding() -> str | None:
    return getattr(sys.stdout, "encoding", None)
