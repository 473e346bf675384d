"""GenBank flat files: records, and their genes with everything the record says about reading them.

Read with gb-io; a record that it does not read (another dialect, a false length) is read with Biopython.
"""

import io
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, Unpack, cast

from biolect.bio.gene import Contig, Gene
from biolect.bio.io.features import QUALIFIERS, Feature, Located, locate, locate_biopython, make_gene, refusal
from biolect.bio.io.form import Letters, Refusal
from biolect.bio.sequence import Modality, Sequence
from biolect.bio.splicing import holds
from biolect.errors import AlphabetError, CoordinateError, InputError

_BLOCK_BYTES = 1 << 24
_LOCUS, _EMBL = b"\nLOCUS", b"\nID   "
_ANNOUNCED = re.compile(rb"(?:LOCUS|ID) [^\n]*?(\d+) (?:bp|aa|BP|AA)\b")


def read_genbank(stream: BinaryIO, **rules: Unpack[Letters]) -> Iterator[Sequence | Gene | Refusal]:
    """Yield each record's own sequence and then its genes, one per CDS feature.

    Features of protein records (GenPept) are not genes; of those only the sequence is given.

    Args:
        stream: GenBank or EMBL, unpacked.
        rules: See `Letters`; lower case is how these formats are written, and always read.

    Raises:
        InputError: If the file holds no record at all.
    """
    where = str(getattr(stream, "name", "stream"))
    found = False
    for text in _record_texts(stream):
        found = True
        try:
            contig, features, problems = _parse(text)
        except Exception as error:
            # Whatever a parser stumbles on, this record is refused and the others are read.
            yield Refusal(_first_word(text), where, f"The record cannot be read: {error}")
            continue
        if not contig.letters:
            yield Refusal(contig.name, where, "The record has no sequence, only its features. Fetch it together with its sequence.")
            continue
        if reason := _cut_short(text, len(contig.letters)):
            yield Refusal(contig.name, where, reason)
            continue
        try:
            contig = contig.read_as(**rules)
            yield contig.sequence
        except AlphabetError as error:
            yield Refusal(contig.name, where, str(error))
            continue
        if contig.modality is not Modality.PROTEIN:
            yield from (refusal(feature, where, error) for feature, error in problems)
            yield from _genes(contig, features, where)
    if not found:
        raise InputError(f"'{where}' holds no GenBank record: no line begins with LOCUS. Is it another format?")


def _record_texts(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the text of one record after another, in memory that grows with the longest record only."""
    rest = b""
    while block := stream.read(_BLOCK_BYTES):
        rest = rest + block if rest else block
        if b"\r" in rest:
            rest = rest.replace(b"\r\n", b"\n")
        mark = _EMBL if rest.startswith(_EMBL[1:]) else _LOCUS
        # Before the first record of a file stands a release header, or nothing.
        start = 0 if rest.startswith(mark[1:]) else rest.find(mark) + 1
        while (stop := rest.find(mark, start)) >= 0 and rest.startswith(mark[1:], start):
            yield rest[start : stop + 1]
            start = stop + 1
        rest = rest[start:]
    if rest.startswith((_LOCUS[1:], _EMBL[1:])):
        yield rest


def _cut_short(text: bytes, num_letters: int) -> str:
    """Return what to say of a record that stops before its end; a wrong length alone is no sign of that."""
    announced = _ANNOUNCED.match(text)
    if announced is None or text[-16:].rstrip().endswith(b"//") or num_letters >= int(announced[1]):
        return ""
    return f"The record is cut short: it announces {int(announced[1])} letters, {num_letters} are there. Fetch or copy it again."


_Parsed = tuple[Contig, list[Feature], list[tuple[Feature, CoordinateError]]]
_Found = Iterable[tuple[str, Any, Iterable[tuple[str, str | None]]]]
"""Kind, location and qualifiers of features, as a parser has them."""


def _parse(text: bytes) -> _Parsed:
    """Return a record, its CDS and mRNA features, and those that cannot be placed."""
    # gb-io 0.4 reads one-of(1,3)..9 as join(1,3).
    if text.startswith(_LOCUS[1:]) and b"one-of(" not in text:
        try:
            return _placed(*_from_gb_io(text), locate)
        except (ValueError, NotImplementedError):
            pass
    return _placed(*_from_biopython(text), locate_biopython)


def _placed(contig: Contig, found: _Found, locate: Callable[[Any, Contig], Located]) -> _Parsed:
    features: list[Feature] = []
    problems: list[tuple[Feature, CoordinateError]] = []
    for kind, location, says in found:
        if kind not in ("CDS", "mRNA"):
            continue
        qualifiers: dict[str, str] = {}
        exceptions: list[str] = []
        for key, value in says:
            if key == "transl_except":
                exceptions.append(value or "")
            elif key in QUALIFIERS:
                qualifiers.setdefault(key, value or "")
        try:
            features.append(Feature(kind, *locate(location, contig), qualifiers, tuple(exceptions)))
        except CoordinateError as error:
            problems.append((Feature(kind, (), (False, False), qualifiers), error))
    return contig, features, problems


def _from_gb_io(text: bytes) -> tuple[Contig, _Found]:
    import gb_io

    record, first_line = cast(Any, gb_io).load(io.BytesIO(text))[0], text.split(b"\n", 1)[0]
    name = (record.version or record.accession or record.name or _first_word(first_line)).split(" ")[0]
    letters, molecule = bytes(record.sequence).upper(), _molecule(first_line, record.molecule_type)
    found = ((f.kind, f.location, ((q.key, q.value) for q in f.qualifiers)) for f in record.features)
    return _contig(name, letters, molecule, record.circular, record.definition or ""), found


def _from_biopython(text: bytes) -> tuple[Contig, _Found]:
    from Bio import SeqIO

    with warnings.catch_warnings():
        # Its warnings speak of damage that shows again below, as a refusal or in the check of a translation.
        warnings.simplefilter("ignore")
        record = cast(Any, SeqIO).read(io.StringIO(text.decode("latin-1")), "genbank" if text.startswith(b"LOCUS") else "embl")
    letters = bytes(record.seq).upper() if record.seq is not None and record.seq.defined else b""
    molecule = _molecule(text.split(b"\n", 1)[0], record.annotations.get("molecule_type"))
    is_circular = record.annotations.get("topology") == "circular"
    found = ((f.type, f.location, ((key, value) for key, values in f.qualifiers.items() for value in values)) for f in record.features)
    return _contig(record.id, letters, molecule, is_circular, record.description), found


def _molecule(first_line: bytes, found: str | None) -> str:
    """Return what a record is made of; parsers do not say it of proteins, whose length counts `aa`."""
    return "protein" if re.search(rb"\d aa\b", first_line, re.IGNORECASE) else found or "DNA"


def _contig(name: str, letters: bytes, molecule: str, is_circular: bool, description: str) -> Contig:
    modality = Modality.PROTEIN if molecule == "protein" else Modality.RNA if "RNA" in molecule.upper() else Modality.DNA
    spelled = letters if modality is Modality.PROTEIN else letters.replace(b"U", b"T")
    return Contig(name, spelled, is_circular, modality, " ".join(description.split()), is_messenger=molecule.upper() == "MRNA")


def _first_word(text: bytes) -> str:
    """Return the name in a LOCUS line."""
    return " ".join(text.split(b"\n", 1)[0].decode("latin-1").split()[1:2])


def _genes(contig: Contig, features: list[Feature], where: str) -> Iterator[Gene | Refusal]:
    transcripts: dict[str, list[Feature]] = {}
    for feature in features:
        if feature.kind == "mRNA":
            transcripts.setdefault(feature.gene_id, []).append(feature)
    for feature in features:
        if feature.kind != "CDS":
            continue
        candidates = transcripts.get(feature.gene_id, [])
        fit = next((t for t in candidates if holds(t.spans, feature.spans)), None)
        if fit:
            # Records list the transcripts of a gene in the order of their coding sequences.
            candidates.remove(fit)
            candidates.append(fit)
        try:
            yield make_gene(contig, feature, fit.spans if fit else (), transcript_id=fit.qualifiers.get("transcript_id", "") if fit else "")
        except (CoordinateError, InputError) as error:
            yield refusal(feature, where, error)
