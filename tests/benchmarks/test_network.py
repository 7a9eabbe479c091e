"""Model B beside the same network written edge by edge on DGL, one thread each: a force call, and a gradient.

Both find the edges of a force call with the same neighbour list, whose skin holds: no atom moves between the calls.
"""

import numpy as np
import pytest

N_CELLS = (4, pytest.param(10, marks=pytest.mark.slow))


@pytest.fixture
def model_b(peer):
    """The calculator, and DGL on its weights; on one thread."""
    peer("torch").set_num_threads(1)
    peer("dgl")
    from pytest_mlff.gnn.calculator import GnnCalculator
    from pytest_mlff.gnn.dgl_backend import DglNetwork
    from pytest_mlff.models.networks import builtin_path

    calculator = GnnCalculator(builtin_path("model-b"), device="cpu")
    return calculator, DglNetwork(calculator.network)


@pytest.fixture
def graph(gas):
    """Positions, cell, species and edges of a gas of 4 n³ atoms, in float32."""
    torch = pytest.importorskip("torch")
    from pytest_mlff.gnn.calculator import SKIN
    from pytest_mlff.gnn.edges import Edges
    from pytest_mlff.gnn.graph import EdgeFinder

    def make(n_cells, cutoff):
        position, box = gas(n_cells, n_frames=1)
        find = EdgeFinder(cutoff=cutoff, skin=SKIN)

        def edges():
            found = find(position[0], np.diag(box), (True,) * 3)
            return Edges(found.vector.float(), found.sender, found.receiver)

        return position, box, torch.zeros(position.shape[1], dtype=torch.int64), edges

    return make


@pytest.mark.parametrize("n_cells", N_CELLS)
def test_forces_beside_dgl(race, model_b, say, graph, n_cells):
    import torch

    calculator, by_dgl = model_b
    scale = calculator.checkpoint.force_scale
    position, box, species, edges = graph(n_cells, calculator.network.config.cutoff)
    n_atoms, numbers = len(species), np.full(len(species), 18)

    def literal():
        with torch.inference_mode():
            return scale * by_dgl(species, edges()).numpy()

    rounds = 40 if n_cells == 4 else 5
    found = race(lambda: calculator.batch_forces(position, numbers, np.diag(box))[0], literal, rounds=rounds)
    assert np.abs(found.ours - found.peer).max() <= 1e-5 * np.abs(found.peer).max()
    faster = 1.0 / found.cpu_ratio
    say(
        found.line(f"forces of {n_atoms} atoms by the network", peer="DGL", target="ratio <= 1/3")
        + f"; {faster:.1f} times as fast; {1e6 * found.ours_s / n_atoms:.0f} µs an atom (target: the same at all sizes)"
    )


def test_a_gradient_beside_dgl(race, model_b, say, graph):
    """What a training step is, but for the optimiser."""
    import torch

    calculator, by_dgl = model_b
    network = calculator.network
    _, _, species, edges = graph(4, network.config.cutoff)

    def gradient(forces):
        slopes = torch.autograd.grad(forces(species, edges()).abs().mean(), list(network.parameters()))
        return torch.cat([slope.flatten() for slope in slopes]).numpy()

    found = race(lambda: gradient(network), lambda: gradient(by_dgl), rounds=20)
    assert np.abs(found.ours - found.peer).max() <= 1e-3 * np.abs(found.peer).max()
    say(found.line(f"gradient of the loss of {len(species)} atoms", peer="DGL", target="none"))
