"""Bars and points with intervals, clouds of points, and heat maps: measured values side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from biolect.figures.style import OTHERS, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Estimate = Sequence[float]
"""A value with the ends of its interval: value, low, high."""

# Intervals are drawn in black, so no bar is.
_FILLS = (OTHERS[0], OTHERS[1], OTHERS[3], "#ffffff")


def bars(groups: Sequence[str], series: Mapping[str, Sequence[Estimate]], quantity: str, grouping: str) -> Figure:
    """Draw one bar per group and series, each with its interval and its value.

    Args:
        series: By name, one estimate per group.
        quantity: What the height of a bar is, with its unit.
        grouping: What the groups are.
    """
    figure, (panel,) = new_figure(7.5, 3.8)
    width = 0.84 / len(series)
    for index, (name, estimates) in enumerate(series.items()):
        value, low, high = np.array(estimates, dtype=float).T
        places = np.arange(len(groups)) + (index - (len(series) - 1) / 2) * width
        panel.bar(places, value, 0.92 * width, color=_FILLS[index % len(_FILLS)], label=name, edgecolor="#444444")
        panel.errorbar(places, value, np.abs([value - low, high - value]), fmt="none", ecolor="#333333", capsize=3, linewidth=1)
        for place, top, number in zip(places, np.maximum(value, high), value, strict=True):
            text = f"{number:.2f}" if abs(number) >= 0.1 else f"{number:.2g}"
            panel.annotate(text, (place, top), (0, 2), textcoords="offset points", ha="center", fontsize=8)
    panel.set_xticks(np.arange(len(groups)), list(groups))
    panel.set(xlabel=grouping, ylabel=quantity, ylim=tuple(1.1 * limit for limit in panel.get_ylim()))
    figure.legend(loc="outside upper center", ncols=len(series), frameon=False, fontsize=8)
    return figure


def heat_maps(
    panels: Mapping[str, NDArray[np.floating]],
    rows: Sequence[str],
    columns: Sequence[str],
    labels: tuple[str, str, str],
    marks: NDArray[np.bool_],
    size: tuple[float, float],
) -> Figure:
    """Draw matrices one under the other on one scale of color; NaN is left white.

    Args:
        panels: Matrices by title. A scale that has values below 0 is centred there.
        columns: Those without a name have no tick.
        labels: What columns are, what rows are, and what the color means, with its unit.
        marks: Cells that carry a dot.
        size: Width, and height of one panel. Inches.
    """
    figure, axes = new_figure(size[0], size[1] * len(panels), rows=len(panels))
    low, high = min(np.nanmin(v) for v in panels.values()), max(np.nanmax(v) for v in panels.values())
    most = max(-low, high)
    scale = {"cmap": "RdBu", "vmin": -most, "vmax": most} if low < 0 else {"cmap": "Blues", "vmin": 0, "vmax": most}
    for panel, (title, values) in zip(axes, panels.items(), strict=True):
        image = panel.imshow(values, aspect="auto", interpolation="nearest", **scale)
        y, x = np.nonzero(marks)
        panel.plot(x, y, ".", color="#000000", markersize=3)
        panel.set_xticks([i for i, name in enumerate(columns) if name], [name for name in columns if name], fontsize=7, rotation=90)
        panel.set_yticks(range(len(rows)), list(rows), fontsize=7)
        panel.set_title(title, fontsize=10)
        panel.set(xlabel=labels[0], ylabel=labels[1])
        panel.grid(visible=False)
        figure.colorbar(image, ax=panel, label=labels[2], pad=0.01)
    return figure


def forest(estimates: Mapping[str, Estimate], quantity: str, colors: Mapping[str, str], line: float | None = None) -> Figure:
    """Draw one point per name with its interval, the first on top.

    Args:
        quantity: What the axis is, with its unit.
        colors: Of points, by name; grey where there is none.
        line: Value to compare with.
    """
    figure, (panel,) = new_figure(7.5, 1.2 + 0.28 * len(estimates))
    for place, (name, (value, low, high)) in enumerate(estimates.items()):
        color = colors.get(name, "#777777")
        panel.plot([low, high], [-place, -place], color=color, linewidth=2, solid_capstyle="butt")
        panel.plot([value], [-place], "o", color=color, markersize=6)
        panel.annotate(f"{value:.3f}", (high, -place), (6, 0), textcoords="offset points", va="center", fontsize=8)
    if line is not None:
        panel.axvline(line, color="#333333", linestyle=":", linewidth=1)
    panel.set_yticks([-place for place in range(len(estimates))], list(estimates), fontsize=8)
    panel.set_xlabel(quantity)
    panel.margins(x=0.12)
    panel.grid(axis="x", color="#dddddd", linewidth=0.6)
    panel.grid(axis="y", visible=False)
    return figure


def cloud(x: NDArray[np.floating], y: NDArray[np.floating], labels: tuple[str, str], title: str = "") -> Figure:
    """Draw points, and the line where both are equal.

    Args:
        labels: What the axes are, with units.
    """
    figure, (panel,) = new_figure(5.2, 4.6)
    panel.plot(x, y, ".", color=OTHERS[0], alpha=0.5, markersize=4)
    ends = [min(x.min(), y.min()), max(x.max(), y.max())]
    panel.plot(ends, ends, color="#333333", linestyle=":", linewidth=1)
    panel.set(xlabel=labels[0], ylabel=labels[1])
    panel.set_title(title, fontsize=10)
    return figure


def lines(curves: Mapping[str, Sequence[tuple[Sequence[float], Sequence[float]]]], labels: tuple[str, str]) -> Figure:
    """Draw several lines per name, all in its color.

    Args:
        curves: Places and values of every line, by name.
        labels: What the axes are, with units.
    """
    figure, (panel,) = new_figure(7.5, 4.0)
    for index, (name, several) in enumerate(curves.items()):
        for number, (x, y) in enumerate(several):
            panel.plot(x, y, color=f"C{index % 10}", linewidth=1, alpha=0.8, label=name if number == 0 else None)
    panel.set(xlabel=labels[0], ylabel=labels[1])
    panel.legend(frameon=False, fontsize=7, ncols=2)
    return figure
