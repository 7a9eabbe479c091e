"""The detection matrix as people read it: what catches each mutant, and what each row of the gate catches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from pytest_mlff.calibration.gate import Value
from pytest_mlff.calibration.matrix import PROTOCOL, RED, Results, contradictions, strengths
from pytest_mlff.gate.catalogue import TABLE, rows
from pytest_mlff.mutants import Strength
from pytest_mlff.verdict.format import format_deviation, format_tolerance

LEGEND = (
    "C: caught, by a row that is named for it; c: caught as well; ·: no row of this column fails; "
    "?: INCONCLUSIVE; E: ERROR; –: not applicable or not run; !: named, and does not fail"
)
_SIGNS = {"INCONCLUSIVE": "?", "ERROR": "E", "PASS": "·"}


def table(results: Results) -> str:
    """Lay out the detection matrix.

    Parameters
    ----------
    results : mapping
        From :func:`pytest_mlff.calibration.matrix.detection`.

    Returns
    -------
    str
        Markdown: how many are caught and what contradicts the registry; a letter for each strength and group of rows;
        for each strength the rows that FAIL with deviation and interval; for each row what it catches, and what is
        caught by nothing else.
    """
    parts = (_summary, _letters, _strengths, _rows)
    return "\n\n".join("\n".join(part(results)) for part in parts)


def judged_rows() -> list[str]:
    """List the rows that carry a verdict.

    Returns
    -------
    list of str
        In the order in which they run.
    """
    return [row.key for row in rows(PROTOCOL, {}) if PROTOCOL in TABLE[row.key].verdict_in]


def group(row: str) -> str:
    """Find the group of a row: rows of one quantity and phase, at several sizes or wave vectors.

    Parameters
    ----------
    row : str
        Such as ``gamma_self-0.461``.

    Returns
    -------
    str
        Such as ``gamma_self``.
    """
    declared = TABLE.get(row)  # what cannot be loaded has a line without a row
    return "-".join(filter(None, (declared.quantity, declared.phase))) if declared else row


def caught_by(values: Sequence[Value]) -> list[str]:
    """List the rows that FAIL.

    Parameters
    ----------
    values : sequence of dict
        Rows of one mutant.

    Returns
    -------
    list of str
        In the order in which they run.
    """
    return [value["row"] for value in values if value["status"] == "FAIL"]


def alone(results: Results, name: Callable[[str], str] = str) -> dict[str, list[str]]:
    """Find what is caught by one row, or one group of rows, and by nothing else.

    Parameters
    ----------
    results : mapping
        As for :func:`table`.
    name : callable, optional
        Row → what it is counted as, such as :func:`group`.

    Returns
    -------
    dict
        Name → calls of the mutants.
    """
    found: dict[str, list[str]] = {}
    for call, values in results.items():
        names = {name(row) for row in caught_by(values)}
        if len(names) == 1:
            found.setdefault(names.pop(), []).append(call)
    return found


def _summary(results: Results) -> Iterator[str]:
    run = [(call, strength) for call, _, strength in strengths() if call in results]
    bad = [call for call, strength in run if strength.fails]
    good = [call for call, strength in run if not strength.fails]
    caught = sum(bool(caught_by(results[call])) for call in bad)
    green = sum(not any(value["status"] in RED for value in results[call]) for call in good)
    yield f"{len(run)} of {len(list(strengths()))} strengths of the registry, protocol `{PROTOCOL}`."
    yield f"Of {len(bad)} that must be caught, {caught} are; of {len(good)} that must pass, {green} do."
    found = contradictions(results)
    yield "Every row does what the registry says." if not found else "Against the registry:"
    yield from (f"\n- {line}" for line in found)


def _letters(results: Results) -> Iterator[str]:
    groups = list(dict.fromkeys(map(group, judged_rows())))
    width = max((len(call) for call in results), default=0)
    yield f"{LEGEND}."
    yield "\n```text"
    for place, name in enumerate(groups):
        yield " " * width + " │" * place + f" ┌ {name}"
    for call, _, strength in strengths():
        if call in results:
            yield f"{call:<{width}} " + " ".join(_letter(results[call], name, strength) for name in groups)
    yield "```"


def _letter(values: Sequence[Value], name: str, strength: Strength) -> str:
    found = {value["row"]: value["status"] for value in values if group(value["row"]) == name}
    failed = {row for row, status in found.items() if status == "FAIL"}
    named = {row for row in strength.fails if row in found}
    if named - failed:
        return "!"
    if failed:
        return "C" if named else "c"
    return next((sign for status, sign in _SIGNS.items() if status in found.values()), "–")


def _strengths(results: Results) -> Iterator[str]:
    yield "| mutant | rows that FAIL: deviation [interval] | not decided |"
    yield "|---|---|---|"
    for call, values in results.items():
        failed = [value for value in values if value["status"] == "FAIL"]
        cells = [_group(values, name) for name in dict.fromkeys(group(value["row"]) for value in _sorted(failed))]
        others = [_other(value) for value in values if value["status"] in RED - {"FAIL"}]
        yield f"| `{call}` | {'; '.join(cells) or '–'} | {'; '.join(others) or '–'} |"


def _sorted(values: Sequence[Value]) -> list[Value]:
    return sorted(values, key=_limits, reverse=True)


def _limits(value: Value) -> float:
    """How many limits a deviation is; where that has no meaning it is infinite, or one for a sign."""
    tolerance, deviation = TABLE[value["row"]], value["deviation"]
    if deviation is None or tolerance.limit is None:
        return math.inf
    if tolerance.kind == "sign":
        return 1.0
    if tolerance.kind == "lower":  # S, which is 1 at best
        return float((1.0 - deviation) / (1.0 - tolerance.limit))
    return math.inf if tolerance.limit == 0.0 else abs(deviation) / tolerance.limit


def _group(values: Sequence[Value], name: str) -> str:
    """Write how many rows of a group FAIL, and the strongest."""
    members = [value for value in values if group(value["row"]) == name and value["row"] in judged_rows()]
    failed = _sorted([value for value in members if value["status"] == "FAIL"])
    share = f" ({len(failed)} of {len(members)})" if len(members) > 1 else ""
    return f"`{name}`{share} {_number(failed[0])}"


def _other(value: Value) -> str:
    if not value["row"]:
        return f"{value['status']}: {value['reason']}"
    number = f" {_number(value)}" if value["deviation"] is not None else f": {value['reason']}"
    return f"{value['status']} `{value['row']}`{number}"


def _number(value: Value) -> str:
    percent = TABLE[value["row"]].kind == "relative"
    return format_deviation(value["deviation"], value["interval"], percent=percent)


def _rows(results: Results) -> Iterator[str]:
    single, together = alone(results), alone(results, group)
    yield "| row | limit | strengths caught | weakest | caught by no other row | by no other group of rows |"
    yield "|---|---|---|---|---|---|"
    idle = []
    for row in judged_rows():
        found = [(value, call) for call, values in results.items() for value in values if value["row"] == row]
        caught = [(value, call) for value, call in found if value["status"] == "FAIL"]
        if not caught:
            idle.append(row)
            continue
        value, call = min(caught, key=lambda one: _limits(one[0]))
        limit = format_tolerance(TABLE[row].kind, TABLE[row].limit)
        cells = [_calls(names.get(key, [])) for names, key in ((single, row), (together, group(row)))]
        yield f"| `{row}` | {limit} | {len(caught)} | {_number(value)}, `{call}` | {' | '.join(cells)} |"
    yield f"\nRows that catch nothing: {', '.join(f'`{row}`' for row in idle) or 'none'}."


def _calls(calls: Sequence[str]) -> str:
    return ", ".join(f"`{call}`" for call in calls) or "–"
