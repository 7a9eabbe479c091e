"""How cases are drawn and shrunk: by the seed alone, without a trace on disk, within bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from pytest_mlff.apparatus import cases
from pytest_mlff.apparatus.cases import draw, pieces, shrink, whole
from pytest_mlff.apparatus.learned import turned
from pytest_mlff.apparatus.workbench import LIQUID, SOLID, VACUUM, Piece, Workbench
from pytest_mlff.errors import BudgetExhausted
from pytest_mlff.reference.model import ReferenceModel
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")

PAIRS = st.tuples(whole(5), whole(5))


def test_cases_are_decided_by_the_seed_whatever_the_users_profile(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = draw(PAIRS, 12, "0 a")
    assert len(set(first)) == 12
    assert first[0] == (0, 0)  # the simplest
    settings.register_profile("users", max_examples=1, derandomize=True)
    before = settings.get_current_profile_name()
    settings.load_profile("users")
    try:
        assert draw(PAIRS, 12, "0 a") == first
    finally:
        settings.load_profile(before)
    assert draw(PAIRS, 12, "1 a") != first
    assert list(tmp_path.iterdir()) == []


def test_two_choices_that_make_one_case_are_drawn_once():
    """Hypothesis tells choices apart, not what is made of them."""
    narrow = st.builds(lambda a, b: (a, b % 2), whole(3), whole(5))
    for seed in range(20):
        found = draw(narrow, 12, f"{seed}")
        assert len(found) == len(set(found)) == 12


def test_there_may_be_fewer_cases_than_asked_for():
    assert sorted(draw(whole(2), 12, "0")) == [0, 1, 2, 3]


def test_the_simplest_failing_case_is_found():
    def fails(case):
        return case[0] >= 3 and case[1] % 2 == 1

    drawn = draw(PAIRS, 12, "0")
    assert any(fails(case) for case in drawn)
    assert shrink(PAIRS, fails, 12, "0") in {(3, 1), (4, 1)}  # bits fall one by one
    assert shrink(PAIRS, lambda case: False, 12, "0") is None


def test_shrinking_looks_at_no_more_than_so_many_cases(monkeypatch):
    monkeypatch.setattr(cases, "SHRINK_CALLS", 20)
    asked = []

    def fails(case):
        asked.append(case)
        return sum(case) > 40

    strategy = st.tuples(*[whole(6)] * 4)
    found = shrink(strategy, fails, 12, "0")
    assert len(asked) == len(set(asked)) == 20
    assert sum(found) > 40


def test_a_spent_budget_ends_the_search_with_what_was_found():
    asked = []

    def fails(case):
        asked.append(case)
        if len(asked) > 5:
            raise BudgetExhausted("spent")
        return sum(case) >= 7

    found = shrink(st.tuples(whole(5), whole(5)), fails, 12, "seed")
    assert found in asked[:5]
    assert sum(found) > 7  # not yet the simplest one
    assert len(asked) == 6

    def never(case):
        raise BudgetExhausted("spent")

    assert shrink(st.tuples(whole(5)), never, 12, "seed") is None


def test_what_fails_by_chance_is_asked_once():
    rng = np.random.default_rng(0)
    assert shrink(PAIRS, lambda case: bool(rng.integers(2)), 12, "0") is not None


@pytest.fixture
def bench(context):
    return Workbench(context(ReferenceModel(ARGON), protocol="ci"))


def test_a_piece_is_the_atoms_nearest_to_one(bench):
    whole_one = bench.structure(Piece(LIQUID, 3, 256, 0))
    part = bench.structure(Piece(LIQUID, 3, 13, 40))
    np.testing.assert_array_equal(part.positions[0], whole_one.positions[40])
    box = np.diagonal(whole_one.cell)
    vector = whole_one.positions - part.positions[0]
    distances = np.linalg.norm(vector - box * np.round(vector / box), axis=1)
    inside = part.positions - part.positions[0]
    np.testing.assert_allclose(np.linalg.norm(inside - box * np.round(inside / box), axis=1), np.sort(distances)[:13])


def test_configurations_are_different_ones(bench):
    found = {bench.structure(Piece(SOLID, k, 256, 0)).positions.tobytes() for k in range(8)}
    assert len(found) == 8


def test_an_isolated_piece_is_whole_and_far_from_its_images(bench):
    for centre in (0, 100, 200):
        found = bench.isolated(Piece(LIQUID, 0, 13, centre))
        span = np.ptp(found.positions, axis=0)
        assert span.max() < 12.0
        np.testing.assert_allclose(found.positions.mean(axis=0), 0.5 * VACUUM)
        same = bench.structure(Piece(LIQUID, 0, 13, centre))
        vector = same.positions[:, None] - same.positions
        vector -= np.diagonal(same.cell) * np.round(vector / np.diagonal(same.cell))
        own = found.positions[:, None] - found.positions
        np.testing.assert_allclose(own, vector, atol=1e-9)


def test_pieces_shrink_towards_two_atoms():
    assert draw(pieces(), 1, "0")[0] == Piece(LIQUID, 0, 2, 0)


def test_the_resolution_of_an_exact_potential_is_its_curvature_at_float32(bench):
    assert bench.resolution < 1e-8
    assert bench.calls == 7


@pytest.mark.parametrize("quarters", [True, False])
def test_turns_are_rotations_and_never_none(quarters):
    for numbers in np.ndindex(4, 4, 4, 4):
        matrix = turned(numbers, quarters=quarters)
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(matrix) == pytest.approx(1.0)
        assert np.trace(matrix) < 2.99
        assert not quarters or np.all(np.isin(matrix, (-1.0, 0.0, 1.0)))
