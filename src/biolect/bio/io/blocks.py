"""FASTA straight to codes, block by block, for building shards.

Every step works on a whole block in C, none on a line, so that it runs at a good part of the speed at
which a file can be read: header lines are found and cut out, what is left goes through one
`bytes.translate` that maps letters and deletes white space, and only blocks in which some letter came
out flagged (folded or illegal) are looked at twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedReader
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from biolect.bio.alphabet import ILLEGAL, Alphabet, Folds
from biolect.bio.io.form import Refusal
from biolect.bio.sequence import Modality
from biolect.errors import InputError
from biolect.files import BLOCK_BYTES

Unknown = Literal["refuse", "mask"]
_Wrong = dict[int, tuple[str, int, str]]

WHITE = b" \t\n\r\v\f"
_COMMENTS = re.compile(rb"(?:[#;][^\n]*(?:\n|$)|\s)*")
EMPTY = "The record has no letters. Remove it, or add its sequence."
_NO_CODES = np.zeros(0, dtype=np.uint8)
_LONGEST_HEADER_BYTES = 1 << 20
# Bits and codes that stand for something else than a residue while a block is worked on.
_FOLDED, _MARK, _MARK_BYTE, _STAND_IN = 0x80, 0xFE, b"\x01", b"\x02"


def pieces(stream: BufferedReader, where: str) -> Iterator[tuple[list[bytes], list[bytes]]]:
    """Cut blocks at header lines: headers without '>', and one part more than headers.

    The first part continues the record of the block before. Blocks end at any byte, so that a
    record in one line costs no more memory than any other.
    """
    rest, at_line_start, preface = b"", True, True
    while block := stream.read(BLOCK_BYTES):
        block, place = rest + block, 0
        headers: list[bytes] = []
        parts: list[bytes] = []
        rest = b""
        letters = np.frombuffer(block, dtype=np.uint8)
        starts = np.flatnonzero(letters == ord(">"))
        first = starts[:1] if at_line_start and block.startswith(b">") else starts[:0]
        starts = np.concatenate([first, starts[len(first) :][letters[starts[len(first) :] - 1] == ord("\n")]])
        for start in starts.tolist():
            parts.append(block[place:start])
            end = block.find(b"\n", start)
            if end < 0:
                rest, place = block[start:], len(block)
                break
            headers.append(block[start + 1 : end])
            place = end + 1
        else:
            parts.append(block[place:])
        if preface and not _COMMENTS.fullmatch(parts[0]):
            text = parts[0].strip().split(b"\n")[0].decode("utf-8", errors="replace")
            raise InputError(f"'{where}' has text before its first header: {text[:40]!r}. FASTA begins with '>'.")
        if len(rest) > _LONGEST_HEADER_BYTES:
            raise InputError(f"'{where}' has a header line of more than {_LONGEST_HEADER_BYTES} bytes. Is it FASTA?")
        if preface:
            parts[0] = b""
        preface = preface and not (headers or rest)
        at_line_start = bool(rest) or block.endswith(b"\n")
        parts += [b""] * (len(headers) + 1 - len(parts))
        yield headers, parts
    if rest:
        yield [rest[1:]], [b"", b""]
    elif preface:
        raise InputError(f"'{where}' holds no record: nothing in it begins with '>'. Is it FASTA?")


def record_name(header: bytes) -> str:
    """Return the first word of a header line."""
    words = header.split(None, 1)
    return words[0].decode("utf-8", errors="replace") if words else ""


class Codes(NamedTuple):
    """Whole records, one after the other: record i has codes[offsets[i]:offsets[i + 1]]."""

    names: list[str]
    offsets: NDArray[np.int64]
    codes: NDArray[np.uint8]
    folds: Folds


@dataclass
class _Coder:
    """Turns the parts of a block into codes; see `read_codes` for the fields."""

    alphabet: Alphabet
    table: NDArray[np.uint8]
    unknown: Unknown
    strict: bool

    def __post_init__(self) -> None:
        canonical = np.isin(np.arange(256), self.alphabet.symbol_table)
        readable = self.table != ILLEGAL
        assert self.table[readable].max() < _MARK & ~_FOLDED, "codes of 126 and more mean something else here"
        flagged = np.where(readable & ~canonical, self.table | _FOLDED, self.table)
        flagged[ord(_MARK_BYTE)] = _MARK
        self.flagged = flagged.tobytes()

    def code(self, parts: list[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return the codes of all parts, still with their flags, and where each part but the first begins."""
        coded = _MARK_BYTE.join(parts).translate(self.flagged, WHITE)
        marks = np.flatnonzero(np.frombuffer(coded, dtype=np.uint8) == _MARK)
        if len(marks) != len(parts) - 1:
            return self.code([part.replace(_MARK_BYTE, _STAND_IN) for part in parts])
        return np.frombuffer(coded.replace(bytes([_MARK]), b""), dtype=np.uint8), marks - np.arange(len(marks))

    def settle(
        self, codes: NDArray[np.uint8], bounds: NDArray[np.int64], parts: list[bytes]
    ) -> tuple[NDArray[np.uint8], dict[int, tuple[str, int, str]]]:
        """Take the flags off; return also, by part, the first letter that refuses it: letter, index, verdict."""
        wrong: _Wrong = {}
        tests = [(codes >= _FOLDED, "is not a canonical letter of")] if self.strict else []
        tests += [(codes == ILLEGAL, "is not in")] if self.unknown == "refuse" else []
        for mask, verdict in tests:
            places = np.flatnonzero(mask)
            owners, firsts = np.unique(np.searchsorted(bounds, places, side="right"), return_index=True)
            for owner, place in zip(owners, places[firsts], strict=True):
                index = int(place - bounds[owner - 1] if owner else place)
                letters = parts[int(owner)].translate(None, WHITE)
                wrong[int(owner)] = (chr(letters[index]), index, verdict)
        unknown_code = self.table[ord(self.alphabet.unknown)]
        return np.where(codes == ILLEGAL, unknown_code, codes & ~np.uint8(_FOLDED)), wrong

    def folds(self, parts: list[bytes]) -> Folds:
        """Count the letters of some parts that were read as another one."""
        return self.alphabet.count_folds(b"".join(parts).translate(None, WHITE))


@dataclass
class _Open:
    """The record that a block ended in."""

    name: str
    codes: list[NDArray[np.uint8]] = field(default_factory=list[NDArray[np.uint8]])
    length: int = 0
    folds: Folds = field(default_factory=Folds)
    reason: str = ""

    def extend(self, codes: NDArray[np.uint8], folds: Folds, wrong: tuple[str, int, str] | None, alphabet: Alphabet) -> None:
        if wrong and not self.reason:
            letter, index, verdict = wrong
            self.reason = str(alphabet.refusal(letter, self.length + index, self.name, verdict))
        self.codes.append(codes)
        self.length += len(codes)
        self.folds += folds


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

    Equal to `fasta.read` followed by `table[...]` on the residues. Memory: one block and the longest record, twice.

    Args:
        table: Byte to code, 256 entries, `ILLEGAL` for what is no letter; codes below 126.

    The rest, what is returned and what is raised are those of `fasta.read`; of a refused record the
    refusal comes before the codes of its neighbours.
    """
    coder = _Coder(modality.alphabet, table, unknown, strict)
    current, number = _Open(""), -1
    for headers, parts in pieces(stream, where):
        codes, bounds = coder.code(parts)
        wrong: _Wrong = {}
        count = _no_folds
        if len(codes) and codes.max() >= _FOLDED:
            codes, wrong = coder.settle(codes, bounds, parts)
            count = coder.folds
        current.extend(codes[: bounds[0]] if headers else codes, count(parts[:1]), wrong.get(0), coder.alphabet)
        if not headers:
            continue
        names, last = [record_name(header) for header in headers], len(headers)
        reasons = {i: str(coder.alphabet.refusal(*wrong[i][:2], names[i - 1], wrong[i][2])) for i in wrong if 0 < i < last}
        folds = count([part for i, part in enumerate(parts[1:-1], 1) if i not in wrong])
        yield from _whole(current, Codes(names[:-1], bounds, codes[bounds[0] : bounds[-1]], folds), reasons, number, where)
        number += last
        current = _Open(names[-1])
        current.extend(codes[bounds[-1] :], count(parts[-1:]), wrong.get(last), coder.alphabet)
    yield from _whole(current, Codes([], np.zeros(1, dtype=np.int64), _NO_CODES, Folds()), {}, number, where)


def _no_folds(parts: list[bytes]) -> Folds:
    return Folds()


def _whole(opened: _Open, others: Codes, reasons: dict[int, str], number: int, where: str) -> Iterator[Codes | Refusal]:
    """Put the open record before the whole ones of its block, and take out what is refused.

    Args:
        reasons: By place in the result, why a record is refused.
        number: 0-based place in the input of the open record; -1 before the first header.
    """
    names = [opened.name, *others.names]
    offsets = np.concatenate([[0], opened.length + others.offsets - others.offsets[0]])
    codes = np.concatenate([*opened.codes, others.codes])
    lengths = np.diff(offsets)
    reasons = dict.fromkeys(np.flatnonzero(lengths == 0).tolist(), EMPTY) | reasons | ({0: opened.reason} if opened.reason else {})
    folds = others.folds + (Folds() if opened.reason else opened.folds)
    for i in sorted(reasons):
        if number + i >= 0:
            yield Refusal(names[i], f"{where}, record {number + i + 1}", reasons[i])
    if reasons:
        kept = np.ones(len(names), dtype=bool)
        kept[list(reasons)] = False
        names, codes = [name for name, keep in zip(names, kept.tolist(), strict=True) if keep], codes[np.repeat(kept, lengths)]
        offsets = np.concatenate([[0], np.cumsum(lengths[kept])])
    if names:
        yield Codes(names, offsets, codes, folds)
