"""Stockholm: alignments as Pfam and Rfam write them, one after the other; every row leaves without its gaps."""

from __future__ import annotations

from collections.abc import Iterator
from io import BufferedReader
from typing import Any

from biolect.bio.io import fasta
from biolect.bio.io.form import Refusal
from biolect.bio.sequence import Modality, Sequence
from biolect.errors import InputError


def read(stream: BufferedReader, modality: Modality | None = None, *, where: str = "input", **letters: Any) -> Iterator[Sequence | Refusal]:
    """Read one sequence per row, as `fasta.read` does of an A3M; its description is the name of its alignment.

    Raises:
        InputError: If a line is none of the format, rows differ in length, or the file ends inside an alignment.
    """
    for rows in _alignments(stream, where):
        modality = modality or fasta.guess_modality(b"\n".join(row for _, row, _ in rows), where)
        yield from fasta.read_rows(rows, modality, where=where, is_alignment=True, **letters)


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
