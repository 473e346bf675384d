"""Reasons for a protein that is not the plain translation: each is verified, or there is none."""

import re
from dataclasses import replace

import pytest

from biolect.bio.genetic_code import GeneticCode
from biolect.bio.translation import Reading, Reason, TranslationCheck, check

STANDARD, BACTERIAL = GeneticCode.by_id(1), GeneticCode.by_id(11)
# M A C D E F G H I K L and a stop; no other reading of its letters is open.
LONG = b"ATGGCTTGTGATGAATTTGGTCATATTAAACTTTAA"
PARTIAL = Reading(LONG[9:], STANDARD, is_partial_start=True)


def reading(letters: str, **says) -> Reading:
    return Reading(letters.encode(), says.pop("code", STANDARD), **says)


@pytest.mark.parametrize(
    ("found", "annotated", "reason"),
    [
        (reading("GTGGCTTAA", code=BACTERIAL), "MA", Reason.ALTERNATIVE_START),
        (reading("ATGGCTGC", is_partial_stop=True), "MAA", Reason.PARTIAL_CODON),
        (reading("ATGGCTTA", exceptions=((7, "*"),)), "MA", Reason.STOP_COMPLETED),
        (reading("ATGGCTT"), "MA", Reason.STOP_COMPLETED),
        (reading("ATGTGAGCTTAA", exceptions=((4, "U"),)), "MUA", Reason.SELENOCYSTEINE),
        (reading("ATGTAGGCTTAA", exceptions=((4, "O"),)), "MOA", Reason.PYRROLYSINE),
        (reading("ATGCTGGCTTAA", exceptions=((4, "S"),)), "MSA", Reason.TRANSLATION_EXCEPTION),
        (reading("CATGCTGGCTTAA", exceptions=((5, "S"),), codon_start=2), "MSA", Reason.TRANSLATION_EXCEPTION),
        (reading("GCTGCTTAA", is_partial_start=True), "MA", Reason.PARTIAL_START),
        (PARTIAL, "MACDEFGHIKL", Reason.PART_OF_PROTEIN),
        (reading("ATGGCRTAA"), "MX", Reason.AMBIGUOUS_LETTERS),
        (reading("ATGGRNTAA"), "MG", Reason.AMBIGUOUS_LETTERS),
        (reading("ATGGCTTAA"), "MX", Reason.MASKED),
        (reading("ATGGCTTAA"), "MA*", Reason.STOP_WRITTEN),
        (reading("ATGGCTTAAGCTTAA"), "MA", Reason.STOP_CUT),
        (reading("ATGGCTGG"), "MA", Reason.LEFT_OVER),
        (reading("ACGGCTTAA"), "MA", Reason.UNNAMED_START),
        (reading("ATGTGAGCTTAA"), "MUA", Reason.UNNAMED_SELENOCYSTEINE),
        (reading("ATGTAGGCTTAA"), "MOA", Reason.UNNAMED_PYRROLYSINE),
        (reading("ATGCATTAA", exception="RNA editing"), "MY", Reason.RNA_EDITING),
        (reading("ACGGCTTAA", exception="RNA editing"), "MA", Reason.RNA_EDITING),
        (Reading(LONG, STANDARD, exception="annotated by transcript or proteomic data"), "MACDEFGHIKF", Reason.EXCEPTION),
        (Reading(LONG, STANDARD, exception="annotated by transcript or proteomic data"), "MACDEFGHIKKL", Reason.EXCEPTION),
        (reading("ATGTGAGCTTAA"), "MWA", Reason.OTHER_CODE),
        (replace(PARTIAL, spliced=b"AT" + LONG[9:]), "MACDEFGHIKL", Reason.OTHER_FRAME),
    ],
)
def test_each_reason_is_found_where_it_holds(found, annotated, reason):
    verdict = check(found, annotated)

    assert (verdict.status, verdict.reason) == ("explained", reason.value)


@pytest.mark.parametrize(
    ("found", "annotated", "detail"),
    [
        (reading("ATGGCTTAA"), "MG", "1 of 2 residues agree"),
        (reading("ATGGCTTAA"), "AA", "1 of 2 residues agree"),
        (reading("ATGGCTTAA"), "MAG", "2 of 3 residues agree .2 derived, 3 annotated"),
        (reading("ATGGCTTAA", exception="RNA editing"), "MW", "1 of 2"),
        (reading("ATGGCTTAA", exception="annotated by transcript or proteomic data"), "WW", "0 of 2"),
        (reading("ATGTGAGCTTAA", exceptions=((4, "U"),)), "MKA", "2 of 3"),
        (PARTIAL, "MACDEFGHIKLL", "residues agree"),
        (reading("ATGGCTTAA"), "M-A", "'-' is not in the protein alphabet"),
    ],
)
def test_a_reason_that_cannot_be_verified_is_no_reason(found, annotated, detail):
    verdict = check(found, annotated)

    assert verdict.status == "unexplained"
    assert re.search(detail, verdict.detail)


def test_a_forgotten_code_is_named_that_of_bacteria_first():
    asked = reading("ATGCTGGCTTAA", code=GeneticCode.by_id(12))

    assert check(asked, "MLA").detail.endswith("code 11, not 12")


def test_the_plain_translation_needs_no_reason():
    for letters in ("ATGGCTTAA", "ATGGCT"):
        assert check(reading(letters), "MA") == TranslationCheck("equal", is_aligned=True)
    assert check(reading("GCATGGCT", codon_start=3, is_partial_stop=True), "MA").status == "equal"


def test_reasons_that_act_together_are_all_named():
    verdict = check(reading("GTGTGAGCTTA", code=BACTERIAL, exceptions=((4, "U"), (10, "*"))), "MUA")

    assert verdict.reason == Reason.SELENOCYSTEINE
    assert verdict.detail == "alternative start read as M; stop codon completed; selenocysteine"


def test_a_wrong_frame_is_replaced_by_the_one_that_fits():
    verdict = check(replace(PARTIAL, spliced=b"AT" + LONG[9:]), "MACDEFGHIKL")

    assert verdict.codon_start == 3
    assert verdict.detail.endswith("codon_start is wrong: 8 of 11 residues")
    assert not verdict.is_aligned


def test_without_an_annotated_protein_internal_stops_are_counted():
    assert check(reading("ATGTGATAGGCTTAA"), "") == TranslationCheck("unannotated", "", "2 internal stop codons")
    assert check(reading("ATGTGAGCTTAA", exceptions=((4, "U"),)), "") == TranslationCheck("unannotated")


def test_a_codon_that_is_stop_and_residue_is_a_stop_at_the_end_only():
    karyorelict = GeneticCode.by_id(27)

    assert check(reading("ATGTGAGCTTGA", code=karyorelict), "MWA").status == "equal"
