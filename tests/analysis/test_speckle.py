import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlff import synthetic
from pytest_mlff.analysis.speckle import speckle_pattern
from pytest_mlff.errors import ObservableError

CELL = 20.0 * np.eye(3)


def gas(n_atoms, seed=0):
    return np.random.default_rng(seed).random((n_atoms, 3)) * 20


def test_picture_equals_the_direct_sum_on_the_sphere():
    position = gas(40)
    picture = speckle_pattern(position, CELL, n_pixels=9, q_max=2.0, photon_wave_number=4.0)
    assert picture["intensity"].dims == ("y", "x")
    for row in range(9):
        for column in range(9):
            q = np.array([picture["q_x"][column], picture["q_y"][row], picture["q_z"][row, column]], dtype=float)
            # elastic: the scattered wave vector is as long as the incoming one
            assert np.linalg.norm(q + np.array([0, 0, 4.0])) == pytest.approx(4.0)
            naive = abs(np.exp(-1j * position @ q).sum()) ** 2 / 40
            assert float(picture["intensity"][row, column]) == pytest.approx(naive, abs=1e-3)


def test_forward_direction_scatters_all_atoms():
    for commensurate in (False, True):
        picture = speckle_pattern(gas(300), CELL, commensurate=commensurate)
        assert picture["intensity"].shape == (81, 81)
        assert float(picture["intensity"][40, 40]) == pytest.approx(300, rel=1e-5)
        assert float(picture["q_x"][40]) == pytest.approx(0, abs=1e-12)


def test_commensurate_picture_takes_the_nearest_wave_vectors():
    position = gas(50)
    picture = speckle_pattern(position, CELL, n_pixels=15, commensurate=True)
    q_y, q_x = np.meshgrid(picture["q_y"], picture["q_x"], indexing="ij")
    q = np.stack([q_x, q_y, picture["q_z"]], axis=-1)
    lattice = np.rint(q * 20 / (2 * np.pi)) * 2 * np.pi / 20
    naive = np.abs(np.exp(-1j * lattice @ position.T).sum(axis=-1)) ** 2 / 50
    np.testing.assert_allclose(picture["intensity"], naive, atol=1e-3)


def test_speckle_of_an_ideal_gas_is_exponentially_distributed():
    picture = speckle_pattern(gas(2000, 3), CELL, commensurate=True, n_pixels=121, q_max=3.0)
    intensity = np.unique(picture["intensity"].to_numpy())  # each wave vector once
    intensity = intensity[intensity < 100]
    n = len(intensity)
    assert n > 200
    assert abs(intensity.mean() - 1) < 5 / np.sqrt(n)
    assert intensity.var() / intensity.mean() ** 2 == pytest.approx(1, abs=5 * np.sqrt(8 / n))


@settings(max_examples=15, deadline=None)
@given(shift=st.tuples(*[st.floats(-50, 50)] * 3), seed=st.integers(0, 2**32))
def test_invariances(shift, seed):
    rng = np.random.default_rng(seed)
    position = rng.random((30, 3)) * 20
    options = {"n_pixels": 11, "commensurate": True}
    first = speckle_pattern(position, CELL, **options)["intensity"]
    moved = (position + shift)[rng.permutation(30)]
    np.testing.assert_allclose(speckle_pattern(moved, CELL, **options)["intensity"], first, atol=2e-3)
    free = speckle_pattern(position, CELL, n_pixels=11)["intensity"]
    wrapped = speckle_pattern(position + 20 * rng.integers(-2, 3, (30, 3)), CELL, n_pixels=11)["intensity"]
    np.testing.assert_allclose(wrapped, free, atol=2e-3)
    assert (free >= 0).all()


def test_crystal_shows_its_bragg_peaks():
    sites = synthetic.fcc_sites(n_cells=4, lattice_parameter=5.27)
    peak = 2 * 2 * np.pi / 5.27  # (2, 0, 0)
    picture = speckle_pattern(sites, 21.08 * np.eye(3), n_pixels=3, q_max=peak, photon_wave_number=1e4)["intensity"]
    assert float(picture[1, 0]) == pytest.approx(256, rel=1e-3)
    assert float(picture[1, 2]) == pytest.approx(256, rel=1e-3)


def test_units_and_bad_requests():
    picture = speckle_pattern(gas(5), CELL, n_pixels=5)
    for name in picture.variables:
        assert picture[name].attrs["units"] in {"1", "1/Å"}
    with pytest.raises(ObservableError, match="photon_wave_number"):
        speckle_pattern(gas(5), CELL, q_max=4.0)
    with pytest.raises(ObservableError, match="atom, 3"):
        speckle_pattern(np.zeros((2, 5, 3)), CELL)
