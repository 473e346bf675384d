import base64
import re

from biolect.figures.panels import bars
from biolect.report.page import Section, write_page


def page(folder, *sections):
    files = write_page(folder / "report.html", "A <title>", "What it is about.", ["one finding"], sections)
    return files, (folder / "report.html").read_text()


def test_the_page_needs_nothing_else(tmp_path):
    figure = bars(["a", "b"], {"x": [(1, 0.9, 1.1), (2, 1.9, 2.1)]}, "Bits", "Groups")

    _, text = page(tmp_path, Section("one", "One", "Words.", figure, "How to read it."))
    drawing = base64.b64decode(re.findall(r"data:image/svg\+xml;base64,([^\"]+)", text)[0]).decode()

    assert not re.search(r"https?:|<script|<link|@import|url\(", text)
    assert not re.search(r"<image|<script|href=\"(?!#)", drawing)
    assert "Groups" in drawing and "Bits" in drawing


def test_figures_lie_beside_the_page_by_the_names_of_their_sections(tmp_path):
    files, _ = page(tmp_path, Section("one", "One", "", bars(["a"], {"x": [(1, 1, 1)]}, "Bits", "Groups")), Section("two", "Two", ""))

    assert files == {"one": [str(tmp_path / "figures" / f"one.{kind}") for kind in ("png", "svg")]}
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["one.png", "one.svg", "report.html"]


def test_words_cannot_become_markup(tmp_path):
    _, text = page(tmp_path, Section("one", "One", "<b>", rows=[("a&b", "c"), ("<i>", "d")], letters="<pos>"))

    assert "<title>A &lt;title&gt;</title>" in text
    assert "<b>" not in text and "<i>" not in text and "<pos>" not in text
    assert "<td>&lt;i&gt;</td>" in text
