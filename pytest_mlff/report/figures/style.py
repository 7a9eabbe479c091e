"""The house style, and the one door to matplotlib, which is imported when a figure is drawn.

The same curves give the same bytes with the same matplotlib: no date, no random names, and fonts that come
with it. Text stays text, so that a figure is small and can be searched.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlff.errors import SpecError

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

COLUMN, PAGE = 3.4, 7.0
"""Widths in inches: one column of a journal, and two."""
REFERENCE_COLOUR, MUTED, WINDOW_COLOUR = "black", "0.45", "0.93"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
"""Of the models, told apart by every kind of sight: M. Okabe and K. Ito, Color Universal Design (2008)."""
MARKERS = ("o", "s", "^", "D", "v", "P")
BAND = 0.25
"""Opacity of an error band of one standard error."""

_STYLE: dict[str, Any] = {
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.titlesize": 8,
    "errorbar.capsize": 0,
    "figure.dpi": 100,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],  # the first comes with matplotlib
    "font.size": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.5,
    "lines.markeredgewidth": 0.8,
    "savefig.dpi": 240,
    "svg.fonttype": "none",
    "svg.hashsalt": "pytest-mlff",
    "xtick.direction": "in",
    "xtick.labelsize": 7.5,
    "xtick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "xtick.top": True,
    "ytick.direction": "in",
    "ytick.labelsize": 7.5,
    "ytick.major.width": 0.6,
    "ytick.minor.width": 0.4,
    "ytick.right": True,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """What one panel compares.

    Attributes
    ----------
    reference : xr.Dataset
        Curve of the reference.
    models : mapping of str to (xr.Dataset or str)
        Curve of each model, or in a word why it has none.
    """

    reference: xr.Dataset
    models: Mapping[str, xr.Dataset | str]


@dataclass(frozen=True, slots=True)
class Look:
    """How a model is drawn.

    Attributes
    ----------
    colour, marker : str
        As matplotlib names them.
    """

    colour: str
    marker: str


REFERENCE_LOOK = Look(REFERENCE_COLOUR, "none")


def need_matplotlib() -> None:
    """Refuse to go on where matplotlib is not installed.

    Raises
    ------
    SpecError
        Naming the extra that brings it.
    """
    if find_spec("matplotlib") is None:
        raise SpecError("figures need matplotlib, which is not installed; pip install 'pytest-mlff[report]'")


def write_figure(output: Path, draw: Callable[[Figure], None], *, width: float, height: float) -> None:
    """Draw a figure in the house style and write it as SVG.

    Parameters
    ----------
    output : Path
        The file; its folder exists.
    draw : callable
        Takes the empty figure.
    width, height : float
        In inches.

    Raises
    ------
    SpecError
        If matplotlib is not installed, or the file cannot be written.
    """
    need_matplotlib()
    import matplotlib.style
    from matplotlib.figure import Figure

    buffer = io.BytesIO()
    with matplotlib.style.context(["default", _STYLE]):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    try:
        output.write_bytes(buffer.getvalue())
    except OSError as error:
        raise SpecError(f"cannot write {output}: {error.strerror or error}") from None


def logarithmic(axes: Axes) -> None:
    """Make the ordinate logarithmic, its labels plain text: exponents would leave the family of the font.

    Parameters
    ----------
    axes : Axes
        The panel.
    """
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(
        lambda value, _: f"{value:g}" if value > 5e-3 else f"{value:.0e}".replace("e-0", "e-")
    )
    axes.yaxis.set_minor_formatter("")


def looks(models: Iterable[str]) -> dict[str, Look]:
    """Give each model its colour and marker.

    Parameters
    ----------
    models : iterable of str
        Names, each once; of a mapping its keys.

    Returns
    -------
    dict of str to Look
        In the same order.

    Raises
    ------
    SpecError
        For more models than can be told apart.
    """
    names = list(models)
    if len(names) > len(COLOURS):
        raise SpecError(f"{len(names)} models in one figure; it tells {len(COLOURS)} apart, draw fewer")
    return {name: Look(*look) for name, look in zip(names, zip(COLOURS, MARKERS, strict=True), strict=False)}


def drawn(models: Mapping[str, xr.Dataset | str]) -> list[tuple[xr.Dataset, Look]]:
    """Take the models that have a curve.

    Parameters
    ----------
    models : mapping
        As in :class:`Curves`.

    Returns
    -------
    list of tuple of (xr.Dataset, Look)
        The curve, and how it is drawn.
    """
    known = looks(models)
    return [(curve, known[name]) for name, curve in models.items() if not isinstance(curve, str)]


def band(axes: Axes, x: ArrayLike, y: ArrayLike, error: ArrayLike, look: Look) -> None:
    """Draw a line with a band of one standard error.

    Parameters
    ----------
    axes : Axes
        Where.
    x, y, error : array_like, shape (point,)
        The curve.
    look : Look
        Its colour.
    """
    mean, spread = np.asarray(y), np.asarray(error)
    axes.plot(x, mean, color=look.colour, linewidth=0.9)
    axes.fill_between(x, mean - spread, mean + spread, color=look.colour, alpha=BAND, linewidth=0)


def points(axes: Axes, x: ArrayLike, y: ArrayLike, error: ArrayLike, look: Look) -> None:
    """Draw points with error bars of one standard error.

    Parameters
    ----------
    axes : Axes
        Where.
    x, y, error : array_like, shape (point,)
        The points.
    look : Look
        Their colour and marker.
    """
    style: dict[str, Any] = {"linestyle": "none", "markerfacecolor": "white", "elinewidth": 0.8}
    axes.errorbar(x, y, error, color=look.colour, marker=look.marker, **style)


def legend(figure: Figure, models: Iterable[str], *, marked: bool = False) -> None:
    """Name the reference and the models above the panels.

    Parameters
    ----------
    figure : Figure
        With its panels.
    models : iterable of str
        Names, in the order in which they are drawn.
    marked : bool, optional
        Whether models are points instead of lines.
    """
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=REFERENCE_COLOUR, label="reference")]
    for name, look in looks(models).items():
        marker, line = (look.marker, "none") if marked else ("none", "-")
        style: dict[str, Any] = {"marker": marker, "linestyle": line, "markerfacecolor": "white"}
        handles.append(Line2D([], [], color=look.colour, label=name, **style))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))


def tell_missing(axes: Axes, models: Mapping[str, xr.Dataset | str], *, x: float = 0.04, y: float = 0.05) -> None:
    """Write into a panel which models have no curve in it, and why.

    Parameters
    ----------
    axes : Axes
        The panel.
    models : mapping
        As in :class:`Curves`.
    x, y : float, optional
        Where, as fractions of the panel: left end of the lowest line.
    """
    missing = [(name, why) for name, why in models.items() if isinstance(why, str)]
    for line, (name, why) in enumerate(reversed(missing)):
        colour = looks(models)[name].colour
        axes.text(x, y + 0.09 * line, f"{name}: {why}", color=colour, transform=axes.transAxes)
