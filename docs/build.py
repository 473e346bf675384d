"""Render the documents, and the list of public names with their summaries, to a folder of plain HTML pages.

usage: python docs/build.py FOLDER
"""

from __future__ import annotations

import html
import inspect
import re
import sys
from pathlib import Path

from markdown_it import MarkdownIt

import biolect

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
STYLE = (
    "body{max-width:46rem;margin:2rem auto;padding:0 1rem;font:1rem/1.6 system-ui,sans-serif;color:#222}"
    "pre{background:#f5f5f2;padding:.8rem;overflow-x:auto}code{font-size:.9em}table{border-collapse:collapse}"
    "td,th{border:1px solid #ccc;padding:.25rem .6rem;text-align:left}nav a{margin-right:1rem}"
)


def names() -> str:
    """Every public name with its signature and the first line of its docstring, as Markdown."""
    lines = ["# Public names", ""]
    for name in sorted(biolect.__all__):
        value = getattr(biolect, name)
        summary = (inspect.getdoc(value) or "").partition("\n")[0]
        home = value.__name__ if inspect.ismodule(value) else value.__module__
        lines.append(f"- **{name}** (`{home}`): {summary}")
    return "\n".join(lines)


def page(title: str, markdown: str, links: str, depth: int) -> str:
    """One page; links between documents become links between pages."""
    body = MarkdownIt("commonmark").enable("table").render(markdown)
    body = re.sub(r'href="(?!https?:|#)([^"#]+)\.md', r'href="\1.html', body)
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    return f"{head}<nav>{links.replace('href=', 'href=' + '../' * depth)}</nav>{body}</html>\n"


def main(folder: Path) -> None:
    """Write all pages. A link that leads nowhere is an error."""
    sources = {path.relative_to(REPOSITORY): path.read_text(encoding="utf-8") for path in PAGES} | {Path("names.md"): names()}
    links = " ".join(f"<a href={path.with_suffix('.html')}>{path.stem.replace('-', ' ')}</a>" for path in sources)
    for path, text in sources.items():
        for link in re.findall(r"\]\((?!https?://|#)([^)#\s]+)", text):
            if not (REPOSITORY / path.parent / link).exists():
                raise SystemExit(f"{path}: the link {link} leads nowhere")
        out = folder / path.with_suffix(".html")
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(page(path.stem, text, links, len(path.parts) - 1), encoding="utf-8")
    (folder / "index.html").write_text((folder / "README.html").read_text(encoding="utf-8"), encoding="utf-8")
    sys.stdout.write(f"{len(sources)} pages in {folder}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "site"))
