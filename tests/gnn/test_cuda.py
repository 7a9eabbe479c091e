"""The network on a CUDA device: the edges, the forces and the training are those of the CPU.

Everything here is skipped where torch sees no device.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pytest_mlff.gnn.calculator import GnnCalculator  # noqa: E402
from pytest_mlff.gnn.checkpoint import Checkpoint, load_checkpoint  # noqa: E402
from pytest_mlff.gnn.dataset import Configuration  # noqa: E402
from pytest_mlff.gnn.graph import EdgeFinder  # noqa: E402
from pytest_mlff.gnn.network import NetworkConfig, initialised  # noqa: E402
from pytest_mlff.gnn.training import TrainingConfig, train  # noqa: E402
from pytest_mlff.models.networks import builtin_path  # noqa: E402

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")

EDGE = 14.0
ALL = (True, True, True)
FORM = NetworkConfig(hidden=16, layers=3, cutoff=5.0)


def checkpoint(**form) -> Checkpoint:
    config = replace(FORM, **form)
    return Checkpoint(network=config, weights=initialised(config, seed=1).state_dict(), force_scale=0.04)


@pytest.mark.parametrize(("edge", "skin"), [(14.0, 0.0), (14.0, 1.0), (7.0, 1.0)])
def test_edges_are_those_of_the_cpu_in_the_same_order(gas, edge, skin):
    """While a list is used again and when it is made anew; at 7 Å an atom sees several images of another."""
    here, there = (EdgeFinder(cutoff=5.0, skin=skin, device=device) for device in ("cpu", "cuda"))
    position, rng = gas(12, edge), np.random.default_rng(0)
    for _ in range(8):
        position = position + rng.uniform(-0.15, 0.15, size=position.shape)
        expected, found = (find(position, edge * np.eye(3), ALL) for find in (here, there))
        assert found.vector.device.type == "cuda"
        assert torch.equal(found.sender.cpu(), expected.sender)
        assert torch.equal(found.receiver.cpu(), expected.receiver)
        np.testing.assert_allclose(found.vector.cpu(), expected.vector, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("cell", "pbc"),
    [
        (np.array([[7.0, 0.0, 0.0], [2.0, 8.0, 0.0], [-1.5, 1.0, 9.0]]), ALL),
        (np.zeros((3, 3)), (False, False, False)),
        (9.0 * np.eye(3), (True, True, False)),
    ],
)
def test_any_cell_is_searched(gas, cell, pbc):
    position = gas(12, 7.0)
    expected, found = (EdgeFinder(cutoff=4.0, device=device)(position, cell, pbc) for device in ("cpu", "cuda"))
    assert len(expected.sender) > 0
    assert torch.equal(found.sender.cpu(), expected.sender)
    np.testing.assert_allclose(found.vector.cpu(), expected.vector, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-5), ("float64", 1e-12)])
@pytest.mark.parametrize("plain", [True, False])
def test_forces_are_those_of_the_cpu(gas, dtype, tolerance, plain):
    point = checkpoint(layer_norm=not plain, smooth_cutoff=not plain)
    stack, numbers, cell = np.stack([gas(40, EDGE, seed=seed) for seed in range(3)]), np.full(40, 18), EDGE * np.eye(3)
    here, there = (GnnCalculator(point, device=device, dtype=dtype) for device in ("cpu", "cuda"))
    expected, found = (calculator.batch_forces(stack, numbers, cell) for calculator in (here, there))
    assert {there.network.centres.device.type, there._edges._near.sender.device.type} == {"cuda"}
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()
    there._evaluate.block = 100
    assert np.abs(there.batch_forces(stack, numbers, cell) - expected).max() <= tolerance * np.abs(expected).max()


def test_a_new_calculator_goes_on_with_the_same_bits(gas):
    """As a continued run has one, whose list of neighbours is new."""
    position, numbers, cell = gas(40, EDGE)[np.newaxis], np.full(40, 18), EDGE * np.eye(3)
    old, rng = GnnCalculator(checkpoint(), device="cuda"), np.random.default_rng(0)
    for _ in range(4):
        position = position + rng.uniform(-0.1, 0.1, size=position.shape)
        forces = old.batch_forces(position, numbers, cell)
        np.testing.assert_array_equal(
            GnnCalculator(checkpoint(), device="cuda").batch_forces(position, numbers, cell), forces
        )


def test_model_b_has_the_forces_of_the_cpu(gas):
    """In float32, whose sums go in another order there."""
    stack, numbers, cell = gas(40, EDGE)[np.newaxis], np.full(40, 18), EDGE * np.eye(3)
    expected, found = (
        GnnCalculator(builtin_path("model-b"), device=device).batch_forces(stack, numbers, cell)
        for device in ("cpu", "cuda")
    )
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


def devices(content) -> set[str]:
    """Where the tensors of a file lie."""
    if isinstance(content, torch.Tensor):
        return {content.device.type}
    parts = content.values() if isinstance(content, dict) else content if isinstance(content, list | tuple) else ()
    return set().union(*(devices(part) for part in parts))


class Interrupted(Exception):
    """What a test raises in the middle of a training."""


def test_a_training_may_change_the_device(gas, tmp_path):
    """Begun on one and ended on the other, it has the loss of one that stayed; the file names no device."""
    rng = np.random.default_rng(0)
    items = [
        Configuration(
            gas(40, EDGE, seed=seed).astype(np.float32),
            0.04 * rng.standard_normal((40, 3)).astype(np.float32),
            np.full(3, EDGE),
            "liquid",
        )
        for seed in range(4)
    ]
    splits = {"train": items[:3], "validation": items[3:]}
    config = TrainingConfig(steps=20, learning_rate=1e-3, final_learning_rate=1e-4, validation_steps=5)
    given = {"provenance": {"dataset": "gas", "sha256": "0"}, "seed": 3}

    def stop(progress):
        raise Interrupted

    ends = []
    for first, then in [("cpu", "cpu"), ("cuda", "cuda"), ("cpu", "cuda"), ("cuda", "cpu")]:
        path = tmp_path / f"{len(ends)}.pt"
        with pytest.raises(Interrupted):
            train(FORM, config, splits, path, **given, device=first, checkpoint_seconds=0.0, report=stop)
        assert load_checkpoint(path).resume["step"] == 4
        assert devices(torch.load(path, weights_only=True)) == {"cpu"}
        done = train(FORM, config, splits, path, **given, device=then)
        ends.append(done.training["curve"][-1])
    for end in ends[1:]:
        assert end == pytest.approx(ends[0], rel=1e-3)
