"""Several species: labels, partial g(r) and S(q), D and F_s of each, on systems made by hand."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlff import synthetic
from pytest_mlff.analysis.geometry import half_width
from pytest_mlff.analysis.msd import mean_squared_displacement, self_diffusivity
from pytest_mlff.analysis.rdf import partial_distributions, radial_distribution
from pytest_mlff.analysis.relaxation import relaxation_rate
from pytest_mlff.analysis.species import atoms_of, each_species, pairs_of, parts, species_of
from pytest_mlff.analysis.structure_factor import partial_structure_factors, structure_factor
from pytest_mlff.analysis.xpcs import field_correlation
from pytest_mlff.errors import ObservableError
from pytest_mlff.schema import trajectory_dataset

CELL = np.array([[11.2, 0.7, -0.4], [4.1, 11.5, 0.9], [-2.8, 3.7, 12.4]])
LITHIUM, CHLORINE = 3, 17


def mixed_gas(*, n_atoms=(14, 30), n_replicas=6, n_frames=40, seed=0):
    """Two ideal gases in one cell, their atoms shuffled."""
    rng = np.random.default_rng(seed)
    gas = synthetic.ideal_gas(n_replicas=n_replicas, n_frames=n_frames, n_atoms=sum(n_atoms), cell=CELL, rng=rng)
    numbers = rng.permutation(np.repeat([CHLORINE, LITHIUM], n_atoms))
    return gas.assign(numbers=("atom", numbers, {"units": "1"}))


def two_walkers(*, seed=0, n_replicas=8, masses=(1.0, 1.0)):
    """Sixty slow chlorine and thirty fast lithium walkers."""
    rng = np.random.default_rng(seed)
    common = {"n_replicas": n_replicas, "n_frames": 120, "cell": 14.0 * np.eye(3), "frame_interval": 0.1, "rng": rng}
    slow = synthetic.brownian_walkers(n_atoms=60, diffusivity=0.2, **common)["position"].values
    fast = synthetic.brownian_walkers(n_atoms=30, diffusivity=0.6, **common)["position"].values
    return trajectory_dataset(
        np.concatenate([slow, fast], axis=2),
        14.0 * np.eye(3),
        0.1,
        numbers=np.repeat([CHLORINE, LITHIUM], [60, 30]),
        masses=np.repeat(masses, [60, 30]),
    )


def test_species_come_by_atomic_number_whatever_the_order_of_the_atoms():
    gas = mixed_gas(n_frames=1)
    assert species_of(gas) == ["Li", "Cl"]
    assert pairs_of(gas) == [("Li", "Li"), ("Li", "Cl"), ("Cl", "Cl")]
    assert len(atoms_of(gas, "Li")) == 30
    assert atoms_of(gas, None) == slice(None)
    with pytest.raises(ObservableError, match="no atom of species 'Na'; there are Li, Cl"):
        atoms_of(gas, "Na")


def test_parts_look_like_what_is_measured_of_one_species():
    gas = mixed_gas(n_frames=2)
    whole = partial_distributions(gas, r_max=4.0, n_bins=5)
    found = dict(parts(whole))
    assert list(found) == ["Li-Li", "Li-Cl", "Cl-Cl"]
    alone = radial_distribution(gas.isel(atom=atoms_of(gas, "Cl")), r_max=4.0, n_bins=5)
    xr.testing.assert_identical(found["Cl-Cl"], alone)
    assert list(zip(whole["first"].values, whole["second"].values, strict=True)) == pairs_of(gas)
    assert [label for label, _ in parts(alone)] == [""]
    only = each_species(lambda name: mean_squared_displacement(gas, max_lag=0.11, species=name), gas)
    assert [label for label, _ in parts(only)] == ["Li", "Cl"]


def test_one_species_has_one_pair_which_is_all():
    gas = synthetic.ideal_gas(n_replicas=2, n_frames=3, n_atoms=20, cell=CELL, rng=np.random.default_rng(0))
    ((label, partial),) = parts(partial_distributions(gas, r_max=4.0))
    assert label == "X-X"
    xr.testing.assert_identical(partial, radial_distribution(gas, r_max=4.0))
    ((_, partial),) = parts(partial_structure_factors(gas, q_max=2.0))
    np.testing.assert_allclose(partial["S"], structure_factor(gas, q_max=2.0)["S"], rtol=1e-5)


@pytest.mark.parametrize("n_atoms", [(14, 30), (2, 2), (1, 5)])
def test_every_pair_of_a_finite_gas_is_one(n_atoms):
    gas = mixed_gas(n_atoms=n_atoms, n_replicas=20, n_frames=30)
    found = partial_distributions(gas, r_max=half_width(CELL), n_bins=3)
    assert found.sizes["pair"] == (2 if 1 in n_atoms else 3)
    assert (np.abs(found["g"] - 1.0) < 6.0 * found["g_stderr"]).all()
    assert (found["g_stderr"][:, -1] < 0.5).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_atoms=st.tuples(st.integers(2, 20), st.integers(2, 20), st.integers(1, 5)))
def test_partial_counts_are_those_of_a_double_loop(seed, n_atoms):
    rng = np.random.default_rng(seed)
    kinds = rng.permutation(np.repeat([8, 13, 3], n_atoms))
    position = rng.uniform(-20.0, 20.0, (len(kinds), 3))
    run, r_max, n_bins = trajectory_dataset(position[None, None], CELL, 0.1, numbers=kinds), half_width(CELL), 6
    found = partial_distributions(run, r_max=r_max, n_bins=n_bins)
    d = position[:, None] - position
    shifts = np.stack(np.meshgrid(*[range(-2, 3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) @ CELL
    d -= np.rint(d @ np.linalg.inv(CELL)) @ CELL
    r = np.linalg.norm(d[:, :, None] + shifts, axis=-1).min(axis=-1)
    edges = np.linspace(0.0, r_max, n_bins + 1)
    density = 4 / 3 * np.pi * np.diff(edges**3) / np.linalg.det(CELL)
    number = {"Li": 3, "O": 8, "Al": 13}
    for g, first, second in zip(found["g"].values, found["first"].values, found["second"].values, strict=True):
        lengths = r[np.ix_(kinds == number[first], kinds == number[second])]
        lengths = lengths[np.triu_indices(len(lengths), 1)] if first == second else lengths.ravel()
        expected = np.histogram(lengths, edges)[0] / (lengths.size * density)
        np.testing.assert_allclose(g, expected, rtol=1e-9, atol=1e-9)


def test_partial_structure_factors_add_up_and_go_to_delta():
    gas = mixed_gas(n_replicas=20, n_frames=12)
    total, partial = structure_factor(gas, q_max=2.5), partial_structure_factors(gas, q_max=2.5)
    share = {"Li": 30 / 44, "Cl": 14 / 44}
    weight = [np.sqrt(share[a] * share[b]) * (2 - (a == b)) for a, b in pairs_of(gas)]
    added = np.tensordot(weight, partial["S"].values, axes=1)
    np.testing.assert_allclose(added, total["S"], rtol=1e-4)
    limit = xr.DataArray([1.0, 0.0, 1.0], dims="pair")
    assert (np.abs(partial["S"] - limit) < 6.0 * partial["S_stderr"]).all()
    assert float(partial["S_stderr"][:, -1].max()) < 0.05
    # unlike ions on rock salt's sites scatter against each other at (111) and together at (200)
    a = 5.0
    sites = synthetic.fcc_sites(n_cells=2, lattice_parameter=a)
    both = np.concatenate([sites, sites + a * np.array([0.5, 0.0, 0.0])])
    salt = trajectory_dataset(both[None, None], 2 * a * np.eye(3), 0.1, numbers=np.repeat([11, 17], 32))
    peaks = partial_structure_factors(salt, q_max=2.6).sel(pair="Na-Cl")["S"]
    q = 2 * np.pi / a * np.sqrt([3.0, 4.0])
    for place, sign in zip(q, (-1.0, 1.0), strict=True):
        bin_of = int(np.argmin(np.abs(peaks["q"].values - place)))
        assert np.sign(peaks.values[bin_of]) == sign
        assert abs(peaks.values[bin_of]) > 3.0


@pytest.mark.parametrize("single_origin", [False, True])
def test_each_species_diffuses_by_itself(single_origin):
    run = two_walkers()
    found = each_species(lambda name: self_diffusivity(run, species=name, single_origin=single_origin), run)
    truth = {"Li": 0.6, "Cl": 0.2}
    mean = (60 * 0.2 + 30 * 0.6) / 90  # of the centre: D of 90 atoms' mean is this / 90
    for label, one in parts(found):
        exact = truth[label] * (1 - 2 / 90) + mean / 90
        assert abs(float(one["D"]) - exact) < 5.0 * float(one["D_stderr"])
        assert float(one["D_stderr"]) < 0.1 * exact * (3 if single_origin else 1)
    everything = self_diffusivity(run)["D"] if not single_origin else self_diffusivity(run, single_origin=True)["D"]
    shares = (30 * found["D"].sel(species="Li") + 60 * found["D"].sel(species="Cl")) / 90
    assert float(everything) == pytest.approx(float(shares), rel=1e-6)


def test_displacements_are_relative_to_the_centre_of_mass():
    """A heavy species at rest, a light one that jumps: the mean of the positions moves, the centre of mass does not."""
    position = np.zeros((1, 3, 4, 3))
    position[0, 1:, :2, 0] = [[1.0, -1.0], [2.0, -2.0]]
    position[0, :, 2:] += [0.0, 0.0, 5.0]
    position[0, 1:, :2, 1] = 1.0
    run = trajectory_dataset(position, CELL, 1.0, numbers=[3, 3, 57, 57], masses=[1.0, 1.0, 1e12, 1e12])
    light, heavy = (mean_squared_displacement(run, max_lag=2.0, species=name)["msd"].values for name in ("Li", "La"))
    assert light == pytest.approx([0.0, 1.5, 5.0])
    assert heavy == pytest.approx([0.0, 0.0, 0.0], abs=1e-9)


def test_self_rates_of_each_species_are_dq2():
    run = two_walkers(n_replicas=12)
    found = each_species(lambda name: relaxation_rate(run, kind="self", shells=[1.304], species=name), run)
    for label, d in (("Li", 0.6), ("Cl", 0.2)):
        rate = found.sel(species=label).isel(q=0)
        assert abs(float(rate["gamma"]) - d * float(rate["mean_q"]) ** 2) < 5.0 * float(rate["gamma_stderr"])
    with pytest.raises(ObservableError, match="all species"):
        relaxation_rate(run, source="intensity", species="Li")


@pytest.mark.parametrize("kind", ["self", "coherent"])
def test_correlations_of_a_species_are_those_of_its_atoms_alone(kind):
    run = two_walkers(n_replicas=2)
    alone = run.isel(atom=slice(60, None))
    found = field_correlation(run, kind=kind, shells=[1.3], species="Li")
    xr.testing.assert_identical(found, field_correlation(alone, kind=kind, shells=[1.3]))
