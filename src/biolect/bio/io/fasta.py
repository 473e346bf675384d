"""FASTA, A3M and Stockholm: one sequence per record, in order; `read_codes` reads the same as arrays.

Blank lines, white space inside lines, Windows line ends and comment lines (`;`, `#`) before the first
header are read over. Everything else that is not a letter of the alphabet refuses its record.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Unpack

from biolect.bio.io.blocks import WHITE, Codes, raw_records, read_codes, record_name
from biolect.bio.io.form import Letters, Refusal, read_one
from biolect.bio.sequence import Modality, Sequence
from biolect.errors import InputError
from biolect.files import write_pieces

__all__ = ["Codes", "guess_modality", "read", "read_alignment", "read_codes", "read_stockholm", "write_fasta", "write_rows"]

_ENDINGS = {".faa": Modality.PROTEIN, ".fna": Modality.DNA, ".ffn": Modality.DNA}


def read(
    stream: BufferedReader,
    modality: Modality | None = None,
    *,
    where: str = "input",
    is_alignment: bool = False,
    **letters: Unpack[Letters],
) -> Iterator[Sequence | Refusal]:
    """Read one sequence per record, in order.

    Args:
        modality: What the letters are; None guesses from the first block, see `guess_modality`.
        where: Name of the input, for messages.
        is_alignment: A3M: gaps are left out, and insertions (lower case) are read as residues.

    Returns:
        Sequences, and refusals in the place of records that have no or wrong letters.

    Raises:
        InputError: If there is text before the first header, or the modality cannot be guessed.
    """
    modality = modality or guess_modality(stream.peek(1), where)
    return _read_rows(raw_records(stream, where), modality, where, is_alignment, **letters)


def _read_rows(
    rows: Iterable[tuple[bytes, bytes, int]], modality: Modality, where: str, is_alignment: bool, **letters: Unpack[Letters]
) -> Iterator[Sequence | Refusal]:
    for header, text, line in rows:
        name, spelled = record_name(header).decode(), text.translate(None, WHITE + b"-." * is_alignment).decode("latin-1")
        description = header.decode("utf-8", errors="replace").strip()[len(name) :].strip()
        spelled = spelled.upper() if is_alignment else spelled
        yield read_one(spelled, modality, name, f"{where}:{line}", description=description, **letters)


def read_stockholm(
    stream: BufferedReader, modality: Modality | None = None, *, where: str = "input", **letters: Unpack[Letters]
) -> Iterator[Sequence | Refusal]:
    """Read one sequence per row of alignments as Pfam and Rfam write them, one after the other; described by their alignment's name.

    Raises:
        InputError: If a line is none of the format, rows differ in length, or the file ends inside an alignment.
    """
    for rows in _alignments(stream, where):
        modality = modality or guess_modality(b"\n".join(row for _, row, _ in rows), where)
        yield from _read_rows(rows, modality, where, is_alignment=True, **letters)


def _alignments(stream: BufferedReader, where: str) -> Iterator[list[tuple[bytes, bytes, int]]]:
    """Yield the rows of each alignment: name and alignment, letters, and the 1-based line where the name came first."""
    family, number = b"", 0
    rows: dict[bytes, tuple[list[bytes], int]] = {}
    for number, line in enumerate(stream, start=1):
        words = line.split()
        if words[:2] == [b"#=GF", b"ID"]:
            family = b" ".join(words[2:])
        elif words == [b"//"]:
            joined = [(name + b" " + family, b"".join(parts), first) for name, (parts, first) in rows.items()]
            _check_lengths(joined, where)
            yield joined
            family, rows = b"", {}
        elif words and not words[0].startswith(b"#"):
            if len(words) != 2:
                raise InputError(f"Line {number} (1-based) of '{where}' is no row of an alignment: a name, then letters. Is it whole?")
            rows.setdefault(words[0], ([], number))[0].append(words[1])
    if rows:
        raise InputError(f"'{where}' ends after line {number} inside an alignment, which '//' would close. Fetch or copy it again.")


def _check_lengths(rows: list[tuple[bytes, bytes, int]], where: str) -> None:
    for header, letters, line in rows:
        if len(letters) != len(rows[0][1]):
            name = header.split()[0].decode(errors="replace")
            raise InputError(
                f"Row '{name}' of '{where}' (line {line}) has {len(letters)} columns, but the first row has {len(rows[0][1])}. "
                "Align the row again, or leave it out."
            )


def guess_modality(head: bytes, where: str, among: Collection[Modality] = ()) -> Modality:
    """Tell the modality of FASTA records from the beginning of their file.

    Letters that no nucleotide code has (E F I L P Q and so on) make a protein. Otherwise, with nine of
    ten letters among A C G T U N, it is RNA if there are U and no T, and DNA if not. Where letters cannot tell, the
    name does: .faa is protein, .fna and .ffn are DNA.

    Args:
        among: What the reader of the records knows; it decides where letters and name leave it open.

    Raises:
        InputError: If there are no letters, only letters that may be both, or letters of what the reader does not know.
    """
    found = _guessed(head, where, among)
    if among and found not in among:
        known = " or ".join(among)
        raise InputError(
            f"'{where}' holds {found} by its letters, but the model reads {known} only. Take a model of {found}; if it is {known} all the "
            f"same, say so with --modality {next(iter(among))}."
        )
    return found


def _guessed(head: bytes, where: str, among: Collection[Modality]) -> Modality:
    text = re.sub(rb"(?m)^[>;#].*$", b"", head).upper()
    counts = {letter: text.count(letter.encode()) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
    total = sum(counts.values())
    if total and sum(counts[letter] for letter in "ACGTUN") >= 0.9 * total:
        # Letters without T and U are of both.
        is_rna = not counts["T"] and (counts["U"] or (Modality.RNA in among and Modality.DNA not in among))
        return Modality.RNA if is_rna else Modality.DNA
    if sum(counts[letter] for letter in "EFIJLOPQXZ"):
        return Modality.PROTEIN
    if not total:
        raise InputError(f"No record of '{where}' has letters. Check how it was made.")
    for ending, modality in _ENDINGS.items():
        if where.lower().removesuffix(".gz").endswith(ending):
            return modality
    if len(among) == 1:
        return next(iter(among))
    raise InputError(
        f"Whether '{where}' holds DNA, RNA or protein cannot be told from its letters. Give it as FASTA, named .faa for protein or "
        ".fna for DNA."
    )


def write_fasta(path: str | Path, sequences: Iterable[Sequence], *, width: int = 60) -> int:
    """Write sequences as FASTA, packed if the path ends in `.gz`; return how many.

    Args:
        path: `-` is standard output.
        width: Residues per line; 0 writes each sequence in one line.
    """
    rows = ((f"{s.name} {s.description}".strip(), s.residues) for s in sequences)
    return write_rows(path, rows, width=width)


def write_rows(path: str | Path, rows: Iterable[tuple[str, str]], *, width: int = 0) -> int:
    """Write headers and letters as they are, as FASTA or (rows of an alignment) A3M; return how many."""
    count = 0

    def texts() -> Iterator[bytes]:
        nonlocal count
        for header, letters in rows:
            count, step = count + 1, width or max(1, len(letters))
            lines = [letters[i : i + step] for i in range(0, len(letters), step)]
            yield "\n".join([f">{header}", *lines, ""]).encode()

    write_pieces(path, texts())
    return count


def read_alignment(stream: BufferedReader, where: str = "input") -> list[tuple[str, str]]:
    """Read an A3M as (header, row): columns in capitals and `-`, insertions in lower case or `.`.

    Raises:
        InputError: If there is no row, or rows have different numbers of columns.
    """
    rows: list[tuple[str, str]] = []
    columns = 0
    for header, text, line in raw_records(stream, where):
        row = text.translate(None, WHITE).decode("latin-1")
        found = len(row) - sum(letter.islower() or letter == "." for letter in row)
        columns = columns or found
        if found != columns or not found:
            raise InputError(
                f"Row '{record_name(header).decode()}' of '{where}' (line {line}) has {found} columns, but the first row has {columns}. "
                "Columns are capitals and '-'; align the row again, or leave it out."
            )
        rows.append((header.decode("utf-8", errors="replace").strip(), row))
    return rows
