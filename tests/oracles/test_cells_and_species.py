"""Skewed cells and several species against codes that nobody here wrote: freud, dynasor and kinisi."""

import ase
import ase.io
import numpy as np
import pytest
from ase.build import bulk

from pytest_mlff import synthetic
from pytest_mlff.analysis.geometry import half_width, reciprocal_vectors, wave_number, wave_vector
from pytest_mlff.analysis.msd import self_diffusivity
from pytest_mlff.analysis.rdf import partial_distributions, radial_distribution
from pytest_mlff.analysis.species import each_species, parts
from pytest_mlff.analysis.structure_factor import partial_structure_factors, structure_factor
from pytest_mlff.schema import trajectory_dataset

N_FRAMES = 3


def shaken(structure, amplitude, seed):
    """A crystal with Gaussian displacements as a trajectory of one replica."""
    noise = np.random.default_rng(seed).normal(0.0, amplitude, (1, N_FRAMES, len(structure), 3))
    numbers, masses = structure.numbers, structure.get_masses()
    return trajectory_dataset(structure.positions + noise, structure.cell.array, 0.1, numbers=numbers, masses=masses)


def rock_salt(seed=0):
    """216 ions in a cube."""
    return shaken(bulk("NaCl", "rocksalt", a=5.64, cubic=True).repeat(3), 0.25, seed)


def triclinic_salt(seed=0):
    """The same crystal in a cell of 150 ions of no right angle: a supercell of the primitive one, by no cubic axes."""
    primitive = bulk("NaCl", "rocksalt", a=5.64)
    return shaken(ase.build.make_supercell(primitive, [[5, 0, 1], [-1, 4, 0], [1, 1, 4]]), 0.25, seed)


def triclinic_gas(n_atoms=200):
    cell = [[14.2, 0.7, -0.4], [5.1, 13.5, 0.9], [-3.8, 4.7, 15.4]]
    rng = np.random.default_rng(1)
    return synthetic.ideal_gas(n_replicas=1, n_frames=N_FRAMES, n_atoms=n_atoms, cell=cell, rng=rng)


SYSTEMS = {"cube": rock_salt, "triclinic": triclinic_salt, "gas": triclinic_gas}
every_system = pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)


def test_no_edges_of_the_triclinic_cells_meet_at_a_right_angle():
    for run in (triclinic_salt(), triclinic_gas()):
        angles = ase.cell.Cell(run["cell"].values).angles()
        assert (np.abs(angles - 90.0) > 5.0).all(), angles


def freud_frames(freud, run):
    """Box and positions of every frame, turned as freud wants its cells: the first vector along x."""
    upright, turn = ase.cell.Cell(run["cell"].values).standard_form()
    box = freud.box.Box.from_matrix(upright.array.T)
    np.testing.assert_allclose(box.to_matrix(), upright.array.T, atol=1e-5)
    return [(box, box.wrap(frame @ turn.T)) for frame in run["position"].values[0].astype(float)]


@every_system
def test_g_of_r_is_that_of_freud(oracle, system):
    freud, run = oracle("freud"), system()
    r_max, n_bins = 0.99 * half_width(run["cell"].values), 60
    theirs = freud.density.RDF(bins=n_bins, r_max=r_max, normalization_mode="finite_size")
    for frame in freud_frames(freud, run):
        theirs.compute(frame, reset=False)
    ours = radial_distribution(run, r_max=r_max, n_bins=n_bins)
    # both work in single precision: a pair in a million may fall on the other side of the edge of a bin
    np.testing.assert_allclose(ours["g"][5:], theirs.rdf[5:], rtol=1e-3, atol=0.01)
    assert float(ours["g"].max()) > 1.2


@pytest.mark.parametrize("system", [rock_salt, triclinic_salt], ids=["cube", "triclinic"])
def test_partial_g_of_r_is_that_of_freud(oracle, system):
    freud, run = oracle("freud"), system()
    r_max, n_bins = 0.99 * half_width(run["cell"].values), 60
    found = partial_distributions(run, r_max=r_max, n_bins=n_bins)
    assert list(found["pair"].values) == ["Na-Na", "Na-Cl", "Cl-Cl"]
    symbol = {"Na": 11, "Cl": 17}
    for (label, ours), first, second in zip(parts(found), found["first"].values, found["second"].values, strict=True):
        mode = "finite_size" if first == second else "exact"
        theirs = freud.density.RDF(bins=n_bins, r_max=r_max, normalization_mode=mode)
        for box, place in freud_frames(freud, run):
            a, b = (place[run["numbers"].values == symbol[end]] for end in (first, second))
            theirs.compute((box, a), query_points=None if first == second else b, reset=False)
        np.testing.assert_allclose(ours["g"], theirs.rdf, rtol=1e-3, atol=0.02, err_msg=label)
        assert float(ours["g"].max()) > 2.0


@every_system
def test_structure_factors_are_those_of_dynasor(oracle, tmp_path, system):
    """Total and partial S(q) of every wave vector, averaged over the bins of |q| here."""
    dynasor, run = oracle("dynasor"), system()
    cell, numbers = run["cell"].values, np.maximum(run["numbers"].values, 1)
    n = reciprocal_vectors(cell, q_min=0.0, q_max=2.4)
    frames = [ase.Atoms(numbers, p, cell=cell, pbc=True) for p in run["position"].values[0].astype(float)]
    ase.io.write(path := tmp_path / "run.xyz", frames, format="extxyz")
    kinds = {str(symbol): np.flatnonzero(numbers == number).tolist() for symbol, number in symbols(numbers)}
    theirs = dynasor.compute_static_structure_factors(
        dynasor.Trajectory(str(path), trajectory_format="extxyz", atomic_indices=kinds), wave_vector(n, cell)
    )
    bins = np.floor(wave_number(n, cell) / 0.05 * (1 + 1e-9)).astype(int)
    _, member, count = np.unique(bins, return_inverse=True, return_counts=True)

    def mean(values):
        return np.bincount(member, weights=np.asarray(values).real.ravel()) / count

    ours = structure_factor(run, q_max=2.4)
    np.testing.assert_allclose(ours["S"], mean(theirs["Sq"]), rtol=1e-3, atol=2e-4)
    if len(kinds) > 1:
        partial, share = partial_structure_factors(run, q_max=2.4), {k: len(v) / len(numbers) for k, v in kinds.items()}
        for a, b, one in zip(partial["first"].values, partial["second"].values, partial["S"].values, strict=True):
            name = f"Sq_{a}_{b}" if f"Sq_{a}_{b}" in theirs.available_correlation_functions else f"Sq_{b}_{a}"
            # theirs are per atom of all, and hold both orders of an unlike pair
            per_atom = mean(theirs[name]) / (np.sqrt(share[a] * share[b]) * (2 - (a == b)))
            np.testing.assert_allclose(one, per_atom, rtol=1e-3, atol=1e-3)


def symbols(numbers):
    return [(ase.data.chemical_symbols[number], number) for number in np.unique(numbers)]


def test_diffusivities_of_two_species_are_those_of_kinisi(oracle):
    """Na at 0.5 and Cl at 0.15 Å²/ps in a skewed cell; kinisi unwraps, and takes the drift of the others off."""
    analyze, scipp = oracle("kinisi.analyze"), oracle("scipp")
    cell = np.array([[18.0, 0.0, 0.0], [5.0, 17.0, 0.0], [-4.0, 3.0, 19.0]])
    interval, truth, rng = 0.125, {"Na": 0.5, "Cl": 0.15}, np.random.default_rng(3)
    both = [
        synthetic.brownian_walkers(
            n_replicas=1, n_frames=200, n_atoms=96, cell=cell, diffusivity=d, frame_interval=interval, rng=rng
        )["position"].values
        for d in truth.values()
    ]
    position = np.concatenate(both, axis=2).astype(float)
    kinds = np.repeat([11, 17], 96)
    run = trajectory_dataset(position, cell, interval, numbers=kinds, masses=np.repeat([22.99, 35.45], 96))
    ours = each_species(lambda name: self_diffusivity(run, species=name), run)
    frames = [ase.Atoms(kinds, p, cell=cell, pbc=True) for p in position[0]]
    step = scipp.scalar(interval, unit="ps")
    for name, exact in truth.items():
        theirs = analyze.DiffusionAnalyzer.from_ase(
            frames, specie=name, time_step=step, step_skip=scipp.scalar(1.0),
            dt=scipp.arange("time interval", 1.0, 49.0) * step, progress=False,
        )  # fmt: skip
        theirs.diffusion(
            scipp.scalar(2.0, unit="ps"), progress=False, n_samples=200, n_burn=200,
            random_state=np.random.RandomState(0),
        )  # fmt: skip
        values = theirs.D.values / 1e-4  # cm²/s
        assert abs(float(ours["D"].sel(species=name)) - values.mean()) < 2.0 * values.std()
        assert abs(values.mean() - exact) < 4.0 * values.std()
        assert values.std() < 0.15 * exact
