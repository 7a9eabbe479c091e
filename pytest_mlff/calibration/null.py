"""The reference as its own candidate, over many seeds: how far each row spreads, how often the gate accuses.

A row may carry a verdict in a protocol only if the spread of a perfect model at the last look is at most a
sixth of its tolerance (``docs/statistics.md``).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pytest_mlff.apparatus.declaration import Declared
from pytest_mlff.calibration.gate import (
    Value,
    gate_journal,
    measured_with,
    missing_checks,
    packed,
    run_gate,
    unpacked,
)
from pytest_mlff.calibration.rates import rate
from pytest_mlff.errors import SpecError
from pytest_mlff.gate.catalogue import rows
from pytest_mlff.journal import Journal
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.settings import ProtocolName
from pytest_mlff.systems.protocols import PROTOCOLS
from pytest_mlff.systems.reading import load_system
from pytest_mlff.verdict.tolerances import NARROW


def null_spread(*, seeds: int, output: Path, protocol: ProtocolName = "ci", only_table: bool = False) -> str:
    """Run the reference against itself and summarise it.

    Parameters
    ----------
    seeds : int
        Seeds 1 to this number; of those already in ``output`` only checks are run that are missing there.
    output : Path
        File of JSON lines, made or continued.
    protocol : {"ci", "full"}, optional
        Which protocol.
    only_table : bool, optional
        Run nothing and summarise all that is in ``output``.

    Returns
    -------
    str
        Markdown tables: rates of the whole gate, spread of each row at each look, outcomes of each row.

    Raises
    ------
    SpecError
        For an output that cannot be read or written, or that holds something else than lines of this protocol,
        package and reference; it is left as it was.
    """
    journal = _journal(output, protocol)
    done = read_null(output, protocol=protocol)
    if only_table and not done:
        raise SpecError(f"{output} holds no seeds; run `pytest-mlff calibrate null --output {output}` first")
    wanted = () if only_table else range(1, seeds + 1)
    missing = {seed: missing_checks(done.get(seed, ()), protocol) for seed in wanted}
    if any(missing.values()):
        journal.touch()
    for seed, checks in missing.items():
        if checks:
            only = checks if seed in done else ()
            reference = ReferenceModel(load_system("argon"))
            found = run_gate(reference, seed=seed, protocol=protocol, each_look=True, only=only)
            journal.append((seed,), packed(found))
    done = read_null(output, protocol=protocol) if any(missing.values()) else done
    return table([done[seed] for seed in sorted(done) if only_table or seed <= seeds])


def read_null(path: Path, *, protocol: ProtocolName = "ci") -> dict[int, list[Value]]:
    """Read what :func:`null_spread` wrote.

    Parameters
    ----------
    path : Path
        Its output; a missing file is empty.
    protocol : {"ci", "full"}, optional
        Which protocol.

    Returns
    -------
    dict
        By seed the values of :func:`pytest_mlff.calibration.gate.run_gate`.

    Raises
    ------
    SpecError
        As :func:`null_spread`.
    """
    return {seed: unpacked(values) for (seed,), values in _journal(path, protocol).read().items()}


def _journal(path: Path, protocol: ProtocolName) -> Journal:
    return gate_journal(path, {"seed": int}, measured_with(protocol), _check)


def _check(values: Any) -> None:
    """Refuse what no table can be made of."""
    table([unpacked(values)])


def table(seeds: Sequence[Iterable[Mapping[str, Any]]]) -> str:
    """Summarise values of many seeds.

    Parameters
    ----------
    seeds : sequence
        For each seed its values, as :func:`pytest_mlff.calibration.gate.run_gate` returns them.

    Returns
    -------
    str
        Markdown: outcomes of the whole gate with their 95 % intervals; for each row and look the mean deviation,
        the spread with its error, the spread as a fraction of the tolerance where there is one, and whether the row
        may carry a verdict; and the outcomes of the sequential verdict.
    """
    grouped: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for values in seeds:
        for value in values:
            grouped.setdefault((value["row"], value["look"]), []).append(value)
    lines = [*_whole(seeds), ""]
    heads = ("row", "look", "seeds", "mean deviation", "spread", "tolerance", "spread / tolerance")
    lines += ["| " + " | ".join(heads) + " | fit for a verdict |", "|---" * 8 + "|"]
    lines += [_line(check, look, values) for (check, look), values in sorted(grouped.items()) if look]
    lines += ["", "| row | PASS | FAIL | INCONCLUSIVE | INFO | mean looks |", "|---|---|---|---|---|---|"]
    lines += [_outcome(check, values) for (check, look), values in sorted(grouped.items()) if not look]
    return "\n".join(lines)


def _whole(seeds: Sequence[Iterable[Mapping[str, Any]]]) -> Iterator[str]:
    """Yield how often the whole gate ends how."""
    gates = [{value["status"] for value in values if not value["look"]} for values in seeds]
    events = (
        ("any FAIL", {"FAIL"}),
        ("any INCONCLUSIVE", {"INCONCLUSIVE"}),
        ("red exit at default options", {"FAIL", "INCONCLUSIVE", "ERROR"}),
    )
    yield "| whole gate | seeds | of them | rate, 95 % interval |"
    yield "|---|---|---|---|"
    for name, statuses in events:
        count = sum(bool(gate & statuses) for gate in gates)
        yield f"| {name} | {len(gates)} | {count} | {rate(count, len(gates))} |"


def _line(check: str, look: int, values: Sequence[Mapping[str, Any]]) -> str:
    deviations, limit = on_scale(check, values)
    n = len(deviations)
    if n < 2:
        return f"| {check} | {look} | {n} | | | | | |"
    mean, spread = statistics.fmean(deviations), statistics.stdev(deviations)
    spread_error = spread / math.sqrt(2 * (n - 1))
    mean_error = spread / math.sqrt(n)
    start = f"| {check} | {look} | {n} | {mean:+.2g} ± {mean_error:.1g} | {spread:.2g} ± {spread_error:.1g} |"
    if limit is None:
        return f"{start} | | |"
    # a sign has as much room as the drift is strong
    room = abs(mean) if tolerance_of(check).kind == "sign" else limit
    return f"{start} {limit:g} | {spread / room:.3f} | {'yes' if spread <= NARROW * room else 'no'} |"


def on_scale(check: str, values: Iterable[Mapping[str, Any]]) -> tuple[list[float], float | None]:
    """Give deviations and limit of a row on the scale on which it is decided.

    Parameters
    ----------
    check : str
        Row id.
    values : iterable of mapping
        Of this row; those without a deviation are left out.

    Returns
    -------
    deviations : list of float
        For distances their squares, with the sign that noise gave them.
    limit : float or None
        Of the tolerance table, squared likewise.
    """
    tolerance = tolerance_of(check)
    deviations = [float(value["deviation"]) for value in values if value["deviation"] is not None]
    if tolerance.squared and tolerance.limit is not None:
        return [math.copysign(d * d, d) for d in deviations], tolerance.limit**2
    return deviations, tolerance.limit


def in_tolerances(seeds: Iterable[Sequence[Mapping[str, Any]]]) -> dict[str, list[float]]:
    """Give the deviations of the rows that follow a trajectory in units of their tolerance.

    Parameters
    ----------
    seeds : iterable
        For each seed its values.

    Returns
    -------
    dict
        By row that carries a verdict: its deviations at its last look. For a sign row the drift's departure from its
        mean in units of that mean: at −1 the drift has the wrong sign.

    Raises
    ------
    SpecError
        For less than two seeds.
    """
    seeds = list(seeds)
    if len(seeds) < 2:
        raise SpecError(f"{len(seeds)} seeds of the null have no spread; run `pytest-mlff calibrate null` first")
    grouped: dict[str, dict[int, list[Mapping[str, Any]]]] = {}
    for values in seeds:
        judged = {value["row"] for value in values if value["look"] == 0 and value["status"] != "INFO"}
        for value in values:
            if value["look"] and value["row"] in judged:
                grouped.setdefault(value["row"], {}).setdefault(value["look"], []).append(value)
    found = {}
    for row, looks in grouped.items():
        deviations, limit = on_scale(row, looks[max(looks)])
        if tolerance_of(row).kind == "sign":
            mean = statistics.fmean(deviations)
            found[row] = [deviation / mean - 1.0 for deviation in deviations]
        elif limit is not None:
            found[row] = [deviation / limit for deviation in deviations]
    return found


def tolerance_of(row: str) -> Declared:
    """Find the tolerance of a row id: a key, with the state point behind it where a run has several.

    Parameters
    ----------
    row : str
        For example ``diffusion-95K-4000``.

    Returns
    -------
    Declared
        Of ``diffusion``.

    Raises
    ------
    ValueError
        For a row that there is not.
    """
    try:
        return _by_id()[row]
    except KeyError:
        raise ValueError(f"no row {row!r}") from None


@cache
def _by_id() -> dict[str, Declared]:
    return {row.id: row.declared for name in PROTOCOLS for row in rows(name, {})}


def _outcome(check: str, values: Sequence[Mapping[str, Any]]) -> str:
    tolerance_of(check)
    statuses = ("PASS", "FAIL", "INCONCLUSIVE", "INFO")
    counts = [sum(value["status"] == status for value in values) for status in statuses]
    looks = statistics.fmean(value["looks"] for value in values)
    return f"| {check} | " + " | ".join(str(count) for count in counts) + f" | {looks:.2f} |"
