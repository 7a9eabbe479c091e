"""Phonon spectrum, its distance, density of states and dispersion."""

import itertools
import math

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from pytest_mlff.analysis.lattice import nearest_images
from pytest_mlff.analysis.phonons import (
    density_of_states,
    dispersion,
    frequencies,
    pdos_distance,
    phonon_spectrum,
    spectrum_distance,
)
from pytest_mlff.errors import ObservableError
from pytest_mlff.units import EV_PER_AMU_ANGSTROM2_PS2

EDGE = 5.2687
MASS = 39.948
STIFFNESS = 0.07  # eV/Å², about argon's


def frequency_thz(eigenvalue: float, mass: float) -> float:
    """One frequency at a time, in plain floats."""
    omega2 = eigenvalue / (mass * EV_PER_AMU_ANGSTROM2_PS2)
    return math.copysign(math.sqrt(abs(omega2)), omega2) / (2.0 * math.pi)


def crystal(repeats):
    basis = np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
    cells = np.array(list(itertools.product(*(range(n) for n in repeats))))
    return EDGE * (cells[:, None] + basis).reshape(-1, 3), EDGE * np.array(repeats, dtype=float)


def spring_row(positions, box, reach=0.8 * EDGE):
    """Response to the first atom of central springs STIFFNESS (r₁/r)⁸ to all neighbours within ``reach``."""
    index, vectors, weight = nearest_images(positions, box=box)
    row = np.zeros((len(positions), 3, 3))
    for j, vector, share in zip(index, vectors, weight, strict=True):
        length = np.linalg.norm(vector)
        if 0.0 < length < reach:
            strength = STIFFNESS * (EDGE / np.sqrt(2.0) / length) ** 8 * share
            pair = strength * np.outer(vector, vector) / length**2
            row[j] -= pair
            row[0] += pair
    return row


def rows_dataset(near, double, positions, box, repeats, stderr=0.0):
    return xr.Dataset(
        {
            "row": (("step", "atom", "force", "displacement"), np.stack([near, double]), {"units": "eV/Å²"}),
            "position": (("atom", "xyz"), positions, {"units": "Å"}),
            "box": (("xyz",), box, {"units": "Å"}),
            "repeats": (("xyz",), np.array(repeats), {"units": "1"}),
            "row_stderr": ((), stderr, {"units": "eV/Å²"}),
            "reached": ((), len(positions), {"units": "1"}),
        },
        attrs={"displaced_atom": 0},
    )


def spring_rows(repeats, *, reach=0.8 * EDGE, scale=1.0, growth=0.0, stderr=0.0):
    """Springs scaled by ``scale``, whose difference quotient at h is off by a factor 1 + growth (∝ h²)."""
    positions, box = crystal(repeats)
    row = scale * spring_row(positions, box, reach)
    return rows_dataset((1 + growth) * row, (1 + 4 * growth) * row, positions, box, repeats, stderr)


def test_frequencies_are_signed_roots():
    values = np.array([[0.3, 0.0], [-0.1, 2.0]])
    expected = [[frequency_thz(value, MASS) for value in line] for line in values]
    np.testing.assert_allclose(frequencies(values, mass=MASS), expected, rtol=1e-14)
    with pytest.raises(ObservableError, match="mass"):
        frequencies(values, mass=0.0)
    with pytest.raises(ObservableError, match="not finite"):
        frequencies(values * np.nan, mass=MASS)


def test_spectrum_of_nearest_neighbour_springs_is_the_textbook_one():
    """λ_ab(q) = Σ_δ k n_a n_b (1 − cos q·δ), here by an explicit loop over wave vectors and neighbours."""
    neighbours = [np.array(v) * EDGE / 2 for v in itertools.product((-1, 0, 1), repeat=3) if np.abs(v).sum() == 2]
    reciprocal = itertools.product(range(6), range(6), range(3))
    expected = []
    for index in reciprocal:
        q = 2 * np.pi * np.array(index) / (3 * EDGE)
        block = sum(STIFFNESS * np.outer(d, d) / (d @ d) * (1 - np.cos(q @ d)) for d in neighbours)
        expected += [frequency_thz(value, MASS) for value in np.linalg.eigvalsh(block)]
    spectrum = phonon_spectrum(spring_rows((3, 3, 3)), mass=MASS)
    positive = np.sort(expected)[3:]
    np.testing.assert_allclose(spectrum["frequency"][3:], positive, rtol=1e-10)
    assert float(spectrum["acoustic_residual"]) < 1e-6
    assert int(spectrum["negative_modes"]) == 0
    assert spectrum.sizes["mode"] == 3 * 108


def test_springs_that_push_make_every_mode_negative_but_translation():
    spectrum = phonon_spectrum(spring_rows((2, 2, 2), scale=-1.0), mass=MASS)
    assert int(spectrum["negative_modes"]) == 3 * 32 - 3
    plain = phonon_spectrum(spring_rows((2, 2, 2)), mass=MASS)
    np.testing.assert_allclose(spectrum["frequency"][:-3], -plain["frequency"].values[:2:-1], rtol=1e-9)


def test_a_shifted_translation_is_reported_and_not_counted():
    """A model that holds its atoms to fixed places has no zero modes; that is seen in the residual."""
    positions, box = crystal((3, 3, 3))
    row = spring_row(positions, box)
    row[0] -= 0.3 * STIFFNESS * np.eye(3)  # lowers every eigenvalue alike: only those at q = 0 become negative
    found = phonon_spectrum(rows_dataset(row, row, positions, box, (3, 3, 3)), mass=MASS)
    assert int(found["negative_modes"]) == 0
    assert float(found["acoustic_residual"]) == pytest.approx(-frequency_thz(-0.3 * STIFFNESS, MASS))


def test_negative_modes_are_counted_beyond_the_noise_only():
    positions, box = crystal((3, 3, 3))
    row = spring_row(positions, box)
    plain = phonon_spectrum(rows_dataset(row, row, positions, box, (3, 3, 3)), mass=MASS)
    stiffness = (2 * np.pi * plain["frequency"].values[3:]) ** 2 * MASS * EV_PER_AMU_ANGSTROM2_PS2
    lowered = stiffness[0] + 0.004  # the lowest modes come to lie at −0.004 eV/Å²
    row[0] -= lowered * np.eye(3)
    quiet = phonon_spectrum(rows_dataset(row, row, positions, box, (3, 3, 3)), mass=MASS)
    expected = int(np.count_nonzero(stiffness < lowered))
    assert int(quiet["negative_modes"]) == expected > 0
    # an eigenvalue's own error is 2e-4 √108 = 0.002 eV/Å²: what is less than three times that is not negative
    noisy = phonon_spectrum(rows_dataset(row, row, positions, box, (3, 3, 3), stderr=2e-4), mass=MASS)
    assert int(noisy["negative_modes"]) == int(np.count_nonzero(stiffness < lowered - 6e-4 * np.sqrt(108)))
    assert int(noisy["negative_modes"]) < expected


def test_distance_of_shifted_and_scaled_spectra():
    reference = np.linspace(0.5, 1.5, 11)
    assert spectrum_distance(reference[::-1], reference) == 0.0
    assert spectrum_distance(reference + 0.02, reference) == pytest.approx(0.02)
    assert spectrum_distance(1.03 * reference, reference) == pytest.approx(0.03)


@given(st.integers(0, 10_000), st.floats(0.1, 10.0))
def test_distance_is_wasserstein_and_free_of_units(seed, unit):
    rng = np.random.default_rng(seed)
    left, right = rng.normal(1.0, 0.3, 50), rng.uniform(0.1, 2.0, 50)
    found = spectrum_distance(left, right)
    assert found == pytest.approx(wasserstein_distance(left, right) / right.mean(), rel=1e-9)
    assert spectrum_distance(unit * rng.permutation(left), unit * right) == pytest.approx(found, rel=1e-9)


def test_distance_refuses_different_crystals():
    with pytest.raises(ObservableError, match="on the same crystal"):
        spectrum_distance(np.ones(6), np.ones(9))
    with pytest.raises(ObservableError, match="stable crystal"):
        spectrum_distance(np.ones(6), -np.ones(6))
    with pytest.raises(ObservableError, match="not finite"):
        spectrum_distance(np.full(6, np.nan), np.ones(6))


def test_stiffer_springs_are_as_far_as_the_root_of_their_stiffness():
    reference = phonon_spectrum(spring_rows((3, 3, 3)), mass=MASS)
    candidate = phonon_spectrum(spring_rows((3, 3, 3), scale=1.1), mass=MASS)
    found = pdos_distance(candidate, reference)
    assert found.value == pytest.approx(np.sqrt(1.1) - 1.0, rel=1e-6)
    assert found.stderr < 1e-6
    assert found.dof == float("inf")


def test_error_is_the_distance_to_a_vanishing_step():
    exact = phonon_spectrum(spring_rows((3, 3, 3)), mass=MASS)
    stepped = phonon_spectrum(spring_rows((3, 3, 3), growth=0.01), mass=MASS)
    found = pdos_distance(stepped, exact)
    # the whole distance comes from the step, and the error bar says so
    assert found.value == pytest.approx(np.sqrt(1.01) - 1.0, rel=1e-6)
    assert found.stderr == pytest.approx(found.value, rel=1e-6)


def test_error_covers_what_noise_does():
    positions, box = crystal((3, 3, 3))
    row = spring_row(positions, box)
    exact = phonon_spectrum(rows_dataset(row, row, positions, box, (3, 3, 3)), mass=MASS)
    rng = np.random.default_rng(1)
    ratios = []
    for _ in range(20):
        near, far = (row + rng.normal(0.0, s * 1e-4, row.shape) for s in (1.0, 3.0))
        noisy = phonon_spectrum(rows_dataset(near, far, positions, box, (3, 3, 3), stderr=1e-4), mass=MASS)
        found = pdos_distance(noisy, exact)
        ratios.append(found.value / found.stderr)
    assert 0.4 < np.mean(ratios) < 1.0


def test_density_of_states_is_normalised_and_keeps_negative_modes():
    spectrum = phonon_spectrum(spring_rows((3, 3, 3)), mass=MASS)
    dos = density_of_states(spectrum, n_bins=40)
    width = float(dos["frequency"][1] - dos["frequency"][0])
    assert float(dos["dos"].sum()) * width == pytest.approx(1.0)
    mean = float((dos["dos"] * dos["frequency"]).sum()) * width
    assert mean == pytest.approx(float(spectrum["frequency"].mean()), abs=width / 2)
    unstable = phonon_spectrum(spring_rows((2, 2, 2), scale=-1.0), mass=MASS)
    below = density_of_states(unstable, max_frequency=1.0, n_bins=50)
    assert float(below["dos"].where(below["frequency"] < 0, 0.0).sum()) / 50 > 0.9
    assert all("units" in dos[name].attrs for name in dos.variables)
    with pytest.raises(ObservableError, match="raise it"):
        density_of_states(spectrum, max_frequency=0.5)


def test_a_zero_mode_that_rounding_made_negative_gets_no_bin_of_its_own():
    spectrum = phonon_spectrum(spring_rows((3, 3, 3)), mass=MASS)
    modes, width = spectrum["frequency"].to_numpy(), 1.05 * float(spectrum["frequency"].max()) / 40
    for lowest, bins in ((-0.01, 40), (-2.5, 43)):
        moved = modes.copy()
        moved[np.argmin(modes)] = lowest * width
        dos = density_of_states(spectrum.assign(frequency=("mode", moved)), max_frequency=40 * width, n_bins=40)
        assert dos.sizes["frequency"] == bins
        assert float(dos["dos"].sum()) * width == pytest.approx(1.0)


def test_dispersion_of_nearest_neighbour_springs_along_cube_edge():
    """Along Γ–X: λ = 8k sin²(qa/4) longitudinal, 4k sin²(qa/4) transverse, twice."""
    bands = dispersion(spring_rows((2, 2, 2)), mass=MASS, path=("Γ", "X"), n_points=17)
    sine = np.sin(bands["wave_vector"].values[:, 0] * EDGE / 4.0) ** 2
    for branch, factor in ((0, 4.0), (1, 4.0), (2, 8.0)):
        expected = [frequency_thz(factor * STIFFNESS * value, MASS) for value in sine]
        np.testing.assert_allclose(bands["frequency"][:, branch], expected, atol=1e-6)


@pytest.mark.parametrize("repeats", [(2, 2, 2), (3, 3, 3)])
def test_interpolation_keeps_the_spectrum_and_the_cubic_symmetry(repeats):
    """Springs reach the boundary of the cell, where atoms have several nearest images."""
    rows = spring_rows(repeats, reach=2.5 * EDGE)
    if repeats == (2, 2, 2):  # X is one of this cell's own wave vectors
        bands = dispersion(rows, mass=MASS, path=("Γ", "X"), n_points=3)
        spectrum = phonon_spectrum(rows, mass=MASS)["frequency"].values
        for value in bands["frequency"][-1].values:
            assert np.abs(spectrum - value).min() < 1e-9
    bands = dispersion(rows, mass=MASS, path=("Γ", "X", "Γ", "L"), n_points=13)
    frequency = bands["frequency"].values
    np.testing.assert_allclose(frequency[:13], frequency[13:26][::-1], atol=1e-9)
    # along a fourfold (Γ–X) and a threefold (Γ–L) axis both transverse branches are equal
    for leg in (frequency[1:13], frequency[27:]):
        spacing = np.abs(np.diff(leg, axis=1)).min(axis=1)
        np.testing.assert_allclose(spacing, 0.0, atol=1e-7)


def test_path_has_its_lengths_and_refuses_unknown_points():
    rows = spring_rows((2, 2, 2))
    bands = dispersion(rows, mass=MASS, n_points=5)
    unit = 2 * np.pi / EDGE
    legs = unit * np.array([1.0, 0.5, np.sqrt(2) / 4, np.sqrt(1.125), np.sqrt(0.75)])
    np.testing.assert_allclose(bands["corner"], np.concatenate([[0.0], np.cumsum(legs)]))
    assert list(bands["label"].values) == ["Γ", "X", "W", "K", "Γ", "L"]
    assert (np.diff(bands["q"]) >= 0.0).all()
    assert all("units" in bands[name].attrs for name in bands.variables)
    with pytest.raises(ObservableError, match="expected two or more names"):
        dispersion(rows, mass=MASS, path=("Γ", "M"))
    with pytest.raises(ObservableError, match="cubic"):
        dispersion(rows.assign(box=rows["box"] * [1.0, 1.0, 1.01]), mass=MASS)
