"""GenBank flat files: records, and their genes with everything the record says about reading them.

Read with gb-io; a record that it does not read (another dialect, a false length) is read with Biopython.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from biolect.bio.coordinates import Span
from biolect.bio.gene import Contig, Gene
from biolect.bio.io.features import Feature, locate, locate_biopython
from biolect.bio.io.form import Refusal
from biolect.bio.sequence import Modality, Sequence
from biolect.bio.splicing import holds
from biolect.errors import CoordinateError, InputError

_BLOCK_BYTES = 1 << 24
_END = b"\n//"


def read_genbank(path: str | Path | BinaryIO) -> Iterator[Sequence | Gene | Refusal]:
    """Yield each record's own sequence and then its genes, one per CDS feature.

    Features of protein records (GenPept) are not genes; of those only the sequence is given.

    Args:
        path: GenBank or EMBL, gzip or not; or an open stream of plain bytes.

    Raises:
        InputError: If the file holds no record at all.
    """
    where = str(getattr(path, "name", "stream")) if hasattr(path, "read") else str(path)
    found = False
    for text in _record_texts(path):
        found = True
        try:
            contig, features, problems = _parse(text)
        except Exception as error:  # noqa: BLE001 -- whatever a parser stumbles on, the record is refused and the rest is read
            yield Refusal(_first_words(text), where, f"The record cannot be read: {error}")
            continue
        if not contig.letters:
            yield Refusal(contig.name, where, "The record has no sequence, only its features. Fetch it together with its sequence.")
            continue
        yield contig.sequence
        if contig.modality is not Modality.PROTEIN:
            yield from (Refusal(id, where, reason) for id, reason in problems)
            yield from _genes(contig, features, where)
    if not found:
        raise InputError(f"'{where}' holds no GenBank record: no line begins with LOCUS. Is it another format?")


def _record_texts(path: str | Path | BinaryIO) -> Iterator[bytes]:
    """Yield the text of one record after another, in memory that grows with the longest record only."""
    if not hasattr(path, "read"):
        from biolect.files import open_input

        with open_input(path) as stream:
            yield from _record_texts(stream)
        return
    rest = b""
    while block := path.read(_BLOCK_BYTES):
        *whole, rest = (rest + block).replace(b"\r\n", b"\n").split(_END)
        yield from filter(None, map(_from_first_line, whole))
    if (text := _from_first_line(rest)) is not None:
        yield text


def _from_first_line(text: bytes) -> bytes | None:
    """Return the text from its LOCUS (or EMBL ID) line on, None if it has none."""
    begin = 0 if text.startswith((b"LOCUS", b"ID   ")) else max(text.find(b"\nLOCUS"), text.find(b"\nID   ")) + 1
    return text[begin:] + _END + b"\n" if text.startswith((b"LOCUS", b"ID   "), begin) else None


_Parsed = tuple[Contig, list[Feature], list[tuple[str, str]]]


def _parse(text: bytes) -> _Parsed:
    """Return a record, its CDS and mRNA features, and id and reason of those that cannot be placed."""
    import gb_io

    if text.startswith(b"LOCUS"):
        try:
            return _from_gb_io(gb_io.load(io.BytesIO(text))[0])
        except (ValueError, NotImplementedError):
            pass
    return _from_biopython(text)


def _from_gb_io(record: Any) -> _Parsed:  # noqa: ANN401 -- gb-io has no stubs
    letters = bytes(record.sequence).upper()
    name = (record.version or record.accession or record.name or "").split(" ")[0]
    contig = _contig(name, letters, record.molecule_type, record.circular, record.definition or "")
    features: list[Feature] = []
    problems: list[tuple[str, str]] = []
    for found in record.features:
        if found.kind not in ("CDS", "mRNA"):
            continue
        qualifiers: dict[str, str] = {}
        exceptions: list[str] = []
        for qualifier in found.qualifiers:
            key, value = qualifier.key, qualifier.value or ""
            if key == "transl_except":
                exceptions.append(value)
            else:
                qualifiers.setdefault(key, value)
        try:
            spans, is_partial = locate(found.location, len(letters), is_circular=record.circular)
            features.append(Feature(found.kind, spans, is_partial, qualifiers, tuple(exceptions)))
        except CoordinateError as error:
            problems.append(_problem(found.kind, qualifiers, error))
    return contig, features, problems


def _from_biopython(text: bytes) -> _Parsed:
    from Bio import SeqIO

    with warnings.catch_warnings():
        # Its warnings speak of damage that shows again below, as a refusal or in the check of a translation.
        warnings.simplefilter("ignore")
        record: Any = SeqIO.read(io.StringIO(text.decode("latin-1")), "genbank" if text.startswith(b"LOCUS") else "embl")
    is_circular = record.annotations.get("topology") == "circular"
    letters = bytes(record.seq).upper() if record.seq is not None and record.seq.defined else b""
    contig = _contig(record.id, letters, record.annotations.get("molecule_type"), is_circular, record.description)
    features: list[Feature] = []
    problems: list[tuple[str, str]] = []
    for found in record.features:
        if found.type not in ("CDS", "mRNA"):
            continue
        qualifiers = {key: values[0] for key, values in found.qualifiers.items()}
        try:
            spans, is_partial = locate_biopython(found.location, len(letters), is_circular=is_circular)
            features.append(Feature(found.type, spans, is_partial, qualifiers, tuple(found.qualifiers.get("transl_except", ()))))
        except CoordinateError as error:
            problems.append(_problem(found.type, qualifiers, error))
    return contig, features, problems


def _contig(name: str, letters: bytes, molecule: str | None, is_circular: bool, description: str) -> Contig:
    if not (molecule or "DNA").upper().endswith(("DNA", "RNA")) or (molecule is None and set(letters) - set(b"ACGTUN")):
        molecule = "protein"
    modality = Modality.PROTEIN if molecule == "protein" else Modality.RNA if "RNA" in (molecule or "").upper() else Modality.DNA
    spelled = letters if modality is Modality.PROTEIN else letters.replace(b"U", b"T")
    return Contig(name, spelled, is_circular, modality, " ".join(description.split()), is_messenger=(molecule or "").upper() == "MRNA")


def _problem(kind: str, qualifiers: Mapping[str, str], error: CoordinateError) -> tuple[str, str]:
    name = qualifiers.get("protein_id") or qualifiers.get("locus_tag") or qualifiers.get("gene") or kind
    return name, f"The {kind} cannot be placed: {error}."


def _first_words(text: bytes) -> str:
    return " ".join(text.split(b"\n", 1)[0].decode("latin-1").split()[1:2])


def _genes(contig: Contig, features: list[Feature], where: str) -> Iterator[Gene | Refusal]:
    transcripts: dict[str, list[Feature]] = {}
    for feature in features:
        if feature.kind == "mRNA":
            transcripts.setdefault(_gene_id(feature), []).append(feature)
    for feature in features:
        if feature.kind == "CDS":
            gene_id, start = _gene_id(feature), feature.qualifiers.get("codon_start", "1")
            if start not in ("1", "2", "3"):
                name, reason = _problem("CDS", feature.qualifiers, CoordinateError(f"its codon_start is {start}, which must be 1, 2 or 3"))
                yield Refusal(name, where, reason)
            else:
                yield _gene(contig, feature, transcripts.get(gene_id, []))


def _gene_id(feature: Feature) -> str:
    return feature.qualifiers.get("locus_tag") or feature.qualifiers.get("gene") or ""


def _gene(contig: Contig, feature: Feature, transcripts: list[Feature]) -> Gene:
    says = feature.qualifiers
    fits = [t for t in transcripts if holds(t.spans, feature.spans)]
    if fits:
        # Records list the transcripts of a gene in the order of their coding sequences.
        transcripts.remove(fits[0])
        transcripts.append(fits[0])
    exons = fits[0].spans if fits else ()
    if not fits and contig.is_messenger and all(span.strand > 0 for span in feature.spans):
        exons = (Span(0, len(contig.letters)),)
    return Gene(
        contig=contig,
        name=says.get("gene") or says.get("locus_tag") or says.get("protein_id") or f"{contig.name}:{feature.spans[0].start + 1}",
        coding_spans=feature.spans,
        exon_spans=exons,
        codon_start=int(says.get("codon_start", "1")),
        code_id=int(says.get("transl_table", "1")),
        gene_id=_gene_id(feature),
        transcript_id=fits[0].qualifiers.get("transcript_id", "") if fits else "",
        protein_id=says.get("protein_id", ""),
        product=" ".join(says.get("product", "").split()),
        annotated_protein="".join(says.get("translation", "").split()),
        transl_except=feature.exceptions,
        exception=says.get("exception", ""),
        is_partial_start=feature.is_partial[0],
        is_partial_stop=feature.is_partial[1],
        is_pseudo="pseudo" in says or "pseudogene" in says,
        is_trans_spliced="trans_splicing" in says or "trans-splicing" in says.get("exception", ""),
        slips="ribosomal_slippage" in says or "ribosomal slippage" in says.get("exception", ""),
    )
