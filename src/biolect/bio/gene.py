"""Genes: one locus seen as DNA, transcript, coding sequence and protein, on one set of coordinates."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np

from biolect.bio.alphabet import ILLEGAL, Unknown
from biolect.bio.coordinates import CoordinateMap, Run, Span, compress, expand
from biolect.bio.genetic_code import GeneticCode
from biolect.bio.sequence import Modality, Sequence
from biolect.bio.splicing import Layout, lay_out, spliced_runs
from biolect.bio.translation import Reading, TranslationCheck, check, quick_check

_COMPLEMENT = bytes.maketrans(b"ACGTRYKMBVDH", b"TGCAYRMKVBHD")


@dataclass(frozen=True, eq=False)
class Contig:
    """The letters that genes lie on, as deposited: upper-case DNA with its IUPAC letters.

    Attributes:
        modality: What the record is a sequence of; nucleotides are spelled as DNA here in any case.
        is_messenger: The record is one whole mRNA, so that it is the transcript of its genes.
    """

    name: str
    letters: bytes
    is_circular: bool = False
    modality: Modality = Modality.DNA
    description: str = ""
    is_messenger: bool = False

    @cached_property
    def sequence(self) -> Sequence:
        """The whole record in canonical letters."""
        return self._whole()

    def read_as(self, unknown: Unknown = "refuse", strict: bool = False) -> Contig:
        """Return the contig with letters outside the alphabet masked, or refused; its `sequence` is read already.

        Raises:
            AlphabetError: See `Alphabet.canonical`.
        """
        whole, alphabet, kept = self._whole(unknown, strict), self.modality.alphabet, self
        if whole.folds.unknown:
            masks = bytes(ord(alphabet.unknown) if code == ILLEGAL else byte for byte, code in enumerate(alphabet.canonical_bytes))
            kept = replace(self, letters=self.letters.translate(masks))
        kept.__dict__["sequence"] = whole
        return kept

    def _whole(self, unknown: Unknown = "refuse", strict: bool = False) -> Sequence:
        text = self.letters.decode("latin-1")
        spelled = text.replace("T", "U") if self.modality is Modality.RNA else text
        canonical, folds = self.modality.alphabet.canonical(spelled, unknown=unknown, strict=strict, name=self.name)
        return Sequence(canonical, self.modality, self.name, self.description, folds)

    def read(self, spans: Iterable[Span]) -> bytes:
        """Return the spans one after another, each from its own strand."""
        parts = [(self.letters[start:stop], strand) for start, stop, strand in spans]
        return b"".join([letters if strand > 0 else letters[::-1].translate(_COMPLEMENT) for letters, strand in parts])


@dataclass(frozen=True, eq=False)
class Gene:
    """One transcript of one gene, with what its record says about reading it.

    The locus is the stretch from the first to the last exon, introns included. Exons that follow each
    other on one strand (around the origin of a circular record, too) share a stretch; where a
    trans-spliced gene turns back or changes strand, a new stretch begins, and the locus is the
    stretches joined in the order in which they are read. Where the record shows no exons of its own,
    the coding pieces are the exons.

    Attributes:
        coding_spans: Pieces of the coding sequence in reading order; they overlap where the ribosome slips back.
        exon_spans: Pieces of the transcript in reading order; empty where the record shows none.
        codon_start: Where in the first piece the first whole codon begins, 1, 2 or 3.
        gene_id: Equal for all transcripts of a gene.
        annotated_protein: Translation as the record gives it; empty where it gives none.
        transl_except: Codons with a meaning of their own, in the record's words.
        exception: Why the record says its protein differs; empty where it says nothing.
    """

    contig: Contig
    name: str
    coding_spans: tuple[Span, ...]
    exon_spans: tuple[Span, ...] = ()
    codon_start: int = 1
    code_id: int = 1
    gene_id: str = ""
    transcript_id: str = ""
    protein_id: str = ""
    product: str = ""
    annotated_protein: str = ""
    transl_except: tuple[str, ...] = ()
    exception: str = ""
    is_partial_start: bool = False
    is_partial_stop: bool = False
    is_pseudo: bool = False
    is_trans_spliced: bool = False
    slips: bool = False

    def __repr__(self) -> str:
        return f"<Gene {self.name} of {self.record}, {len(self.coding_spans)} coding pieces, strand {self.strand:+d}>"

    @property
    def record(self) -> str:
        """Name of the record that the gene lies on."""
        return self.contig.name

    @property
    def strand(self) -> int:
        """1 or -1; 0 if pieces lie on both."""
        strands = {span.strand for span in self.coding_spans}
        return strands.pop() if len(strands) == 1 else 0

    @property
    def spans(self) -> tuple[Span, ...]:
        """The locus on the record; more than one span across an origin or for a trans-spliced gene."""
        return self._layout.spans

    @property
    def genetic_code(self) -> GeneticCode:
        """Table that the gene is read with."""
        return GeneticCode.by_id(self.code_id)

    @cached_property
    def _layout(self) -> Layout:
        circle = len(self.contig.letters) if self.contig.is_circular else 0
        return lay_out(self.coding_spans, self.exon_spans, circle=circle, turns=self.is_trans_spliced, slips=self.slips)

    @cached_property
    def spliced(self) -> bytes:
        """All coding pieces joined, as deposited: IUPAC letters, before the frame is applied."""
        return self.contig.read(self.coding_spans)

    @cached_property
    def _claimed(self) -> Reading:
        """The coding sequence in the frame that the record claims."""
        found = tuple(self._exceptions()) if self.transl_except else ()
        return Reading(
            self.spliced, self.genetic_code, self.codon_start, self.is_partial_start, self.is_partial_stop, found, self.exception
        )

    @property
    def reading(self) -> Reading:
        """The coding sequence in frame, with the record's exceptions."""
        frame = self.check().codon_start
        return self._claimed if frame == self.codon_start else replace(self._claimed, codon_start=frame)

    def _exceptions(self) -> Iterable[tuple[int, str]]:
        for place, name in re.findall(r"pos:(.*?),\s*aa:\s*(\w+)", "\n".join(self.transl_except)):
            numbers = [int(n) for n in re.findall(r"\d+", place)]
            offset = 1
            for span in self.coding_spans if numbers else ():
                index = (min(numbers) if span.strand > 0 else max(numbers)) - 1
                if span.start <= index < span.stop:
                    yield offset + (index - span.start if span.strand > 0 else span.stop - 1 - index), _amino_acid(name)
                    break
                offset += span.length

    def check(self) -> TranslationCheck:
        """Compare the annotated protein with the coding sequence."""
        return self._check

    @cached_property
    def _check(self) -> TranslationCheck:
        is_simple = self.codon_start == 1 and not (self.transl_except or self.is_partial_start)
        found = quick_check(self.spliced, self.genetic_code, self.annotated_protein) if is_simple else None
        if found:
            return found
        return check(self._claimed, self.annotated_protein)

    @cached_property
    def locus(self) -> Sequence:
        """DNA of the gene's strand from its first to its last exon, introns included."""
        return self._sequence(self.contig.read(self.spans), Modality.DNA)

    @cached_property
    def transcript(self) -> Sequence:
        """Spliced RNA, untranslated parts included where the record shows exons."""
        locus = self.contig.read(self.spans)
        return self._sequence(b"".join(locus[a:b] for a, b in self._layout.exons).replace(b"T", b"U"), Modality.RNA)

    @cached_property
    def coding_sequence(self) -> Sequence:
        """DNA in frame: whole codons from the first to the last, the stop included if it is there."""
        return self._sequence(self.reading.letters[: 3 * self.reading.num_codons], Modality.DNA)

    @cached_property
    def protein(self) -> Sequence:
        """The annotated protein if the coding sequence accounts for it, codon by codon; otherwise what the codons mean."""
        letters = self.annotated_protein.removesuffix("*") if self.check().is_aligned else self.reading.derived
        return Sequence(letters, Modality.PROTEIN, self.protein_id or self.name, self.product)

    def _sequence(self, letters: bytes, modality: Modality) -> Sequence:
        return Sequence(letters.decode("ascii"), modality, self.name, self.product)

    @property
    def coordinate_map(self) -> CoordinateMap:
        """Nucleotides, codons and residues of the coding sequence."""
        return CoordinateMap(self.reading.num_codons, self.reading.num_codons - self.reading.has_stop)

    def coordinates(self, view: Literal["locus", "transcript", "cds", "protein"], *, genomic: bool = False) -> tuple[Run, ...]:
        """Return where each letter of a view stands in shared gene coordinates.

        The rule is that of `Run`. A nucleotide that is read twice stands at its first reading; one that the
        ribosome skips counts as spliced out.

        Args:
            genomic: Count introns, too: coordinates are then places in the locus, and 1 is still the
                first nucleotide of the coding sequence.
        """
        if genomic:
            return self._genomic(view)
        if view == "cds":
            return (Run(1, 1, 3 * self.reading.num_codons),)
        if view == "protein":
            return (Run(3, 3, len(self.protein)),)
        return spliced_runs(self._layout, 2 - self.check().codon_start, exons=view == "transcript")

    def _genomic(self, view: str) -> tuple[Run, ...]:
        coding = expand(Run(a, 1, b - a) for a, b in self._layout.coding)[self.check().codon_start - 1 :]
        shift = int(coding[0]) if len(coding) else 0
        places = coding[: 3 * self.reading.num_codons] - shift + 1
        if view == "cds":
            return compress(places)
        if view == "protein":
            residues = places[2::3][: len(self.protein)]
            # A last residue read from two nucleotides ends where its third would be.
            return compress(np.append(residues, places[-1:] + 3)[: len(self.protein)])
        return self._layout.genomic_runs(shift, exons=view == "transcript")


def _amino_acid(name: str) -> str:
    """Return the letter of a three-letter name as /transl_except spells it."""
    from Bio.Data import IUPACData

    letters: dict[str, str] = cast(Any, IUPACData).protein_letters_3to1_extended
    return {"Term": "*", "Other": "X"}.get(name.capitalize(), letters.get(name.capitalize(), "X"))
