"""Curves: bits per residue over tokens seen, with the phases marked; what demonstrations are worth over their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from biolect.figures.style import COLORS, MEMBER_LINES, OTHERS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MEMBER_WORDS = ("first", "second", "third or later")
_UNITS = ((1e9, "billions"), (1e6, "millions"), (1e3, "thousands"), (1, ""))


Curve = Sequence[tuple[float, float]]
"""Tokens seen so far, padding not counted, and bits per residue at that point."""


def learning_curves(
    alone: Mapping[str, Curve], by_member: Mapping[tuple[str, int], Curve], phase_ends: Mapping[str, float], title: str = ""
) -> Figure:
    """Draw validation curves: records alone on the left, members of documents on the right.

    Args:
        alone: By modality: records scored on their own.
        by_member: By (modality, 0-based place in the document).
        phase_ends: Phase name to the tokens seen at its end, in order.
    """
    figure, (left, right) = new_figure(11.0, 4.0, columns=2, shares_y=True)
    most = max(phase_ends.values(), default=0.0)
    unit, word = next((one for one in _UNITS if most >= one[0]), _UNITS[-1])
    for index, (modality, curve) in enumerate(alone.items()):
        left.plot(*_points(curve, unit), color=_color(modality, index), marker="o", markersize=3, label=modality)
    for index, ((modality, member), curve) in enumerate(by_member.items()):
        label = f"{modality}, {_MEMBER_WORDS[member]}"
        right.plot(*_points(curve, unit), color=_color(modality, index), linestyle=MEMBER_LINES[member], marker=".", label=label)
    for panel, heading in ((left, "alone"), (right, "by place in the document")):
        _phases(panel, {name: end / unit for name, end in phase_ends.items()})
        panel.set_xlabel(f"Tokens seen ({word})" if word else "Tokens seen")
        panel.set_title(heading, fontsize=10)
        if panel.lines:
            panel.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    left.set_ylabel("Validation loss (bits per residue)")
    left.set_ylim(bottom=0)
    if title:
        figure.suptitle(title)
    return figure


def _points(curve: Curve, unit: float) -> tuple[list[float], list[float]]:
    return [tokens / unit for tokens, _ in curve], [bits for _, bits in curve]


def _phases(panel: Axes, ends: Mapping[str, float]) -> None:
    start = 0.0
    for name, end in ends.items():
        panel.axvspan(start, end, color="#f2f2f2" if len(panel.patches) % 2 else "#ffffff", zorder=0, linewidth=0)
        panel.annotate(name, ((start + end) / 2, 1), xycoords=("data", "axes fraction"), ha="center", va="top", fontsize=8, color="#666666")
        start = end


def _color(modality: str, index: int) -> str:
    return COLORS.get(modality, OTHERS[index % len(OTHERS)])


def prompt_curves(
    numbers: Sequence[int],
    curves: Mapping[str, Mapping[str, Sequence[tuple[float, tuple[float, float]]]]],
    quantity: str = "Area under the ROC curve",
    counted: str = "Demonstrations",
    level: float = 0.5,
) -> Figure:
    """Draw a panel a rule, with a curve and its interval a condition.

    Args:
        numbers: Of demonstrations.
        curves: By rule and condition, one (value, (low, high)) a number, fewer if the last ones are not known.
        quantity: What the values are, with their unit.
        counted: What the numbers count.
        level: Where a line says what nothing learned would give.
    """
    figure, panels = new_figure(4.6 * max(1, len(curves)), 3.6, columns=max(1, len(curves)), shares_y=True)
    for panel, (rule, conditions) in zip(panels, curves.items(), strict=False):
        for color, (condition, points) in zip((*COLORS.values(), *OTHERS), conditions.items(), strict=False):
            panel.plot(range(len(points)), [value for value, _ in points], color=color, marker="o", markersize=3, label=condition)
            low, high = zip(*(interval for _, interval in points), strict=True)
            panel.fill_between(range(len(points)), low, high, color=color, alpha=0.12, linewidth=0)
        panel.axhline(level, color="#999999", linewidth=0.8, linestyle=":")
        panel.set_xticks(range(len(numbers)), [str(number) for number in numbers])
        panel.set_xlabel(counted)
        panel.set_title(rule, fontsize=10)
    panels[0].set_ylabel(quantity)
    panels[-1].legend(frameon=False, fontsize=8)
    return figure
