"""One look for every figure: colors that color-blind readers can tell apart, no global state."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from biolect.files import atomic_path

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
    from matplotlib.text import Text

    for text in cast("list[Text]", figure.findobj(Text)):
        # Names of columns are shown as they are, dollars included; powers of ten on an axis are no names.
        if "$" in text.get_text() and "\\mathdefault" not in text.get_text():
            text.set_parse_math(False)
    how: dict[str, dict[str, Any]] = {"png": {"dpi": 150, "metadata": {"Software": None}}, "svg": {"metadata": {"Date": None}}}
    written = [path.with_name(f"{path.name}.{kind}") for kind in how]
    with matplotlib.rc_context({"svg.hashsalt": "biolect", "svg.fonttype": "none"}):
        for final, (kind, options) in zip(written, how.items(), strict=True):
            with atomic_path(final) as temporary:
                figure.savefig(temporary, format=kind, **options)
    return written
