"""Atoms of a primitive cell come to rest by their forces, all copies alike, or it is said that they do not."""

import numpy as np
import pytest

from pytest_mlff.analysis.crystal import supercell
from pytest_mlff.errors import ObservableError
from pytest_mlff.reference.crystal import respond
from pytest_mlff.simulation.relax import FORCE_TOLERANCE, LONGEST_STEP, MAX_STEPS, relax_sublattices

SKEW = np.array([[3.9, 0.3, 0.2], [1.1, 3.7, -0.4], [0.8, 1.3, 4.1]])
CRYSTAL = supercell([11, 17, 9], [[0, 0, 0], [0.5, 0.6, 0.4], [0.2, 0.1, 0.7]], SKEW, [[2, 1, 0], [0, 2, 0], [0, 0, 2]])
N = len(CRYSTAL.numbers)
OFF = np.array([[0.0, 0.0, 0.0], [0.11, -0.05, 0.2], [-0.3, 0.02, 0.1]])


class Wells:
    """Each atom in a well of its own, ``OFF`` from its site; quartic terms, and a part that no energy has."""

    def __init__(self, turn=0.0, net=0.0):
        self.matrix = np.array([[3.0, 0.5 + turn, 0.0], [0.5 - turn, 9.0, 1.0], [0.0, 1.0, 0.7]])
        self.net, self.calls, self.seen = net, 0, []

    def __call__(self, positions):
        self.calls += 1
        self.seen.append(positions.copy())
        away = positions - CRYSTAL.positions - OFF[CRYSTAL.sublattice]
        mean = away.mean(axis=0)  # the crystal as a whole is free
        return -((away - mean) @ self.matrix.T) - 2.0 * (away - mean) ** 3 + self.net


@pytest.mark.parametrize("forces", [Wells(), Wells(turn=1.5), Wells(net=0.3)], ids=["energy", "curl", "net force"])
def test_atoms_come_to_rest_and_all_copies_move_alike(forces):
    found = relax_sublattices(forces, CRYSTAL.positions, CRYSTAL.sublattice)
    assert found.converged
    assert found.calls == forces.calls < 40
    moved = found.positions - CRYSTAL.positions
    for k in range(3):
        np.testing.assert_allclose(moved[CRYSTAL.sublattice == k], moved[CRYSTAL.displaced[k]] + np.zeros((8, 3)))
    np.testing.assert_allclose(moved.mean(axis=0), 0.0, atol=1e-12)
    own = moved[CRYSTAL.displaced]
    np.testing.assert_allclose(own - own[0], OFF - OFF[0], atol=3.0 * FORCE_TOLERANCE / 0.6)
    assert found.moved == pytest.approx(np.linalg.norm(own, axis=1).max())
    assert found.said == f"atoms of the primitive cell relaxed by {found.moved:.3g} Å"


def test_steps_are_short_and_the_start_is_not_changed():
    forces, start = Wells(), CRYSTAL.positions.copy()
    relax_sublattices(forces, CRYSTAL.positions, CRYSTAL.sublattice)
    np.testing.assert_array_equal(CRYSTAL.positions, start)
    for before, after in zip(forces.seen[:-1], forces.seen[1:], strict=True):
        assert np.linalg.norm(after - before, axis=1).max() < LONGEST_STEP * (1.0 + 1e-9)


def test_where_symmetry_or_one_atom_leaves_no_force_nothing_moves():
    one = supercell([18], [[0.1, 0.2, 0.3]], SKEW, 2 * np.eye(3))
    found = relax_sublattices(lambda _: np.ones((8, 3)), one.positions, one.sublattice)
    assert (found.calls, found.moved, found.said) == (0, 0.0, "")
    np.testing.assert_array_equal(found.positions, one.positions)
    rest = relax_sublattices(lambda x: 0.0 * x, CRYSTAL.positions, CRYSTAL.sublattice)
    assert (rest.calls, rest.moved, rest.said) == (1, 0.0, "")
    np.testing.assert_array_equal(rest.positions, CRYSTAL.positions)


def test_forces_without_a_place_of_rest_end_after_so_many_steps_and_are_said():
    push = np.array([[0.2, 0.0, 0.0], [-0.2, 0.0, 0.0], [0.0, 0.0, 0.0]])[CRYSTAL.sublattice]
    found = relax_sublattices(lambda _: push, CRYSTAL.positions, CRYSTAL.sublattice)
    assert not found.converged
    assert found.calls == MAX_STEPS + 1
    assert found.moved <= MAX_STEPS * LONGEST_STEP
    assert "not at rest after 61 calls, 0.2 eV/Å left" in found.said


def test_the_response_is_taken_where_the_atoms_are_at_rest():
    forces = Wells()
    rows = respond(forces, CRYSTAL)
    assert rows.attrs["force_calls"] == forces.calls
    assert rows.attrs["relaxation"].startswith("atoms of the primitive cell relaxed by 0.2")
    np.testing.assert_array_equal(rows["number"], CRYSTAL.numbers)
    moved = rows["position"].values - CRYSTAL.positions
    np.testing.assert_allclose(moved, (OFF - OFF.mean(axis=0))[CRYSTAL.sublattice], atol=1e-3)
    # at rest a cubic term leaves nothing: what is displaced answers with its own well, less its share of the whole
    np.testing.assert_allclose(rows["row"][0, 1, 1], forces.matrix * (1.0 - 1.0 / N), atol=1e-2)
    with pytest.raises(ObservableError, match="not finite"):
        respond(lambda x: np.nan * x, CRYSTAL)
