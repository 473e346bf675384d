"""One look for every figure: colors that color-blind readers can tell apart, no global state."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = {"dna": "#0072B2", "rna": "#009E73", "protein": "#D55E00", "molecule": "#CC79A7"}
"""One color per modality. Source: Okabe and Ito, color universal design."""

OTHERS = ("#56B4E9", "#E69F00", "#000000", "#999999")
MEMBER_LINES = ("-", "--", ":")
"""Line styles of the first, second and third member of a document."""


def new_figure(
    width: float = 7.0, height: float = 4.0, *, rows: int = 1, columns: int = 1, shares_y: bool = False
) -> tuple[Figure, list[Axes]]:
    """Return an empty figure and its panels, left to right, then down. Inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, columns, sharey=shares_y, squeeze=False).flat)
    for panel in axes:
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(axis="y", color="#dddddd", linewidth=0.6)
        panel.set_axisbelow(True)
    return figure, axes


def save(figure: Figure, path: Path) -> list[Path]:
    """Write `path` as PNG and as SVG and return both; equal values give equal bytes."""
    import matplotlib

    written = [path.with_name(f"{path.name}.{kind}") for kind in ("png", "svg")]
    with matplotlib.rc_context({"svg.hashsalt": "biolect", "svg.fonttype": "none"}):
        figure.savefig(written[0], dpi=150, metadata={"Software": None})
        figure.savefig(written[1], metadata={"Date": None})
    return written
