"""Reading and writing: one door for every input.

Whatever a file is, plain or gzip, its records leave here in one form: `Sequence`, `Gene`, or `Refusal`
for a record that was not read. Formats are recognised by content first, then by name. Order and
repeated names are kept as they are. A file that as a whole cannot be read raises `InputError`, in one
sentence; a record that cannot be read is handed on as a refusal, so that nothing is lost in silence
and one bad record does not cost the others.

Example:
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "two.fa"
    >>> _ = write_fasta(path, [Sequence("ACGT", Modality.DNA, "a"), Sequence("GG", Modality.DNA, "b")])
    >>> [(record.name, len(record)) for record in read_records(path) if isinstance(record, Sequence)]
    [('a', 4), ('b', 2)]
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from biolect.bio.io import fasta, smiles
from biolect.bio.io.detect import detect, detect_stream
from biolect.bio.io.fasta import write_fasta
from biolect.bio.io.form import Format, Letters, Refusal, Unknown
from biolect.bio.io.smiles import write_smiles
from biolect.bio.sequence import Modality, Sequence
from biolect.errors import InputError
from biolect.files import open_input

if TYPE_CHECKING:
    from biolect.bio.gene import Gene

__all__ = ["Format", "Refusal", "detect", "read_genes", "read_records", "write_fasta", "write_smiles"]

_NOT_READ = {
    Format.FASTQ: "FASTQ, which is not read. Convert it to FASTA, for example with seqtk seq -A",
    Format.TEXT: "plain text without sequence records. FASTA begins with '>', GenBank with 'LOCUS', and a table is named .csv or .tsv",
}


def read_records(
    source: str | Path | BufferedReader, *, modality: Modality | str | None = None, unknown: Unknown = "refuse", strict: bool = False
) -> Iterator[Sequence | Refusal]:
    """Read the sequences of any input: FASTA, A3M, Stockholm, GenBank, EMBL, GFF with sequence, SMILES, or a table's column of them.

    Args:
        source: A path, `-` for standard input, or a stream from `open_input`.
        modality: What the letters are, where the format does not say; None guesses, see `guess_modality`.
        unknown: `mask` reads letters outside the alphabet as the unknown residue.
        strict: Refuse records with letters that would have to be folded: lower case, IUPAC, U in DNA.

    Raises:
        InputError: If the input cannot be opened, is of no known format, or its modality cannot be guessed.
    """
    modality = None if modality is None else Modality(modality)
    with _opened(source) as stream:
        where, letters = str(stream.name), Letters(unknown=unknown, strict=strict)
        found = detect_stream(stream, where)
        if found in _NOT_READ:
            raise InputError(f"'{where}' is {_NOT_READ[found]}.")
        if found in (Format.FASTA, Format.A3M):
            yield from fasta.read(stream, modality, where=where, **letters, is_alignment=found is Format.A3M)
        elif found is Format.SMILES:
            yield from smiles.read(stream, where=where, **letters)
        elif found is Format.STOCKHOLM:
            yield from fasta.read_stockholm(stream, modality, where=where, **letters)
        elif found.is_table:
            from biolect.bio.io.tables import read_sequences

            yield from read_sequences(stream, modality, where=where, **letters)
        else:
            yield from (item for item in _annotation(source, stream, found, None, **letters) if isinstance(item, Sequence | Refusal))


def read_genes(
    source: str | Path | BufferedReader, fasta: str | Path | None = None, *, unknown: Unknown = "refuse", strict: bool = False
) -> Iterator[Gene | Sequence | Refusal]:
    """Read annotation: each record's own sequence, followed by its genes.

    Args:
        source: GenBank, EMBL, GFF3 or GTF.
        fasta: Sequences of a GFF3 or GTF; None if they stand in the same file.
        unknown, strict: See `read_records`; lower case is always read.

    Raises:
        InputError: Like `read_records`; also if the input has no annotation.
    """
    with _opened(source) as stream:
        found = detect_stream(stream, stream.name)
        if not found.holds_genes:
            kind = _NOT_READ.get(found, f"{found.upper()}, which holds no genes")
            raise InputError(f"'{stream.name}' is {kind}. Give GenBank, EMBL, or GFF with its FASTA.")
        yield from _annotation(source, stream, found, fasta, unknown=unknown, strict=strict)


def _opened(source: str | Path | BufferedReader) -> AbstractContextManager[BufferedReader]:
    return nullcontext(source) if isinstance(source, BufferedReader) else open_input(source, text=False)


def _annotation(
    source: str | Path | BufferedReader, stream: BufferedReader, found: Format, fasta: str | Path | None, **letters: Unpack[Letters]
) -> Iterator[Gene | Sequence | Refusal]:
    if found not in (Format.GFF3, Format.GTF):
        from biolect.bio.io.genbank import read_genbank

        yield from read_genbank(stream, **letters)
    elif isinstance(source, BufferedReader) or str(source) == "-":
        raise InputError(f"{found.upper()} cannot be read from a stream, because it stands on sequences beside it. Give its path.")
    else:
        from biolect.bio.io.gff import read_gff

        yield from read_gff(source, fasta, **letters)
