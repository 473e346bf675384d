"""GFF3 and GTF with their FASTA."""

import pytest

from biolect.bio.gene import Gene
from biolect.bio.io.form import Refusal
from biolect.bio.io.gff import read_gff
from biolect.bio.sequence import Modality, Sequence
from biolect.errors import InputError

#          1 2      8         17     23
LETTERS = "CATGGCTGTAAGTCAGTGTTAAGG"
TURNED = LETTERS[::-1].translate(str.maketrans("ACGT", "TGCA"))


def rows(*lines: str, strand: str = "+", name: str = "c1") -> str:
    """Lines of kind, start, stop, phase and attributes."""
    text = "##gff-version 3\n"
    for line in lines:
        kind, start, stop, phase, says = line.split(None, 4)
        text += "\t".join([name, "toy", kind, start, stop, ".", strand, phase, says]) + "\n"
    return text


def everything(tmp_path, annotation: str, letters: str = LETTERS, name: str = "c1", **options) -> list:
    (tmp_path / "toy.gff").write_text(annotation)
    (tmp_path / "toy.fa").write_text(f">{name} toy\n{letters}\n")
    return list(read_gff(tmp_path / "toy.gff", tmp_path / "toy.fa", **options))


def only_genes(*arguments, **options) -> list[Gene]:
    return [item for item in everything(*arguments, **options) if isinstance(item, Gene)]


SPLICED = rows(
    "gene 1 24 . ID=g1;Name=toyA",
    "mRNA 1 24 . ID=t1;Parent=g1",
    "exon 1 7 . Parent=t1",
    "exon 17 24 . Parent=t1",
    "CDS 2 7 0 ID=p1;Parent=t1;protein_id=P1;product=toy%2C of course",
    "CDS 17 22 0 ID=p1;Parent=t1;protein_id=P1",
)


def test_a_transcript_becomes_a_gene(tmp_path):
    sequence, found = everything(tmp_path, SPLICED)

    assert sequence == Sequence(LETTERS, Modality.DNA, "c1", "toy")
    assert (found.name, found.gene_id, found.transcript_id, found.protein_id) == ("toyA", "g1", "t1", "P1")
    assert found.product == "toy, of course"
    assert found.transcript.residues == "CAUGGCUUGUUAAGG"
    assert found.coding_sequence.residues == "ATGGCTTGTTAA"
    assert found.protein.residues == "MAC"
    assert found.check().status == "unannotated"


def test_rows_are_read_in_the_direction_of_their_strand(tmp_path):
    for order in (1, -1):
        lines = ["CDS 18 23 0 ID=p1", "CDS 3 8 0 ID=p1"][::order]
        (found,) = only_genes(tmp_path, rows(*lines, strand="-"), TURNED)

        assert found.coding_sequence.residues == "ATGGCTTGTTAA"


def test_isoforms_share_their_gene_and_their_rows(tmp_path):
    both = rows(
        "gene 1 24 . ID=g1",
        "mRNA 1 24 . ID=t1;Parent=g1",
        "mRNA 2 22 . ID=t2;Parent=g1",
        "CDS 2 7 0 Parent=t1,t2",
        "CDS 17 22 0 Parent=t1",
    )
    found = only_genes(tmp_path, both)

    assert [(g.transcript_id, g.gene_id, g.coding_sequence.residues) for g in found] == [
        ("t1", "g1", "ATGGCTTGTTAA"),
        ("t2", "g1", "ATGGCT"),
    ]


def test_a_gene_can_be_the_parent_of_several_proteins(tmp_path):
    two = rows("gene 2 22 . ID=g1", "CDS 2 7 0 ID=p1;Parent=g1", "CDS 2 7 0 ID=p2;Parent=g1", "CDS 17 22 0 ID=p2;Parent=g1")

    assert [g.protein.residues for g in only_genes(tmp_path, two)] == ["MA", "MAC"]


def test_exons_can_be_told_from_untranslated_parts(tmp_path):
    lines = rows("five_prime_UTR 1 1 . Parent=t1", "CDS 2 7 0 Parent=t1", "CDS 17 22 0 Parent=t1", "three_prime_UTR 23 24 . Parent=t1")

    (found,) = only_genes(tmp_path, lines)

    assert found.transcript.residues == "CAUGGCUUGUUAAGG"


def test_the_stop_codon_of_gtf_lies_outside_the_coding_rows(tmp_path):
    says = 'gene_id "g1"; transcript_id "t1"; gene_name "toyA"; tag "basic"; tag "cds_start_NF";'
    lines = rows(f"transcript 1 24 . {says}", f"exon 1 7 . {says}", f"exon 17 24 . {says}", f"CDS 2 7 0 {says}", f"CDS 17 19 0 {says}")

    (found,) = only_genes(tmp_path, lines + rows(f"stop_codon 20 22 0 {says}").split("\n", 1)[1])

    assert found.coding_sequence.residues == "ATGGCTTGTTAA"
    assert [tuple(span) for span in found.coding_spans] == [(1, 7, 1), (16, 22, 1)]
    assert (found.name, found.gene_id, found.is_partial_start) == ("toyA", "g1", True)


def test_names_without_quotes_are_read_as_gtf(tmp_path):
    says = "gene_id g1; transcript_id t1;"

    (found,) = only_genes(tmp_path, rows(f"transcript 1 24 . {says}", f"CDS 2 7 0 {says}", f"CDS 17 22 0 {says}"))

    assert (found.gene_id, found.coding_sequence.residues) == ("g1", "ATGGCTTGTTAA")


def test_a_stop_codon_that_the_coding_rows_hold_already_is_not_read_twice(tmp_path):
    says = 'gene_id "g1"; transcript_id "t1";'

    (found,) = only_genes(tmp_path, rows(f"CDS 2 7 0 {says}", f"CDS 17 22 0 {says}", f"stop_codon 20 22 0 {says}"))

    assert [tuple(span) for span in found.coding_spans] == [(1, 7, 1), (16, 22, 1)]


def test_untranslated_ends_by_number_are_no_part_of_the_coding_sequence(tmp_path):
    lines = rows("5UTR 1 1 . Parent=t1", "CDS 2 7 0 Parent=t1", "CDS 17 22 0 Parent=t1", "3UTR 23 24 . Parent=t1")

    (found,) = only_genes(tmp_path, lines)

    assert found.coding_sequence.residues == "ATGGCTTGTTAA"


def test_the_phase_of_the_first_piece_sets_the_frame(tmp_path):
    (found,) = only_genes(tmp_path, rows("CDS 1 7 1 ID=p1;partial=true;start_range=.,1", "CDS 17 22 0 ID=p1"))

    assert found.coding_sequence.residues == "ATGGCTTGTTAA"
    assert found.is_partial_start


def test_what_the_record_names_is_used(tmp_path):
    (found,) = only_genes(tmp_path, rows("CDS 1 9 0 ID=p1;transl_table=4;transl_except=(pos:4..6%2Caa:Sec)"), "ATGTAGTGATAA")
    (pseudo,) = only_genes(tmp_path, rows("pseudogene 1 9 . ID=g1", "CDS 1 9 0 ID=p1;Parent=g1"), "ATGTAGTGATAA")

    assert found.protein.residues == "MUW"
    assert pseudo.is_pseudo


def test_a_circle_is_known_from_its_region_line(tmp_path):
    region = rows("region 1 18 . ID=c1;Is_circular=true;mol_type=genomic DNA")
    letters = "TGTTAACCCCCCATGGCT"
    for lines in (["CDS 13 24 0 ID=p1"], ["CDS 1 6 0 ID=p1", "CDS 13 18 0 ID=p1"]):
        (found,) = only_genes(tmp_path, region + rows(*lines), letters)

        assert found.locus.residues == found.coding_sequence.residues == "ATGGCTTGTTAA"


def test_a_gene_at_the_beginning_of_a_circle_is_not_turned(tmp_path):
    region = rows("region 1 18 . ID=c1;Is_circular=true;mol_type=genomic DNA")

    (found,) = only_genes(tmp_path, region + rows("CDS 1 6 0 ID=p1", "CDS 10 15 0 ID=p1"), "ATGGCTCCCTGTTAACCC")

    assert found.coding_sequence.residues == "ATGGCTTGTTAA"


def test_numbered_parts_and_mixed_strands_keep_their_order(tmp_path):
    lines = rows("CDS 1 6 0 ID=p1;part=1;exception=trans-splicing", strand="-").rstrip() + "\n"
    lines += rows("CDS 11 16 0 ID=p1;part=2;exception=trans-splicing").split("\n", 1)[1]

    (found,) = only_genes(tmp_path, lines, "AGCCATCCCCTGTTAA")

    assert (found.coding_sequence.residues, found.strand) == ("ATGGCTTGTTAA", 0)


def test_a_messenger_record_is_the_transcript(tmp_path):
    lines = rows("region 1 13 . ID=c1;mol_type=mRNA", "CDS 1 6 0 ID=p1;exception=ribosomal slippage", "CDS 8 13 0 ID=p1")

    sequence, found = everything(tmp_path, lines, "ATGGCTCTGTTAA")

    assert sequence.modality is Modality.RNA
    assert found.transcript.residues == "AUGGCUCUGUUAA"


def test_proteins_of_another_file_are_compared(tmp_path):
    (equal,) = only_genes(tmp_path, SPLICED, proteins={"P1": "MAC"})
    (wrong,) = only_genes(tmp_path, SPLICED, proteins={"t1": "MAW"})

    assert (equal.check().status, wrong.check().status) == ("equal", "unexplained")


def test_an_embedded_fasta_is_read(tmp_path):
    for directive in ("##FASTA\n", ""):
        (tmp_path / "toy.gff").write_text(f"{SPLICED}{directive}>c1\n{LETTERS.lower()}\n")

        sequence, found = read_gff(tmp_path / "toy.gff")

        assert isinstance(sequence, Sequence) and isinstance(found, Gene)
        assert found.protein.residues == "MAC"


def test_a_missing_fasta_is_named(tmp_path):
    (tmp_path / "toy.gff").write_text(SPLICED)

    with pytest.raises(InputError, match="has annotation but no sequence. Put its FASTA beside it"):
        list(read_gff(tmp_path / "toy.gff"))


def test_a_fasta_of_other_contigs_is_an_error_that_names_both(tmp_path):
    with pytest.raises(InputError, match=r"annotates 'c1', but '.*toy.fa' has 'chr1': no contig in common"):
        everything(tmp_path, SPLICED, name="chr1")


def test_chromosome_coordinates_over_a_region_are_detected(tmp_path):
    moved = "##sequence-region c1 1001 1024\n" + rows("CDS 1002 1007 0 ID=p1")

    with pytest.raises(InputError, match="'g1' is as long as region 1001..1024 of 'c1', so the annotation counts from another origin"):
        everything(tmp_path, moved, name="g1")

    refusal = everything(tmp_path, moved)[1]
    assert isinstance(refusal, Refusal)
    assert "coordinates are those of region 1001..1024" in refusal.reason


def test_what_cannot_be_used_is_refused(tmp_path):
    lines = SPLICED + rows("CDS 2 99 0 ID=far") + rows("CDS 1 3 0 ID=lost", name="c2") + "c1\ttoy\tCDS\tone\t3\n"

    found = everything(tmp_path, lines)
    reasons = [item.reason for item in found if isinstance(item, Refusal)]

    assert len(found) == 5
    assert reasons[0].startswith("The line is no annotation: 'c1\\ttoy\\tCDS\\tone")
    assert "its piece 2..99 (1-based) lies outside the record, which has 24 nucleotides" in reasons[1]
    assert "no contig of this name; 1 coding sequences on it were not read" in reasons[2]


@pytest.mark.parametrize("transcript", ["YAL1", "YAL1_mRNA"])
def test_a_transcript_may_be_named_like_its_gene(tmp_path, transcript):
    says = f'gene_id "YAL1"; transcript_id "{transcript}";'
    annotation = rows('gene 1 24 . gene_id "YAL1";', f"transcript 1 24 . {says}", f"CDS 2 7 0 {says}", f"CDS 17 22 0 {says}")

    (found,) = only_genes(tmp_path, annotation)

    assert (found.gene_id, found.coding_sequence.residues) == ("YAL1", "ATGGCTTGTTAA")


def test_pieces_of_a_gene_that_has_no_transcript_are_one_coding_sequence(tmp_path):
    (found,) = only_genes(tmp_path, rows("gene 1 24 . ID=g1", "CDS 2 7 0 Parent=g1", "CDS 17 22 0 Parent=g1"))

    assert found.coding_sequence.residues == "ATGGCTTGTTAA"


def test_coding_rows_of_gtf_name_their_gene_where_no_transcript_has_a_row(tmp_path):
    says = 'gene_id "AAA_00001"; transcript_id "unassigned_transcript_1"; protein_id "WP_1";'

    (found,) = only_genes(tmp_path, rows('gene 1 24 . gene_id "AAA_00001";', f"CDS 2 7 0 {says}", f"CDS 17 22 0 {says}"))

    assert (found.name, found.gene_id, found.protein_id) == ("AAA_00001", "AAA_00001", "WP_1")


def test_all_exceptions_of_a_row_of_gtf_are_read(tmp_path):
    letters = "ATGTGAAAATGATAA"
    says = 'gene_id "g"; transcript_id "t"; transl_except "(pos:4..6,aa:Sec)"; transl_except "(pos:10..12,aa:Sec)";'

    (found,) = only_genes(tmp_path, rows(f"CDS 1 15 0 {says}"), letters)

    assert found.protein.residues == "MUKU"


def test_a_name_ends_at_a_tab(tmp_path):
    (found,) = only_genes(tmp_path, SPLICED, LETTERS, "c1\tbehind a tab")

    assert found.coding_sequence.residues == "ATGGCTTGTTAA"
