"""Genetic codes."""

import pytest
from Bio.Data import CodonTable
from Bio.Seq import Seq
from hypothesis import given, strategies as st

from biolect.bio.genetic_code import GeneticCode
from biolect.bio.sequence import Modality, Sequence
from biolect.errors import FrameError, InputError

CODES = sorted(CodonTable.unambiguous_dna_by_id)


@pytest.mark.parametrize("number", CODES)
def test_every_codon_of_every_table_means_what_the_ncbi_says(number):
    code, table = GeneticCode.by_id(number), CodonTable.unambiguous_dna_by_id[number]
    codons = [a + b + c for a in "ACGT" for b in "ACGT" for c in "ACGT"]

    assert code.translate("".join(codons)) == "".join(table.forward_table.get(codon, "*") for codon in codons)
    assert (code.starts, code.stops) == (set(table.start_codons), set(table.stop_codons))


@given(st.text("ACGTRYSWKMBDHVN", max_size=60).map(lambda s: s[: len(s) // 3 * 3]), st.sampled_from([1, 2, 4, 11]))
def test_ambiguous_codons_agree_with_biopython_where_all_readings_agree(text, number):
    ours, theirs = GeneticCode.by_id(number).translate(text), str(Seq(text).translate(table=number))

    assert len(ours) == len(theirs)
    assert all(a == b or "X" in (a, b) or a in "BZJ" for a, b in zip(ours, theirs, strict=True))


def test_ambiguity_is_resolved_as_far_as_the_codon_allows():
    code = GeneticCode.by_id(1)

    assert code.translate("GCNAARTAR") == "AK*"
    assert code.translate("RAYSARMTTNNNATN") == "BZJXX"


def test_rna_and_lower_case_are_read_like_dna():
    assert GeneticCode.by_id(1).translate("augGCUuga") == "MA*"


def test_a_start_is_methionine_only_where_it_is_a_start():
    code = GeneticCode.by_id(11)

    assert code.translate("GTGGTG") == "VV"
    assert code.translate("GTGGTG", first_is_start=True) == "MV"
    assert code.translate("GCGGTG", first_is_start=True) == "AV"


def test_tables_differ_where_they_should():
    assert [GeneticCode.by_id(n).translate("TGAAGACTG") for n in (1, 2, 3, 4)] == ["*RL", "W*L", "WRT", "WRL"]


@given(st.text("ACGT", min_size=3, max_size=30).map(lambda s: s[: len(s) // 3 * 3]), st.sampled_from(CODES), st.randoms())
def test_a_synonymous_change_keeps_the_translation(text, number, random):
    code = GeneticCode.by_id(number)
    changed = "".join(random.choice(code.synonymous(text[i : i + 3])) for i in range(0, len(text), 3))

    assert code.translate(changed) == code.translate(text)


@given(st.text("ACGTN", max_size=50))
def test_reverse_complement_is_its_own_inverse(text):
    sequence = Sequence(text, Modality.DNA)

    assert sequence.reverse_complement().reverse_complement() == sequence


def test_a_code_is_known_by_its_number():
    code = GeneticCode.by_id(11)

    assert eval(repr(code)) is code
    assert code.synonymous("ATG") == ("ATG",)
    assert code.codons("*") == ("TAA", "TAG", "TGA")


def test_mistakes_are_explained():
    with pytest.raises(FrameError, match="4 nucleotides are not a whole number of codons"):
        GeneticCode.by_id(1).translate("ATGA")
    with pytest.raises(InputError, match="no genetic code 7.*1, 2, 3"):
        GeneticCode.by_id(7)
