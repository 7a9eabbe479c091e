"""The ablation in one figure: forms of the network × training sets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlff.gate.catalogue import TABLE
from pytest_mlff.report.figures.style import MUTED, PAGE, Look, logarithmic, looks, write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ERRORS = {
    "parity-liquid-256": "1 − R², liquid",
    "parity-solid-256": "1 − R², crystal",
    "pdos": "phonon DOS distance, crystal",
}
"""Rows of the upper panels, on logarithmic axes."""
SYMMETRIES = {
    "symmetry-solid": "S, crystal, step 0.01 Å",
    "paper_step-solid-float64": "S, crystal, step 3.4e-6 Å, float64",
    "paper_step-solid-float32": "S, crystal, step 3.4e-6 Å, float32",
}
"""Rows of the lower panels, which share their axis."""
SPREAD = 0.18
"""Distance of two forms beside each other; that of two training sets is 1."""


def ablation_figure(results: Mapping[str, Mapping[str, Any]], output: Path) -> None:
    """Measured cells by training set, marked by form, with the limits of the gate, as an SVG file.

    ``results`` by cell: ``recipe`` and ``composition``, ``seed``, and ``rows``, row → record with ``candidate`` and
    maybe ``candidate_stderr``; what a cell lacks is left out. Raises ``SpecError`` if matplotlib is not installed, the
    file cannot be written, or there are more forms than can be told apart.
    """
    cells = list(results.values())
    forms = looks(dict.fromkeys(cell["recipe"] for cell in cells))
    sets = list(dict.fromkeys(cell["composition"] for cell in cells))

    def draw(figure: Figure) -> None:
        upper, lower = figure.subplots(2, 3, sharex=True)
        for axes in lower[1:]:
            axes.sharey(lower[0])
        for axes, (row, title) in zip((*upper, *lower), (ERRORS | SYMMETRIES).items(), strict=True):
            for cell in cells:
                record = cell["rows"].get(row, {})
                if record.get("candidate") is not None:
                    order = list(forms).index(cell["recipe"]) - 0.5 * (len(forms) - 1)
                    x = sets.index(cell["composition"]) + SPREAD * order + 0.3 * SPREAD * cell["seed"]
                    _point(axes, x, record, forms[cell["recipe"]], first=cell["seed"] == 0)
            if row in TABLE:
                axes.axhline(TABLE[row].limit, color=MUTED, linewidth=0.7, linestyle="--")
            if row in ERRORS:
                logarithmic(axes)
            axes.set_title(title)
            axes.set_xticks(range(len(sets)), sets)
            axes.set_xlim(-0.6, len(sets) - 0.4)
        _legend(figure, forms, several=any(cell["seed"] for cell in cells))

    write_figure(output, draw, width=PAGE, height=4.0)


def _point(axes: Axes, x: float, record: Mapping[str, Any], look: Look, *, first: bool) -> None:
    face = look.colour if first else "white"
    error = record.get("candidate_stderr") or 0.0
    axes.errorbar(x, record["candidate"], error, color=look.colour, marker=look.marker, markerfacecolor=face)


_IN_A_ROW = 5
"""Entries of the legend that fit beside each other."""


def _legend(figure: Figure, forms: Mapping[str, Look], *, several: bool) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=look.colour, marker=look.marker, linestyle="none", label=form)
        for form, look in forms.items()
    ]
    if several:
        open_marker: dict[str, Any] = {"marker": "o", "markerfacecolor": "white", "linestyle": "none"}
        handles.append(Line2D([], [], color=MUTED, label="another seed", **open_marker))
    handles.append(Line2D([], [], color=MUTED, linestyle="--", linewidth=0.7, label="limit of the gate"))
    figure.legend(handles=handles, loc="outside upper center", ncols=_IN_A_ROW)
