"""A calculator that answers NaN or infinity anywhere: no row that met such a number passes, and none falls over.

Each row is run with a calculator that is right, to count what it is asked, and then with one that spoils one of these
answers, or all from one on, in one component or in all.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pytest_mlff.apparatus import survival
from pytest_mlff.checks import speed
from pytest_mlff.errors import MlffError
from pytest_mlff.gate.assembly import build_context
from pytest_mlff.gate.catalogue import TABLE, rows
from pytest_mlff.potentials import lennard_jones
from pytest_mlff.settings import Settings

CONFIG = {
    "forces": {"configurations": 3},
    "liquid": {"replicas": 2, "looks": (600,)},
    "solid": {"replicas": 2, "steps": 20},
    "melting": {"replicas": 2, "steps": 20},
}
CI = {row.id: row for row in rows("ci", CONFIG)}
RUNS = ("stability", "liquid", "xpcs", "pressure", "solid", "solid_pressure", "melting")
STATIC = [key for key, row in CI.items() if row.check not in RUNS]
STEPPED = [next(key for key, row in CI.items() if row.check == check) for check in RUNS]
"""A row of each check that runs trajectories: the others of the check come from the same run."""

# the package draws cases with Hypothesis itself; a smaller fault says no more than a large one
quick = settings(max_examples=3, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
values = st.sampled_from([math.nan, math.inf, -math.inf])
places = st.none() | st.integers(0, 10**6)


@dataclass(frozen=True)
class Fault:
    """Which answers of a kind are spoiled, with what, and which number of each: counted through, or all."""

    quantity: str
    value: float
    first: int
    last: float = math.inf
    place: int | None = None

    def spoil(self, answer):
        answer = np.array(answer, dtype=float)
        answer.ravel()[slice(None) if self.place is None else self.place % answer.size] = self.value
        return answer


@dataclass
class Log:
    """Answers of each kind, and how many of them were spoiled: one for all copies of a calculator."""

    answers: Counter = field(default_factory=Counter)
    spoiled: int = 0

    def __deepcopy__(self, memo):
        return self


class Sick:
    """The reference, but for what the fault says."""

    def __init__(self, fault=None):
        self.potential, self.fault, self.log = lennard_jones(), fault, Log()

    def _answer(self, kind, answer):
        count, fault = self.log.answers[kind], self.fault
        self.log.answers[kind] += 1
        if fault is None or fault.quantity != kind or not fault.first <= count <= fault.last:
            return answer
        self.log.spoiled += 1
        spoiled = fault.spoil(answer)
        return float(spoiled) if kind == "energy" else spoiled

    def get_forces(self, atoms):
        return self._answer("forces", self.potential.get_forces(atoms))

    def get_potential_energy(self, atoms):
        return self._answer("energy", self.potential.get_potential_energy(atoms))

    def get_stress(self, atoms):
        return self._answer("stress", self.potential.get_stress(atoms))


def judged(calculator, row):
    """Record of one row, of short lengths, from an empty cache."""
    model = SimpleNamespace(
        name="sick",
        spec="sick",
        fingerprint="sick",
        calculator=calculator,
        repeatable=True,
        provides=frozenset({"energy", "forces", "stress"}),
    )
    with TemporaryDirectory() as folder:
        made = build_context(Settings(protocol="ci", cache_dir=Path(folder), config=CONFIG), model)
        short = replace(made.protocol, invariance_cases=3, hessian_cells=6, stability_steps=50, equilibration_steps=20)
        made = replace(made, protocol=short)
        if row.check == "speed":
            seconds = speed.time_calls(speed.benchmark_target(made, row), repeats=3)
            return speed.judge_time(made, row, seconds)
        return import_module(f"pytest_mlff.checks.{row.check}").run(made, [row])[row.id]


@cache
def asked(key):
    """What a row asks of a calculator that is right, and how often."""
    calculator = Sick()
    assert judged(calculator, CI[key]).status in ("PASS", "INFO", "INCONCLUSIVE")
    return calculator.log.answers


def refuses(key, fault):
    calculator = Sick(fault)
    try:
        record = judged(calculator, CI[key])
    except MlffError as error:  # the suite makes the ERROR of every row of the check of it
        reason = str(error)
    else:
        assert record.status == "FAIL" or (record.status == "INFO" and record.candidate is None), record
        json.dumps(record.to_dict(), allow_nan=False)
        reason = record.reason
    assert calculator.log.spoiled, "the row was not asked for what is spoiled"
    assert "not finite" in reason or "left physics" in reason


@pytest.mark.parametrize("key", STATIC)
@quick
@given(data=st.data(), value=values, place=places, part=st.floats(0.0, 1.0, exclude_max=True), once=st.booleans())
def test_a_number_that_is_not_finite_passes_no_row(key, data, value, place, part, once):
    # energies come with the forces of parity, whose rows do not read them
    quantity = data.draw(st.sampled_from(sorted(TABLE[CI[key].key].needs & asked(key).keys())))
    first = int(part * asked(key)[quantity])
    refuses(key, Fault(quantity, value, first, first if once else math.inf, place))


@pytest.mark.parametrize("key", STEPPED)
@quick
@given(value=values, place=places, first=st.integers(0, 39), once=st.booleans())
def test_a_number_that_is_not_finite_ends_every_run(key, value, place, first, once):
    with pytest.MonkeyPatch.context() as patch:
        if key != "stability":
            patch.setattr(survival, "failure", lambda context: "")
        refuses(key, Fault("forces", value, first, first if once else math.inf, place))


@pytest.mark.parametrize("quantity", ["forces", "energy"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_curve_that_ends_in_no_number_beyond_the_cutoff_is_no_smooth_one(quantity, value):
    class Ends(Sick):
        def _answer(self, kind, answer):
            far = len(self.potential.atoms) == 2 and self.potential.atoms.get_distance(0, 1) > 8.5
            return Fault(quantity, value, 0).spoil(answer) if far and kind == quantity else answer

    record = judged(Ends(), CI["cutoff_continuity"])
    assert record.status == "FAIL"
    assert "not finite" in record.reason
    assert "8.5" in record.reason.partition(" Å apart")[0]
    assert "; structure: " in record.reason
