"""The reproduction table: every row is one of the gate's, and what was not run is not claimed."""

import json
from pathlib import Path

import pytest

from pytest_mlff.errors import SpecError
from pytest_mlff.gate.catalogue import TABLE
from pytest_mlff.reference.data import Reference
from pytest_mlff.study.ablation import MODEL_A, MODEL_B
from pytest_mlff.study.paper import PUBLISHED
from pytest_mlff.study.reproduction import QUANTITIES, read_records, reproduction

DOCS = Path(__file__).parents[2] / "docs"


def test_every_line_is_a_row_of_the_gate_or_of_the_ablation():
    known = set(TABLE)
    for item in QUANTITIES:
        key = item.row
        assert key in known or key.startswith("paper_step-") or key.rsplit("-", 2)[0] in known, key


def test_every_published_value_is_shown():
    assert set(PUBLISHED) <= {item.row for item in QUANTITIES}


def test_the_page_has_the_table():
    measured = {}
    for line in (DOCS / "data" / "ablation.jsonl").read_text("utf-8").splitlines():
        result = json.loads(line)
        measured[result["cell"], result["stage"]] = result["values"]
    models = (("gate-model-a.json", MODEL_A), ("gate-model-b.json", MODEL_B))
    ours = [read_records([DOCS / "data" / file]) | measured[cell, "measure"] for file, cell in models]
    assert "\n".join(reproduction(*ours, reference=Reference())) in (DOCS / "reproduction.md").read_text("utf-8")


def test_the_table_shows_numbers_with_errors_and_says_what_was_not_run(tmp_path):
    records = [
        {"row": "diffusion", "candidate": 0.3362, "candidate_stderr": 0.0032, "reference": 0.33925,
         "reference_stderr": 0.0007, "status": "PASS"},
        {"row": "pdos", "candidate": 0.05, "candidate_stderr": 0.001, "reference": None, "status": "FAIL"},
        {"row": "rdf", "candidate": -0.0123, "candidate_stderr": None, "reference": None, "deviation": -0.0123,
         "interval": [-0.0201, 0.0102], "status": "PASS"},
    ]  # fmt: skip
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"records": records}))
    lines = {
        line.split(" | ")[0].strip("| "): line for line in reproduction(read_records([path]), {}, reference=Reference())
    }
    assert "3362 ± 32" in lines["D / µm²/s, 256 atoms, 100 K, lags 1–3 ps"]
    assert "3392.5 ± 7.0" in lines["D / µm²/s, 256 atoms, 100 K, lags 1–3 ps"]
    assert lines["phonon DOS distance, 2048 atoms"].endswith("| 0.0500 ± 0.0010 **FAIL** | not run |")
    assert "| −0.0123 [−0.0201, 0.0102] |" in lines["g(r) distance, liquid, 256 atoms, 100 K"]
    assert lines["melting point / K, paper's protocol"] == (
        "| melting point / K, paper's protocol | 55.2 ± 1.34 | 56.4 | 55.8 | 61.60 ± 0.78 | not run | not run |"
    )
    assert len({line.count("|") for line in lines.values()}) == 1


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[]")
    with pytest.raises(SpecError, match="is no file of --mlff-json"):
        read_records([path])
