"""Model B on a CUDA device: a force call of one and of several copies, and the share of finding the edges."""

import time

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pytest_mlff.gnn.calculator import SKIN, GnnCalculator  # noqa: E402
from pytest_mlff.gnn.graph import EdgeFinder  # noqa: E402
from pytest_mlff.models.networks import builtin_path  # noqa: E402

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")

SPEED = 0.015
"""Å a call, standard deviation of a component: argon at 100 K moves so far in a step of 10.78 fs."""
CALLS = 30
LARGER = ((4, 8), (4, 24), (10, 1), (10, 8))


def milliseconds(call, path):
    """A call's time, behind two that warm up."""
    for positions in path[:2]:
        call(positions)
    torch.cuda.synchronize()
    start = time.perf_counter()
    for positions in path[2:]:
        call(positions)
    torch.cuda.synchronize()
    return 1e3 * (time.perf_counter() - start) / len(path[2:])


@pytest.mark.parametrize(
    ("n_cells", "copies"), [(4, 1), *(pytest.param(*larger, marks=pytest.mark.slow) for larger in LARGER)]
)
def test_forces_of_copies(gas, say, n_cells, copies):
    position, box = gas(n_cells, n_frames=copies)
    velocity = SPEED * np.random.default_rng(0).standard_normal(position.shape)
    path = [position + step * velocity for step in range(CALLS + 2)]
    calculator, numbers = GnnCalculator(builtin_path("model-b"), device="cuda"), np.full(position.shape[1], 18)
    find = EdgeFinder(cutoff=calculator.network.config.cutoff, skin=SKIN, device="cuda")
    call = milliseconds(lambda positions: calculator.batch_forces(positions, numbers, np.diag(box)), path)
    edges = milliseconds(lambda positions: find(positions, np.diag(box), (True,) * 3), path)
    assert edges < call
    say(
        f"{copies} x {position.shape[1]} atoms on {torch.cuda.get_device_name()}: {call:.1f} ms a call, "
        f"{edges:.1f} of that for the edges, {1e3 * call / position[..., 0].size:.1f} µs an atom"
    )
