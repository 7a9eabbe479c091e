"""The command that draws the figures: what it measures, what it leaves out, how it ends. No model is run here."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pytest_mlff import cli
from pytest_mlff.errors import BudgetExhausted, ModelError
from pytest_mlff.report.figures import style
from pytest_mlff.report.figures.style import COLOURS, Curves
from pytest_mlff.study import gallery

TOO_MANY = len(COLOURS) + 1

NAMES = ["parity", "structure", "displacement", "relaxation", "contrast", "phonons", "melting"]
MEASURES = ["parity", "liquid_structure", "solid_structure", *NAMES[2:]]


@pytest.fixture
def stage(monkeypatch):
    """Curves and drawings that say what they were given."""
    seen = SimpleNamespace(drawn={}, contexts=[], trouble={})

    def build_context(settings, model, meter):
        made = SimpleNamespace(
            model=model, meter=meter, settings=settings, tolerances=dict.fromkeys(LIMITS, SimpleNamespace(limit=0.1))
        )
        seen.contexts.append(made)
        return made

    def measure(name):
        def curve(context, *args, **named):
            trouble = seen.trouble.get((context.model.name, name))
            if trouble is not None:
                raise trouble
            return (context.model.name, name, *args, *named.values())

        return curve

    def drawing(name):
        def draw(shown, output, **named):
            seen.drawn[name] = (shown, named)
            output.write_text(name)

        return draw

    LIMITS = ("diffusion", "gamma_self-1.844")
    monkeypatch.setattr(gallery, "load_model", lambda spec: _Model(spec))
    monkeypatch.setattr(gallery, "unique_names", tuple)
    monkeypatch.setattr(gallery, "build_context", build_context)
    reference = SimpleNamespace(
        model=_Model(":reference"), tolerances=dict.fromkeys(LIMITS, SimpleNamespace(limit=0.1))
    )
    monkeypatch.setattr(gallery.curves, "reference_context", lambda context: reference)
    for name in MEASURES:
        monkeypatch.setattr(gallery.curves, name, measure(name))
    for name in NAMES:
        function = {"phonons": "phonon"}.get(name, name) + "_figure"
        monkeypatch.setattr(gallery.paper, function, drawing(name))
    return seen


class _Model:
    def __init__(self, spec):
        self.name = spec.partition(":")[2]


def test_the_command_draws_all_figures_of_both_models(stage, tmp_path, capsys):
    output = tmp_path / "new" / "figures"
    assert cli.main(["study", "figures", "--output", str(output), "--cache-dir", str(tmp_path / "c")]) == 0
    assert [path.rpartition("/")[2] for path in capsys.readouterr().out.splitlines()] == [f"{n}.svg" for n in NAMES]
    assert sorted(path.stem for path in output.iterdir()) == sorted(NAMES)
    assert [context.model.name for context in stage.contexts] == ["model-a", "model-b"]
    for context in stage.contexts:
        assert (context.settings.protocol, context.settings.seed) == ("ci", 0)
        assert context.settings.cache_dir == tmp_path / "c"
        assert not context.meter.budget.spent
    shown, named = stage.drawn["relaxation"]
    both = {name: (name, "relaxation") for name in ("model-a", "model-b")}
    assert shown == Curves(reference=("reference", "relaxation"), models=both)
    assert named == {"tolerance": 0.1}
    forces, _ = stage.drawn["parity"]
    assert forces["crystal, 20 K"]["model-b"] == ("model-b", "parity", "solid-256")
    slabs, _ = stage.drawn["melting"]
    assert {title: curves.reference for title, curves in slabs.items()} == {
        "59 K": ("reference", "melting", "melting_below"),
        "89 K": ("reference", "melting", "melting_above"),
    }


def test_what_was_not_run_is_left_out_and_told(stage, tmp_path, capsys):
    stage.trouble["x", "melting"] = BudgetExhausted("before segment 1 of 3")
    stage.trouble["x", "phonons"] = ModelError("the calculator raised")
    command = ["study", "figures", "--model", "m:x", "--cached-only", "--output", str(tmp_path / "f")]
    assert cli.main([*command, "--cache-dir", str(tmp_path / "c")]) == 0
    assert [context.meter.budget.spent for context in stage.contexts] == [True]
    slabs, _ = stage.drawn["melting"]
    assert slabs["59 K"].models == {"x": "not run"}
    assert stage.drawn["phonons"][0].models == {"x": "no result"}
    told = capsys.readouterr().err.splitlines()
    assert "no curve of x: before segment 1 of 3" in told
    assert "no curve of x: the calculator raised" in told


def test_without_matplotlib_nothing_is_run(stage, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(style, "find_spec", lambda name: None)
    assert cli.main(["study", "figures", "--output", str(tmp_path / "f")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("pip install 'pytest-mlff[report]'")
    assert stage.contexts == []
    assert not (tmp_path / "f").exists()


def test_too_many_models_are_refused_before_one_is_run(stage, tmp_path, capsys):
    specs = [part for number in range(TOO_MANY) for part in ("--model", f"m:{number}")]
    assert cli.main(["study", "figures", "--output", str(tmp_path / "f"), *specs]) == 2
    assert f"{TOO_MANY} models in one figure" in capsys.readouterr().err
    assert stage.contexts == []
