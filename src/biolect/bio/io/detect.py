"""Which format a file has: by its content first, by its name only where the content cannot tell."""

import re
from io import BufferedReader
from pathlib import PurePath

from biolect.bio.io.form import Format
from biolect.bio.io.smiles import ENDINGS, looks_like_smiles
from biolect.errors import InputError
from biolect.files.reading import check_text, open_input

_BEGINNINGS = (
    (Format.PARQUET, rb"PAR1"),
    (Format.STOCKHOLM, rb"# STOCKHOLM"),
    (Format.GENPEPT, rb"LOCUS\s[^\n]* aa\s"),
    (Format.GENBANK, rb"LOCUS\s|\S+\s+Genetic Sequence Data Bank"),
    (Format.EMBL, rb"ID {3}\S[^\n]*;"),
    (Format.GTF, rb'(?:#[^\n]*\n|\s)*(?:[^\t\n]+\t){3}\d+\t\d+\t(?:[^\t\n]*\t){3}[^\n]*(?:gene|transcript)_id "'),
    (Format.GFF3, rb"##gff-version|##sequence-region\s|(?:#[^\n]*\n|\s)*(?:[^\t\n]+\t){3}\d+\t\d+\t(?:[^\t\n]*\t){2}"),
    (Format.FASTA, rb"(?:[#;][^\n]*\n\s*)*>"),
    (Format.FASTQ, rb"@[^\r\n]*\r?\n[A-Za-z.*-]+\s*\r?\n\+"),
)
# Endings of their names, and how the content begins where it must.
_KINDS = {
    Format.FASTA: (".fa .fasta .fna .ffn .faa", "FASTA begins with '>'"),
    Format.A3M: (".a3m", "A3M begins with '>'"),
    Format.GENBANK: (".gb .gbk .gbff", "GenBank begins with 'LOCUS'"),
    Format.GENPEPT: (".gp .gpff", "GenPept begins with 'LOCUS'"),
    Format.EMBL: (".embl", "EMBL begins with 'ID   '"),
    Format.GFF3: (".gff .gff3", "GFF3 begins with '##gff-version 3' or has nine columns separated by tabs"),
    Format.GTF: (".gtf", "GTF has nine columns separated by tabs"),
    Format.CSV: (".csv", ""),
    Format.TSV: (".tsv .tab", ""),
    Format.PARQUET: (".parquet", "Parquet begins with 'PAR1'"),
    Format.FASTQ: (".fastq .fq", "FASTQ begins with '@' and repeats '+' after the letters"),
    Format.STOCKHOLM: (".sto .sth .stk", "Stockholm begins with '# STOCKHOLM 1.0'"),
    Format.SMILES: (" ".join(ENDINGS), ""),
    Format.TEXT: (".txt .md .html .htm .json .jsonl .ipynb .xml", ""),
}
_BY_ENDING = {ending: kind for kind, (endings, _) in _KINDS.items() for ending in endings.split()}


def detect(path: str | PurePath) -> Format:
    """Return the format of a file, plain or gzip.

    Raises:
        InputError: If the file cannot be opened, is empty, is binary, or is not what its name says.
    """
    with open_input(str(path), text=False) as stream:
        return detect_stream(stream, str(path))


def detect_stream(stream: BufferedReader, name: str) -> Format:
    """Return the format of an open input without consuming it. Raises InputError like `detect`."""
    head = stream.peek(1)
    text = head.lstrip()
    if not text:
        raise InputError(f"'{name}' is empty{' but for blank lines' if head else ''}. Check how it was made.")
    named = _BY_ENDING.get(_ending(name))
    found = next((kind for kind, rule in _BEGINNINGS if re.match(rule, text)), None)
    if found is not Format.PARQUET:
        _refuse_odd(head, name)
    if found is Format.GFF3 and (version := re.match(rb"##gff-version\s+(?!3)(\S+)", text)):
        raise InputError(f"'{name}' says that it is GFF version {version[1].decode('latin-1')!r}. Only GFF3 and GTF are read; convert it.")
    if found is Format.FASTA and named is not None:
        return named if named in (Format.A3M, Format.TEXT) else found
    if found is not None:
        return found
    if named in (None, Format.TEXT) and looks_like_smiles(head):
        return Format.SMILES
    if named in (None, Format.TEXT, Format.CSV, Format.TSV, Format.SMILES):
        return named or Format.TEXT
    first = text.split(b"\n", 1)[0].strip().decode("utf-8", errors="replace")
    raise InputError(f"'{name}' is named like {named.upper()}, but begins with {first[:40]!r}. {_KINDS[named][1]}. Is it the right file?")


def _ending(name: str) -> str:
    path = PurePath(name.lower())
    return PurePath(path.stem).suffix if path.suffix in (".gz", ".bgz") else path.suffix


def _refuse_odd(head: bytes, name: str) -> None:
    check_text(head, name)
    if b"\r" in head and b"\n" not in head:
        raise InputError(
            f"'{name}' has old Macintosh line ends (CR only), which are not read. Convert it, for example with tr '\\r' '\\n'."
        )
    if head.startswith(b"version https://git-lfs"):
        raise InputError(f"'{name}' is a Git LFS pointer, not the file itself. Fetch the file with git lfs pull.")
