"""The ablation: which cells there are, that nothing is done twice, and what the table says."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pytest_mlff.errors import SpecError
from pytest_mlff.study import ablation
from pytest_mlff.study.ablation import BRIEF, MODEL_A, MODEL_B, RECIPES, Cell, cells, journal, measured, run, table
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def published():
    """Records by cell and stage, as docs/ablation.md has them."""
    return journal(DOCS / "data" / "ablation.jsonl").read()


def test_every_form_meets_every_training_set_and_the_corners_twice():
    found = [cell for cell in cells() if cell.recipe in RECIPES]
    assert len(found) == len(set(found)) == 13
    assert {(cell.recipe, cell.composition) for cell in found if cell.seed == 0} == {
        (recipe, composition)
        for recipe in ("plain", "layer-norm", "smooth")
        for composition in ("liquid-narrow", "liquid", "liquid+solid")
    }
    assert {(cell.recipe, cell.composition) for cell in found if cell.seed == 1} == {
        (recipe, composition) for recipe in ("plain", "smooth") for composition in ("liquid-narrow", "liquid+solid")
    }


def test_models_a_and_b_differ_in_what_they_were_trained_on_alone():
    found = {cell.name: cell for cell in cells()}
    assert found[MODEL_A] == replace(found[MODEL_B], composition="liquid")
    assert (found[MODEL_B].composition, found[MODEL_B].start) == ("liquid+solid", "")


def test_each_cell_lies_behind_its_start():
    names = [cell.name for cell in cells()]
    assert all(names.index(cell.start) < number for number, cell in enumerate(cells()) if cell.start)


def test_a_cell_is_trained_on_from_its_start(tmp_path, monkeypatch):
    (tmp_path / "liquid+solid.nc").touch()
    seen = []
    monkeypatch.setattr("pytest_mlff.gnn.recipe.train_recipe", lambda *args, **named: seen.append((args, named)))
    for cell in (Cell("plain", "liquid+solid", 1), Cell("plain-fine-tune", "liquid+solid", start=MODEL_A)):
        ablation.train_cell(cell, tmp_path, cache_dir=tmp_path, threads=1, report=print)
    assert [args[2].name for args, _ in seen] == ["plain-liquid+solid-1.pt", "plain-fine-tune-liquid+solid-0.pt"]
    assert [named["start"] for _, named in seen] == [None, tmp_path / f"{MODEL_A}.pt"]
    assert [named["seed"] for _, named in seen] == [1, 0]


@pytest.fixture
def log(monkeypatch):
    done = []
    monkeypatch.setattr(ablation, "train_cell", lambda cell, folder, **named: done.append(("train", cell.name)))

    def evaluate(checkpoint, stage, **named):
        done.append((stage, checkpoint.stem))
        return {"pdos": {"candidate": 0.01, "candidate_stderr": 0.001, "status": "PASS"}}

    monkeypatch.setattr(ablation, "evaluate", evaluate)
    return done


def test_what_was_measured_is_not_measured_again(tmp_path, log):
    output, name = tmp_path / "results.jsonl", "smooth-liquid-0"
    run(tmp_path, output, cache_dir=tmp_path, names=[name], say=lambda what: None)
    assert log == [("train", name), ("measure", name), ("gate", name)]
    run(tmp_path, output, cache_dir=tmp_path, names=[name], stages=("measure", "gate"), say=lambda what: None)
    assert len(log) == 3
    assert set(journal(output).read()) == {(name, "measure"), (name, "gate")}


def test_a_shipped_cell_is_measured_without_its_training(tmp_path, log):
    run(tmp_path, tmp_path / "results.jsonl", cache_dir=tmp_path, names=[MODEL_A], stages=("measure",), say=print)
    (tmp_path / f"{MODEL_A}.pt").touch()
    run(tmp_path, tmp_path / "results.jsonl", cache_dir=tmp_path, names=[MODEL_A], stages=("gate",), say=print)
    assert log == [("measure", "model-a"), ("gate", MODEL_A)]


def test_a_wrong_cell_lists_those_there_are(tmp_path, log):
    with pytest.raises(SpecError, match="no cell 'smooth-gas-0'; there are smooth-liquid"):
        run(tmp_path, tmp_path / "results.jsonl", cache_dir=tmp_path, names=["smooth-gas-0"])
    assert log == []


def test_a_broken_line_is_named(tmp_path):
    output = tmp_path / "results.jsonl"
    journal(output).append(("a", "gate"), {})
    with output.open("a") as stream:
        stream.write(output.read_text().replace("{}", "5"))
    with pytest.raises(SpecError, match=r"results\.jsonl:2: cannot continue this file"):
        journal(output).read()


@pytest.mark.parametrize("what", ["version", "reference"])
def test_results_of_another_version_are_not_mixed_in(tmp_path, what):
    output = tmp_path / "results.jsonl"
    journal(output).append(("a", "gate"), {})
    output.write_text(json.dumps(json.loads(output.read_text()) | {what: "other"}) + "\n")
    with pytest.raises(SpecError, match=f"measured with {what} other"):
        journal(output).read()


def test_the_table_shows_what_was_measured_and_says_what_was_not():
    name = Cell("plain", "liquid").name
    measured = {
        "parity-liquid-256": {"candidate": 1.5e-4, "candidate_stderr": 2e-6},
        "paper_step-solid-float32": {"candidate": 0.9123},
    }
    gate = {
        "pdos": {"status": "FAIL"},
        "rdf": {"status": "PASS"},
        "diffusion": {"status": "INCONCLUSIVE"},
        "net_force": {"status": "INFO"},
    }
    lines = list(table({(name, "measure"): measured, (name, "gate"): gate}))
    assert len(lines) == 3
    assert {line.count("|") for line in lines} == {lines[0].count("|")}
    assert lines[2].startswith("| plain | liquid | 0 | (1.500 ± 0.020)e-4 |")
    assert "0.912 |" in lines[2]
    assert lines[2].count("not measured") == 7
    assert lines[2].endswith("| 1 PASS, FAIL: pdos, INCONCLUSIVE: diffusion |")
    assert list(table({(name, "measure"): measured}))[2].endswith("| not run |")


def test_what_was_measured_is_told_with_what_it_is():
    """In the order of the cells, for the figure; cells that were only gated are left out."""
    rows = {"pdos": {"candidate": 0.01}}
    results = {(MODEL_B, "measure"): rows, ("smooth-liquid-0", "measure"): rows, (MODEL_A, "gate"): rows}
    found = measured(results)
    assert list(found) == ["smooth-liquid-0", MODEL_B]
    assert found[MODEL_B] == {"recipe": "plain", "composition": "liquid+solid", "seed": 0, "rows": rows}


def test_the_figure_tells_all_forms_apart(tmp_path):
    pytest.importorskip("matplotlib")
    from pytest_mlff.study.figures.ablation import ablation_figure

    results = {(cell.name, "measure"): {"pdos": {"candidate": 0.01}} for cell in cells()}
    ablation_figure(measured(results), tmp_path / "all.svg")
    text = (tmp_path / "all.svg").read_text()
    assert all(cell.recipe in text and cell.composition in text for cell in cells() if cell != BRIEF)
    assert BRIEF.recipe not in text


def test_the_legend_of_the_figure_is_not_cut_off(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    from pytest_mlff.study.figures.ablation import ablation_figure

    outside = []

    def look(figure, *args, **keywords):
        figure.draw_without_rendering()
        (legend,) = figure.legends
        box = legend.get_window_extent()
        outside.append(min(box.x0, figure.bbox.x1 - box.x1) < 0.0)

    monkeypatch.setattr(Figure, "savefig", look)
    ablation_figure(
        measured({(cell.name, "measure"): {"pdos": {"candidate": 0.01}} for cell in cells()}), tmp_path / "a.svg"
    )
    assert outside == [False]


def test_the_page_has_the_table(published):
    page = (DOCS / "ablation.md").read_text("utf-8")
    shown = page.partition("<!-- ablation -->\n")[2].partition("<!-- /ablation -->")[0]
    assert shown.splitlines() == list(table(published))


@pytest.mark.parametrize(("cell", "limit"), [(MODEL_B, 1e-4), ("smooth-8.5-liquid+solid-0", 5e-5)])
def test_the_shipped_models_are_as_exact_as_was_asked(published, cell, limit):
    rows = published[cell, "measure"]
    errors = {row: record["interval"][1] for row, record in rows.items() if row.startswith("parity-")}
    assert len(errors) == 4
    assert max(errors.values()) <= limit


def test_model_b_passes_its_gate(published):
    statuses = {record["status"] for record in published[MODEL_B, "gate"].values()}
    assert statuses == {"PASS", "INFO", "NOT_APPLICABLE"}


@pytest.fixture
def tiny(tmp_path):
    """A network that is not trained, as a finished checkpoint; and the same as one in training."""
    pytest.importorskip("torch")
    from pytest_mlff.gnn.checkpoint import Checkpoint, save_checkpoint
    from pytest_mlff.gnn.network import NetworkConfig, initialised

    network = initialised(NetworkConfig(hidden=4, layers=1, radial_functions=4), seed=0)
    point = Checkpoint(network=network.config, weights=network.state_dict(), force_scale=0.04)
    finished, unfinished = tmp_path / "finished.pt", tmp_path / "unfinished.pt"
    save_checkpoint(point, finished)
    save_checkpoint(replace(point, resume={"step": 5}), unfinished)
    return finished, unfinished


def test_a_network_is_measured_by_the_checks_of_the_long_protocol(tiny, tmp_path, monkeypatch):
    """And gated by all checks of ``ci``; with a seed, on the CPU; one in training is not measured."""
    from pytest_mlff.gate.catalogue import CHECKS

    asked = []

    class Row:
        def to_dict(self):
            return {"candidate": 1.0}

    def run_check(check, context):
        asked.append((check, context.protocol.name, context.seed, context.model.device))
        return {f"row-{check}": Row()}

    monkeypatch.setattr(ablation, "run_check", run_check)
    monkeypatch.setattr(ablation, "symmetry_at_paper_step", lambda checkpoint: {"paper_step-solid-float32": 0.5})
    finished, unfinished = tiny
    found = ablation.evaluate(finished, "measure", cache_dir=tmp_path)
    names = ("forces", "solid_hessian", "phonons")
    assert found == {f"row-{name}": {"candidate": 1.0} for name in names} | {
        "paper_step-solid-float32": {"candidate": 0.5}
    }
    assert asked == [(name, "full", 0, "cpu") for name in names]
    asked.clear()
    assert set(ablation.evaluate(finished, "gate", cache_dir=tmp_path, seed=3)) == {f"row-{name}" for name in CHECKS}
    assert asked == [(name, "ci", 3, "cpu") for name in CHECKS]
    with pytest.raises(SpecError, match="still in training"):
        ablation.evaluate(unfinished, "gate", cache_dir=tmp_path)


def test_the_papers_step_is_taken_in_crystal_and_liquid_and_in_both_precisions(tiny, monkeypatch):
    """256 atoms each, and the symmetry is that of the matrix: (‖A_s‖ − ‖A_a‖)/(‖A_s‖ + ‖A_a‖)."""
    seen = []
    matrix = np.array([[0.0, 3.0], [1.0, 0.0]])  # spectral norms of its parts: 2 and 1
    neighbour = ARGON.crystal.cell[0][0] / np.sqrt(2.0)

    def dense_hessian(forces, positions, *, step):
        apart = np.linalg.norm(positions[1:] - positions[0], axis=1).min()
        assert forces(positions).shape == (256, 3)
        seen.append((forces.args[0].dtype, len(positions), step, bool(abs(apart - neighbour) < 1e-9)))
        return matrix

    monkeypatch.setattr(ablation, "dense_hessian", dense_hessian)
    found = ablation.symmetry_at_paper_step(tiny[0])
    assert found == {
        f"paper_step-{phase}-{dtype}": pytest.approx(1.0 / 3.0)
        for dtype in ("float32", "float64")
        for phase in ("solid", "liquid")
    }
    assert seen == [(dtype, 256, 3.4e-6, crystal) for dtype in ("float32", "float64") for crystal in (True, False)]
