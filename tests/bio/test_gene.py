"""Genes: every special feature of an annotation, in a record small enough to read."""

import pytest

from biolect.bio.coordinates import Run, Span, expand
from biolect.bio.gene import Contig
from biolect.bio.io.features import _around, _Piece
from biolect.bio.sequence import Modality
from biolect.bio.splicing import _merge
from tests.bio.small import feature, gene, genes

#        1  4  7  10  14  18  22
SPLIT = "ATGGCTGTAAGTCAGTGTTAAGG"


def coordinates(found, view, **options):
    return expand(found.coordinates(view, **options)).tolist()


def assert_views_are_consistent(found):
    views = {"locus": found.locus, "transcript": found.transcript, "cds": found.coding_sequence, "protein": found.protein}
    coding = dict(zip(coordinates(found, "cds"), found.coding_sequence.residues, strict=True))
    for view, sequence in views.items():
        assert len(coordinates(found, view)) == len(sequence)
        assert len(coordinates(found, view, genomic=True)) == len(sequence)
    for view in ("locus", "transcript"):
        places = coordinates(found, view)
        letters = str(views[view]).replace("U", "T")
        first = {place: letters[i] for i, place in reversed(list(enumerate(places)))}
        read = [place for place in coding if place in first]
        assert [first[place] for place in read] == [coding[place] for place in read]


def test_a_gene_with_an_intron_and_untranslated_ends():
    found = gene(
        "CC" + SPLIT + "G",
        feature("mRNA", "join(2..9,17..25)", gene="x", transcript_id="T1"),
        feature("CDS", "join(3..9,17..23)", gene="x", protein_id="P1", codon_start=1, translation="MAVC"),
    )

    assert found.locus.residues == "C" + SPLIT
    assert found.transcript.residues == "CAUGGCUGGUGUUAAGG"
    assert found.coding_sequence.residues == "ATGGCTGGTGTTAA"[:12]
    assert (found.name, found.protein_id, found.transcript_id, found.strand) == ("x", "P1", "T1", 1)


def test_shared_coordinates_follow_the_spliced_sequence():
    found = gene(
        "C" + "ATGGCT" + "GTAAGTCAG" + "TGTTAA" + "GG",
        feature("mRNA", "join(1..7,17..24)", gene="x"),
        feature("CDS", "join(2..7,17..22)", gene="x", translation="MAC"),
    )

    assert coordinates(found, "locus") == [0, 1, 2, 3, 4, 5, 6, *[6] * 9, 7, 8, 9, 10, 11, 12, 13, 14]
    assert coordinates(found, "transcript") == list(range(0, 15))
    assert coordinates(found, "cds") == list(range(1, 13))
    assert coordinates(found, "protein") == [3, 6, 9]
    assert found.check().status == "equal"


def test_coordinates_run_on_over_every_exon_of_a_leader_and_a_trailer():
    found = gene("CC" + SPLIT + "GTTTTGG", feature("mRNA", "join(2..3,5..7,9,11..20,22..23,26..28)"), feature("CDS", "12..20"))

    assert coordinates(found, "transcript") == list(range(-6, 15))
    short = gene("ATGGCTTAA" + "G" * 41, feature("mRNA", "join(1..9,12..40,45..50)"), feature("CDS", "1..9"))
    assert coordinates(short, "transcript") == list(range(1, 45))


def test_intervals_are_joined_where_they_touch_whatever_came_before():
    assert _merge([(10, 20), (0, 5), (12, 15), (20, 22)], 0) == ((0, 5), (10, 22))
    assert _merge([(0, 5), (6, 9)], 1) == ((0, 9),) and _merge([(0, 5), (6, 9)], 0) == ((0, 5), (6, 9))


def test_genomic_coordinates_count_introns():
    found = gene(
        "C" + "ATGGC" + "GTAAGTCAG" + "TTGTTAA",
        feature("mRNA", "join(1..6,16..22)", gene="x"),
        feature("CDS", "join(2..6,16..22)", gene="x", translation="MAC"),
    )

    assert found.coordinates("locus", genomic=True) == (Run(0, 1, 22),)
    assert found.coordinates("transcript", genomic=True) == (Run(0, 1, 6), Run(15, 1, 7))
    assert found.coordinates("cds", genomic=True) == (Run(1, 1, 5), Run(15, 1, 7))
    assert coordinates(found, "protein", genomic=True) == [3, 15, 18]


def test_a_gene_on_the_other_strand_reads_the_same():
    forward = feature("CDS", "join(3..8,12..17)", gene="x", translation="MAVC")
    letters = "CC" + "ATGGCT" + "TTT" + "GTTTGT" + "A"
    turned = letters[::-1].translate(str.maketrans("ACGT", "TGCA"))
    back = feature("CDS", "complement(join(2..7,11..16))", gene="x", translation="MAVC")
    mixed = feature("CDS", "join(complement(11..16),complement(2..7))", gene="x", translation="MAVC")

    one, *others = gene(letters, forward), gene(turned, back), gene(turned, mixed)

    for other in others:
        assert (other.locus.residues, other.transcript.residues) == (one.locus.residues, one.transcript.residues)
        assert other.coordinates("locus") == one.coordinates("locus")
        assert (other.strand, other.check().status) == (-1, "equal")


@pytest.mark.parametrize("location", ["join(13..18,1..6)", "13..6"])
def test_a_gene_around_the_origin_of_a_circle(location):
    found = gene("TGTTAACCCCCCATGGCTTTTGCT"[:18], feature("CDS", location, translation="MAC"), circular=True)

    assert found.coding_sequence.residues == "ATGGCTTGTTAA"
    assert found.locus.residues == "ATGGCTTGTTAA"
    assert [tuple(span) for span in found.spans] == [(12, 18, 1), (0, 6, 1)]
    assert found.check().status == "equal"


def test_a_gene_around_the_origin_on_the_other_strand():
    found = gene("AGCCATCCCCCCTTAACA", feature("CDS", "complement(join(13..18,1..6))", translation="MAC"), circular=True)

    assert found.coding_sequence.residues == found.locus.residues == "ATGGCTTGTTAA"
    assert [tuple(span) for span in found.spans] == [(0, 6, -1), (12, 18, -1)]


def test_a_piece_written_around_the_origin_on_the_other_strand():
    # As gb-io writes locations that lead around: high..low.
    contig = Contig("c", b"AGCCATCCCCCCTTAACA", is_circular=True)
    pieces = [_Piece(Span(12, 6, -1), True, False)]

    assert [tuple(piece.span) for piece in _around(pieces, contig)] == [(0, 6, -1), (12, 18, -1)]
    assert [(piece.before, piece.after) for piece in _around(pieces, contig)] == [(False, False), (True, False)]


def test_an_intron_around_the_origin():
    found = gene("GGTGTTAACCCATGGCTGG", feature("CDS", "join(12..17,3..8)", translation="MAC"), circular=True)

    assert found.locus.residues == "ATGGCTGGGGTGTTAA"
    assert coordinates(found, "locus") == [1, 2, 3, 4, 5, 6, 6, 6, 6, 6, 7, 8, 9, 10, 11, 12]


def test_a_ribosome_that_slips_back_reads_a_base_twice():
    found = gene("ATGGCTGTTAA", feature("CDS", "join(1..7,7..11)", ribosomal_slippage=True, translation="MAGV"))

    assert found.coding_sequence.residues == "ATGGCTGGTTAA"
    assert found.transcript.residues == "AUGGCUGUUAA"
    assert coordinates(found, "locus") == coordinates(found, "transcript") == [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12]
    assert coordinates(found, "cds") == list(range(1, 13))
    assert coordinates(found, "cds", genomic=True) == [1, 2, 3, 4, 5, 6, 7, 7, 8, 9, 10, 11]


def test_a_ribosome_that_skips_a_base_leaves_it_in_the_transcript():
    found = gene("ATGGCTCTGTTAA", feature("CDS", "join(1..6,8..13)", ribosomal_slippage=True, translation="MAC"))

    assert found.transcript.residues == "AUGGCUCUGUUAA"
    assert coordinates(found, "transcript") == [1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 10, 11, 12]
    assert found.check().status == "equal"


def test_a_trans_spliced_gene_joins_its_stretches_in_reading_order():
    letters = "AGCCAT" + "CCCC" + "TGTAAGGTTTAA"
    found = gene(letters, feature("CDS", "join(complement(1..6),11..13,17..22)", trans_splicing=True, translation="MACV"))

    assert found.strand == 0
    assert found.coding_sequence.residues == "ATGGCTTGTGTTTAA"[:15]
    assert found.locus.residues == "ATGGCT" + "TGTAAGGTTTAA"
    assert [tuple(span) for span in found.spans] == [(0, 6, -1), (10, 22, 1)]
    assert coordinates(found, "locus") == [*range(1, 10), 9, 9, 9, *range(10, 16)]


def test_trans_splicing_does_not_lead_around_a_circle():
    pieces = "join(9..14,1..6)"
    around, turned = (gene("TGTTAACCATGGCTGG", feature("CDS", pieces, **says), circular=True) for says in ({}, {"trans_splicing": True}))

    assert around.locus.residues == "ATGGCTGGTGTTAA"
    assert turned.locus.residues == "ATGGCTTGTTAA"


def test_a_partial_gene_begins_in_its_frame():
    found = gene("GATGGCTGC", feature("CDS", "<1..>9", codon_start=2, translation="MAA"))

    assert (found.is_partial_start, found.is_partial_stop) == (True, True)
    assert found.coding_sequence.residues == "ATGGCT"
    assert coordinates(found, "transcript") == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert found.check().reason == "last codon read from two nucleotides"
    assert coordinates(found, "protein") == coordinates(found, "protein", genomic=True) == [3, 6, 9]


def test_partial_ends_belong_to_the_strand():
    back = gene("AGCCATAA", feature("CDS", "complement(<1..6)"))

    assert (back.is_partial_start, back.is_partial_stop) == (False, True)


def test_codons_that_the_record_names():
    sec = '(pos:4..6,aa:Sec)"\n                     /transl_except="(pos:10..11,aa:TERM)'
    found = gene("ATGTGAGCTTA", feature("CDS", "1..11", transl_except=sec, translation="MUA"))
    back = gene("TTAAGCTCACAT", feature("CDS", "complement(1..12)", transl_except="(pos:complement(7..9),aa:Sec)", translation="MUA"))
    other = gene("ATGTAGGCTTAA", feature("CDS", "1..12", transl_except="(pos:4..6,aa:OTHER)"))
    nowhere = gene("ATGTAGGCTTAA", feature("CDS", "1..12", transl_except="(pos:unknown,aa:Sec)"))

    assert found.check().reason == back.check().reason == "selenocysteine"
    assert back.reading.exceptions == ((4, "U"),)
    assert nowhere.protein.residues == "M*A"
    assert found.protein.residues == back.protein.residues == "MUA"
    assert other.protein.residues == "MXA"


def test_the_genetic_code_of_the_record_is_used():
    found = gene("ATGTGATAA", feature("CDS", "1..9", transl_table=4, translation="MW"))

    assert (found.genetic_code.id, found.check().status) == (4, "equal")
    assert found.coordinate_map.num_residues == 2


def test_a_pseudogene_is_named_so_and_not_checked():
    found = gene("ATGTGATAA", feature("CDS", "1..9", pseudo=True))

    assert found.is_pseudo
    assert found.check().status == "unannotated"
    assert found.protein.residues == "M*"


def test_a_protein_that_cannot_be_explained_is_not_believed():
    found = gene("ATGGCTTAA", feature("CDS", "1..9", translation="MW"))

    assert found.check().status == "unexplained"
    assert found.protein.residues == "MA"


def test_a_wrong_frame_moves_the_coding_sequence():
    found = gene("CGATGAATTTGGTCATATTAAACTTTAA", feature("CDS", "<1..28", codon_start=1, translation="MACDEFGHIKL"))

    assert found.check().reason == "codon_start is wrong"
    assert found.protein.residues == "DEFGHIKL"
    assert coordinates(found, "transcript")[:4] == [0, 1, 2, 3]


def test_transcripts_are_paired_in_their_order():
    letters = "CATGGCTTGTTAAC"
    shorter, longer = "2..13", "1..14"
    found = genes(
        letters,
        *(feature("mRNA", place, gene="x", transcript_id=name) for place, name in ((shorter, "A"), (longer, "B"), ("1..5", "C"))),
        *(feature("CDS", "2..13", gene="x", translation="MAC") for _ in range(2)),
    )

    assert [g.transcript_id for g in found] == ["A", "B"]
    assert [len(g.transcript) for g in found] == [12, 14]
    assert {g.gene_id for g in found} == {"x"}


def test_a_messenger_is_its_own_transcript():
    found = gene("CATGGCTTGTTAAC", feature("CDS", "2..13", translation="MAC"), molecule="mRNA")

    assert found.transcript.residues == "CAUGGCUUGUUAAC"
    assert found.contig.sequence.modality is Modality.RNA
    assert found.locus.modality is Modality.DNA


def test_ambiguous_letters_are_kept_for_the_translation():
    found = gene("ATGGCRTAA", feature("CDS", "1..9", translation="MA"))

    assert found.check().status == "equal"
    assert found.coding_sequence.residues == "ATGGCNTAA"


def test_the_views_of_all_of_these_agree():
    for found in (
        gene("C" + SPLIT, feature("CDS", "join(2..7,17..22)")),
        gene("ATGGCTGTTAA", feature("CDS", "join(1..7,7..11)", ribosomal_slippage=True)),
        gene("GATGGCTGC", feature("CDS", "<1..>9", codon_start=2)),
        gene("TGTTAACCATGGCTGG", feature("CDS", "join(9..14,1..6)"), circular=True),
    ):
        assert_views_are_consistent(found)
        assert "Gene" in repr(found)
