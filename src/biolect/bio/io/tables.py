"""Tables: CSV, TSV and Parquet, plain or gzip, read and written with polars."""

from __future__ import annotations

import difflib
import io
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from biolect.bio.io.detect import detect_stream
from biolect.bio.io.fasta import guess_modality
from biolect.bio.io.form import Format, Letters, Refusal, read_one
from biolect.bio.io.smiles import smiles_column
from biolect.bio.sequence import Flanked, Modality, Sequence
from biolect.errors import InputError
from biolect.files import atomic_path, open_input, write_pieces

if TYPE_CHECKING:
    import polars

_NAMES = ("id", "name")


def read_table(
    source: str | Path | io.BufferedReader, columns: Iterable[str] = (), *, texts: Iterable[str] = (), where: str = ""
) -> polars.DataFrame:
    """Read a whole table.

    Args:
        source: A path, `-` for standard input, or an open stream.
        columns: Names that must be there.
        texts: Columns that are read as they are written, beside those of names: a family 007 is not 7.
        where: Name of the input, for messages; the path if left out.

    Raises:
        InputError: If it is no table, has no rows, rows of different lengths, or lacks a column.
    """
    import polars

    if not isinstance(source, io.BufferedReader):
        with open_input(source, text=False) as stream:
            return read_table(stream, columns, texts=texts, where=where or str(source))
    found = detect_stream(source, where)
    try:
        if found is Format.PARQUET:
            frame = polars.read_parquet(source.read())
        elif found in (Format.CSV, Format.TSV, Format.TEXT):
            first = source.peek(1).split(b"\n", 1)[0]
            is_tabbed = found is Format.TSV or (found is Format.TEXT and b"\t" in first)
            kinds: dict[str, Any] = dict.fromkeys([*_NAMES, *texts], polars.String)
            frame = polars.read_csv(source.read(), separator="\t" if is_tabbed else ",", infer_schema_length=None, schema_overrides=kinds)
        else:
            raise InputError(f"'{where}' is {found.upper()}, not a table. Give a CSV, TSV or Parquet file.")
    except polars.exceptions.PolarsError as error:
        text = str(error).strip().split("\n")[0].rstrip(".")
        advice = "Is it whole?" if found is Format.PARQUET else "Do all rows have as many fields as the header?"
        advice = "Save it as UTF-8." if "utf-8" in text else advice
        raise InputError(f"'{where}' cannot be read as a table: {text}. {advice}") from None
    if not len(frame):
        raise InputError(f"'{where}' has a header but no rows. Check how it was made.")
    for column in columns:
        if column not in frame.columns:
            raise lacking(frame, column, where)
    return frame


def lacking(frame: polars.DataFrame, column: str, where: str) -> InputError:
    """Return the error that says which columns there are instead of one."""
    close = difflib.get_close_matches(column, frame.columns, n=1)
    hint = f"Did you mean '{close[0]}'?" if close else "Name one of these, or rename one in the table."
    return InputError(f"'{where}' has no column '{column}'; it has {', '.join(map(repr, frame.columns))}. {hint}")


def read_sequences(
    source: str | Path | io.BufferedReader | polars.DataFrame,
    modality: Modality | None = None,
    *,
    column: str | None = None,
    among: Collection[Modality] = (),
    where: str = "",
    **letters: Unpack[Letters],
) -> Iterator[Sequence | Refusal]:
    """Read one sequence per row; names come from a column `id` or `name`, or are row numbers from 1.

    Args:
        source: As `read_table` takes it, or a table that was read already, which is then called `where`.
        column: Where the sequences are; None takes `sequence` or, where there is none, a column of SMILES. A row whose
            name is empty is refused.
        among: What the reader of the records knows; see `guess_modality`.

    Raises:
        InputError: Like `read_table`; also if the modality is not given and cannot be guessed, or is none of `among`.
    """
    if isinstance(source, str | Path | io.BufferedReader):
        where = where or str(source)
        source = read_table(source, where=where)
    frame = source
    if column is None:
        column = "sequence" if "sequence" in frame.columns and modality is not Modality.MOLECULE else smiles_column(frame.columns)
        if column is None:
            raise lacking(frame, "smiles" if modality is Modality.MOLECULE else "sequence", where)
        modality = modality if column == "sequence" else Modality.MOLECULE
    texts = _texts(frame, column, where)
    named = next((name for name in _NAMES if name in frame.columns), None)
    names: list[object] = frame[named].to_list() if named else list(range(1, len(texts) + 1))
    modality = modality or guess_modality("\n".join(texts).encode("latin-1", errors="replace"), where, among)
    for row, (given, text) in enumerate(zip(names, texts, strict=True), 1):
        name, place = str(row if given is None else given), f"{where}, row {row}"
        if given is None:
            yield Refusal(name, place, f"Its column '{named}' is empty. Fill it in, or remove the row.")
        else:
            yield read_one(text, modality, name, place, **letters)


def read_groups(
    source: str | Path, group: str, modality: Modality | None = None, *, column: str | None = None, **letters: Unpack[Letters]
) -> Iterator[tuple[str, str, Sequence | Refusal]]:
    """Read one sequence per row: its group, its place for messages, and itself, as `read_sequences` does.

    Args:
        group: Column that names the group of a row, without which the row is refused; empty: no groups.
    """
    frame = read_table(source, [group] if group else [], texts=[group])
    names = frame[group].to_list() if group else None
    for row, record in enumerate(read_sequences(frame, modality, column=column, where=str(source), **letters)):
        place = f"{source}, row {row + 1}"
        if names and names[row] is None and not isinstance(record, Refusal):
            record = Refusal(record.name, place, f"Its column '{group}' is empty. Fill it in, or remove the row.")
        yield str(names[row]) if names else "", place, record


def _texts(frame: polars.DataFrame, column: str, where: str) -> list[str]:
    """Return the cells of a column as text, empty where nothing is."""
    if column not in frame.columns:
        raise lacking(frame, column, where)
    return ["" if text is None else str(text).strip() for text in frame[column].to_list()]


def read_usable(
    source: str,
    column: str,
    refusal: Callable[[Sequence], str],
    modality: Modality | None = None,
    among: Collection[Modality] = (),
    lacking: Mapping[int, str] | None = None,
    contexts: Mapping[str, Modality] | None = None,
) -> tuple[list[Sequence], list[Refusal], list[int]]:
    """Read all rows at once and part those that can be used from those that cannot; see `read_sequences`.

    Args:
        refusal: Why a sequence cannot be used, as a sentence; empty if it can.
        lacking: Why rows cannot be used whatever their sequence is. 0-based.
        contexts: Columns of what stands around the sequences, which are `Flanked` then; a cell may be empty.

    Returns:
        Sequences, refusals, and the row of every sequence. 0-based.

    Raises:
        InputError: Like `read_sequences`; also if no row can be used.
    """
    records: list[Sequence] = []
    refused: list[Refusal] = []
    rows: list[int] = []
    frame, contexts = read_table(source, contexts or ()), contexts or {}
    around = {name: _texts(frame, name, source) for name in contexts}
    for row, found in enumerate(read_sequences(frame, modality, column=column, among=among, where=source)):
        own: dict[str, Any] = {name: read_one(texts[row], contexts[name], name, source) for name, texts in around.items() if texts[row]}
        fault = next((f"In its column '{name}': {one.reason}" for name, one in own.items() if isinstance(one, Refusal)), "")
        if around and not fault and not isinstance(found, Refusal):
            found = Flanked(found.residues, found.modality, found.name, found.description, found.folds, own)
        if isinstance(found, Refusal):
            refused.append(found)
        elif reason := fault or refusal(found) or (lacking or {}).get(row):
            refused.append(Refusal(found.name, f"{source}, row {row + 1}", reason))
        else:
            records.append(found)
            rows.append(row)
    if not records:
        raise InputError(f"Not one of the {len(refused)} rows of '{source}' can be used. The first: {refused[0].reason}")
    return records, refused, rows


def check_ending(path: str | Path) -> None:
    """Refuse a name under which no table can be written, before any work is done.

    Raises:
        InputError: If the name is not `-` and does not end in .parquet, .csv, .tsv, or the latter two with .gz.
    """
    name = str(path).lower()
    if not (name == "-" or name.removesuffix(".gz").endswith((".csv", ".tsv")) or name.endswith(".parquet")):
        raise InputError(f"'{path}' does not say which kind of table to write. End it in .parquet, .csv or .tsv.")


def write_table(path: str | Path, frame: polars.DataFrame) -> None:
    """Write a table as its ending says: `.parquet`, `.tsv` or `.csv`, the latter two also `.gz`.

    Args:
        path: `-` is standard output, as CSV.

    Raises:
        InputError: If the ending names no table, or the place cannot be written.
    """
    check_ending(path)
    name = str(path).lower()
    if name.endswith(".parquet"):
        with atomic_path(path) as temporary:
            frame.write_parquet(temporary)
        return
    write_pieces(path, [frame.write_csv(separator="\t" if name.removesuffix(".gz").endswith(".tsv") else ",").encode()])
