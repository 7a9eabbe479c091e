"""Checkpoints: written whole, read back exactly, and refused in one line without anything being executed."""

from __future__ import annotations

import os
import pickle
import random
import zipfile

import pytest

from pytest_mlff.errors import CacheError, SpecError

pytest.importorskip("torch")

import torch

from pytest_mlff.gnn.checkpoint import Checkpoint, build_network, load_checkpoint, save_checkpoint
from pytest_mlff.gnn.edges import Edges
from pytest_mlff.gnn.network import NetworkConfig, initialised
from pytest_mlff.gnn.recognition import FORMAT, is_checkpoint


@pytest.fixture(scope="module")
def network():
    form = {"cutoff": 5.5, "hidden": 8, "layers": 1, "radial_functions": 4, "species": (18, 36)}
    return initialised(NetworkConfig(**form, layer_norm=False, smooth_cutoff=False), seed=0)


@pytest.fixture(scope="module")
def checkpoint(network):
    training = {"seed": 3, "provenance": {"dataset": "liquid", "sha256": "ab"}, "curve": [{"step": 1, "loss": 0.5}]}
    optimizer = {
        "state": {0: {"step": torch.tensor(7.0), "exp_avg": torch.randn(3, 2)}},
        "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.999), "foreach": None, "params": [0]}],
    }
    resume = {"step": 7, "losses": [0.1, 0.2], "optimizer": optimizer}
    return Checkpoint(
        network=network.config, weights=network.state_dict(), force_scale=0.041, training=training, resume=resume
    )


def forces(network):
    with torch.no_grad():
        edges = Edges(torch.tensor([[1.0, 2.0, 2.0], [-1.0, -2.0, -2.0]]), torch.tensor([1, 0]), torch.tensor([0, 1]))
        return network(torch.tensor([0, 1]), edges)


@pytest.fixture
def good(checkpoint, tmp_path):
    path = tmp_path / "good.pt"
    save_checkpoint(checkpoint, path)
    return path


def assert_refused(path, match):
    with pytest.raises(SpecError, match=match) as caught:
        load_checkpoint(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_what_is_written_is_read_back(checkpoint, good):
    found = load_checkpoint(good)
    assert found.network == checkpoint.network
    assert same(found.weights, checkpoint.weights)
    assert found.force_scale == checkpoint.force_scale
    assert found.training == checkpoint.training
    assert {key: found.resume[key] for key in ("step", "losses")} == {"step": 7, "losses": [0.1, 0.2]}
    mine, theirs = checkpoint.resume["optimizer"], found.resume["optimizer"]
    assert mine["param_groups"] == theirs["param_groups"]
    assert all(same(mine["state"][key], theirs["state"][key]) for key in mine["state"])
    assert is_checkpoint(good)


def test_the_network_of_a_checkpoint_computes_the_same_forces(network, checkpoint, good):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    again = build_network(load_checkpoint(good))
    assert torch.equal(torch.get_rng_state(), before)
    assert not again.training
    assert torch.equal(forces(again), forces(network))


def test_other_files_are_not_checkpoints(network, tmp_path):
    text, empty, archive = tmp_path / "a.txt", tmp_path / "empty.pt", tmp_path / "a.zip"
    text.write_text(f"{FORMAT}, but only in words\n", encoding="utf-8")
    empty.touch()
    with zipfile.ZipFile(archive, "w") as stream:
        stream.writestr("words.txt", FORMAT)
    weights, module = tmp_path / "weights.pt", tmp_path / "module.pt"
    torch.save(network.state_dict(), weights)
    torch.save(network, module)
    for path, match in {
        text: "another kind of file",
        empty: "another kind of file",
        archive: "not torch's",
        weights: "not a network of pytest-mlff",
        module: "neither tensors nor plain data",
        tmp_path: "another kind of file",
        tmp_path / "none.pt": "there is no file",
    }.items():
        assert_refused(path, match)
        assert not is_checkpoint(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_checkpoint_that_was_cut_short_is_refused(good, share):
    content = good.read_bytes()
    good.write_bytes(content[: int(share * len(content))])
    assert_refused(good, "cut short")
    assert not is_checkpoint(good)


def test_a_flipped_bit_never_changes_the_network_unnoticed(checkpoint, good):
    """It is refused, or it lies in padding and the like; and telling what the file is never raises."""
    content, rng, refused = good.read_bytes(), random.Random(0), 0
    for _ in range(60):
        damaged = bytearray(content)
        damaged[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        good.write_bytes(damaged)
        is_checkpoint(good)
        try:
            found = load_checkpoint(good)
        except SpecError:
            refused += 1
        else:
            assert same(found.weights, checkpoint.weights)
            assert (found.network, found.force_scale) == (checkpoint.network, checkpoint.force_scale)
    assert refused > 25


def changed(path, **parts):
    """Write the checkpoint again with other parts; a part that is None is left out."""
    content = {**torch.load(path, weights_only=True), **parts}
    torch.save({key: part for key, part in content.items() if part is not None}, path)


def test_another_version_is_refused_and_both_are_named(good):
    changed(good, version=99)
    assert_refused(good, "version 99, this pytest-mlff reads 1")
    assert is_checkpoint(good)


@pytest.mark.parametrize("part", ["network", "weights", "force_scale", "training", "resume"])
def test_a_missing_part_is_named(good, part):
    changed(good, **{part: None})
    assert_refused(good, f"lacks a part.*{part}")


def test_missing_weights_are_named(checkpoint, good):
    weights = {key: weight for key, weight in checkpoint.weights.items() if key != "encoder.0.weight"}
    changed(good, weights=weights)
    assert_refused(good, r"lacks a part.*encoder\.0\.weight")


def test_weights_of_another_form_are_refused(checkpoint, good):
    form = torch.load(good, weights_only=True)["network"]
    changed(good, network={**form, "hidden": 16})
    assert_refused(good, "lacks a part.*size mismatch")


class Payload:
    """To unpickle it makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("where", ["weights", "training", "resume"])
def test_a_payload_is_refused_and_not_executed(good, tmp_path, where):
    executed = tmp_path / "executed"
    changed(good, **{where: {"here": Payload(executed)}})
    assert is_checkpoint(good)
    assert_refused(good, "nothing of it was executed")
    assert not executed.exists()
    torch.load(good, weights_only=False)  # the payload does work
    assert executed.exists()


def test_a_payload_in_a_plain_pickle_is_not_executed(tmp_path):
    executed, path = tmp_path / "executed", tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"format": FORMAT, "version": 1, "weights": Payload(executed)}))
    assert not is_checkpoint(path)
    assert_refused(path, "another kind of file")
    assert not executed.exists()


def test_a_checkpoint_is_replaced_whole_or_not_at_all(checkpoint, good, monkeypatch):
    before = good.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(CacheError, match="No space left"):
        save_checkpoint(checkpoint, good)
    assert good.read_bytes() == before
    assert [path.name for path in good.parent.iterdir()] == ["good.pt"]
