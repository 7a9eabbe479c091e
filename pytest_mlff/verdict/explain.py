"""The failure text: what was measured, what was allowed, what it usually means, how to run it again.

Reads a record, decides nothing. Written for a developer who has to find a fault in a force field.
"""

from __future__ import annotations

import textwrap

from pytest_mlff.schema import Record
from pytest_mlff.verdict.format import (
    format_candidate,
    format_deviation,
    format_estimate,
    format_number,
    format_tolerance,
)
from pytest_mlff.verdict.tolerances import Hint

_WIDTH = 96
_NO_NUMBER = (
    "There is no number to say on which side the candidate lies. If the run broke off, look at stability, dimer and "
    "hot first, and at the kept frame; else at rdf and parity."
)
_MEASURED = ("PASS", "FAIL", "INCONCLUSIVE", "INFO")


def explain(record: Record, *, rerun: str, hint: Hint = "") -> str:
    """Tell the story of one row.

    Parameters
    ----------
    record : Record
        The row's outcome; ``record.row`` is its key.
    rerun : str
        The command that runs this row again.
    hint : str or (str, str), optional
        What a failure of the row usually means.

    Returns
    -------
    str
        A few aligned lines: verdict and observable, candidate, reference, deviation with its interval,
        tolerance, reason, what it usually means, cost, command.
    """
    unit = f" {record.unit}" if record.unit else ""
    lines = [("", f"{record.status}  {record.row}: {record.observable or 'not measured'}, model {record.model}")]
    if record.status in _MEASURED:
        lines.append(("candidate", format_candidate(record) + unit))
        if record.reference is not None:
            lines.append(("reference", format_estimate(record.reference, record.reference_stderr) + unit))
        lines.extend(_comparison(record, unit))
    if record.reason:
        lines.append(("reason", record.reason))
    side = None if record.deviation is None else record.deviation > 0.0
    if record.status == "FAIL" and (text := usual_cause(hint, too_high=side)):
        lines.append(("hint", text))
    if record.force_calls:
        looks = f", {record.looks} look{'s' if record.looks > 1 else ''}" if record.looks else ""
        lines.append(("cost", f"{record.force_calls} force calls, {record.wall_s:.0f} s{looks}"))
    lines.append(("rerun", rerun))
    return "\n".join(_aligned(label, text) for label, text in lines)


def usual_cause(hint: Hint, *, too_high: bool | None) -> str:
    """Choose what a failure on one side usually means.

    Parameters
    ----------
    hint : str or (str, str)
        Of the row.
    too_high : bool or None
        Whether the candidate came out above the reference; None where there is no number to say it.

    Returns
    -------
    str
        A few sentences; empty where nothing general can be said.
    """
    if isinstance(hint, str):
        return hint
    return _NO_NUMBER if too_high is None else hint[0 if too_high else 1]


def _comparison(record: Record, unit: str) -> list[tuple[str, str]]:
    relative = record.kind == "relative"
    suffix = "" if relative else unit
    lines = []
    if record.deviation is not None and record.kind in ("relative", "absolute", "info"):
        text = format_deviation(record.deviation, record.interval, percent=relative)
        lines.append(("deviation", text + suffix))
    elif record.interval is not None:  # rows that judge the value itself
        low, high = (format_number(end, 3) for end in record.interval)
        lines.append(("interval", f"[{low}, {high}]{suffix}"))
    if record.tolerance is not None and record.kind != "info":
        lines.append(("tolerance", format_tolerance(record.kind, record.tolerance) + suffix))
    return lines


def _aligned(label: str, text: str) -> str:
    if not label or label == "rerun":  # a command is never broken
        return f"  {label:<10} {text}" if label else text
    indent = " " * 13
    return textwrap.fill(text, _WIDTH, initial_indent=f"  {label:<10} ", subsequent_indent=indent)
