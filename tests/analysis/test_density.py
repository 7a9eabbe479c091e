import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlff import synthetic
from pytest_mlff.analysis.density import density_modes
from pytest_mlff.analysis.geometry import reciprocal_vectors
from pytest_mlff.errors import ObservableError


def naive_modes(position, cell, n):
    q = 2 * np.pi * np.asarray(n) @ np.linalg.inv(cell).T
    return np.exp(-1j * (np.asarray(position, dtype=float) @ q.T)).sum(axis=1)


def test_crystal_scatters_into_its_own_reciprocal_lattice_only():
    sites = synthetic.fcc_sites(n_cells=3, lattice_parameter=5.0)
    n = reciprocal_vectors(15.0 * np.eye(3), q_min=0.1, q_max=4.0)
    rho = density_modes(sites[None], 15.0 * np.eye(3), n)[0]
    cell = n / 3
    parity = np.rint(cell) % 2
    bragg = np.all(n % 3 == 0, axis=1) & np.all(parity == parity[:, :1], axis=1)
    assert bragg.sum() > 10
    np.testing.assert_allclose(rho[bragg], 108, atol=1e-3)
    np.testing.assert_allclose(rho[~bragg], 0, atol=1e-3)


@pytest.mark.parametrize(("n_frames", "n_atoms"), [(1, 1), (3, 37), (40, 256), (2, 9000)])
def test_equals_the_direct_sum(n_frames, n_atoms):
    rng = np.random.default_rng(n_atoms)
    cell = np.diag([21.0, 25.5, 30.0])
    position = (rng.random((n_frames, n_atoms, 3)) * 5 - 2) @ cell  # unwrapped, some cells away
    n = np.concatenate([rng.integers(-17, 18, (200, 3)), np.eye(3, dtype=int), np.zeros((1, 3), int)])
    rho = density_modes(position, cell, n)
    error = np.abs(rho - naive_modes(position, cell, n)).max()
    assert error < 1e-5 * np.sqrt(n_atoms)
    np.testing.assert_allclose(rho[:, -1], n_atoms, rtol=1e-6)


def test_float32_positions_cost_no_more_than_their_rounding():
    rng = np.random.default_rng(8)
    position = (rng.random((2, 4000, 3)) * 59.1).astype(np.float32)
    n = reciprocal_vectors(59.1 * np.eye(3), q_min=1.815, q_max=1.873)[::6]
    error = np.abs(density_modes(position, 59.1 * np.eye(3), n) - naive_modes(position, 59.1 * np.eye(3), n)).max()
    assert error < 1e-5 * np.sqrt(4000)


def test_ideal_gas_has_unit_structure_factor():
    gas = synthetic.ideal_gas(
        n_replicas=1, n_frames=50, n_atoms=200, cell=18.0 * np.eye(3), rng=np.random.default_rng(0)
    )
    n = reciprocal_vectors(18.0 * np.eye(3), q_min=0.3, q_max=2.0)
    intensity = np.abs(density_modes(gas["position"].to_numpy()[0], 18.0 * np.eye(3), n)) ** 2 / 200
    # exponentially distributed: standard error 1/sqrt(number), five of them
    assert abs(intensity.mean() - 1) < 5 / np.sqrt(intensity.size)


vectors = st.lists(st.tuples(*[st.integers(-9, 9)] * 3), min_size=1, max_size=40).map(np.array)


@settings(max_examples=40, deadline=None)
@given(n=vectors, seed=st.integers(0, 2**32), shift=st.tuples(*[st.floats(-30, 30)] * 3))
def test_invariances(n, seed, shift):
    rng = np.random.default_rng(seed)
    cell = np.diag(8 + 20 * rng.random(3))
    position = rng.random((2, 20, 3)) @ cell
    rho = density_modes(position, cell, n)
    atol = 1e-5 * np.sqrt(20) * 2
    phase = np.exp(-2j * np.pi * (n @ np.linalg.inv(cell).T) @ np.array(shift))
    np.testing.assert_allclose(density_modes(position + shift, cell, n), rho * phase, atol=atol)
    wrapped = position + rng.integers(-3, 4, position.shape) @ cell
    np.testing.assert_allclose(density_modes(wrapped, cell, n), rho, atol=atol)
    np.testing.assert_allclose(density_modes(position[:, rng.permutation(20)], cell, n), rho, atol=atol)
    np.testing.assert_allclose(density_modes(position, cell, -n), rho.conj(), atol=atol)
    np.testing.assert_allclose(density_modes(3 * position, 3 * cell, n), rho, atol=atol)
    assert np.all(np.abs(rho) <= 20 * (1 + 1e-5))


def test_memory_does_not_grow_with_the_number_of_frames():
    rng = np.random.default_rng(1)
    position = rng.random((600, 500, 3), dtype=np.float32) * 30
    n = reciprocal_vectors(30.0 * np.eye(3), q_min=1.5, q_max=1.6)

    def peak(frames):
        tracemalloc.start()
        rho = density_modes(position[:frames], 30.0 * np.eye(3), n)
        high = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return high - rho.nbytes

    assert peak(600) < peak(60) + 2e5


def test_input_is_left_alone():
    position = np.random.default_rng(2).random((2, 5, 3)) * 50
    before = position.copy()
    density_modes(position, 10.0 * np.eye(3), [[1, 2, 3]])
    np.testing.assert_array_equal(position, before)


@pytest.mark.parametrize(
    ("position", "cell", "n", "word"),
    [
        (np.zeros((4, 3)), [1, 1, 1], [[1, 0, 0]], "frame, atom, 3"),
        (np.zeros((1, 4, 3)), np.diag([1, 0, 1]), [[1, 0, 0]], "no volume"),
        (np.zeros((1, 4, 3)), [1, 1, 1], [1, 0, 0], "expected \\(q, 3\\)"),
        (np.zeros((1, 4, 3)), [1, 1, 1], [[0.5, 0, 0]], "fractions"),
    ],
)
def test_what_cannot_be_used_is_refused(position, cell, n, word):
    with pytest.raises(ObservableError, match=word):
        density_modes(position, cell, n)
