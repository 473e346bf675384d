"""FASTA straight to codes, block by block, for building shards.

Every step works on a whole block or record in C, none on a line, so that it runs at a good part of the
speed at which a file can be read: header lines are cut out, what is left goes through one `translate`
that maps letters and deletes white space, and only records in which some letter came out flagged
(folded or illegal) are looked at twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from io import BufferedReader
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from biolect.bio.alphabet import ILLEGAL, Folds
from biolect.bio.io.form import Refusal
from biolect.bio.sequence import Modality
from biolect.errors import AlphabetError, InputError
from biolect.files import BLOCK_BYTES

Unknown = Literal["refuse", "mask"]

WHITE = b" \t\n\r\v\f"
EMPTY = "The record has no letters. Remove it, or add its sequence."

_NEWLINE = ord("\n")
_COMMENTS = re.compile(rb"(?:[#;][^\n]*(?:\n|$)|\s)*")
_LONGEST_HEADER_BYTES = 1 << 16
_BATCH_BYTES = 1 << 20
# A byte that no text holds stands where a record begins; its code, and the bit of folded and illegal letters.
_MARK, _BEGIN, _FOLDED = b"\x01", b"\x7f", 0x80


def blocks(stream: BufferedReader, where: str) -> Iterator[tuple[list[bytes], list[memoryview]]]:
    """Yield headers without '>', and the text around them: one part more than headers.

    The first part continues the record of the block before. Blocks end at any byte but inside a header,
    so that a record in one line costs no more memory than any other.

    Raises:
        InputError: If there is text before the first header, or no header, or an endless one.
    """
    rest, at_line_start, preface = b"", True, True
    while read := stream.read(BLOCK_BYTES):
        block, rest = rest + read, b""
        headers: list[bytes] = []
        # Views, not copies: that saves a fifth of the time spent here.
        view, parts = memoryview(block), list[memoryview]()
        place, start = 0, block.find(b">")
        while start >= 0:
            if block[start - 1] != _NEWLINE if start else not at_line_start:
                start = block.find(b">", start + 1)
                continue
            end = block.find(b"\n", start)
            if end < 0:
                rest, view = block[start:], view[:start]
                break
            parts.append(view[place:start])
            headers.append(block[start + 1 : end])
            place = end + 1
            start = block.find(b">", place)
        parts.append(view[place:])
        if len(rest) > _LONGEST_HEADER_BYTES:
            raise InputError(f"'{where}' has a header line of more than {_LONGEST_HEADER_BYTES} bytes. Is it FASTA?")
        if preface and not headers and not rest:
            # An unfinished line may still turn out to be a comment.
            cut = block.rfind(b"\n") + 1
            parts, rest = [view[:cut]], block[cut:]
        if preface:
            _check_preface(bytes(parts[0]) + rest * (rest[:1] != b">"), where)
            parts[0] = memoryview(b"")
        preface = preface and not headers and rest[:1] != b">"
        at_line_start = bool(rest) or read.endswith(b"\n")
        yield headers, parts
    if rest[:1] == b">":
        yield [rest[1:]], [memoryview(b"")] * 2
    elif preface:
        raise InputError(f"'{where}' holds no record: nothing in it begins with '>'. Is it FASTA?")


def _check_preface(text: bytes, where: str) -> None:
    if not _COMMENTS.fullmatch(text):
        line = text.strip().split(b"\n")[0].decode("utf-8", errors="replace")
        raise InputError(f"'{where}' has text before its first header: {line[:40]!r}. FASTA begins with '>'.")


def record_names(headers: list[bytes]) -> list[bytes]:
    """Return the first word of every header line, in UTF-8."""
    names = [(header.split(None, 1) or [b""])[0] for header in headers]
    return names if b"".join(names).isascii() else [name.decode("utf-8", errors="replace").encode() for name in names]


class Codes(NamedTuple):
    """Whole records, one after the other: record i has codes[offsets[i]:offsets[i + 1]]. Names are UTF-8."""

    raw_names: list[bytes]
    offsets: NDArray[np.int64]
    codes: NDArray[np.uint8]
    folds: Folds

    @property
    def names(self) -> list[str]:
        """Names as text."""
        return [name.decode() for name in self.raw_names]


class _Coder:
    """Turns blocks into one long run of codes, and cuts whole records off it; see `read_codes` for its settings.

    Invariant: record i of those at hand begins at the i-th entry of `begins`; the last one may go on.
    """

    def __init__(self, modality: Modality, table: NDArray[np.uint8], unknown: Unknown, strict: bool) -> None:
        self.alphabet, self.unknown, self.strict = modality.alphabet, unknown, strict
        canonical = np.isin(np.arange(256), self.alphabet.symbol_table)
        readable = table != ILLEGAL
        if table[readable].max() >= ord(_BEGIN):
            raise AlphabetError(f"The table has code {table[readable].max()}; codes are below {ord(_BEGIN)} here, which marks beginnings.")
        flagged = np.where(readable & ~canonical, table | _FOLDED, table)
        flagged[ord(_MARK)] = ord(_BEGIN)
        settled = np.arange(256, dtype=np.uint8) & ~np.uint8(_FOLDED)
        settled[ILLEGAL] = table[ord(self.alphabet.unknown)]
        self._flagged, self._settled = flagged.tobytes(), settled.tobytes()
        self.number, self.total = 1, 0
        self.names: list[bytes] = []
        self.begins: list[NDArray[np.int64]] = []
        self.chunks: list[bytearray] = []
        self.folds: dict[int, Folds] = {}
        self.reasons: dict[int, str] = {}

    def add(self, headers: list[bytes], parts: list[memoryview]) -> None:
        """Take in one block."""
        continued = len(self.names) - 1
        self.names += record_names(headers)
        codes, begins = self._code(parts)
        if not codes.isascii():
            bounds = [0, *begins.tolist(), len(codes)]
            for i, part in enumerate(parts):
                self._look(continued + i, codes[bounds[i] : bounds[i + 1]], bytes(part), goes_on=i == 0)
            codes = codes.translate(self._settled)
        self.begins.append(begins + self.total)
        self.chunks.append(codes)
        self.total += len(codes)

    def _code(self, parts: Sequence[bytes | memoryview]) -> tuple[bytearray, NDArray[np.int64]]:
        """Return codes, with the highest bit set where a letter is folded or illegal, and where all parts but the first begin."""
        # A bytearray is translated 1.4 times as fast as bytes are.
        coded = bytearray(_MARK).join(parts).translate(self._flagged, WHITE)
        codes, count = coded.replace(_BEGIN, b""), len(parts) - 1
        if len(coded) - len(codes) != count:
            return self._code([bytes(part).replace(_MARK, b"\x02") for part in parts])
        places = _expected(coded, parts)
        view = np.frombuffer(coded, dtype=np.uint8)
        if count and not (places[-1] < len(coded) and (view[places] == ord(_BEGIN)).all()):
            places = np.flatnonzero(view == ord(_BEGIN))
        return codes, places - np.arange(count)

    def _look(self, record: int, codes: bytearray, part: bytes, *, goes_on: bool) -> None:
        """Count what was folded in a piece of a record, or say why the record is refused."""
        if codes.isascii():
            return
        letters = part.translate(None, WHITE)
        place, verdict = codes.find(ILLEGAL) if self.unknown == "refuse" else -1, "is not in"
        if place < 0 and self.strict:
            place, verdict = int((np.frombuffer(codes, dtype=np.uint8) >= _FOLDED).argmax()), "is not a canonical letter of"
        if place >= 0 and record not in self.reasons:
            before = self.total - int(next(b for b in reversed(self.begins) if len(b))[-1]) if goes_on else 0
            name = self.names[record].decode()
            self.reasons[record] = str(self.alphabet.refusal(chr(letters[place]), before + place, name, verdict))
        self.folds[record] = self.folds.get(record, Folds()) + self.alphabet.count_folds(letters)

    def cut(self, where: str, *, ends: bool = False) -> Iterator[Codes | Refusal]:
        """Yield the whole records at hand, all of them at the end of the input, and keep the rest."""
        count = len(self.names) - (not ends)
        if count < 1:
            return
        joined = np.frombuffer(bytearray().join(self.chunks), dtype=np.uint8)
        offsets = np.concatenate([*self.begins, [self.total]])[: count + 1]
        codes, lengths, names = joined[offsets[0] : offsets[-1]], np.diff(offsets), self.names[:count]
        refused = {i: reason for i, reason in self.reasons.items() if i < count}
        if refused or not lengths.all():
            refused = dict.fromkeys(np.flatnonzero(lengths == 0).tolist(), EMPTY) | refused
            for i in sorted(refused):
                yield Refusal(names[i].decode(), f"{where}, record {self.number + i}", refused[i])
            kept = np.ones(count, dtype=bool)
            kept[list(refused)] = False
            codes, lengths = codes[np.repeat(kept, lengths)], lengths[kept]
            names = [name for name, keep in zip(names, kept.tolist(), strict=True) if keep]
        if names:
            folds = sum((f for i, f in self.folds.items() if i < count and i not in refused), Folds())
            yield Codes(names, np.concatenate([[0], np.cumsum(lengths)]), codes, folds)
        rest = bytearray(joined[offsets[-1] :])
        self.number += count
        self.names, self.chunks, self.total = self.names[count:], [rest], len(rest)
        self.begins = [np.zeros(len(self.names), dtype=np.int64)]
        self.folds = {i - count: f for i, f in self.folds.items() if i >= count}
        self.reasons = {i - count: reason for i, reason in self.reasons.items() if i >= count}


def _expected(coded: bytearray, parts: Sequence[bytes | memoryview]) -> NDArray[np.int64]:
    """Return where records begin, marks counted, if all lines of a block are as wide as one of its first."""
    first = coded.find(_BEGIN)
    text = bytes(parts[1]) if len(parts) > 1 else b""
    line = text.find(b"\n") + 1
    end = 2 if text[max(line - 2, 0) : line] == b"\r\n" else 1
    raw = np.fromiter(map(len, parts[1:-1]), dtype=np.int64, count=max(0, len(parts) - 2))
    # Never below zero, so that places differ and as many as there are marks are all of them.
    lengths = np.maximum(raw - end * -(-raw // max(line, 1)), 0)
    return first + np.concatenate([[0], np.cumsum(lengths + 1)])[: len(parts) - 1]


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
    coder = _Coder(modality, table, unknown, strict)
    for headers, parts in blocks(stream, where):
        coder.add(headers, parts)
        if coder.total > _BATCH_BYTES and headers:
            yield from coder.cut(where)
    yield from coder.cut(where, ends=True)
