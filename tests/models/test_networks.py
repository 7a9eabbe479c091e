"""The package's own networks: by name, by path, and what is said when there is none."""

import importlib.util
import pickle
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from pytest_mlff.errors import SpecError
from pytest_mlff.models import networks
from pytest_mlff.models.load import load_model
from pytest_mlff.study.ablation import SHIPPED, cells


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    pytest.importorskip("torch")
    from pytest_mlff.gnn.checkpoint import Checkpoint, save_checkpoint
    from pytest_mlff.gnn.network import NetworkConfig, initialised

    config = NetworkConfig(hidden=8, layers=2, cutoff=5.0)
    weights = initialised(config, seed=3).state_dict()
    path = tmp_path / "small network.pt"
    save_checkpoint(Checkpoint(network=config, weights=weights, force_scale=0.04), path)
    return path


def refusal(spec: str) -> str:
    with pytest.raises(SpecError) as caught:
        load_model(spec)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_a_checkpoint_is_recognised_by_its_bytes(checkpoint: Path) -> None:
    model = load_model(str(checkpoint), device="cpu")
    assert model.name == "small-network"
    assert model.provides == {"forces"}
    assert model.repeatable
    assert (model.dtype, model.device) == ("float32", "cpu")
    assert callable(model.calculator.batch_forces)
    assert not hasattr(model.calculator, "openmm_force")
    assert model.fingerprint == load_model(f"gnn:{checkpoint}", device="cpu").fingerprint


def test_other_weights_are_another_model(checkpoint: Path) -> None:
    from pytest_mlff.gnn.checkpoint import Checkpoint, save_checkpoint
    from pytest_mlff.gnn.network import NetworkConfig, initialised

    before = load_model(str(checkpoint)).fingerprint
    config = NetworkConfig(hidden=8, layers=2, cutoff=5.0)
    other = Checkpoint(network=config, weights=initialised(config, seed=4).state_dict(), force_scale=0.04)
    save_checkpoint(other, checkpoint)
    assert load_model(str(checkpoint)).fingerprint != before


@pytest.mark.parametrize("size", [10, 1000, -100])
def test_a_truncated_checkpoint_is_refused(checkpoint: Path, size: int) -> None:
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[:size])
    assert "damaged, cut short" in refusal(f"gnn:{checkpoint}")
    assert "this file's kind is not known" in refusal(str(checkpoint))


def test_a_pickle_is_never_executed(checkpoint: Path, tmp_path: Path) -> None:
    import torch

    trace = tmp_path / "executed"

    class Payload:
        def __reduce__(self):
            return (Path.touch, (trace,))

    torch.save({"format": "pytest-mlff-gnn", "version": 1, "weights": Payload()}, checkpoint)
    for spec in (str(checkpoint), f"gnn:{checkpoint}"):
        assert "nothing of it was executed" in refusal(spec)
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Payload()))
    refusal(f"gnn:{tmp_path / 'plain.pt'}")
    refusal(str(tmp_path / "plain.pt"))
    assert not trace.exists()


def test_a_builtin_is_found_in_the_shipped_data(checkpoint: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "models").mkdir()
    checkpoint.rename(tmp_path / "models" / "model-x.pt")
    monkeypatch.setattr(networks, "default_directory", lambda: tmp_path)
    assert networks.builtin_names() == ["model-x"]
    assert load_model("builtin:model-x").name == "model-x"
    assert "no builtin model 'model-y'; there are model-x" in refusal("builtin:model-y")
    assert "no builtin model '../model-x'" in refusal("builtin:../model-x")


def test_the_shipped_models_load_and_stay_small() -> None:
    pytest.importorskip("torch")
    names = networks.builtin_names()
    assert names == ["model-a", "model-b", "model-b-seed-1", "model-b-wide"]
    for name in names:
        path = networks.builtin_path(name)
        assert path.stat().st_size <= 5_000_000
        model = load_model(f"builtin:{name}")
        training = model.calculator.checkpoint.training
        assert not model.calculator.checkpoint.resume
        assert {"training", "seed", "provenance", "versions", "curve"} <= set(training)
        assert len(training["provenance"]["sha256"]) == 64
        assert np.isfinite(training["curve"][-1]["loss"])


@pytest.mark.parametrize(("cell_name", "name"), SHIPPED.items())
def test_the_shipped_models_are_the_cells_that_they_are_said_to_be(cell_name: str, name: str) -> None:
    pytest.importorskip("torch")
    from pytest_mlff.gnn.recipe import load_recipe

    found = load_model(f"builtin:{name}").calculator.checkpoint
    cell = next(cell for cell in cells() if cell.name == cell_name)
    recipe = load_recipe(cell.recipe, configurations=1)
    assert (found.training["provenance"]["dataset"], found.training["seed"]) == (cell.composition, cell.seed)
    assert (found.network, found.training["training"]) == (recipe.network, asdict(recipe.training))
    assert found.training["curve"][-1]["step"] == recipe.training.steps
    assert bool(found.training.get("start")) == bool(cell.start)


def test_the_device_is_handed_on(checkpoint: Path) -> None:
    import torch

    assert load_model(str(checkpoint), device="cpu").device == "cpu"
    if torch.cuda.device_count() == 0:
        with pytest.raises(SpecError, match=r"torch sees 0 CUDA device"):
            load_model(str(checkpoint), device="cuda:0")


def test_without_torch_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setattr(networks, "find_spec", lambda name: None if name == "torch" else importlib.util.find_spec(name))
    with pytest.raises(SpecError, match=r"pip install 'pytest-mlff\[gnn\]'"):
        networks.load_checkpoint("any.pt")
