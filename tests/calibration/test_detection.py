"""A slice of the detection matrix, through the real gate: one strength of each defect, and the checks named for it.

The whole matrix is ``tox -e matrix``; its results are on ``docs/detection.md``.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace

import pytest

from pytest_mlff.calibration.matrix import checks_of, contradictions, judged, strengths, the_slice
from pytest_mlff.calibration.matrix_table import caught_by, judged_rows
from pytest_mlff.checks import speed
from pytest_mlff.gate.assembly import build_context
from pytest_mlff.gate.catalogue import rows
from pytest_mlff.models.load import load_model
from pytest_mlff.mutants import Mutant, Strength
from pytest_mlff.potentials import LennardJones
from pytest_mlff.settings import Settings

CHEAP = ("solid_hessian", "phonons", "invariance")
"""Checks of three seconds; force errors of all strengths are looked at in ``tests/mutants``."""
COSTLY = ("slow",)
"""Defects that make even those long, and that no row without a limit sees."""

Chosen = tuple[str, Mutant, Strength]


def by_call(chosen: Iterable[Chosen]) -> dict[str, Strength]:
    return {call: strength for call, _, strength in chosen}


NAMED = by_call(the_slice(strengths()))
GOOD = by_call(one for one in strengths() if not one[2].fails and one[1].name not in COSTLY)


@pytest.mark.parametrize("call", NAMED)
def test_every_row_that_is_named_catches_it(call: str) -> None:
    fails = NAMED[call].fails
    found = judged(f"pytest_mlff.mutants:{call}", only=checks_of(fails))
    assert contradictions({call: found}) == []
    assert fails <= set(caught_by(found))


def test_every_row_with_a_verdict_is_seen_to_fail_here() -> None:
    assert {row for strength in NAMED.values() for row in strength.fails} == set(judged_rows())


@pytest.mark.parametrize("call", GOOD)
def test_what_is_below_the_tolerances_passes_the_cheap_checks(call: str) -> None:
    found = judged(f"pytest_mlff.mutants:{call}", only=CHEAP)
    assert {value["status"] for value in found} <= {"PASS", "INFO"}


@pytest.mark.parametrize(
    ("limits", "statuses"),
    [({"limits": {"ms_per_call": 5}}, ["PASS", "FAIL"]), ({}, ["INFO", "INFO"])],
    ids=["limit", "no limit"],
)
def test_a_slow_down_fails_only_where_a_limit_is_set(monkeypatch, tmp_path, limits, statuses) -> None:
    """On a clock that ticks once, a millisecond, for each evaluation of the potential: a busy machine has no say."""
    clock = SimpleNamespace(now=0.0, perf_counter=lambda: clock.now)
    calculate = LennardJones.calculate

    def ticking(*arguments, **named) -> None:
        clock.now += 1e-3
        calculate(*arguments, **named)

    monkeypatch.setattr(speed, "time", clock)
    monkeypatch.setattr(LennardJones, "calculate", ticking)
    row = [row for row in rows("ci", {}) if row.key == "ms_per_call-256"]
    settings = Settings(protocol="ci", cache_dir=tmp_path, config={"speed": limits})
    found = []
    for spec in ("pytest_mlff.potentials:lennard_jones()", "pytest_mlff.mutants:slow(10)"):
        found += speed.run(build_context(settings, load_model(spec, device="cpu")), row).values()
    assert [record.status for record in found] == statuses
    assert [record.candidate for record in found] == pytest.approx([1.0, 10.0])
