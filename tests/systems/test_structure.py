"""Pairs, distances and fractions in cells of any shape, against ASE's neighbour list."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlff.cells import perpendicular_widths
from pytest_mlff.systems.atoms import make_atoms
from pytest_mlff.systems.reading import load_system
from pytest_mlff.systems.structure import Structure, close_pairs, shortest_distance

SKEWED = np.array([[9.0, 0.5, -1.0], [5.0, 8.0, 1.5], [-3.0, 4.0, 7.0]])
THIN = np.array([[12.0, 0.0, 0.0], [11.0, 2.5, 0.0], [0.0, 0.0, 9.0]])
CELLS = {"straight": np.diag([9.0, 8.0, 7.0]), "skewed": SKEWED, "thin": THIN}


def random(cell, seed, atoms=12):
    rng = np.random.default_rng(seed)
    positions = rng.uniform(-1.0, 2.0, (atoms, 3)) @ cell  # wrapped or not
    return Structure(numbers=np.full(atoms, 18), positions=positions, cell=cell)


def pairs_of_ase(structure, limit):
    """``{(i, j): distance}`` of the nearest images."""
    atoms = Atoms(numbers=structure.numbers, positions=structure.positions, cell=structure.cell, pbc=True)
    found = {}
    for first, second, distance in zip(*neighbor_list("ijd", atoms, limit), strict=True):
        pair = tuple(sorted((int(first), int(second))))
        found[pair] = min(distance, found.get(pair, np.inf))
    return found


@pytest.mark.parametrize("kind", CELLS)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**16), limit=st.floats(1.0, 4.5))
def test_close_pairs_are_those_of_ase(kind, seed, limit):
    structure = random(CELLS[kind], seed)
    expected = pairs_of_ase(structure, limit)
    found = {(first, second): distance for first, second, distance in close_pairs(structure, limit)}
    assert found.keys() == expected.keys()
    assert all(found[pair] == pytest.approx(expected[pair], abs=1e-9) for pair in found)


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("seed", range(5))
def test_the_shortest_distance_is_that_of_ase(kind, seed):
    structure = random(CELLS[kind], seed, atoms=3)
    assert shortest_distance(structure) == pytest.approx(min(pairs_of_ase(structure, 9.0).values()), abs=1e-9)


def test_an_atom_near_its_own_image_is_a_pair():
    lonely = Structure(numbers=np.array([18]), positions=np.zeros((1, 3)), cell=THIN)
    nearest = float(np.linalg.norm(THIN[0] - THIN[1]))
    assert close_pairs(lonely, nearest + 0.1) == [(0, 0, pytest.approx(nearest))]
    assert shortest_distance(lonely) == pytest.approx(nearest)
    assert close_pairs(lonely, nearest - 0.1) == []


def test_widths_are_distances_of_faces():
    assert perpendicular_widths(CELLS["straight"]) == pytest.approx([9.0, 8.0, 7.0])
    normal = np.cross(THIN[0], THIN[2])
    assert perpendicular_widths(THIN)[1] == pytest.approx(abs(THIN[1] @ normal) / np.linalg.norm(normal))


def test_a_position_that_is_not_finite_has_no_distance():
    structure = random(SKEWED, 0)
    structure.positions[3, 1] = np.nan
    assert np.isnan(shortest_distance(structure))


def test_atoms_are_periodic_and_weigh_what_the_system_says():
    atoms = make_atoms(load_system("argon"), random(SKEWED, 0))
    assert atoms.pbc.all()
    assert atoms.calc is None
    np.testing.assert_array_equal(atoms.get_masses(), 39.948)
    np.testing.assert_array_equal(atoms.cell.array, SKEWED)
