"""The forecast: what the checks say they will ask for is what they ask for."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from pytest_mlff.gate import forecast as module
from pytest_mlff.gate.catalogue import able, rows, run_check
from pytest_mlff.gate.forecast import Forecast, Line, forecast, planned_work
from pytest_mlff.gate.limits import check_tables
from pytest_mlff.report.summary import forecast_lines
from pytest_mlff.settings.config import validate_config
from pytest_mlff.simulation.budget import Budget
from pytest_mlff.simulation.meter import Meter

SHORT = {
    "liquid": {"replicas": 3, "looks": [580]},
    "solid": {"replicas": 3, "steps": 20},
    "melting": {"replicas": 2, "steps": 20},
    "forces": {"configurations": 2},
}


def counted(context, checks):
    """Configurations that the checks asked for, by number of atoms."""
    before = context.meter.sizes.copy()
    for check in checks:
        run_check(check, context)
    return dict(context.meter.sizes - before)


def foretold(context, checks):
    wanted = rows(context.protocol.name, context.config)
    found = {}
    for _, work in planned_work(context, wanted, checks):
        assert work.certain
        found[work.atoms] = found.get(work.atoms, 0) + work.calls
    return found


def assert_alike(actual, expected):
    assert set(actual) == set(expected)
    for atoms, calls in expected.items():
        assert actual[atoms] == pytest.approx(calls, rel=0.02, abs=6), f"{atoms} atoms"  # an engine may call once more


def test_smoke_is_foretold(context, altered):
    checks = ("forces", "energy", "solid_hessian", "phonons", "speed", "invariance", "stability", "pressure")
    here = context(altered())
    expected = foretold(here, checks)
    assert_alike(counted(here, checks), expected)


def test_a_short_ci_is_foretold(context, altered):
    checks = ("energy", "stability", "solid", "solid_pressure", "liquid", "pressure", "melting")
    here = context(
        altered(), protocol="ci", config=validate_config({"check": SHORT}, where="test", known=check_tables())
    )
    expected = foretold(here, checks)
    assert_alike(counted(here, checks), expected)


def test_what_checks_share_is_paid_once_and_later_looks_are_not_certain(context, altered):
    here = context(altered(), protocol="ci")
    work = [one for _, one in planned_work(here, rows("ci", {}), ("stability", "solid", "liquid", "xpcs"))]
    assert [(one.share, one.calls, one.certain) for one in work] == [
        ("stability", 250, True),
        ("20K-solid-256", 4 * (186 + 290), True),
        ("100K-256, look 1", 8 * (186 + 1160), True),
        ("100K-256, look 2", 8 * 1160, False),
    ]


def test_rows_that_do_not_apply_cost_nothing(context, altered):
    wanted = rows("ci", {})
    assert {row.key for row in wanted} - {row.key for row in able(wanted, {"forces"})} == {
        *("energy_forces", "stress", "nve_drift"),
        *("energy-liquid", "energy-solid", "phase_energy", "pressure-liquid", "pressure-solid"),
    }


class Paced:
    """Takes so long a call: 10 ms and 0.05 ms per atom."""

    def get_forces(self, atoms):
        time.sleep(0.01 + 5e-5 * len(atoms))
        return np.zeros((len(atoms), 3))


def test_the_pace_lies_on_a_line(context, altered):
    model = replace_calculator(altered(), Paced())
    pace = module.Pace(context(model), largest=4000, replicas=8)
    for atoms in (2, 108, 256, 512, 4000):
        assert pace.of_call(atoms) == pytest.approx(0.01 + 5e-5 * atoms, rel=0.3)
    step = pace.of_work(module.Work(share="run", calls=100, atoms=256, replicas=8))
    assert step == pytest.approx(100 * (0.01 + 5e-5 * 256), rel=0.3)


class PacedBatch(Paced):
    def batch_forces(self, positions, numbers, cell):
        time.sleep(0.02 + 0.005 * len(positions))
        return np.zeros(positions.shape)


def test_a_batch_of_replicas_has_a_pace_of_its_own(context, altered):
    pace = module.Pace(context(replace_calculator(altered(), PacedBatch())), largest=256, replicas=8)
    for replicas, calls in ((1, 100), (8, 800)):
        seconds = pace.of_work(module.Work(share="run", calls=calls, atoms=256, replicas=replicas))
        assert seconds == pytest.approx(100 * (0.02 + 0.005 * replicas), rel=0.3)


def replace_calculator(model, calculator):
    model.calculator = calculator
    return model


def test_a_short_run_is_announced_only_when_asked(context, altered):
    here = context(altered())
    wanted = [row for row in rows("smoke", {}) if row.check in ("forces", "stability")]
    assert forecast(here, wanted, always=False) is None
    found = forecast(here, wanted)
    assert found.calls(all_looks=True) == 20 + 20 + 250
    assert found.left_out == ()
    json.dumps(found.to_dict(), allow_nan=False)


def test_what_the_budget_leaves_out_is_named(context, altered):
    now = [0.0]
    here = replace(context(altered(), protocol="ci"), meter=Meter(Budget(1e-3, clock=lambda: now[0])))
    wanted = [row for row in rows("ci", {}) if row.check == "liquid"]
    assert forecast(here, wanted).left_out == ("stability", "100K-256, look 1")


def test_the_lines_say_it_all():
    common = {"check": "liquid", "certain": True, "in_budget": True}
    found = Forecast(
        model="m",
        protocol="ci",
        ms_per_call={"32": 50.0, "256": 512.34, "256 MD": 500.0},
        lines=(
            Line(what="stability", calls=250, seconds=128.0, **common),
            Line(what="look 1", calls=10000, seconds=5000.0, **common | {"in_budget": False}),
            Line(what="look 2", calls=9000, seconds=4500.0, **common | {"certain": False, "in_budget": False}),
        ),
        smoke_s=90.0,
    )
    settings = SimpleNamespace(forecast=False, budget_s=600.0)
    (line,) = forecast_lines(SimpleNamespace(forecasts=[found], settings=settings))
    assert line == (
        "mlff: m: 10250 to 19250 force calls (32 atoms 50 ms, 256 atoms 512 ms, 256 MD atoms 500 ms), about 1h25m to "
        "2h40m; smoke would take 1m30s; the budget of 10m00s leaves out: look 1"
    )
    settings.forecast = True
    *lines, last = forecast_lines(SimpleNamespace(forecasts=[found], settings=settings))
    assert last == line
    assert lines[1] == "mlff: liquid        look 1      10000 calls   1h23m, beyond the budget"
    assert lines[2].endswith("where a row is still open, beyond the budget")
