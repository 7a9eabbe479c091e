"""How the cost of an observable grows with the number of atoms, from 256 to 32000."""

import time

import numpy as np
import pytest

from pytest_mlff.analysis.density import density_modes
from pytest_mlff.analysis.geometry import reciprocal_vectors
from pytest_mlff.analysis.msd import windowed_msd
from pytest_mlff.analysis.rdf import count_pairs, ideal_pairs
from pytest_mlff.analysis.shells import evenly

CELLS = (4, 10, 20)
SMALLEST = (4, 6)
R_MAX, N_BINS = 11.8, 200
N_FRAMES, N_LAGS = 116, 29
N_VECTORS = 350  # the cell of 256 atoms has 373 in the band


@pytest.fixture
def cells(smallest):
    return SMALLEST if smallest else CELLS


@pytest.fixture
def cpu_seconds(smallest):
    """Least CPU time of a call over some rounds; small systems are repeated until a clock sees them."""

    def measure(call, atoms):
        repeats, times = 1 if smallest else max(1, 4000 // atoms), []
        for _ in range(1 if smallest else 5):
            start = time.process_time()
            for _ in range(repeats):
                value = call()
            times.append((time.process_time() - start) / repeats)
        return min(times), value

    return measure


def report(say, name, atoms, seconds):
    exponent = np.polyfit(np.log(atoms), np.log(seconds), 1)[0]
    steps = np.diff(np.log(seconds)) / np.diff(np.log(atoms))
    costs = ", ".join(f"{1e6 * s / n:.3g} µs at {n}" for n, s in zip(atoms, seconds, strict=True))
    between = ", ".join(f"{step:.2f}" for step in steps)
    say(f"{name}, cost per atom: {costs}; fitted exponent {exponent:.2f}, between sizes {between} (target <= 1.1)")


def test_radial_distribution(say, gas, cells, cpu_seconds):
    atoms, seconds = [], []
    for n_cells in cells:
        position, box = gas(n_cells, n_frames=1)
        atoms.append(len(position[0]))
        spent, counts = cpu_seconds(
            lambda x=position[0], box=box: count_pairs(x, np.diag(box), r_max=R_MAX, n_bins=N_BINS), atoms[-1]
        )
        expected = ideal_pairs([0.0, R_MAX], atoms[-1], float(np.prod(box)))[0]
        assert abs(counts.sum() / expected - 1.0) < 0.05
        seconds.append(spent)
    report(say, "g(r)", atoms, seconds)


def test_density_modes(say, gas, cells, cpu_seconds):
    """As many vectors at every size, scattered over a band: whole shells have vectors in proportion to atoms."""
    atoms, seconds = [], []
    for n_cells in cells:
        position, box = gas(n_cells, n_frames=1)
        n = evenly(reciprocal_vectors(np.diag(box), q_min=1.694, q_max=1.994), N_VECTORS)
        assert len(n) == N_VECTORS
        atoms.append(position.shape[1])
        spent, rho = cpu_seconds(lambda x=position, box=box, n=n: density_modes(x, np.diag(box), n), atoms[-1])
        direct = np.exp(-2j * np.pi * (position[0].astype(float) / box) @ n[:5].T).sum(axis=0)
        assert np.abs(rho[0, :5] - direct).max() < 1e-5 * np.sqrt(atoms[-1])
        seconds.append(spent)
    report(say, f"density modes of {N_VECTORS} vectors", atoms, seconds)


def test_mean_squared_displacement(say, cells, cpu_seconds):
    atoms, seconds = [], []
    for n_cells in cells:
        n = 4 * n_cells**3
        steps = np.random.default_rng(0).standard_normal((N_FRAMES, n, 3), dtype=np.float32)
        path = np.cumsum(steps, axis=0, dtype=np.float32)
        spent, msd = cpu_seconds(lambda path=path: windowed_msd(path, N_LAGS), n)
        assert abs(msd[1] / 3.0 - 1.0) < 0.05
        atoms.append(n)
        seconds.append(spent)
    report(say, f"MSD of {N_FRAMES} frames", atoms, seconds)
