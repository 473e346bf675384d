"""The detector of sequences in running text: one small text per rule, and what must not be found."""

from __future__ import annotations

import csv
import gzip
import json
import random
import signal
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from biolect.bio.sequence import Modality
from biolect.data.extraction import Extraction, Rule
from biolect.data.interleaved import extract
from biolect.data.mining import TextDocument, markup_text, mine, read_text_documents
from biolect.errors import InputError

PRIMER = "GACTTTTTGGAGTGGCTTTGT"
PEPTIDE = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ"
PROSE = "The cat sat on a gut, and the tuna ran. A DNA tag can act as a nut."


def residues(text: str) -> list[str]:
    return [found.residues for found in extract(text)]


def rules(text: str) -> list[Rule]:
    return [found.rule for found in extract(text)]


def test_a_primer_in_prose_keeps_its_place() -> None:
    text = f"We used {PRIMER} as a primer."

    assert extract(text) == [Extraction(8, 29, PRIMER, Modality.DNA, Rule.NUCLEOTIDE)]


@pytest.mark.parametrize(
    "spelling",
    [
        "5'-GACTTTTTGGAGTGGCTTTGT-3'",
        "5\u2032 GACTTTTTGGAGTGGCTTTGT 3\u2032",
        "5\u2019-GACTTTTTGGAGT GGCTTTGT-3\u2019",
        "5'-gac ttt ttg gag tgg ctt tgt-3'",
        "3'-TGTTTCGGTGAGGTTTTTCAG-5'",
        "5GACTTTTTGGAGTGGCTTTGT3",
    ],
)
def test_marked_strands_are_read_5_to_3(spelling: str) -> None:
    assert residues(f"primer ({spelling}) was") == [PRIMER]
    assert rules(f"primer ({spelling}) was") == [Rule.MARKED]


@pytest.mark.parametrize(
    "spelling",
    [
        "GAC TTT TTG GAG TGG CTT TGT",
        "GAC-TTT-TTG-GAG-TGG-CTT-TGT",
        "GACTTTTTGG AGTGGCTTTG T",
        "GACTTTTTGGAG-\nTGGCTTTGT",
        "GACTTTTTGGAG\u00adTGGCTTTGT",
        "gactttttggagtggctttgt",
        "gactttTTGGAGTGGCTTTGT",
        "GACTTTTT[G]GAGTGGCTTTGT",
        "GACTTTTT[G,V13]GAGTGGCTTTGT",
        "x |\tgac tttttggag  tggctttgt | 21",
    ],
)
def test_breaks_of_the_layout_are_healed(spelling: str) -> None:
    assert [r.upper() for r in residues(f"siRNA: {spelling}, see")] == [PRIMER]


def test_two_alleles_are_one_ambiguous_letter() -> None:
    assert residues("flanks GACTTTTTG[A/G]AGTGGCTTTGT only") == ["GACTTTTTGRAGTGGCTTTGT"]


def test_two_primers_in_a_row_stay_two() -> None:
    other = "ATGATCTCGAGAACACTTAAAG"

    assert residues(f"{PRIMER} {other}") == [PRIMER, other]
    assert residues(f"{PRIMER}\n{other}\n") == [PRIMER, other]
    assert residues(f"{PRIMER} | {other}") == [PRIMER, other]


def test_uracil_means_rna_also_with_a_thymine_overhang() -> None:
    assert [(e.residues, e.modality) for e in extract("(GCAAGCUGACCCUGAAGUUCdTdT) and 5'-GCAAGCUGACCCUGAAGUUCTT-3'")] == [
        ("GCAAGCUGACCCUGAAGUUCTT", Modality.RNA),
        ("GCAAGCUGACCCUGAAGUUCTT", Modality.RNA),
    ]


def test_degenerate_primers_need_words_that_say_primer() -> None:
    assert rules("the forward primer GGNTGYGARACNATGTAYGC was") == [Rule.DEGENERATE]
    assert residues("the word GGNTGYGARACNATGTAYGC was") == []


def test_fasta_bodies_are_joined_whatever_their_lines() -> None:
    text = f"See:\n\n> one [gene=A]\n{PRIMER}\n{PRIMER}\nACG\n>two\n{PEPTIDE[:20]}\n{PEPTIDE[20:]}\n\nThe end"

    assert [(e.residues, e.modality, e.rule) for e in extract(text)] == [
        (PRIMER * 2 + "ACG", Modality.DNA, Rule.FASTA),
        (PEPTIDE, Modality.PROTEIN, Rule.FASTA),
    ]


def test_numbered_blocks_lose_their_numbers() -> None:
    text = "ORIGIN\n        1 gatcctccat atacaacggt atctccacct\n       31 caggtttaga tc\n//\n        1 ttgacagcta gctcagtcct a\n"

    assert residues(text) == ["GATCCTCCATATACAACGGTATCTCCACCTCAGGTTTAGATC", "TTGACAGCTAGCTCAGTCCTA"]
    assert residues("gatcctccat atacaacggt 20\natctccacct caggtttaga 40\n") == ["GATCCTCCATATACAACGGTATCTCCACCTCAGGTTTAGA"]


def test_a_table_of_numbered_primers_is_not_a_block() -> None:
    assert residues("1 GACTTTTTGGAGTGGCTTTGT\n2 ATGATCTCGAGAACACTTAAAG\n") == [PRIMER, "ATGATCTCGAGAACACTTAAAG"]


def test_groups_of_ten_over_lines_are_one_protein() -> None:
    rows = "     MKTAYIAKQR QISFVKSHFS RQLEERLGLI EVQAPILSRV\n     GDGTQDNLSG AEK\n//"

    assert residues(f"SQ   SEQUENCE   53 AA;\n{rows}") == ["MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEK"]


def test_wrapped_lines_are_one_sequence() -> None:
    line = "GATCCTCCATATACAACGGTATCTCCACCTCAGGTTTAGATCTCAACAACGGAACCATTG"

    assert residues(f"It reads\n{line}\n{line}\nACGTAC\nand ends") == [line * 2 + "ACGTAC"]


def test_qualifiers_of_flat_files_go_on_over_lines() -> None:
    genbank = f'                     /translation="{PEPTIDE[:15]}\n                     {PEPTIDE[15:]}"\n     gene'
    uniprot = f'FT                   /note="{PEPTIDE[:15]}\nFT                   {PEPTIDE[15:]} -> A"'

    assert residues(genbank) == residues(uniprot) == [PEPTIDE]


def test_strings_of_code_go_on_over_lines() -> None:
    assert residues(f'seq = ("{PRIMER}"\n       "{PRIMER}")') == [PRIMER * 2]
    assert residues(f"    '{PRIMER}'\n    ... '{PRIMER}'") == [PRIMER * 2]
    assert residues(f'["{PRIMER}",\n "{PRIMER}"]') == [PRIMER, PRIMER]


@pytest.mark.parametrize(
    "text",
    [
        f"{PRIMER}...{PRIMER}",
        f"{PRIMER}\u2026",
        f"Seq('{PRIMER}...ATG')",
        f"ACG--{PRIMER}--ACG",
        f"YDD.{PEPTIDE}",
        f"YDDY-{PEPTIDE}",
        f"Query  12  {PRIMER}  32",
        f">>> print(alignment)\n   1 CGGTTTTT 9\n   0 AG-TTTAAA {PRIMER[:5]} 5\n   0 AGGTTT-- 6",
    ],
)
def test_letters_that_are_elided_or_gapped_are_left(text: str) -> None:
    assert extract(text) == []


def test_a_gapped_fasta_record_is_whole() -> None:
    assert residues(f">a\n--{PRIMER}-A\n") == [PRIMER + "A"]


def test_rows_of_one_length_are_a_list() -> None:
    rows = [PRIMER + PRIMER + "ACGTACGT"[i:] + "ACGTACGT"[:i] for i in range(3)]

    assert residues("\n".join(rows) + "\n") == rows


@pytest.mark.parametrize("joint", ["-", "", " ", "\u2013", "-\n"])
def test_three_letter_notation_is_converted(joint: str) -> None:
    words = ["Met", "Lys", "Thr", "Ala", "Tyr", "Ile", "Ala", "Lys", "Gln"]

    assert extract(f"peptide {joint.join(words)} was")[0].residues == "MKTAYIAKQ"
    assert rules(f"peptide {joint.join(word.upper() for word in words)} was") == ([] if joint == " " else [Rule.THREE_LETTER])


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        "GATTACA CATTAG",
        "CAT ACT TAG GUT NUT TAN GAG CUT",
        "cat act tag gut nut tan gag cut",
        "genes TP53, BRCA1, KRAS, EGFR, MYC, ATM, CDKN2A and SMARCB1 were",
        "ELECTROENCEPHALOGRAPHISTS, INTERNATIONALIZATION, DEINSTITUTIONALISATION",
        "MATERIALSANDMETHODSSECTION",
        "ACDEFGHIKLMNPQRSTVWY is the alphabet",
        "ARNDCQEGHILKMFPSTWYV",
        "EcoRI (GAATTC), BamHI (GGATCC), HindIII (AAGCTT), NotI (GCGGCCGC)",
        "poly AAAAAAAAAAAAAAAAAAAAAAAA and CACACACACACACACACACACACA",
        "NNNNNNNNNNNNNNNNNNACGTNNNNNNNN",
        "AKIAIOSFODNN7EXAMPLEACGTACGTACGTACGTACGT9x",
        "Gly-Gly-Gly-Ser and the Ser-His-Asp triad",
        "> quoted\nthis is a line of mail that someone quoted",
        "| A | T | G | C | A | T | G | C | A | T | G | C | A | T | G | C | A | T | G |",
    ],
)
def test_what_is_not_a_sequence_is_left(text: str) -> None:
    assert extract(text) == []


WORDS = st.lists(st.sampled_from(["the", "gene", "was", "cut", "with", "a", "primer;", "(see", "Table 2)", "of", "ACT,"]), max_size=8).map(
    " ".join
)


@settings(max_examples=60)
@given(WORDS, WORDS, st.text("ACGT", min_size=20, max_size=70).filter(lambda s: len(set(s)) >= 3))
def test_planted_nucleotides_are_found_with_exact_boundaries(before: str, after: str, planted: str) -> None:
    found = extract(f"{before} and <{planted}> or {after}")

    assert found == [Extraction(len(before) + 6, len(before) + 6 + len(planted), planted, Modality.DNA, Rule.NUCLEOTIDE)]


@settings(max_examples=60)
@given(WORDS, WORDS, st.integers(0, 2**32))
def test_planted_proteins_are_found_with_exact_boundaries(before: str, after: str, seed: int) -> None:
    planted = "".join(
        random.Random(seed).choices("LKEVGAIDRSPTFQNYMHWC", [10, 8, 8, 8, 7, 7, 6, 6, 6, 6, 5, 5, 4, 4, 4, 3, 2, 2, 1, 1], k=60)
    )

    assert extract(f"{before}\t{planted}. {after}") == [
        Extraction(len(before) + 1, len(before) + 61, planted, Modality.PROTEIN, Rule.PROTEIN)
    ]


@settings(max_examples=100)
@given(st.text(st.sampled_from("ACGTUNacgtunMLK5'3- \n0>[]|*F"), max_size=300))
def test_extractions_are_ordered_apart_and_made_of_their_text(text: str) -> None:
    found = extract(text)

    assert all(a.stop <= b.start for a, b in zip(found, found[1:], strict=False))
    for e in found:
        letters = sorted(c for c in text[e.start : e.stop].upper() if c.isalpha())
        assert len(e.residues) <= len(letters) and set(e.residues) <= set(letters)


@pytest.mark.parametrize(
    "unit", ["ACGT ", "ACG-", "A ", "ACGTACGTACx ", "5' ACGT ", "Met-Lys-", ">a\n", "1 acgtacgtac\n", "MKLVMKLVMK ", "ACGT[A]", "\n "]
)
def test_a_long_run_of_one_kind_ends(unit: str) -> None:
    # Work that grows with the square of the text would need hours of processor time for this one; 0.1 to 4 s is usual.
    def stop(*_: object) -> None:
        raise AssertionError(f"a million letters of {unit!r} took more than two minutes of processor time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, 120)
    try:
        extract(unit * (1_000_000 // len(unit)))
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_markup_loses_its_tags_and_not_its_sequences() -> None:
    text = markup_text(
        "<p>5<sup>\u2032</sup>-GACTTTTT<u>GGAG</u>TGGCTTTGT-3&prime;</p><table><tr><td>ATGATCTCGAGAACACTTAAAG<sup>1</sup></td>"
        "<td>x</td></tr></table><script>ACGTACGTACGTACGTACGTAA</script><pre>>a\nGATTACAGATTACAGATTACA\nGGG</pre>"
    )

    assert residues(text) == [PRIMER, "ATGATCTCGAGAACACTTAAAG", "GATTACAGATTACAGATTACAGGG"]


def test_every_format_is_known_by_its_content(tmp_path: Path) -> None:
    cells = [
        {"source": ["a **primer**:\n", PRIMER]},
        {"source": "1", "outputs": [{"text": ["out ", "put"]}, {"data": {"text/plain": "x"}}]},
    ]
    files = [
        write(tmp_path / "a.txt", f"plain {PRIMER}"),
        write(tmp_path / "b.md", f"**bold** {PRIMER} 5&prime;"),
        write(tmp_path / "c.txt", f"<!DOCTYPE html><p>html {PRIMER}</p>"),
        write(tmp_path / "d", json.dumps({"cells": cells}, indent=1)),
        write(tmp_path / "e", json.dumps({"cells": cells})),
        write(tmp_path / "f", json.dumps({"id": "doc", "text": PRIMER}) + "\n\n" + json.dumps({"text": "none"}) + "\n"),
    ]
    packed = tmp_path / "g.txt.gz"
    packed.write_bytes(gzip.compress(b"packed"))

    documents = [d for path in [*files, packed] for d in read_text_documents(path)]

    assert [d.name for d in documents] == ["a.txt", "b.md", "c.txt", "d", "e", "doc", "f:3", "g.txt"]
    assert [len(extract(d.text)) for d in documents] == [1, 1, 1, 1, 1, 1, 0, 0]
    assert documents[1].text.startswith("bold") and documents[1].text.endswith("5\u2032")
    assert documents[3].text.endswith("1\n\nout put\n\nx")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"caf\xe9 GATTACA", "not UTF-8"),
        (b'{"text": "a"}\n{"txt": "b"}\n', r"Line 2 \(1-based\)"),
        (b'{\n "cells": [', "cannot be read as one"),
    ],
)
def test_bad_files_are_refused_with_their_place(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad"
    path.write_bytes(content)

    with pytest.raises(InputError, match=message):
        list(read_text_documents(path))


def test_mining_drops_repeats_and_poor_documents(tmp_path: Path) -> None:
    others = ["ATGATCTCGAGAACACTTAAAG", "TGGTGGTCTACCCTTGGACC", "CATCACTAAAGGCACCGAGCA"]
    texts = [
        f"{PRIMER} only",
        f"{PRIMER}, {others[0]}, {PRIMER.lower()}, {others[1]}",
        f"{PRIMER}, {others[2]}, {others[0]}",
    ]
    path = write(tmp_path / "d.jsonl", "\n".join(json.dumps({"id": str(i), "text": text}) for i, text in enumerate(texts)))

    kept = list(mine([path], 3))

    assert [(name, [s.residues for s in sequences]) for name, sequences in kept] == [("1", [PRIMER, others[0], others[1]])]
    assert kept[0][1][1].name == "1:23-45"
    assert [name for name, _ in mine([path], 1)] == ["0", "1", "2"]


def test_labelled_extractions_are_still_found(data_folder: Path) -> None:
    labels = Path(__file__).parents[2] / "studies" / "interleaved_precision" / "labels.tsv"
    with labels.open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream, delimiter="\t") if row["file"].startswith(("plos_text", "uniprot_flat", "pydna"))]
    texts: dict[str, list[TextDocument]] = {
        f: list(read_text_documents(data_folder / "interleaved_text" / f)) for f in {row["file"] for row in rows}
    }
    found = {
        (f, d.name, str(e.start), str(e.stop), e.rule.value) for f, documents in texts.items() for d in documents for e in extract(d.text)
    }

    missing = [row for row in rows if (row["file"], row["document"], row["start"], row["stop"], row["rule"]) not in found]

    assert not missing


def test_articles_without_sequences_give_none(data_folder: Path) -> None:
    documents = list(read_text_documents(data_folder / "interleaved_text" / "plos_text_without_sequences.jsonl.gz"))

    assert len(documents) == 16
    assert [e for d in documents for e in extract(d.text)] == []
