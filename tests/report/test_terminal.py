"""The table and the lines below it, as text."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlff.gate.catalogue import TABLE
from pytest_mlff.report.terminal import count_line, fit_encoding, in_printed_units, remarks, rerun, table
from pytest_mlff.schema import Record
from pytest_mlff.settings import Settings

D = Record(
    row="diffusion",
    model="a",
    status="FAIL",
    observable="self-diffusivity D",
    unit="Å²/ps",
    kind="relative",
    candidate=0.4474,
    candidate_stderr=0.0101,
    reference=0.3649,
    reference_stderr=0.0012,
    deviation=0.226,
    interval=(0.171, 0.282),
    tolerance=0.1,
    looks=1,
    force_calls=10928,
    wall_s=412.4,
)


def text(lines):
    return ["".join(piece.text for piece in line) for line in lines]


def test_diffusivities_are_printed_in_square_micrometres_per_second():
    printed = in_printed_units(D)
    assert printed.unit == "µm²/s"
    assert printed.candidate == pytest.approx(4474)
    assert printed.reference_stderr == pytest.approx(12)
    assert (printed.deviation, printed.interval, printed.tolerance) == (0.226, (0.171, 0.282), 0.1)


def test_deviations_in_the_unit_of_the_row_change_with_it():
    printed = in_printed_units(replace(D, kind="absolute", deviation=0.01, interval=(0.0, 0.02), tolerance=0.03))
    assert printed.deviation == pytest.approx(100)
    assert printed.interval == pytest.approx((0, 200))
    assert printed.tolerance == pytest.approx(300)


def test_what_is_missing_stays_missing_and_other_units_stay():
    assert in_printed_units(replace(D, candidate=None)).candidate is None
    assert in_printed_units(replace(D, kind="info", interval=None)).interval is None
    ps = replace(D, unit="ps")
    assert in_printed_units(ps) is ps


def test_a_row():
    heading, row = text(table([D]))
    assert heading.split() == "check candidate reference unit deviation tolerance verdict calls time".split()
    words = "diffusion 4470 ± 100 3649 ± 12 µm²/s +22.6 % [+17.1, +28.2] ±10 % FAIL 10928 6m52s"
    assert row.split() == words.split()


def test_columns_line_up():
    other = replace(D, row="mean_relaxation_rate-1.844", unit="1/ps", status="INCONCLUSIVE", force_calls=5)
    lines = text(table([D, other]))
    assert len({len(line) for line in lines}) == 1
    assert len({line.index("±10 %") for line in lines[1:]} | {lines[0].index("tolerance")}) == 1


def test_only_the_verdict_is_coloured():
    _, row = table([D])
    coloured = [piece for piece in row if piece.markup]
    assert [piece.text for piece in coloured] == ["FAIL   "]
    assert coloured[0].markup == {"red": True, "bold": True}


@pytest.mark.parametrize("status", ["NOT_APPLICABLE", "ERROR"])
def test_rows_without_numbers(status):
    bare = Record(row="pdos", model="a", status=status, observable="phonons", kind="upper", reason="why")
    assert text(table([bare]))[1].split() == ["pdos", status]


def test_a_row_without_reference_or_error_bar():
    speed = Record(row="ms", model="a", status="INFO", observable="time", unit="ms", candidate=31.2)
    assert text(table([speed]))[1].split() == ["ms", "31.2", "±", "?", "ms", "–", "INFO"]
    sign = replace(D, kind="sign", unit="1/ps", tolerance=-1.0, reference=None, status="PASS")
    assert "< 0" in text(table([sign]))[1]


def test_force_calls_give_way_when_space_is_short():
    assert "10928" in text(table([D], columns=120))[1]
    assert "10928" not in text(table([D], columns=80))[1]
    assert "calls" not in text(table([D], columns=80))[0]


def test_remarks_name_what_did_not_pass():
    records = [
        D,
        replace(D, row="rdf", status="PASS"),
        replace(D, row="xsvs_time", status="INCONCLUSIVE"),
        replace(D, row="pdos", status="ERROR"),
        replace(D, row="symmetry-solid", status="NOT_APPLICABLE", reason="needs stress"),
        replace(D, row="symmetry-liquid", status="NOT_APPLICABLE", reason="needs stress"),
    ]
    assert text(remarks(records, lambda record: f"run {record.row}")) == [
        "FAIL diffusion: run diffusion",
        "INCONCLUSIVE xsvs_time: run xsvs_time",
        "ERROR pdos: run pdos",
        "NOT_APPLICABLE symmetry-solid, symmetry-liquid: needs stress",
    ]


def test_the_rerun_command_repeats_what_was_asked_for(tmp_path):
    spec = "m:f(x='1 2')"
    assert shlex.split(rerun("xsvs_time", Settings(), spec)) == ["pytest", f"--mlff-model={spec}", "-k", "[xsvs_time]"]
    asked = Settings(
        protocol="full", device="cuda:1", seed=3, budget_s=90.0, config_file=tmp_path / "g.toml", cache_dir=tmp_path
    )
    words = shlex.split(rerun("xsvs_time", asked, spec))
    assert set(words[2:]) == {
        "--mlff-protocol=full",
        "-k",
        "[xsvs_time]",
        "--mlff-device=cuda:1",
        "--mlff-seed=3",
        "--mlff-budget=90",
        f"--mlff-config={tmp_path / 'g.toml'}",
        f"--mlff-cache-dir={tmp_path}",
    }
    back = Settings(standing=frozenset({"protocol", "seed", "device", "model"}))
    assert {"--mlff-protocol=ci", "--mlff-seed=0", "--mlff-device=auto"} < set(rerun("xsvs_time", back, "m").split())
    own = shlex.split(rerun("density", asked, spec, test="test_own.py::test_a[x y]"))
    assert own[-1] == "test_own.py::test_a[x y]"
    assert "--mlff-protocol=full" in own
    assert "-k" not in own


@pytest.mark.parametrize("key", TABLE)
def test_the_rerun_command_selects_this_row_and_no_other(key):
    words = shlex.split(rerun(key, Settings(protocol="full"), D.model))
    expression = words[words.index("-k") + 1]
    tests = [f"check_liquid.py::test_stability[{k}]" for k in TABLE]
    assert [k for k, test in zip(TABLE, tests, strict=True) if expression in test] == [key]


def test_pytest_understands_the_rerun_command(pytester):
    ids = sorted(TABLE)
    pytester.makepyfile(f"import pytest\n@pytest.mark.parametrize('row', {ids!r})\ndef test_row(row): pass")
    for key in ("rdf", "melting_point", "gamma_self-0.461"):
        expression = shlex.split(rerun(key, Settings(), "m"))[-1]
        result = pytester.runpytest("-k", expression, "-q", "-p", "no:cacheprovider")
        result.assert_outcomes(passed=1, deselected=len(ids) - 1)


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8", "Γ = 3649 ± 81 µm²/s ≤ −1"),
        ("ascii", "Gamma = 3649 +- 81 um^2/s <= -1"),
        ("latin-1", "Gamma = 3649 +- 81 um^2/s <= -1"),
        (None, "Gamma = 3649 +- 81 um^2/s <= -1"),
        ("no-such-codec", "Gamma = 3649 +- 81 um^2/s <= -1"),
    ],
)
def test_fit_encoding(encoding, expected):
    assert fit_encoding("Γ = 3649 ± 81 µm²/s ≤ −1", encoding) == expected


@given(st.text())
def test_fitted_text_can_be_encoded(anything):
    assert fit_encoding(anything, "ascii").isascii()


def test_no_symbol_of_the_tolerance_table_is_lost_in_ascii():
    from pytest_mlff.gate.catalogue import TABLE

    for row in TABLE.values():
        assert "?" not in fit_encoding(row.observable + row.unit, "ascii")


def test_count_line():
    records = [replace(D, status=status) for status in ("INFO", "PASS", "PASS", "FAIL")]
    assert count_line(records) == "2 PASS, 1 FAIL, 1 INFO"
    assert count_line([]) == ""
