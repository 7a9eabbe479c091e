"""Figures of the gate measured on itself: the spread of a perfect model, and which defects are found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pytest_mlff.gate.catalogue import TABLE
from pytest_mlff.report.figures.style import COLOURS, MARKERS, MUTED, PAGE, write_figure
from pytest_mlff.verdict.tolerances import NARROW

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = {
    title: tuple(row.key for row in TABLE.values() if row.panel == title)
    for title in dict.fromkeys(row.panel for row in TABLE.values() if row.panel)
}
"""Rows that are drawn together."""
TICKS = (0.2, 0.5, 2.0, 5.0, 20.0, 50.0)
"""Defects in percent that an axis names."""


class Curve(Protocol):
    """Detections of one row: points (percent, share, low, high) and fitted lines (percent, probability)."""

    @property
    def points(self) -> Sequence[tuple[float, float, float, float]]:
        """Measured shares with their intervals."""

    @property
    def fits(self) -> Sequence[tuple[np.ndarray, np.ndarray]]:
        """Fitted probabilities."""


def null_figure(rows: Mapping[str, Sequence[float]], output: Path) -> None:
    """Deviations of a perfect model, a line for each row.

    Parameters
    ----------
    rows : mapping of str to sequence of float
        By row, in units of its tolerance.
    output : Path
        The file.
    """

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axvspan(-NARROW, NARROW, color="0.93", linewidth=0)
        for limit in (-1.0, 1.0):
            axes.axvline(limit, color=COLOURS[1])
        axes.axvline(0.0, color=MUTED, linewidth=0.6)
        places = range(len(rows), 0, -1)
        for place, values in zip(places, rows.values(), strict=True):
            _violin(axes, np.asarray(values), place)
        axes.set_yticks(places, list(rows))
        axes.set(xlim=(-1.15, 1.15), xlabel="deviation of the reference from itself / tolerance")

    write_figure(output, draw, width=PAGE, height=0.6 + 0.22 * len(rows))


def _violin(axes: Axes, values: np.ndarray, place: float) -> None:
    """Draw a density along its line, from the least value to the largest, mirrored."""
    from scipy.stats import gaussian_kde

    x = np.linspace(values.min(), values.max(), 100)
    width = gaussian_kde(values)(x)
    width *= 0.42 / width.max()
    axes.fill_between(x, place - width, place + width, color=COLOURS[0], alpha=0.5, linewidth=0)
    axes.plot(x[[0, -1]], [place, place], color=COLOURS[0], marker="|", linewidth=0.7)


def power_figure(curves: Mapping[str, Mapping[str, Curve]], output: Path) -> None:
    """Share of seeds in which rows FAIL against strength, a column for each defect.

    Parameters
    ----------
    curves : mapping
        Defect → row → :class:`Curve`.
    output : Path
        The file.
    """

    def draw(figure: Figure) -> None:
        grid = figure.subplots(len(PANELS), len(curves), sharex="col", sharey=True, squeeze=False)
        figure.supylabel("share of seeds that FAIL", fontsize=8)
        for line, (title, rows) in zip(grid, PANELS.items(), strict=True):
            for axes, found in zip(line, curves.values(), strict=True):
                _detections(axes, rows, found)
            line[0].set_ylabel(title)
            line[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=0.8)
        for axes, (defect, found) in zip(grid[-1], curves.items(), strict=True):
            axes.set_xlabel(f"error of {defect} / %")
            _spread_out(axes, [point[0] for curve in found.values() for point in curve.points])
        grid[0, 0].set(ylim=(-0.08, 1.08), yticks=(0.0, 0.5, 1.0))

    write_figure(output, draw, width=PAGE, height=0.6 + 1.05 * len(PANELS))


def _detections(axes: Axes, rows: Sequence[str], found: Mapping[str, Curve]) -> None:
    axes.axvline(0.0, color=MUTED, linewidth=0.6)
    axes.axhline(0.9, color=MUTED, linewidth=0.6, linestyle=":")
    for order, (row, colour, marker) in enumerate(zip(rows, COLOURS, MARKERS, strict=False)):
        axes.plot([], [], label=row, color=colour, marker=marker, markersize=2.5, linestyle="none")
        if row not in found:
            continue
        percent, share, low, high = np.array(found[row].points).T
        if np.array_equal(low, high):  # the same with every seed
            axes.plot(percent, share, color=colour, linewidth=1.5 - 0.6 * order, drawstyle="steps-mid")
            continue
        beside = percent * 1.04**order  # so that error bars of two rows are told apart
        axes.plot(beside, share, color=colour, marker=marker, markersize=2.5, linestyle="none")
        bars = np.stack([low, high, np.full_like(low, np.nan)], axis=1)
        axes.plot(beside.repeat(3), bars.ravel(), color=colour, linewidth=0.5)
        for x, probability in found[row].fits:
            axes.plot(x, probability, color=colour, linewidth=0.9)


def _spread_out(axes: Axes, percents: Sequence[float]) -> None:
    """Give small and large defects the same room: logarithmic to both sides of the smallest."""
    if not percents:
        return
    smallest, largest = min(map(abs, percents)), max(map(abs, percents))
    axes.set_xscale("symlog", linthresh=smallest, linscale=0.3)
    ticks = [sign * tick for tick in TICKS if smallest <= tick <= largest for sign in (-1, 1)]
    axes.set_xticks(ticks, [f"{tick:+g}".replace("-", "−") for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(1.2 * min(percents), 1.2 * max(percents))
