"""The user's limits: they move one row each, and nonsense is refused with the reason."""

import math

import pytest

from pytest_mlff.errors import SpecError
from pytest_mlff.gate.catalogue import TABLE
from pytest_mlff.verdict.overrides import tolerances


def test_an_override_moves_one_limit_and_nothing_else():
    table = tolerances(TABLE, {"diffusion": 0.05})
    assert table["diffusion"].limit == 0.05
    assert table["diffusion"].verdict_in == TABLE["diffusion"].verdict_in
    assert "user" in table["diffusion"].source
    assert "0.1" in table["diffusion"].reason
    assert list(table) == list(TABLE)
    assert {k: v for k, v in table.items() if k != "diffusion"} == {k: v for k, v in TABLE.items() if k != "diffusion"}
    assert TABLE["diffusion"].limit == 0.10


def test_a_limit_on_speed_makes_it_a_verdict():
    row = tolerances(TABLE, {"ms_per_call-256": 50})["ms_per_call-256"]
    assert (row.kind, row.limit, row.unit) == ("upper", 50.0, "ms")
    assert row.verdict_in == {"smoke", "ci", "full"}


@pytest.mark.parametrize(
    ("key", "limit", "words"),
    [
        ("difusion", 0.1, "did you mean 'diffusion'"),
        ("parity", 0.1, "did you mean 'parity-"),
        ("gamma_self-0.46", 0.1, "gamma_self-0.461"),
        ("zzz", 0.1, "the rows are parity-liquid-256"),
        ("diffusion", 0.0, "positive"),
        ("diffusion", -0.1, "positive"),
        ("diffusion", math.nan, "finite"),
        ("diffusion", math.inf, "finite"),
        ("diffusion", "0.1", "must be a number"),
        ("diffusion", True, "must be a number"),
        ("diffusion", 10, "5 % is 0.05"),
        ("rdf", 5.0, "5 % is 0.05"),
        ("melting_below", 0.5, "no limit to choose"),
        ("stability", 0.5, "no limit to choose"),
        ("net_force", 0.1, "no limit to choose"),
        ("ms_per_step-256", 10, "no limit to choose"),
        ("hot", 0.5, "no limit to choose"),
        ("energy_forces", 2.0, "5 % is 0.05"),
    ],
)
def test_bad_overrides_are_refused(key: str, limit: object, words: str):
    with pytest.raises(SpecError, match=words) as caught:
        tolerances(TABLE, {key: limit})  # type: ignore[dict-item]
    assert key in str(caught.value)


def test_resolutions_may_exceed_one():
    assert tolerances(TABLE, {"translation": 20})["translation"].limit == 20.0


def test_kelvins_may_exceed_one():
    assert tolerances(TABLE, {"melting_point-paper": 5})["melting_point-paper"].limit == 5.0
