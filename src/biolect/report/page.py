"""One self-contained page: text, figures and tables in a single HTML file that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from biolect.figures.style import save
from biolect.files import write_pieces

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Section:
    """A stretch of the page. Empty parts are left out.

    Attributes:
        text: What was done and what came out, in plain words.
        figure: Drawn as `name`.svg and `name`.png beside the page, and inside it.
        caption: How the figure is to be read.
        rows: A table; the first row is its head.
        letters: Shown as they stand, in letters of equal width.
    """

    name: str
    title: str
    text: str
    figure: Figure | str | None = None
    caption: str = ""
    rows: Sequence[Sequence[str]] = ()
    letters: str = ""


def said(part: str, **values: Any) -> str:
    """Return the words of a part of a page, as they stand in `words.yaml`, with values put in."""
    return _words()[part].format(**values)


@cache
def _words() -> dict[str, str]:
    return yaml.safe_load((resources.files("biolect.report") / "words.yaml").read_text(encoding="utf-8"))


def number(value: float | None, digits: int) -> str:
    """Return a number with so many digits behind the point; a dash for none."""
    return "-" if value is None else f"{value:.{digits}f}"


def told(estimate: Sequence[float | None], digits: int = 2) -> str:
    """Return a value with its interval in brackets."""
    value, low, high = (number(one, digits) for one in estimate)
    return f"{value} [{low}, {high}]"


def judged(estimate: Sequence[float | None], above: str, below: str, unclear: str) -> str:
    """Return the words that the interval of a difference allows."""
    _, low, high = estimate
    return above if (low or 0) > 0 else below if (high or 0) < 0 else unclear


def write_page(path: Path, title: str, intro: str, findings: Sequence[str], sections: Sequence[Section]) -> dict[str, list[str]]:
    """Write the page, and its figures to the folder `figures` beside it.

    Returns:
        The files of each section's figure, by the section's name.
    """
    import jinja2

    folder = path.parent / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    drawn, files = [], {}
    for section in sections:
        if section.figure is not None and not isinstance(section.figure, str):
            written = save(section.figure, folder / section.name)
            files[section.name] = [str(file) for file in written]
            # As an image of its own, so that ids of one drawing cannot reach into another.
            encoded = base64.b64encode(written[1].read_bytes()).decode()
            section = replace(section, figure=f"data:image/svg+xml;base64,{encoded}")
        drawn.append(section)
    template = (resources.files("biolect.report") / "page.html").read_text(encoding="utf-8")
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(template)
    write_pieces(path, [(page.render(title=title, intro=intro, findings=findings, sections=drawn) + "\n").encode()])
    return files
