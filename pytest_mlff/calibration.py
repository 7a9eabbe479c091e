"""The gate measured on itself: the reference as candidate, many seeds, and how far each row spreads.

A row may carry a verdict in a protocol only if the spread of a perfect model at the last look is at most a
sixth of its tolerance (``docs/statistics.md``). One line of JSON per seed is appended to the output, so that
a killed calibration goes on where it was. A line says which protocol, package and reference it was measured
with: those of another never enter one spread.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest_mlff
from pytest_mlff.checks.catalogue import rows, run_check
from pytest_mlff.checks.context import CheckContext, build_context
from pytest_mlff.errors import SpecError
from pytest_mlff.reference.data import Reference
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.schema import Record
from pytest_mlff.settings import ProtocolName, Settings
from pytest_mlff.verdict.tolerances import TOLERANCES, Tolerance

RANDOM_CHECKS = ("solid", "liquid", "xpcs", "melting")
"""Checks whose outcome depends on the seed."""
NARROW = 1 / 6
"""Largest null spread of a judged row, as a fraction of its tolerance."""
_BEGINNING = '{"seed": '
"""How every line begins."""


def null_spread(*, seeds: int, output: Path, protocol: ProtocolName = "ci") -> str:
    """Run the reference against itself and summarise the spread of every row at every look.

    Parameters
    ----------
    seeds : int
        Seeds 1 to this number; those already in ``output`` are not run again.
    output : Path
        File of JSON lines, made or continued.
    protocol : {"ci", "paper"}, optional
        Which protocol.

    Returns
    -------
    str
        A Markdown table, one line per row and look.

    Raises
    ------
    SpecError
        For an output that cannot be read or written, or that holds something else than lines of this protocol,
        package and reference; it is left as it was.
    """
    measured_with = {"protocol": protocol, "version": pytest_mlff.__version__, "reference": Reference().version}
    done = _read(output, measured_with)
    missing = [seed for seed in range(1, seeds + 1) if seed not in done]
    if missing:
        _append(output, "")  # before hours of work depend on it
    for seed in missing:
        done[seed] = _one_seed(seed, protocol)
        _append(output, json.dumps({"seed": seed, **measured_with, "values": done[seed]}) + "\n")
    return table([done[seed] for seed in sorted(done) if seed <= seeds])


def _read(output: Path, measured_with: Mapping[str, str]) -> dict[int, list[dict[str, Any]]]:
    """Values by seed; what a killed run left of its last line is cut off."""
    place = str(output)
    done: dict[int, list[dict[str, Any]]] = {}
    try:
        content = output.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        for number, text in enumerate(whole.decode("utf-8").split("\n"), start=1):
            place = f"{output}:{number}"
            if text.strip():
                done |= _parse(text, place, measured_with)
        place, rest = str(output), content[len(whole) :].decode("utf-8", "replace")
        if not rest.startswith(_BEGINNING[: len(rest)]):
            raise ValueError("its last line is none of a calibration")
        if rest:
            os.truncate(output, len(whole))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = error.strerror or error if isinstance(error, OSError) else f"not a line of `calibrate null` ({error})"
        raise SpecError(f"{place}: cannot continue this file: {why}; name another --output") from None
    return done


def _parse(text: str, place: str, measured_with: Mapping[str, str]) -> dict[int, list[dict[str, Any]]]:
    """Values of a line by its seed, if it was measured with the same."""
    line = json.loads(text)
    for what, wanted in measured_with.items():
        if line[what] != wanted:
            raise SpecError(f"{place}: measured with {what} {line[what]}, this is {wanted}; name another --output")
    seed, values = line["seed"], line["values"]
    if not isinstance(seed, int):
        raise TypeError(f"seed {seed!r}")
    table([values])  # what it cannot make a table of is none of ours
    return {seed: values}


def _append(output: Path, text: str) -> None:
    try:
        with output.open("a", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise SpecError(f"cannot write to {output}: {error.strerror or error}; name another --output") from None


def _one_seed(seed: int, protocol: ProtocolName) -> list[dict[str, Any]]:
    """Values of every random row at each look, and under ``look`` 0 the sequential verdict."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(protocol=protocol, seed=seed, cache_dir=Path(folder))
        context = build_context(settings, ReferenceModel())
        found = []
        for check in _present(context):
            for look, alone in enumerate(_looks(context, check), start=1):
                found += [_value(record, look) for record in run_check(check, alone).values()]
        for check in _present(context):
            found += [_value(record, 0) for record in run_check(check, context).values()]
        return found


def _present(context: CheckContext) -> list[str]:
    present = {row.check for row in rows(context.protocol.name, context.config)}
    return [check for check in RANDOM_CHECKS if check in present]


def _looks(context: CheckContext, check: str) -> Iterator[CheckContext]:
    """Yield the same run, to be judged at one look alone, for each look that the check has."""
    protocol, melting = context.protocol, context.protocol.melting
    if check in ("liquid", "xpcs"):
        for frames in protocol.looks:
            yield replace(context, protocol=replace(protocol, looks=(frames,)))
    elif check == "melting" and melting is not None:
        for frames in melting.looks:
            yield replace(context, protocol=replace(protocol, melting=replace(melting, looks=(frames,))))
    else:
        yield context


def _value(record: Record, look: int) -> dict[str, Any]:
    fields = record.to_dict()
    kept = ("check", "candidate", "candidate_stderr", "deviation", "status", "looks", "force_calls")
    return {"look": look, **{name: fields[name] for name in kept}}


def table(seeds: Iterable[Iterable[Mapping[str, Any]]]) -> str:
    """Summarise values of many seeds.

    Parameters
    ----------
    seeds : iterable
        For each seed its values, as :func:`null_spread` keeps them.

    Returns
    -------
    str
        Markdown: mean deviation, spread with its error, the spread as a fraction of the tolerance where there
        is one, whether the row may carry a verdict, and the outcomes of the sequential verdict.
    """
    grouped: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for values in seeds:
        for value in values:
            grouped.setdefault((value["check"], value["look"]), []).append(value)
    heads = ("row", "look", "seeds", "mean deviation", "spread", "tolerance", "spread / tolerance")
    lines = ["| " + " | ".join(heads) + " | fit for a verdict |", "|---" * 8 + "|"]
    lines += [_line(check, look, values) for (check, look), values in sorted(grouped.items()) if look]
    lines += ["", "| row | PASS | FAIL | INCONCLUSIVE | INFO | mean looks |", "|---|---|---|---|---|---|"]
    lines += [_outcome(check, values) for (check, look), values in sorted(grouped.items()) if not look]
    return "\n".join(lines)


def _line(check: str, look: int, values: list[Mapping[str, Any]]) -> str:
    tolerance = _tolerance(check)
    deviations = [float(value["deviation"]) for value in values if value["deviation"] is not None]
    limit = tolerance.limit
    if tolerance.squared and limit is not None:  # decided on the square
        deviations = [math.copysign(d * d, d) for d in deviations]
        limit = limit**2
    n = len(deviations)
    if n < 2:
        return f"| {check} | {look} | {n} | | | | | |"
    mean, spread = statistics.fmean(deviations), statistics.stdev(deviations)
    spread_error = spread / math.sqrt(2 * (n - 1))
    mean_error = spread / math.sqrt(n)
    start = f"| {check} | {look} | {n} | {mean:+.2g} ± {mean_error:.1g} | {spread:.2g} ± {spread_error:.1g} |"
    if limit is None:
        return f"{start} | | |"
    room = abs(mean) if tolerance.kind == "sign" else limit  # a sign has as much room as the drift is strong
    return f"{start} {limit:g} | {spread / room:.3f} | {'yes' if spread <= NARROW * room else 'no'} |"


def _tolerance(check: str) -> Tolerance:
    """Tolerance of a row id: a key, with the state point behind it where a run has several."""
    if check in TOLERANCES:
        return TOLERANCES[check]
    return TOLERANCES[max((key for key in TOLERANCES if check.startswith(f"{key}-")), key=len)]


def _outcome(check: str, values: list[Mapping[str, Any]]) -> str:
    statuses = ("PASS", "FAIL", "INCONCLUSIVE", "INFO")
    counts = [sum(value["status"] == status for value in values) for status in statuses]
    looks = statistics.fmean(value["looks"] for value in values)
    return f"| {check} | " + " | ".join(str(count) for count in counts) + f" | {looks:.2f} |"
