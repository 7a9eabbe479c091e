"""Symmetry of a Hessian, and a crystal's whole one from the atoms of one primitive cell."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlff.analysis import hessian
from pytest_mlff.analysis.crystal import supercell
from pytest_mlff.analysis.hessian import (
    block_hessian,
    crystal_symmetry,
    symmetry,
    symmetry_estimate,
)
from pytest_mlff.analysis.lattice import lattice_sites, nearest_images
from pytest_mlff.errors import ObservableError

EDGE = 5.2687


FCC = np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
SKEW = np.array([[3.9, 0.3, 0.2], [1.1, 3.7, -0.4], [0.8, 1.3, 4.1]])
PLACES = np.array([[0.1, 0.2, 0.0], [0.5, 0.6, 0.4], [0.9, 0.1, 0.6]])


def cubic(repeats):
    return supercell([18] * 4, FCC, EDGE * np.eye(3), np.diag(repeats))


def skew(atoms, matrix):
    return supercell(list(range(1, atoms + 1)), PLACES[:atoms], SKEW, matrix)


def shuffled(crystal, rng):
    """Positions in another order, the atoms that are displaced, and the rest that a Hessian is told."""
    order = rng.permutation(len(crystal.numbers))
    sublattice = crystal.sublattice[order]
    displaced = [int(rng.choice(np.flatnonzero(sublattice == k))) for k in range(len(crystal.displaced))]
    return crystal.positions[order], {"cell": crystal.cell, "lattice": crystal.lattice, "displaced": displaced}


def dense_from_response(response, positions, cell, lattice, displaced):
    """Whole Hessian: k's neighbour responds as the neighbour in the same place of the displaced atom like k.

    Atoms are matched by trying: k is like the displaced atom that a lattice vector carries there.
    """
    n, inverse = len(positions), np.linalg.inv(cell)
    matrix = np.zeros((n, 3, n, 3))
    for k in range(n):
        steps = (positions[k] - positions[displaced]) @ np.linalg.inv(lattice)
        like = int(np.argmin(np.abs(steps - np.round(steps)).max(axis=1)))
        offsets = positions - positions[displaced[like]]
        for j in range(n):
            apart = (offsets - (positions[j] - positions[k])) @ inverse
            same = int(np.argmin(np.abs(apart - np.round(apart)).max(axis=1)))
            matrix[j, :, k, :] = response[like, same]
    return matrix.reshape(3 * n, 3 * n)


def rows_dataset(near, double, crystal, stderr=0.0):
    return xr.Dataset(
        {
            "row": (("step", "displaced", "atom", "force", "displacement"), np.stack([near, double])),
            "displaced_atom": (("displaced",), crystal.displaced),
            "position": (("atom", "xyz"), crystal.positions),
            "cell": (("vector", "xyz"), crystal.cell),
            "lattice": (("vector", "xyz"), crystal.lattice),
            "row_stderr": ((), stderr, {"units": "eV/Å²"}),
        }
    )


def test_symmetry_of_known_matrices():
    assert symmetry(np.diag([3.0, -5.0, 1.0])) == 1.0
    assert symmetry(np.array([[0.0, 2.0], [-2.0, 0.0]])) == -1.0
    # [[0, 2], [0, 0]]: both parts have norm 1
    assert symmetry(np.array([[0.0, 2.0], [0.0, 0.0]])) == pytest.approx(0.0, abs=1e-15)
    # symmetric part diag(4, 4), antisymmetric part of norm 1: (4 − 1)/(4 + 1)
    assert symmetry(np.array([[4.0, 1.0], [-1.0, 4.0]])) == pytest.approx(0.6, rel=1e-14)


def test_symmetry_agrees_with_singular_values():
    matrix = np.random.default_rng(0).standard_normal((40, 40))
    whole, half = np.linalg.svd(matrix + matrix.T)[1][0], np.linalg.svd(matrix - matrix.T)[1][0]
    assert symmetry(matrix) == pytest.approx((whole - half) / (whole + half), rel=1e-12)


def test_large_matrices_take_lanczos_and_agree(monkeypatch):
    rng = np.random.default_rng(1)
    matrix = np.diag(rng.uniform(1, 2, 200)) + 0.05 * rng.standard_normal((200, 200))
    direct = symmetry(matrix)
    monkeypatch.setattr(hessian, "_DENSE_LIMIT", 10)
    assert symmetry(matrix) == pytest.approx(direct, abs=1e-9)
    assert symmetry(matrix + matrix.T) == 1.0


@given(st.integers(0, 10_000), st.floats(1e-3, 1e3))
def test_symmetry_knows_neither_unit_nor_orientation(seed, unit):
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((9, 9))
    value = symmetry(matrix)
    rotation = np.linalg.qr(rng.standard_normal((9, 9)))[0]
    assert -1.0 <= value <= 1.0
    assert symmetry(unit * rotation @ matrix @ rotation.T) == pytest.approx(value, abs=1e-10)
    assert symmetry(matrix.T) == pytest.approx(value, abs=1e-12)
    assert symmetry(-matrix) == pytest.approx(value, abs=1e-12)


def test_noise_takes_from_s_what_the_error_bar_says():
    rng = np.random.default_rng(2)
    half = rng.standard_normal((120, 120))
    exact = half @ half.T / 120
    ratios = []
    for _ in range(30):
        noisy = exact + rng.normal(0.0, 1e-4 / (np.sqrt(2.0) * 1e-2), exact.shape)
        found = symmetry_estimate(noisy, step=1e-2, force_noise=1e-4)
        assert found.value == symmetry(noisy)
        ratios.append((1.0 - found.value) / found.stderr)
    assert 0.9 < np.mean(ratios) < 1.1
    assert symmetry_estimate(exact, step=1e-2, force_noise=0.0).stderr == 0.0


def test_symmetry_refuses_what_is_no_hessian():
    with pytest.raises(ObservableError, match="shape"):
        symmetry(np.zeros((3, 4)))
    with pytest.raises(ObservableError, match="not finite"):
        symmetry(np.full((3, 3), np.nan))
    with pytest.raises(ObservableError, match="zero"):
        symmetry(np.zeros((3, 3)))


CRYSTALS = {
    "one cubic cell": cubic((1, 1, 1)),
    "cubic": cubic((2, 2, 2)),
    "cubic cells in a row": cubic((1, 2, 3)),
    "one atom, no right angle": skew(1, [[3, 1, 0], [0, 2, -1], [1, 0, 4]]),
    "two atoms": skew(2, np.diag([2, 3, 2])),
    "three atoms, no right angle": skew(3, [[2, 1, 0], [0, 2, -1], [1, 0, 3]]),
}


@pytest.mark.parametrize("crystal", CRYSTALS.values(), ids=CRYSTALS)
def test_blocks_are_those_of_the_dense_hessian(crystal):
    """Random responses: no symmetry of any kind helps, and none is assumed."""
    rng = np.random.default_rng(3)
    positions, known = shuffled(crystal, rng)
    response = rng.standard_normal((len(crystal.displaced), len(positions), 3, 3))
    found = block_hessian(response, lattice_sites(positions, **known))
    dense = dense_from_response(response, positions, **known)
    expected = np.linalg.eigvalsh(0.5 * (dense + dense.T))
    assert np.abs(np.sort(found.eigenvalues(), axis=None) - expected).max() < 1e-12
    assert found.symmetric_norm == pytest.approx(np.linalg.norm(0.5 * (dense + dense.T), 2), rel=1e-12)
    assert found.antisymmetric_norm == pytest.approx(np.linalg.norm(0.5 * (dense - dense.T), 2), rel=1e-12)
    assert found.symmetry == pytest.approx(symmetry(dense), abs=1e-12)


@pytest.mark.parametrize("crystal", CRYSTALS.values(), ids=CRYSTALS)
def test_weights_are_those_of_the_dense_hessian(crystal):
    rng = np.random.default_rng(9)
    n = len(crystal.displaced)
    response, weight = rng.standard_normal((n, len(crystal.positions), 3, 3)), rng.uniform(0.2, 1.0, n)
    known = {"cell": crystal.cell, "lattice": crystal.lattice, "displaced": crystal.displaced}
    found = block_hessian(response, lattice_sites(crystal.positions, **known)).eigenvalues(np.repeat(weight, 3))
    dense = dense_from_response(response, crystal.positions, **known)
    every = np.repeat(weight[crystal.sublattice], 3)
    expected = np.linalg.eigvalsh(0.5 * (dense + dense.T) * np.outer(every, every))
    assert np.abs(np.sort(found, axis=None) - expected).max() < 1e-12


@pytest.mark.parametrize("crystal", CRYSTALS.values(), ids=CRYSTALS)
def test_each_block_is_what_the_hessian_makes_of_its_wave(crystal):
    """H e exp(iq·R) = H(q) e exp(iq·R), R the lattice vector of each atom: this has a sign, the spectrum has none."""
    rng = np.random.default_rng(4)
    positions, known = shuffled(crystal, rng)
    n = len(crystal.displaced)
    response = rng.standard_normal((n, len(positions), 3, 3))
    found = block_hessian(response, lattice_sites(positions, **known))
    dense = dense_from_response(response, positions, **known)
    steps = (positions[:, None] - positions[known["displaced"]]) @ np.linalg.inv(crystal.lattice)
    like = np.argmin(np.abs(steps - np.round(steps)).max(axis=-1), axis=1)
    lattice_vector = positions - positions[known["displaced"]][like]
    motion = rng.standard_normal((n, 3)) + 1j * rng.standard_normal((n, 3))
    for vector, block in zip(found.wave_vectors, found.blocks, strict=True):
        phase = np.exp(1j * lattice_vector @ vector)[:, None]
        answer = (dense @ (phase * motion[like]).ravel()).reshape(-1, 3)
        np.testing.assert_allclose(answer, phase * (block @ motion.ravel()).reshape(n, 3)[like], atol=1e-11)


def test_responses_of_another_shape_are_refused():
    crystal = cubic((2, 2, 2))
    sites = lattice_sites(crystal.positions, cell=crystal.cell, lattice=crystal.lattice, displaced=[0])
    for wrong in ((32, 3, 3), (2, 32, 3, 3), (1, 31, 3, 3)):
        with pytest.raises(ObservableError, match="shape"):
            block_hessian(np.ones(wrong), sites)
    with pytest.raises(ObservableError, match="not finite"):
        block_hessian(np.full((1, 32, 3, 3), np.nan), sites)


def test_noise_above_the_resolution_of_the_step_is_refused():
    crystal, rng = cubic((3, 3, 3)), np.random.default_rng(5)
    half = rng.standard_normal((1, 108, 3, 3))
    sites = lattice_sites(crystal.positions, cell=crystal.cell, lattice=crystal.lattice, displaced=[0])
    norm = block_hessian(half, sites).symmetric_norm
    block_hessian(half, sites, row_stderr=1e-4 * norm)
    with pytest.raises(ObservableError, match="must not be copied to all atoms"):
        block_hessian(half, sites, row_stderr=1e-2 * norm)
    with pytest.raises(ObservableError, match="must not be copied to all atoms"):
        block_hessian(half, sites, row_stderr=np.nan)


def springs(crystal, reach=0.8 * EDGE):
    """Central springs of unit strength between all atoms within reach: responses of the displaced atoms."""
    response = np.zeros((len(crystal.displaced), len(crystal.positions), 3, 3))
    for k, atom in enumerate(crystal.displaced):
        for j, vector, share in zip(*nearest_images(crystal.positions, cell=crystal.cell, atom=atom), strict=True):
            length = np.linalg.norm(vector)
            if 0.0 < length < reach:
                pair = share * np.outer(vector, vector) / length**2
                response[k, j] -= pair
                response[k, atom] += pair
    return response


def test_springs_of_several_atoms_in_a_skew_cell_are_symmetric():
    crystal = skew(3, [[3, 1, 0], [0, 3, -1], [1, 0, 3]])
    near = springs(crystal, reach=4.0)
    assert crystal_symmetry(rows_dataset(near, near, crystal)).value == pytest.approx(1.0)
    near[1, crystal.displaced[0], 0, 2] += 0.5  # and not its mirror image
    assert crystal_symmetry(rows_dataset(near, near, crystal)).value < 0.99


def test_symmetry_of_the_crystal_and_its_error_from_two_steps():
    crystal = cubic((3, 3, 3))
    row = springs(crystal)
    skewed = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    tilted = row.copy()
    tilted[0, 0] += 0.4 * skewed  # antisymmetric part 0.4 at every q; the largest symmetric eigenvalue is 8
    assert crystal_symmetry(rows_dataset(row, row, crystal)).value == pytest.approx(1.0)
    still = crystal_symmetry(rows_dataset(tilted, tilted, crystal))
    dense = dense_from_response(row, crystal.positions, crystal.cell, crystal.lattice, crystal.displaced)
    norm = np.linalg.eigvalsh(dense)[-1]
    assert still.value == pytest.approx((norm - 0.4) / (norm + 0.4), abs=1e-12)
    assert still.stderr == pytest.approx(0.0, abs=1e-12)
    # an antisymmetric error that grows as h²: 0.4 at h and 1.6 at 2h comes from an exactly symmetric limit
    fake = row.copy()
    fake[0, 0] += 1.6 * skewed
    growing = crystal_symmetry(rows_dataset(tilted, fake, crystal))
    assert growing.value == pytest.approx(still.value)
    assert growing.stderr == pytest.approx(1.0 - still.value, rel=1e-9)


def test_symmetry_of_a_noisy_row_lies_within_its_error():
    crystal = cubic((4, 4, 4))
    row, rng = springs(crystal), np.random.default_rng(6)
    ratios = []
    for _ in range(20):
        near, double = row + rng.normal(0, 2e-3, row.shape), row + rng.normal(0, 2e-3, row.shape)
        found = crystal_symmetry(rows_dataset(near, double, crystal, stderr=2e-3))
        ratios.append((1.0 - found.value) / found.stderr)
    assert 0.6 < np.mean(ratios) < 1.1
