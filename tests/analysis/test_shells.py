import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlff.analysis.geometry import wave_number
from pytest_mlff.analysis.shells import (
    PAPER_SHELLS,
    self_correlation,
    shell_modes,
    time_correlation,
    wave_vector_shells,
)
from pytest_mlff.errors import ObservableError

CELL_256 = 23.658 * np.eye(3)  # 256 atoms of argon at 100 K


def test_the_cell_of_256_atoms_has_the_papers_shells():
    shells = wave_vector_shells(CELL_256)
    assert [shell.q for shell in shells] == list(PAPER_SHELLS)
    # n² = 3; 12; 24 and 25; 35, 36 and 37; 48 and 49: halves of 8; 8; 24 + 30; 48 + 30 + 24; 8 + 54
    assert [len(shell.n) for shell in shells] == [4, 4, 27, 51, 31]
    for shell in shells:
        length = wave_number(shell.n, CELL_256)
        assert np.all(np.abs(length - shell.q) <= 0.029)
        assert shell.mean_q == pytest.approx(length.mean())
        assert shell.in_window
        assert shell.pooling == "shell"
        np.testing.assert_allclose(shell.weight, 1 / len(shell.n))


def test_empty_window_takes_the_nearest_shell_and_says_so():
    cell = 10.0 * np.eye(3)  # q = 0.6283 sqrt(n²)
    low, high = wave_vector_shells(cell, shells=[0.461, 1.16])
    assert not low.in_window
    assert low.mean_q == pytest.approx(0.6283, abs=1e-4)
    assert len(low.n) == 3
    assert not high.in_window
    assert high.mean_q == pytest.approx(0.6283 * np.sqrt(3), abs=1e-4)
    assert len(high.n) == 4


@settings(max_examples=30, deadline=None)
@given(
    edge=st.floats(18, 60),
    q=st.floats(0.5, 2.2),
    parabola=st.tuples(*[st.floats(-5, 5)] * 3),
)
def test_interpolation_reproduces_every_parabola(edge, q, parabola):
    (shell,) = wave_vector_shells(edge * np.eye(3), shells=[q], pooling="interpolated")
    if shell.pooling == "shell":  # too few vectors around it, or enough of its own
        assert len(np.unique(np.round(wave_number(shell.n, edge * np.eye(3)), 9))) < 5 or len(shell.n) > 50
        return
    assert np.sum(shell.weight) == pytest.approx(1)
    length = wave_number(shell.n, edge * np.eye(3))
    assert shell.weight @ np.polyval(parabola, length) == pytest.approx(np.polyval(parabola, q), abs=1e-7)
    assert len(shell.n) <= 400
    assert shell.mean_q == pytest.approx(q)


def test_interpolation_uses_many_more_vectors():
    (shell,) = wave_vector_shells(CELL_256, shells=[1.844], pooling="interpolated")
    assert len(shell.n) == 373
    assert 1 / np.sum(shell.weight**2) > 140  # as good as so many equal ones; the shell has 31


def test_large_cells_need_no_interpolation():
    (shell,) = wave_vector_shells(59.13 * np.eye(3), shells=[1.844], pooling="interpolated")
    assert shell.pooling == "shell"
    assert len(shell.n) == 1084


def test_interpolation_does_not_extrapolate():
    (shell,) = wave_vector_shells(10.0 * np.eye(3), shells=[0.5], pooling="interpolated")
    assert shell.pooling == "shell"


def test_bad_shells_are_refused():
    with pytest.raises(ObservableError, match="positive"):
        wave_vector_shells(CELL_256, shells=[-1.0])
    with pytest.raises(ObservableError, match="once"):
        wave_vector_shells(CELL_256, shells=[1.0, 1.0])
    with pytest.raises(ObservableError, match="positive"):
        wave_vector_shells(CELL_256, shells=[])


@pytest.mark.parametrize("kind", ["real", "complex", "complex64"])
def test_time_correlation_equals_the_double_loop(kind):
    rng = np.random.default_rng(3)
    series = rng.standard_normal((40, 7)) + (1j * rng.standard_normal((40, 7)) if kind != "real" else 0)
    weight = rng.random(7)
    naive = np.array(
        [np.mean([weight @ (series[t + lag] * np.conj(series[t])).real for t in range(40 - lag)]) for lag in range(25)]
    )
    used = series.astype(np.complex64) if kind == "complex64" else series
    tolerance = 1e-5 if kind == "complex64" else 1e-12
    np.testing.assert_allclose(time_correlation(used, 25, weight), naive, atol=tolerance)
    equal = time_correlation(used, 25, np.full(7, 1 / 7))
    np.testing.assert_allclose(time_correlation(used, 25), equal, atol=1e-12)


def test_time_correlation_in_blocks(monkeypatch):
    series = np.random.default_rng(4).standard_normal((30, 11))
    whole = time_correlation(series, 10)
    monkeypatch.setattr("pytest_mlff.analysis.shells._BLOCK_VALUES", 100)
    np.testing.assert_allclose(time_correlation(series, 10), whole, atol=1e-13)


def test_self_correlation_equals_the_double_loop(monkeypatch):
    rng = np.random.default_rng(5)
    cell = np.array([[11.0, 0.0, 0.0], [3.0, 12.0, 0.0], [-2.0, 4.0, 13.0]])
    position = rng.random((15, 6, 3)) @ cell * 3
    (shell,) = wave_vector_shells(cell, shells=[1.2], half_width=0.1)
    q = 2 * np.pi * shell.n @ np.linalg.inv(cell).T
    naive = np.array([np.mean(np.cos((position[lag:] - position[: 15 - lag]) @ q.T)) for lag in range(10)])
    found = self_correlation(position, cell, shell, 10, max_vectors=10**6)
    np.testing.assert_allclose(found, naive, atol=2e-6)
    assert found[0] == pytest.approx(1)
    monkeypatch.setattr("pytest_mlff.analysis.shells._BLOCK_VALUES", 30)
    np.testing.assert_allclose(self_correlation(position, cell, shell, 10, max_vectors=10**6), naive, atol=2e-6)
    few = self_correlation(position, cell, shell, 10, max_vectors=3)
    picked = q[[0, len(q) // 3, 2 * len(q) // 3]]
    naive = np.mean(np.cos((position[4:] - position[:-4]) @ picked.T))
    assert few[4] == pytest.approx(naive, abs=2e-6)


def test_shell_modes_are_density_modes_per_root_atom(monkeypatch):
    rng = np.random.default_rng(6)
    position = rng.random((9, 30, 3)) * 23.658
    shells = wave_vector_shells(CELL_256)
    monkeypatch.setattr("pytest_mlff.analysis.shells._FRAMES", 4)
    modes = list(shell_modes(position, CELL_256, shells))
    assert [rho.shape for rho in modes] == [(9, len(shell.n)) for shell in shells]
    for shell, rho in zip(shells, modes, strict=True):
        q = 2 * np.pi * shell.n / 23.658
        naive = np.exp(-1j * position @ q.T).sum(axis=1) / np.sqrt(30)
        np.testing.assert_allclose(rho, naive, atol=1e-5)
