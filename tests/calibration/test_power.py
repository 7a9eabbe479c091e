"""Power: which work is done in which order, what is kept, and what the tables make of it."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from pytest_mlff.calibration import power as module
from pytest_mlff.calibration.gate import FIELDS
from pytest_mlff.calibration.power import (
    ANY,
    FINE_PERCENT,
    FIXED_CHECKS,
    FIXED_ROWS,
    PERCENT,
    RANDOM_CHECKS,
    RANDOM_ROWS,
    curves,
    detections,
    power,
    read_power,
    smallest,
    table,
)
from pytest_mlff.errors import SpecError
from pytest_mlff.gate.catalogue import TABLE


def value(row, status):
    return dict(zip(FIELDS, (row, 0, 1.0, 0.1, 0.1, status, 1, 10), strict=True))


def journal(fails, *, seeds=6):
    """Values of a whole power run in which a row FAILs where ``fails(row, defect, percent, seed)`` says so."""
    done = {}
    for seed in range(1, seeds + 1):
        for defect in PERCENT:
            grid = PERCENT[defect] if seed > 1 else sorted({*PERCENT[defect], *FINE_PERCENT[defect]})
            for percent in grid:
                rows = FIXED_ROWS if seed == 1 else ()
                rows = (*rows, *RANDOM_ROWS) if percent in PERCENT[defect] else rows
                key = (defect, round(1 + percent / 100, 6), seed)
                done[key] = [value(row, "FAIL" if fails(row, defect, percent, seed) else "PASS") for row in rows]
    return done


def cells(text, row, table_number=0):
    lines = [line for line in text.split("\n\n")[table_number].splitlines() if line.startswith(f"| {row} |")]
    found = [cell.strip() for cell in lines[0][1:-1].split("|")]
    return found[1:] if table_number else found[3:]


def by_limit(limits):
    return lambda row, defect, percent, seed: abs(percent) > limits.get(row, 1e9)


def test_rows_are_judged_rows_of_the_protocol():
    assert len({*FIXED_ROWS, *RANDOM_ROWS}) == len(FIXED_ROWS) + len(RANDOM_ROWS) == 24
    assert all("ci" in TABLE[row].verdict_in for row in (*FIXED_ROWS, *RANDOM_ROWS))


def test_every_judged_row_with_a_trajectory_is_measured():
    random = {key for key, row in TABLE.items() if row.check in RANDOM_CHECKS}
    judged = {key for key in random if "ci" in TABLE[key].verdict_in and key != "stability"}
    assert judged == set(RANDOM_ROWS)


def test_a_row_that_separates_gives_its_bracket_on_each_side():
    text = table(journal(by_limit({"diffusion": 18.0, "pdos": 0.38})), {})
    assert cells(text, "diffusion") == ["−17.5 to −20 %", "+17.5 to +20 %", "not up to −3 %", "not up to +3 %"]
    assert cells(text, "pdos")[2:] == ["−0.375 to −0.4 %", "+0.375 to +0.4 %"]
    assert cells(text, "pdos")[:2] == ["below −2.5 %", "below +2.5 %"]
    assert cells(text, "melting_below") == ["not up to −60 %", "not up to +60 %", "not up to −3 %", "not up to +3 %"]


def test_a_row_has_its_limit_and_its_null_spread():
    text = table({}, {"diffusion": [-0.1, 0.0, 0.1]})
    found = {line.split(" | ")[0][2:]: line.split(" | ")[1:3] for line in text.splitlines()}
    assert found["diffusion"] == ["±10 %", "0.10"]
    assert found["pdos"] == ["≤ 0.03", ""]


def test_a_known_threshold_is_recovered():
    """D is found with probability Φ((x − 17.5)/3), x in percent of ε: 90 % at 21.3."""
    rng = np.random.default_rng(4)

    def fails(row, defect, percent, seed):
        return row == "diffusion" and defect == "epsilon" and rng.random() < norm.cdf((abs(percent) - 17.5) / 3.0)

    done = journal(fails, seeds=200)
    found = smallest(detections(done)["diffusion", "epsilon"], -1)
    assert found.how == "fit"
    assert found.low < 17.5 + 3.0 * norm.ppf(0.9) < found.high
    assert cells(table(done, {}), "diffusion")[0] == f"−{found.strength:.3g} % ({found.low:.3g}–{found.high:.3g})"


def test_the_whole_gate_is_found_by_any_row_and_a_fixed_row_speaks_for_every_seed():
    def fails(row, defect, percent, seed):
        return (row == "pdos" and percent < -6.1) or (row == "rdf" and percent == 10.0 and seed == 2)

    found = detections(journal(fails))[ANY, "epsilon"]
    assert found[-10.0] == (6, 6)
    assert found[-6.25] == (1, 1)
    assert found[-6.0] == (0, 1)
    assert found[10.0] == (1, 6)


def test_counts_are_those_of_the_seeds():
    text = table(journal(lambda row, defect, percent, seed: row == "rdf" and defect == "sigma" and seed > 2), {})
    assert set(cells(text, "rdf", 1)) == {"0/6"}
    assert set(cells(text, "rdf", 2)) == {"4/6"}
    assert len(cells(text, "rdf", 2)) == len(PERCENT["sigma"])
    assert not any(line.startswith("| pdos") for line in text.split("\n\n")[1].splitlines())


def test_every_line_of_a_table_has_as_many_cells_as_its_head():
    for block in table(journal(by_limit({"diffusion": 18.0}), seeds=1), {}).split("\n\n"):
        assert len({line.count("|") for line in block.splitlines()}) == 1
    assert table({}, {}).count("| any row |") == 1


def test_what_a_count_is_worth():
    lines = table(journal(by_limit({}), seeds=6), {}).split("\n\n")[-1].splitlines()
    assert lines[0].startswith("| FAILs of 6 seeds | 0 | 1 |")
    bounds = lines[2].strip("| ").split(" | ")[1:]
    middle = binomtest(3, 6).proportion_ci(method="exact")
    assert bounds[3] == f"{100 * middle.low:.0f}–{100 * middle.high:.0f}"
    assert bounds[0].startswith("0–")
    assert bounds[6].endswith("–100")


def test_curves_have_the_fits_and_no_interval_where_nothing_is_random():
    done = journal(lambda row, defect, percent, seed: abs(percent) > 6.0 * seed if row == "rdf" else percent < -6.1)
    drawn = curves(done)
    assert list(drawn) == ["epsilon", "sigma"]
    rdf = drawn["epsilon"]["rdf"]
    assert [x for x, *_ in rdf.points] == sorted(PERCENT["epsilon"])
    assert (rdf.points[0][1], rdf.points[0][3]) == (1.0, 1.0)
    assert rdf.points[0][2] == pytest.approx(0.05 ** (1 / 6))
    assert [np.sign(x[-1]) for x, _ in rdf.fits] == [-1, 1]
    assert rdf.fits[0][1][-1] > 0.99
    assert all(low == high == share for _, share, low, high in drawn["epsilon"]["pdos"].points)
    assert drawn["sigma"]["pdos"].fits == []


@pytest.fixture
def gates_run(monkeypatch):
    """Fake models and runs; what was run with which checks."""
    run = []

    def one_gate(model, *, seed, protocol, only):
        assert protocol == "ci"
        run.append((model, seed, tuple(only)))
        rows = [row for row in (*FIXED_ROWS, *RANDOM_ROWS) if TABLE[row].check in ("forces", "energy", "phonons")]
        return [*(value(row, "PASS") for row in rows), value("net_force", "INFO")]

    monkeypatch.setattr(module, "load_model", lambda spec: spec)
    monkeypatch.setattr(module, "run_gate", one_gate)
    monkeypatch.setattr(module, "missing_checks", lambda values, protocol, among: [] if values else list(among))
    return run


def test_work_is_ordered_by_seed_and_not_done_twice(tmp_path, gates_run):
    output = tmp_path / "power.jsonl"
    power(seeds=1, output=output)
    first = len(gates_run)
    assert first == sum(len({*PERCENT[defect], *FINE_PERCENT[defect]}) for defect in PERCENT)
    power(seeds=3, output=output)
    assert [seed for _, seed, _ in gates_run] == sorted(seed for _, seed, _ in gates_run)
    assert len(gates_run) == first + 2 * sum(map(len, PERCENT.values()))
    assert len(set(gates_run)) == len(gates_run)
    power(seeds=3, output=output)
    assert len(gates_run) == first + 2 * sum(map(len, PERCENT.values()))


def test_fixed_checks_run_once_and_trajectories_on_the_coarse_grid_only(tmp_path, gates_run):
    power(seeds=2, output=tmp_path / "power.jsonl")
    counts = Counter((seed, only) for _, seed, only in gates_run)
    coarse = sum(map(len, PERCENT.values()))
    fine_only = sum(len({*FINE_PERCENT[defect]} - {*PERCENT[defect]}) for defect in PERCENT)
    both = (*FIXED_CHECKS, *RANDOM_CHECKS)
    assert counts == {(1, both): coarse, (1, FIXED_CHECKS): fine_only, (2, RANDOM_CHECKS): coarse}
    specs = {spec for spec, *_ in gates_run}
    assert {"pytest_mlff.mutants:scaled_epsilon(0.4)", "pytest_mlff.mutants:scaled_sigma(1.00375)"} <= specs


def test_what_finds_nothing_is_not_kept_and_a_table_runs_nothing(tmp_path, gates_run):
    output = tmp_path / "power.jsonl"
    with pytest.raises(SpecError, match="holds no results; run"):
        power(seeds=1, output=output, only_table=True)
    assert not gates_run
    assert not output.exists()
    power(seeds=1, output=output)
    done = read_power(output)
    assert {item["row"] for values in done.values() for item in values} == set(FIXED_ROWS)
    assert ("sigma", 0.99, 1) in done
    assert power(seeds=1, output=output, only_table=True) == table(done, {})


@pytest.mark.parametrize("change", [{"protocol": "full"}, {"strength": 1}, {"values": [["difusion"] * len(FIELDS)]}])
def test_another_file_is_refused(tmp_path, gates_run, change):
    output = tmp_path / "power.jsonl"
    power(seeds=1, output=output)
    line = json.loads(output.read_text().splitlines()[0])
    output.write_text(json.dumps(line | change) + "\n")
    with pytest.raises(SpecError, match="name another --output"):
        power(seeds=1, output=output)


def test_a_scaled_potential_is_run_as_a_user_would_have_it():
    """1 − R² of scaled forces is the square of the error, and only rows with a verdict are kept."""
    values = module._measure(("epsilon", 1.025, 1), FIXED_CHECKS)
    found = {item["row"]: item for item in values}
    assert set(FIXED_ROWS) <= set(found)
    assert "negative_modes" not in found
    assert found["parity-liquid-256"]["deviation"] == pytest.approx(0.025**2, rel=1e-4)
    assert found["parity-liquid-256"]["status"] == "PASS"
