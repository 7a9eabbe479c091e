"""Solid fraction, its drift, and its zero: exact crystals, naive oracles, known statistics, invariants."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlff import synthetic
from pytest_mlff.analysis.interface import (
    COHERENCE,
    coherent_neighbours,
    crossing_temperature,
    interface_drift,
    melting_temperature,
    neighbour_counts,
    orientation_vectors,
    solid_atoms,
    solid_fraction,
    zero_velocity_temperature,
)
from pytest_mlff.errors import NonFiniteError, ObservableError
from pytest_mlff.schema import trajectory_dataset

CELLS, EDGE = 4, 5.45
HEIGHT = CELLS * EDGE
CELL = HEIGHT * np.eye(3)
seeds = st.integers(0, 2**32 - 1)


def crystal():
    return synthetic.fcc_sites(n_cells=CELLS, lattice_parameter=EDGE)


def shaken(rng, amplitude=0.35):
    sites = crystal()
    return sites + amplitude * rng.standard_normal(sites.shape)


def half_melted(rng):
    """Below the middle a crystal with thermal motion, above it points at random."""
    position = shaken(rng, 0.25)
    above = crystal()[:, 2] >= HEIGHT / 2 - 1e-9
    position[above] = rng.uniform((0, 0, HEIGHT / 2), HEIGHT, (above.sum(), 3))
    return position, ~above


def legendre6(x):
    return (231 * x**6 - 315 * x**4 + 105 * x**2 - 5) / 16


def naive_coherent(position, cell):
    """Double loops over atoms and bonds; the addition theorem replaces every spherical harmonic."""
    n = len(position)
    bonds, neighbours = [], []
    for i in range(n):
        vector = position - position[i]
        vector -= np.round(vector @ np.linalg.inv(cell)) @ cell
        distance = np.linalg.norm(vector, axis=1)
        order = [j for j in np.argsort(distance) if j != i][:12]
        neighbours.append(order)
        bonds.append(vector[order] / distance[order][:, None])

    def product(i, j):
        return sum(legendre6(a @ b) for a in bonds[i] for b in bonds[j]) / 144

    own = [product(i, i) for i in range(n)]
    return [sum(product(i, j) / math.sqrt(own[i] * own[j]) > COHERENCE for j in neighbours[i]) for i in range(n)]


def clusters(n_clusters, broken, edge=40.0):
    """Atoms with 12 neighbours each, far from each other; the last ``broken`` ones have lost one of them."""
    shell = [v for v in np.array(np.meshgrid(*[[-1, 0, 1]] * 3)).reshape(3, -1).T if np.abs(v).sum() == 2]
    one = np.vstack([np.zeros(3), np.array(shell) * 2.7])
    position = one[None] + edge * np.arange(n_clusters)[:, None, None] * np.array([0.0, 0.0, 1.0])
    position[n_clusters - broken :, 1, 0] += edge / 4
    return position.reshape(-1, 3), np.diag([edge, edge, edge * n_clusters])


def melting_clusters(n_clusters, counts, interval):
    """A trajectory per row of ``counts``: how many clusters are broken in each frame."""
    frames = [[clusters(n_clusters, broken)[0] for broken in row] for row in counts]
    return trajectory_dataset(np.array(frames), clusters(n_clusters, 0)[1], interval)


# exact cases


def test_every_atom_of_a_crystal_is_solid():
    assert (coherent_neighbours(crystal(), CELL) == 12).all()
    assert (neighbour_counts(crystal(), CELL) == 12).all()
    run = trajectory_dataset(crystal()[None, None], CELL, 0.1)
    for criterion in ("bonds", "count"):
        assert solid_fraction(run, criterion=criterion)["solid_fraction"].item() == 1.0


def test_a_crystal_stays_solid_when_it_vibrates_and_expands():
    """0.35 Å a component is argon at 80 K; 6 % of linear expansion is more than argon has up to melting."""
    position = shaken(np.random.default_rng(1))
    assert solid_atoms(position, CELL).mean() > 0.97
    expanded = coherent_neighbours(1.06 * position, 1.06 * CELL)
    assert np.array_equal(expanded, coherent_neighbours(position, CELL))
    # the count does not bear it: a neighbour on each side crosses its cutoff
    assert solid_atoms(position, CELL, criterion="count").mean() < 0.97


def test_points_at_random_are_no_solid():
    """Uncorrelated q₆ (13 components) exceed 0.5 with p ≈ 0.03 each: seven of twelve is never seen."""
    gas = synthetic.ideal_gas(n_replicas=1, n_frames=4, n_atoms=400, cell=CELL, rng=np.random.default_rng(2))
    assert solid_fraction(gas)["solid_fraction"].max() < 0.02


def test_a_half_melted_cell_is_half_solid():
    """All but the atoms at the two faces are told apart: half a layer of 32 atoms at each, of 256."""
    position, solid = half_melted(np.random.default_rng(3))
    found = solid_atoms(position, CELL)
    depth = np.abs((position[:, 2] % HEIGHT) - HEIGHT / 4)
    assert found[solid & (depth < HEIGHT / 8)].mean() > 0.97
    assert found[~solid].mean() < 0.25
    assert found.mean() == pytest.approx(0.5, abs=32 / 256)


def test_count_of_a_free_standing_film_is_exact():
    """Six atomic layers in vacuum: the outer two have 8 neighbours, the inner four 12."""
    film = crystal()[crystal()[:, 2] < 2.75 * EDGE]
    assert solid_atoms(film, CELL, criterion="count").sum() == len(film) * 4 / 6
    assert sorted(set(neighbour_counts(film, CELL))) == [8, 12]


def test_drift_and_velocity_of_a_steady_melt_are_exact():
    counts, interval, n = [[0, 1, 2, 3, 4], [0, 2, 4, 6, 8]], 0.5, 9
    run = melting_clusters(n, counts, interval)
    found = interface_drift(run, criterion="count")
    one = -1.0 / (13 * n) / interval
    assert found["drift_replica"].values == pytest.approx([one, 2 * one], rel=1e-12)
    assert found["drift"].item() == pytest.approx(1.5 * one, rel=1e-12)
    assert found["drift_stderr"].item() == pytest.approx(abs(one) / 2, rel=1e-12)
    # two interfaces share what melts: each moves by half of dφ/dt times the length of the cell
    assert found["velocity"].item() == pytest.approx(1.5 * one * 40.0 * n / 2, rel=1e-12)
    density = 13 * n / (40.0**3 * n)
    dense = interface_drift(run, criterion="count", solid_density=2 * density)
    assert dense["velocity"].item() == pytest.approx(found["velocity"].item() / 2, rel=1e-12)
    assert dense["velocity_stderr"].item() == pytest.approx(abs(one) / 2 * 40.0 * n / 4, rel=1e-12)
    assert {found[name].attrs["units"] for name in ("drift", "drift_replica", "drift_stderr")} == {"1/ps"}


def test_the_transient_is_left_out():
    run = melting_clusters(8, [[7, 0, 0, 1, 2, 3]], 0.1078)
    found = interface_drift(run, criterion="count", skip=2 * 0.1078)
    assert found["drift"].item() == pytest.approx(-1 / (8 * 13) / 0.1078, rel=1e-12)
    assert math.isnan(found["drift_stderr"].item())


def test_zero_of_a_straight_line():
    """v = (60 − T)/10 with errors 1 at 50 K and 70 K: the midpoint's error 1/√2 over the slope 0.1."""
    found = zero_velocity_temperature([50.0, 70.0], [1.0, -1.0], [1.0, 1.0], dof=3)
    assert found.value == pytest.approx(60.0)
    assert found.stderr == pytest.approx(math.sqrt(0.5) / 0.1)
    assert found.dof == 3


def test_zero_of_a_parabola_is_the_one_where_the_solid_starts_to_melt():
    kelvin = np.array([20.0, 40.0, 60.0, 80.0])
    found = zero_velocity_temperature(kelvin, -(kelvin - 10.0) * (kelvin - 70.0), np.ones(4), degree=2)
    assert found.value == pytest.approx(70.0)


def test_no_melting_point_where_the_solid_does_not_melt():
    assert math.isnan(zero_velocity_temperature([50, 60], [-1.0, 1.0], [0.1, 0.1]).value)
    always_melting = zero_velocity_temperature([50, 60, 70], [-1.0, -0.5, -1.0], [1, 1, 1], degree=2)
    assert math.isnan(always_melting.value)
    assert math.isnan(crossing_temperature([50, 60, 70], [3.0, 2.0, 1.0]))


def test_crossing_interpolates_between_the_neighbours():
    """The paper's ladder, unordered: 1/(1 + 1) of the way from 20 K to 61.36 K."""
    assert crossing_temperature([61.36, 100.0, 20.0], [-1.0, -5.0, 1.0]) == pytest.approx(40.68)


def test_a_drift_that_is_not_finite_is_not_passed_over():
    with pytest.raises(NonFiniteError, match="not finite in 1 of 4 temperatures"):
        crossing_temperature([20.0, 40.0, 60.0, 80.0], [1.0, np.nan, 1.0, -1.0])
    with pytest.raises(NonFiniteError, match="the drift is not finite"):
        zero_velocity_temperature([20.0, 60.0, 100.0], [1.0, np.inf, -1.0], [0.1] * 3, degree=1)


# oracles


def test_orientation_vectors_obey_the_addition_theorem():
    bonds = np.random.default_rng(4).standard_normal((6, 12, 3))
    unit = bonds / np.linalg.norm(bonds, axis=-1, keepdims=True)
    products = legendre6(np.einsum("iax,jbx->ijab", unit, unit)).mean(axis=(2, 3))
    norm = np.sqrt(np.diag(products))
    found = orientation_vectors(bonds)
    assert found @ found.T == pytest.approx(products / np.outer(norm, norm), abs=1e-12)


def test_coherent_neighbours_against_double_loops():
    rng = np.random.default_rng(5)
    position, _ = half_melted(rng)
    chosen = position[:64] + 0.0
    cell = np.diag([14.0, 15.0, 16.0])
    assert list(coherent_neighbours(chosen, cell)) == naive_coherent(chosen, cell)
    lattice = synthetic.fcc_sites(n_cells=2, lattice_parameter=5.4) + 0.5 * rng.standard_normal((32, 3))
    counts = naive_coherent(lattice, 10.8 * np.eye(3))
    assert list(coherent_neighbours(lattice, 10.8 * np.eye(3))) == counts
    assert len(set(counts)) > 4  # a case in which the threshold matters


@pytest.mark.parametrize("degree", [1, 2])
def test_weighted_fit_against_polyfit(degree):
    rng = np.random.default_rng(6)
    kelvin = np.array([40.0, 50.0, 60.0, 70.0, 80.0, 90.0])
    errors = rng.uniform(0.2, 0.6, 6)
    drift = (68.0 - kelvin) * (200.0 - kelvin) / 1000 + errors * rng.standard_normal(6)
    coefficients, covariance = np.polyfit(kelvin, drift, degree, w=1 / errors, cov="unscaled")
    root = min(np.roots(coefficients).real, key=lambda t: abs(t - 68.0))
    slope = np.polyval(np.polyder(coefficients), root)
    powers = root ** np.arange(degree, -1, -1)
    found = zero_velocity_temperature(kelvin, drift, errors, degree=degree)
    assert found.value == pytest.approx(root, rel=1e-9)
    assert found.stderr == pytest.approx(math.sqrt(powers @ covariance @ powers) / abs(slope), rel=1e-6)


# known statistics


def test_errors_of_the_melting_temperature():
    """Over 400 ladders: no bias, and both error bars are those that are seen.

    The mean square of z has a sampling error of √(2/400) = 7 % for a known error; for the jackknife of eight
    replicas it is ν/(ν − 2) = 1.4 with 13 %.
    """
    rng = np.random.default_rng(7)
    kelvin, true = np.array([40.0, 50.0, 60.0, 70.0, 80.0, 90.0]), 66.0
    propagated, replicated, interpolated = [], [], []
    for _ in range(400):
        ladder = (true - kelvin)[:, None] * 1e-3 + 4e-3 * rng.standard_normal((6, 8))
        known = np.full(6, 4e-3 / math.sqrt(8))
        for sample, found in (
            (propagated, zero_velocity_temperature(kelvin, ladder.mean(axis=1), known)),
            (replicated, melting_temperature(kelvin, ladder, degree=1)),
            (interpolated, melting_temperature(kelvin, ladder)),
        ):
            sample.append((found.value - true) / found.stderr)
    assert np.mean(np.square(propagated)) == pytest.approx(1.0, abs=0.25)
    assert np.mean(np.square(replicated)) == pytest.approx(1.4, abs=0.5)
    assert abs(np.mean(replicated)) < 3.5 * math.sqrt(1.4 / 400)
    assert abs(np.mean(propagated)) < 3.5 / math.sqrt(400)
    assert abs(np.median(interpolated)) < 0.25


# invariants


@settings(deadline=None, max_examples=20)
@given(seed=seeds)
def test_translation_wrapping_and_permutation_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    position, _ = half_melted(rng)
    order = rng.permutation(len(position))
    moved = position + rng.uniform(-50, 50, 3) + rng.integers(-3, 4, position.shape) @ CELL
    for criterion in ("bonds", "count"):
        here = solid_atoms(position, CELL, criterion=criterion)
        there = solid_atoms(moved[order], CELL, criterion=criterion)
        assert np.array_equal(there, here[order])


@settings(deadline=None, max_examples=20)
@given(seed=seeds, axes=st.permutations([0, 1, 2]), scale=st.floats(0.5, 2.0))
def test_bonds_know_no_axes_and_no_length(seed, axes, scale):
    rng = np.random.default_rng(seed)
    position, _ = half_melted(rng)
    turned = scale * position[:, axes] * rng.choice([-1.0, 1.0], 3)
    assert np.array_equal(coherent_neighbours(turned, scale * CELL), coherent_neighbours(position, CELL))


@settings(deadline=None, max_examples=50)
@given(seed=seeds, shift=st.floats(-30, 30), factor=st.floats(0.01, 100))
def test_zero_moves_with_the_scale_and_ignores_the_unit_of_drift(seed, shift, factor):
    rng = np.random.default_rng(seed)
    kelvin = np.array([45.0, 60.0, 75.0])
    drift, errors = 1e-3 * (62 - kelvin) + 1e-3 * rng.standard_normal(3), rng.uniform(1e-3, 2e-3, 3)
    plain = zero_velocity_temperature(kelvin, drift, errors)
    moved = zero_velocity_temperature(kelvin + shift, factor * drift, factor * errors)
    assert moved.value == pytest.approx(plain.value + shift, abs=1e-6, nan_ok=True)
    assert moved.stderr == pytest.approx(plain.stderr, rel=1e-6, nan_ok=True)


# refusals


def test_refusals_name_what_is_wrong():
    run = melting_clusters(3, [[0, 1, 2]], 0.1)
    with pytest.raises(ObservableError, match=r"skip = 0.2 ps leaves 1 of 3 frames"):
        interface_drift(run, criterion="count", skip=0.2)
    with pytest.raises(ObservableError, match="'bonds' and 'count'"):
        solid_fraction(run, criterion="q4")
    with pytest.raises(ObservableError, match="12 atoms"):
        coherent_neighbours(crystal()[:12], CELL)
    with pytest.raises(ObservableError, match="half the width of the cell"):
        neighbour_counts(crystal(), CELL, cutoff=HEIGHT)
    with pytest.raises(ObservableError, match="positive errors"):
        zero_velocity_temperature([50, 60], [1.0, -1.0], [0.1, math.nan])
    with pytest.raises(ObservableError, match="2 temperatures"):
        zero_velocity_temperature([50, 60], [1.0, -1.0], [0.1, 0.1], degree=2)
    with pytest.raises(ObservableError, match="shape"):
        melting_temperature([50, 60], np.zeros((3, 2)))
