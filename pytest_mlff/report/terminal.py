"""Records as a table on the terminal; units are changed to the printed ones here, nothing is decided.

Text only: the caller writes it, with the colours that each line asks for.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from pytest_mlff.report.progress import format_time
from pytest_mlff.schema import Record
from pytest_mlff.settings import Settings
from pytest_mlff.units import MICRON2_PER_S
from pytest_mlff.verdict.format import format_candidate, format_deviation, format_estimate, format_tolerance

_PRINTED = {"Å²/ps": ("µm²/s", MICRON2_PER_S)}
_HEADINGS = ("check", "candidate", "reference", "unit", "deviation", "tolerance", "verdict", "calls", "time")
_GAPS = ("", *(" " if name == "unit" else "  " for name in _HEADINGS[1:]))
_RIGHT = frozenset({"calls", "time"})
_UNJUDGED = ("NOT_APPLICABLE", "ERROR")
_ASKS_FOR_RERUN = ("FAIL", "ERROR", "INCONCLUSIVE")
_COLOURS: Mapping[str, Mapping[str, bool]] = {
    "PASS": {"green": True},
    "FAIL": {"red": True, "bold": True},
    "ERROR": {"red": True, "bold": True},
    "INCONCLUSIVE": {"yellow": True, "bold": True},
    "NOT_APPLICABLE": {"yellow": True},
    "INFO": {"cyan": True},
}
_ASCII = str.maketrans(
    {
        "±": "+-",
        "−": "-",
        "–": "-",
        "≤": "<=",
        "≥": ">=",
        "∞": "inf",
        "²": "^2",
        "³": "^3",
        "⁻": "-",
        "¹": "1",
        "→": "->",
    }
    | {
        "·": "*",
        "×": "x",
        "µ": "u",
        "Å": "A",
        "Γ": "Gamma",
        "Δ": "Delta",
        "β": "beta",
        "ε": "epsilon",
        "σ": "sigma",
    }
)


class Span(NamedTuple):
    """Text with the markup it wants."""

    text: str
    markup: Mapping[str, bool]


def in_printed_units(record: Record) -> Record:
    """Give a record in the units people print.

    Parameters
    ----------
    record : Record
        In the units of the house.

    Returns
    -------
    Record
        Diffusivities in µm²/s; everything else as it was.
    """
    if record.unit not in _PRINTED:
        return record
    unit, factor = _PRINTED[record.unit]
    scaled = ["candidate", "candidate_stderr", "reference", "reference_stderr"]
    if record.kind != "relative":
        scaled += ["deviation", "tolerance"]
    values: dict[str, Any] = {name: getattr(record, name) for name in scaled}
    changes: dict[str, Any] = {name: None if x is None else factor * x for name, x in values.items()}
    if record.kind != "relative" and record.interval is not None:
        low, high = record.interval
        changes["interval"] = (factor * low, factor * high)
    return replace(record, unit=unit, **changes)


def table(records: Sequence[Record], *, columns: int = 120) -> Iterator[tuple[Span, ...]]:
    """Lay records out as a table.

    Parameters
    ----------
    records : sequence of Record
        The rows, in the order in which to show them.
    columns : int
        Width to keep to if it can be had by leaving out the number of force calls.

    Yields
    ------
    tuple of Span
        One line, headings first; only the verdict is coloured.
    """
    lines = [_HEADINGS, *(_cells(in_printed_units(record)) for record in records)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    if sum(widths) + sum(map(len, _GAPS)) > columns:
        calls = _HEADINGS.index("calls")
        widths[calls] = -1
    for number, line in enumerate(lines):
        heading = number == 0
        pieces = []
        for name, cell, width, gap in zip(_HEADINGS, line, widths, _GAPS, strict=True):
            if width < 0:
                continue
            text = cell.rjust(width) if name in _RIGHT else cell.ljust(width)
            markup = {"bold": True} if heading else _COLOURS[cell] if name == "verdict" else {}
            pieces += [Span(gap, {}), Span(text, markup)]
        yield tuple(pieces)


def _cells(record: Record) -> tuple[str, ...]:
    cost = (
        str(record.force_calls) if record.force_calls else "",
        format_time(record.wall_s) if record.wall_s else "",
    )
    if record.status in _UNJUDGED:
        return (record.row, "", "", "", "", "", record.status, *cost)
    percent = record.kind == "relative"
    has_reference = record.reference is not None
    return (
        record.row,
        format_candidate(record),
        format_estimate(record.reference, record.reference_stderr) if has_reference else "",
        record.unit,
        format_deviation(record.deviation, record.interval, percent=percent) if record.deviation is not None else "",
        format_tolerance(record.kind, record.tolerance),
        record.status,
        *cost,
    )


def remarks(records: Iterable[Record], rerun: Callable[[Record], str]) -> Iterator[tuple[Span, ...]]:
    """Say below the table what did not pass, why, and how to run it again.

    Parameters
    ----------
    records : iterable of Record
        The rows of one model.
    rerun : callable
        Gives the command that runs a record's test again.

    Yields
    ------
    tuple of Span
        One line for each FAIL, ERROR and INCONCLUSIVE; rows that are not applicable share one per reason.
    """
    skipped: dict[str, list[str]] = {}
    for record in records:
        if record.status in _ASKS_FOR_RERUN:
            yield (
                Span(record.status, _COLOURS[record.status]),
                Span(f" {record.row}: {rerun(record)}", {}),
            )
        elif record.status == "NOT_APPLICABLE":
            skipped.setdefault(record.reason, []).append(record.row)
    for reason, checks in skipped.items():
        yield (
            Span("NOT_APPLICABLE", _COLOURS["NOT_APPLICABLE"]),
            Span(f" {', '.join(checks)}: {reason}", {}),
        )


def rerun(check: str, settings: Settings, spec: str, *, test: str | None = None) -> str:
    """Give the shell command that runs one row of this run again.

    Parameters
    ----------
    check : str
        Row id.
    settings : Settings
        Of this run; whatever is not a default, or is set for every run, is repeated.
    spec : str
        The model's spec.
    test : str, optional
        Node id of the test; given for records of users' own tests.

    Returns
    -------
    str
        One line for a POSIX shell.
    """
    default = Settings()
    asked = {
        "system": (settings.system, default.system),
        "protocol": (settings.protocol, default.protocol),
        "device": (settings.device, default.device),
        "seed": (settings.seed, default.seed),
        "budget": (None if settings.budget_s is None else f"{settings.budget_s:g}", None),
        "config": (settings.config_file, None),
        "cache-dir": (settings.cache_dir, None),
    }
    options = [
        f"--mlff-{name}={value}"
        for name, (value, usual) in asked.items()
        if value is not None and (value != usual or name in settings.standing)
    ]
    command = ["pytest", f"--mlff-model={spec}"]
    if test is not None:
        return shlex.join([*command, *options, test])
    # the brackets keep -k from taking rows and tests whose name contains this one
    return f'{shlex.join([*command, "-k"])} "[{check}]" {shlex.join(options)}'.rstrip()


def fit_encoding(text: str, encoding: str | None) -> str:
    """Spell text in what a terminal can show.

    Parameters
    ----------
    text : str
        Any.
    encoding : str or None
        Encoding of the stream; None counts as ASCII.

    Returns
    -------
    str
        The same where it can be encoded, else with ASCII spellings.
    """
    encoding = encoding or "ascii"
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return text.translate(_ASCII).encode("ascii", "replace").decode("ascii")
    return text


def count_line(records: Iterable[Record]) -> str:
    """Count verdicts.

    Parameters
    ----------
    records : iterable of Record
        The rows.

    Returns
    -------
    str
        Such as ``"12 PASS, 1 FAIL, 3 INFO"``.
    """
    statuses = [record.status for record in records]
    return ", ".join(f"{statuses.count(status)} {status}" for status in _COLOURS if status in statuses)
