"""GFF3 and GTF with their FASTA: one gene per transcript that has a coding sequence.

The annotation is held in memory, the FASTA is read contig by contig. Nothing is guessed: contigs are
matched by name, coordinates that cannot be those of the FASTA are refused, and a CDS without
transl_table is read with code 1, as the format has it, whatever its contig is called.
"""

import io
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple, Unpack, cast
from urllib.parse import unquote

from biolect.bio.coordinates import Span
from biolect.bio.gene import Contig, Gene
from biolect.bio.io.blocks import WHITE, raw_records
from biolect.bio.io.features import Feature, make_gene, place, refusal
from biolect.bio.io.form import Letters, Refusal
from biolect.bio.sequence import Modality, Sequence
from biolect.errors import AlphabetError, CoordinateError, InputError
from biolect.files import open_input

_GTF = re.compile(r'(\w+) "?([^";]*)"?')
_UNTRANSLATED = ("five_prime_UTR", "three_prime_UTR", "five_prime_utr", "three_prime_utr", "UTR", "5UTR", "3UTR")
_PARTS = ("CDS", "exon", "stop_codon", *_UNTRANSLATED)
_NUM_NAMES = 3


class _Row(NamedTuple):
    """A part of a transcript."""

    kind: str
    span: Span
    phase: str
    says: Mapping[str, str]


@dataclass
class _Contig:
    """What an annotation says about one contig: its region line, its bounds, and rows by their parent."""

    region: Mapping[str, str] = field(default_factory=dict[str, str])
    bounds: tuple[int, int] = (0, 0)
    rows: dict[str, list[_Row]] = field(default_factory=dict[str, list[_Row]])

    @property
    def num_coding(self) -> int:
        """Parents with a coding sequence."""
        return sum(any(row.kind == "CDS" for row in rows) for rows in self.rows.values())


class _Annotation:
    """A whole GFF3 or GTF file: contigs by name, and what is known of each parent by its id."""

    def __init__(self) -> None:
        self.contigs: dict[str, _Contig] = defaultdict(_Contig)
        self.nodes: dict[str, Mapping[str, str]] = {}
        self.refused: list[tuple[int, str]] = []

    def read(self, stream: BinaryIO) -> BinaryIO | None:
        """Read lines up to the end, or up to an embedded FASTA, which is returned."""
        for number, raw in enumerate(iter(stream.readline, b""), 1):
            if raw.startswith(b"##FASTA"):
                return stream
            if raw.startswith(b">"):
                return io.BytesIO(raw + stream.read())
            line = raw.decode("utf-8", errors="replace").rstrip("\r\n")
            try:
                if line.startswith("##sequence-region"):
                    _, name, start, stop = line.split()
                    self.contigs[name].bounds = (int(start) - 1, int(stop))
                elif line.strip() and not line.startswith("#"):
                    self._line(line.split("\t"))
            except ValueError:
                reason = f"The line is no annotation: {line[:60]!r}. Nine columns are expected, with whole numbers in columns 4 and 5."
                self.refused.append((number, reason))
        return None

    def _line(self, columns: list[str]) -> None:
        name, _, kind, start, stop, _, strand, phase, text = columns
        span = Span(int(start) - 1, int(stop), -1 if strand == "-" else 1)
        if kind not in _PARTS and "ID=" not in text and not text.startswith("gene_id"):
            return
        says = _attributes(text)
        contig = self.contigs[unquote(name)]
        if kind in _PARTS:
            is_gtf = "Parent" not in says and "ID" not in says
            for parent in says.get("transcript_id" if is_gtf else "Parent", "").split(","):
                contig.rows.setdefault(parent, []).append(_Row(kind, span, phase, says))
            return
        if kind == "region" and span.start == 0 and not contig.region:
            contig.region = says
        for id in {says.get("ID", ""), says.get(f"{kind}_id", "")} - {""}:
            self.nodes.setdefault(id, says | {"kind": kind})

    def gene_of(self, id: str) -> str:
        """Return the uppermost parent of an id, the id itself if it has none."""
        for _ in range(8):
            node = self.nodes.get(id, {})
            above = node.get("Parent", "").split(",")[0] or ("" if node.get("kind") == "gene" else node.get("gene_id", ""))
            if not above or above == id:
                break
            id = above
        return id


def _attributes(text: str) -> dict[str, str]:
    """Read column 9 of either format; percent signs of GFF3 are decoded, tags of GTF become flags."""
    if re.match(r"\s*\w+ +[^=\s]", text):
        pairs = _GTF.findall(text)
        several = ",".join(value for key, value in pairs if key == "transl_except")
        return dict(reversed(pairs)) | {value: "" for key, value in pairs if key == "tag"} | ({"transl_except": several} if several else {})
    parts = (part.split("=", 1) for part in text.split(";") if "=" in part)
    return {key.strip(): unquote(value) if "%" in value else value for key, value in parts}


def read_gff(
    path: str | Path, fasta: str | Path | None = None, proteins: Mapping[str, str] | None = None, **rules: Unpack[Letters]
) -> Iterator[Sequence | Gene | Refusal]:
    """Yield each contig's own sequence and then its genes, one per transcript.

    Args:
        path: GFF3 or GTF, gzip or not.
        fasta: Its sequences; None reads those embedded after `##FASTA`.
        proteins: Annotated proteins by protein or transcript id, to compare with; GFF carries none itself.
        rules: See `Letters`; lower case marks repeats, and is always read.

    Raises:
        InputError: If there is no FASTA, or it shares no contig with the annotation.
    """
    annotation = _Annotation()
    with open_input(path) as stream, ExitStack() as opened:
        embedded = annotation.read(stream)
        yield from (Refusal("", f"{path}:{number}", reason) for number, reason in annotation.refused)
        letters = embedded if fasta is None else opened.enter_context(open_input(fasta))
        if letters is None:
            raise InputError(
                f"'{path}' has annotation but no sequence. Put its FASTA beside it under the same name, ending in .fa, or give both."
            )
        yield from _all(annotation, letters, str(path), str(fasta or path), proteins or {}, rules)


def _all(
    annotation: _Annotation, stream: BinaryIO, where: str, fasta: str, proteins: Mapping[str, str], rules: Letters
) -> Iterator[Sequence | Gene | Refusal]:
    lengths: dict[str, int] = {}
    for header, text, _ in raw_records(cast(io.BufferedReader, stream), fasta):
        name, description = [*header.decode("utf-8", errors="replace").split(None, 1), "", ""][:2]
        letters = text.translate(None, WHITE).upper().replace(b"U", b"T")
        lengths.setdefault(name, len(letters))
        says = annotation.contigs.get(name, _Contig())
        molecule = says.region.get("mol_type", "")
        modality = Modality.RNA if "RNA" in molecule else Modality.DNA
        is_circular = says.region.get("Is_circular", "").lower() == "true"
        contig = Contig(name, letters, is_circular, modality, description.strip(), is_messenger=molecule == "mRNA")
        try:
            contig = contig.read_as(**rules)
            yield contig.sequence
        except AlphabetError as error:
            yield Refusal(name, fasta, str(error))
            continue
        start, stop = says.bounds
        if says.num_coding and start > 0 and stop - start == len(letters):
            reason = (
                f"Its coordinates are those of region {start + 1}..{stop}, but the FASTA holds only that region. Subtract {start} first."
            )
            yield Refusal(name, where, f"{says.num_coding} coding sequences were not read. {reason}")
            continue
        for parent, rows in says.rows.items():
            for chain in _chains(annotation, parent, rows):
                yield _gene(annotation, contig, parent, chain, proteins, where)
    annotated = {name: says.num_coding for name, says in annotation.contigs.items() if says.num_coding}
    if annotated and not annotated.keys() & lengths.keys():
        raise InputError(_strangers(annotation, list(annotated), where, lengths, fasta))
    for name in annotated.keys() - lengths.keys():
        yield Refusal(name, where, f"'{fasta}' has no contig of this name; {annotated[name]} coding sequences on it were not read.")


def _strangers(annotation: _Annotation, annotated: list[str], where: str, lengths: Mapping[str, int], fasta: str) -> str:
    """Return the message for a FASTA and an annotation that have no contig in common."""
    names = ", ".join(repr(name) for name in annotated[:_NUM_NAMES])
    others = ", ".join(repr(name) for name in list(lengths)[:_NUM_NAMES])
    message = f"'{where}' annotates {names}, but '{fasta}' has {others}: no contig in common. Do both use the same names and coordinates?"
    for name in annotated:
        start, stop = annotation.contigs[name].bounds
        same = [other for other, length in lengths.items() if start > 0 and length == stop - start]
        if same:
            return (
                f"{message} '{same[0]}' is as long as region {start + 1}..{stop} of '{name}', so the annotation counts from another origin."
            )
    return message


def _chains(annotation: _Annotation, parent: str, rows: list[_Row]) -> Iterator[list[_Row]]:
    """Divide the rows of one parent into coding sequences: each with all exons, UTRs and stop codons of the parent.

    A gene can be the parent of several coding sequences, told apart by their id; a transcript has one,
    whatever ids its pieces have, unless they name different proteins.
    """
    by_id = not parent or annotation.nodes.get(parent, {}).get("kind", "") in ("gene", "pseudogene")
    chains: dict[str, list[_Row]] = {}
    for number, row in enumerate(rows):
        if row.kind == "CDS":
            protein = row.says.get("protein_id", "")
            # Rows of GTF have no ID: those of one parent, which may be named like its gene, are one.
            own = (row.says.get("ID") or protein or ("" if parent else str(number))) if by_id else protein
            chains.setdefault(own, []).append(row)
    for chain in chains.values():
        yield chain + ([row for row in rows if row.kind != "CDS"] if parent else [])


def _gene(
    annotation: _Annotation, contig: Contig, parent: str, rows: list[_Row], proteins: Mapping[str, str], where: str
) -> Gene | Refusal:
    coding = _ordered([row for row in rows if row.kind == "CDS"], contig)
    says: dict[str, str] = {}
    for row in reversed(rows):
        says |= row.says if row.kind == "CDS" else {}
    # Where GTF has no rows of transcripts, only its coding rows say which gene they are of.
    of_row = "" if parent in annotation.nodes else says.get("gene_id", "")
    gene_id = of_row or annotation.gene_of(parent or says.get("ID", ""))
    transcript, gene = annotation.nodes.get(parent, {}), annotation.nodes.get(gene_id, {})
    says["gene"] = says.get("gene") or says.get("gene_name") or gene.get("Name") or gene_id
    transcript_id = transcript.get("transcript_id") or parent
    says["translation"] = proteins.get(says.get("protein_id", "")) or proteins.get(transcript_id, "")
    phase = coding[0].phase
    says["codon_start"] = str(int(phase) + 1) if phase.isdigit() else "1"
    if "true" not in (says.get("pseudo"), gene.get("pseudo"), transcript.get("pseudo")) and gene.get("kind") != "pseudogene":
        says.pop("pseudo", None)
    else:
        says["pseudo"] = ""
    feature = Feature("CDS", (), (False, False), says, (says["transl_except"],) if "transl_except" in says else ())
    try:
        stops = [row.span for row in _ordered([row for row in rows if row.kind == "stop_codon"], contig)]
        spans = place(_with_stops([row.span for row in coding], stops), contig)
        exons = [row for row in rows if row.kind == "exon"] or [row for row in rows if row.kind in _UNTRANSLATED]
        if exons and exons[0].kind != "exon":
            exons += coding
        feature = feature._replace(spans=spans, is_partial=_is_partial(says, spans[0].strand))
        return make_gene(contig, feature, _joined(_ordered(exons, contig)), gene_id=gene_id, transcript_id=transcript_id)
    except (CoordinateError, InputError) as error:
        return refusal(feature, where, error)


def _is_partial(says: Mapping[str, str], strand: int) -> tuple[bool, bool]:
    """Return whether the 5' and 3' ends lie beyond the feature, after NCBI's ranges or Ensembl's tags."""
    low, high = says.get("start_range", "").startswith("."), says.get("end_range", "").endswith(".")
    first, last = (low, high) if strand > 0 else (high, low)
    return first or "cds_start_NF" in says, last or "cds_end_NF" in says


def _ordered(rows: list[_Row], contig: Contig) -> list[_Row]:
    """Return rows in reading order: that of their numbers, of the file if the gene turns, or of their places."""
    numbers = [row.says.get("part", "").split("/")[0] for row in rows]
    if rows and all(number.isdigit() for number in numbers):
        return [row for _, row in sorted(zip(map(int, numbers), rows, strict=True), key=lambda pair: pair[0])]
    if len({row.span.strand for row in rows}) > 1 or any("trans-splicing" in row.says.get("exception", "") for row in rows):
        return rows
    placed = sorted(rows, key=lambda row: row.span.start)
    length = len(contig.letters)
    if contig.is_circular and len(placed) > 1 and placed[0].span.start == 0 and placed[-1].span.stop == length:
        gaps = [b.span.start - a.span.stop for a, b in zip(placed, placed[1:], strict=False)]
        cut = gaps.index(max(gaps)) + 1
        placed = placed[cut:] + placed[:cut]
    return placed if rows and rows[0].span.strand > 0 else placed[::-1]


def _with_stops(coding: list[Span], stops: list[Span]) -> list[Span]:
    """Append stop codons that lie outside the coding pieces, as GTF has them."""
    spans = list(coding)
    for stop in stops:
        if any(span.start <= stop.start and stop.stop <= span.stop for span in spans):
            continue
        last = spans[-1]
        if last.strand == stop.strand and stop.start <= last.stop and last.start <= stop.stop:
            spans[-1] = Span(min(last.start, stop.start), max(last.stop, stop.stop), last.strand)
        else:
            spans.append(stop)
    return spans


def _joined(rows: list[_Row]) -> tuple[Span, ...]:
    """Return spans with those that touch or overlap made one."""
    spans: list[Span] = []
    for row in rows:
        spans = _with_stops(spans, [row.span]) if spans else [row.span]
    return tuple(spans)
