"""What decides whether a network carries over: forms × training sets, trained alike and measured alike.

Three stages, each resumable, the results appended to a file of JSON lines: ``train`` (checkpoints in a folder),
``measure`` (parity, Hessians, phonons, from the gate's own checks, and the Hessian at the paper's difference step)
and ``gate`` (the whole ``ci`` protocol). Nothing here decides; ``table`` lays the numbers out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

import pytest_mlff
from pytest_mlff.analysis.hessian import symmetry
from pytest_mlff.errors import SpecError
from pytest_mlff.gate.assembly import build_context
from pytest_mlff.gate.catalogue import CHECKS, run_check
from pytest_mlff.journal import Journal
from pytest_mlff.models.load import load_model
from pytest_mlff.models.networks import builtin_path
from pytest_mlff.reference.data import Reference
from pytest_mlff.settings import Settings
from pytest_mlff.simulation.derivatives import dense_hessian
from pytest_mlff.systems.reading import load_system
from pytest_mlff.systems.structure import Structure
from pytest_mlff.verdict.format import format_estimate, format_number

RECIPES = ("smooth", "plain", "layer-norm")
COMPOSITIONS = ("liquid+solid", "liquid", "liquid-narrow")
MODEL_A, MODEL_B = "plain-liquid-0", "plain-liquid+solid-0"
"""The cells that are shipped as models A and B."""
SHIPPED = {
    MODEL_A: "model-a",
    MODEL_B: "model-b",
    "plain-liquid+solid-1": "model-b-seed-1",
    "smooth-8.5-liquid+solid-0": "model-b-wide",
}
"""Names of their files, of B's second seed and of the variant."""
ARGON_NUMBER = 18
PAPER_STEP = 3.4e-6
"""The paper's difference step in Å: about the resolution of float32 coordinates in a 256-atom cell."""
MEASURED = ("forces", "solid_hessian", "phonons")
"""Checks whose rows, under protocol ``full``, a cell is measured by."""
Stage = Literal["train", "measure", "gate"]
STAGES: tuple[Stage, ...] = get_args(Stage)


@dataclass(frozen=True, slots=True)
class Cell:
    """One training: form of the network, training set, seed, and the cell whose weights are trained on, or none."""

    recipe: str
    composition: str
    seed: int = 0
    start: str = ""

    @property
    def name(self) -> str:
        """Stem of its checkpoint."""
        return f"{self.recipe}-{self.composition}-{self.seed}"


BRIEF = Cell("brief", "liquid+solid", 1)
"""B's second seed, stopped early, which the gate must find."""


def cells() -> list[Cell]:
    """All forms on all sets, a second seed at the four corners, and what goes beyond these; each behind its start."""
    first = [Cell(recipe, composition) for recipe in RECIPES for composition in COMPOSITIONS]
    corners = [Cell(recipe, composition, 1) for recipe in RECIPES[:2] for composition in COMPOSITIONS[::2]]
    further = [
        Cell("plain-fine-tune", "liquid+solid", start=MODEL_A),
        Cell("smooth-fine-tune", "liquid+solid", start="smooth-liquid-0"),
        Cell("smooth-8.5", "liquid+solid", start="smooth-fine-tune-liquid+solid-0"),
        BRIEF,
    ]
    return first + corners + further


def run(
    folder: Path,
    output: Path,
    *,
    cache_dir: Path,
    names: Sequence[str] = (),
    stages: Sequence[Stage] = STAGES,
    threads: int = 1,
    say: Callable[[Any], None] = print,
) -> None:
    """Train and measure cells one after the other, all by default; what is there is not done again.

    ``folder`` holds datasets and checkpoints, ``output`` is a file of JSON lines, made or continued. Raises
    ``SpecError`` for a cell that there is not, or a checkpoint that is not there or not finished.
    """
    known = {cell.name: cell for cell in cells()}
    strange = [name for name in names if name not in known]
    if strange:
        raise SpecError(f"no cell {strange[0]!r}; there are {', '.join(known)}")
    results = journal(output)
    done = results.read()
    results.touch()
    for cell in (known[name] for name in names or known):
        for stage in stages:
            if (cell.name, stage) in done:
                continue
            say(f"{stage} {cell.name}")
            if stage == "train":
                train_cell(cell, folder, cache_dir=cache_dir, threads=threads, report=say)
            else:
                results.append((cell.name, stage), evaluate(checkpoint_of(cell, folder), stage, cache_dir=cache_dir))


def checkpoint_of(cell: Cell, folder: Path) -> Path:
    """Checkpoint of a cell in the folder; where it is not there, that of the shipped model, if the cell is one."""
    path = folder / f"{cell.name}.pt"
    if path.exists() or cell.name not in SHIPPED:
        return path
    return builtin_path(SHIPPED[cell.name])


def train_cell(cell: Cell, folder: Path, *, cache_dir: Path, threads: int, report: Callable[[Any], None]) -> None:
    """Train a cell, or go on with it; its dataset is built if it is not there."""
    from pytest_mlff.gnn.composition import load_composition
    from pytest_mlff.gnn.dataset import build_dataset
    from pytest_mlff.gnn.recipe import train_recipe

    dataset = folder / f"{cell.composition}.nc"
    if not dataset.is_file():
        build_dataset(load_composition(cell.composition), dataset, cache_dir=cache_dir)
    start = folder / f"{cell.start}.pt" if cell.start else None
    output = folder / f"{cell.name}.pt"
    train_recipe(cell.recipe, dataset, output, seed=cell.seed, start=start, threads=threads, report=report)


def evaluate(checkpoint: Path, stage: Stage, *, cache_dir: Path, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Measure a trained network: records by row.

    ``measure``: parity on all shipped configurations, Hessians and phonons, and the rows of the paper's step, which
    have ``candidate`` alone. ``gate``: all of protocol ``ci``. Raises ``SpecError`` for one that is not finished.
    """
    from pytest_mlff.gnn.checkpoint import load_checkpoint

    if load_checkpoint(checkpoint).resume:
        raise SpecError(f"{checkpoint} is still in training; train it to its end first")
    protocol: Literal["full", "ci"] = "full" if stage == "measure" else "ci"
    model = load_model(f"gnn:{checkpoint}", device="cpu")
    context = build_context(Settings(protocol=protocol, cache_dir=cache_dir, seed=seed), model)
    found: dict[str, dict[str, Any]] = {}
    for check in MEASURED if stage == "measure" else CHECKS:
        found |= {row: record.to_dict() for row, record in run_check(check, context).items()}
    if stage == "measure":
        found |= {row: {"candidate": value} for row, value in symmetry_at_paper_step(checkpoint).items()}
    return found


def symmetry_at_paper_step(checkpoint: Path) -> dict[str, float]:
    """Symmetry S of the dense Hessian of 256 atoms at the paper's step, 1536 force calls each.

    By ``paper_step-<phase>-<dtype>``: crystal at zero pressure and liquid of 100 K, float32 and float64.
    """
    from pytest_mlff.gnn.calculator import GnnCalculator

    crystal = load_system("argon").crystal.repeated((4, 4, 4))
    places = {"solid": crystal, "liquid": Reference().configurations("start/100K-256")[0]}
    found = {}
    dtypes: tuple[Literal["float32", "float64"], ...] = ("float32", "float64")
    for dtype in dtypes:
        calculator = GnnCalculator(checkpoint, device="cpu", dtype=dtype)
        for phase, structure in places.items():
            hessian = dense_hessian(partial(_forces, calculator, structure), structure.positions, step=PAPER_STEP)
            found[f"paper_step-{phase}-{dtype}"] = symmetry(hessian)
    return found


def _forces(calculator: Any, structure: Structure, positions: np.ndarray) -> Any:
    return calculator.batch_forces(positions[None], structure.numbers, structure.cell)[0]


def journal(output: Path) -> Journal:
    """Results by cell and stage, of this version of the package and of the reference alone."""
    reference = Reference()
    measured_with = {"version": pytest_mlff.__version__, "reference": reference.version}
    accepts = {"reference": reference.contains}
    return Journal(
        path=output, keys={"cell": str, "stage": str}, measured_with=measured_with, check=dict, accepts=accepts
    )


_COLUMNS = (
    ("1−R² liquid", "parity-liquid-256"),
    ("1−R² solid", "parity-solid-256"),
    ("S solid", "symmetry-solid"),
    ("S liquid", "symmetry-liquid"),
    ("PDOS distance", "pdos"),
    ("S solid, paper's step, float32", "paper_step-solid-float32"),
    ("float64", "paper_step-solid-float64"),
    ("S liquid, paper's step, float32", "paper_step-liquid-float32"),
    ("float64", "paper_step-liquid-float64"),
)


def table(results: Mapping[tuple[str, str], Mapping[str, Any]]) -> Iterator[str]:
    """Lines of a Markdown table of what is in the :func:`journal`, one for each cell that was measured."""
    yield "| form | trained on | seed | " + " | ".join(head for head, _ in _COLUMNS) + " | gate (ci) |"
    yield "|---" * (len(_COLUMNS) + 4) + "|"
    for cell in cells():
        measured = results.get((cell.name, "measure"))
        if measured is None:
            continue
        numbers = " | ".join(_number(measured.get(row)) for _, row in _COLUMNS)
        verdict = _verdict(results.get((cell.name, "gate")))
        yield f"| {cell.recipe} | {cell.composition} | {cell.seed} | {numbers} | {verdict} |"


def measured(results: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Say of each measured cell what it is, beside its records in ``rows``: in the order of :func:`cells`.

    Without the brief one, whose errors are of another size.
    """
    return {
        cell.name: {
            "recipe": cell.recipe,
            "composition": cell.composition,
            "seed": cell.seed,
            "rows": results[cell.name, "measure"],
        }
        for cell in cells()
        if cell != BRIEF and (cell.name, "measure") in results
    }


def _number(record: Mapping[str, Any] | None) -> str:
    if record is None or record.get("candidate") is None:
        return "not measured"
    error = record.get("candidate_stderr")
    return format_estimate(record["candidate"], error) if error else format_number(record["candidate"], 3)


def _verdict(records: Mapping[str, Any] | None) -> str:
    if records is None:
        return "not run"
    bad = _rows(records, ("FAIL", "ERROR"))
    open_rows = _rows(records, ("INCONCLUSIVE",))
    passed = len(_rows(records, ("PASS",)))
    return (
        f"{passed} PASS"
        + (f", FAIL: {', '.join(bad)}" if bad else "")
        + (f", INCONCLUSIVE: {', '.join(open_rows)}" if open_rows else "")
    )


def _rows(records: Mapping[str, Any], statuses: Iterable[str]) -> list[str]:
    return [row for row, record in records.items() if record.get("status") in tuple(statuses)]
