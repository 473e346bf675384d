"""Checking an annotated protein against the coding sequence that should encode it.

A protein that is not the plain translation has a reason: a start codon read as methionine, a stop codon
read as selenocysteine, an edited transcript. A reason counts only if the annotated protein comes out
again when the sequence is read under it; a reason that cannot be verified is no reason.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from itertools import combinations, product
from os.path import commonprefix

from biolect.bio.alphabet import PROTEIN
from biolect.bio.genetic_code import GeneticCode

# Where a record announces a difference without saying which, this share of the protein must agree.
_LEAST_AGREEMENT = 0.9
# What an edited nucleotide can be: C becomes U, U becomes C, and A becomes inosine, which is read as G.
_EDITED = {"C": "CT", "T": "TC", "A": "AG"}
_PLAIN = {letter: letter for letter in "ACGT"}
# A shorter part of a protein can be found in a wrong frame by chance.
_LEAST_RESIDUES = 8


class Reason(StrEnum):
    """Why an annotated protein differs from the plain translation, from usual to unusual."""

    ALTERNATIVE_START = "alternative start read as M"
    PARTIAL_CODON = "last codon read from two nucleotides"
    STOP_COMPLETED = "stop codon completed"
    SELENOCYSTEINE = "selenocysteine"
    PYRROLYSINE = "pyrrolysine"
    TRANSLATION_EXCEPTION = "other amino acid named by transl_except"
    PARTIAL_START = "partial start read as M"
    PART_OF_PROTEIN = "record holds a part of the gene, annotation the whole protein"
    AMBIGUOUS_LETTERS = "ambiguous letters"
    MASKED = "annotated translation is X-masked"
    STOP_WRITTEN = "annotated translation writes the stop"
    STOP_CUT = "annotated translation ends at an earlier stop"
    LEFT_OVER = "nucleotides left over after the last codon"
    UNNAMED_START = "start codon outside the genetic code read as M"
    UNNAMED_SELENOCYSTEINE = "unannotated selenocysteine at UGA"
    UNNAMED_PYRROLYSINE = "unannotated pyrrolysine at UAG"
    RNA_EDITING = "RNA editing"
    EXCEPTION = "difference announced by exception"
    OTHER_CODE = "translated with another genetic code"
    OTHER_FRAME = "codon_start is wrong"


@dataclass(frozen=True)
class TranslationCheck:
    """The verdict on one annotated protein.

    Attributes:
        status: equal, explained, unexplained, or unannotated where there is nothing to compare.
        reason: The least usual `Reason` that was needed; empty unless explained.
        detail: One sentence for a reader: what was found where.
        is_aligned: Residue i of the annotated protein is codon i of the coding sequence.
        codon_start: The frame in which it is, 1, 2 or 3; differs from the record's only for `OTHER_FRAME`.
    """

    status: str
    reason: str = ""
    detail: str = ""
    is_aligned: bool = False
    codon_start: int = 1


@dataclass(frozen=True)
class Reading:
    """A coding sequence with what its record says about reading it.

    Attributes:
        spliced: All coding pieces as DNA.
        codon_start: Position (1-based) of the first whole codon.
        exceptions: Position (1-based) in `spliced` of a codon, and the amino acid it means, `*` for a stop.
        exception: The record's announcement of a difference, in its words.
    """

    spliced: bytes
    code: GeneticCode
    codon_start: int = 1
    is_partial_start: bool = False
    is_partial_stop: bool = False
    exceptions: tuple[tuple[int, str], ...] = ()
    exception: str = ""

    @cached_property
    def letters(self) -> bytes:
        """DNA in frame; up to two nucleotides may be left over after the last whole codon."""
        return self.spliced[self.codon_start - 1 :]

    @cached_property
    def left_over(self) -> bytes:
        """Nucleotides after the last whole codon, none to two."""
        return self.letters[3 * self.num_codons :]

    @property
    def num_codons(self) -> int:
        """Whole codons."""
        return len(self.letters) // 3

    @property
    def has_start(self) -> bool:
        """Whether the first codon is the begin of the protein."""
        return not self.is_partial_start and self.codon_start == 1

    @cached_property
    def residues(self) -> str:
        """Plain translation of all whole codons."""
        return self.code.translate(self.letters[: 3 * self.num_codons])

    def codon(self, index: int) -> str:
        """Return one codon."""
        return self.letters[3 * index : 3 * index + 3].decode("ascii")

    @cached_property
    def named(self) -> dict[int, str]:
        """Codon index (0-based) to the amino acid that the record names for it."""
        return {(position - self.codon_start) // 3: amino_acid for position, amino_acid in self.exceptions}

    @cached_property
    def has_stop(self) -> bool:
        """Whether the last whole codon is a stop that ends the protein."""
        last = self.num_codons - 1
        if last < 0 or self.left_over or self.named.get(last, "*") != "*":
            return False
        return self.residues[last] == "*" or (not self.is_partial_stop and self.codon(last) in self.code.stops)

    @cached_property
    def plain(self) -> str:
        """Translation by the table alone, without the final stop."""
        return self.residues[: self.num_codons - self.has_stop]

    @cached_property
    def rules(self) -> dict[Reason, dict[int, str]]:
        """What the record itself says differs from the table: by reason, codon index to amino acid."""
        found: dict[Reason, dict[int, str]] = {}
        reasons = {"U": Reason.SELENOCYSTEINE, "O": Reason.PYRROLYSINE, "*": Reason.STOP_COMPLETED}
        if self.has_start and self.plain[:1] not in ("", "M") and self.codon(0) in self.code.starts:
            found[Reason.ALTERNATIVE_START] = {0: "M"}
        for index, amino_acid in self.named.items():
            found.setdefault(reasons.get(amino_acid, Reason.TRANSLATION_EXCEPTION), {})[index] = amino_acid
        if self.left_over and self.is_partial_stop and Reason.STOP_COMPLETED not in found:
            letter = self.code.translate(self.left_over.ljust(3, b"N"))
            if letter not in "X*":
                found[Reason.PARTIAL_CODON] = {self.num_codons: letter}
        return found

    @cached_property
    def derived(self) -> str:
        """The protein under all `rules`, but for a last codon of two nucleotides: whole codons only."""
        return self.derive(tuple(reason for reason in self.rules if reason is not Reason.PARTIAL_CODON))

    def derive(self, reasons: tuple[Reason, ...]) -> str:
        """Return the protein under some of the `rules`."""
        protein = self.plain
        for index, amino_acid in sorted(change for reason in reasons for change in self.rules[reason].items()):
            if 0 <= index < len(protein):
                protein = protein[:index] + amino_acid + protein[index + 1 :]
            elif index == len(protein) and amino_acid != "*":
                protein += amino_acid
        return protein.removesuffix("*") if Reason.STOP_COMPLETED in reasons else protein


_EQUAL = TranslationCheck("equal", is_aligned=True)
_STARTED = TranslationCheck("explained", Reason.ALTERNATIVE_START.value, Reason.ALTERNATIVE_START.value, is_aligned=True)


def quick_check(spliced: bytes, code: GeneticCode, annotated: str) -> TranslationCheck | None:
    """Return what `check` returns for a whole gene without exceptions that is plain or has an alternative start, else None."""
    if len(spliced) != 3 * len(annotated) + 3:
        return None
    protein = code.translate(spliced)
    if protein == annotated + "*":
        return _EQUAL
    has_start = spliced[:3].decode("latin-1") in code.starts
    return _STARTED if has_start and protein[0] != "M" and "M" + protein[1:] == annotated + "*" else None


def check(reading: Reading, annotated: str) -> TranslationCheck:
    """Compare an annotated protein, in the letters of its record, with its coding sequence."""
    if not annotated:
        stops = reading.derived.count("*")
        return TranslationCheck("unannotated", "", f"{stops} internal stop codons" if stops else "", False, reading.codon_start)
    if reading.plain == annotated and (not reading.left_over or reading.is_partial_stop):
        return TranslationCheck("equal", "", "", True, reading.codon_start)
    rules = tuple(reading.rules)
    for size in range(1, len(rules) + 1):
        for chosen in combinations(rules, size):
            complete = not reading.left_over or reading.is_partial_stop or Reason.STOP_COMPLETED in chosen
            if complete and reading.derive(chosen) == annotated:
                return _explained(reading, set(chosen), "", is_aligned=True)
    wrong = next((letter for letter in annotated if letter not in PROTEIN.symbols), "")
    if wrong:
        return _unexplained(reading, f"{wrong!r} is not in the protein alphabet")
    return (
        _part(reading, annotated)
        or _letter_by_letter(reading, annotated)
        or _other_code(reading, annotated)
        or _announced(reading, annotated)
    )


def _unexplained(reading: Reading, detail: str) -> TranslationCheck:
    return TranslationCheck("unexplained", "", detail, False, reading.codon_start)


def _explained(reading: Reading, reasons: set[Reason], detail: str, *, is_aligned: bool) -> TranslationCheck:
    ranked = sorted(reasons, key=list(Reason).index)
    words = "; ".join(ranked) + (f": {detail}" if detail else "")
    return TranslationCheck("explained", ranked[-1].value, words, is_aligned, reading.codon_start)


def _part(reading: Reading, annotated: str) -> TranslationCheck | None:
    """Find the coding sequence of a partial gene in the protein of the whole one, in the record's frame or another."""
    starts, stops = reading.is_partial_start, reading.is_partial_stop
    if not (starts or stops):
        return None
    for frame in sorted((1, 2, 3), key=lambda frame: frame != reading.codon_start):
        moved = replace(reading, codon_start=frame)
        part = moved.derived
        fits = part in annotated if starts and stops else annotated.endswith(part) if starts else annotated.startswith(part)
        if fits and len(part) >= _LEAST_RESIDUES and (starts or frame == 1):
            is_whole = len(part) == len(annotated)
            told = ((Reason.PART_OF_PROTEIN, not is_whole), (Reason.OTHER_FRAME, frame != reading.codon_start))
            reasons = {reason for reason, holds in told if holds}
            return _explained(moved, reasons, f"{len(part)} of {len(annotated)} residues", is_aligned=is_whole) if reasons else None
    return None


def _letter_by_letter(reading: Reading, annotated: str) -> TranslationCheck | None:
    """Name a reason for every single difference between two proteins of one length, or none at all."""
    derived, target, reasons = reading.derived, annotated, {r for r in reading.rules if r is not Reason.PARTIAL_CODON}
    if target.endswith("*"):
        target, reasons = target[:-1], reasons | {Reason.STOP_WRITTEN}
    if reading.left_over and not reading.is_partial_stop and Reason.STOP_COMPLETED not in reasons:
        completes = any(stop.encode().startswith(reading.left_over) for stop in reading.code.stops)
        reasons.add(Reason.STOP_COMPLETED if completes else Reason.LEFT_OVER)
    is_aligned = True
    if len(target) < len(derived) and derived[len(target)] == "*":
        derived, reasons, is_aligned = derived[: len(target)], reasons | {Reason.STOP_CUT}, False
    if len(target) != len(derived):
        return None
    places = [i for i, (a, b) in enumerate(zip(derived, target, strict=True)) if a != b]
    found = {i: _reason_for(reading, i, target[i]) for i in places}
    if any(reason is None for reason in found.values()):
        return None
    detail = ", ".join(f"{derived[i]}{i + 1}{target[i]}" for i in places[:3]) + (f" and {len(places) - 3} more" if len(places) > 3 else "")
    return _explained(reading, reasons | {r for r in found.values() if r}, detail, is_aligned=is_aligned)


def _reason_for(reading: Reading, index: int, annotated: str) -> Reason | None:
    """Return why the codon at an index was read as the annotated amino acid, if that can be verified."""
    codon, announced = reading.codon(index), reading.exception.lower()
    if "rna editing" in announced and annotated in _meanings(reading.code, codon, _EDITED):
        return Reason.RNA_EDITING
    if index == 0 and annotated == "M":
        return Reason.UNNAMED_START if reading.has_start else Reason.PARTIAL_START
    if set(codon) - set("ACGT") and (annotated == "X" or annotated in _meanings(reading.code, codon, _PLAIN, "ACGT")):
        return Reason.AMBIGUOUS_LETTERS
    if annotated == "X":
        return Reason.MASKED
    return {("TGA", "U"): Reason.UNNAMED_SELENOCYSTEINE, ("TAG", "O"): Reason.UNNAMED_PYRROLYSINE}.get((codon, annotated))


def _meanings(code: GeneticCode, codon: str, choices: dict[str, str], others: str = "") -> set[str]:
    """Return what a codon can mean if each letter may be one of its choices; letters without any may be `others` or stay."""
    return {code.translate("".join(letters)) for letters in product(*(choices.get(b, others or b) for b in codon))}


def _other_code(reading: Reading, annotated: str) -> TranslationCheck | None:
    """Try the codes of bacteria and mitochondria, which records forget to name."""
    for number in (11, 1, 4, 2, 3, 5, 9, 6, 10):
        other = replace(reading, code=GeneticCode.by_id(number))
        if number != reading.code.id and annotated in (other.plain, other.derived):
            return _explained(reading, {Reason.OTHER_CODE}, f"code {number}, not {reading.code.id}", is_aligned=True)
    return None


def _announced(reading: Reading, annotated: str) -> TranslationCheck:
    """Accept a difference that the record announces, if the two proteins are alike; everything else is unexplained."""
    derived = reading.derived
    shortest, longest = sorted((len(derived), len(annotated)))
    if shortest == longest:
        agreeing = sum(a == b for a, b in zip(derived, annotated, strict=True))
    else:
        begins, ends = commonprefix([derived, annotated]), commonprefix([derived[::-1], annotated[::-1]])
        agreeing = min(shortest, len(begins) + len(ends))
    detail = f"{agreeing} of {longest} residues agree ({len(derived)} derived, {len(annotated)} annotated)"
    if reading.exception and agreeing >= _LEAST_AGREEMENT * longest:
        return _explained(reading, {Reason.EXCEPTION}, f"{reading.exception}; {detail}", is_aligned=len(derived) == len(annotated))
    return _unexplained(reading, detail)
