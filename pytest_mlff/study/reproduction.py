"""The paper's results beside ours: its molecular dynamics and networks, the reference, and models A and B.

Ours are read from the records of gate runs (``--mlff-json``); what those runs did not measure is said to be so. The
paper's stand in :data:`pytest_mlff.study.paper.PUBLISHED`, and the reference's values of what no run measured in
the reference data.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_mlff.errors import SpecError
from pytest_mlff.reference.data import Reference
from pytest_mlff.study import ablation, runs
from pytest_mlff.study.ablation import MODEL_A, MODEL_B, SHIPPED
from pytest_mlff.study.paper import COUNTERPARTS, PUBLISHED, Published
from pytest_mlff.units import MICRON2_PER_S
from pytest_mlff.verdict.format import format_deviation, format_estimate, format_number

NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A line of the table: label with unit, row of the gate or of the ablation, factor from the record's unit."""

    label: str
    row: str
    factor: float = 1.0


QUANTITIES = (
    Quantity("1 − R², liquid, 256 atoms", "parity-liquid-256"),
    Quantity("1 − R², liquid, 4000 atoms", "parity-liquid-4000"),
    Quantity("1 − R², solid, 256 atoms", "parity-solid-256"),
    Quantity("1 − R², solid, 4000 atoms", "parity-solid-4000"),
    Quantity("g(r) distance, liquid, 256 atoms, 100 K", "rdf"),
    Quantity("D / µm²/s, 256 atoms, 100 K, lags 1–3 ps", "diffusion", MICRON2_PER_S),
    Quantity("D / µm²/s, 4000 atoms, 95 K", "diffusion-95K-4000", MICRON2_PER_S),
    Quantity("D / µm²/s, 4000 atoms, 100 K", "diffusion-100K-4000", MICRON2_PER_S),
    Quantity("D / µm²/s, 4000 atoms, 110 K", "diffusion-110K-4000", MICRON2_PER_S),
    *(
        Quantity(f"Γ_s({q} Å⁻¹) / 1/ps, 256 atoms, 100 K", f"gamma_self-{q}")
        for q in (0.461, 0.922, 1.304, 1.595, 1.844)
    ),
    Quantity("coherent Γ(1.844 Å⁻¹) / 1/ps, 256 atoms, 100 K", "gamma_coherent-1.844"),
    Quantity("XSVS time / ps, 256 atoms, 100 K", "xsvs_time"),
    Quantity("XSVS time / ps, 4000 atoms, 95 K", "xsvs_time-95K-4000"),
    Quantity("XSVS time / ps, 4000 atoms, 100 K", "xsvs_time-100K-4000"),
    Quantity("XSVS time / ps, 4000 atoms, 110 K", "xsvs_time-110K-4000"),
    Quantity("g(r) distance, solid, 256 atoms, 20 K", "solid_rdf"),
    Quantity("melting point / K, paper's protocol", "melting_point-paper"),
    Quantity("drift of the solid fraction at 59 K / 1/ps, 448 atoms", "melting_below"),
    Quantity("drift of the solid fraction at 89 K / 1/ps, 512 atoms", "melting_above"),
    Quantity("symmetry S, solid, 2048 atoms, step 0.01 Å", "symmetry-solid"),
    Quantity("symmetry S, liquid, 108 atoms, step 0.01 Å", "symmetry-liquid"),
    Quantity("symmetry S, solid, 256 atoms, step 3.4e-6 Å, float32", "paper_step-solid-float32"),
    Quantity("symmetry S, liquid, 256 atoms, step 3.4e-6 Å, float32", "paper_step-liquid-float32"),
    Quantity("symmetry S, solid, 256 atoms, step 3.4e-6 Å, float64", "paper_step-solid-float64"),
    Quantity("symmetry S, liquid, 256 atoms, step 3.4e-6 Å, float64", "paper_step-liquid-float64"),
    Quantity("phonon DOS distance, 2048 atoms", "pdos"),
    Quantity("ms per force call, 256 atoms", "ms_per_call-256"),
)


def read_records(paths: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """Read the records of one model by row from files of ``--mlff-json``; later ones win.

    Raises ``SpecError`` for a file that is none.
    """
    found: dict[str, dict[str, Any]] = {}
    for path in paths:
        try:
            content = json.loads(path.read_text("utf-8"))
            found |= {record["row"]: record for record in content["records"]}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SpecError(f"{path} is no file of --mlff-json ({type(error).__name__}: {error})") from None
    return found


def of_files(
    model_a: Sequence[Path],
    model_b: Sequence[Path],
    *,
    ablation_file: Path | None = None,
    runs_file: Path | None = None,
    reference: Reference,
) -> Iterator[str]:
    """Lines of :func:`reproduction` from the files that hold our results.

    Those of ``pytest-mlff study ablation`` and ``runs`` win over the runs of the gate. Raises ``SpecError`` for a file
    that is none, or an ablation of neither model.
    """
    measured = ablation.journal(ablation_file).read() if ablation_file else {}
    if ablation_file and not {(MODEL_A, "measure"), (MODEL_B, "measure")} & set(measured):
        raise SpecError(f"{ablation_file} holds no results of stage measure on {MODEL_A} or {MODEL_B}")
    long_runs = runs.journal(runs_file).read() if runs_file else {}
    ours = [
        read_records(files) | measured.get((cell, "measure"), {}) | runs.records(long_runs, f"builtin:{SHIPPED[cell]}")
        for cell, files in ((MODEL_A, model_a), (MODEL_B, model_b))
    ]
    return reproduction(*ours, reference=reference)


def reproduction(model_a: Mapping[str, Any], model_b: Mapping[str, Any], *, reference: Reference) -> Iterator[str]:
    """Lines of a Markdown table: the paper's results beside ours, which are records by row."""
    stored = {item.row: item for item in COUNTERPARTS}
    yield "| quantity | paper, MD | paper, A | paper, B | reference | our A | our B |"
    yield "|---|---|---|---|---|---|---|"
    for item in QUANTITIES:
        ours = [_shown(records.get(item.row), "candidate", item.factor) for records in (model_a, model_b)]
        theirs = _shown(model_b.get(item.row) or model_a.get(item.row), "reference", item.factor)
        if theirs == NOT_RUN and item.row in stored:
            found = stored[item.row].measured(reference)
            theirs = format_estimate(found.value, found.stderr)
        paper = PUBLISHED.get(item.row, Published())
        printed = (paper.molecular_dynamics, paper.model_a, paper.model_b)
        cells = [text or "–" for text in (*printed, "" if theirs == NOT_RUN else theirs)]
        yield f"| {item.label} | {' | '.join(cells)} | {' | '.join(ours)} |"


def _shown(record: Mapping[str, Any] | None, side: str, factor: float) -> str:
    value = None if record is None else record.get(side)
    if record is None or value is None:
        return NOT_RUN
    error = record.get(f"{side}_stderr")
    if error:
        text = format_estimate(value * factor, error * factor)
    elif record.get("deviation") == value:  # a distance has no error of its own, but the gate's interval
        text = format_deviation(value, record.get("interval"), percent=False)
    else:
        text = format_number(value * factor)
    status = record.get("status")
    return f"{text} **{status}**" if side == "candidate" and status not in ("PASS", "INFO", None) else text
