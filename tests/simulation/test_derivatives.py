"""Force derivatives: difference quotients, the noise that sets the step, a crystal's rows at two steps."""

import numpy as np
import pytest

from pytest_mlff.analysis.hessian import block_hessian, sites_of, symmetry
from pytest_mlff.errors import ObservableError
from pytest_mlff.reference.data import Reference
from pytest_mlff.simulation.derivatives import (
    MAX_STEP,
    STEP,
    ForceNoise,
    choose_step,
    crystal_rows,
    dense_hessian,
    force_noise,
    single_atom_rows,
)

EDGE = 5.2687
LATTICE = EDGE / 2.0 * (1.0 - np.eye(3))


def crystal(n):
    basis = np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
    cells = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    return EDGE * (cells[:, None] + basis).reshape(-1, 3), np.full(3, n * EDGE)


def argon(box, dtype=np.float64, cutoff=8.5):
    """Plainly truncated Lennard-Jones forces, all pairs, in the given precision."""
    edges, epsilon, sigma2 = box.astype(dtype), dtype(0.0103), dtype(3.4**2)

    def forces(positions):
        place = positions.astype(dtype)
        apart = place[:, None] - place[None]
        apart -= edges * np.round(apart / edges)
        square = (apart**2).sum(-1)
        np.fill_diagonal(square, np.inf)
        power = np.where(square < dtype(cutoff**2), (sigma2 / square) ** 3, dtype(0.0))
        return ((dtype(24) * epsilon * power * (2 * power - 1) / square)[..., None] * apart).sum(1)

    return forces


def linear(matrix):
    return lambda positions: -(matrix @ positions.ravel()).reshape(-1, 3)


def test_hessian_of_a_linear_force_is_its_matrix():
    rng = np.random.default_rng(0)
    matrix, positions = rng.standard_normal((12, 12)), rng.uniform(0, 5, (4, 3))
    found = dense_hessian(linear(matrix), positions, step=0.01)
    np.testing.assert_allclose(found, matrix, atol=1e-11)
    rows = single_atom_rows(linear(matrix), positions, atom=2, step=0.05)
    np.testing.assert_allclose(rows.reshape(12, 3), matrix[:, 6:9], atol=1e-11)


def test_number_of_force_calls_and_no_change_of_the_input():
    calls, positions = [], np.random.default_rng(1).uniform(0, 5, (5, 3))
    kept = positions.copy()

    def moving(given):
        calls.append(given.copy())
        result = -(given - kept)
        given += 1.0  # a calculator that wraps in place must do no harm
        return result

    np.testing.assert_allclose(dense_hessian(moving, positions, step=0.01), np.eye(15), atol=1e-12)
    assert len(calls) == 30
    single_atom_rows(moving, positions, step=0.01)
    assert len(calls) == 36
    np.testing.assert_array_equal(positions, kept)


def test_error_of_the_step_is_the_cubic_term():
    """f = −kx − cx³ about the start: the quotient at h is k + c h²."""
    start = np.zeros((2, 3))
    rows = single_atom_rows(lambda x: -2.0 * x - 30.0 * x**3, start, atom=1, step=0.1)
    np.testing.assert_allclose(rows[1], (2.0 + 0.3) * np.eye(3), rtol=1e-12)
    assert not rows[0].any()


def test_both_steps_of_a_crystal_come_from_ten_calls():
    """Even terms, which a one-sided difference would keep, drop out; the cubic term appears at each step."""
    positions, box = crystal(1)
    calls = []

    def forces(given):
        calls.append(1)
        x = given - positions
        given += 1.0  # must do no harm here either
        return 0.3 - 2.0 * x - 7.0 * x**2 - 30.0 * x**3

    rows = crystal_rows(forces, positions, cell=np.diag(box), lattice=LATTICE, displaced=[3], step=0.02)
    assert len(calls) == rows.attrs["force_calls"] == 10
    np.testing.assert_allclose(rows["step"], [0.02, 0.04])
    for index, step in enumerate((0.02, 0.04)):
        expected = (2.0 + 30.0 * step**2) * np.eye(3)
        np.testing.assert_allclose(rows["row"][index, 0, 3], expected, rtol=1e-10, atol=1e-12)
    assert rows["displaced_atom"].values.tolist() == [3]
    assert np.count_nonzero(rows["row"][0, 0].any(("force", "displacement"))) == 1
    assert all("units" in rows[name].attrs for name in rows.variables)


def test_one_atom_gives_the_hessian_of_the_argon_crystal():
    positions, box = crystal(4)
    rows = crystal_rows(argon(box), positions, cell=np.diag(box), lattice=LATTICE, displaced=[17])
    touched = (rows["row"][0, 0] != 0.0).any(("force", "displacement"))
    assert np.count_nonzero(touched) == 79  # itself and the 78 atoms of the five shells within 8.5 Å
    assert float(rows["row"][0, 0, 17, 0, 0]) == pytest.approx(0.307, rel=0.01)
    positions, box = crystal(3)
    forces = argon(box, cutoff=7.0)
    rows = crystal_rows(forces, positions, cell=np.diag(box), lattice=LATTICE, displaced=[17])
    assert rows.attrs["force_calls"] == 10
    assert float(rows["step"][0]) == STEP
    spectrum = block_hessian(rows["row"][0].values, sites_of(rows), row_stderr=float(rows["row_stderr"]))
    dense = dense_hessian(forces, positions)
    expected = np.linalg.eigvalsh(0.5 * (dense + dense.T))
    assert np.abs(np.sort(spectrum.eigenvalues(), axis=None) - expected).max() < 5e-13
    assert spectrum.symmetry == pytest.approx(symmetry(dense), abs=1e-9)


def test_each_displaced_atom_costs_nine_calls_and_the_noisiest_sets_the_step():
    positions, rng = crystal(2)[0], np.random.default_rng(5)
    calls, box = [], np.full(3, 2 * EDGE)

    def forces(given, noise=0.0):
        calls.append(1)
        pull = -0.3 * (given - positions) + 0.1 * (given - positions)[::-1]
        pull[5] += noise * rng.normal(size=3)
        return pull

    known = {"cell": np.diag(box), "lattice": np.diag(box), "displaced": [4, 5, 6]}
    rows = crystal_rows(forces, positions, **known)
    assert len(calls) == rows.attrs["force_calls"] == 28
    for k, atom in enumerate((4, 5, 6)):
        np.testing.assert_allclose(rows["row"][0, k, atom], 0.3 * np.eye(3), atol=1e-12)
        np.testing.assert_allclose(rows["row"][1, k, 31 - atom], -0.1 * np.eye(3), atol=1e-12)
    calls.clear()
    noisy = crystal_rows(lambda given: forces(given, noise=3e-5), positions, **known)
    assert len(calls) == noisy.attrs["force_calls"] == 55
    assert STEP < float(noisy["step"][0]) < MAX_STEP


def test_noise_is_found_again():
    positions, box = crystal(4)
    smooth, rng = argon(box), np.random.default_rng(2)
    found = force_noise(lambda x: smooth(x) + rng.normal(0, 1e-6, x.shape), positions, rng=np.random.default_rng(0))
    assert found.repeat == pytest.approx(1e-6, rel=0.2)
    assert found.rounding == pytest.approx(1e-6, rel=0.2)
    assert found.value == max(found.repeat, found.rounding)
    assert found.reached == 256
    assert found.scale == pytest.approx(0.307, rel=0.1)
    known = {"cell": np.diag(box), "lattice": LATTICE}
    rows = crystal_rows(lambda x: smooth(x) + rng.normal(0, 3e-7, x.shape), positions, **known)
    assert float(rows["force_noise"]) == pytest.approx(3e-7, rel=0.2)
    assert float(rows["row_stderr"]) == pytest.approx(float(rows["force_noise"]) / np.sqrt(2) / STEP)


@pytest.fixture(scope="module")
def liquid():
    """Shipped liquid probe of 108 atoms, its forces, and the mean eigenvalue of its Hessian."""
    probe = Reference().configurations("probe/liquid")[0]
    forces = argon(np.diagonal(probe.cell))
    return probe.positions, forces, np.trace(dense_hessian(forces, probe.positions)) / probe.positions.size


def test_the_curvature_of_a_liquid_is_that_of_all_atoms_and_not_of_the_one_that_is_drawn(liquid):
    positions, forces, mean = liquid
    found = [force_noise(forces, positions, rng=np.random.default_rng(seed)).scale for seed in range(20)]
    assert np.mean(found) == pytest.approx(mean, rel=0.1)
    assert np.std(found) < 0.2 * mean  # one direction of one atom: 0.8


def test_whether_noise_is_borne_does_not_hang_on_the_atom_that_is_drawn(liquid):
    """Forces in half precision: 11 bits of 0.04 eV/Å, a step of about 0.02 Å."""
    positions, forces, _ = liquid
    calls = []

    def rounded(given):
        calls.append(1)
        return forces(given).astype(np.float16)

    for seed in range(10):
        calls.clear()
        noise = force_noise(rounded, positions, rng=np.random.default_rng(seed))
        assert noise.repeat == 0.0
        assert choose_step(noise) < MAX_STEP
        assert len(calls) == 12


def test_single_precision_is_seen_as_rounding_and_not_as_unrepeatable():
    positions, box = crystal(4)
    double = force_noise(argon(box), positions, rng=np.random.default_rng(0))
    single = force_noise(argon(box, np.float32), positions, rng=np.random.default_rng(0))
    assert double.repeat == single.repeat == 0.0
    assert double.rounding < 1e-11
    assert 1e-9 < single.rounding < 1e-6
    assert choose_step(single) == STEP


def test_step_grows_with_the_noise_until_none_is_sensible():
    quiet = ForceNoise(repeat=0.0, rounding=1e-9, scale=0.3, reached=100)
    assert choose_step(quiet) == STEP
    loud = ForceNoise(repeat=4e-6, rounding=1e-9, scale=0.3, reached=100)
    step = choose_step(loud)
    assert STEP < step < MAX_STEP
    # at that step a noise matrix on 100 atoms has a norm of a hundredth of the curvature
    assert 3.0 * np.sqrt(100) * 4e-6 / (np.sqrt(2) * step) == pytest.approx(0.01 * 0.3)
    with pytest.raises(ObservableError, match="higher precision"):
        choose_step(ForceNoise(repeat=1e-4, rounding=0.0, scale=0.3, reached=100))


def test_noisy_crystal_takes_a_larger_step_and_a_hopeless_one_is_refused():
    positions, box = crystal(4)
    smooth, rng = argon(box), np.random.default_rng(3)
    crystal_of = {"positions": positions, "cell": np.diag(box), "lattice": LATTICE}
    rows = crystal_rows(lambda x: smooth(x) + rng.normal(0, 2e-6, x.shape), **crystal_of)
    assert STEP < float(rows["step"][0]) < MAX_STEP
    assert rows.attrs["force_calls"] == 19
    with pytest.raises(ObservableError, match="asks for a step"):
        crystal_rows(lambda x: smooth(x) + rng.normal(0, 1e-4, x.shape), **crystal_of)


def test_bad_input_and_bad_forces_are_refused():
    positions, box = crystal(1)
    with pytest.raises(ObservableError, match="forces are not finite in 1 of 4 atoms, first in atom 2"):
        dense_hessian(lambda x: np.where(np.arange(4)[:, None] == 2, np.nan, x), positions)
    with pytest.raises(ObservableError, match="forces have shape"):
        dense_hessian(lambda x: x[:2], positions)
    with pytest.raises(ObservableError, match="step = 0"):
        single_atom_rows(np.zeros_like, positions, step=0.0)
    with pytest.raises(ObservableError, match="positions have shape"):
        single_atom_rows(np.zeros_like, positions.ravel())
    with pytest.raises(ObservableError, match="changes no force"):
        force_noise(np.zeros_like, positions, rng=np.random.default_rng(0))
    with pytest.raises(ObservableError, match="do not interact"):
        crystal_rows(np.zeros_like, positions, cell=np.diag(box), lattice=LATTICE)
