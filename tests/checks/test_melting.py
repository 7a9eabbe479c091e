"""The melting rows' words; their physics is tested where slabs are run."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from pytest_mlff.checks import melting
from pytest_mlff.gate.catalogue import rows
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.simulation.slabs import PAPER_LADDER
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")

ROW = {row.key: row for row in rows("full", {})}["melting_point-paper"]


@pytest.fixture
def ladder(context, monkeypatch):
    """``make(drifts) -> Record``: the row as if slabs had drifted so, by rung."""

    def make(drifts):
        spread = 1e-3 * np.arange(-2, 3)
        made = [
            xr.Dataset({"drift": ((), drift), "drift_replica": (("replica",), drift + spread), "x": ((), 0.0)})
            for drift in drifts
        ]
        monkeypatch.setattr("pytest_mlff.reference.melting.ladder_drifts", lambda *args, **named: made)
        return melting._finding(context(ReferenceModel(ARGON), protocol="full"), ROW, PAPER_LADDER.frames)

    return make


def test_the_melting_point_is_where_the_drift_vanishes(ladder):
    found = ladder([0.03, 0.0, -0.03])
    assert found.candidate.value == pytest.approx(61.36, abs=1.0)
    assert "drifts by" not in found.note


def test_a_solid_that_grows_at_every_temperature_is_said_to(ladder):
    found = ladder([0.03, 0.02, 0.005])
    assert np.isnan(found.candidate.value)
    assert "drifts by +0.03 at 20 K, +0.02 at 61.36 K, +0.005 at 100 K (1/ps)" in found.note
