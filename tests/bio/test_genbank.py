"""GenBank files: what is read, and what is refused in which words."""

import gzip
import io

import pytest

from biolect.bio.gene import Gene
from biolect.bio.io.form import Refusal
from biolect.bio.io.genbank import read_genbank
from biolect.bio.sequence import Modality, Sequence
from biolect.errors import InputError
from biolect.files import open_input
from tests.bio.small import feature, flat_file, gene, read, refusals

PLAIN = feature("CDS", "1..9", gene="x", translation="MA")


def test_a_record_comes_before_its_genes():
    first, second = flat_file("ATGGCTTAA", PLAIN), flat_file("CCATGGCTTAA", feature("CDS", "3..11"), name="TOY2")

    found = read(first + second)

    assert [type(item) for item in found] == [Sequence, Gene, Sequence, Gene]
    assert [item.name for item in found] == ["TOY1.1", "x", "TOY2.1", "TOY2.1:3"]  # pyright: ignore
    assert found[0] == Sequence("ATGGCTTAA", Modality.DNA, "TOY1.1", "Toy.")


@pytest.mark.parametrize(
    "pack", [lambda t: t, gzip.compress, lambda t: t.replace(b"\n", b"\r\n"), lambda t: b"GBBCT1.SEQ  Release\n\n" + t]
)
def test_packing_line_ends_and_release_headers_change_nothing(pack, tmp_path):
    path = tmp_path / "toy.gb"
    path.write_bytes(pack(flat_file("ATGGCTTAA", PLAIN) * 2))

    with open_input(path) as stream:
        found = list(read_genbank(stream))

    assert [type(item) for item in found] == [Sequence, Gene] * 2
    assert found[1].check().status == "equal"  # pyright: ignore


def test_records_are_found_whatever_the_blocks(monkeypatch):
    monkeypatch.setattr("biolect.bio.io.genbank._BLOCK_BYTES", 37)

    assert len(read(flat_file("ATGGCTTAA", PLAIN) * 3)) == 6


def test_a_record_that_the_quick_parser_refuses_is_read_by_the_other():
    text = flat_file("ATGGCTTAA", PLAIN).replace(b"9 bp", b"999 bp")

    assert [type(item) for item in read(text)] == [Sequence, Gene]


def test_a_record_that_no_parser_reads_is_refused_and_the_next_is_read():
    broken = flat_file("ATGGCTTAA", feature("CDS", "1..9", codon_start=1)).replace(
        b"     CDS             1..9", b"     CDS             1.."
    )
    broken = b"LOCUS       BROKEN\nFEATURES             Location/Qualifiers\n     CDS\nORIGIN\n        1 !!\n//\n" + broken[:0]

    found = read(broken + flat_file("ATGGCTTAA", PLAIN))

    assert [type(item) for item in found] == [Refusal, Sequence, Gene]
    assert found[0].id == "BROKEN"  # pyright: ignore


@pytest.mark.parametrize(
    ("location", "says", "reason"),
    [
        ("join(1..3,U1.1:7..10)", {}, "The CDS cannot be used: it lies in part on another record, U1.1."),
        ("1..12", {}, "its piece 1..12 (1-based) lies outside the record, which has 9 nucleotides"),
        ("7..3", {}, "its piece 7..3 runs backwards, which only a circular record allows"),
        ("3^4", {}, "is not definite"),
        ("one-of(1,3)..9", {}, "is not definite"),
        ("1..9", {"codon_start": 7}, "its codon_start is 7, which must be 1, 2 or 3"),
        ("1..9", {"transl_table": 8}, "There is no genetic code 8. The NCBI has 1, 2"),
        ("1..9", {"transl_table": '"x"'}, "its transl_table is"),
    ],
)
def test_a_feature_that_cannot_be_used_is_refused_with_its_name(location, says, reason):
    (refusal,) = refusals(flat_file("ATGGCTTAA", feature("CDS", location, gene="x", protein_id="P1", **says)))

    assert refusal.id == "P1"
    assert reason in refusal.reason


def test_a_location_that_ends_openly_is_read():
    found = gene("ATGGCTTAA", feature("CDS", "join(1..3,4..6,>9)"))

    assert [tuple(span) for span in found.coding_spans] == [(0, 3, 1), (3, 6, 1), (8, 9, 1)]
    assert (found.is_partial_start, found.is_partial_stop) == (False, True)


@pytest.mark.parametrize(("location", "opens"), [("<1..9", (True, False)), ("1..>9", (False, True)), ("complement(<1..9)", (False, True))])
def test_both_parsers_see_which_end_is_open(location, opens):
    text = flat_file("ATGGCTTAA", feature("CDS", location))

    for one in (text, text.replace(b"9 bp", b"999 bp")):
        (found,) = (item for item in read(one) if isinstance(item, Gene))
        assert (found.is_partial_start, found.is_partial_stop) == opens


def test_proteins_are_records_without_genes():
    text = flat_file("MACD", feature("CDS", "1..4", gene="x")).replace(b"4 bp    DNA    ", b"4 aa           ")

    assert read(text) == [Sequence("MACD", Modality.PROTEIN, "TOY1.1", "Toy.")]


def test_a_protein_of_embl_is_a_protein():
    text = b"ID   DI500001       STANDARD;      PRT;   4 AA.\nAC   DI500001;\nSQ   Sequence 4 AA;\n     MACD           4\n//\n"

    assert read(text) == [Sequence("MACD", Modality.PROTEIN, "DI500001", "")]


def test_a_record_without_letters_is_refused():
    text = flat_file("", PLAIN).replace(b"ORIGIN", b"CONTIG      join(U1.1:1..9)")

    (refusal,) = read(text)

    assert isinstance(refusal, Refusal)
    assert "no sequence, only its features" in refusal.reason


def test_embl_is_read():
    text = b"""ID   X56734; SV 1; linear; mRNA; STD; PLN; 9 BP.
AC   X56734;
FH   Key             Location/Qualifiers
FT   CDS             1..9
FT                   /gene="x"
FT                   /translation="MA"
SQ   Sequence 9 BP; 3 A; 1 C; 2 G; 3 T; 0 other;
     atggcttaa                                                                  9
//
"""
    sequence, found = read(text * 2)[:2]

    assert isinstance(found, Gene)
    assert (found.check().status, found.record) == ("equal", "X56734.1")
    assert sequence == Sequence("AUGGCUUAA", Modality.RNA, "X56734.1", "")


def test_a_file_without_records_is_an_error():
    with pytest.raises(InputError, match="holds no GenBank record: no line begins with LOCUS"):
        list(read_genbank(io.BytesIO(b">x\nACGT\n")))


def test_odd_letters_are_masked_or_refused_as_asked():
    text, refused = flat_file("ATGG!TTAAR", PLAIN), "Symbol '!' at index 4"
    (one,) = refusals(text)
    record, gene = read_genbank(io.BytesIO(text), unknown="mask")
    (strict,) = read_genbank(io.BytesIO(flat_file("ATGGCTTAAR", PLAIN)), strict=True)

    assert refused in one.reason
    assert isinstance(record, Sequence) and (record.residues, record.folds.unknown, record.folds.ambiguity) == ("ATGGNTTAAN", 1, 1)
    assert isinstance(gene, Gene) and (gene.coding_sequence.residues, gene.contig.letters) == ("ATGGNTTAA", b"ATGGNTTAAR")
    assert isinstance(strict, Refusal) and "Symbol 'R' at index 9" in strict.reason
