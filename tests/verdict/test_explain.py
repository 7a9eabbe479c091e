"""The failure text has everything a tired developer needs, and its command is one that a shell takes."""

import dataclasses

import pytest

from pytest_mlff.schema import Record
from pytest_mlff.verdict.explain import explain, usual_cause

RERUN = """pytest '--mlff-model=ase.calculators.lj:LennardJones(sigma=3.4, epsilon=0.0113)' -k "[diffusion]\""""
DIFFUSION = Record(
    row="diffusion",
    model="lj",
    status="FAIL",
    observable="self-diffusivity D",
    unit="Å²/ps",
    candidate=0.41,
    candidate_stderr=0.008,
    reference=0.3345,
    reference_stderr=0.001,
    deviation=0.2257,
    interval=(0.158, 0.2937),
    tolerance=0.10,
    kind="relative",
    looks=2,
    force_calls=20000,
    wall_s=631.4,
    reason="at least 15.8 % above the reference, where 10 % are allowed",
)


HINT = (
    "Typical causes of a liquid that relaxes too fast: attractions too weak, or a repulsive core too small, which at "
    "fixed density leaves more room.",
    "Typical causes of a liquid that relaxes too slowly: attractions too strong.",
)


def test_text_of_a_failure_in_full():
    assert explain(DIFFUSION, rerun=RERUN, hint=HINT).splitlines() == [
        "FAIL  diffusion: self-diffusivity D, model lj",
        "  candidate  0.4100 ± 0.0080 Å²/ps",
        "  reference  0.3345 ± 0.0010 Å²/ps",
        "  deviation  +22.6 % [+15.8, +29.4]",
        "  tolerance  ±10 %",
        "  reason     at least 15.8 % above the reference, where 10 % are allowed",
        "  hint       Typical causes of a liquid that relaxes too fast: attractions too weak, or a",
        "             repulsive core too small, which at fixed density leaves more room.",
        "  cost       20000 force calls, 631 s, 2 looks",
        f"  rerun      {RERUN}",
    ]


def test_the_hint_follows_the_sign():
    assert "too fast" in explain(DIFFUSION, rerun=RERUN, hint=HINT)
    assert "too slowly" in explain(dataclasses.replace(DIFFUSION, deviation=-0.2), rerun=RERUN, hint=HINT)


@pytest.mark.parametrize("status", ["PASS", "INCONCLUSIVE", "INFO"])
def test_only_a_failure_gets_a_diagnosis(status: str):
    text = explain(dataclasses.replace(DIFFUSION, status=status), rerun=RERUN, hint=HINT)  # type: ignore[arg-type]
    assert "hint" not in text
    assert text.startswith(status)


def test_a_distance_shows_its_interval_instead_of_an_error():
    record = Record(
        row="rdf",
        model="m",
        status="FAIL",
        observable="distance of g(r) from the reference",
        candidate=0.07746,
        deviation=0.07746,
        interval=(0.0655, 0.0878),
        tolerance=0.05,
        kind="upper",
    )
    text = explain(record, rerun=RERUN)
    assert "candidate  0.07746\n" in text
    assert "interval   [0.0655, 0.0878]\n" in text
    assert "tolerance  ≤ 0.05\n" in text
    assert "?" not in text


def test_a_missing_error_bar_shows():
    record = dataclasses.replace(DIFFUSION, candidate_stderr=None, interval=None, status="INCONCLUSIVE")
    assert "candidate  0.41 ± ? Å²/ps" in explain(record, rerun=RERUN)


@pytest.mark.parametrize("status", ["NOT_APPLICABLE", "ERROR"])
def test_what_was_not_measured_shows_no_numbers(status: str):
    record = Record(
        row="pdos",
        model="m",
        status=status,  # type: ignore[arg-type]
        observable="distance of the phonon spectrum from the reference",
        reason="the model offers no forces",
    )
    text = explain(record, rerun=RERUN)
    assert "candidate" not in text
    assert "tolerance" not in text
    assert "the model offers no forces" in text


def test_units_stand_behind_absolute_rows():
    record = dataclasses.replace(
        DIFFUSION,
        row="melting_point-paper",
        unit="K",
        kind="absolute",
        deviation=4.0,
        interval=(3.0, 5.0),
        tolerance=2.7,
    )
    text = explain(record, rerun=RERUN)
    assert "deviation  4 [3, 5] K\n" in text
    assert "tolerance  ±2.7 K\n" in text


def test_without_a_number_no_side_is_guessed():
    assert len({usual_cause(HINT, too_high=side) for side in (True, False, None)}) == 3
    text = explain(dataclasses.replace(DIFFUSION, deviation=None), rerun=RERUN, hint=HINT)
    assert "There is no number" in text
    assert "too fast" not in text
    assert usual_cause("one for both sides", too_high=None) == "one for both sides"


def test_no_hint_for_a_stranger():
    assert "hint" not in explain(DIFFUSION, rerun=RERUN)
