"""The end of a run: failure texts, the table on the terminal, the file of ``--mlff-json``."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlff.report.records import describe_models, run_document, write_json
from pytest_mlff.report.run import Run
from pytest_mlff.report.terminal import (
    Piece,
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
    of_suite = any(row.id == record.check for row in run.rows)
    command = rerun(record.check, settings, spec, test=None if of_suite else test)
    return explain(in_printed_units(record), rerun=command)


def header(run: Run) -> list[str]:
    """Say what is tested, for pytest's header.

    Parameters
    ----------
    run : Run
        With its models loaded.

    Returns
    -------
    list of str
        One line for each model, and one for each oddity that loading found.
    """
    settings = run.settings
    common = (
        f"protocol {settings.protocol}, seed {settings.seed}, reference {run.reference or 'none'}, "
        f"cache {settings.cache_root}"
    )
    lines = []
    for model, described in zip(run.models, describe_models(run.models, device=settings.device), strict=True):
        lines.append(
            f"mlff: {model.name} [{model.fingerprint[:12]}] {model.spec}, device {described['device']}, "
            f"dtype {described['dtype'] or 'unknown'}, {common}"
        )
        lines.extend(f"mlff: {model.name}: {note}" for note in getattr(model, "notes", ()))
    return [fit_encoding(line, _encoding()) for line in lines]


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
    for complaint in run.complaints:
        reporter.write_line(fit_encoding(f"mlff: {complaint}", _encoding()), red=True, bold=True)


def _rerun(run: Run, record: Record) -> str:
    return rerun(record.check, run.settings, run.spec_of(record.model), test=run.users_test(record))


def _write(reporter: pytest.TerminalReporter, line: Sequence[Piece]) -> None:
    for piece in line:
        reporter.write(fit_encoding(piece.text, _encoding()), **piece.markup)
    reporter.write("\n")


def _encoding() -> str | None:
    return getattr(sys.stdout, "encoding", None)


def close(run: Run, status: int) -> int:
    """End a run: its exit code, and the file of ``--mlff-json``.

    Parameters
    ----------
    run : Run
        What ran.
    status : int
        What pytest would return.

    Returns
    -------
    int
        The exit code; not 0 when nothing was judged or the file could not be written.
    """
    status = run.exit_status(status)
    path = run.settings.json
    if path is not None and run.models:
        try:
            save_run(path, run, exit_status=status)
        except OSError as error:
            run.complaints.append(f"cannot write {path}: {error.strerror or error}")
            return status or 1
    return status


def save_run(path: Path, run: Run, *, exit_status: int) -> None:
    """Write the records of a run to a file.

    Parameters
    ----------
    path : Path
        Target, replaced whole or not at all.
    run : Run
        What to write.
    exit_status : int
        Of pytest.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    settings = run.settings
    facts = {
        "protocol": settings.protocol,
        "device": settings.device,
        "seed": settings.seed,
        "budget_s": settings.budget_s,
        "inconclusive": settings.inconclusive,
        "config": {table: _builtin(content) for table, content in settings.config.items()},
        "reference": run.reference,
        "started": datetime.fromtimestamp(run.started, UTC).isoformat(timespec="seconds"),
        "wall_s": max(0.0, time.time() - run.started),
        "exit_status": int(exit_status),
    }
    models = describe_models(run.models, device=settings.device)
    write_json(path, run_document([record.to_dict() for record in run.records()], models=models, run=facts))


def _builtin(content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in content.items()}
