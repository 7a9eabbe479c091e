import numpy as np
import pytest

from pytest_mlff import synthetic
from pytest_mlff.schema import validate_trajectory


def test_ideal_gas_fills_the_box_uniformly():
    cell = np.diag([10.0, 12.0, 14.0])
    gas = synthetic.ideal_gas(n_replicas=2, n_frames=5, n_atoms=2000, cell=cell, rng=np.random.default_rng(1))
    validate_trajectory(gas)
    scaled = gas["position"].to_numpy() @ np.linalg.inv(cell)
    assert scaled.min() >= 0
    assert scaled.max() <= 1
    # 20000 draws per axis: mean 1/2 +- sqrt(1/12/20000), five sigma
    np.testing.assert_allclose(scaled.mean(axis=(0, 1, 2)), 0.5, atol=5 * np.sqrt(1 / 12 / 20000))


def test_brownian_walkers_have_the_diffusivity_asked_for():
    walkers = synthetic.brownian_walkers(
        n_replicas=4, n_frames=20, n_atoms=500, cell=20.0 * np.eye(3), diffusivity=0.37, frame_interval=0.5,
        rng=np.random.default_rng(2),
    )  # fmt: skip
    validate_trajectory(walkers)
    position = walkers["position"].to_numpy()
    assert position[:, 0].min() >= 0
    assert position[:, 0].max() <= 20
    step = position[:, 1:] - position[:, :-1]
    n = step.size
    assert abs(np.mean(step**2) / (2 * 0.37 * 0.5) - 1) < 5 * np.sqrt(2 / n)
    far = position[:, -1] - position[:, 0]
    assert abs(np.mean(far**2) / (2 * 0.37 * 0.5 * 19) - 1) < 5 * np.sqrt(2 / far.size)
    np.testing.assert_allclose(np.diff(walkers["time"]), 0.5)


def test_fcc_sites_have_twelve_neighbours():
    sites = synthetic.fcc_sites(n_cells=3, lattice_parameter=4.0)
    assert sites.shape == (108, 3)
    difference = sites - sites[0]
    difference -= 12.0 * np.rint(difference / 12.0)
    distance = np.linalg.norm(difference, axis=1)
    assert np.sum(np.isclose(distance, 4.0 / np.sqrt(2))) == 12
    assert np.sort(distance)[1] == pytest.approx(4.0 / np.sqrt(2))


def test_harmonic_crystal_displacements():
    crystal = synthetic.harmonic_crystal(
        n_replicas=3, n_frames=10, n_cells=3, lattice_parameter=5.27, amplitude=0.2,
        rng=np.random.default_rng(3),
    )  # fmt: skip
    validate_trajectory(crystal)
    np.testing.assert_allclose(crystal["cell"], 15.81 * np.eye(3))
    shift = crystal["position"].to_numpy() - synthetic.fcc_sites(n_cells=3, lattice_parameter=5.27)
    assert abs(np.mean(shift**2) / 0.04 - 1) < 5 * np.sqrt(2 / shift.size)


def test_spring_spectrum_is_that_of_the_dense_hessian():
    hessian = synthetic.spring_hessian(n_cells=2, spring=0.7)
    np.testing.assert_allclose(hessian, hessian.T)
    np.testing.assert_allclose(hessian.reshape(96, 32, 3).sum(axis=1), 0, atol=1e-14)
    dense = np.linalg.eigvalsh(hessian)
    np.testing.assert_allclose(synthetic.spring_eigenvalues(n_cells=2, spring=0.7), dense, atol=1e-13)
    assert np.sum(np.abs(dense) < 1e-12) == 3
    # the zone boundary X: two transverse branches at 4k, one longitudinal at 8k, the highest of all
    assert dense[-1] == pytest.approx(8 * 0.7)


def test_exponential_field_is_correlated_as_said():
    field = synthetic.exponential_field(
        n_replicas=5, n_frames=200, n_pixels=400, rate=0.8, frame_interval=0.25, rng=np.random.default_rng(4)
    )
    power = np.mean(np.abs(field) ** 2)
    assert power == pytest.approx(1.0, abs=0.02)  # about 5 sigma with 2.5 independent frames per 1/2Γ
    for lag in (1, 4, 8):
        correlation = np.mean(field[:, lag:] * np.conj(field[:, :-lag]))
        assert correlation == pytest.approx(np.exp(-0.8 * 0.25 * lag), abs=0.02)
    contrast = np.mean(np.abs(field) ** 4) / power**2 - 1
    assert contrast == pytest.approx(1.0, abs=0.05)


def test_exponential_contrast_limits():
    exposure = np.array([0.0, 1e-6, 1e-3, 0.5, 50.0])
    value = synthetic.exponential_contrast(exposure, rate=1.3)
    assert value[0] == 1.0
    np.testing.assert_allclose(value[:3], 1 - 2.6 * exposure[:3] / 3, atol=1e-6)
    x = 2.6 * 50.0
    assert value[4] == pytest.approx(2 * (x - 1) / x**2, rel=1e-12)
    t = np.linspace(0, 0.5, 20001)
    numeric = 2 / 0.25 * np.trapezoid((0.5 - t) * np.exp(-2.6 * t), t)
    assert value[3] == pytest.approx(numeric, rel=1e-8)


def test_same_seed_same_data():
    make = lambda seed: synthetic.brownian_walkers(  # noqa: E731
        n_replicas=1, n_frames=3, n_atoms=4, cell=9.0 * np.eye(3), diffusivity=1.0, frame_interval=1.0,
        rng=np.random.default_rng(seed),
    )  # fmt: skip
    assert make(5).identical(make(5))
    assert not make(5).equals(make(6))
