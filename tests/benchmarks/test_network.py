"""The network beside the same network written edge by edge on DGL, one thread each: a force call, and a gradient.

Both find the edges of a force call with the same neighbour list, whose skin holds: no atom moves between the calls.
"""

import numpy as np
import pytest

N_CELLS = (4, 10)


@pytest.fixture
def torch(peer):
    """Both engines, on one thread."""
    engine = peer("torch")
    peer("dgl")
    engine.set_num_threads(1)
    return engine


@pytest.mark.parametrize("n_cells", N_CELLS)
def test_forces_beside_dgl(race, torch, say, gas, n_cells):
    from pytest_mlff.gnn.calculator import SKIN, GnnCalculator
    from pytest_mlff.gnn.checkpoint import Checkpoint
    from pytest_mlff.gnn.dgl_backend import DglNetwork
    from pytest_mlff.gnn.edges import Edges
    from pytest_mlff.gnn.graph import EdgeFinder
    from pytest_mlff.gnn.network import NetworkConfig, initialised

    network = initialised(NetworkConfig(), seed=0)
    calculator = GnnCalculator(
        Checkpoint(network=network.config, weights=network.state_dict(), force_scale=1.0), device="cpu"
    )
    position, box = gas(n_cells, n_frames=1)
    n_atoms = position.shape[1]
    numbers, species = np.full(n_atoms, 18), torch.zeros(n_atoms, dtype=torch.int64)
    find, literal = EdgeFinder(cutoff=network.config.cutoff, skin=SKIN), DglNetwork(network)

    def by_dgl():
        edges = find(position[0], np.diag(box), (True,) * 3)
        with torch.inference_mode():
            return literal(species, Edges(edges.vector.float(), edges.sender, edges.receiver)).numpy()

    found = race(lambda: calculator.batch_forces(position, numbers, box)[0], by_dgl, rounds=40 if n_cells == 4 else 5)
    assert np.abs(found.ours - found.peer).max() <= 1e-5 * np.abs(found.peer).max()
    faster = 1.0 / found.cpu_ratio
    say(
        found.line(f"forces of {n_atoms} atoms by the network", peer="DGL", target="ratio <= 1/3")
        + f"; {faster:.1f} times as fast; {1e6 * found.ours_s / n_atoms:.0f} µs an atom (target: the same at all sizes)"
    )


def test_a_gradient_beside_dgl(race, torch, say, gas):
    """What a training step is, but for the optimiser."""
    from pytest_mlff.gnn.dgl_backend import DglNetwork
    from pytest_mlff.gnn.edges import Edges
    from pytest_mlff.gnn.graph import EdgeFinder
    from pytest_mlff.gnn.network import NetworkConfig, initialised

    network = initialised(NetworkConfig(), seed=0)
    position, box = gas(4, n_frames=1)
    n_atoms = position.shape[1]
    found = EdgeFinder(cutoff=network.config.cutoff)(position[0], np.diag(box), (True,) * 3)
    edges = Edges(found.vector.float(), found.sender, found.receiver)
    species = torch.zeros(n_atoms, dtype=torch.int64)

    def gradient(forces):
        weights = list(network.parameters())
        slopes = torch.autograd.grad(forces(species, edges).abs().mean(), weights)
        return torch.cat([slope.flatten() for slope in slopes]).numpy()

    found = race(lambda: gradient(network), lambda: gradient(DglNetwork(network)), rounds=20)
    assert np.abs(found.ours - found.peer).max() <= 1e-3 * np.abs(found.peer).max()
    say(found.line(f"gradient of the loss of {n_atoms} atoms", peer="DGL", target="none"))
