"""Phonon spectrum of 2048 atoms from one displaced atom, beside phonopy with forces of the same calculator."""

import time

import numpy as np
from ase import Atoms

from pytest_mlff.analysis.phonons import phonon_spectrum
from pytest_mlff.potentials import lennard_jones
from pytest_mlff.reference.crystal import respond, static_crystal
from pytest_mlff.simulation.derivatives import STEP
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")


EDGE, MASS = ARGON.crystal.cell[0][0], ARGON.masses_of([18])[0]


class CountedForces:
    """Forces of argon in a cube, with the number of calls and the seconds spent in them."""

    def __init__(self, cells):
        self.cell = np.full(3, cells * EDGE)
        self.calls, self.seconds, self.calculator = 0, 0.0, lennard_jones()

    def __call__(self, positions):
        start = time.perf_counter()
        forces = self.calculator.get_forces(Atoms(f"Ar{len(positions)}", positions, cell=self.cell, pbc=True))
        self.seconds += time.perf_counter() - start
        self.calls += 1
        return forces


def spectrum(cells):
    forces, start = CountedForces(cells), time.perf_counter()
    rows = respond(forces, static_crystal(ARGON, cells))
    found = phonon_spectrum(rows, masses=MASS)["frequency"].values
    return found, forces.calls, time.perf_counter() - start - forces.seconds


def spectrum_of_phonopy(phonopy, cells):
    """The same from phonopy. Its search for the symmetry of so many atoms takes minutes, so it goes without."""
    from phonopy.harmonic.dynmat_to_fc import get_commensurate_points
    from phonopy.structure.atoms import PhonopyAtoms

    forces, start = CountedForces(cells), time.perf_counter()
    unit = PhonopyAtoms(["Ar"] * 4, cell=np.eye(3) * EDGE, scaled_positions=ARGON.crystal.fractions, masses=[MASS] * 4)
    phonon = phonopy.Phonopy(unit, [cells] * 3, primitive_matrix="F", is_symmetry=False)
    phonon.generate_displacements(distance=STEP, is_plusminus=True)
    phonon.forces = [forces(cell.positions) for cell in phonon.supercells_with_displacements]
    phonon.produce_force_constants(calculate_full_force_constants=False)
    matrix = np.rint(np.linalg.solve(phonon.primitive.cell.T, phonon.supercell.cell.T)).astype(int)
    phonon.run_qpoints(get_commensurate_points(matrix))
    found = np.sort(phonon.qpoints.frequencies, axis=None)
    return found, forces.calls, time.perf_counter() - start - forces.seconds


def test_density_of_states_beside_phonopy(peer, say, smallest):
    phonopy, cells = peer("phonopy"), 5 if smallest else 8  # from 4.6 on the cell is wider than twice the cutoff
    n_atoms = 4 * cells**3
    spectrum(cells)  # first use of a module is not the cost of a spectrum
    ours = [spectrum(cells) for _ in range(3)]
    found, calls, seconds = ours[0][0], ours[0][1], float(np.median([one[2] for one in ours]))
    expected, their_calls, their_seconds = spectrum_of_phonopy(phonopy, cells)
    assert found.size == expected.size == 3 * n_atoms
    np.testing.assert_allclose(found[3:], expected[3:], atol=1e-5)
    assert calls <= 10
    say(
        f"PDOS of {n_atoms} atoms: ours {calls} force calls and {seconds:.3f} s beyond them, phonopy {their_calls} "
        f"and {their_seconds:.1f} s, ratio {seconds / their_seconds:.3f} (target <= 10 calls, <= 2 s)"
    )
