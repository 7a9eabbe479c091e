"""Phonons of crystals with several atoms a cell, several masses and any cell, against phonopy on the same forces."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.data import atomic_masses
from ase.neighborlist import neighbor_list
from scipy.special import erfc

from pytest_mlff.analysis.crystal import Crystal, supercell
from pytest_mlff.analysis.hessian import block_hessian, crystal_symmetry, response_at_step, sites_of
from pytest_mlff.analysis.phonons import dispersion, frequencies, phonon_spectrum
from pytest_mlff.reference.crystal import respond
from pytest_mlff.simulation.derivatives import crystal_rows
from pytest_mlff.simulation.relax import relax_sublattices

STEP = 1e-3  # Å; phonopy displaces along the cell's vectors, so that at 1e-2 anharmonic parts differ by 1e-4
CLOSE = 1e-5  # of the mean frequency

FACES = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
SKEW = np.array([[3.9, 0.3, 0.2], [1.1, 3.7, -0.4], [0.8, 1.3, 4.1]])  # angles of 70°, 75° and 76° between the edges
HEXAGON = np.array([[3.2, 0.0, 0.0], [-1.6, 1.6 * np.sqrt(3.0), 0.0], [0.0, 0.0, 3.2 * np.sqrt(8.0 / 3.0)]])


class Pairs(Calculator):
    """Sum over pairs: ``slope(r, Z_i, Z_j)`` of the energy, times a factor that takes it to zero at the cutoff.

    ``curl`` adds to each pair a force across it, along d × z, which no energy has.
    """

    implemented_properties = ("forces",)

    def __init__(self, slope, cutoff, curl=0.0):
        super().__init__()
        self.slope, self.cutoff, self.curl = slope, cutoff, curl

    def calculate(self, atoms=None, properties=("forces",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        i, j, d, r = neighbor_list("ijDd", atoms, self.cutoff)
        end = (1.0 - (r / self.cutoff) ** 2) ** 3
        along = (end * self.slope(r, atoms.numbers[i], atoms.numbers[j]) / r)[:, None] * d
        along += self.curl * end[:, None] * np.cross(d, [0.0, 0.0, 1.0])
        forces = np.zeros((len(atoms), 3))
        np.add.at(forces, i, along)
        self.results = {"forces": forces}


def lennard_jones_slope(epsilon, sigma):
    def slope(r, first, second):
        power = (sigma / r) ** 6
        return -24.0 * epsilon * (2.0 * power - 1.0) * power / r

    return slope


def salt_slope(r, first, second):
    """Born–Mayer repulsion and Coulomb screened by erfc(r / 3 Å), sodium +1 and chlorine −1."""
    sign = np.where(first == second, 1.0, -1.0)
    screened = 14.39964 * sign * (erfc(r / 3.0) / r**2 + 2.0 / np.sqrt(np.pi) / 3.0 * np.exp(-((r / 3.0) ** 2)) / r)
    return -1256.0 / 0.3 * np.exp(-r / 0.3) * (sign < 0.0) - 300.0 / 0.35 * np.exp(-r / 0.35) * (sign > 0.0) - screened


class StillingerWeber(Calculator):
    """Silicon, F. H. Stillinger and T. A. Weber, Phys. Rev. B 31 (1985) 5262."""

    implemented_properties = ("energy", "forces")
    epsilon, sigma, a, strength, gamma = 2.1683, 2.0951, 1.80, 21.0, 1.20
    big, small = 7.049556277, 0.6022245584

    def calculate(self, atoms=None, properties=("forces",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        i, j, d = neighbor_list("ijD", atoms, self.a * self.sigma * (1.0 - 1e-9))
        r = np.linalg.norm(d, axis=1)
        energy, slope = self._pair(r / self.sigma)
        pull = np.zeros((len(i), 3))  # derivative of the energy with respect to each bond vector
        pull += 0.5 * (slope / self.sigma / r)[:, None] * d
        first, second = (side.ravel() for side in np.meshgrid(np.arange(len(i)), np.arange(len(i)), indexing="ij"))
        same = (i[first] == i[second]) & (first < second)
        first, second = first[same], second[same]
        angle = self._angle(d[first], d[second])
        np.add.at(pull, first, angle[1])
        np.add.at(pull, second, angle[2])
        forces = np.zeros((len(atoms), 3))
        np.add.at(forces, i, pull)
        np.add.at(forces, j, -pull)
        self.results = {"energy": 0.5 * energy.sum() + angle[0].sum(), "forces": forces}

    def _pair(self, x):
        end = np.exp(1.0 / (x - self.a))
        core = self.big * (self.small * x**-4 - 1.0)
        slope = end * (-4.0 * self.big * self.small * x**-5 - core / (x - self.a) ** 2)
        return self.epsilon * core * end, self.epsilon * slope

    def _angle(self, d1, d2):
        r1, r2 = np.linalg.norm(d1, axis=1), np.linalg.norm(d2, axis=1)
        e1, e2 = (self.gamma / (r / self.sigma - self.a) for r in (r1, r2))
        cosine = np.sum(d1 * d2, axis=1) / (r1 * r2)
        end, off = np.exp(e1 + e2), cosine + 1.0 / 3.0
        scale = self.epsilon * self.strength
        by_cosine = 2.0 * scale * off * end
        by_length = [-scale * off**2 * end * e**2 / self.gamma / self.sigma for e in (e1, e2)]
        u1, u2 = d1 / r1[:, None], d2 / r2[:, None]
        pull1 = (by_cosine / r1)[:, None] * (u2 - cosine[:, None] * u1) + by_length[0][:, None] * u1
        pull2 = (by_cosine / r2)[:, None] * (u1 - cosine[:, None] * u2) + by_length[1][:, None] * u2
        return scale * off**2 * end, pull1, pull2


def forces_in(calculator, numbers, cell):
    """``positions → forces`` of that calculator."""

    def forces(positions):
        return calculator.get_forces(Atoms(numbers=numbers, positions=positions, cell=cell, pbc=True))

    return forces


@dataclass(frozen=True)
class Case:
    numbers: list[int]
    fractions: Any
    cell: Any
    matrix: Any
    calculator: Any
    primitive: int

    @property
    def crystal(self) -> Crystal:
        return supercell(self.numbers, self.fractions, self.cell, self.matrix)

    def forces(self, crystal: Crystal) -> Any:
        return forces_in(self.calculator, crystal.numbers, crystal.cell)


CASES = {
    # an optical branch
    "silicon": Case([14, 14], [[0, 0, 0], [0.25] * 3], 5.431 * FACES, 3 * np.eye(3), StillingerWeber(), 2),
    # eight atoms that are two
    "silicon-cubic": Case(
        [14] * 8,
        np.concatenate([[[0, 0, 0], *FACES], np.array([[0, 0, 0], *FACES]) + 0.25]),
        5.431 * np.eye(3),
        np.diag([2, 2, 1]),
        StillingerWeber(),
        2,
    ),
    "copper": Case([29], [[0, 0, 0]], 3.61 * FACES, 4 * np.eye(3), EMT(), 1),
    # two masses
    "salt": Case([11, 17], [[0, 0, 0], [0.5] * 3], 5.2 * FACES, np.diag([2, 3, 3]), Pairs(salt_slope, 6.0), 2),
    # no right angle between two edges of the cell, which is filled along other vectors
    "skew": Case(
        [18, 36],
        [[0.1, 0.2, 0.05], [0.55, 0.63, 0.6]],
        SKEW,
        [[2, 1, 0], [0, 3, -1], [1, 0, 2]],
        Pairs(lennard_jones_slope(0.0103, 3.2), 6.5),
        2,
    ),
    "hexagonal": Case(
        [12, 12],
        [[1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]],
        HEXAGON,
        [[3, 0, 0], [0, 4, 0], [1, 0, 2]],
        Pairs(lennard_jones_slope(0.1, 2.88), 6.0),
        2,
    ),
}


@pytest.fixture(scope="module", params=CASES)
def case(request):
    return CASES[request.param]


@pytest.fixture(scope="module")
def ours(case):
    crystal = case.crystal
    forces = case.forces(crystal)
    rest = relax_sublattices(forces, crystal.positions, crystal.sublattice).positions
    rows = crystal_rows(
        forces, rest, cell=crystal.cell, lattice=crystal.lattice, displaced=crystal.displaced, step=STEP
    )
    return rows.assign(number=("atom", crystal.numbers))


@pytest.fixture(scope="module")
def masses(ours):
    return atomic_masses[ours["number"].values]


@pytest.fixture(scope="module")
def theirs(oracle, case, ours, masses):
    """Phonopy without symmetry, of the primitive cell that was displaced."""
    phonopy = oracle("phonopy")
    from phonopy.structure.atoms import PhonopyAtoms

    lattice, home = ours["lattice"].values, ours["displaced_atom"].values
    matrix = np.rint(np.linalg.solve(lattice.T, ours["cell"].values.T)).astype(int)  # its columns are the vectors
    unit = PhonopyAtoms(
        numbers=ours["number"].values[home],
        cell=lattice,
        positions=ours["position"].values[home],
        masses=masses[home],
    )
    phonon = phonopy.Phonopy(unit, supercell_matrix=matrix, primitive_matrix=np.eye(3), is_symmetry=False)
    phonon.generate_displacements(distance=STEP, is_plusminus=True, is_diagonal=False)
    phonon.forces = [
        case.calculator.get_forces(Atoms(numbers=one.numbers, positions=one.positions, cell=one.cell, pbc=True))
        for one in phonon.supercells_with_displacements
    ]
    phonon.produce_force_constants()
    return phonon


def of_phonopy(phonon, vectors):
    phonon.run_qpoints(vectors @ phonon.primitive.cell.T / (2.0 * np.pi))
    return np.asarray(phonon.qpoints.frequencies)


def test_every_branch_at_every_wave_vector_of_the_cell(case, ours, masses, theirs):
    hessian = block_hessian(response_at_step(ours), sites_of(ours))
    assert len(ours["displaced_atom"]) == case.primitive
    assert len(hessian.wave_vectors) * case.primitive == ours.sizes["atom"]
    expected = of_phonopy(theirs, hessian.wave_vectors)
    own = masses[ours["displaced_atom"].values]
    weights = np.repeat(np.sqrt(own.min() / own), 3)
    found = frequencies(hessian.eigenvalues(weights), mass=own.min())
    # three acoustic modes at rest are the root of a rounding
    difference = np.sort(found, axis=1) - np.sort(expected, axis=1)
    difference[0, np.argsort(np.abs(expected[0]))[:3]] = 0.0
    assert np.abs(difference).max() < CLOSE * expected.mean()


def test_the_spectrum_is_that_of_all_modes(ours, masses, theirs):
    spectrum = phonon_spectrum(ours, masses=masses)
    expected = np.sort(of_phonopy(theirs, sites_of(ours).wave_vectors), axis=None)
    found = spectrum["frequency"].values
    assert found.size == expected.size == 3 * ours.sizes["atom"]
    counted = np.abs(expected) > 1e-3 * expected.mean()
    np.testing.assert_allclose(found[counted], expected[counted], atol=CLOSE * expected.mean())
    assert int(spectrum["negative_modes"]) == np.count_nonzero(expected < -1e-3 * expected.mean())
    assert float(spectrum["acoustic_residual"]) < 1e-4 * expected.mean()


def test_between_the_wave_vectors_boundary_atoms_are_shared_as_there(ours, masses, theirs):
    reciprocal = 2.0 * np.pi * np.linalg.inv(ours["lattice"].values).T
    points = {"A": np.array([0.11, 0.07, 0.03]) @ reciprocal, "B": np.array([0.61, -0.29, 0.43]) @ reciprocal}
    bands = dispersion(ours, masses=masses, points=points, path="AB", n_points=9)
    expected = of_phonopy(theirs, bands["wave_vector"].values)
    np.testing.assert_allclose(bands["frequency"].values, expected, atol=CLOSE * np.abs(expected).mean())


def test_forces_of_an_energy_are_symmetric(ours):
    assert 1.0 - crystal_symmetry(ours).value < 1e-3


def test_a_curl_breaks_the_symmetry(case):
    if not isinstance(case.calculator, Pairs):
        pytest.skip("a potential without that term")
    crystal = case.crystal
    curled = Pairs(case.calculator.slope, case.calculator.cutoff, curl=0.02)
    found = crystal_symmetry(respond(forces_in(curled, crystal.numbers, crystal.cell), crystal))
    assert found.value < 0.98
