"""ρ_q and the intermediate scattering functions against dynasor."""

import numpy as np
import pytest

from pytest_mlff import synthetic
from pytest_mlff.analysis.density import density_modes
from pytest_mlff.analysis.geometry import reciprocal_vectors
from pytest_mlff.analysis.shells import wave_vector_shells
from pytest_mlff.analysis.xpcs import field_correlation

CELL = np.diag([16.0, 17.0, 18.0])


@pytest.mark.parametrize("n_atoms", [60, 4000])
def test_density_modes_are_those_of_dynasor(oracle, n_atoms):
    calc_rho_q = oracle("dynasor.core.reciprocal").calc_rho_q
    gas = synthetic.ideal_gas(n_replicas=1, n_frames=3, n_atoms=n_atoms, cell=CELL, rng=np.random.default_rng(0))
    n = reciprocal_vectors(CELL, q_min=0.3, q_max=2.0)
    ours = density_modes(gas["position"].to_numpy()[0], CELL, n)
    for frame, rho in zip(gas["position"].to_numpy()[0].astype(float), ours, strict=True):
        theirs = calc_rho_q(frame, 2 * np.pi * n @ np.linalg.inv(CELL).T).conj()  # they take exp(+i q·r)
        assert np.abs(rho - theirs).max() < 1e-5 * np.sqrt(n_atoms)


def test_intermediate_scattering_is_that_of_dynasor(oracle, tmp_path):
    """Coherent I(q, t)/S(q) and self F_s(q, t) of one run, from a file that dynasor reads itself."""
    dynasor = oracle("dynasor")
    ase_io, ase = oracle("ase.io"), oracle("ase")
    walkers = synthetic.brownian_walkers(
        n_replicas=1, n_frames=40, n_atoms=50, cell=CELL, diffusivity=0.5, frame_interval=0.1,
        rng=np.random.default_rng(1),
    )  # fmt: skip
    frames = [ase.Atoms("Ar50", positions=p, cell=CELL, pbc=True) for p in walkers["position"].to_numpy()[0]]
    path = tmp_path / "walkers.xyz"
    ase_io.write(path, frames, format="extxyz")
    (shell,) = wave_vector_shells(CELL, shells=[0.9])
    assert len(shell.n) <= 12  # so that the self part uses all of them
    sample = dynasor.compute_dynamic_structure_factors(
        dynasor.Trajectory(str(path), trajectory_format="extxyz"),
        2 * np.pi * shell.n @ np.linalg.inv(CELL).T, dt=100.0, window_size=20, calculate_incoherent=True,
    )  # fmt: skip
    theirs = {"coherent": sample["Fqt_coh"].real.mean(axis=0), "self": sample["Fqt_incoh"].real.mean(axis=0)}
    for kind, expected in theirs.items():
        ours = field_correlation(walkers, kind=kind, shells=[0.9], max_lag=2.0)["field_correlation"][0]
        np.testing.assert_allclose(ours, expected / expected[0], atol=2e-5)
