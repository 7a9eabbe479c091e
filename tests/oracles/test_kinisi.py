"""MSD and D against kinisi, on Brownian walkers whose D is known."""

import ase
import numpy as np
import pytest

from pytest_mlff import synthetic
from pytest_mlff.analysis.msd import mean_squared_displacement, self_diffusivity
from pytest_mlff.schema import trajectory_dataset

CELL = 20.0 * np.eye(3)
INTERVAL = 0.125  # exact in binary: kinisi truncates lag / interval to an integer
D = 0.36
N_ATOMS = 128
CM2_PER_S = 1e-4  # 1 Å²/ps


@pytest.fixture(scope="module")
def walkers():
    return synthetic.brownian_walkers(
        n_replicas=4,
        n_frames=200,
        n_atoms=N_ATOMS,
        cell=CELL,
        diffusivity=D,
        frame_interval=INTERVAL,
        rng=np.random.default_rng(0),
    )


def analyse(oracle, position):
    """Feed kinisi one run whose centre stays where it is; it unwraps the positions itself."""
    analyze, scipp = oracle("kinisi.analyze"), oracle("scipp")
    position = position.astype(float)
    position -= position.mean(axis=1, keepdims=True)
    frames = [ase.Atoms(f"Ar{N_ATOMS}", positions=p, cell=CELL, pbc=True) for p in position]
    interval = scipp.scalar(INTERVAL, unit="ps")
    return analyze.DiffusionAnalyzer.from_ase(
        frames,
        specie="Ar",
        time_step=interval,
        step_skip=scipp.scalar(1.0),
        dt=scipp.arange("time interval", 1.0, 49.0) * interval,
        progress=False,
    )


def test_msd_is_that_of_kinisi(oracle, walkers):
    position = walkers["position"].values[0]
    theirs = analyse(oracle, position)
    # kinisi's reader of ASE frames counts the first frame twice
    doubled = trajectory_dataset(np.concatenate([position[:1], position])[None], CELL, INTERVAL)
    ours = mean_squared_displacement(doubled, max_lag=48 * INTERVAL)
    np.testing.assert_allclose(ours["msd"].values[1:], theirs.msd.values, rtol=1e-5)


def test_diffusivity_is_that_of_kinisi_and_of_the_walkers(oracle, walkers):
    scipp = oracle("scipp")
    found = []
    for k in range(2):
        theirs = analyse(oracle, walkers["position"].values[k])
        theirs.diffusion(
            scipp.scalar(2.0, unit="ps"),
            progress=False,
            n_samples=200,
            n_burn=200,
            random_state=np.random.RandomState(0),
        )
        assert str(theirs.D.unit) == "cm^2/s"
        values = theirs.D.values / CM2_PER_S
        ours = float(self_diffusivity(walkers.isel(replica=[k]))["D"])
        # kinisi's posterior spread covers all its noise; the two share the data and differ by less than that
        assert abs(ours - values.mean()) < 2.0 * values.std()
        assert abs(values.mean() - D * (1 - 1 / N_ATOMS)) < 4.0 * values.std()
        assert values.std() < 0.15 * D
        found.append(ours)
    four = self_diffusivity(walkers)
    assert four["D_replica"].values[:2] == pytest.approx(found)
    # t with 3 degrees of freedom: 0.1 % beyond 12
    assert abs(four["D"] - D * (1 - 1 / N_ATOMS)) < 6.0 * four["D_stderr"]
