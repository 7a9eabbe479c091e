"""Training: it learns, it goes on after a kill with the same bits, and it says what it was trained on."""

from __future__ import annotations

import itertools
import os
import pickle
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import pytest_mlff
from pytest_mlff.errors import SpecError
from pytest_mlff.gnn.dataset import Configuration
from pytest_mlff.potentials import ARGON_EPSILON, ARGON_SIGMA

pytest.importorskip("torch")

import torch

from pytest_mlff.gnn.checkpoint import build_network, load_checkpoint
from pytest_mlff.gnn.edges import Edges
from pytest_mlff.gnn.graph import EdgeFinder
from pytest_mlff.gnn.network import NetworkConfig, initialised, weights_at_cutoff
from pytest_mlff.gnn.training import TrainingConfig, _turn, train
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")

NETWORK = NetworkConfig(cutoff=5.5, hidden=16, layers=2, radial_functions=8)
SHORT = TrainingConfig(steps=25, learning_rate=3e-3, final_learning_rate=1e-3, validation_steps=6)
PROVENANCE = {"dataset": "pairs", "sha256": "0123"}


@pytest.fixture(autouse=True)
def _one_thread():
    """Sums in one order, so that bits can be compared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pairs(n_configurations, *, per_edge, seed, phase="liquid"):
    """Pairs of atoms 3.4 to 3.6 Å apart in all directions, far from one another; LJ between the two of a pair."""
    rng, found, spacing = np.random.default_rng(seed), [], 12.0
    grid = spacing * np.array(list(itertools.product(range(per_edge), repeat=3)), dtype=float)
    for _ in range(n_configurations):
        first = grid + rng.random(3)
        direction = rng.standard_normal(first.shape)
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        distance = rng.uniform(3.4, 3.6, size=(len(first), 1))
        power = (ARGON_SIGMA / distance) ** 6
        force = 24.0 * ARGON_EPSILON / distance * (2.0 * power**2 - power) * direction
        edge = spacing * per_edge
        position = np.concatenate([first, first + distance * direction]).astype(np.float32) % np.float32(edge)
        both = np.concatenate([-force, force]).astype(np.float32)
        found.append(Configuration(position, both, np.full(3, edge), phase))
    return found


@pytest.fixture(scope="module")
def splits():
    held_out = pairs(2, per_edge=2, seed=1) + pairs(1, per_edge=2, seed=2, phase="solid")
    return {"train": pairs(4, per_edge=2, seed=0), "validation": held_out}


@pytest.fixture(scope="module")
def uninterrupted(splits, tmp_path_factory):
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("whole") / "model.pt"
    return train(NETWORK, SHORT, splits, path, provenance=PROVENANCE, seed=5)


def go_on(splits, path, **changes):
    given = {"network": NETWORK, "config": SHORT, "provenance": PROVENANCE, "seed": 5, **changes}
    return train(given.pop("network"), given.pop("config"), splits, path, **given)


def assert_same_bits(one, other):
    assert one.weights.keys() == other.weights.keys()
    assert all(torch.equal(one.weights[key], other.weights[key]) for key in one.weights)
    assert one.training["curve"] == other.training["curve"]
    assert one.force_scale == other.force_scale


def one_minus_r2(checkpoint, configurations):
    """Written out again, from the checkpoint's weights and scale."""
    network, residual, total = build_network(checkpoint), 0.0, 0.0
    for item in configurations:
        edges = EdgeFinder(cutoff=NETWORK.cutoff)(item.position, np.diag(item.box), (True,) * 3)
        with torch.no_grad():
            single = Edges(edges.vector.float(), edges.sender, edges.receiver)
            predicted = network(torch.zeros(len(item.force), dtype=torch.int64), single).numpy()
        residual += ((checkpoint.force_scale * predicted - item.force) ** 2).sum()
        total += (item.force**2).sum()
    return residual / total


def test_a_network_learns_the_force_between_two_atoms(tmp_path):
    """1 − R² is 1 at the start, and stays there when forces are not turned along with the positions."""
    splits = {"train": pairs(12, per_edge=3, seed=0), "validation": pairs(2, per_edge=3, seed=1)}
    rates = {"learning_rate": 2e-3, "final_learning_rate": 7e-4}
    config = TrainingConfig(steps=400, **rates, augmentation="rotation", validation_steps=100)
    network = replace(NETWORK, hidden=64, radial_functions=12)  # 16 wide, it may stay on a plateau
    found = train(network, config, splits, tmp_path / "model.pt", provenance=PROVENANCE, seed=5)
    untrained = replace(found, weights=initialised(network, seed=5).state_dict())
    assert one_minus_r2(untrained, splits["validation"]) > 0.5
    errors = [point["validation_liquid"] for point in found.training["curve"]]
    losses = [point["loss"] for point in found.training["curve"]]
    assert errors[-1] < 0.1  # 0.01 to 0.02 for five other courses of the augmentation
    assert losses[-1] < 0.5 * losses[0]


def test_the_first_loss_is_that_of_the_formula(splits, tmp_path):
    """L1 + λ |mean force| of the fresh network, in units of the training forces' rms."""
    config = replace(SHORT, steps=1, augmentation="none", momentum_weight=3.0)
    one = {**splits, "train": splits["train"][:1]}
    found = go_on(one, tmp_path / "model.pt", config=config)
    (item,) = one["train"]
    edges = EdgeFinder(cutoff=NETWORK.cutoff)(item.position, np.diag(item.box), (True,) * 3)
    with torch.no_grad():
        single = Edges(edges.vector.float(), edges.sender, edges.receiver)
        predicted = initialised(NETWORK, seed=5)(torch.zeros(len(item.force), dtype=torch.int64), single).numpy()
    scale = np.sqrt((item.force.astype(float) ** 2).mean())
    expected = np.abs(predicted - item.force / scale).mean() + 3.0 * np.linalg.norm(predicted.mean(axis=0))
    assert found.force_scale == pytest.approx(scale, rel=1e-6)
    assert found.training["curve"][0]["loss"] == pytest.approx(expected, rel=1e-5)


class Interrupted(Exception):
    """What a test raises in the middle of a training."""


@pytest.mark.parametrize(("step", "checkpoint_seconds"), [(6, 0.0), (18, 0.02), (12, float("inf"))])
def test_an_interrupted_training_ends_with_the_same_bits(splits, uninterrupted, tmp_path, step, checkpoint_seconds):
    """With a checkpoint after every step, now and then, and never: then it begins again."""
    path = tmp_path / "model.pt"

    def stop(progress):
        if progress.step == step:
            raise Interrupted

    with pytest.raises(Interrupted):
        go_on(splits, path, checkpoint_seconds=checkpoint_seconds, report=stop)
    resumed = load_checkpoint(path).resume["step"] if path.exists() else 0
    assert {0.0: resumed == step - 1, 0.02: resumed < step}.get(checkpoint_seconds, resumed == 0)
    seen = []
    found = go_on(splits, path, report=lambda progress: seen.append(progress.step))
    assert seen == [n for n in (6, 12, 18, 24, 25) if n > resumed]
    assert found.resume == {}
    assert_same_bits(found, uninterrupted)


def test_on_two_threads_an_interrupted_training_ends_with_the_same_loss(splits, tmp_path):
    """Within the noise of sums whose order threads decide."""
    torch.set_num_threads(2)
    path, ends = tmp_path / "model.pt", []

    def stop(progress):
        if progress.step == 12:
            raise Interrupted

    with pytest.raises(Interrupted):
        go_on(splits, path, checkpoint_seconds=0.0, report=stop)
    for output in (path, tmp_path / "whole.pt"):
        ends.append(go_on(splits, output).training["curve"][-1])
    assert ends[0]["step"] == ends[1]["step"] == SHORT.steps
    assert ends[0] == pytest.approx(ends[1], rel=1e-3)


CHILD = """
import pickle, sys, time
from pathlib import Path
import torch
from pytest_mlff.gnn.training import train

torch.set_num_threads(1)
network, config, splits, path, provenance = pickle.loads(Path(sys.argv[1]).read_bytes())

def report(progress):
    print(progress.step, flush=True)
    while progress.step == config.steps:  # the kill may come at any step, but not after the last
        time.sleep(0.1)

train(network, config, splits, path, provenance=provenance, seed=5, checkpoint_seconds=0.0, report=report)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_training_ends_with_the_same_bits(splits, uninterrupted, tmp_path):
    path, parcel = tmp_path / "model.pt", tmp_path / "parcel"
    parcel.write_bytes(pickle.dumps((NETWORK, SHORT, splits, path, PROVENANCE)))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, "-c", CHILD, str(parcel)], stdout=subprocess.PIPE, env=environment) as child:
        assert child.stdout.readline().split() == [b"6"]
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    assert 0 < load_checkpoint(path).resume["step"] <= SHORT.steps
    assert_same_bits(go_on(splits, path), uninterrupted)


def test_a_finished_training_is_returned_without_training(splits, uninterrupted, tmp_path):
    path = tmp_path / "model.pt"
    go_on(splits, path)
    before, seen = path.read_bytes(), []
    assert_same_bits(go_on(splits, path, report=seen.append), uninterrupted)
    assert seen == []
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"seed": 6}, "seed"),
        ({"config": replace(SHORT, steps=40)}, "training"),
        ({"provenance": {**PROVENANCE, "sha256": "4567"}}, "provenance"),
        ({"network": replace(NETWORK, smooth_cutoff=False)}, "network"),
        ({"network": replace(NETWORK, layers=1), "seed": 6}, "seed, network"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_another_training_is_not_gone_on_with(splits, tmp_path, finished, changes, names):
    path = tmp_path / "model.pt"

    def stop(progress):
        if not finished:
            raise Interrupted

    config = replace(SHORT, steps=3, validation_steps=2)
    changes = {key: replace(value, validation_steps=2) if key == "config" else value for key, value in changes.items()}
    try:
        go_on(splits, path, config=config, checkpoint_seconds=0.0, report=stop)
    except Interrupted:
        pass
    before = path.read_bytes()
    with pytest.raises(SpecError, match=rf"differs in: {names}\)"):
        go_on(splits, path, **{"config": config, **changes})
    assert path.read_bytes() == before


def test_training_on_begins_with_the_weights_of_its_start(splits, uninterrupted, tmp_path):
    start, path = tmp_path / "start.pt", tmp_path / "model.pt"
    go_on(splits, start)
    still = replace(SHORT, steps=1, learning_rate=1e-30, final_learning_rate=1e-30)
    found = go_on(splits, path, config=still, start=start)
    assert all(torch.equal(found.weights[key], uninterrupted.weights[key]) for key in found.weights)
    assert found.force_scale == uninterrupted.force_scale
    assert found.training["start"] == uninterrupted.training | {"elapsed_s": found.training["start"]["elapsed_s"]}
    moved = go_on(splits, tmp_path / "moved.pt", start=start)
    assert not all(torch.equal(moved.weights[key], found.weights[key]) for key in found.weights)
    with pytest.raises(SpecError, match=r"differs in: start\)"):
        go_on(splits, path, config=still)


def test_training_on_may_change_the_cutoff(splits, tmp_path):
    start, path = tmp_path / "start.pt", tmp_path / "model.pt"
    first = go_on(splits, start)
    still = replace(SHORT, steps=1, learning_rate=1e-30, final_learning_rate=1e-30)
    wider = replace(NETWORK, cutoff=NETWORK.cutoff + 0.25)
    found = go_on(splits, path, config=still, network=wider, start=start)
    assert found.network == wider
    expected = weights_at_cutoff(first.weights, NETWORK, wider)
    assert all(torch.equal(found.weights[key], expected[key]) for key in expected)


def test_only_a_finished_network_of_the_same_form_is_trained_on(splits, tmp_path):
    start, path = tmp_path / "start.pt", tmp_path / "model.pt"

    def stop(progress):
        raise Interrupted

    with pytest.raises(Interrupted):
        go_on(splits, start, checkpoint_seconds=0.0, report=stop)
    with pytest.raises(SpecError, match="is still in training"):
        go_on(splits, path, start=start)
    go_on(splits, start)
    with pytest.raises(SpecError, match="a network of another form"):
        go_on(splits, path, network=replace(NETWORK, layers=1), start=start)
    assert not path.exists()


def test_a_file_that_is_no_checkpoint_is_not_written_over(splits, tmp_path):
    path = tmp_path / "thesis.tex"
    path.write_text("years of work", encoding="utf-8")
    with pytest.raises(SpecError, match="another kind of file"):
        go_on(splits, path)
    assert path.read_text(encoding="utf-8") == "years of work"


def test_the_checkpoint_says_how_it_was_trained(splits, uninterrupted):
    record = uninterrupted.training
    assert record["training"]["steps"] == 25
    assert record["training"]["schedule"] == "cosine"
    assert (record["seed"], record["provenance"]) == (5, PROVENANCE)
    assert record["versions"] == {"pytest-mlff": pytest_mlff.__version__, "torch": torch.__version__}
    assert record["elapsed_s"] > 0.0
    curve = record["curve"]
    assert [point["step"] for point in curve] == [6, 12, 18, 24, 25]
    assert all(point.keys() == {"step", "loss", "validation_liquid", "validation_solid"} for point in curve)
    for phase in ("liquid", "solid"):
        held_out = [item for item in splits["validation"] if item.phase == phase]
        expected = one_minus_r2(uninterrupted, held_out)
        assert curve[-1][f"validation_{phase}"] == pytest.approx(expected, rel=1e-4)


def test_progress_says_what_is_left(splits, tmp_path):
    seen = []
    go_on(splits, tmp_path / "model.pt", report=seen.append)
    assert [(item.step, item.steps) for item in seen] == [(n, 25) for n in (6, 12, 18, 24, 25)]
    assert seen[0].left == pytest.approx(seen[0].elapsed * 19 / 6)
    assert seen[-1].left == 0.0


@pytest.mark.parametrize("name", ["train", "validation"])
@pytest.mark.parametrize("absent", [True, False])
def test_an_empty_split_is_refused(splits, tmp_path, name, absent):
    given = {key: items for key, items in splits.items() if key != name}
    with pytest.raises(SpecError, match=f"no {name} configurations"):
        go_on(given if absent else {**given, name: []}, tmp_path / "model.pt")
    assert not (tmp_path / "model.pt").exists()


def test_a_training_that_diverges_says_so_and_keeps_its_checkpoint(splits, tmp_path):
    path = tmp_path / "model.pt"
    wild = replace(SHORT, learning_rate=1e20, validation_steps=1)
    with pytest.raises(SpecError, match=r"diverged: the loss of step \d+ is (nan|inf); lower learning_rate \(1e\+20\)"):
        go_on(splits, path, config=wild, checkpoint_seconds=0.0)
    assert load_checkpoint(path).resume["step"] >= 1


def test_the_species_that_is_trained_is_that_of_the_data(splits, tmp_path):
    two = replace(NETWORK, species=(10, 18))
    fresh = initialised(two, seed=5).state_dict()["embedding.weight"]
    found = go_on(splits, tmp_path / "model.pt", network=two, config=replace(SHORT, steps=3))
    moved = (found.weights["embedding.weight"] != fresh).any(dim=1)
    assert moved.tolist() == [False, True]
    with pytest.raises(SpecError, match=r"atomic number 36; the network's species are \(10, 18\)"):
        go_on(splits, tmp_path / "other.pt", network=two, species=36)


@pytest.mark.parametrize("schedule", ["cosine", "exponential"])
def test_the_rate_falls_from_the_first_to_the_final_one(schedule):
    config = TrainingConfig(steps=101, learning_rate=1e-3, final_learning_rate=1e-5, schedule=schedule)
    rates = [config.rate(step) for step in range(101)]
    assert rates[0] == pytest.approx(1e-3)
    assert rates[-1] == pytest.approx(1e-5)
    assert np.all(np.diff(rates) < 0.0)
    middle = {"cosine": (1e-3 + 1e-5) / 2, "exponential": 1e-4}[schedule]
    assert rates[50] == pytest.approx(middle)
    assert replace(config, steps=1).rate(0) == pytest.approx(1e-3)


@pytest.mark.parametrize("name", ["steps", "learning_rate", "final_learning_rate", "validation_steps"])
def test_a_training_that_cannot_be_is_refused(name):
    with pytest.raises(SpecError, match=f"{name} = 0"):
        TrainingConfig(**{name: 0})


def draws(augmentation, number):
    return np.array([_turn(augmentation, np.random.default_rng(seed)) for seed in range(number)], dtype=float)


@pytest.mark.parametrize(("augmentation", "reflections"), [("none", 0.0), ("cubic", 0.5), ("rotation", 0.5)])
def test_every_augmentation_is_orthogonal_and_reflects(augmentation, reflections):
    turns = draws(augmentation, 400)
    np.testing.assert_allclose(turns @ turns.transpose(0, 2, 1), np.broadcast_to(np.eye(3), turns.shape), atol=1e-6)
    assert (np.linalg.det(turns) < 0.0).mean() == pytest.approx(reflections, abs=0.1)


def test_the_cubic_augmentation_draws_all_48_elements_of_the_group():
    found, counts = np.unique(draws("cubic", 2000).reshape(-1, 9), axis=0, return_counts=True)
    assert len(found) == 48
    assert np.abs(counts - 2000 / 48).max() < 5.0 * np.sqrt(2000 / 48)
    assert (draws("none", 3) == np.eye(3)).all()


def test_the_rotations_are_spread_evenly():
    """Every other one is of the cubic group; of the others each column is a uniform direction: ⟨z⁴⟩ = 1/5."""
    turns = draws("rotation", 2000)
    general = turns[~np.isin(np.abs(turns), [0.0, 1.0]).all(axis=(1, 2))]
    assert 900 < len(general) < 1100
    # the variance of z⁴ of a uniform direction is 1/9 − 1/25
    error = np.sqrt((1 / 9 - 1 / 25) / len(general))
    assert np.abs((general**4).mean(axis=0) - 0.2).max() < 4.5 * error
    assert np.abs(general.mean(axis=0)).max() < 4.5 / np.sqrt(3 * len(general))
