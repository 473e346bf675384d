"""FASTA cut into records, and straight to codes for building shards.

Every step works on a whole block or record in C, none on a line, so that it runs at a good part of the
speed at which a file can be read: blocks are cut where headers begin, records go through one `translate`
that maps letters and deletes white space, many at once, and only where some letter came out flagged (folded or
illegal) are they looked at one by one.
"""

import re
from collections.abc import Iterator
from io import BufferedReader
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biolect.bio.alphabet import ILLEGAL, Alphabet, Folds
from biolect.bio.io.form import EMPTY, Refusal, Unknown
from biolect.bio.sequence import Modality
from biolect.errors import AlphabetError, InputError
from biolect.files.reading import BLOCK_BYTES

WHITE = b" \t\n\r\v\f"

_COMMENTS = re.compile(rb"(?:[#;][^\n]*(?:\n|$)|\s)*")
_LONGEST_HEADER_BYTES = 1 << 16
_BATCH_BYTES = 1 << 20
# The bit of letters that are folded or illegal.
_FLAG = 0x80
# Between records that are coded together.
_MARK = 0x7F


def raw_records(stream: BufferedReader, where: str, *, counts_lines: bool = True) -> Iterator[tuple[bytes, bytes, int]]:
    """Yield header without '>', text with its white space, and the 1-based line of the header; 0 unless it `counts_lines`.

    Raises:
        InputError: If there is text before the first header, or no header, or an endless one.
    """
    # The record that is being read, with its header; first what stands before all headers.
    pieces, line, is_preface = [b"\n"], 0, True
    while read := stream.read(BLOCK_BYTES):
        for number, part in enumerate(read.split(b">")):
            if number and pieces[-1].endswith(b"\n"):
                following = line + sum(piece.count(b"\n") for piece in pieces) if counts_lines else 0
                if not is_preface:
                    yield _record(pieces, line)
                pieces, line, is_preface = [part], following, False
                continue
            part = b">" + part if number else part
            if is_preface or b"\n" not in pieces[0]:
                pieces[0] += part
            elif part:
                pieces.append(part)
            if is_preface and not _COMMENTS.fullmatch(pieces[0]):
                text = pieces[0].strip().split(b"\n")[0].decode("utf-8", errors="replace")
                raise InputError(f"'{where}' has text before its first header: {text[:40]!r}. FASTA begins with '>'.")
        if len(pieces[0]) > _LONGEST_HEADER_BYTES and b"\n" not in pieces[0]:
            raise InputError(f"'{where}' has a header line of more than {_LONGEST_HEADER_BYTES} bytes. Is it FASTA?")
    if is_preface:
        raise InputError(f"'{where}' holds no record: nothing in it begins with '>'. Is it FASTA?")
    yield _record(pieces, line)


def _record(pieces: list[bytes], line: int) -> tuple[bytes, bytes, int]:
    header, _, text = pieces[0].partition(b"\n")
    if len(pieces) > 1:
        pieces[0] = text
        text = b"".join(pieces)
    # A chromosome is not held twice for longer than it must be.
    pieces.clear()
    return header, text, line


def record_name(header: bytes) -> bytes:
    """Return the first word of a header line, in UTF-8."""
    name = (header.split(None, 1) or [b""])[0]
    return name if name.isascii() else name.decode("utf-8", errors="replace").encode()


class Codes(NamedTuple):
    """Whole records, one after the other: record i has codes[offsets[i]:offsets[i + 1]]. Names are UTF-8."""

    names: list[bytes]
    offsets: NDArray[np.int64]
    codes: NDArray[np.uint8]
    folds: Folds


def read_codes(
    stream: BufferedReader,
    modality: Modality,
    table: NDArray[np.uint8],
    *,
    unknown: Unknown = "refuse",
    strict: bool = False,
    where: str = "input",
) -> Iterator[Codes | Refusal]:
    """Read records as arrays of codes, many at once, never cut in two.

    Equal to `fasta.read` followed by `table[...]` on the residues. Memory: a few batches, and the
    longest record twice.

    Args:
        table: Byte to code, 256 entries, `ILLEGAL` for what is no letter; codes below 127.

    The rest, what is returned and what is raised are those of `fasta.read`; the refusals of a batch
    come before its codes.
    """
    alphabet, readable = modality.alphabet, table != ILLEGAL
    if table[readable].max() >= _MARK:
        raise AlphabetError(f"The table has code {table[readable].max()}; codes are below {_MARK} here, which stands between records.")
    canonical = np.isin(np.arange(256), alphabet.symbol_table)
    flagged = np.where(readable & ~canonical, table | np.uint8(_FLAG), table)
    marked = flagged.copy()
    marked[_MARK] = _MARK
    settled = bytearray(code & ~_FLAG & 0xFF for code in range(256))
    settled[ILLEGAL] = table[ord(alphabet.unknown)]
    coder = _Coder(alphabet, marked.tobytes(), flagged.tobytes(), bytes(settled), unknown, strict)
    names: list[bytes] = []
    texts: list[bytes] = []
    size = first = 0
    for header, text, _ in raw_records(stream, where, counts_lines=False):
        names.append(record_name(header))
        texts.append(text)
        size += len(text)
        if size > _BATCH_BYTES:
            yield from coder.batch(names, texts, where, first)
            first, names, texts, size = first + len(names), [], [], 0
    yield from coder.batch(names, texts, where, first)


class _Coder(NamedTuple):
    """Turns records into codes by tables: letters to flagged codes, with and without the mark, and flagged codes to those that stay."""

    alphabet: Alphabet
    marked: bytes
    flagged: bytes
    settled: bytes
    unknown: Unknown
    strict: bool

    def batch(self, names: list[bytes], texts: list[bytes], where: str, first: int) -> Iterator[Codes | Refusal]:
        """Yield the refusals among some records, the first of which has this 0-based number, and the others joined."""
        # Together first: most batches have no letter that needs a second look. A bytearray is translated faster than bytes are,
        # but one long record is not copied for that.
        together = (texts[0] if len(texts) == 1 else bytearray([_MARK]).join(texts)).translate(self.marked, WHITE)
        if together.count(_MARK) == len(texts) - 1 and together.isascii():
            places = np.frombuffer(together, dtype=np.uint8)
            marks = np.flatnonzero(places == _MARK) if len(texts) > 1 else np.zeros(0, dtype=np.int64)
            ends = np.append(marks, len(together)) - np.arange(len(texts))
            if np.diff(ends, prepend=0).all():
                codes = np.frombuffer(together.replace(bytes([_MARK]), b""), dtype=np.uint8) if len(marks) else places
                yield Codes(names, np.append(0, ends), codes, Folds())
                return
        kept: list[tuple[bytes, bytes]] = []
        folds = Folds()
        for number, (name, text) in enumerate(zip(names, texts, strict=True), first + 1):
            codes, problem = text.translate(self.flagged, WHITE), ""
            if not codes.isascii():
                letters = text.translate(None, WHITE)
                problem = self._problem(codes, letters, name.decode())
                folds = folds if problem else folds + self.alphabet.count_folds(letters)
            if problem or not codes:
                yield Refusal(name.decode(), f"{where}, record {number}", problem or EMPTY)
            else:
                kept.append((name, codes.translate(self.settled)))
        if kept:
            lengths = np.cumsum([0, *(len(codes) for _, codes in kept)], dtype=np.int64)
            joined = np.frombuffer(b"".join(codes for _, codes in kept), dtype=np.uint8)
            yield Codes([name for name, _ in kept], lengths, joined, folds)

    def _problem(self, codes: bytes, letters: bytes, name: str) -> str:
        """Return why a record with flagged letters is refused; empty if it is not."""
        place, verdict = codes.find(ILLEGAL) if self.unknown == "refuse" else -1, "is not in"
        if place < 0 and self.strict:
            place, verdict = int((np.frombuffer(codes, dtype=np.uint8) >= _FLAG).argmax()), "is not a canonical letter of"
        return str(self.alphabet.refusal(chr(letters[place]), place, name, verdict)) if place >= 0 else ""
