"""What a verdict costs: sums that add up by hand, and error rates that agree with a simulation."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_mlff.calibration import cost as module
from pytest_mlff.calibration.cost import INVARIANCE_CALLS, at_look, cases, cost, gate_calls, outcomes
from pytest_mlff.calibration.gate import FIELDS
from pytest_mlff.errors import SpecError
from pytest_mlff.simulation.slabs import BRACKET
from pytest_mlff.systems.protocols import PROTOCOLS
from pytest_mlff.verdict.decide import student_quantile

FIXED = {
    **{"parity-liquid-256": 100, "parity-liquid-4000": 5, "parity-solid-256": 100, "parity-solid-4000": 5},
    **{"symmetry-solid": 10, "symmetry-liquid": 660, "pdos": 10, "translation": 29, "rotation": 25, "stability": 250},
}
HESSIAN = 10 * 2048 / 256
BY_HAND = 200 + 10 * 4000 / 256 + HESSIAN + 660 * 108 / 256 + INVARIANCE_CALLS + 250
"""Everything that has no look, in calls of 256 atoms."""
FIRST, SECOND = 10768, 20048
"""Calls of the liquid to either look."""


def value(row, calls, *, look=0, looks=1, status="PASS", deviation=0.0):
    return dict(zip(FIELDS, (row, look, 1.0, 0.1, deviation, status, looks, calls), strict=True))


def fixed(**statuses):
    return [value(row, calls, status=statuses.get(row, "PASS")) for row, calls in FIXED.items()]


def random_rows(d_calls, melting, *, status="PASS", deviation=0.0):
    below, above = melting
    return [
        value("solid_rdf", 1904),
        value("rdf", FIRST),
        value("diffusion", d_calls, looks=1 if d_calls == FIRST else 2, status=status, deviation=deviation),
        value("gamma_self-1.844", FIRST),
        value("net_force", FIRST, status="INFO"),
        value("melting_below", 1800 * below, looks=below),
        value("melting_above", 1800 * above, looks=above),
    ]


def slabs(below, above):
    return 1800 * (below * 448 + above * 512) / 256


def test_a_gate_adds_up_by_hand_and_counts_what_is_shared_once():
    assert gate_calls([*fixed(), *random_rows(FIRST, (1, 1))]) == BY_HAND + 1904 + FIRST + slabs(1, 1)
    assert gate_calls([*fixed(), *random_rows(SECOND, (3, 2))]) == BY_HAND + 1904 + SECOND + slabs(3, 2)
    assert gate_calls([]) == INVARIANCE_CALLS + PROTOCOLS["ci"].stability_steps
    assert [BRACKET[row].geometry.n_atoms for row in ("melting_below", "melting_above")] == [448, 512]


def test_ways_to_look_are_told_apart():
    values = [
        value("pdos", 10),
        *(value("diffusion", calls, look=look) for look, calls in ((1, FIRST), (2, SECOND), (0, 7))),
        *(value("solid_rdf", calls, look=look) for look, calls in ((1, 1904), (0, 8))),
    ]
    picked = {look: [item["force_calls"] for item in at_look(values, look)] for look in (1, -1, 0)}
    assert picked == {1: [10, FIRST, 1904], -1: [10, SECOND, 1904], 0: [10, 7, 8]}


def power_run():
    """D off by (1 − strength): bad 0.8, borderline 0.9; two seeds, fixed rows with the first only."""
    done = {}
    for strength in (0.7, 0.8, 0.85, 0.9, 0.95, 1.1):
        for seed in (1, 2):
            status = "FAIL" if strength < 0.85 else "INCONCLUSIVE"
            rows = random_rows(SECOND, (2, 1), deviation=1 - strength, status=status)
            first = [item for item in fixed(**{"parity-liquid-4000": "FAIL"}) if item["row"] not in ("stability",)]
            done["epsilon", strength, seed] = [*first, *rows] if seed == 1 else rows
    done["epsilon", 0.97, 1] = fixed()
    done["sigma", 0.8, 1] = random_rows(FIRST, (1, 1), deviation=0.1)
    return done


def test_bad_and_borderline_models_are_chosen_by_d():
    bad, borderline = cases(power_run())
    assert (bad.name, borderline.name) == ("bad: ε × 0.8", "borderline: ε × 0.9")
    assert bad.deviation == pytest.approx(0.2)
    for gate in borderline.gates:  # rows of fixed checks count for every seed
        assert gate_calls(gate) == BY_HAND + 1904 + SECOND + slabs(2, 1)


def null_run():
    """Two seeds: one decided at the first looks, one that needs all of them."""
    seeds = {}
    for seed, (d_calls, looks) in enumerate(((FIRST, 1), (SECOND, 3)), start=1):
        values = [*fixed(), *random_rows(d_calls, (looks, looks))]
        for row, steps in (("diffusion", (FIRST, SECOND)), ("melting_below", (1800, 3600, 5400))):
            for look, calls in enumerate(steps, start=1):
                status = "INCONCLUSIVE" if look == 1 and seed == 2 else "PASS"
                deviation = (0.02 if look == 1 else 0.01) * (-1) ** seed
                values.append(value(row, calls, look=look, status=status, deviation=deviation))
        seeds[seed] = values
    return seeds


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.setattr(module, "read_null", lambda path: null_run())
    monkeypatch.setattr(module, "read_power", lambda path: power_run())
    text = cost(null=None, power=None)
    return [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        for block in text.split("\n\n")
    ]


def test_designs_of_the_gate(tables):
    lines = {line[0]: line[1:] for line in tables[0]}
    assert lines["first look alone"][:3] == ["2", "0 % (≤ 78 %)", "50 % (1.3–99 %)"]
    assert lines["last look alone"][2].startswith("0 %")
    # only melting_below has looks of its own here, melting_above has what the sequence took: 1 and 3
    full = BY_HAND + 1904 + SECOND + 1800 * (3 * 448 + 2 * 512) / 256
    assert lines["last look alone"][3] == f"{full:.0f}"
    as_it_is = BY_HAND + 1904 + (FIRST + SECOND) / 2 + slabs(2, 2)
    assert lines["looks, as it is"][3] == f"{as_it_is:.0f}"


def test_gates_of_three_models(tables):
    good, bad, borderline = tables[1][2:]
    assert good[1:5] == ["+0.0 %", "2", "50 % (1.3–99 %)", "2.00 of 3"]
    assert bad[0] == "bad: ε × 0.8"
    calls = BY_HAND + 1904 + SECOND + slabs(2, 1)
    assert bad[5] == borderline[5] == f"{calls:.0f}"
    assert bad[7] == f"1/{3 * 50_000 * (1 + 4000 / 256) / calls:.0f}"
    assert good[8] == "–"
    assert bad[8] == f"{100 + 5 * 4000 / 256:.0f}"


def test_the_decision_on_d(tables):
    lines = {line[0]: line[1:] for line in tables[2]}
    ours = lines["`ci`, looks as they are, measured"]
    assert ours[:3] == [f"{(FIRST + SECOND) / 2:.0f}", f"{SECOND}", f"{SECOND}"]
    assert ours[3:] == ["0 % (≤ 78 %)", "0 % (≤ 78 %)", "0 % (≤ 78 %)"]
    paper = next(cells for name, cells in lines.items() if name.startswith("paper, one run"))
    assert paper[:3] == [f"50000 ({50000 / 15408:.2g} ×)", "50000 (2.5 ×)", "50000 (2.5 ×)"]
    assert paper[5] == "100 %"
    assert lines["`full`, 8 runs of 12500 steps, one look"][1] == f"{8 * 12686} ({8 * 12686 / SECOND:.2g} ×)"


@pytest.mark.parametrize("deviation", [0.0, 0.05, 0.1, 0.15])
def test_outcomes_agree_with_a_simulation(deviation):
    rng, spread, runs = np.random.default_rng(3), 0.02, 8
    samples = deviation + spread * np.sqrt(runs) * rng.standard_normal((200_000, runs))
    mean, error = samples.mean(axis=1), samples.std(axis=1, ddof=1) / np.sqrt(runs)
    half = student_quantile(0.95, runs - 1) * error
    passed, failed = np.abs(mean) + half <= 0.1, np.abs(mean) - half > 0.1
    assert outcomes(deviation, spread, runs=runs) == pytest.approx((passed.mean(), failed.mean()), abs=0.004)


def test_a_bare_number_always_decides():
    passed, failed = outcomes(0.1, 0.01, runs=1)
    assert passed == pytest.approx(0.5)
    assert passed + failed == pytest.approx(1.0)


def test_without_data_there_is_no_table(tmp_path):
    with pytest.raises(SpecError, match=r"null\.jsonl holds no results; run"):
        cost(null=tmp_path / "null.jsonl", power=tmp_path / "power.jsonl")
