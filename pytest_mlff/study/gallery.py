"""The figures of models beside the reference: measure the curves, have them drawn.

What a model has not run is run, or, with ``cached_only``, left out; the figure says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.apparatus.context import CheckContext
from pytest_mlff.errors import BudgetExhausted, MlffError
from pytest_mlff.gate.assembly import build_context
from pytest_mlff.models.load import load_model, unique_names
from pytest_mlff.report.figures.style import Curves, looks, need_matplotlib
from pytest_mlff.settings import Settings, check_folder
from pytest_mlff.simulation.budget import Budget
from pytest_mlff.simulation.meter import Meter, Progress
from pytest_mlff.simulation.slabs import BRACKET
from pytest_mlff.study import curves
from pytest_mlff.study.figures import paper

if TYPE_CHECKING:
    import xarray as xr

    Measure = Callable[[CheckContext], xr.Dataset]
    Draw = Callable[[Path], None]

MODELS = ("builtin:model-a", "builtin:model-b")
"""Models that are drawn by default."""


def draw_gallery(
    output: Path,
    specs: Sequence[str],
    *,
    cache_dir: Path,
    cached_only: bool = False,
    progress: Progress | None = None,
    say: Callable[[str], None] = print,
) -> list[Path]:
    """Draw all figures of some models, protocol ``ci``, seed 0, and give the files.

    With ``cached_only`` what a model has not run is left out; the reference runs in any case. ``say`` is called with a
    line for each curve that there is not. Raises ``SpecError`` if matplotlib is not installed, a model cannot be
    loaded, or the folder cannot be written to.
    """
    need_matplotlib()
    looks(specs)
    check_folder(output, "--output")
    models = unique_names([load_model(spec) for spec in specs])
    settings = Settings(protocol="ci", cache_dir=cache_dir)
    budget = Budget(0.0) if cached_only else Budget()
    contexts = [build_context(settings, model, Meter(budget, progress)) for model in models]
    files = []
    for name, draw in _figures(contexts, say):
        files.append(output / f"{name}.svg")
        draw(files[-1])
    return files


def _figures(contexts: Sequence[CheckContext], say: Callable[[str], None]) -> Iterator[tuple[str, Draw]]:
    """Name each figure and measure what it shows."""
    reference = curves.reference_context(contexts[0])

    def models(measure: Measure) -> dict[str, xr.Dataset | str]:
        return {context.model.name: _curve(measure, context, say) for context in contexts}

    def compared(measure: Measure) -> Curves:
        return Curves(models=models(measure), reference=measure(reference))

    def limit(row: str) -> float:
        found = reference.tolerances[row].limit
        assert found is not None, "a row with a verdict has a limit"
        return found

    forces = {
        "liquid, 95, 100 and 110 K": models(lambda context: curves.parity(context, "liquid-256")),
        "crystal, 20 K": models(lambda context: curves.parity(context, "solid-256")),
    }
    yield "parity", partial(paper.parity_figure, forces)
    structures = {
        "liquid, 100 K": compared(curves.liquid_structure),
        "crystal, 20 K": compared(curves.solid_structure),
    }
    yield "structure", partial(paper.structure_figure, structures)
    yield (
        "displacement",
        partial(paper.displacement_figure, compared(curves.displacement), tolerance=limit("diffusion")),
    )
    gamma = limit("gamma_self-1.844")
    yield "relaxation", partial(paper.relaxation_figure, compared(curves.relaxation), tolerance=gamma)
    yield "contrast", partial(paper.contrast_figure, compared(curves.contrast))
    yield "phonons", partial(paper.phonon_figure, compared(curves.phonons))
    slabs = {f"{rung.temperature:g} K": compared(partial(curves.melting, key=key)) for key, rung in BRACKET.items()}
    yield "melting", partial(paper.melting_figure, slabs)


def _curve(measure: Measure, context: CheckContext, say: Callable[[str], None]) -> xr.Dataset | str:
    """Measure a curve of a model, or say in two words why it has none."""
    try:
        return measure(context)
    except MlffError as error:
        say(f"no curve of {context.model.name}: {error}")
        return "not run" if isinstance(error, BudgetExhausted) else "no result"
