"""The liquid end to end: the native reference against the shipped one passes, a wrong well does not."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from pytest_mlff.apparatus.survival import failure
from pytest_mlff.checks import liquid, solid, xpcs
from pytest_mlff.gate.assembly import build_context
from pytest_mlff.gate.catalogue import rows
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.reference.observables import measure
from pytest_mlff.schema import trajectory_dataset
from pytest_mlff.settings import Settings
from pytest_mlff.simulation.budget import Budget
from pytest_mlff.simulation.meter import Meter
from pytest_mlff.synthetic import brownian_walkers
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")

CI = {row.key: row for row in rows("ci", {})}
LIQUID = [row for row in CI.values() if row.check == "liquid"]


@pytest.fixture(scope="module")
def first_look(tmp_path_factory):
    """The reference as candidate of ``ci``, with the first look alone."""
    config = {"liquid": {"looks": (1160,)}}
    folder = tmp_path_factory.mktemp("cache")
    return build_context(Settings(protocol="ci", seed=3, cache_dir=folder, config=config), ReferenceModel(ARGON))


def test_the_reference_reproduces_its_structure_and_diffusion(first_look):
    records = liquid.run(first_look, LIQUID)
    assert set(records) == {"rdf", "structure_factor", "diffusion", "net_force"}
    assert [records[key].status for key in ("rdf", "structure_factor", "net_force")] == ["PASS", "PASS", "INFO"]
    assert records["diffusion"].status in ("PASS", "INCONCLUSIVE")
    d = records["diffusion"]
    # a run of an eighth of the length gives the number of the long one: within error, not only within 10 %
    assert abs(d.candidate - d.reference) < 4.0 * np.hypot(d.candidate_stderr, d.reference_stderr)
    assert d.candidate_stderr < 0.05 * d.candidate
    assert len(d.replicas) == 8
    assert np.mean(d.replicas) == pytest.approx(d.candidate)
    assert (d.row, d.check, d.state) == ("diffusion", "liquid", "100K-256")
    assert records["rdf"].replicas == ()
    assert records["net_force"].candidate == 0.0
    assert records["rdf"].force_calls == 8 * (186 + 1160)
    json.dumps([record.to_dict() for record in records.values()], allow_nan=False)


def test_the_reference_reproduces_its_relaxation(first_look):
    records = xpcs.run(first_look, [row for row in CI.values() if row.check == "xpcs"])
    assert len(records) == 17
    for key, record in records.items():
        error = np.hypot(record.candidate_stderr, record.reference_stderr)
        assert abs(record.candidate - record.reference) < 5.0 * error, key
        assert record.status in ("PASS", "INFO", "INCONCLUSIVE"), key
        assert record.looks == 1
    for q in ("0.461", "0.922", "1.304", "1.595", "1.844"):
        assert records[f"gamma_self-{q}"].status == "PASS"
        assert len(records[f"gamma_self-{q}"].replicas) == 8
        assert "wave vectors, mean |q|" in records[f"gamma_self-{q}"].reason


def test_a_wrong_well_is_seen_in_the_structure_of_the_crystal(context):
    """With six tenths of the well depth the cage is softer: the shells of g(r) widen."""
    soft = ReferenceModel(replace(ARGON, reference="pytest_mlff.potentials:lennard_jones(epsilon=0.0062)"))
    good = solid.run(context(ReferenceModel(ARGON), protocol="ci"), [CI["solid_rdf"]])["solid_rdf"]
    bad = solid.run(context(soft, protocol="ci"), [CI["solid_rdf"]])["solid_rdf"]
    assert (good.status, bad.status) == ("PASS", "FAIL")
    assert bad.interval[0] > 0.05 > good.interval[1]


def test_a_spent_budget_is_no_error(context):
    where = context(ReferenceModel(ARGON), protocol="ci")
    now = [0.0]
    where = replace(where, meter=Meter(Budget(10.0, clock=lambda: now[0])))
    assert failure(where) == ""
    now[0] = 11.0
    for record in liquid.run(where, LIQUID).values():
        assert record.status == ("INFO" if record.row == "net_force" else "INCONCLUSIVE")
        assert "before step 1 at 100K-256" in record.reason


def test_a_contrast_that_never_halves_is_said_to_be_a_bound(context):
    still = brownian_walkers(
        n_replicas=4,
        n_frames=60,
        n_atoms=30,
        cell=23.7 * np.eye(3),
        diffusivity=1e-4,
        frame_interval=0.1078,
        rng=np.random.default_rng(0),
    )
    trajectory = still.assign_attrs(force_calls=0)
    found = xpcs._compare(context(ReferenceModel(ARGON)), CI["xsvs_time"], measure("xsvs_time", trajectory), 0)
    assert found.note.startswith("a lower bound: the contrast stays above half")
    assert found.candidate.stderr == 0.0


def test_net_force_is_the_rms_over_frames_of_the_force_on_an_atom(context):
    trajectory = trajectory_dataset(np.zeros((2, 3, 10, 3)), 20.0 * np.eye(3), 0.1, force_calls=60)
    trajectory["net_force"] = (("replica", "frame"), np.array([[3.0, 4.0, 0.0], [1.0, 2.0, 2.0]]))
    found = liquid._finding(context(ReferenceModel(ARGON), protocol="ci"), CI["net_force"], trajectory)
    each = np.sqrt([25 / 3, 9 / 3]) / 10
    assert found.candidate.value == pytest.approx(each.mean())
    assert found.candidate.stderr == pytest.approx(each.std(ddof=1) / np.sqrt(2))
    assert found.force_calls == 60
