"""g(r): a lattice, a naive double loop, the ideal gas, invariants, the error bar, the distance of curves."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_mlff import synthetic
from pytest_mlff.analysis.geometry import half_width
from pytest_mlff.analysis.rdf import count_pairs, distance2, ideal_pairs, radial_distribution
from pytest_mlff.errors import ObservableError
from pytest_mlff.schema import trajectory_dataset

CELL = np.diag([11.0, 12.0, 13.5])
TRICLINIC = np.array([[11.2, 0.7, -0.4], [4.1, 11.5, 0.9], [-2.8, 3.7, 12.4]])
seeds = st.integers(0, 2**32 - 1)


def assert_student(z, dof):
    """The mean square of z is ν/(ν − 2) within 3.5 of its own sampling error, and the law is t."""
    expected = dof / (dof - 2)
    error = math.sqrt((3 * dof**2 / ((dof - 2) * (dof - 4)) - expected**2) / z.size)
    assert np.mean(z**2) == pytest.approx(expected, abs=3.5 * error)
    assert stats.kstest(z.ravel(), stats.t(dof).cdf).pvalue > 1e-3


def crystal(rng, *, amplitude=0.4, n_replicas=8, n_frames=6):
    return synthetic.harmonic_crystal(
        n_replicas=n_replicas,
        n_frames=n_frames,
        n_cells=2,
        lattice_parameter=5.3,
        amplitude=amplitude,
        rng=rng,
    )


def naive_counts(position, cell, r_max, n_bins):
    """Every pair, every image within two cells, in double precision."""
    counts = np.zeros(n_bins, dtype=int)
    shifts = np.stack(np.meshgrid(*[range(-2, 3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) @ cell
    inside = np.mod(position @ np.linalg.inv(cell), 1.0) @ cell
    for i in range(len(position)):
        for j in range(i):
            d = inside[i] - inside[j]
            r = np.sqrt(((d + shifts) ** 2).sum(axis=1).min())
            if r < r_max:
                counts[int(r / r_max * n_bins)] += 1
    return counts


def test_shells_of_the_fcc_lattice():
    a, n_atoms = 5.0, 256
    sites = synthetic.fcc_sites(n_cells=4, lattice_parameter=a)
    run = trajectory_dataset(sites[None, None], 4 * a * np.eye(3), 0.1)
    found = radial_distribution(run, r_max=9.0, n_bins=90)
    pairs = found["g_replica"].values[0] * ideal_pairs(np.linspace(0.0, 9.0, 91), n_atoms, (4 * a) ** 3)
    neighbours = np.rint(2 * pairs / n_atoms).astype(int)
    shell_radii = a * np.sqrt(np.arange(1, 7) / 2)
    expected = np.zeros(90, dtype=int)
    for radius, number in zip(shell_radii, [12, 6, 24, 12, 24, 8], strict=True):
        expected[int(radius / 0.1 + 1e-6)] += number
    # a shell at the edge of two bins may fall on either side: compare what pairs of bins hold
    np.testing.assert_array_equal(
        neighbours.cumsum()[np.array(shell_radii / 0.1 + 1).astype(int)],
        expected.cumsum()[np.array(shell_radii / 0.1 + 1).astype(int)],
    )
    assert neighbours.sum() == expected.sum()
    assert np.isnan(found["g_stderr"]).all()


@pytest.mark.parametrize("cell", [CELL, TRICLINIC], ids=["right angles", "none"])
@pytest.mark.parametrize("n_atoms", [2, 3, 4, 31, 32])
def test_counts_are_those_of_a_double_loop(n_atoms, cell):
    position = np.random.default_rng(n_atoms).uniform(-20.0, 20.0, size=(n_atoms, 3))
    r_max = half_width(cell)
    found = count_pairs(position, cell, r_max=r_max, n_bins=20)
    np.testing.assert_array_equal(found, naive_counts(position, cell, r_max, 20))


@pytest.mark.parametrize("skew", [0.0, 15.0])
def test_neighbour_list_and_direct_kernel_count_the_same(skew):
    """Both sides of the switch: a sphere of 1/16 of the cell holds r = 2.47 Å x 10."""
    cell = np.array([[100.0, 0.0, 0.0], [skew, 101.0, 0.0], [-skew, skew, 102.0]])
    position = np.random.default_rng(0).uniform(0.0, 300.0, size=(1500, 3))
    wide = count_pairs(position, cell, r_max=40.0, n_bins=160)  # a quarter of the cell: every pair
    near = count_pairs(position, cell, r_max=20.0, n_bins=80)  # a thirtieth: neighbour list
    # single precision may move a pair across the edge of a bin
    assert np.abs(wide[:80] - near).sum() <= 4
    assert near.sum() > 30000


@pytest.mark.parametrize("n_atoms", [2, 9])
def test_the_ideal_gas_has_g_one(n_atoms):
    gas = synthetic.ideal_gas(n_replicas=20, n_frames=400, n_atoms=n_atoms, cell=CELL, rng=np.random.default_rng(1))
    found = radial_distribution(gas, r_max=5.5, n_bins=4)
    z = (found["g"] - 1.0) / found["g_stderr"]
    assert np.abs(z).max() < 4.0
    # N² in the denominator would give (N − 1)/N
    assert found["g"].values[-1] == pytest.approx(1.0, abs=0.3 / n_atoms)


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(5, 40))
def test_invariants(seed, n_atoms):
    rng = np.random.default_rng(seed)
    position = rng.random((n_atoms, 3)) @ CELL
    plain = count_pairs(position, CELL, r_max=5.5, n_bins=50)
    assert (plain >= 0).all()
    moved = count_pairs(position + rng.normal(size=3), CELL, r_max=5.5, n_bins=50)
    wrapped = count_pairs(position + rng.integers(-5, 6, size=(n_atoms, 3)) @ CELL, CELL, r_max=5.5, n_bins=50)
    mirrored = count_pairs(-position, CELL, r_max=5.5, n_bins=50)
    scaled = count_pairs(2.0 * position, 2.0 * CELL, r_max=11.0, n_bins=50)
    permuted = count_pairs(rng.permutation(position), CELL, r_max=5.5, n_bins=50)
    for other in (moved, wrapped, mirrored, scaled, permuted):
        # single precision may move one pair across the edge of a bin
        assert np.abs(other - plain).sum() <= 2


def test_input_is_left_alone():
    run = crystal(np.random.default_rng(2))
    before = run.copy(deep=True)
    radial_distribution(run, r_max=5.0)
    assert run.identical(before)


def test_units_and_shapes():
    found = radial_distribution(crystal(np.random.default_rng(2)), r_max=5.0, n_bins=25)
    assert found["g_replica"].shape == (8, 25)
    assert found["r"].values[[0, -1]] == pytest.approx([0.1, 4.9])
    assert found["r"].attrs["units"] == "Å"
    assert all(found[name].attrs["units"] == "1" for name in found.data_vars)


def ideal_curves(*, n_seeds, n_frames):
    rng = np.random.default_rng(3)
    for _ in range(n_seeds):
        yield synthetic.ideal_gas(n_replicas=8, n_frames=n_frames, n_atoms=16, cell=10.0 * np.eye(3), rng=rng)


def test_error_bars_follow_student():
    found = [radial_distribution(gas, r_max=5.0, n_bins=3) for gas in ideal_curves(n_seeds=400, n_frames=4)]
    g = np.array([f["g"].values for f in found])
    z = (g - g.mean(axis=0)) / np.array([f["g_stderr"].values for f in found])
    # the innermost bin holds too few pairs for a normal law
    assert_student(z[:, 1:], 7)
    mean_error = g.std(axis=0) / math.sqrt(len(g))
    assert (np.abs(g.mean(axis=0) - 1.0) < 3.5 * mean_error).all()


def test_halving_the_run_does_not_move_the_mean():
    difference = np.array(
        [
            radial_distribution(gas, r_max=5.0, n_bins=3)["g"].values
            - radial_distribution(gas.isel(frame=slice(0, 4)), r_max=5.0, n_bins=3)["g"].values
            for gas in ideal_curves(n_seeds=200, n_frames=8)
        ]
    )
    assert (np.abs(difference.mean(axis=0)) < 3.5 * difference.std(axis=0) / math.sqrt(200)).all()


@pytest.fixture(scope="module")
def crystal_reference():
    return radial_distribution(crystal(np.random.default_rng(4), n_replicas=16, n_frames=100), r_max=5.0)


def test_distance_of_the_same_crystal_is_zero_on_average():
    rng = np.random.default_rng(5)
    value = []
    for _ in range(100):
        # a reference noisier than the candidate: its noise must be subtracted to end at zero
        reference = radial_distribution(crystal(rng, n_frames=2), r_max=5.0)
        value.append(distance2(radial_distribution(crystal(rng), r_max=5.0), reference).value)
    assert abs(np.mean(value)) < 3.5 * np.std(value) / math.sqrt(len(value))
    assert 0.25 < np.mean(np.array(value) < 0.0) < 0.75


def test_distance_sees_a_softer_crystal(crystal_reference):
    rng = np.random.default_rng(6)
    softer = radial_distribution(crystal(rng, amplitude=0.6, n_frames=50), r_max=5.0)
    found = distance2(softer, crystal_reference)
    assert found.value > 6.0 * found.stderr
    assert found.dof == 7
    r, g = crystal_reference["r"].values, crystal_reference["g"].values
    long = radial_distribution(crystal(rng, amplitude=0.6, n_replicas=16, n_frames=200), r_max=5.0)
    direct = np.sum(r**2 * (long["g"].values - g) ** 2) / np.sum(r**2 * (g - 1.0) ** 2)
    # the direct distance still holds the noise of both sides: less than one error bar at this length
    assert found.value == pytest.approx(direct, abs=3.5 * found.stderr)


def test_curves_on_different_grids_are_refused(crystal_reference):
    run = crystal(np.random.default_rng(2))
    for r_max, n_bins in [(5.0, 100), (4.9, 200)]:
        with pytest.raises(ObservableError, match="same r_max and n_bins"):
            distance2(radial_distribution(run, r_max=r_max, n_bins=n_bins), crystal_reference)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"r_max": 5.6}, r"r_max = 5\.6 Å exceeds half the width of the cell \(5\.5 Å\).* pass r_max <= 5\.5"),
        ({"r_max": 0.0}, "r_max = 0"),
        ({"r_max": math.nan}, "r_max = nan"),
        ({"r_max": 5.0, "n_bins": 0}, "n_bins = 0"),
    ],
)
def test_bad_ranges_are_refused(arguments, message):
    gas = synthetic.ideal_gas(n_replicas=1, n_frames=1, n_atoms=4, cell=CELL, rng=np.random.default_rng(0))
    with pytest.raises(ObservableError, match=message):
        radial_distribution(gas, **arguments)


def test_half_of_the_box_itself_is_allowed():
    cell = np.diag([11.1, 12.0, 13.5])
    gas = synthetic.ideal_gas(n_replicas=2, n_frames=1, n_atoms=4, cell=cell, rng=np.random.default_rng(0))
    for r_max in (11.1 / 2, np.nextafter(11.1 / 2, 6.0)):  # a caller's arithmetic may round upwards
        assert radial_distribution(gas, r_max=r_max)["g"].notnull().all()


def test_one_atom_and_bad_positions_are_refused():
    rng = np.random.default_rng(0)
    one = synthetic.ideal_gas(n_replicas=1, n_frames=1, n_atoms=1, cell=CELL, rng=rng)
    with pytest.raises(ObservableError, match="at least two"):
        radial_distribution(one, r_max=5.0)
    position = rng.random((2, 3, 4, 3))
    position[1, 2, 0, 0] = np.inf
    with pytest.raises(ObservableError, match=r"replica 1 .* frame 2"):
        radial_distribution(trajectory_dataset(position, CELL, 0.1), r_max=5.0)
