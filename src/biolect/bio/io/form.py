"""The one form in which every reader hands on what it read, and what it would not read."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypedDict, Unpack

from biolect.bio.alphabet import Unknown
from biolect.bio.sequence import Modality, Sequence
from biolect.errors import AlphabetError


class Letters(TypedDict, total=False):
    """What becomes of letters that are not canonical.

    Attributes:
        unknown: `mask` reads letters outside the alphabet as the unknown residue.
        strict: Refuse records with a letter that would have to be folded.
    """

    unknown: Unknown
    strict: bool


EMPTY = "The record has no letters. Remove it, or add its sequence."
_NO_MOLECULE = "The record has no SMILES. Remove it, or add its molecule."


class Format(StrEnum):
    """Kinds of file that are told apart by their content."""

    FASTA = "fasta"
    A3M = "a3m"
    GENBANK = "genbank"
    GENPEPT = "genpept"
    EMBL = "embl"
    GFF3 = "gff3"
    GTF = "gtf"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"
    FASTQ = "fastq"
    STOCKHOLM = "stockholm"
    SMILES = "smiles"
    TEXT = "text"

    @property
    def holds_genes(self) -> bool:
        """True for annotation, which `read_genes` turns into genes."""
        return self in (Format.GENBANK, Format.EMBL, Format.GFF3, Format.GTF)

    @property
    def is_table(self) -> bool:
        """True for files of columns with names."""
        return self in (Format.CSV, Format.TSV, Format.PARQUET)


@dataclass(frozen=True)
class Refusal:
    """A record that was not read. Refusals are counted and listed, never dropped in silence.

    Attributes:
        id: Name of the record as given; may be empty.
        where: File, and line (1-based) where known.
        reason: What is wrong and what to do, in whole sentences.
    """

    id: str
    where: str
    reason: str


def read_one(
    text: str, modality: Modality, name: str, where: str, *, description: str = "", **letters: Unpack[Letters]
) -> Sequence | Refusal:
    """Return the sequence that letters make, or why they make none; see `Alphabet.canonical`."""
    if not text:
        return Refusal(name, where, _NO_MOLECULE if modality is Modality.MOLECULE else EMPTY)
    try:
        canonical, folds = modality.rules.canonical(text, name=name, **letters)
    except AlphabetError as error:
        return Refusal(name, where, str(error))
    return Sequence(canonical, modality, name, description, folds)
