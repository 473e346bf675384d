"""What a detector finds, which letters make a sequence, and blocks of lines that hold nothing else.

Thresholds and their evidence: docs/design/interleaved.md.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from biolect.bio.sequence import Modality

MIN_NUCLEOTIDES = 18
MIN_AMINO_ACIDS = 20
MIN_EVIDENCE_NATS = 4.0
"""Log-likelihood ratio of a whole candidate; a limit per letter would refuse half of all proteins."""


class Rule(StrEnum):
    """Which spelling a sequence was found in."""

    FASTA = "fasta"
    NUMBERED = "numbered"
    WRAPPED = "wrapped"
    MARKED = "marked"
    NUCLEOTIDE = "nucleotide"
    DEGENERATE = "degenerate"
    PROTEIN = "protein"
    THREE_LETTER = "three_letter"


@dataclass(frozen=True, order=True)
class Extraction:
    """A sequence found in a text.

    Attributes:
        start: First character in the text. 0-based, half-open.
        stop: End in the text; the span may hold spaces, digits and dashes that are not residues.
        residues: Upper-case letters, 5' to 3'; ambiguity letters as written.
        modality: Never a molecule.
        rule: Spelling in which it was found.
    """

    start: int
    stop: int
    residues: str
    modality: Modality
    rule: Rule


IUPAC = "ACGTUNRYSWKMBDHV"
NOT_IUPAC = re.compile(f"[^{IUPAC}]")
_NOT_AMINO = re.compile("[^ACDEFGHIKLMNPQRSTVWYXBZUO]")
AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
# Per mille. Proteins: 2,000 of UniRef90. English: letters of 16 articles without sequences (0.4 million).
_PROTEIN_SHARES = (96, 13, 54, 61, 37, 77, 21, 55, 46, 100, 22, 35, 50, 36, 60, 69, 58, 71, 12, 27)
_ENGLISH_SHARES = (78, 38, 36, 126, 22, 21, 39, 82, 4, 41, 25, 73, 25, 2, 64, 69, 95, 11, 12, 14)
_EVIDENCE = {a: math.log(p / e) for a, p, e in zip(AMINO_ACIDS, _PROTEIN_SHARES, _ENGLISH_SHARES, strict=True)}


def _entropy_bits(letters: str) -> float:
    return -sum(n / len(letters) * math.log2(n / len(letters)) for n in Counter(letters).values())


def read_nucleotides(letters: str, *, ambiguous: bool = False) -> tuple[str, Modality] | None:
    """Accept upper-case nucleotides; None when the letters do not make a sequence."""
    plain = sum(map(letters.count, "ACGTU"))
    distinct = set(letters.replace("U", "T")) - {"N"}
    limit = 0.5 if ambiguous else 0.8
    if len(letters) < MIN_NUCLEOTIDES or len(distinct) < 3 or plain < limit * len(letters):
        return None
    # siRNA is often written as RNA with an overhang of two thymines.
    return letters, Modality.RNA if letters.count("U") > letters.count("T") else Modality.DNA


def read_protein(letters: str) -> tuple[str, Modality] | None:
    """Accept upper-case amino acids that do not look like English capitals."""
    letters = letters.rstrip("*")
    # Twenty letters without a repeat are the alphabet itself, in some order.
    if len(letters) < MIN_AMINO_ACIDS or not 6 <= len(set(letters)) < len(letters) or _entropy_bits(letters) < 2.5:
        return None
    evidence = sum(_EVIDENCE.get(letter, 0.0) for letter in letters)
    return (letters, Modality.PROTEIN) if evidence >= MIN_EVIDENCE_NATS else None


def read_either(letters: str) -> tuple[str, Modality] | None:
    """Read the letters of a block, whose modality only they tell."""
    letters = letters.upper()
    if not NOT_IUPAC.search(letters):
        return read_nucleotides(letters)
    return None if _NOT_AMINO.search(letters.rstrip("*")) else read_protein(letters)


# Blocks: lines that hold nothing but a sequence.

_LINE = re.compile(r"[^\n]+")
# Not the prompt of an interpreter.
_HEADER = re.compile(r"[ \t]*+>(?!>)[ \t]*+\S")
_GROUPS = re.compile(r"[ \t]*+(?:(\d{1,9})[ \t:]++)?((?:[A-Za-z*-]++[ \t]*+)++)(\d{1,9})?[ \t\r]*+")


@dataclass(frozen=True)
class _SequenceLine:
    start: int
    stop: int
    indent: int
    groups: list[str]
    letters: str
    first: int | None
    """Number of the first residue as printed on the line, from either end."""


def _sequence_line(text: str, start: int, stop: int) -> _SequenceLine | None:
    match = _GROUPS.fullmatch(text, start, stop)
    if match is None:
        return None
    raw, groups = match[2], match[2].split()
    letters = "".join(groups).replace("-", "")
    # GenPept prints numbered proteins in lower case; any other lower-case word is English.
    is_cased = raw.isupper() or bool(match[1] or match[3]) and raw.islower()
    is_protein = is_cased and not _NOT_AMINO.search(letters.upper().rstrip("*"))
    is_grouped = len(groups) == 1 or all(len(g) == 10 for g in groups[:-1]) and len(groups[-1]) <= 10
    if not letters or not is_grouped or NOT_IUPAC.search(letters.upper()) and not is_protein:
        return None
    first = int(match[1]) if match[1] else int(match[3]) - len(letters) + 1 if match[3] else None
    return _SequenceLine(match.start(2), match.start(2) + len(raw.rstrip()), match.start(2) - start, groups, letters, first)


def find_blocks(text: str) -> Iterator[Extraction]:
    """Find sequences that fill whole lines: FASTA bodies, numbered or grouped lines, wrapped lines."""
    lines: list[_SequenceLine] = []
    in_fasta = False
    previous_stop = -1
    for match in _LINE.finditer(text):
        line = _sequence_line(text, *match.span())
        adjoins = match.start() == previous_stop + 1
        if line is None or not adjoins or not _continues(lines, line, in_fasta):
            yield from _close(lines, in_fasta)
            in_fasta = in_fasta and not lines and adjoins and line is not None and line.first is None
            lines = []
        if line is not None:
            lines.append(line)
        else:
            in_fasta = bool(_HEADER.match(match[0]))
        previous_stop = match.end()
    yield from _close(lines, in_fasta)


def _continues(lines: list[_SequenceLine], line: _SequenceLine, in_fasta: bool) -> bool:
    """Whether a line goes on with the sequence of the lines before it."""
    if not lines:
        return False
    if lines[0].first is not None or line.first is not None:
        return lines[0].first is not None and line.first == lines[0].first + sum(len(x.letters) for x in lines)
    if in_fasta:
        return True
    shape = [len(g) for g in lines[0].groups]
    is_full = [len(g) for g in lines[-1].groups] == shape and lines[0].indent == line.indent
    # Lists of primers are short lines; wrapped text is not.
    return is_full and sum(shape) >= 40 and len(line.letters) <= sum(shape)


def _close(lines: list[_SequenceLine], in_fasta: bool) -> Iterator[Extraction]:
    if not lines:
        return
    is_numbered = lines[0].first is not None
    if not in_fasta:
        # Rows of an alignment have gaps, or one length; a wrapped sequence ends with a shorter line.
        is_alignment = any("-" in group for line in lines for group in line.groups)
        is_list = not is_numbered and len(lines) > 1 and len(lines[-1].letters) == len(lines[0].letters)
        is_lone_word = not is_numbered and len(lines) == len(lines[0].groups) == 1
        if is_alignment or is_list or is_lone_word:
            return
    read = read_either("".join(line.letters for line in lines))
    if read:
        rule = Rule.FASTA if in_fasta else Rule.NUMBERED if is_numbered or len(lines[0].groups) > 1 else Rule.WRAPPED
        yield Extraction(lines[0].start, lines[-1].stop, *read, rule)
