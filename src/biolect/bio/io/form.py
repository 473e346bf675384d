"""The one form in which every reader hands on what it read, and what it would not read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
