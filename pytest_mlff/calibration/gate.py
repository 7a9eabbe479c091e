"""The gate without pytest: all rows of one model and one seed, as plain values.

The checks are those of a user's run, in their order and with the same seeds. They share one cache as there, but a new
one that goes away after them: nothing of an earlier run enters, and hundreds of seeds leave nothing behind. What
measures the machine is left out: it carries a verdict only against a limit that the user sets, and a calibration that
shares a machine measures no time.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest_mlff
from pytest_mlff.apparatus.context import CheckContext
from pytest_mlff.apparatus.failure import reason_of, status_of
from pytest_mlff.apparatus.judging import without_verdict
from pytest_mlff.errors import MlffError
from pytest_mlff.foreign import raise_interrupt
from pytest_mlff.gate.assembly import build_context
from pytest_mlff.gate.catalogue import CHECKS, TABLE, rows, run_check
from pytest_mlff.journal import Journal
from pytest_mlff.reference.data import Reference
from pytest_mlff.schema import Model, Record
from pytest_mlff.settings import ProtocolName, Settings

RANDOM_CHECKS = tuple(name for name, check in CHECKS.items() if check.samples == "trajectories")
"""Checks that have looks, or a spread of their own from seed to seed."""
FIELDS = ("row", "look", "candidate", "candidate_stderr", "deviation", "status", "looks", "force_calls")
"""What is kept of a record, in this order; ``look`` 0 is the sequential verdict, others are one look alone."""
DEFECT = "defect of the gate: "
"""How the reason of an ERROR begins that a user's run would show as a traceback."""
_FRAME = re.compile(r"; (?:last sane frame|structure): \S+?\.xyz")
Value = dict[str, Any]


def measured_with(protocol: ProtocolName) -> dict[str, str]:
    """Say what a calibration is measured with.

    Parameters
    ----------
    protocol : str
        Name of the protocol.

    Returns
    -------
    dict of str to str
        Protocol, version of the package, version of the reference.
    """
    return {"protocol": protocol, "version": pytest_mlff.__version__, "reference": Reference().version}


def gate_journal(
    path: Path,
    keys: Mapping[str, type],
    measured_with: Mapping[str, str],
    check: Callable[[Any], object],
    *,
    fields: Sequence[str] = FIELDS,
) -> Journal:
    """Describe the file of a calibration: a later line adds the rows of checks that an earlier one lacks.

    Parameters
    ----------
    path, keys, measured_with, check
        As :class:`pytest_mlff.journal.Journal` has them.
    fields : sequence of str
        What is kept of a record.

    Returns
    -------
    Journal
        That also takes lines of earlier reference data, if later ones only added files: no row that was measured then
        reads them.
    """
    name = [fields.index(part) for part in ("row", "look") if part in fields]

    def join(before: list[list[Any]], after: list[list[Any]]) -> list[list[Any]]:
        rows = {tuple(entry[place] for place in name): entry for entry in (*before, *after)}
        checks = _checks(measured_with["protocol"])
        return sorted(rows.values(), key=lambda entry: checks.get(str(entry[name[0]]), len(CHECKS)))

    accepts = {"reference": Reference().contains}
    return Journal(path=path, keys=keys, measured_with=measured_with, check=check, accepts=accepts, join=join)


def _checks(protocol: str) -> dict[str, int]:
    """Give the place of each row's check in the order of the run, by row id."""
    places = {check: place for place, check in enumerate(CHECKS)}
    return {row.id: places[row.check] for row in rows(protocol, {})}


def missing_checks(values: Iterable[Mapping[str, Any]], protocol: str, among: Collection[str] = CHECKS) -> list[str]:
    """List the checks that have a row with a verdict of which nothing is known.

    Parameters
    ----------
    values : iterable of mapping
        What is known of one gate.
    protocol : str
        Name of the protocol.
    among : collection of str, optional
        Checks that are looked for.

    Returns
    -------
    list of str
        In their order.
    """
    known = {value["row"] for value in values}
    lacking = {
        row.check
        for row in rows(protocol, {})
        if row.id not in known and protocol in TABLE[row.key].verdict_in and row.check in among
    }
    return [check for check in CHECKS if check in lacking]


def run_gate(
    model: Model,
    *,
    seed: int,
    protocol: ProtocolName,
    each_look: bool = False,
    only: Collection[str] = (),
    fields: Sequence[str] = FIELDS,
) -> list[Value]:
    """Run the checks of a model; rows of a check that raises are ERROR.

    Parameters
    ----------
    model : Model
        The candidate.
    seed : int
        Of the run.
    protocol : str
        Name of the protocol.
    each_look : bool
        Judge the random checks at each look alone too, not only in sequence.
    only : collection of str
        Checks to run; all by default.
    fields : sequence of str
        What to keep of a record.

    Returns
    -------
    list of dict
        Those fields of every row; the verdict in sequence under ``look`` 0.
    """
    found: list[Value] = []
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(protocol=protocol, seed=seed, cache_dir=Path(folder))
        context = build_context(settings, model)
        for check in _present(context, only):
            if each_look and check in RANDOM_CHECKS:
                for look, alone in enumerate(_looks(context, check), start=1):
                    found += [_value(record, look, fields) for record in _records(check, alone)]
            found += [_value(record, 0, fields) for record in _records(check, context)]
    return found


def packed(values: list[Value], fields: Sequence[str] = FIELDS) -> list[list[Any]]:
    """Write values as lists, for a journal.

    Parameters
    ----------
    values : list of dict
        From :func:`run_gate`.
    fields : sequence of str
        What was kept.

    Returns
    -------
    list of list
        In the order of the fields.
    """
    return [[value[name] for name in fields] for value in values]


def unpacked(lists: list[list[Any]], fields: Sequence[str] = FIELDS) -> list[Value]:
    """Read what :func:`packed` wrote.

    Parameters
    ----------
    lists : list of list
        In the order of the fields.
    fields : sequence of str
        What was kept.

    Returns
    -------
    list of dict
        The values.

    Raises
    ------
    ValueError
        For a list of another length.
    """
    return [dict(zip(fields, entry, strict=True)) for entry in lists]


def _present(context: CheckContext, only: Collection[str]) -> list[str]:
    present = {row.check for row in rows(context.protocol.name, context.config)}
    return [
        name
        for name, check in CHECKS.items()
        if name in present and check.samples != "machine" and (not only or name in only)
    ]


def _looks(context: CheckContext, check: str) -> Iterator[CheckContext]:
    """Yield the same run, to be judged at one look alone, for each look that the check has."""
    for protocol in CHECKS[check].looks(context.protocol):
        yield replace(context, protocol=protocol)


def _records(check: str, context: CheckContext) -> Iterable[Record]:
    """Run a check; where it raises, its rows are ERROR, as in a user's run."""
    try:
        return run_check(check, context).values()
    except BaseException as error:
        raise_interrupt(error)
        told = f"{'' if isinstance(error, MlffError) else DEFECT}{reason_of(error)}"
        present = [row for row in rows(context.protocol.name, context.config) if row.check == check]
        return [without_verdict(context, row, status_of(error), told) for row in present]


def _value(record: Record, look: int, fields: Sequence[str]) -> Value:
    found: Mapping[str, Any] = {**record.to_dict(), "look": look}
    return {name: _short(found[name]) for name in fields}


def _short(entry: Any) -> Any:
    """Six digits are more than any of them is worth, and a file in a folder that goes away is worth nothing."""
    if isinstance(entry, list):
        return [_short(item) for item in entry]
    if isinstance(entry, str):
        return _FRAME.sub("", entry)
    return float(f"{entry:.6g}") if isinstance(entry, float) else entry
