"""The paper's long runs: each replica once, and how replicas are put together."""

import json

import numpy as np
import pytest

from pytest_mlff.errors import SpecError
from pytest_mlff.study import runs

LJ = "pytest_mlff.potentials:lennard_jones()"


def test_names_are_the_papers_states_and_temperatures():
    assert list(runs.RUNS) == [
        *("liquid-100K-4000", "liquid-95K-4000", "liquid-110K-4000"),
        *("slab-20K", "slab-61.36K", "slab-100K"),
    ]


@pytest.fixture
def brief(monkeypatch):
    """A slab run of two picoseconds behind the time that is left out."""
    from dataclasses import replace

    monkeypatch.setattr(runs, "PAPER_LADDER", replace(runs.PAPER_LADDER, frames=40))
    monkeypatch.setattr(runs, "LIQUID_FRAMES", 70)


def test_a_replica_is_run_once_and_a_later_call_adds_those_that_lack(tmp_path, brief):
    output, said = tmp_path / "runs.jsonl", []
    for replicas in (range(1), range(2), range(2)):
        runs.run(LJ, output, cache_dir=tmp_path, names=["slab-100K"], replicas=replicas, say=said.append)
    assert said == ["slab-100K, replica 0", "slab-100K, replica 1"]
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert [(line["model"], line["run"], line["replica"]) for line in lines] == [(LJ, "slab-100K", n) for n in (0, 1)]
    values = lines[0]["values"]
    assert len(values["solid_fraction"]) == values["frames"] == 40
    assert values["commit"] == runs.commit()
    assert values["drift"] < 0  # at 100 K the slab melts
    assert values["drift"] != lines[1]["values"]["drift"]


def test_a_liquid_replica_has_all_observables(tmp_path, brief):
    output = tmp_path / "runs.jsonl"
    runs.run(LJ, output, cache_dir=tmp_path, names=["liquid-100K-4000"], replicas=range(1), say=lambda line: None)
    (values,) = runs.journal(output).read().values()
    assert set(runs.OBSERVABLES) < set(values)
    assert values["frames"] == 70
    assert values["temperature"] == pytest.approx(100, abs=2)
    assert values["long_diffusion"] == pytest.approx(0.359, rel=0.1)  # Å²/ps: the reference, 4000 atoms
    assert values["xsvs_time"] == pytest.approx(2.07, rel=0.1)
    assert len(values["gamma_self"]) == len(values["mean_q"]) == 5
    slope = np.polyfit(values["msd_lag"][20:], values["msd"][20:], 1)[0] / 6
    assert slope == pytest.approx(values["long_diffusion"], rel=0.02)


def test_a_wrong_run_and_a_replica_without_a_start_are_refused_before_a_model_is_loaded(tmp_path):
    with pytest.raises(SpecError, match="no run 'slab'; there are liquid-100K-4000"):
        runs.run("nothing:here", tmp_path / "runs.jsonl", cache_dir=tmp_path, names=["slab"])
    with pytest.raises(SpecError, match="replica 24 of slab-20K: the reference has starts 0 to 23"):
        runs.run("nothing:here", tmp_path / "r.jsonl", cache_dir=tmp_path, names=["slab-20K"], replicas=range(25))


def _results(drifts, diffusion=(0.35, 0.37)):
    found = {
        (LJ, f"slab-{kelvin:g}K", slab): {"drift": drift}
        for kelvin, row in zip((20.0, 61.36, 100.0), drifts, strict=True)
        for slab, drift in enumerate(row)
    }
    for replica, d in enumerate(diffusion):
        found[LJ, "liquid-95K-4000", replica] = {"long_diffusion": d, "direct_xsvs_time": 2.2}
    return found


def test_replicas_join_to_a_mean_with_its_error():
    found = runs.records(_results([[0.02] * 3, [0.0, 0.001, -0.001], [-0.03] * 3]), LJ)
    assert set(found) == {"melting_point-paper", "diffusion-95K-4000", "xsvs_time-95K-4000"}
    assert found["diffusion-95K-4000"] == {"candidate": pytest.approx(0.36), "candidate_stderr": pytest.approx(0.01)}
    assert found["melting_point-paper"]["candidate"] == pytest.approx(61.36, abs=0.5)
    assert found["melting_point-paper"]["candidate_stderr"] > 0


def test_what_has_too_few_replicas_is_no_number():
    assert runs.records(_results([[0.02] * 3, [0.0] * 2, [-0.03] * 3], diffusion=[0.35]), LJ) == {}
    assert runs.records(_results([[0.02] * 3, [0.0] * 3, [-0.03] * 3]), "another") == {}


def test_a_slab_enters_the_melting_point_where_it_was_run_at_every_temperature():
    uneven = _results([[0.02] * 3, [0.001] * 3 + [-5.0], [-0.03] * 3])
    assert runs.melting_point(uneven, LJ) == runs.melting_point(_results([[0.02] * 3, [0.001] * 3, [-0.03] * 3]), LJ)


def test_the_command_runs_the_replicas_that_are_asked_for(tmp_path, brief, capsys):
    from pytest_mlff.cli import main

    output = tmp_path / "runs.jsonl"
    where = ["--output", str(output), "--cache-dir", str(tmp_path / "cache")]
    assert main(["study", "runs", "--model", LJ, "--only", "slab-20K", "--first", "3", "--replicas", "1", *where]) == 0
    assert "slab-20K, replica 3" in capsys.readouterr().err
    assert list(runs.journal(output).read()) == [(LJ, "slab-20K", 3)]
    assert main(["study", "runs", "--model", LJ, "--only", "slab", *where]) == 2
    assert "no run 'slab'" in capsys.readouterr().err
