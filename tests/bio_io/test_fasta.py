"""FASTA and A3M: what is written can be read again."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from biolect.bio.io import Format, detect, read_records, write_fasta
from biolect.bio.io.fasta import guess_modality, read_alignment, write_rows
from biolect.bio.sequence import Modality, Sequence
from biolect.errors import InputError
from biolect.files import open_input

A3M = b"#12\t1\n>query\nMKV-L\n>one some words\nM-Vaa-L\n"


def sequences(letters: str) -> st.SearchStrategy[list[Sequence]]:
    word = st.text("abcXYZ019_|.", min_size=1, max_size=9)
    return st.lists(st.builds(Sequence, st.text(letters, min_size=1, max_size=200), st.just(Modality.PROTEIN), word, word), min_size=1)


@given(records=sequences("ACDEFGHIKLMNPQRSTVWYX*"), width=st.integers(0, 70), ending=st.sampled_from([".fa", ".fa.gz"]))
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, records: list[Sequence], width: int, ending: str) -> None:
    path = tmp_path_factory.mktemp("written") / f"x{ending}"

    assert write_fasta(path, records, width=width) == len(records)

    assert list(read_records(path, modality="protein")) == records
    assert path.read_bytes().startswith(b"\x1f\x8b") == ending.endswith(".gz")


def test_lines_are_as_wide_as_asked(tmp_path: Path) -> None:
    write_fasta(tmp_path / "x.fa", [Sequence("ACGTACG", Modality.DNA, "a", "b c")], width=3)

    assert (tmp_path / "x.fa").read_text() == ">a b c\nACG\nTAC\nG\n"


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def broken():
        yield Sequence("ACGT", Modality.DNA, "a")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_fasta(tmp_path / "x.fa", broken())

    assert list(tmp_path.iterdir()) == []


def test_standard_output_takes_fasta(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write_fasta("-", [Sequence("ACGT", Modality.DNA, "a")])

    assert capfdbinary.readouterr().out == b">a\nACGT\n"


def test_an_alignment_is_read_as_sequences_without_its_gaps(tmp_path: Path) -> None:
    path = tmp_path / "x.a3m.gz"
    path.write_bytes(gzip.compress(A3M))

    assert detect(path) is Format.A3M
    assert [str(s) for s in read_records(path, modality="protein")] == ["MKVL", "MVAAL"]


def test_rows_of_an_alignment_are_kept_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "x.a3m"
    path.write_bytes(A3M)

    with open_input(path) as stream:
        rows = read_alignment(stream, "x.a3m")
    assert rows == [("query", "MKV-L"), ("one some words", "M-Vaa-L")]

    assert write_rows(path, rows) == 2
    assert path.read_bytes() == A3M.split(b"\n", 1)[1]


def test_rows_of_different_width_are_refused() -> None:
    stream: io.BufferedReader = io.BufferedReader(io.BytesIO(b">a\nMKV\n>b\nMKVL\n"))

    with pytest.raises(InputError, match=r"^Row 'b' of 'f' \(line 3\) has 4 columns, but the first row has 3\. Columns are capitals"):
        read_alignment(stream, "f")


@pytest.mark.parametrize(
    ("text", "modality"),
    [
        (b">E\nACGTACGT\n", Modality.DNA),
        (b">a\nacgun\n", Modality.RNA),
        (b">a\nACGTU\n", Modality.DNA),
        (b">a\nMKVL\n", Modality.PROTEIN),
        (b">a\nNNNNNNNN\n", Modality.DNA),
        (b">a\nACGT-ACGT\n", Modality.DNA),
    ],
)
def test_the_modality_is_told_from_the_letters(text: bytes, modality: Modality) -> None:
    assert guess_modality(text, "f") is modality


def test_what_letters_leave_open_is_told_by_the_name_or_by_the_reader() -> None:
    assert guess_modality(b">a\nRYSW\n", "x.faa.gz") is guess_modality(b">a\nRYSW\n", "x", [Modality.PROTEIN]) is Modality.PROTEIN
    assert guess_modality(b">a\nGGCA\n", "x", [Modality.RNA]) is Modality.RNA
    for letters, known in ((b">a\nACGT\n", Modality.RNA), (b">a\nACGU\n", Modality.DNA), (b">a\nMEL\n", Modality.DNA)):
        with pytest.raises(InputError, match=f"'x' holds .* by its letters, but the model reads {known} only"):
            guess_modality(letters, "x", [known])


def test_a_stray_letter_does_not_make_a_protein_of_dna():
    assert guess_modality(b">a\n" + b"ACGT" * 50 + b"X" * 10 + b"E", "f.fna") is Modality.DNA
    assert guess_modality(b">a\nMAGICALTAGCATPLANTNAG\n", "f") is Modality.PROTEIN
