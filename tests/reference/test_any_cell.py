"""The same crystal or liquid described by other cells gives the same observables."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from pytest_mlff import synthetic
from pytest_mlff.analysis.geometry import half_width
from pytest_mlff.analysis.interface import coherent_neighbours, interface_drift, neighbour_counts
from pytest_mlff.analysis.rdf import ideal_pairs, radial_distribution
from pytest_mlff.analysis.shells import wave_vector_shells
from pytest_mlff.analysis.species import parts
from pytest_mlff.analysis.structure_factor import structure_factor
from pytest_mlff.errors import ObservableError
from pytest_mlff.reference.observables import LIQUID, MEASURES, argon_ranges, measure
from pytest_mlff.schema import trajectory_dataset

CELL = np.diag([13.0, 14.0, 15.5])
OTHER = np.array([[1, 0, 0], [-1, 1, 0], [1, 1, 1]]) @ CELL
"""Other vectors of the same lattice, no two of them at a right angle."""
TURN = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]
# shells of at most twelve vectors: of more, F_s takes twelve, and which ones depends on how they are numbered
SHELLS = (0.66, 1.01)
RANGES = replace(
    argon_ranges(256),
    structure_stride=4,
    r_max=2.9,
    q_max=2.0,
    shells=SHELLS,
    mean_rate_shell=1.01,
    contrast_shell=1.01,
)


@pytest.fixture(scope="module")
def walkers():
    return synthetic.brownian_walkers(
        n_replicas=3,
        n_frames=80,
        n_atoms=60,
        cell=CELL,
        diffusivity=0.4,
        frame_interval=0.1,
        rng=np.random.default_rng(0),
    ).assign(numbers=("atom", np.repeat([11, 17], [20, 40]), {"units": "1"}))


def in_cell(run, cell, turn=None):
    """Describe the same motion by other cell vectors, turned as a whole."""
    turn = np.eye(3) if turn is None else turn
    position = run["position"].values.astype(float) @ turn
    return run.assign(
        position=(run["position"].dims, position, {"units": "Å"}), cell=(("vector", "xyz"), cell @ turn, {"units": "Å"})
    )


def test_the_shells_are_small_enough():
    assert all(len(shell.n) <= 12 for shell in wave_vector_shells(CELL, shells=SHELLS))
    assert 0.999 * half_width(OTHER) > RANGES.r_max


@pytest.mark.parametrize("turn", [None, TURN], ids=["straight", "turned"])
@pytest.mark.parametrize("name", MEASURES)
def test_every_observable_is_the_same_in_other_vectors_of_the_lattice(walkers, name, turn):
    plain = measure(name, in_cell(walkers, CELL), RANGES)
    found = measure(name, in_cell(walkers, OTHER, turn), RANGES)
    if name == "rdf":  # single precision: a pair or two may fall on the other side of the edge of a bin
        np.testing.assert_allclose(found["r"], plain["r"])
        pairs = plain["r"] ** 2 * plain["g"]
        assert float(np.abs(found["r"] ** 2 * found["g"] - pairs).sum()) < 2e-3 * float(pairs.sum())
    else:
        xr.testing.assert_allclose(found, plain, rtol=2e-3, atol=2e-3)


def test_which_observables_come_in_parts(walkers):
    labels = {name: [label for label, _ in parts(measure(name, walkers, RANGES))] for name in MEASURES}
    pairs, species = ["Na-Na", "Na-Cl", "Cl-Cl"], ["Na", "Cl"]
    of_pairs, of_species = {"rdf", "partial_structure_factors"}, {"diffusion", "long_diffusion", "gamma_self"}
    for name, found in labels.items():
        assert found == (pairs if name in of_pairs else species if name in of_species else [""]), name
    assert set(LIQUID) == set(MEASURES) - {"partial_structure_factors"}


def test_a_material_brings_its_own_ranges(walkers):
    own = replace(RANGES, r_max=2.5, q_max=1.5, diffusion=(0.5, 1.5), shells=(0.66,), fit=(0.2, 1.0))
    g, s = measure("rdf", walkers, own), measure("structure_factor", walkers, own)
    assert g.attrs["r_max"] == 2.5
    assert float(s["q"].max()) <= 1.5
    assert measure("diffusion", walkers, own).attrs["lag_window_ps"] == [0.5, 1.5]
    rates = measure("gamma_coherent", walkers, own)
    assert rates["q"].values.tolist() == [0.66]
    assert (float(rates["window_start"][0]), float(rates["window_stop"][0])) == (0.2, 1.0)


def primitive_and_conventional(n, a=5.4):
    """One fcc crystal with thermal motion: n³ atoms in the primitive supercell, and the same four times in a cube."""
    rng = np.random.default_rng(7)
    primitive = a / 2 * np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    index = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    position = index @ primitive + rng.normal(0.0, 0.3, (2, 3, n**3, 3))
    shifts = n * a * np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [0.0, 0.5, 0.5]])
    four = (position[:, :, None] + shifts[:, None]).reshape(2, 3, -1, 3)
    return trajectory_dataset(position, n * primitive, 0.1), trajectory_dataset(four, n * a * np.eye(3), 0.1)


def test_a_primitive_supercell_has_the_g_of_r_of_the_cube():
    small, cube = primitive_and_conventional(5)
    r_max, n_bins = 0.99 * half_width(small["cell"].values), 50
    edges, per_atom = np.linspace(0.0, r_max, n_bins + 1), []
    for run in (small, cube):
        n, volume = run.sizes["atom"], abs(np.linalg.det(run["cell"].values))
        g = radial_distribution(run, r_max=r_max, n_bins=n_bins)["g"].values
        per_atom.append(g * ideal_pairs(edges, n, volume) / n)
    # the cube's N(N − 1)/2 differs from four times the other's: neighbours per atom are what agrees
    np.testing.assert_allclose(*per_atom, atol=1e-2)
    assert 20 < per_atom[0].sum() < 30


def test_a_primitive_supercell_has_the_structure_factor_of_the_cube():
    """Four copies scatter alike into the wave vectors of the smaller cell, and into no other."""
    small, cube = primitive_and_conventional(4)
    one, four = (structure_factor(run, q_max=2.6, bin_width=1e-4) for run in (small, cube))
    matched = four.sel(q=one["q"].values, method="nearest")
    np.testing.assert_allclose(matched["q"], one["q"], rtol=1e-9)
    np.testing.assert_allclose(
        (matched["S"] * matched["n_vectors"]).values, (4 * one["S"] * one["n_vectors"]).values, rtol=1e-3, atol=1e-3
    )
    others = four.drop_sel(q=matched["q"].values)
    assert others.sizes["q"] > 10
    assert float(others["S"].max()) < 1e-4


def test_atoms_are_as_solid_in_a_primitive_supercell():
    small, cube = primitive_and_conventional(5)
    for count in (coherent_neighbours, neighbour_counts):
        here, there = (count(run["position"].values[0, 0], run["cell"].values) for run in (small, cube))
        np.testing.assert_array_equal(np.tile(here, 4), there)
    with pytest.raises(ObservableError, match="the area of an interface needs cell vectors along x, y and z"):
        interface_drift(small)
