"""Features of annotation files in one form, whichever parser read them, and the genes made of them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from biolect.bio.coordinates import Span
from biolect.bio.gene import Contig, Gene
from biolect.bio.genetic_code import GeneticCode
from biolect.bio.io.form import Refusal
from biolect.bio.splicing import holds
from biolect.errors import CoordinateError, InputError

_NAMES = ("gene", "locus_tag", "protein_id", "standard_name")
_FLAGS = ("pseudo", "pseudogene", "ribosomal_slippage", "trans_splicing")
_FACTS = ("codon_start", "exception", "product", "transcript_id", "transl_table", "translation")
QUALIFIERS = frozenset((*_NAMES, *_FLAGS, *_FACTS))
"""Keys that say something about reading a gene, besides /transl_except, which may come more than once."""


Located = tuple[tuple[Span, ...], tuple[bool, bool]]
"""Spans in reading order, and whether the 5' and the 3' end are open."""


class Feature(NamedTuple):
    """A feature of a record.

    Attributes:
        spans: Pieces in reading order.
        is_partial: Whether the 5' end and the 3' end lie beyond the spans.
        qualifiers: First value of each; an empty text for flags.
        exceptions: All values of /transl_except.
    """

    kind: str
    spans: tuple[Span, ...]
    is_partial: tuple[bool, bool]
    qualifiers: Mapping[str, str]
    exceptions: tuple[str, ...] = ()

    @property
    def gene_id(self) -> str:
        """What all features of one gene share."""
        return self.qualifiers.get("locus_tag") or self.qualifiers.get("gene") or ""

    @property
    def name(self) -> str:
        """The most telling name that the qualifiers give; empty if they give none."""
        return next((self.qualifiers[key] for key in _NAMES if self.qualifiers.get(key)), "")


def make_gene(contig: Contig, coding: Feature, exons: tuple[Span, ...] = (), *, gene_id: str = "", transcript_id: str = "") -> Gene:
    """Return the gene of a CDS feature.

    Args:
        exons: Of its transcript; not used if they cannot hold the coding pieces.

    Raises:
        CoordinateError: If codon_start is none of 1, 2 and 3, or no nucleotide is left.
        InputError: If there is no such genetic code.
    """
    says = coding.qualifiers
    start, table = says.get("codon_start", "1"), says.get("transl_table", "1")
    if start not in ("1", "2", "3"):
        raise CoordinateError(f"its codon_start is {start}, which must be 1, 2 or 3")
    if not table.isdigit():
        raise InputError(f"its transl_table is {table}, which must be a number")
    GeneticCode.by_id(int(table))
    if contig.is_messenger and all(span.strand > 0 for span in coding.spans):
        exons = (Span(0, len(contig.letters)),)
    exception = says.get("exception", "")
    return Gene(
        contig=contig,
        name=coding.name or f"{contig.name}:{coding.spans[0].start + 1}",
        coding_spans=coding.spans,
        exon_spans=exons if exons and holds(exons, coding.spans) else (),
        codon_start=int(start),
        code_id=int(table),
        gene_id=gene_id or coding.gene_id,
        transcript_id=transcript_id,
        protein_id=says.get("protein_id", ""),
        product=" ".join(says.get("product", "").split()),
        annotated_protein="".join(says.get("translation", "").split()),
        transl_except=coding.exceptions,
        exception=exception,
        is_partial_start=coding.is_partial[0],
        is_partial_stop=coding.is_partial[1],
        is_pseudo="pseudo" in says or "pseudogene" in says,
        is_trans_spliced="trans_splicing" in says or "trans-splicing" in exception,
        slips="ribosomal_slippage" in says or "ribosomal slippage" in exception,
    )


class _Piece(NamedTuple):
    """A span, and whether it is open before its lowest and after its highest index."""

    span: Span
    before: bool
    after: bool


def refusal(feature: Feature, where: str, error: CoordinateError | InputError) -> Refusal:
    """Return the refusal of a feature of which no gene can be made."""
    name = feature.qualifiers.get("protein_id") or feature.name or feature.kind
    return Refusal(name, where, f"The {feature.kind} cannot be used: {error}".rstrip(".") + ".")


def locate(location: Any, contig: Contig) -> Located:
    """Return the spans of a gb-io location in reading order, and whether its 5' and 3' ends are open.

    Raises:
        CoordinateError: If a piece lies outside the record, on another record, or nowhere definite.
        NotImplementedError: If gb-io left it as text, such as one that ends in `<12`.
    """
    reverse = type(location).__name__ == "Complement"
    inner = location.location if reverse else location
    if type(inner).__name__ == "Range" and 0 <= inner.start < inner.end <= len(contig.letters):
        # Most locations by far; the same as below, but quick.
        span = Span(inner.start, inner.end, -1 if reverse else 1)
        return (span,), (inner.after, inner.before) if reverse else (inner.before, inner.after)
    return _ends(_around(_pieces(location), contig), contig)


def locate_biopython(location: Any, contig: Contig) -> Located:
    """Return the same for a Biopython location. Raises CoordinateError like `locate`."""
    if location is None:
        raise CoordinateError("its location cannot be read")
    pieces: list[_Piece] = []
    for part in location.parts:
        if part.ref:
            raise CoordinateError(f"it lies in part on another record, {part.ref}")
        kinds = type(part.start).__name__, type(part.end).__name__
        if {"UnknownPosition", "OneOfPosition", "WithinPosition"} & set(kinds):
            raise CoordinateError(f"its place {part} is not definite")
        span = Span(int(part.start), int(part.end), -1 if part.strand == -1 else 1)
        pieces.append(_Piece(span, kinds[0] == "BeforePosition", kinds[1] == "AfterPosition"))
    return _ends(_around(pieces, contig), contig)


def place(spans: Sequence[Span], contig: Contig) -> tuple[Span, ...]:
    """Return spans that may lead beyond the end of a circle as spans inside it. Raises CoordinateError like `locate`."""
    length, folded = len(contig.letters), list[_Piece]()
    for start, stop, strand in spans:
        if contig.is_circular and stop > length:
            start, stop = start % length, stop - length
        folded.append(_Piece(Span(start, stop, strand), False, False))
    return _ends(_around(folded, contig), contig)[0]


def _pieces(location: Any) -> list[_Piece]:
    kind = type(location).__name__
    if kind == "Range":
        return [_Piece(Span(location.start, location.end, 1), location.before, location.after)]
    if kind == "Complement":
        return [_Piece(Span(start, stop, -strand), low, high) for (start, stop, strand), low, high in reversed(_pieces(location.location))]
    if kind in ("Join", "Order"):
        return [piece for part in location.locations for piece in _pieces(part)]
    if kind == "External" and location.location is not None:
        raise CoordinateError(f"it lies in part on another record, {location.accession}")
    if kind == "External":
        raise NotImplementedError(location.accession)
    raise CoordinateError(f"its place {location} is not definite")


def _around(pieces: list[_Piece], contig: Contig) -> list[_Piece]:
    """Split pieces written as high..low, which lead around the origin of a circle."""
    length, split = len(contig.letters), list[_Piece]()
    for piece in pieces:
        start, stop, strand = piece.span
        if start < stop:
            split.append(piece)
        elif not contig.is_circular:
            raise CoordinateError(f"its piece {start + 1}..{stop} runs backwards, which only a circular record allows")
        else:
            halves = [_Piece(Span(start, length, strand), piece.before, False), _Piece(Span(0, stop, strand), False, piece.after)]
            split.extend(halves if strand > 0 else halves[::-1])
    return split


def _ends(pieces: list[_Piece], contig: Contig) -> Located:
    spans = tuple(piece.span for piece in pieces)
    for start, stop, _ in spans:
        if start < 0 or stop > len(contig.letters):
            there = f"which has {len(contig.letters)} nucleotides"
            raise CoordinateError(f"its piece {start + 1}..{stop} (1-based) lies outside the record, {there}")
    first, last = pieces[0], pieces[-1]
    opens = first.before if first.span.strand > 0 else first.after
    closes = last.after if last.span.strand > 0 else last.before
    return spans, (opens, closes)
