"""The detection matrix: every mutant at every strength through the gate, and whether it is caught as expected.

``matrix_table`` lays the results out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_mlff.calibration.gate import (
    DEFECT,
    Value,
    gate_journal,
    measured_with,
    missing_checks,
    packed,
    run_gate,
    unpacked,
)
from pytest_mlff.errors import SpecError
from pytest_mlff.foreign import described, raise_interrupt
from pytest_mlff.gate.catalogue import CHECKS, TABLE, rows
from pytest_mlff.journal import Journal
from pytest_mlff.models.load import load_model
from pytest_mlff.mutants import MUTANTS, Mutant, Strength
from pytest_mlff.settings import ProtocolName

FIELDS = ("row", "status", "candidate", "deviation", "interval", "reason", "force_calls")
"""What is kept of a row, in this order; the reason only where it tells more than the numbers."""
PROTOCOL: ProtocolName = "ci"
"""That which the registry of mutants speaks of."""
SEED = 0
"""That of a user's run at default options."""
REFUSED = "REFUSED"
"""Status of a mutant that cannot be loaded; its row has no name."""
RED = frozenset({"FAIL", "INCONCLUSIVE", "ERROR", REFUSED})
"""Statuses that end a user's run at default options with an exit code other than 0."""
Results = Mapping[str, Sequence[Value]]


def strengths() -> Iterator[tuple[str, Mutant, Strength]]:
    """List what can be run.

    Yields
    ------
    call : str
        Such as ``scaled_epsilon(0.95)``.
    mutant : Mutant
        The defect.
    strength : Strength
        How strong.
    """
    for mutant in MUTANTS.values():
        for strength in mutant.strengths:
            yield mutant.call(strength), mutant, strength


def the_slice(chosen: Iterable[tuple[str, Mutant, Strength]]) -> Iterator[tuple[str, Mutant, Strength]]:
    """Choose what a short run looks at: the strongest form of each defect, and whatever names another row.

    Parameters
    ----------
    chosen : iterable
        From :func:`strengths`, or some of them.

    Yields
    ------
    call, mutant, strength
        The first strength of each mutant, if a row is named for it, and those that name a row that none before names.
    """
    named: set[str] = set()
    for call, mutant, strength in chosen:
        if strength.fails and (strength is mutant.strengths[0] or strength.fails - named):
            named |= strength.fails
            yield call, mutant, strength


def detection(
    *,
    output: Path,
    mutants: Sequence[str] = (),
    only_named: bool = False,
    checks: Collection[str] = CHECKS,
    say: Callable[[str], None] = print,
) -> dict[str, list[Value]]:
    """Run mutants through the gate; of those in ``output`` only checks are run that are missing there.

    Parameters
    ----------
    output : Path
        File of JSON lines, made or continued.
    mutants : sequence of str, optional
        Names (``slow``) or calls (``scaled_epsilon(0.95)``); all by default.
    only_named : bool, optional
        Of each mutant the first strength alone, and others only where they name a row that none before them names;
        of the checks those whose rows are named.
    checks : collection of str, optional
        Checks that are run where they are missing.
    say : callable, optional
        Told what is run next.

    Returns
    -------
    dict
        All that is in ``output``, as :func:`measured` reads it.

    Raises
    ------
    SpecError
        For a mutant or a check that there is not, or an output that cannot be used.
    """
    strange = [check for check in checks if check not in CHECKS]
    if strange:
        raise SpecError(f"no check {strange[0]!r}; there are {', '.join(CHECKS)}")
    done, journal = measured(output, only_named=only_named), _journal(output, only_named)
    for call, mutant, strength in _chosen(mutants, only_named):
        wanted = checks_of(strength.fails) & frozenset(checks) if only_named else frozenset(checks)
        missing = missing_checks(done.get(call, ()), PROTOCOL, wanted)
        if missing and not _nameless_only(done.get(call, ())):
            journal.touch()
            say(call)
            journal.append((call,), packed(judged(mutant.spec(strength), only=missing), FIELDS))
    return measured(output, only_named=only_named)


def measured(output: Path, *, only_named: bool = False) -> dict[str, list[Value]]:
    """Read what was measured.

    Parameters
    ----------
    output : Path
        Written by :func:`detection`; nothing is measured where there is none.
    only_named : bool, optional
        As it was then.

    Returns
    -------
    dict
        By call, in the order of the registry, :data:`FIELDS` of every row.

    Raises
    ------
    SpecError
        For a file that cannot be read or holds something else.
    """
    done = _journal(output, only_named).read()
    return {call: unpacked(done[(call,)], FIELDS) for call, _, _ in strengths() if (call,) in done}


def judged(spec: str, *, only: Iterable[str] = ()) -> list[Value]:
    """Run one model through the gate.

    Parameters
    ----------
    spec : str
        Its spec.
    only : iterable of str, optional
        Checks to run; all by default.

    Returns
    -------
    list of dict
        :data:`FIELDS` of every row. A model that cannot be loaded, or ends the gate otherwise, has one without a
        name, with the status REFUSED or ERROR.
    """
    try:
        model = load_model(spec, device="cpu")
        found = run_gate(model, seed=SEED, protocol=PROTOCOL, only=frozenset(only), fields=FIELDS)
    except SpecError as refused:
        return [_nameless(REFUSED, str(refused))]
    except BaseException as error:  # hours of work on other mutants must not end here
        raise_interrupt(error)
        return [_nameless("ERROR", f"{DEFECT}{described(error)}")]
    return [{**value, "reason": _told(value)} for value in found]


def checks_of(keys: Iterable[str]) -> frozenset[str]:
    """Find the checks that make rows.

    Parameters
    ----------
    keys : iterable of str
        Of the rows.

    Returns
    -------
    frozenset of str
        Their checks.
    """
    wanted = frozenset(keys)
    return frozenset(row.check for row in rows(PROTOCOL, {}) if row.key in wanted)


def contradictions(results: Results) -> list[str]:
    """Compare results with what the registry of mutants says.

    Parameters
    ----------
    results : mapping
        From :func:`detection`; of what was not run nothing is said.

    Returns
    -------
    list of str
        A line for every named row that does not FAIL, for every red row of a mutant that must pass, and for every
        check that a traceback ended.
    """
    lines = []
    for call, _, strength in strengths():
        for value in results.get(call, ()):
            row, status = value["row"] or "the model", value["status"]
            if (value["reason"] or "").startswith(DEFECT):
                lines.append(f"{call}: {row}: {value['reason']}")
            elif row in strength.fails and status != "FAIL":
                lines.append(f"{call}: {row} should FAIL, it is {status}{_number(value)}")
            elif status == REFUSED or (not strength.fails and status in RED):
                lines.append(f"{call}: {row} is {status}{_number(value)}, it should not")
    return lines


def _nameless_only(values: Sequence[Value]) -> bool:
    """Whether a model could not be loaded, or ended the gate."""
    return any(not value["row"] for value in values)


def _nameless(status: str, reason: str) -> Value:
    return {**dict.fromkeys(FIELDS), "row": "", "status": status, "reason": reason, "force_calls": 0}


def _number(value: Value) -> str:
    return "" if value["deviation"] is None else f" ({value['deviation']:.3g})"


def _told(value: Value) -> str:
    """Keep what was found; numbers stand in the other fields, and kept structures are not kept here."""
    reason = re.sub(r"; structure: [^;\s]+", "", value["reason"])
    return reason if value["status"] not in ("PASS", "INFO") else ""


def _chosen(names: Sequence[str], only_named: bool) -> list[tuple[str, Mutant, Strength]]:
    """List what is asked for, the fast ones first."""
    known = list(strengths())
    strange = [name for name in names if name not in MUTANTS and name not in {call for call, _, _ in known}]
    if strange:
        raise SpecError(f"no mutant {strange[0]!r}; there are {', '.join(MUTANTS)}, and calls of them in the registry")
    chosen = [one for one in known if not names or one[0] in names or one[1].name in names]
    return sorted(the_slice(chosen) if only_named else chosen, key=lambda one: not one[1].native)


def _journal(path: Path, only_named: bool) -> Journal:
    same = {**measured_with(PROTOCOL), "seed": str(SEED), "checks": "named" if only_named else "all"}
    return gate_journal(path, {"mutant": str}, same, _check, fields=FIELDS)


def _check(values: Any) -> None:
    """Refuse what no table can be made of."""
    for value in unpacked(values, FIELDS):
        if value["row"] and value["row"] not in TABLE:
            raise ValueError(f"no row {value['row']!r}")
