"""From files of running text to documents of sequences.

A document that quotes several sequences says that they belong together; the words are dropped and
the sequences stay, in their order.
"""

import html
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from html.parser import HTMLParser
from itertools import chain
from pathlib import Path
from typing import Any

from biolect.bio.sequence import Sequence
from biolect.data.interleaved import extract
from biolect.errors import InputError
from biolect.files import open_input


@dataclass(frozen=True)
class TextDocument:
    """Running text; offsets of extractions count its characters."""

    name: str
    text: str


def mine(paths: Iterable[Path | str], minimum: int = 3, seen: set[bytes] | None = None) -> Iterator[tuple[str, list[Sequence]]]:
    """Find the documents that hold several different sequences.

    Args:
        paths: Files that `read_text_documents` reads.
        minimum: Fewest sequences of a document, counted after repeats are dropped.
        seen: Digests of what earlier calls found, which is a repeat here; what is found is added.

    Yields:
        The document's name, and its sequences in order of appearance, named by their place.

    Raises:
        InputError: See `read_text_documents`.
    """
    seen = set() if seen is None else seen
    for document in chain.from_iterable(map(read_text_documents, paths)):
        kept: dict[bytes, Sequence] = {}
        for found in extract(document.text):
            sequence = Sequence(found.residues, found.modality, f"{document.name}:{found.start}-{found.stop}")
            key = blake2b(f"{found.modality}{sequence.residues}".encode(), digest_size=12).digest()
            if key not in seen:
                kept.setdefault(key, sequence)
        if len(kept) >= minimum:
            # Only kept documents count as seen: a repeat of a dropped one is not a repeat.
            seen.update(kept)
            yield document.name, list(kept.values())


def read_text_documents(path: Path | str) -> Iterator[TextDocument]:
    """Read plain text, Markdown, HTML, JATS XML, a notebook, or JSON lines with a `text` field; gzip or not.

    The content tells the format; only Markdown is known by its name (`.md`, `.markdown`).

    Raises:
        InputError: If the file is empty, not UTF-8 text, or not whole.
    """
    path = Path(path)
    with open_input(path) as stream:
        opening = stream.readline()
        first = _json_object(opening)
        if first is not None and "cells" not in first:
            yield from _json_lines(path, chain([opening], stream))
            return
        try:
            text = (opening + stream.read()).decode("utf-8").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            at = f"byte {error.start} (0-based) cannot be read"
            raise InputError(f"'{path}' is not UTF-8 text: {at}. Convert it to UTF-8 first.") from None
    name = path.name.removesuffix(".gz")
    if not text.strip():
        raise InputError(f"'{path}' is empty: there is no text to search. Check that the file was written whole.")
    if text.lstrip()[0] == "{" and '"cells"' in text:
        text = _notebook_text(path, text)
    elif re.match(r"\s*<[?!A-Za-z]", text):
        text = markup_text(text)
    elif name.lower().endswith((".md", ".markdown")):
        text = html.unescape(text.replace("**", ""))
    yield TextDocument(name, text)


def _json_object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _json_lines(path: Path, lines: Iterable[bytes]) -> Iterator[TextDocument]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        record = _json_object(line)
        if record is None or not isinstance(record.get("text"), str):
            raise InputError(
                f"Line {number} (1-based) of '{path}' is not a JSON object with a 'text' string. "
                'Write one document per line, as {"text": ...}.'
            )
        yield TextDocument(str(record.get("id", f"{path.name.removesuffix('.gz')}:{number}")), record["text"])


def _notebook_text(path: Path, text: str) -> str:
    """Markdown, code and text outputs of a notebook, in order."""
    try:
        cells = json.loads(text)["cells"]
        parts = []
        for cell in cells:
            parts.append(cell["source"])
            for output in cell.get("outputs", ()):
                parts.append(output.get("text") or output.get("data", {}).get("text/plain", ""))
        return "\n\n".join(part if isinstance(part, str) else "".join(part) for part in parts)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"'{path}' begins like a notebook but cannot be read as one: {error}. Check that the file is whole.") from None


_INLINE = frozenset(
    "a abbr b bold code em ext-link font i ins italic mark monospace named-content overline s sc small span strong "
    "styled-content sub sup tt u underline wbr xref".split()
)
_CELL = frozenset(("td", "th"))
_HIDDEN = frozenset(("script", "style", "tex-math"))


class _Markup(HTMLParser):
    """Text of HTML and JATS: inline tags vanish, so a half-underlined primer stays whole; other tags break lines."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.depth = Counter[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.depth[tag] += 1
        if tag not in _INLINE:
            self.parts.append(" | " if tag in _CELL else "\n")

    def handle_endtag(self, tag: str) -> None:
        self.depth[tag] -= 1
        if tag not in _INLINE and tag not in _CELL:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if any(self.depth[tag] > 0 for tag in _HIDDEN):
            return
        if not (self.depth["pre"] > 0 or self.depth["preformat"] > 0):
            data = re.sub(r"[ \t\r\n\f]+", " ", data)
        # A footnote mark must not touch the sequence it stands behind.
        if self.depth["sup"] > 0 and data[:1].isalnum():
            data = "^" + data
        self.parts.append(data)


def markup_text(text: str) -> str:
    """Return the visible text of HTML or XML."""
    parser = _Markup()
    parser.feed(text)
    parser.close()
    return "".join(parser.parts)
