"""Checking an annotated protein against the coding sequence that should encode it.

A protein that is not the plain translation has a reason: a start codon read as methionine, a stop codon
read as selenocysteine, an edited transcript. A reason counts only if the annotated protein comes out
again, letter by letter, when the sequence is read under it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import combinations, product

from biolect.bio.genetic_code import GeneticCode


class Reason(StrEnum):
    """Why an annotated protein differs from the plain translation. From usual to unusual."""

    ALTERNATIVE_START = "alternative start read as M"
    PARTIAL_CODON = "last codon read from two nucleotides"
    STOP_COMPLETED = "stop codon completed"
    SELENOCYSTEINE = "selenocysteine"
    PYRROLYSINE = "pyrrolysine"
    TRANSLATION_EXCEPTION = "other amino acid named by transl_except"
    PARTIAL_START = "partial start read as M"
    AMBIGUOUS_LETTERS = "ambiguous letters"
    MASKED = "annotated translation is X-masked"
    STOP_WRITTEN = "annotated translation writes the stop"
    STOP_CUT = "annotated translation ends at an earlier stop"
    LEFT_OVER = "nucleotides left over after the last codon"
    UNNAMED_START = "start codon outside the genetic code read as M"
    UNNAMED_SELENOCYSTEINE = "unannotated selenocysteine at UGA"
    UNNAMED_PYRROLYSINE = "unannotated pyrrolysine at UAG"
    OTHER_CODE = "translated with another genetic code"
    RNA_EDITING = "RNA editing"
    EXCEPTION = "difference announced by exception"


_ORDER = list(Reason)


@dataclass(frozen=True)
class TranslationCheck:
    """The verdict on one annotated protein.

    Attributes:
        status: equal, explained, unexplained, or unannotated where there is nothing to compare.
        reason: The least usual `Reason` that was needed; empty unless explained.
        detail: One sentence for a reader: what was found where.
    """

    status: str
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Reading:
    """A coding sequence with what its record says about reading it.

    Attributes:
        letters: DNA in frame; up to two nucleotides may be left over after the last whole codon.
        exceptions: Codon index (0-based) and the amino acid it means, `*` for a stop.
        exception: The record's announcement of a difference, in its words.
    """

    letters: bytes
    code: GeneticCode
    is_partial_start: bool = False
    is_partial_stop: bool = False
    exceptions: tuple[tuple[int, str], ...] = ()
    exception: str = ""

    @cached_property
    def num_codons(self) -> int:
        """Whole codons."""
        return len(self.letters) // 3

    @cached_property
    def residues(self) -> str:
        """Plain translation of all whole codons."""
        return self.code.translate(self.letters[: 3 * self.num_codons])

    def codon(self, index: int) -> str:
        """Return one codon."""
        return self.letters[3 * index : 3 * index + 3].decode("ascii")

    @cached_property
    def has_stop(self) -> bool:
        """Whether the last whole codon is a stop that ends the protein."""
        if dict(self.exceptions).get(self.num_codons - 1, "*") != "*" or not self.num_codons:
            return False
        return self.codon(self.num_codons - 1) in self.code.stops or self.residues.endswith("*")

    @cached_property
    def plain(self) -> str:
        """Translation by the table alone, without the final stop."""
        return self.residues[: self.num_codons - self.has_stop]

    @cached_property
    def rules(self) -> dict[Reason, dict[int, str]]:
        """What the record itself says differs from the table: by reason, codon index to amino acid."""
        found: dict[Reason, dict[int, str]] = {}
        named = {"U": Reason.SELENOCYSTEINE, "O": Reason.PYRROLYSINE, "*": Reason.STOP_COMPLETED}
        if not self.is_partial_start and self.plain[:1] not in ("", "M") and self.codon(0) in self.code.starts:
            found[Reason.ALTERNATIVE_START] = {0: "M"}
        for index, amino_acid in self.exceptions:
            found.setdefault(named.get(amino_acid, Reason.TRANSLATION_EXCEPTION), {})[index] = amino_acid
        left_over = self.letters[3 * self.num_codons :]
        if left_over and Reason.STOP_COMPLETED not in found:
            letter = self.code.translate(left_over.ljust(3, b"N"))
            if self.is_partial_stop and letter not in "X*":
                found[Reason.PARTIAL_CODON] = {self.num_codons: letter}
        return found

    def derive(self, reasons: tuple[Reason, ...] | None = None) -> str:
        """Return the protein under some of the `rules`; all of them but the partial last codon by default."""
        chosen = tuple(r for r in self.rules if r is not Reason.PARTIAL_CODON) if reasons is None else reasons
        letters = list(self.plain)
        for reason in chosen:
            for index, amino_acid in sorted(self.rules[reason].items()):
                if index < len(letters):
                    letters[index] = amino_acid
                elif index == len(letters):
                    letters.append(amino_acid)
        return "".join(letters).removesuffix("*")


def check(reading: Reading, annotated: str) -> TranslationCheck:
    """Compare an annotated protein with its coding sequence.

    Args:
        annotated: Protein letters as the record gives them.
    """
    if not annotated:
        return _unannotated(reading)
    complete = not len(reading.letters) % 3 or reading.is_partial_stop
    if reading.plain == annotated and complete:
        return TranslationCheck("equal")
    rules = tuple(reading.rules)
    for size in range(1, len(rules) + 1):
        for chosen in combinations(rules, size):
            if reading.derive(chosen) == annotated:
                return _explained(set(chosen), "")
    return _explain(reading, annotated)


def _unannotated(reading: Reading) -> TranslationCheck:
    inner = reading.derive().count("*")
    return TranslationCheck("unannotated", "", f"{inner} internal stop codons" if inner else "")


def _explained(reasons: set[Reason], detail: str) -> TranslationCheck:
    ranked = sorted(reasons, key=_ORDER.index)
    words = "; ".join(ranked) + (f": {detail}" if detail else "")
    return TranslationCheck("explained", ranked[-1], words)


def _explain(reading: Reading, annotated: str) -> TranslationCheck:
    """Name a reason for every single difference, or give up."""
    derived, reasons = reading.derive(), {r for r in reading.rules if r is not Reason.PARTIAL_CODON}
    target = annotated
    if target.endswith("*"):
        target, reasons = target[:-1], reasons | {Reason.STOP_WRITTEN}
    if len(reading.letters) % 3 and not reading.is_partial_stop and Reason.STOP_COMPLETED not in reasons:
        left_over = reading.letters[3 * reading.num_codons :].decode("ascii")
        reasons.add(Reason.STOP_COMPLETED if any(stop.startswith(left_over) for stop in reading.code.stops) else Reason.LEFT_OVER)
    if len(target) < len(derived) and derived[len(target)] == "*":
        derived, reasons = derived[: len(target)], reasons | {Reason.STOP_CUT}
    if len(target) != len(derived):
        if reading.exception:
            return _explained({Reason.EXCEPTION}, f"{reading.exception}; {len(derived)} residues derived, {len(annotated)} annotated")
        return TranslationCheck("unexplained", "", f"{len(derived)} residues derived, {len(annotated)} annotated")
    places = [i for i, (a, b) in enumerate(zip(derived, target, strict=True)) if a != b]
    unnamed: list[int] = []
    for index in places:
        reason = _reason_for(reading, index, target[index])
        if reason is None:
            unnamed.append(index)
        else:
            reasons.add(reason)
    if unnamed:
        first = unnamed[0]
        change = f"{reading.codon(first)} at codon {first} (0-based) means {derived[first]}, annotated {target[first]}"
        return TranslationCheck("unexplained", "", f"{len(unnamed)} residues differ; {change}")
    return _explained(reasons, f"{len(places)} residues differ")


def _reason_for(reading: Reading, index: int, annotated: str) -> Reason | None:
    """Return why the codon at an index was read as the annotated amino acid, if that can be verified."""
    codon = reading.codon(index)
    if index == 0 and annotated == "M":
        return Reason.PARTIAL_START if reading.is_partial_start else Reason.UNNAMED_START
    if set(codon) - set("ACGT") and (annotated == "X" or annotated in _readings(reading.code, codon)):
        return Reason.AMBIGUOUS_LETTERS
    if annotated == "X":
        return Reason.MASKED
    if (codon, annotated) == ("TGA", "U"):
        return Reason.UNNAMED_SELENOCYSTEINE
    if (codon, annotated) == ("TAG", "O"):
        return Reason.UNNAMED_PYRROLYSINE
    if "rna editing" in reading.exception.lower() and annotated in _edited(reading.code, codon):
        return Reason.RNA_EDITING
    return Reason.EXCEPTION if reading.exception and "rna editing" not in reading.exception.lower() else None


def _readings(code: GeneticCode, codon: str) -> set[str]:
    """Return what a codon can mean when its ambiguous letters are read as any base."""
    return {code.translate("".join(bases)) for bases in product(*(b if b in "ACGT" else "ACGT" for b in codon))}


def _edited(code: GeneticCode, codon: str) -> set[str]:
    """Return what a codon can mean after editing: C to U, U to C, or A to inosine, which is read as G."""
    choices = {"C": "CT", "T": "TC", "A": "AG"}
    return {code.translate("".join(bases)) for bases in product(*(choices.get(b, b) for b in codon))}
