"""g(r) against freud, both kernels: the one for few atoms and the neighbour list for many."""

import numpy as np
import pytest

from pytest_mlff import synthetic
from pytest_mlff.analysis.rdf import ideal_pairs, radial_distribution
from pytest_mlff.cells import volume


@pytest.mark.parametrize(("n_cells", "r_max"), [(4, 10.5), (8, 9.0)])
def test_g_of_r_is_that_of_freud(oracle, n_cells, r_max):
    freud = oracle("freud")
    n_bins = 150
    run = synthetic.harmonic_crystal(
        n_replicas=1,
        n_frames=4,
        n_cells=n_cells,
        lattice_parameter=5.4,
        amplitude=0.35,
        rng=np.random.default_rng(0),
    )
    vectors = run["cell"].values
    theirs = freud.density.RDF(bins=n_bins, r_max=r_max, normalization_mode="finite_size")
    cell = freud.box.Box.from_matrix(vectors.T)
    for frame in run["position"].values[0]:
        theirs.compute((cell, cell.wrap(frame)), reset=False)
    ours = radial_distribution(run, r_max=r_max, n_bins=n_bins)
    np.testing.assert_allclose(ours["r"], theirs.bin_centers, rtol=1e-6)
    pairs = 4 * ideal_pairs(np.linspace(0, r_max, n_bins + 1), run.sizes["atom"], volume(vectors))
    # both work in single precision: a pair within 1e-6 Å of an edge may fall on either side of it
    moved = np.abs(ours["g"].values - theirs.rdf) * pairs
    assert moved.max() <= 3.5
    assert moved.sum() <= 1e-4 * np.sum(pairs) + 1
    assert float(ours["g"].max()) > 2.0


def test_an_exact_gas_is_one_on_both_sides(oracle):
    freud = oracle("freud")
    vectors = np.diag([12.0, 13.0, 14.0])
    gas = synthetic.ideal_gas(n_replicas=8, n_frames=100, n_atoms=20, cell=vectors, rng=np.random.default_rng(1))
    ours = radial_distribution(gas, r_max=5.9, n_bins=5)
    theirs = freud.density.RDF(bins=5, r_max=5.9, normalization_mode="finite_size")
    cell = freud.box.Box.from_matrix(vectors.T)
    for frame in gas["position"].values.reshape(-1, 20, 3):
        theirs.compute((cell, cell.wrap(frame)), reset=False)
    assert np.abs((ours["g"] - 1.0) / ours["g_stderr"]).max() < 5.0
    assert np.abs((theirs.rdf - 1.0) / ours["g_stderr"].values).max() < 5.0
