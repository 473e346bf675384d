"""Sequences mined from running text: the detector.

Articles, lab pages and notebooks quote primers, siRNA, peptides and short genes in many spellings:
`5'-ACGT...-3'`, codons with dashes, groups of ten, FASTA and GenBank blocks, `Met-Lys-...`. Every
spelling is one rule; rules run from the most to the least specific, and text that one has taken is
hidden from the next.

All patterns are possessive, so reading time grows linearly with the text.

Source:
    BSM, arXiv 2410.11499, publishes no detector. Rules and measured thresholds: docs/design/interleaved.md.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from biolect.bio.sequence import Modality
from biolect.data.extraction import (
    AMINO_ACIDS,
    IUPAC,
    MIN_AMINO_ACIDS,
    MIN_NUCLEOTIDES,
    NOT_IUPAC,
    Extraction,
    Rule,
    find_blocks,
    read_nucleotides,
    read_protein,
)

MIN_THREE_LETTER = 8
"""Three-letter words in a row are evidence enough: shorter than `MIN_AMINO_ACIDS` on purpose."""


def extract(text: str) -> list[Extraction]:
    """Find the biological sequences of a text, in order of appearance, repeats included.

    Example:
        >>> [e.residues for e in extract("Primer 5'-GAC TTT TTG GAG TGG CTT TGT-3' was used.")]
        ['GACTTTTTGGAGTGGCTTTGT']
    """
    found: list[Extraction] = []
    for finder in (find_blocks, _marked, _three_letter, _nucleotides, _degenerate, _proteins):
        new = list(finder(text))
        found += new
        text = _hide(text, new)
    return sorted(found)


def _hide(text: str, extractions: list[Extraction]) -> str:
    """Blank what was taken; offsets stay."""
    parts, end = [], 0
    for extraction in sorted(extractions):
        parts += [text[end : extraction.start], "\0" * (extraction.stop - extraction.start)]
        end = extraction.stop
    return "".join([*parts, text[end:]])


_PRIME = "['`\u2018\u2019\u2032\u00b4\u02b9\u02bc]"
_GLUE = "[\\s\u2010-\u2015\u2212-]{0,3}+"
_ANY_CASE = "[" + IUPAC + IUPAC.lower() + "]++"
_STRAND = f"({_ANY_CASE}(?:[\\s\u2009\u2010\u2011\u2013-]{{1,3}}+{_ANY_CASE})*+)"
_MARKED = re.compile(
    f"(?<![A-Za-z0-9])(?:5(?:{_PRIME}{_GLUE}|(?=[A-Za-z])){_STRAND}{_GLUE}3|3(?:{_PRIME}{_GLUE}|(?=[A-Za-z])){_STRAND}{_GLUE}5)(?![A-Za-z0-9])"
)


def _marked(text: str) -> Iterator[Extraction]:
    """Strands between end marks; one that is written 3' to 5' is turned."""
    for match in _MARKED.finditer(text):
        side = 1 if match[1] else 2
        letters = re.sub("[^A-Z]", "", re.sub("d(?=[ACGT])", "", match[side]).upper())
        read = read_nucleotides(letters if side == 1 else letters[::-1], ambiguous=True)
        if read:
            yield Extraction(*match.span(side), *read, Rule.MARKED)


_THREE_LETTERS = "Ala Cys Asp Glu Phe Gly His Ile Lys Leu Met Asn Pro Gln Arg Ser Thr Val Trp Tyr Sec Pyl Xaa".split()
_CODES: dict[str, str] = dict(zip(_THREE_LETTERS, [*AMINO_ACIDS, *"UOX"], strict=True))
_TITLE = "(?:" + "|".join(_CODES) + ")"
_DASH = "[-\u2010\u2011\u2013\u2212]"
_THREE = re.compile(
    f"(?<![A-Za-z])(?:{_TITLE}(?:(?:{_DASH}\\s{{0,9}}+|[ \u00a0])?+{_TITLE})++"
    f"|{_TITLE.upper()}(?:(?:{_DASH}\\s{{0,9}}+)?+{_TITLE.upper()})++)(?![A-Za-z])"
)


def _three_letter(text: str) -> Iterator[Extraction]:
    for match in _THREE.finditer(text):
        letters = re.sub("[^A-Za-z]", "", match[0])
        residues = "".join(_CODES[letters[i : i + 3].capitalize()] for i in range(0, len(letters), 3))
        if len(residues) >= MIN_THREE_LETTER and len(set(residues)) >= 3:
            yield Extraction(*match.span(), residues, Modality.PROTEIN, Rule.THREE_LETTER)


# A break that only the layout made: soft hyphen, hyphen at a line end, continuation of a flat-file feature or of a string in code.
_SOFT = "\u00ad\n?|\u200b|-[ ]?\n[ ]*+|\n(?:FT {10,40}+| {21})(?! )|\"[ ]?\n[ ]*+(?:\\.{3} *+)?\"|'[ ]?\n[ ]*+(?:\\.{3} *+)?'"
_HARD = f"[ \u00a0\u2009\u202f]{{1,2}}+|{_DASH}"
# A letter in brackets, [A] or [A,A12] or (A/G): a site of interest, and part of the sequence.
_SITE = "(?:[ ]?\\[|\\()(?:[ACGT](?:/[ACGT])?|[acgt](?:/[acgt])?)(?:,[A-Za-z0-9]{1,5}+)?[\\])]"
_IUPAC_OF = {frozenset(v): k for k, v in zip("RYSWKM", ("AG", "CT", "CG", "AT", "GT", "AC"), strict=True)}
_ENGLISH = frozenset(
    "a act an ant at aunt can cant cat cut gag gnat gun gut nag nan nun nut tact tag tan tang tat taunt tau tuna tun tut".split()
)


def _run_pattern(word: str, soft: str) -> re.Pattern[str]:
    # Letters beside dots or two dashes are part of something that is gapped or not printed whole.
    word = f"{word}(?![A-Za-z0-9]|--|\\.[.A-Za-z-]|\u2026)"
    return re.compile(f"(?<![A-Za-z0-9\u2026])(?<!--)(?<![.A-Za-z-]\\.){word}(?:(?:{soft}|{_HARD}){word})*+")


_NUCLEOTIDE_RUN = _run_pattern("[ACGTUNacgtun]++(?:d[TA]d[TA])?+", f"(?:{_SITE})++|{_SOFT}")
_PROTEIN_RUN = _run_pattern("[ACDEFGHIKLMNPQRSTVWY]++\\*?+", _SOFT)
_BREAK = re.compile(f"({_SITE}|{_SOFT})|({_HARD})")


@dataclass(frozen=True)
class _Word:
    start: int
    stop: int
    letters: str
    follows_dash: bool


def _words(match: re.Match[str]) -> list[_Word]:
    """Words of a run; breaks of the layout are healed."""
    words: list[_Word] = []
    start, end, letters, dashed = match.start(), match.start(), "", False
    for cut in [*_BREAK.finditer(match[0]), None]:
        stop = match.start() + cut.start() if cut else match.end()
        letters += match.string[end:stop]
        end = match.start() + cut.end() if cut else stop
        if cut is None or cut[2]:
            words.append(_Word(start, stop, letters, dashed))
            start, letters, dashed = end, "", cut is not None and not cut[2].isspace()
        elif cut[1][-1] in "])":
            site = re.sub("[^ACGT]", "", cut[1].upper().split(",")[0])
            letters += site if len(site) == 1 else _IUPAC_OF.get(frozenset(site), site[0])
    return words


def _segments(words: list[_Word], sizes: Iterable[int]) -> Iterator[tuple[int, int, str]]:
    """Join words of one size, the last may be shorter; leave others alone, unless a dash makes them part of more."""
    i = 0
    while i < len(words):
        j, size = i + 1, len(words[i].letters)
        if size in sizes:
            while j < len(words) and len(words[j].letters) == size:
                j += 1
            if i + 1 < j < len(words) and len(words[j].letters) < size and words[j].letters.isupper() == words[i].letters.isupper():
                j += 1
        if not words[i].follows_dash and not (j < len(words) and words[j].follows_dash):
            yield _join(words[i:j])
        i = j


def _join(words: list[_Word]) -> tuple[int, int, str]:
    is_english = len(words) > 1 and all(word.letters.lower() in _ENGLISH for word in words)
    return words[0].start, words[-1].stop, "" if is_english else "".join(word.letters for word in words)


def _fills_cell(text: str, match: re.Match[str], words: list[_Word]) -> bool:
    """Whether a run is all there is in a table cell or line, so that its words are one sequence and not a list."""
    before, after = text[max(0, match.start() - 2) : match.start()].rstrip(" "), text[match.end() : match.end() + 2].lstrip(" ")
    borders = before[-1:] in ("", "\n", "|", "\t") and after[:1] in ("", "\n", "|", "\t")
    return borders and sum(len(word.letters) >= MIN_NUCLEOTIDES for word in words) < 2


_ROW_START = re.compile(r"(\d{1,9})[ \t]+\Z")
_ROW_STOP = re.compile(r"[ \t]+(\d{1,9})\b")


def _is_row(text: str, start: int, stop: int, length: int) -> bool:
    """Whether the numbers on both sides count the letters between them, as in the rows of an alignment."""
    before, after = _ROW_START.search(text[max(0, start - 20) : start]), _ROW_STOP.match(text[stop : stop + 20])
    return bool(before and after and abs(int(after[1]) - int(before[1])) in (length - 1, length))


def _nucleotides(text: str) -> Iterator[Extraction]:
    for match in _NUCLEOTIDE_RUN.finditer(text):
        if len(match[0]) >= MIN_NUCLEOTIDES:
            words = _words(match)
            for start, stop, letters in [_join(words)] if _fills_cell(text, match, words) else _segments(words, range(3, 11)):
                read = read_nucleotides(letters.replace("d", "").upper())
                if read and not _is_row(text, start, stop, len(letters)):
                    yield Extraction(start, stop, *read, Rule.NUCLEOTIDE)


_DEGENERATE = re.compile(f"(?<![A-Za-z0-9])[{IUPAC}]{{{MIN_NUCLEOTIDES},}}+(?![A-Za-z0-9])")
_CONTEXT = re.compile(f"primer|oligo|probe|degenerate|forward|reverse|nucleotide|[53]{_PRIME}", re.IGNORECASE)


def _degenerate(text: str) -> Iterator[Extraction]:
    """Letters such as R and Y are amino acids too: only the words before tell a primer."""
    for match in _DEGENERATE.finditer(text):
        read = read_nucleotides(match[0], ambiguous=True)
        if read and _CONTEXT.search(text, max(0, match.start() - 80), match.start()):
            yield Extraction(*match.span(), *read, Rule.DEGENERATE)


def _proteins(text: str) -> Iterator[Extraction]:
    for match in _PROTEIN_RUN.finditer(text):
        if len(match[0]) >= MIN_AMINO_ACIDS:
            for start, stop, letters in _segments(_words(match), (10,)):
                read = read_protein(letters) if NOT_IUPAC.search(letters) else None
                if read and not _is_row(text, start, stop, len(letters)):
                    yield Extraction(start, stop, *read, Rule.PROTEIN)
