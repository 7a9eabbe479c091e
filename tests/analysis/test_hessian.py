"""Symmetry of a Hessian, and the spectrum of a crystal's from one displaced atom."""

import itertools

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlff.analysis import hessian
from pytest_mlff.analysis.hessian import (
    block_circulant_spectrum,
    crystal_symmetry,
    symmetry,
    symmetry_estimate,
)
from pytest_mlff.analysis.lattice import nearest_images
from pytest_mlff.errors import ObservableError

EDGE = 5.2687


def crystal(repeats, rng=None):
    basis = np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
    cells = np.array(list(itertools.product(*(range(n) for n in repeats))))
    positions = EDGE * (cells[:, None] + basis).reshape(-1, 3)
    if rng is not None:
        positions = positions[rng.permutation(len(positions))]
    return positions, EDGE * np.array(repeats, dtype=float)


def dense_from_row(row, positions, box, atom):
    """Whole Hessian: k's neighbour responds as the displaced atom's neighbour in the same place."""
    n = len(positions)
    matrix = np.zeros((n, 3, n, 3))
    offsets = positions - positions[atom]
    for k, j in itertools.product(range(n), repeat=2):
        apart = offsets - (positions[j] - positions[k])
        apart -= box * np.round(apart / box)
        matrix[j, :, k, :] = row[int(np.argmin(np.sum(apart**2, axis=1)))]
    return matrix.reshape(3 * n, 3 * n)


def rows_dataset(near, double, positions, box, repeats, atom=0, stderr=0.0):
    return xr.Dataset(
        {
            "row": (("step", "atom", "force", "displacement"), np.stack([near, double]), {"units": "eV/Å²"}),
            "position": (("atom", "xyz"), positions, {"units": "Å"}),
            "box": (("xyz",), box, {"units": "Å"}),
            "repeats": (("xyz",), np.array(repeats), {"units": "1"}),
            "row_stderr": ((), stderr, {"units": "eV/Å²"}),
            "reached": ((), len(positions), {"units": "1"}),
        },
        attrs={"displaced_atom": atom},
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


@pytest.mark.parametrize(
    ("repeats", "atom"), [((1, 1, 1), 0), ((2, 2, 2), 7), ((1, 2, 3), 0), ((3, 1, 2), 11), ((3, 3, 3), 50)]
)
def test_spectrum_is_that_of_the_dense_hessian(repeats, atom):
    """Random blocks: no symmetry of any kind helps, and none is assumed."""
    rng = np.random.default_rng(3)
    positions, box = crystal(repeats, rng)
    row = rng.standard_normal((len(positions), 3, 3))
    found = block_circulant_spectrum(row, positions, box=box, repeats=repeats, atom=atom)
    dense = dense_from_row(row, positions, box, atom)
    expected = np.linalg.eigvalsh(0.5 * (dense + dense.T))
    assert np.abs(np.sort(found.eigenvalues, axis=None) - expected).max() < 5e-13
    assert found.symmetric_norm == pytest.approx(np.linalg.norm(0.5 * (dense + dense.T), 2), rel=1e-12)
    assert found.antisymmetric_norm == pytest.approx(np.linalg.norm(0.5 * (dense - dense.T), 2), rel=1e-12)
    assert found.symmetry == pytest.approx(symmetry(dense), abs=1e-12)


def test_each_eigenvalue_belongs_to_its_wave_vector():
    rng = np.random.default_rng(4)
    positions, box = crystal((2, 3, 2), rng)
    row = rng.standard_normal((len(positions), 3, 3))
    found = block_circulant_spectrum(row, positions, box=box, repeats=(2, 3, 2), atom=5)
    for vector, values in zip(found.wave_vectors, found.eigenvalues, strict=True):
        phase = np.exp(-1j * (positions - positions[5]) @ vector)
        block = np.einsum("j,jba->ba", phase, row)
        np.testing.assert_allclose(values, np.linalg.eigvalsh(0.5 * (block + block.conj().T)), atol=1e-12)


def test_crystal_that_is_displaced_or_miscounted_is_refused():
    positions, box = crystal((2, 2, 2))
    row = np.ones((32, 3, 3))
    moved = positions.copy()
    moved[3, 1] += 0.05
    with pytest.raises(ObservableError, match="1 of 32 atoms are off"):
        block_circulant_spectrum(row, moved, box=box, repeats=(2, 2, 2))
    with pytest.raises(ObservableError, match="pass the right repeats"):
        block_circulant_spectrum(row, positions, box=box, repeats=(2, 2, 4))
    doubled = positions.copy()
    doubled[3] = doubled[4]
    with pytest.raises(ObservableError, match="take 31 sites"):
        block_circulant_spectrum(row, doubled, box=box, repeats=(2, 2, 2))
    with pytest.raises(ObservableError, match="three positive"):
        block_circulant_spectrum(row, positions, box=box, repeats=(2, 2, 0))
    with pytest.raises(ObservableError, match="shape"):
        block_circulant_spectrum(row.reshape(-1, 9), positions, box=box, repeats=(2, 2, 2))
    with pytest.raises(ObservableError, match="not finite"):
        block_circulant_spectrum(np.nan * row, positions, box=box, repeats=(2, 2, 2))


def test_noise_above_the_resolution_of_the_step_is_refused():
    positions, box = crystal((3, 3, 3))
    rng = np.random.default_rng(5)
    half = rng.standard_normal((108, 3, 3))
    kept = {"box": box, "repeats": (3, 3, 3)}
    norm = block_circulant_spectrum(half, positions, **kept).symmetric_norm
    block_circulant_spectrum(half, positions, row_stderr=1e-4 * norm, **kept)
    with pytest.raises(ObservableError, match="must not be copied to all atoms"):
        block_circulant_spectrum(half, positions, row_stderr=1e-2 * norm, **kept)
    with pytest.raises(ObservableError, match="must not be copied to all atoms"):
        block_circulant_spectrum(half, positions, row_stderr=np.nan, **kept)


def springs(repeats):
    """Nearest-neighbour central springs of unit strength: row of the first atom, positions, box."""
    positions, box = crystal(repeats)
    index, vectors, _ = nearest_images(positions, box=box)
    row = np.zeros((len(positions), 3, 3))
    for j, vector in zip(index, vectors, strict=True):
        length = np.linalg.norm(vector)
        if 0.0 < length < 0.8 * EDGE:
            pair = np.outer(vector, vector) / length**2
            row[j] -= pair
            row[0] += pair
    return row, positions, box


def test_symmetry_of_the_crystal_and_its_error_from_two_steps():
    row, positions, box = springs((3, 3, 3))
    skew = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    tilted = row.copy()
    tilted[0] += 0.4 * skew  # antisymmetric part 0.4 at every q; the largest symmetric eigenvalue is 8
    assert crystal_symmetry(rows_dataset(row, row, positions, box, (3, 3, 3))).value == pytest.approx(1.0)
    still = crystal_symmetry(rows_dataset(tilted, tilted, positions, box, (3, 3, 3)))
    norm = np.linalg.eigvalsh(dense_from_row(row, positions, box, 0))[-1]
    assert still.value == pytest.approx((norm - 0.4) / (norm + 0.4), abs=1e-12)
    assert still.stderr == pytest.approx(0.0, abs=1e-12)
    # an antisymmetric error that grows as h²: 0.4 at h and 1.6 at 2h comes from an exactly symmetric limit
    fake = row.copy()
    fake[0] += 1.6 * skew
    growing = crystal_symmetry(rows_dataset(tilted, fake, positions, box, (3, 3, 3)))
    assert growing.value == pytest.approx(still.value)
    assert growing.stderr == pytest.approx(1.0 - still.value, rel=1e-9)


def test_symmetry_of_a_noisy_row_lies_within_its_error():
    row, positions, box = springs((4, 4, 4))
    rng = np.random.default_rng(6)
    ratios = []
    for _ in range(20):
        near, double = row + rng.normal(0, 2e-3, row.shape), row + rng.normal(0, 2e-3, row.shape)
        found = crystal_symmetry(rows_dataset(near, double, positions, box, (4, 4, 4), stderr=2e-3))
        ratios.append((1.0 - found.value) / found.stderr)
    assert 0.6 < np.mean(ratios) < 1.1
