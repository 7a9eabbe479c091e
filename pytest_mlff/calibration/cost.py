"""What a verdict costs: force calls with looks, without them, and by the paper's fixed lengths.

Verdicts and force calls of the gate are measured (``null``, ``power``). Error rates of fixed lengths follow from the
spread measured there, which falls with the root of the length. Calls are equivalents of 256 atoms, and what shares a
trajectory or a Hessian is counted once.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pytest_mlff.calibration.null import read_null, tolerance_of
from pytest_mlff.calibration.power import SYMBOLS, Done, read_power
from pytest_mlff.calibration.rates import rate
from pytest_mlff.errors import SpecError
from pytest_mlff.gate.catalogue import CHECKS
from pytest_mlff.simulation.slabs import BRACKET
from pytest_mlff.systems.protocols import PROTOCOLS
from pytest_mlff.systems.reading import load_system
from pytest_mlff.verdict.decide import student_quantile

Values = Sequence[Mapping[str, Any]]

ATOMS = 256
"""What force calls are counted in."""
INVARIANCE_CALLS = 330
"""Of the symmetries and conservation laws, with 2 to 1024 atoms, together (``docs/protocols.md``)."""
PAPER_STEPS = 50_000
"""Of the paper's run at each of its state points: 539 ps."""
PAPER_SIZES = (256, 256, 256, 4000, 4000, 4000)
"""Atoms of the paper's liquid runs: three temperatures each."""
ROW = "diffusion"
"""The decision that is followed: the paper's own criterion, D within 10 % at 256 atoms."""
CI, FULL = PROTOCOLS["ci"], PROTOCOLS["full"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A model whose gate was measured.

    Attributes
    ----------
    name : str
        What it is.
    gates : sequence of sequence of mapping
        For each seed the sequential verdicts of all rows, in the order of the run.
    """

    name: str
    gates: Sequence[Values]

    def of(self, row: str) -> list[Mapping[str, Any]]:
        """Give the values of a row, one for each seed."""
        return [value for gate in self.gates for value in gate if value["row"] == row]

    @property
    def deviation(self) -> float:
        """Mean deviation of the row that is followed."""
        return statistics.fmean(value["deviation"] for value in self.of(ROW))


def cost(*, null: Path, power: Path) -> str:
    """Compare what decisions cost.

    Parameters
    ----------
    null, power : Path
        Files of ``pytest-mlff calibrate null`` and ``calibrate power``, protocol ``ci``.

    Returns
    -------
    str
        Markdown tables: the gate of a good model with looks and without; the gates of a good, a bad and a borderline
        model; one decision at one state point.

    Raises
    ------
    SpecError
        For a file of something else, or of nothing.
    """
    seeds = list(read_null(null).values())
    scaled = read_power(power)
    for path, found in ((null, seeds), (power, scaled)):
        if not found:
            raise SpecError(f"{path} holds no results; run `pytest-mlff calibrate` null and power first")
    models = [Case(name="good: the reference", gates=[at_look(values, 0) for values in seeds]), *cases(scaled)]
    full = statistics.fmean(gate_calls(at_look(values, -1)) for values in seeds)
    parts = (_designs(seeds), _gates(models, full=full), _decisions(seeds, models))
    return "\n\n".join("\n".join(part) for part in parts)


def cases(done: Done) -> list[Case]:
    """Choose a bad and a borderline model: scaled ε with D off by twice the tolerance, and by the tolerance.

    Parameters
    ----------
    done : mapping
        Results of ``calibrate power``, where rows of fixed checks stand with seed 1 only.

    Returns
    -------
    list of Case
        Those that come nearest; empty where there are none.
    """
    found: dict[float, list[Values]] = {}
    for (defect, strength, _), values in sorted(done.items()):
        if defect == "epsilon" and any(value["row"] == ROW for value in values):
            first = done.get((defect, strength, 1), ())
            rows = {value["row"]: value for value in first} | {value["row"]: value for value in values}
            found.setdefault(strength, []).append([*rows.values()])
    scaled = [Case(name=f"{SYMBOLS['epsilon']} × {strength:g}", gates=gates) for strength, gates in found.items()]
    limit = tolerance_of(ROW).limit or 0.0
    return [
        Case(name=f"{word}: {case.name}", gates=case.gates)
        for word, wanted in (("bad", 2.0 * limit), ("borderline", limit))
        for case in sorted(scaled, key=lambda case: abs(case.deviation - wanted))[:1]
    ]


def at_look(values: Iterable[Mapping[str, Any]], look: int) -> list[Mapping[str, Any]]:
    """Pick the verdicts of one way to look.

    Parameters
    ----------
    values : iterable of mapping
        Of one seed, with each look alone.
    look : int
        0 for the sequence, 1 for the first look alone, −1 for the last look alone.

    Returns
    -------
    list of mapping
        One for each row; rows without looks are the same in each.
    """
    rows: dict[str, dict[int, Mapping[str, Any]]] = {}
    for value in values:
        rows.setdefault(value["row"], {})[value["look"]] = value
    return [looks.get(max(looks) if look < 0 else look, looks[0]) for looks in rows.values()]


def gate_calls(values: Iterable[Mapping[str, Any]]) -> float:
    """Count the force calls of a whole gate.

    Parameters
    ----------
    values : iterable of mapping
        One for each row. Stability, symmetries and conservation laws cost the same in every run and are added,
        whether their rows are there or not.

    Returns
    -------
    float
        In equivalents of 256 atoms.
    """
    return _calls(values) + INVARIANCE_CALLS + CI.stability_steps


def _calls(values: Iterable[Mapping[str, Any]]) -> float:
    """Count the calls of rows that are there, those of constant cost apart."""
    shared: dict[str, float] = {}
    for value in values:
        group, atoms = _shares(value["row"])
        shared[group] = max(shared.get(group, 0.0), value["force_calls"] * atoms / ATOMS)
    return sum(shared.values())


def _shares(row: str) -> tuple[str, int]:
    """Say with what a row shares its force calls, and of how many atoms they are (0 where they are counted apart)."""
    declared = tolerance_of(row)
    if CHECKS[declared.check].samples == "cases":
        return "constant", 0
    if declared.share == "crystal":
        return "crystal", 4 * CI.hessian_cells**3
    return declared.share or row, declared.atoms or (ATOMS if declared.share else 0)


def _designs(seeds: Sequence[Values]) -> Iterator[str]:
    """Yield the gate of the reference with looks and without."""
    yield "| gate of the reference | seeds | any FAIL | any INCONCLUSIVE | calls |"
    yield "|---|---|---|---|---|"
    names = {1: "first look alone", -1: "last look alone", 0: "looks, as it is"}
    for look, name in names.items():
        gates = [at_look(values, look) for values in seeds]
        rates = (
            rate(sum(any(value["status"] == status for value in gate) for gate in gates), len(gates))
            for status in ("FAIL", "INCONCLUSIVE")
        )
        calls = statistics.fmean(map(gate_calls, gates))
        yield f"| {name} | {len(gates)} | " + " | ".join(rates) + f" | {calls:.0f} |"


def _gates(models: Sequence[Case], *, full: float) -> Iterator[str]:
    """Yield what the gates of several models cost, beside all looks taken and the paper's liquid runs."""
    paper = sum(PAPER_STEPS * atoms / ATOMS for atoms in PAPER_SIZES)
    heads = ("model", "D off by", "gates", "second look at the liquid", "looks at melting", "calls")
    yield (
        "| "
        + " | ".join(heads)
        + f" | of all looks, {full:.0f} | of the paper's liquid, {paper:.3g} | to the first FAIL |"
    )
    yield "|---" * (len(heads) + 3) + "|"
    for case in models:
        liquid = [
            any(_shares(value["row"])[0] == "liquid" and value["looks"] > 1 for value in gate) for gate in case.gates
        ]
        melting = statistics.fmean(value["looks"] for row in BRACKET for value in case.of(row))
        calls = statistics.fmean(map(gate_calls, case.gates))
        cells = [
            *(case.name, f"{100.0 * case.deviation:+.1f} %", str(len(case.gates)), rate(sum(liquid), len(liquid))),
            *(f"{melting:.2f} of {len(CI.melting.looks) if CI.melting else 0}", f"{calls:.0f}"),
            *(f"1/{full / calls:.2g}", f"1/{paper / calls:.0f}", _to_first_fail(case)),
        ]
        yield "| " + " | ".join(cells) + " |"


def _to_first_fail(case: Case) -> str:
    """Write what a run costs that ends with its first FAIL."""
    ends = [next((n for n, value in enumerate(gate, 1) if value["status"] == "FAIL"), 0) for gate in case.gates]
    if not all(ends):
        return "–"
    return f"{statistics.fmean(_calls(gate[:end]) for gate, end in zip(case.gates, ends, strict=True)):.0f}"


def _decisions(seeds: Sequence[Values], models: Sequence[Case]) -> Iterator[str]:
    """Yield what the decision on one row costs, how often it is wrong: fixed lengths calculated, looks measured."""
    names = [case.name.partition(":")[0] for case in models]
    wrong = [f"{name}: {_WRONG[name][0]}" for name in names]
    yield "| D at 100 K, 256 atoms | " + " | ".join([f"calls, {name}" for name in names] + wrong) + " |"
    yield "|---" * (1 + 2 * len(names)) + "|"
    measured = [statistics.fmean(value["force_calls"] for value in case.of(ROW)) for case in models]
    for name, runs, steps, calls in _fixed_lengths():
        planned = CI.replicas * CI.looks[-1] * load_system("argon").frame_stride
        spread = _spread(seeds) / math.sqrt(runs * steps / planned)
        costs = [f"{calls} ({calls / ours:.2g} ×)" for ours in measured]
        rates = [
            _percent(_wrong(kind, outcomes(case.deviation, spread * (1.0 + case.deviation), runs=runs)))
            for kind, case in zip(names, models, strict=True)
        ]
        yield f"| {name} | " + " | ".join(costs + rates) + " |"
    rates = []
    for kind, case in zip(names, models, strict=True):
        statuses = [value["status"] for value in case.of(ROW)]
        rates.append(rate(sum(status in _WRONG[kind][1] for status in statuses), len(statuses)))
    yield "| `ci`, looks as they are, measured | " + " | ".join([f"{calls:.0f}" for calls in measured] + rates) + " |"


_WRONG: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "good": ("not PASS", ("FAIL", "INCONCLUSIVE")),
    "bad": ("not FAIL", ("PASS", "INCONCLUSIVE")),
    "borderline": ("PASS or FAIL", ("PASS", "FAIL")),
}
"""What is no right verdict on a model of each kind."""


def _fixed_lengths() -> Iterator[tuple[str, int, int, int]]:
    """Yield name, runs, steps of each run and force calls of protocols with one look."""
    yield f"paper, one run of {PAPER_STEPS} steps, a bare number", 1, PAPER_STEPS, PAPER_STEPS
    for protocol, look in ((FULL, -1), (CI, -1), (CI, 0)):
        runs, steps = protocol.replicas, protocol.looks[look] * load_system("argon").frame_stride
        name = f"`{protocol.name}`, {runs} runs of {steps} steps, one look"
        yield name, runs, steps, runs * (steps + protocol.equilibration_steps)


def _spread(seeds: Sequence[Values]) -> float:
    """Spread of the row that is followed over seeds, at its last look."""
    last = [value for values in seeds for value in at_look(values, -1) if value["row"] == ROW]
    return statistics.stdev(float(value["deviation"]) for value in last)


def outcomes(deviation: float, spread: float, *, runs: int) -> tuple[float, float]:
    """Probabilities of PASS and FAIL of a relative row that is looked at once.

    Parameters
    ----------
    deviation : float
        True deviation.
    spread : float
        Standard deviation of the estimate.
    runs : int
        Independent runs that the error comes from; with 1 there is none, and the bare number is compared.

    Returns
    -------
    tuple of float
        PASS, FAIL; the rest is INCONCLUSIVE. For Gaussian estimates with the limit of the row that is followed.
    """
    from scipy.special import chdtri, ndtr

    limit, half = tolerance_of(ROW).limit or 0.0, np.zeros(1)
    if runs > 1:
        dof = runs - 1
        levels = (np.arange(1000) + 0.5) / 1000
        half = student_quantile(0.95, dof) * spread * np.sqrt(chdtri(dof, levels) / dof)

    def within(bound: np.ndarray) -> np.ndarray:
        return np.asarray(ndtr((bound - deviation) / spread) - ndtr((-bound - deviation) / spread))

    passed = np.where(half < limit, within(np.maximum(limit - half, 0.0)), 0.0)
    return float(passed.mean()), float((1.0 - within(limit + half)).mean())


def _wrong(kind: str, chances: tuple[float, float]) -> float:
    passed, failed = chances
    share = {"PASS": passed, "FAIL": failed, "INCONCLUSIVE": 1.0 - passed - failed}
    return sum(share[status] for status in _WRONG[kind][1])


def _percent(chance: float) -> str:
    return f"{100.0 * chance:.3g} %" if chance > 1e-4 else "< 0.01 %"
