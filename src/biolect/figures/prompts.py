"""What demonstrations are worth: a score over their number, matched ones beside their controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from biolect.figures.style import COLORS, OTHERS, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def prompt_curves(numbers: Sequence[int], curves: Mapping[str, Mapping[str, Sequence[tuple[float, tuple[float, float]]]]]) -> Figure:
    """Draw a panel a rule, with a curve and its interval a condition.

    Args:
        numbers: Of demonstrations.
        curves: By rule and condition, one (value, (low, high)) a number; area under the ROC curve.
    """
    figure, panels = new_figure(4.6 * max(1, len(curves)), 3.6, columns=max(1, len(curves)), shares_y=True)
    for panel, (rule, conditions) in zip(panels, curves.items(), strict=False):
        for color, (condition, points) in zip((*COLORS.values(), *OTHERS), conditions.items(), strict=False):
            panel.plot(range(len(numbers)), [value for value, _ in points], color=color, marker="o", markersize=3, label=condition)
            low, high = zip(*(interval for _, interval in points), strict=True)
            panel.fill_between(range(len(numbers)), low, high, color=color, alpha=0.12, linewidth=0)
        panel.axhline(0.5, color="#999999", linewidth=0.8, linestyle=":")
        panel.set_xticks(range(len(numbers)), [str(number) for number in numbers])
        panel.set_xlabel("Demonstrations")
        panel.set_title(rule, fontsize=10)
    panels[0].set_ylabel("Area under the ROC curve")
    panels[-1].legend(frameon=False, fontsize=8)
    return figure
