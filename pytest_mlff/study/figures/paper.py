"""The figures of the paper that have a counterpart: S. Mohanty et al., Comput. Phys. Commun. 288, 108723 (2023).

Each function takes curves as :mod:`pytest_mlff.study.curves` measures them and writes one file. Error bars and
bands are one standard error. Where curves lie on each other, a strip below shows how far they are apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlff.report.figures.style import (
    BAND,
    COLUMN,
    MUTED,
    PAGE,
    REFERENCE_COLOUR,
    REFERENCE_LOOK,
    WINDOW_COLOUR,
    Curves,
    band,
    drawn,
    legend,
    logarithmic,
    looks,
    points,
    tell_missing,
    write_figure,
)
from pytest_mlff.units import MEV
from pytest_mlff.verdict.format import format_estimate

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCATTERED = 4000
"""Force components of a model that one panel shows, drawn from all."""
SHOWN_POINTS = 9
"""Points of a model along a correlation function."""


def parity_figure(panels: Mapping[str, Mapping[str, xr.Dataset | str]], output: Path) -> None:
    """Force components of the models against those of the reference, and their errors.

    Panels are title → model → curve: ``candidate`` and ``reference`` in eV/Å, of equal shapes, and ``one_minus_r2``
    with its error.
    """

    def draw(figure: Figure) -> None:
        grid = figure.subplots(2, len(panels), sharex="col", height_ratios=(3, 2), squeeze=False)
        for (title, models), top, bottom in zip(panels.items(), *grid, strict=True):
            top.axline((0.0, 0.0), slope=1.0, color=MUTED, linewidth=0.6)
            bottom.axhline(0.0, color=MUTED, linewidth=0.6)
            x, y, colours = _components(models)
            for axes, values in ((top, y), (bottom, (y - x) * MEV)):
                axes.scatter(x, values, s=0.7, c=colours, linewidths=0, antialiased=False, rasterized=True)
                axes.locator_params(nbins=6)
            found = {name: _number(curve, "one_minus_r2") for name, curve in models.items()}
            _list(top, models, {name: f"{name}: 1 − R² = {text}" for name, text in found.items() if text})
            top.set_title(title)
            bottom.set_xlabel("force of the reference / eV Å⁻¹")
            tell_missing(top, models, x=0.5)
        grid[0, 0].set_ylabel("force of the model / eV Å⁻¹")
        grid[1, 0].set_ylabel("error / meV Å⁻¹")

    write_figure(output, draw, width=PAGE, height=4.3)


def _components(models: Mapping[str, xr.Dataset | str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Take reference and model components and their colours, shuffled, so that no model lies on top."""
    x, y, colours = [np.empty(0)], [np.empty(0)], []
    for curve, look in drawn(models):
        candidate, exact = (curve[side].values.ravel() for side in ("candidate", "reference"))
        rng = np.random.default_rng(0)  # any regular step may fall on one direction of space
        chosen = rng.choice(candidate.size, min(SCATTERED, candidate.size), replace=False)
        x.append(exact[chosen])
        y.append(candidate[chosen])
        colours += [look.colour] * len(chosen)
    shuffled = np.random.default_rng(0).permutation(len(colours))
    return np.concatenate(x)[shuffled], np.concatenate(y)[shuffled], [colours[point] for point in shuffled]


def structure_figure(panels: Mapping[str, Curves], output: Path) -> None:
    """Draw ``g``, ``g_stderr`` (r) of models and reference, by title, and the difference."""

    def draw(figure: Figure) -> None:
        grid = figure.subplots(2, len(panels), sharex="col", height_ratios=(2, 1), squeeze=False)
        for (title, curves), top, bottom in zip(panels.items(), *grid, strict=True):
            r, g = curves.reference["r"].values, curves.reference["g"].values
            error = curves.reference["g_stderr"].values
            _nested(top, curves, "r", "g")
            bottom.axhline(0.0, color=REFERENCE_COLOUR, linewidth=0.6)
            bottom.fill_between(r, -error, error, color=REFERENCE_COLOUR, alpha=BAND, linewidth=0)
            for curve, look in drawn(curves.models):
                band(bottom, r, curve["g"].values - g, curve["g_stderr"], look)
            top.set(title=title, xlim=(0.95 * r[g > 1e-3][0], r[-1]), ylim=(0.0, None))
            bottom.set_xlabel("r / Å")
            tell_missing(top, curves.models, x=0.5, y=0.8)
        grid[0, 0].set_ylabel("g(r)")
        grid[1, 0].set_ylabel("g(r) − reference")
        legend(figure, next(iter(panels.values())).models)

    write_figure(output, draw, width=PAGE, height=3.6)


def displacement_figure(curves: Curves, output: Path, *, tolerance: float) -> None:
    """Mean-squared displacement, and by how much each model's is off; the tolerance is a fraction of D."""

    def draw(figure: Figure) -> None:
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        _with_share(top, bottom, curves, "lag", "msd")
        for axes in (top, bottom):
            axes.axvspan(*curves.reference.attrs["window"], color=WINDOW_COLOUR, zorder=0)
        _limits(bottom, tolerance)
        bottom.set(xlabel="lag / ps", ylabel="deviation / %", ylim=(-130 * tolerance, 130 * tolerance))
        top.set(ylabel="mean-squared displacement / Å²", xlim=(0.0, None), ylim=(0.0, None))
        _list_sides(top, curves, "D", "D = {} Å² ps⁻¹")
        tell_missing(top, curves.models, x=0.5)
        legend(figure, curves.models)

    write_figure(output, draw, width=COLUMN, height=3.6)


def contrast_figure(curves: Curves, output: Path) -> None:
    """Optical contrast against exposure, and where half of it is left."""

    def draw(figure: Figure) -> None:
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        _with_share(top, bottom, curves, "exposure", "contrast")
        top.axhline(0.5, color=MUTED, linewidth=0.7, linestyle="--")
        top.set(ylabel="contrast β(Δ) / β(one frame)", xlim=(0.0, None), ylim=(0.0, 1.05))
        bottom.set(xlabel="exposure Δ / ps", ylabel="deviation / %")
        _list_sides(top, curves, "correlation_time", "half at {} ps", x=0.42)
        tell_missing(top, curves.models)
        legend(figure, curves.models)

    write_figure(output, draw, width=COLUMN, height=3.4)


def _nested(axes: Axes, curves: Curves, x: str, y: str) -> None:
    """Lines that lie on each other: each thinner than the one below it, the reference on top."""
    sides = [*drawn(curves.models), (curves.reference, REFERENCE_LOOK)]
    for depth, (side, look) in enumerate(sides):
        width = 0.7 + 1.0 * (len(sides) - 1 - depth)
        axes.plot(side[x], side[y], color=look.colour, linewidth=width, solid_capstyle="round")


def _with_share(top: Axes, bottom: Axes, curves: Curves, x: str, y: str) -> None:
    """Curves above, and below by how many per cent each is off; the first point may be zero over zero."""
    _nested(top, curves, x, y)
    keep = curves.reference[y].values > 0.0
    where, known = curves.reference[x].values[keep], curves.reference[y].values[keep]
    for side, look in [(curves.reference, REFERENCE_LOOK), *drawn(curves.models)]:
        share, error = side[y].values[keep] / known, side[f"{y}_stderr"].values[keep] / known
        band(bottom, where, 100 * (share - 1), 100 * error, look)


def _limits(axes: Axes, tolerance: float) -> None:
    for limit in (-tolerance, tolerance):
        axes.axhline(100 * limit, color=MUTED, linewidth=0.7, linestyle="--")


def _list_sides(axes: Axes, curves: Curves, name: str, text: str, *, x: float = 0.04) -> None:
    """Write a number of each side with its error into an upper corner."""
    sides = {"reference": curves.reference, **curves.models}
    found = {side: _number(curve, name) for side, curve in sides.items()}
    _list(axes, curves.models, {side: text.format(number) for side, number in found.items() if number}, x=x)


def _number(curve: xr.Dataset | str, name: str) -> str:
    return "" if isinstance(curve, str) else format_estimate(float(curve[name]), float(curve[f"{name}_stderr"]))


def _list(axes: Axes, models: Mapping[str, object], lines: Mapping[str, str], *, x: float = 0.04) -> None:
    known = looks(models)
    for row, (name, text) in enumerate(lines.items()):
        colour = known[name].colour if name in known else REFERENCE_COLOUR
        axes.annotate(text, (x, 1.0), (0, -5 - 10 * row), "axes fraction", "offset points", color=colour, va="top")


def relaxation_figure(curves: Curves, output: Path, *, tolerance: float) -> None:
    """Decay of the self correlation, and rates against q², self and coherent.

    The tolerance is a fraction of the rates.
    """

    def draw(figure: Figure) -> None:
        panels = figure.subplot_mosaic("dsc;dtb", height_ratios=(2, 1))
        _decay(panels["d"], curves)
        for kind, symbol, top, bottom in (
            ("self", "Γₛ", panels["s"], panels["t"]),
            ("coherent", "Γ", panels["c"], panels["b"]),
        ):
            top.sharex(bottom)
            top.tick_params(labelbottom=False)
            _rates(top, bottom, curves, kind)
            _limits(bottom, tolerance)
            top.set(ylabel=f"{symbol}(q) / ps⁻¹", ylim=(0.0, None), title=kind)
            bottom.set(xlabel="q² / Å⁻²", ylabel="deviation / %")
        slope, end = float(curves.reference["D"]), panels["s"].get_xlim()[1]
        panels["s"].plot([0.0, end], [0.0, slope * end], color=MUTED, linewidth=0.7, linestyle="--")
        panels["s"].text(0.55 * end, 0.65 * slope * end, "Dq²", color=MUTED, ha="right")
        tell_missing(panels["s"], curves.models, x=0.3)
        legend(figure, curves.models, marked=True)

    write_figure(output, draw, width=PAGE, height=3.3)


def _decay(axes: Axes, curves: Curves) -> None:
    lag = curves.reference["lag"].values
    axes.axvspan(*curves.reference.attrs["window"], color=WINDOW_COLOUR, zorder=0)
    for row, q in enumerate(curves.reference["self_q"].values):
        values = curves.reference["field_correlation"].values[row]
        axes.plot(lag, values, color=REFERENCE_COLOUR, linewidth=0.9)
        for order, (curve, look) in enumerate(drawn(curves.models)):
            chosen = slice(1 + 2 * order, None, max(1, len(lag) // SHOWN_POINTS))
            mean, error = curve["field_correlation"].values[row], curve["field_correlation_stderr"].values[row]
            points(axes, lag[chosen], mean[chosen], error[chosen], look)
        axes.annotate(f"{q:.2f}", (lag[-1], values[-1]), (3, 0), textcoords="offset points", va="center")
    axes.annotate("q / Å⁻¹", (1.0, 1.0), (3, 0), "axes fraction", "offset points")
    logarithmic(axes)
    axes.set(xlim=(0.0, lag[-1]), ylim=(0.01, 1.1), xlabel="lag τ / ps", ylabel="Fₛ(q, τ)")


def _rates(top: Axes, bottom: Axes, curves: Curves, kind: str) -> None:
    square, rate, error = _rate(curves.reference, kind)
    top.errorbar(square, rate, error, color=REFERENCE_COLOUR, linewidth=0.9)
    bottom.errorbar(square, 0.0 * rate, 100 * error / rate, color=REFERENCE_COLOUR, linewidth=0.9)
    models = list(drawn(curves.models))
    for order, (curve, look) in enumerate(models):
        x, y, spread = _rate(curve, kind)
        points(top, x, y, spread, look)
        beside = x + 0.06 * (order - 0.5 * (len(models) - 1))
        points(bottom, beside, 100 * (y / rate - 1), 100 * spread / rate, look)
    bottom.set_xlim(0.0, 1.06 * square.max())


def _rate(curve: xr.Dataset, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Squared wave number, rate and error."""
    return curve[f"{kind}_q"].values ** 2, curve[kind].values, curve[f"{kind}_stderr"].values


def phonon_figure(curves: Curves, output: Path) -> None:
    """Phonon dispersion and density of states of the crystal."""

    def draw(figure: Figure) -> None:
        grid = figure.subplots(2, 2, sharey="row", sharex="col", width_ratios=(2.2, 1), height_ratios=(3, 1))
        (bands, states), (off, empty) = grid
        empty.set_axis_off()
        _nested(bands, curves, "q", "branch_frequency")
        sides = [*drawn(curves.models), (curves.reference, REFERENCE_LOOK)]
        for depth, (side, look) in enumerate(sides):
            width = 0.7 + 1.0 * (len(sides) - 1 - depth)
            states.stairs(side["dos"], _edges(side), orientation="horizontal", color=look.colour, linewidth=width)
        for side, look in drawn(curves.models):
            difference = side["branch_frequency"] - curves.reference["branch_frequency"]
            off.plot(side["q"], 1e3 * difference, color=look.colour, linewidth=0.8)
        _corners((bands, off), curves.reference["corner"])
        bands.set_ylabel("frequency ν / THz")
        off.set(ylabel="Δν / GHz", xlabel="wave vector")
        states.set(xlabel="density of states / THz⁻¹", xlim=(0.0, None))
        states.xaxis.set_label_position("top")
        states.tick_params(labelbottom=False, labeltop=True)
        found = {name: _number(curve, "distance") for name, curve in curves.models.items()}
        _list(empty, curves.models, {name: f"distance {text}" for name, text in found.items() if text}, x=0.1)
        tell_missing(bands, curves.models, x=0.4, y=0.04)
        legend(figure, curves.models)

    write_figure(output, draw, width=PAGE, height=4.0)


def _corners(panels: Sequence[Axes], corners: xr.DataArray) -> None:
    for axes in panels:
        for corner in corners.values:
            axes.axvline(corner, color=MUTED, linewidth=0.4)
        axes.axhline(0.0, color=MUTED, linewidth=0.4)
        axes.set_xlim(corners.values[0], corners.values[-1])
        axes.set_xticks(corners.values, [str(label) for label in corners["label"].values])


def _edges(side: xr.Dataset) -> np.ndarray:
    middles = side["frequency"].values
    half = 0.5 * (middles[1] - middles[0])
    return np.append(middles - half, middles[-1] + half)


def melting_figure(panels: Mapping[str, Curves], output: Path) -> None:
    """Solid fraction of slabs by title against time, below and above the melting point."""

    def draw(figure: Figure) -> None:
        grid = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, (title, curves) in zip(grid, panels.items(), strict=True):
            axes.axhline(0.0, color=MUTED, linewidth=0.6)
            sides = [(curves.reference, REFERENCE_LOOK), *drawn(curves.models)]
            for side, look in sides:
                band(axes, side["time"].values, side["change"], side["change_stderr"], look)
            axes.set(title=title, xlabel="time / ps", xlim=(0.0, None))
            tell_missing(axes, curves.models)
        grid[0].set_ylabel("change of the solid fraction")
        legend(figure, next(iter(panels.values())).models)

    write_figure(output, draw, width=PAGE, height=2.7)
