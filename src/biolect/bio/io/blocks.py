"""FASTA cut into records, and straight to codes for building shards.

Every step works on a whole block or record in C, none on a line, so that it runs at a good part of the
speed at which a file can be read: blocks are cut where headers begin, a record goes through one `translate`
that maps letters and deletes white space, and only records in which some letter came out flagged
(folded or illegal) are looked at twice.
"""

import re
from collections.abc import Iterator
from io import BufferedReader
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biolect.bio.alphabet import ILLEGAL, Folds
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
                following = line + sum(piece.count(b"\n") for piece in pieces if counts_lines)
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
    header, _, pieces[0] = pieces[0].partition(b"\n")
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
        table: Byte to code, 256 entries, `ILLEGAL` for what is no letter; codes below 128.

    The rest, what is returned and what is raised are those of `fasta.read`; the refusals of a batch
    come before its codes.
    """
    alphabet, readable = modality.alphabet, table != ILLEGAL
    if table[readable].max() >= _FLAG:
        raise AlphabetError(f"The table has code {table[readable].max()}; codes are below {_FLAG} here, where the highest bit is a flag.")
    canonical = np.isin(np.arange(256), alphabet.symbol_table)
    flagged = np.where(readable & ~canonical, table | np.uint8(_FLAG), table).tobytes()
    settled = bytearray(code & ~_FLAG & 0xFF for code in range(256))
    settled[ILLEGAL] = table[ord(alphabet.unknown)]
    names: list[bytes] = []
    parts: list[bytes] = []
    folds, total = Folds(), 0
    for number, (header, text, _) in enumerate(raw_records(stream, where, counts_lines=False), 1):
        name, codes, problem = record_name(header), text.translate(flagged, WHITE), ""
        if not codes.isascii():
            letters = text.translate(None, WHITE)
            place, verdict = codes.find(ILLEGAL) if unknown == "refuse" else -1, "is not in"
            if place < 0 and strict:
                place, verdict = int((np.frombuffer(codes, dtype=np.uint8) >= _FLAG).argmax()), "is not a canonical letter of"
            if place >= 0:
                problem = str(alphabet.refusal(chr(letters[place]), place, name.decode(), verdict))
            else:
                folds, codes = folds + alphabet.count_folds(letters), codes.translate(settled)
        if problem or not codes:
            yield Refusal(name.decode(), f"{where}, record {number}", problem or EMPTY)
            continue
        names.append(name)
        parts.append(codes)
        total += len(codes)
        if total > _BATCH_BYTES:
            yield _joined(names, parts, folds)
            names, parts, folds, total = [], [], Folds(), 0
    if names:
        yield _joined(names, parts, folds)


def _joined(names: list[bytes], parts: list[bytes], folds: Folds) -> Codes:
    offsets = np.cumsum([0, *map(len, parts)], dtype=np.int64)
    return Codes(names, offsets, np.frombuffer(b"".join(parts), dtype=np.uint8), folds)
