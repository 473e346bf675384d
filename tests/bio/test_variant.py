"""Variants."""

import pytest
from hypothesis import given, strategies as st

from biolect.bio.sequence import Modality, Sequence
from biolect.bio.variant import Substitution, Variant
from biolect.errors import VariantError

TOY = Sequence("MKTAYIAKQRQISFVKSHFSRQ", Modality.PROTEIN, "toy")
RESIDUE = st.sampled_from("ACDEFGHIKLMNPQRSTVWY")


@given(st.lists(st.tuples(RESIDUE, st.integers(1, 999), RESIDUE), min_size=1, max_size=5, unique_by=lambda change: change[1]))
def test_parse_is_undone_by_str(changes):
    variant = Variant(tuple(Substitution(*change) for change in changes))

    assert Variant.parse(str(variant)) == variant
    assert eval(repr(variant)) == variant


def test_a_variant_is_applied():
    changed = Variant.parse("K8R:Q9E").apply(TOY)

    assert changed.residues == "MKTAYIARERQISFVKSHFSRQ"
    assert changed.name == "toy:K8R:Q9E"


@given(st.lists(st.tuples(st.integers(1, 22), RESIDUE), min_size=1, max_size=4, unique_by=lambda change: change[0]))
def test_a_variant_can_be_undone(changes):
    variant = Variant(tuple(Substitution(TOY.residues[p - 1], p, after) for p, after in changes))

    assert variant.undone().apply(variant.apply(TOY)).residues == TOY.residues


def test_the_wrong_residue_is_told_with_its_neighbour():
    with pytest.raises(VariantError) as caught:
        Variant.parse("A42G").apply(Sequence("M" * 40 + "AS", Modality.PROTEIN))

    assert str(caught.value) == (
        "Variant A42G expects 'A' at position 42 (1-based), but the reference has 'S'. Position 41 is 'A': is the numbering off by one?"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("W3A", "expects 'W' at position 3 .1-based., but the reference has 'T'. Check"),
        ("A99G", "at position 99 .1-based., but the reference 'toy' has 22 residues"),
        ("T3?", "'T3.' is not a residue, a position .1-based. and a residue, like A42G"),
        ("K8R:", "'' is not a residue"),
        ("T0A", "cannot be read"),
        ("K8R:K8E", "changes position 8 .1-based. twice"),
        ("", "cannot be read"),
    ],
)
def test_what_is_wrong_is_said(text, message):
    with pytest.raises(VariantError, match=message):
        Variant.parse(text).apply(TOY)


def test_a_letter_of_another_alphabet_is_refused():
    with pytest.raises(VariantError, match="'E' at position 1 .1-based., which is not in the DNA alphabet"):
        Variant.parse("A1E").apply(Sequence("ACGT", Modality.DNA))


@given(st.text("ACDK1290:* ", max_size=8))
def test_any_text_is_a_variant_or_a_sentence(text):
    try:
        variant = Variant.parse(text)
    except VariantError as error:
        assert str(error).endswith((".", "once."))
    else:
        assert Variant.parse(str(variant)) == variant


def test_a_neighbour_on_the_other_side_is_named_too():
    with pytest.raises(VariantError, match="Position 42"):
        Variant.parse("A41G").apply(Sequence("M" * 40 + "SA", Modality.PROTEIN))
