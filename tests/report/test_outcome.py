"""The exit code of a run as a function of what was planned, what ran, and the records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlff.report.outcome import Cell, Evidence, decide_exit
from pytest_mlff.schema import Record

ROWS = ("rdf", "pdos", "speed")
CELLS = tuple(Cell("a", row) for row in ROWS)


def record(check: str, status: str, *, model: str = "a", blocked_by: str = "") -> Record:
    return Record(row=check, model=model, status=status, observable="", blocked_by=blocked_by)


def evidence(*records: Record, **known) -> Evidence:
    whole = {"planned": CELLS, "begun": CELLS, "reasons": {}, "info_rows": {"speed"}}
    return Evidence(records=records, **whole | known)


def passed(*rows: str) -> list[Record]:
    return [record(row, "PASS") for row in rows]


@pytest.mark.parametrize(
    ("known", "status", "code", "says"),
    [
        (evidence(*passed(*ROWS)), 0, 0, []),
        (evidence(*passed(*ROWS)), 1, 1, []),  # a user's test failed, or coverage is too low
        # a record that fails the run, and a test that does not
        (evidence(*passed("rdf", "speed"), record("pdos", "FAIL")), 0, 1, ["hides 1 FAIL (pdos)"]),
        (evidence(*passed("rdf", "speed"), record("pdos", "ERROR")), 0, 1, ["hides 1 ERROR (pdos)"]),
        (evidence(*passed("rdf", "speed"), record("pdos", "INCONCLUSIVE")), 0, 1, ["hides 1 INCONCLUSIVE (pdos)"]),
        (evidence(*passed("rdf", "speed"), record("pdos", "INCONCLUSIVE"), inconclusive="skip"), 0, 0, []),
        (evidence(*passed("rdf", "speed"), record("pdos", "INCONCLUSIVE"), inconclusive="pass"), 0, 0, []),
        (evidence(*passed("rdf", "speed"), record("pdos", "NOT_APPLICABLE")), 0, 0, []),
        (evidence(*passed(*ROWS), record("own", "FAIL")), 0, 1, ["hides 1 FAIL (own)"]),  # of a user's test
        (evidence(*passed("rdf", "speed"), record("pdos", "FAIL")), 1, 1, []),  # pytest says it itself
        (evidence(*passed("rdf", "speed"), record("pdos", "FAIL")), 5, 1, ["hides 1 FAIL (pdos)"]),
        # begun, and no record
        (evidence(*passed("rdf", "speed")), 0, 1, ["1 of 3 planned rows left no record (pdos): the reason"]),
        (evidence(*passed("rdf", "pdos")), 0, 1, ["(speed)"]),  # even a row of INFO
        (evidence(*passed("rdf", "pdos"), cut_short=True), 1, 1, ["(speed)"]),
        (evidence(*passed("rdf", "speed"), planned=()), 0, 1, ["(pdos)"]),
        # planned, and not run
        (evidence(*passed("rdf"), begun=CELLS[:1]), 0, 1, ["1 of 3 planned rows left no record (pdos)"]),
        (evidence(*passed("rdf", "pdos"), begun=CELLS[:2]), 0, 0, []),  # INFO only
        (evidence(*passed("rdf"), begun=CELLS[:1], cut_short=True), 1, 1, []),
        (evidence(*passed("rdf"), begun=CELLS[:1], planned=CELLS[:1]), 0, 0, []),  # left out by -k
        (evidence(begun=(), planned=()), 5, 5, []),  # -k matched nothing
        (evidence(begun=()), 5, 1, ["nothing was judged: 3 of 3 planned rows left no record (rdf, pdos, speed)"]),
        (evidence(begun=(), planned=CELLS[2:]), 0, 1, ["nothing was judged: 1 of 1 planned rows"]),  # not even INFO
        (
            evidence(begun=(), reasons={CELLS[0]: "A", CELLS[1]: "B", CELLS[2]: "A"}),
            0,
            1,
            ["(rdf, speed): A", "(pdos): B"],
        ),
        # a run that was ended says so itself
        (evidence(*passed("rdf")), 2, 2, []),
        (evidence(record("rdf", "FAIL")), 3, 3, []),
        (evidence(), 4, 4, []),
        (evidence(*passed("rdf", "speed")), 6, 6, ["(pdos)"]),
        # models
        (
            evidence(*passed("rdf", "pdos"), record("speed", "NOT_APPLICABLE", blocked_by="stability")),
            0,
            1,
            ["a: it does not survive the stability run"],
        ),
        (evidence(*[record(row, "NOT_APPLICABLE") for row in ROWS]), 0, 1, ["a: nothing was judged"]),
        (evidence(*passed(*ROWS), record("rdf", "NOT_APPLICABLE", model="b")), 0, 1, ["b: nothing was judged"]),
        (evidence(*passed(*ROWS), record("rdf", "INFO", model="b")), 0, 0, []),
    ],
)
def test_the_exit_code_follows_the_records(known, status, code, says):
    found, complaints = decide_exit(known, status)
    assert found == code
    assert len(complaints) == len(says)
    for part, line in zip(says, complaints, strict=True):
        assert part in line


def test_many_rows_are_counted_and_models_are_told_apart():
    cells = [Cell(model, f"row{number}") for model in "ab" for number in range(4)]
    _, (line,) = decide_exit(Evidence(planned=cells, begun=(), reasons={}), 0)
    assert "8 of 8 planned rows" in line
    assert "(row0 of a, row1 of a, row2 of a, row3 of a, row0 of b, and 3 more)" in line


statuses = st.sampled_from(["PASS", "FAIL", "INCONCLUSIVE", "NOT_APPLICABLE", "INFO", "ERROR", None])


@given(st.tuples(statuses, statuses, statuses), st.sets(st.sampled_from(CELLS)), st.sampled_from([0, 5]), st.booleans())
def test_green_means_that_every_planned_row_has_a_good_record(row_statuses, begun, status, cut_short):
    records = [record(row, found) for row, found in zip(ROWS, row_statuses, strict=True) if found]
    code, complaints = decide_exit(evidence(*records, begun=begun, cut_short=cut_short), status)
    assert bool(code in (0, 5)) == (not complaints)
    if code in (0, 5):
        assert not {"FAIL", "ERROR", "INCONCLUSIVE"} & set(row_statuses)
        lacking = {cell for cell, found in zip(CELLS, row_statuses, strict=True) if found is None}
        assert not lacking & begun
        assert cut_short or lacking <= {CELLS[2]}
