"""FASTA straight to codes, block by block, for building shards.

Every step works on a whole record in C, none on a line, so that it runs at a good part of the speed at
which a file can be read: what stands between two headers goes through one `translate` that maps letters
and deletes white space, and only what came out flagged (a folded or illegal letter) is looked at twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
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
# Set in the code of a letter that is folded, or illegal.
_FOLDED = 0x80


def blocks(stream: BufferedReader, where: str) -> Iterator[tuple[list[bytes], list[bytes]]]:
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
        parts: list[bytes] = []
        place, start = 0, block.find(b">")
        while start >= 0:
            if block[start - 1] != _NEWLINE if start else not at_line_start:
                start = block.find(b">", start + 1)
                continue
            end = block.find(b"\n", start)
            if end < 0:
                rest, block = block[start:], block[:start]
                break
            parts.append(block[place:start])
            headers.append(block[start + 1 : end])
            place = end + 1
            start = block.find(b">", place)
        parts.append(block[place:])
        if max(map(len, [*headers, rest])) > _LONGEST_HEADER_BYTES:
            raise InputError(f"'{where}' has a header line of more than {_LONGEST_HEADER_BYTES} bytes. Is it FASTA?")
        if preface and not headers and not rest:
            # An unfinished line may still turn out to be a comment.
            cut = block.rfind(b"\n") + 1
            parts, rest = [block[:cut]], block[cut:]
        if preface:
            _check_preface(parts[0] + rest * (rest[:1] != b">"), where)
            parts[0] = b""
        preface = preface and not headers and rest[:1] != b">"
        at_line_start = bool(rest) or read.endswith(b"\n")
        yield headers, parts
    if rest[:1] == b">":
        yield [rest[1:]], [b"", b""]
    elif preface:
        raise InputError(f"'{where}' holds no record: nothing in it begins with '>'. Is it FASTA?")


def _check_preface(text: bytes, where: str) -> None:
    if not _COMMENTS.fullmatch(text):
        line = text.strip().split(b"\n")[0].decode("utf-8", errors="replace")
        raise InputError(f"'{where}' has text before its first header: {line[:40]!r}. FASTA begins with '>'.")


def record_names(headers: list[bytes]) -> list[str]:
    """Return the first word of every header line."""
    lines = b"\n".join(headers).decode("utf-8", errors="replace").split("\n") if headers else []
    return [(line.split(None, 1) or [""])[0] for line in lines]


class Codes(NamedTuple):
    """Whole records, one after the other: record i has codes[offsets[i]:offsets[i + 1]]."""

    names: list[str]
    offsets: NDArray[np.int64]
    codes: NDArray[np.uint8]
    folds: Folds


@dataclass
class _Record:
    """What is known of one record; `length` residues, in pieces."""

    name: str
    pieces: list[bytes] = field(default_factory=list[bytes])
    length: int = 0
    folds: Folds = field(default_factory=Folds)
    reason: str = ""


class _Coder:
    """Turns text into codes and says why a record is refused; see `read_codes` for its settings."""

    def __init__(self, modality: Modality, table: NDArray[np.uint8], unknown: Unknown, strict: bool) -> None:
        self.alphabet, self.unknown, self.strict = modality.alphabet, unknown, strict
        canonical = np.isin(np.arange(256), self.alphabet.symbol_table)
        readable = table != ILLEGAL
        if table[readable].max() >= _FOLDED:
            raise AlphabetError(
                f"The table has code {table[readable].max()}; codes are below {_FOLDED}, because the highest bit marks folded letters."
            )
        # One code per letter, without the highest bit if the letter is canonical.
        self.flagged = np.where(readable & ~canonical, table | _FOLDED, table).tobytes()
        settled = np.arange(256, dtype=np.uint8) & ~np.uint8(_FOLDED)
        settled[ILLEGAL] = table[ord(self.alphabet.unknown)]
        self._settled = settled.tobytes()

    def add(self, record: _Record, piece: bytes, part: bytes) -> None:
        """Add codes to a record; count what was folded, or say why the record is refused."""
        if not piece.isascii():
            letters = part.translate(None, WHITE)
            place, verdict = piece.find(ILLEGAL) if self.unknown == "refuse" else -1, "is not in"
            if place < 0 and self.strict:
                place, verdict = int((np.frombuffer(piece, dtype=np.uint8) >= _FOLDED).argmax()), "is not a canonical letter of"
            if place >= 0 and not record.reason:
                letter = chr(letters[place])
                record.reason = str(self.alphabet.refusal(letter, record.length + place, record.name, verdict))
            record.folds += self.alphabet.count_folds(letters)
            piece = piece.translate(self._settled)
        record.length += len(piece)
        record.pieces.append(piece)


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

    Equal to `fasta.read` followed by `table[...]` on the residues. Memory: a few blocks, and the
    longest record twice.

    Args:
        table: Byte to code, 256 entries, `ILLEGAL` for what is no letter; codes below 128.

    The rest, what is returned and what is raised are those of `fasta.read`; the refusals of a block
    come before its codes.
    """
    coder = _Coder(modality, table, unknown, strict)
    current: list[_Record] = []
    number = 1
    for headers, parts in blocks(stream, where):
        pieces = [part.translate(coder.flagged, WHITE) for part in parts]
        for record in current:
            coder.add(record, pieces[0], parts[0])
        if not headers:
            continue
        names = record_names(headers)
        whole, plain = current, slice(1, -1)
        if not all(map(bytes.isascii, pieces[1:-1])):
            whole, plain = [*current, *map(_Record, names[:-1])], slice(0, 0)
            for record, piece, part in zip(whole[len(current) :], pieces[1:-1], parts[1:-1], strict=True):
                coder.add(record, piece, part)
        yield from _emit(whole, ["", *names][plain], pieces[plain], number, where)
        number += len(current) + len(names) - 1
        current = [_Record(names[-1])]
        coder.add(current[0], pieces[-1], parts[-1])
    yield from _emit(current, [], [], number, where)


def _emit(records: list[_Record], names: list[str], pieces: list[bytes], number: int, where: str) -> Iterator[Codes | Refusal]:
    """Yield whole records: those looked at one by one, then plain ones; `number` is the 1-based place of the first."""
    lengths = np.array([*(record.length for record in records), *map(len, pieces)], dtype=np.int64)
    everyone = [*(record.name for record in records), *names]
    refused = {i: record.reason for i, record in enumerate(records) if record.reason}
    if refused or not lengths.all():
        refused = dict.fromkeys(np.flatnonzero(lengths == 0).tolist(), EMPTY) | refused
        for i in sorted(refused):
            yield Refusal(everyone[i], f"{where}, record {number + i}", refused[i])
        kept = [i for i in range(len(everyone)) if i not in refused]
        everyone, lengths = [everyone[i] for i in kept], lengths[kept]
        records = [record for record in records if not record.reason]
    if everyone:
        codes = b"".join([*(piece for record in records for piece in record.pieces), *pieces])
        folds = sum((record.folds for record in records), Folds())
        yield Codes(everyone, np.concatenate([[0], np.cumsum(lengths)]), np.frombuffer(codes, dtype=np.uint8), folds)
