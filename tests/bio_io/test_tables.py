"""Tables of sequences."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import polars
import pytest

from biolect.bio.io import Refusal, read_records
from biolect.bio.io.tables import read_sequences, read_table, read_usable, write_table
from biolect.bio.sequence import Modality, Sequence
from biolect.errors import InputError

FRAME = polars.DataFrame({"id": ["a", "b"], "sequence": ["ACGT", "GG"], "value": [1.5, None]})


@pytest.mark.parametrize("name", ["x.csv", "x.tsv", "x.parquet", "x.csv.gz", "x.tsv.gz"])
def test_what_is_written_is_read_again(tmp_path: Path, name: str) -> None:
    write_table(tmp_path / name, FRAME)

    assert read_table(tmp_path / name, ["id", "value"]).equals(FRAME)
    assert [(s.name, str(s)) for s in read_records(tmp_path / name) if not isinstance(s, Refusal)] == [("a", "ACGT"), ("b", "GG")]


def test_standard_input_is_read_once_whatever_is_asked_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"id,cds,leader\na,ATG,ACG\nb,ATG,\nc,ATG,A!\n")))

    records, refused, rows = read_usable("-", "cds", lambda _: "", Modality.DNA, contexts={"leader": Modality.DNA})

    assert [(record.name, [*getattr(record, "contexts", {})]) for record in records] == [("a", ["leader"]), ("b", [])]
    assert [one.id for one in refused] == ["c"] and rows == [0, 1]


def test_a_row_that_cannot_be_used_is_named_by_its_place(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("id,cds\na,ATG\nb,ATG\nc,ATGA\n")

    _, refused, _ = read_usable(str(tmp_path / "x.csv"), "cds", lambda record: "odd" * (len(record) % 3), Modality.DNA)

    assert [(one.id, one.where, one.reason) for one in refused] == [("c", f"{tmp_path / 'x.csv'}, row 3", "odd")]


def test_where_no_row_can_be_used_the_first_reason_is_given(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("id,cds\na,ATG\nb,ATGA\n")

    with pytest.raises(InputError, match="Not one of the 2 rows .* The first: 3 letters"):
        read_usable(str(tmp_path / "x.csv"), "cds", lambda record: f"{len(record)} letters", Modality.DNA)


def test_a_number_far_down_changes_no_type_before_it(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("value\n" + "1\n" * 20_000 + "1.5\n")

    assert read_table(path)["value"].sum() == 20_001.5


def test_windows_line_ends_and_a_mark_make_no_difference(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_bytes(b"\xef\xbb\xbfid\tsequence\r\na\tACGT\r\n")

    assert read_table(path).columns == ["id", "sequence"]
    assert [str(s) for s in read_sequences(path)] == ["ACGT"]


def test_rows_without_names_are_numbered_and_bad_ones_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("sequence,y\nACGT,1\nAC7T,2\n,3\n")

    good, wrong, empty = read_sequences(path)

    assert isinstance(good, Sequence) and good.name == "1"
    assert isinstance(wrong, Refusal) and (wrong.id, wrong.where) == ("2", f"{path}, row 2")
    assert isinstance(empty, Refusal) and empty.reason == "The record has no letters. Remove it, or add its sequence."


def test_a_row_whose_name_is_empty_is_refused_not_named_none(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("id,sequence,smiles\na,ACGT,CC\n,GG,CO\n")

    for modality in (None, Modality.MOLECULE):
        _, refused = read_sequences(path, modality)
        assert refused == Refusal("2", f"{path}, row 2", "Its column 'id' is empty. Fill it in, or remove the row.")


@pytest.mark.parametrize("data", [gzip.compress(b">a\nACGT\n", mtime=0), b">a\nACGT\n"])
def test_what_is_no_table_is_said(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(data)

    with pytest.raises(InputError, match="is FASTA, not a table. Give a CSV, TSV or Parquet file."):
        read_table(path)


def test_a_missing_column_is_named_with_its_nearest(tmp_path: Path) -> None:
    write_table(tmp_path / "x.csv", FRAME)

    with pytest.raises(InputError, match=r"has no column 'sequense'; it has 'id', 'sequence', 'value'\. Did you mean 'sequence'\?$"):
        read_table(tmp_path / "x.csv", ["sequense"])


def test_an_ending_that_says_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"does not say which kind of table to write\. End it in \.parquet, \.csv or \.tsv\."):
        write_table(tmp_path / "x.xls", FRAME)


def test_standard_output_takes_csv(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write_table("-", FRAME)

    assert capfdbinary.readouterr().out == b"id,sequence,value\na,ACGT,1.5\nb,GG,\n"


def test_a_damaged_parquet_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write_table(path, FRAME)
    path.write_bytes(path.read_bytes()[:-30])

    with pytest.raises(InputError, match="cannot be read as a table"):
        read_table(path)
