"""Phonons from one displaced atom against phonopy, with forces from the same calculator."""

import numpy as np
import pytest
from ase import Atoms

from pytest_mlff.analysis.phonons import FCC_PATH, dispersion, fcc_points, frequencies, phonon_spectrum
from pytest_mlff.potentials import lennard_jones
from pytest_mlff.simulation.derivatives import crystal_rows, dense_hessian
from pytest_mlff.units import EV_PER_AMU_ANGSTROM2_PS2

EDGE, MASS, CELLS, STEP = 5.2687, 39.948, 4, 1e-3
BASIS = np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
PRIMITIVE = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])

# phonopy turns √(eV/Å²/amu) into THz with constants of its own; ours differ by less than this
CONSTANTS = 2e-8
# both take central differences at one step, but phonopy displaces in one direction and rotates the result:
# the anharmonic parts, of relative size h²·10/Å², differ
THZ = 1e-6


def argon_forces(box):
    calculator = lennard_jones()

    def forces(positions):
        return calculator.get_forces(Atoms(f"Ar{len(positions)}", positions, cell=box, pbc=True))

    return forces


@pytest.fixture(scope="module")
def theirs(oracle):
    phonopy = oracle("phonopy")
    from phonopy.structure.atoms import PhonopyAtoms

    unit = PhonopyAtoms(symbols=["Ar"] * 4, cell=np.eye(3) * EDGE, scaled_positions=BASIS, masses=[MASS] * 4)
    phonon = phonopy.Phonopy(unit, supercell_matrix=[CELLS] * 3, primitive_matrix="F")
    phonon.generate_displacements(distance=STEP, is_plusminus=True)
    forces = argon_forces(np.diag(phonon.supercell.cell))
    phonon.forces = [forces(cell.positions) for cell in phonon.supercells_with_displacements]
    phonon.produce_force_constants()
    return phonon


@pytest.fixture(scope="module")
def ours():
    cells = np.stack(np.meshgrid(*[np.arange(CELLS)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    positions, box = EDGE * (cells[:, None] + BASIS).reshape(-1, 3), np.full(3, CELLS * EDGE)
    return crystal_rows(argon_forces(box), positions, cell=np.diag(box), lattice=EDGE * PRIMITIVE, step=STEP)


def test_spectrum_on_the_wave_vectors_of_the_cell(theirs, ours):
    from phonopy.harmonic.dynmat_to_fc import get_commensurate_points

    matrix = np.rint(np.linalg.solve(theirs.primitive.cell.T, theirs.supercell.cell.T)).astype(int)
    points = get_commensurate_points(matrix)
    theirs.run_qpoints(points)
    expected = np.sort(theirs.qpoints.frequencies, axis=None)
    found = phonon_spectrum(ours, masses=MASS)["frequency"].values
    assert found.size == expected.size == 3 * 256
    np.testing.assert_allclose(found[3:], expected[3:], rtol=CONSTANTS, atol=THZ)


def test_dispersion_along_the_path(theirs, ours):
    """Between the cell's wave vectors the interpolation counts, and so do atoms at the cell's boundary."""
    bands = dispersion(ours, masses=MASS, points=fcc_points(EDGE), path=FCC_PATH, n_points=21)
    reduced = bands["wave_vector"].values @ theirs.primitive.cell.T / (2.0 * np.pi)
    theirs.run_qpoints(reduced)
    expected = np.sort(theirs.qpoints.frequencies, axis=1)
    at_gamma = np.linalg.norm(bands["wave_vector"].values, axis=1) < 1e-9
    np.testing.assert_allclose(bands["frequency"].values[~at_gamma], expected[~at_gamma], rtol=CONSTANTS, atol=THZ)
    # at Γ the root turns a rounding of 1e-12 eV/Å² into 1e-6 THz, on both sides
    np.testing.assert_allclose(bands["frequency"].values[at_gamma], 0.0, atol=2e-5)


def test_force_constants_are_the_response_to_one_atom(theirs, ours):
    full = theirs.force_constants
    row = full[0] if full.shape[0] != full.shape[1] else full[theirs.primitive.p2s_map[0]]
    apart = theirs.supercell.positions - theirs.supercell.positions[theirs.primitive.p2s_map[0]]
    place = ours["position"].values - ours["position"].values[0]
    for index in range(len(place)):
        gap = apart - place[index]
        gap -= CELLS * EDGE * np.round(gap / (CELLS * EDGE))
        twin = int(np.argmin((gap**2).sum(axis=1)))
        np.testing.assert_allclose(ours["row"].values[0, 0, index], row[twin].T, atol=2e-6)


def test_dense_diagonalisation_agrees():
    """The whole Hessian of 108 atoms, every atom displaced; the potential reaches past half the cell."""
    cells = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    positions, box = EDGE * (cells[:, None] + BASIS).reshape(-1, 3), np.full(3, 3 * EDGE)
    forces = argon_forces(box)
    dense = dense_hessian(forces, positions)
    values = np.linalg.eigvalsh(0.5 * (dense + dense.T))
    rows = crystal_rows(forces, positions, cell=np.diag(box), lattice=EDGE * PRIMITIVE)
    found = phonon_spectrum(rows, masses=MASS)["frequency"].values
    np.testing.assert_allclose(found[3:], frequencies(values, mass=MASS)[3:], rtol=1e-10)
    back = (2 * np.pi * found[3:]) ** 2 * MASS * EV_PER_AMU_ANGSTROM2_PS2
    np.testing.assert_allclose(back, values[3:], atol=5e-13)
