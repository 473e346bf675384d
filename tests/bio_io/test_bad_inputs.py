"""The bad inputs that users bring, and the exact sentence each one gets."""

from __future__ import annotations

import gzip
import io
import random
import resource
from pathlib import Path

import pytest

from biolect.bio.io import Refusal, fasta, read_genes, read_records
from biolect.bio.io.tables import read_table
from biolect.bio.sequence import Modality, Sequence
from biolect.errors import InputError
from biolect.files import open_input

GOOD = b">a one\nACGTACGT\nAC\n>b\nTTGG\n"
PROTEIN = b">p\nMKVLAWEF*\n"
TRUNCATED = gzip.compress(random.Random(1).randbytes(4000).hex().encode())[:-900]
GENBANK = b"LOCUS       X 60 bp DNA\nDEFINITION  x.\nORIGIN\n        1 acgtacgtac gtacgt\n"

# What the file holds, what it is called, and what is said about the file as a whole.
FILES = {
    "empty file": (b"", "x.fa", "'{}' is empty. Check how it was made."),
    "empty gzip file": (gzip.compress(b""), "x.fa.gz", "'{}' is empty. Check how it was made."),
    "blank lines only": (b"\n\n", "x.fa", "'{}' is empty but for blank lines. Check how it was made."),
    "truncated gzip": (TRUNCATED, "x.gz", "'{}' ends before its gzip stream does. The file is cut short: fetch or copy it again."),
    "wrong format": (
        b"hello world\n",
        "x.fa",
        "'{}' is named like FASTA, but begins with 'hello world'. FASTA begins with '>'. Is it the right file?",
    ),
    "wrong GenBank": (
        b"seq\n",
        "x.gb.gz",
        "'{}' is named like GENBANK, but begins with 'seq'. GenBank begins with 'LOCUS'. Is it the right file?",
    ),
    "plain text": (
        b"Dear all\n",
        "x.txt",
        "'{}' is plain text without sequence records. FASTA begins with '>', GenBank with 'LOCUS', and a table is named .csv or .tsv.",
    ),
    "FASTQ": (b"@r\nACGT\n+\nIIII\n", "x.fa", "'{}' is FASTQ, which is not read. Convert it to FASTA, for example with seqtk seq -A."),
    "Stockholm that is cut short": (
        b"# STOCKHOLM 1.0\np MKVLAWEF\n",
        "x.sto",
        "'{}' ends after line 2 inside an alignment, which '//' would close. Fetch or copy it again.",
    ),
    "Stockholm with rows of different length": (
        b"# STOCKHOLM 1.0\np MKVLAWEF\nq MKVLAWE\n//\n",
        "x.sto",
        "Row 'q' of '{}' (line 3) has 7 columns, but the first row has 8. Align the row again, or leave it out.",
    ),
    "Stockholm without letters": (
        b"# STOCKHOLM 1.0\np MKVLAWEF\nq\n//\n",
        "x.sto",
        "Line 3 (1-based) of '{}' is no row of an alignment: a name, then letters. Is it whole?",
    ),
    "GFF version 2": (
        b"##gff-version 2\n",
        "x.gff",
        "'{}' says that it is GFF version '2'. Only GFF3 and GTF are read; convert it.",
    ),
    "binary": (b"\x7fELF\x02\x00\x00", "x.fa", "'{}' is a binary file (a zero byte at offset 5); text is expected. Is it the right file?"),
    "bzip2": (b"BZh91AY&SY\x00", "x.fa", "'{}' is packed with bzip2, which is not read. Unpack it, or pack it with gzip."),
    "Git LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "x.fa",
        "'{}' is a Git LFS pointer, not the file itself. Fetch the file with git lfs pull.",
    ),
    "old line ends": (
        b">a\rACGT\r",
        "x.fa",
        "'{}' has old Macintosh line ends (CR only), which are not read. Convert it, for example with tr '\\r' '\\n'.",
    ),
    "letters of any kind": (
        b">a\nRYSW\n",
        "x.fa",
        "Whether '{}' holds DNA, RNA or protein cannot be told from its letters. Give it as FASTA, named .faa for protein or .fna for DNA.",
    ),
    "GFF without its FASTA": (
        b"##gff-version 3\nc\t.\tCDS\t1\t9\t.\t+\t0\tID=x\n",
        "x.gff3",
        "'{}' has annotation but no sequence. Put its FASTA beside it under the same name, ending in .fa, or give both.",
    ),
    "table without its column": (
        b"id,seq\na,ACGT\n",
        "x.csv",
        "'{}' has no column 'sequence'; it has 'id', 'seq'. Name one of these, or rename one in the table.",
    ),
    "no letters at all": (b">a\n>b\n", "x.fa", "No record of '{}' has letters. Check how it was made."),
    "table in Latin-1": (
        b"id,sequence\ng\xe8ne,ACGT\n",
        "x.csv",
        "'{}' cannot be read as a table: invalid utf-8 sequence. Save it as UTF-8.",
    ),
    "table without rows": (b"id,sequence\n", "x.csv", "'{}' has a header but no rows. Check how it was made."),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_cannot_be_read_gets_one_sentence(tmp_path: Path, case: str) -> None:
    data, name, message = FILES[case]
    path = tmp_path / name
    path.write_bytes(data)

    with pytest.raises(InputError) as caught:
        list(read_records(path))

    assert str(caught.value) == message.format(path)


def test_a_folder_and_a_missing_file_get_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is a folder; a file is expected\."):
        list(read_records(tmp_path))
    with pytest.raises(InputError, match=r"^There is no file '.*nothing\.fa'\."):
        list(read_records(tmp_path / "nothing.fa"))


MASK = "Write 'N' for an unknown residue; biolect prepare does so under unknown=mask."

# What the file holds, its modality, how it is asked for, and the one record refused: place and reason.
RECORDS = {
    "illegal letter": (
        b">a\nACGT\n>b\nAC\nG7T\n",
        {},
        (
            "b",
            "x.fa:3",
            "Symbol '7' at index 3 (0-based) of 'b' is not in the DNA alphabet. " + MASK,
        ),
    ),
    "letter beyond ASCII": (
        b">a\nACGT\xfc\n>b\nAC\n",
        {"modality": "dna"},
        (
            "a",
            "x.fa:1",
            "Symbol '\xfc' at index 4 (0-based) of 'a' is not in the DNA alphabet. " + MASK,
        ),
    ),
    "gap": (
        b">a\nAC-T\n>b\nAAAA\n",
        {},
        (
            "a",
            "x.fa:1",
            "Symbol '-' at index 2 (0-based) of 'a' is not in the DNA alphabet. Remove the gaps, or read the file as an alignment.",
        ),
    ),
    "stop in DNA": (
        b">a\nACT*\n>b\nAAAA\n",
        {},
        (
            "a",
            "x.fa:1",
            "Symbol '*' at index 3 (0-based) of 'a' is not in the DNA alphabet. " + MASK,
        ),
    ),
    "no sequence": (b">a\n>b\nAAAA\n", {}, ("a", "x.fa:1", "The record has no letters. Remove it, or add its sequence.")),
    "no sequence at the end": (b">a\nAAAA\n>b\n\n", {}, ("b", "x.fa:3", "The record has no letters. Remove it, or add its sequence.")),
    "no sequence in a header alone": (b">a\nAAAA\n>b", {}, ("b", "x.fa:3", "The record has no letters. Remove it, or add its sequence.")),
    "lower case under strict": (
        b">a\nACgT\n>b\nAAAA\n",
        {"strict": True},
        (
            "a",
            "x.fa:1",
            "Symbol 'g' at index 2 (0-based) of 'a' is not a canonical letter of the DNA alphabet. Leave out strict=true to fold it.",
        ),
    ),
    "GenBank cut short": (
        GENBANK,
        {},
        ("X", "x.fa", "The record is cut short: it announces 60 letters, 16 are there. Fetch or copy it again."),
    ),
}


@pytest.mark.parametrize("case", RECORDS)
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_a_record_that_cannot_be_read_is_refused_with_its_place(tmp_path: Path, case: str, ends: bytes) -> None:
    data, asked, (name, place, reason) = RECORDS[case]
    path = tmp_path / "x.fa"
    path.write_bytes(data.replace(b"\n", ends))

    refused = [record for record in read_records(path, **asked) if isinstance(record, Refusal)]

    assert refused == [Refusal(name, str(tmp_path / place), reason)]


# What is read over or folded: the residues by name, and what was counted.
READ = {
    "Windows line ends": (GOOD.replace(b"\n", b"\r\n"), {}, {"a": "ACGTACGTAC", "b": "TTGG"}, 0),
    "UTF-8 mark": (b"\xef\xbb\xbf" + GOOD, {}, {"a": "ACGTACGTAC", "b": "TTGG"}, 0),
    "gzip under a plain name": (gzip.compress(GOOD), {}, {"a": "ACGTACGTAC", "b": "TTGG"}, 0),
    "blank lines": (b"\n\n>a\n\nAC\n\nGT\n\n", {}, {"a": "ACGT"}, 0),
    "comments first": (b"; made by hand\n#123\n>a\nACGT\n", {}, {"a": "ACGT"}, 0),
    "no newline at the end": (b">a\nACGT", {}, {"a": "ACGT"}, 0),
    "white space in lines": (b">a\n AC GT\t\nAC \n", {}, {"a": "ACGTAC"}, 0),
    "lower case": (b">a\nacGT\n", {}, {"a": "ACGT"}, 2),
    "IUPAC codes": (b">a\nACGTACGTACGTACGTACGR\n", {}, {"a": "ACGTACGTACGTACGTACGN"}, 1),
    "U in DNA": (b">a\nACGU\n", {"modality": "dna"}, {"a": "ACGT"}, 1),
    "RNA": (b">a\nACGU\n", {}, {"a": "ACGU"}, 0),
    "protein with a stop": (PROTEIN, {}, {"p": "MKVLAWEF*"}, 0),
    "unknown letters masked": (b">a\nAC?T\n", {"unknown": "mask"}, {"a": "ACNT"}, 1),
}


@pytest.mark.parametrize("case", READ)
def test_what_is_odd_but_clear_is_read_and_counted(tmp_path: Path, case: str) -> None:
    data, asked, residues, folds = READ[case]
    path = tmp_path / "x.fa"
    path.write_bytes(data)

    found = list(read_records(path, **asked))

    assert {s.name: s.residues for s in found if isinstance(s, Sequence)} == residues
    assert sum(s.folds.total for s in found if isinstance(s, Sequence)) == folds


def test_duplicate_names_are_kept_in_order(tmp_path: Path) -> None:
    path = tmp_path / "x.fa"
    path.write_bytes(b">a 1\nAA\n>b\nCC\n>a 2\nGG\n")

    found = [s for s in read_records(path) if isinstance(s, Sequence)]

    assert [(s.name, s.description, s.residues) for s in found] == [("a", "1", "AA"), ("b", "", "CC"), ("a", "2", "GG")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b">" + b"x" * 200_000, "'f' has a header line of more than 65536 bytes. Is it FASTA?"),
        (b"hello\n>a\nAC\n", "'f' has text before its first header: 'hello'. FASTA begins with '>'."),
        (b"# only\n; comments", "'f' holds no record: nothing in it begins with '>'. Is it FASTA?"),
    ],
)
def test_what_is_no_fasta_is_refused_by_the_reader_itself(data: bytes, message: str) -> None:
    stream: io.BufferedReader = io.BufferedReader(io.BytesIO(data))

    with pytest.raises(InputError) as caught:
        list(fasta.read(stream, Modality.DNA, where="f"))

    assert str(caught.value) == message


def test_what_holds_no_genes_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.fa"
    path.write_bytes(GOOD)

    with pytest.raises(InputError, match="is FASTA, which holds no genes. Give GenBank, EMBL, or GFF with its FASTA"):
        list(read_genes(path))


def test_a_ragged_table_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"id,sequence\na,ACGT,7,8\n")

    with pytest.raises(InputError, match="cannot be read as a table: .*Do all rows have as many fields as the header"):
        read_table(path)


@pytest.mark.slow
def test_a_record_of_300_megabases_is_read_in_flat_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.fa"
    line = b"ACGTTGCA" * 12_500 + b"\n"
    with open(path, "wb") as stream:
        stream.write(b">long\n")
        for _ in range(3_000):
            stream.write(line)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with open_input(path) as stream:
        blocks = list(fasta.read_codes(stream, Modality.DNA, Modality.DNA.alphabet.code_table))

    assert len(blocks) == 1 and isinstance(blocks[0], fasta.Codes)
    assert blocks[0].offsets.tolist() == [0, 300_000_000]
    assert blocks[0].codes[:8].tolist() == [0, 1, 2, 3, 3, 2, 1, 0]
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 900
