"""Which defects the gate finds: the reference with ε or σ scaled, at many strengths, over several seeds.

A row finds a defect where it FAILs. Rows that follow a trajectory are run with several seeds; those that look at
given configurations say the same with every seed, and are run once, on a finer grid around their own thresholds.
"""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pytest_mlff.calibration.gate import (
    RANDOM_CHECKS,
    Value,
    gate_journal,
    measured_with,
    missing_checks,
    packed,
    run_gate,
    unpacked,
)
from pytest_mlff.calibration.null import in_tolerances, read_null, tolerance_of
from pytest_mlff.calibration.probit import FloatArray, Threshold, threshold
from pytest_mlff.calibration.rates import interval
from pytest_mlff.errors import SpecError
from pytest_mlff.gate.catalogue import CHECKS, TABLE
from pytest_mlff.journal import Journal
from pytest_mlff.models.load import load_model
from pytest_mlff.verdict.format import format_tolerance

Key = tuple[str, float, int]
"""Defect, strength, seed."""
Done = Mapping[Key, Sequence[Mapping[str, Any]]]
Found = Mapping[tuple[str, str], Mapping[float, tuple[int, int]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Probability of a detection against strength.

    Attributes
    ----------
    points : list of (float, float, float, float)
        Change of the parameter in percent, share of FAILs, its 95 % interval (none for fixed rows).
    fits : list of (ndarray, ndarray)
        Change of the parameter in percent and fitted probability, for each side that has a fit.
    """

    points: list[tuple[float, float, float, float]]
    fits: list[tuple[FloatArray, FloatArray]]


FIXED_CHECKS = tuple(name for name, check in CHECKS.items() if check.samples == "configurations")
"""Checks on given configurations: the same verdict with every seed."""


def _movable(checks: Collection[str]) -> tuple[str, ...]:
    """Rows of checks that carry a verdict, and that another ε or σ can move."""
    judged = (row for row in TABLE.values() if "ci" in row.verdict_in and not row.law)
    return tuple(row.key for row in judged if row.check in checks)


FIXED_ROWS = _movable(FIXED_CHECKS)
"""Rows of fixed checks that ε or σ can move."""
RANDOM_ROWS = _movable(RANDOM_CHECKS)
"""Rows that follow a trajectory."""
ROWS = (*FIXED_ROWS, *RANDOM_ROWS)
ANY = "any row"
"""What stands for the whole gate."""
SYMBOLS = {"epsilon": "ε", "sigma": "σ"}

PERCENT: Mapping[str, tuple[float, ...]] = {
    "epsilon": (
        *(-60.0, -50.0, -45.0, -40.0, -35.0, -30.0, -27.5, -25.0, -22.5, -20.0, -17.5, -15.0, -12.5, -10.0),
        *(10.0, 12.5, 15.0, 17.5, 20.0, 22.5, 25.0, 27.5, 30.0, 35.0, 40.0, 45.0, 50.0, 60.0),
    ),
    "sigma": (
        *(-3.0, -2.5, -2.0, -1.75, -1.5, -1.25, -1.0, -0.75, -0.65, -0.55),
        *(0.55, 0.65, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 3.0),
    ),
}
"""Strengths at which trajectories are run: change of the parameter in percent."""
FINE_PERCENT: Mapping[str, tuple[float, ...]] = {
    "epsilon": tuple(sign * step / 4 for sign in (-1, 1) for step in range(28, 9, -1)),
    "sigma": tuple(sign * step / 40 for sign in (-1, 1) for step in range(20, 5, -1)),
}
"""Strengths at which only the fixed checks are run: ± 2.5 to 7 % of ε, ± 0.15 to 0.5 % of σ."""


def power(*, seeds: int, output: Path, null: Path | None = None, only_table: bool = False) -> str:
    """Run scaled potentials through the gate of the protocol ``ci`` and summarise what it finds.

    Parameters
    ----------
    seeds : int
        Seeds 1 to this number, all strengths with one seed before the next; what is in ``output`` is not run again.
    output : Path
        File of JSON lines, made or continued.
    null : Path, optional
        File of ``calibrate null``, for the spread of each row beside what it finds.
    only_table : bool, optional
        Run nothing and summarise all that is in ``output``.

    Returns
    -------
    str
        Markdown.

    Raises
    ------
    SpecError
        For an output that cannot be read or written, or that holds something else; it is left as it was.
    """
    journal, done = _journal(output), read_power(output)
    if only_table and not done:
        raise SpecError(f"{output} holds no results; run `pytest-mlff calibrate power --output {output}` first")
    good = list(read_null(null).values()) if null else []
    wanted = () if only_table else tuple(_work(seeds))
    missing = {key: missing_checks(done.get(key, ()), "ci", _checks(key)) for key in wanted}
    if any(missing.values()):
        journal.touch()
    for key, checks in missing.items():
        if checks:
            journal.append(key, packed(_measure(key, checks if key in done else _checks(key))))
    done = read_power(output) if any(missing.values()) else done
    return table(done, in_tolerances(good) if len(good) > 1 else {})


def read_power(path: Path) -> dict[Key, list[Value]]:
    """Read what :func:`power` wrote.

    Parameters
    ----------
    path : Path
        Its output; a missing file is empty.

    Returns
    -------
    dict
        By defect, strength (the factor) and seed the values of the rows; those of fixed checks stand with seed 1.

    Raises
    ------
    SpecError
        As :func:`power`.
    """
    return {(str(defect), float(s), int(n)): unpacked(rows) for (defect, s, n), rows in _journal(path).read().items()}


def _journal(path: Path) -> Journal:
    keys = {"defect": str, "strength": float, "seed": int}
    return gate_journal(path, keys, measured_with("ci"), _check)


def _check(values: Any) -> None:
    """Refuse what is no list of values."""
    for value in unpacked(values):
        tolerance_of(value["row"])


def _work(seeds: int) -> Iterator[Key]:
    """Yield first what is cheap, then all strengths with one seed before the next: a run cut short is of use."""
    for defect in PERCENT:
        yield from ((defect, _factor(percent), 1) for percent in sorted({*FINE_PERCENT[defect]} - {*PERCENT[defect]}))
    for seed in range(1, seeds + 1):
        yield from ((defect, _factor(percent), seed) for defect, grid in PERCENT.items() for percent in grid)


def _factor(percent: float) -> float:
    return round(1.0 + percent / 100.0, 6)


def _checks(key: Key) -> tuple[str, ...]:
    """Say which checks a key stands for."""
    defect, strength, seed = key
    fixed = FIXED_CHECKS if seed == 1 else ()
    return (*fixed, *RANDOM_CHECKS) if strength in map(_factor, PERCENT[defect]) else fixed


def _measure(key: Key, checks: Sequence[str]) -> list[Value]:
    """Run checks of what a key stands for; INFO rows, which find nothing, are not kept."""
    defect, strength, seed = key
    model = load_model(f"pytest_mlff.mutants:scaled_{defect}({strength})")
    return [value for value in run_gate(model, seed=seed, protocol="ci", only=checks) if value["status"] != "INFO"]


def detections(done: Done) -> dict[tuple[str, str], dict[float, tuple[int, int]]]:
    """Count how often each row finds a defect.

    Parameters
    ----------
    done : mapping
        By key the values of the rows.

    Returns
    -------
    dict
        By row (:data:`ROWS`, :data:`ANY`) and defect: change of the parameter in percent → FAILs, trials.
    """
    found: dict[tuple[str, str], dict[float, tuple[int, int]]] = {}
    for (defect, strength, _), values in sorted(done.items()):
        percent = round(100.0 * (strength - 1.0), 4)
        fails = {value["row"]: value["status"] == "FAIL" for value in values}
        fixed = {value["row"]: value["status"] == "FAIL" for value in done.get((defect, strength, 1), ())}
        fails[ANY] = any(fails.values()) or any(fixed.values())  # a fixed row says the same with every seed
        for row in (ANY, *ROWS):
            if row in fails:
                counts = found.setdefault((row, defect), {})
                caught, trials = counts.get(percent, (0, 0))
                counts[percent] = (caught + fails[row], trials + 1)
    return found


def smallest(counts: Mapping[float, tuple[int, int]], sign: int) -> Threshold | None:
    """Find the smallest defect on one side that is found with 90 % probability.

    Parameters
    ----------
    counts : mapping of float to (int, int)
        From :func:`detections`.
    sign : {-1, 1}
        Parameter too small or too large.

    Returns
    -------
    Threshold or None
        In percent of the parameter, without the sign; None where there are no counts.
    """
    side = {abs(percent): count for percent, count in counts.items() if sign * percent > 0.0}
    return threshold(side) if side else None


def table(done: Done, deviations: Mapping[str, Sequence[float]]) -> str:
    """Summarise a power run.

    Parameters
    ----------
    done : mapping
        By key the values of the rows.
    deviations : mapping of str to sequence of float
        Of the reference from itself, by row, in units of the tolerance.

    Returns
    -------
    str
        Markdown tables: limit, null spread and smallest defects of each row; detections of the rows that follow a
        trajectory, for each defect; what a count is worth.
    """
    found = detections(done)
    blocks = [_smallest(found, deviations), *(_counts(found, defect) for defect in PERCENT)]
    most = max((trials for counts in found.values() for _, trials in counts.values()), default=1)
    return "\n\n".join("\n".join(block) for block in (*blocks, _worth(most)))


def _smallest(found: Found, deviations: Mapping[str, Sequence[float]]) -> Iterator[str]:
    sides = [(defect, sign) for defect in PERCENT for sign in (-1, 1)]
    heads = [f"{SYMBOLS[defect]} {'too small' if sign < 0 else 'too large'}" for defect, sign in sides]
    yield "| row | limit | null spread / limit | " + " | ".join(heads) + " |"
    yield "|---" * 7 + "|"
    for row in (*ROWS, ANY):
        cells = (_threshold(smallest(found.get((row, defect), {}), sign), sign) for defect, sign in sides)
        limit = "" if row == ANY else format_tolerance(TABLE[row].kind, TABLE[row].limit)
        spread = f"{statistics.stdev(deviations[row]):.2f}" if row in deviations else ""
        yield f"| {row} | {limit} | {spread} | " + " | ".join(cells) + " |"


def _threshold(found: Threshold | None, sign: int) -> str:
    """Write a threshold: in percent of the parameter, with its interval or bracket."""
    if found is None:
        return ""
    mark = "−" if sign < 0 else "+"
    low, high = (f"{bound:.3g}" for bound in (found.low or 0.0, found.high or 0.0))
    if found.how == "never":
        return f"not up to {mark}{low} %"
    if found.how == "always":
        return f"below {mark}{high} %"
    if found.how == "bracket":
        return f"{mark}{low} to {mark}{high} %"
    return f"{mark}{found.strength:.3g} % ({low}–{high})"


def _counts(found: Found, defect: str) -> Iterator[str]:
    """Yield a table of detections, strengths in columns."""
    shown = {row: found[row, defect] for row in RANDOM_ROWS if (row, defect) in found}
    columns = sorted({percent for counts in shown.values() for percent in counts})
    yield (
        f"| FAILs of seeds, {SYMBOLS[defect]} off by / % | "
        + " | ".join(_signed(percent) for percent in columns)
        + " |"
    )
    yield "|---" * (len(columns) + 1) + "|"
    for row, counts in shown.items():
        cells = ("/".join(map(str, counts[percent])) if percent in counts else "" for percent in columns)
        yield f"| {row} | " + " | ".join(cells) + " |"


def _signed(percent: float) -> str:
    return f"{percent:+g}".replace("-", "−")


def curves(done: Done) -> dict[str, dict[str, Curve]]:
    """Give detection probabilities as they are drawn.

    Parameters
    ----------
    done : mapping
        By key the values of the rows.

    Returns
    -------
    dict
        Defect → row → curve.
    """
    found = detections(done)
    return {
        defect: {row: _curve(found[row, defect], row) for row in ROWS if (row, defect) in found} for defect in PERCENT
    }


def _curve(counts: Mapping[float, tuple[int, int]], row: str) -> Curve:
    from scipy.special import ndtr

    points = []
    for percent, (caught, trials) in sorted(counts.items()):
        share = caught / trials
        points.append((percent, share, *((share, share) if row in FIXED_ROWS else interval(caught, trials))))
    fits = []
    for sign in (-1, 1):
        side = smallest(counts, sign)
        if side is not None and side.line is not None:
            strengths = np.linspace(0.0, max(sign * percent for percent in counts), 60)
            fits.append((sign * strengths, ndtr(side.line[0] + side.line[1] * strengths)))
    return Curve(points=points, fits=fits)


def _worth(trials: int) -> Iterator[str]:
    """Yield what a count of detections tells of their probability."""
    counts = range(trials + 1)
    bounds = ((round(100.0 * bound) for bound in interval(count, trials)) for count in counts)
    yield f"| FAILs of {trials} seeds | " + " | ".join(map(str, counts)) + " |"
    yield "|---" * (trials + 2) + "|"
    yield "| 95 % interval of their probability / % | " + " | ".join("{}–{}".format(*pair) for pair in bounds) + " |"
