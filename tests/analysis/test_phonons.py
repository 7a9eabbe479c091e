"""Phonon spectrum, its distance, density of states and dispersion."""

import itertools
import math

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from pytest_mlff.analysis.crystal import supercell
from pytest_mlff.analysis.lattice import nearest_images
from pytest_mlff.analysis.phonons import (
    FCC_PATH,
    density_of_states,
    dispersion,
    fcc_points,
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


FCC = np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])


def cubic(repeats):
    return supercell([18] * 4, FCC, EDGE * np.eye(3), np.diag(repeats))


def springs(crystal, reach=0.8 * EDGE):
    """Responses to the displaced atoms of central springs STIFFNESS (r₁/r)⁸ to all neighbours within ``reach``."""
    response = np.zeros((len(crystal.displaced), len(crystal.positions), 3, 3))
    for k, atom in enumerate(crystal.displaced):
        for j, vector, share in zip(*nearest_images(crystal.positions, cell=crystal.cell, atom=atom), strict=True):
            length = np.linalg.norm(vector)
            if 0.0 < length < reach:
                strength = STIFFNESS * (EDGE / np.sqrt(2.0) / length) ** 8 * share
                pair = strength * np.outer(vector, vector) / length**2
                response[k, j] -= pair
                response[k, atom] += pair
    return response


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


def spring_rows(repeats, *, reach=0.8 * EDGE, scale=1.0, growth=0.0, stderr=0.0):
    """Springs scaled by ``scale``, whose difference quotient at h is off by a factor 1 + growth (∝ h²)."""
    crystal = cubic(repeats)
    row = scale * springs(crystal, reach)
    return rows_dataset((1 + growth) * row, (1 + 4 * growth) * row, crystal, stderr)


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
    spectrum = phonon_spectrum(spring_rows((3, 3, 3)), masses=MASS)
    positive = np.sort(expected)[3:]
    np.testing.assert_allclose(spectrum["frequency"][3:], positive, rtol=1e-10)
    assert float(spectrum["acoustic_residual"]) < 1e-6
    assert int(spectrum["negative_modes"]) == 0
    assert spectrum.sizes["mode"] == 3 * 108


def test_springs_that_push_make_every_mode_negative_but_translation():
    spectrum = phonon_spectrum(spring_rows((2, 2, 2), scale=-1.0), masses=MASS)
    assert int(spectrum["negative_modes"]) == 3 * 32 - 3
    plain = phonon_spectrum(spring_rows((2, 2, 2)), masses=MASS)
    np.testing.assert_allclose(spectrum["frequency"][:-3], -plain["frequency"].values[:2:-1], rtol=1e-9)


def test_a_shifted_translation_is_reported_and_not_counted():
    """A model that holds its atoms to fixed places has no zero modes; that is seen in the residual."""
    crystal = cubic((3, 3, 3))
    row = springs(crystal)
    row[0, 0] -= 0.3 * STIFFNESS * np.eye(3)  # lowers every eigenvalue alike: only those at q = 0 become negative
    found = phonon_spectrum(rows_dataset(row, row, crystal), masses=MASS)
    assert int(found["negative_modes"]) == 0
    assert float(found["acoustic_residual"]) == pytest.approx(-frequency_thz(-0.3 * STIFFNESS, MASS))


def test_negative_modes_are_counted_beyond_the_noise_only():
    crystal = cubic((3, 3, 3))
    row = springs(crystal)
    plain = phonon_spectrum(rows_dataset(row, row, crystal), masses=MASS)
    stiffness = (2 * np.pi * plain["frequency"].values[3:]) ** 2 * MASS * EV_PER_AMU_ANGSTROM2_PS2
    lowered = stiffness[0] + 0.004  # the lowest modes come to lie at −0.004 eV/Å²
    row[0, 0] -= lowered * np.eye(3)
    quiet = phonon_spectrum(rows_dataset(row, row, crystal), masses=MASS)
    expected = int(np.count_nonzero(stiffness < lowered))
    assert int(quiet["negative_modes"]) == expected > 0
    # 13 atoms respond, an eigenvalue's own error is 6e-4 √13 = 0.002 eV/Å²: less than three times that is not negative
    noisy = phonon_spectrum(rows_dataset(row, row, crystal, stderr=6e-4), masses=MASS)
    assert int(noisy["negative_modes"]) == int(np.count_nonzero(stiffness < lowered - 18e-4 * np.sqrt(13)))
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
    reference = phonon_spectrum(spring_rows((3, 3, 3)), masses=MASS)
    candidate = phonon_spectrum(spring_rows((3, 3, 3), scale=1.1), masses=MASS)
    found = pdos_distance(candidate, reference)
    assert found.value == pytest.approx(np.sqrt(1.1) - 1.0, rel=1e-6)
    assert found.stderr < 1e-6
    assert found.dof == float("inf")


def test_error_is_the_distance_to_a_vanishing_step():
    exact = phonon_spectrum(spring_rows((3, 3, 3)), masses=MASS)
    stepped = phonon_spectrum(spring_rows((3, 3, 3), growth=0.01), masses=MASS)
    found = pdos_distance(stepped, exact)
    # the whole distance comes from the step, and the error bar says so
    assert found.value == pytest.approx(np.sqrt(1.01) - 1.0, rel=1e-6)
    assert found.stderr == pytest.approx(found.value, rel=1e-6)


def test_error_covers_what_noise_does():
    crystal = cubic((3, 3, 3))
    row = springs(crystal)
    exact = phonon_spectrum(rows_dataset(row, row, crystal), masses=MASS)
    rng = np.random.default_rng(1)
    ratios = []
    for _ in range(20):
        near, far = (row + rng.normal(0.0, s * 1e-4, row.shape) for s in (1.0, 3.0))
        noisy = phonon_spectrum(rows_dataset(near, far, crystal, stderr=1e-4), masses=MASS)
        found = pdos_distance(noisy, exact)
        ratios.append(found.value / found.stderr)
    assert 0.4 < np.mean(ratios) < 1.0


def test_density_of_states_is_normalised_and_keeps_negative_modes():
    spectrum = phonon_spectrum(spring_rows((3, 3, 3)), masses=MASS)
    dos = density_of_states(spectrum, n_bins=40)
    width = float(dos["frequency"][1] - dos["frequency"][0])
    assert float(dos["dos"].sum()) * width == pytest.approx(1.0)
    mean = float((dos["dos"] * dos["frequency"]).sum()) * width
    assert mean == pytest.approx(float(spectrum["frequency"].mean()), abs=width / 2)
    unstable = phonon_spectrum(spring_rows((2, 2, 2), scale=-1.0), masses=MASS)
    below = density_of_states(unstable, max_frequency=1.0, n_bins=50)
    assert float(below["dos"].where(below["frequency"] < 0, 0.0).sum()) / 50 > 0.9
    assert all("units" in dos[name].attrs for name in dos.variables)
    with pytest.raises(ObservableError, match="raise it"):
        density_of_states(spectrum, max_frequency=0.5)


def test_a_zero_mode_that_rounding_made_negative_gets_no_bin_of_its_own():
    spectrum = phonon_spectrum(spring_rows((3, 3, 3)), masses=MASS)
    modes, width = spectrum["frequency"].to_numpy(), 1.05 * float(spectrum["frequency"].max()) / 40
    for lowest, bins in ((-0.01, 40), (-2.5, 43)):
        moved = modes.copy()
        moved[np.argmin(modes)] = lowest * width
        dos = density_of_states(spectrum.assign(frequency=("mode", moved)), max_frequency=40 * width, n_bins=40)
        assert dos.sizes["frequency"] == bins
        assert float(dos["dos"].sum()) * width == pytest.approx(1.0)


def test_dispersion_of_nearest_neighbour_springs_along_cube_edge():
    """Along Γ–X: λ = 8k sin²(qa/4) longitudinal, 4k sin²(qa/4) transverse, twice."""
    bands = dispersion(spring_rows((2, 2, 2)), masses=MASS, points=fcc_points(EDGE), path=("Γ", "X"), n_points=17)
    sine = np.sin(bands["wave_vector"].values[:, 0] * EDGE / 4.0) ** 2
    for branch, factor in ((0, 4.0), (1, 4.0), (2, 8.0)):
        expected = [frequency_thz(factor * STIFFNESS * value, MASS) for value in sine]
        np.testing.assert_allclose(bands["frequency"][:, branch], expected, atol=1e-6)


@pytest.mark.parametrize("repeats", [(2, 2, 2), (3, 3, 3)])
def test_interpolation_keeps_the_spectrum_and_the_cubic_symmetry(repeats):
    """Springs reach the boundary of the cell, where atoms have several nearest images."""
    rows = spring_rows(repeats, reach=2.5 * EDGE)
    if repeats == (2, 2, 2):  # X is one of this cell's own wave vectors
        bands = dispersion(rows, masses=MASS, points=fcc_points(EDGE), path=("Γ", "X"), n_points=3)
        spectrum = phonon_spectrum(rows, masses=MASS)["frequency"].values
        for value in bands["frequency"][-1].values:
            assert np.abs(spectrum - value).min() < 1e-9
    bands = dispersion(rows, masses=MASS, points=fcc_points(EDGE), path=("Γ", "X", "Γ", "L"), n_points=13)
    frequency = bands["frequency"].values
    np.testing.assert_allclose(frequency[:13], frequency[13:26][::-1], atol=1e-9)
    # along a fourfold (Γ–X) and a threefold (Γ–L) axis both transverse branches are equal
    for leg in (frequency[1:13], frequency[27:]):
        spacing = np.abs(np.diff(leg, axis=1)).min(axis=1)
        np.testing.assert_allclose(spacing, 0.0, atol=1e-7)


def test_path_has_its_lengths_and_refuses_unknown_points():
    rows = spring_rows((2, 2, 2))
    bands = dispersion(rows, masses=MASS, points=fcc_points(EDGE), path=FCC_PATH, n_points=5)
    unit = 2 * np.pi / EDGE
    legs = unit * np.array([1.0, 0.5, np.sqrt(2) / 4, np.sqrt(1.125), np.sqrt(0.75)])
    np.testing.assert_allclose(bands["corner"], np.concatenate([[0.0], np.cumsum(legs)]))
    assert list(bands["label"].values) == ["Γ", "X", "W", "K", "Γ", "L"]
    assert (np.diff(bands["q"]) >= 0.0).all()
    assert all("units" in bands[name].attrs for name in bands.variables)
    with pytest.raises(ObservableError, match="expected two or more names"):
        dispersion(rows, masses=MASS, points=fcc_points(EDGE), path=("Γ", "M"))


SALT = supercell([11] * 4 + [17] * 4, np.concatenate([FCC, FCC + 0.5]), EDGE * np.eye(3), 2 * np.eye(3))
SALT_MASSES = np.where(SALT.numbers == 11, 22.99, 35.45)


def test_nearest_neighbours_of_two_masses_swing_against_each_other():
    """Rock salt, springs k to the six neighbours: at rest ω² = 2k(1/m₁ + 1/m₂), at q = (π/a)(1, 1, 1) 2k/m₁, 2k/m₂."""
    row = springs(SALT, reach=0.6 * EDGE)
    stiffness = row[0, SALT.displaced[0], 0, 0]  # 2k
    rows = rows_dataset(row, row, SALT)
    spectrum = phonon_spectrum(rows, masses=SALT_MASSES)
    assert spectrum.sizes["mode"] == 3 * 64
    top = frequency_thz(stiffness * (1.0 / 22.99 + 1.0 / 35.45), 1.0)
    assert float(spectrum["frequency"][-1]) == pytest.approx(top, rel=1e-10)
    bands = dispersion(rows, masses=SALT_MASSES, points=fcc_points(EDGE), path=("Γ", "L"), n_points=3)
    np.testing.assert_allclose(bands["frequency"][0], [0.0] * 3 + [top] * 3, atol=1e-6)
    heavy, light = (frequency_thz(stiffness, mass) for mass in (35.45, 22.99))
    np.testing.assert_allclose(bands["frequency"][-1], [heavy] * 3 + [light] * 3, rtol=1e-10)


def test_translations_of_two_masses_are_left_out_and_a_soft_optical_mode_is_not():
    row = -springs(SALT)
    found = phonon_spectrum(rows_dataset(row, row, SALT), masses=SALT_MASSES)
    zero = np.abs(found["frequency"].values) < 1e-6
    assert int(found["negative_modes"]) == np.count_nonzero(~zero)
    assert zero.sum() >= 3
    assert float(found["acoustic_residual"]) < 1e-6
    for k, atom in enumerate(SALT.displaced):
        row[k, atom] += 0.2 * STIFFNESS * np.eye(3)
    held = phonon_spectrum(rows_dataset(row, row, SALT), masses=SALT_MASSES)
    # both atoms are held as strongly: the crystal as a whole swings with twice that and both masses
    assert float(held["acoustic_residual"]) == pytest.approx(frequency_thz(0.4 * STIFFNESS, 22.99 + 35.45))


def test_atoms_that_are_alike_have_one_mass_and_none_is_nothing():
    row = springs(SALT)
    rows = rows_dataset(row, row, SALT)
    with pytest.raises(ObservableError, match="different masses"):
        phonon_spectrum(rows, masses=np.linspace(20.0, 40.0, 64))
    with pytest.raises(ObservableError, match="positive"):
        phonon_spectrum(rows, masses=0.0)
    one = phonon_spectrum(rows, masses=30.0)["frequency"].values
    np.testing.assert_array_equal(phonon_spectrum(rows, masses=np.full(64, 30.0))["frequency"], one)
