import numpy as np
import pytest

from biolect.bio.sequence import Modality, Sequence
from biolect.bio.variant import Variant
from biolect.data.document import Grammar
from biolect.errors import ConfigError, VariantError
from biolect.infer.prompt import Prompt
from biolect.infer.reader import Reader, counted
from biolect.infer.score import Query, Score, score
from biolect.infer.variants import all_single, score_variants
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
from tests.infer.conftest import build, dna, protein

TOLERANCE = 2e-4
REFERENCE = protein(37, 5, "wild")


def variants_of(reference: Sequence, count: int, seed: int) -> list[Variant]:
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        places = rng.choice(len(reference), size=rng.integers(1, 4), replace=False)
        letters = rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), size=len(places))
        made.append(Variant.parse(":".join(f"{reference.residues[p]}{p + 1}{a}" for p, a in zip(places, letters, strict=True))))
    return made


def whole(reader: Reader, sequences: list[Sequence], given=None, prompt=None) -> np.ndarray:
    found = score(reader, [Query("", reader.member(s), given) for s in sequences], prompt)
    return np.array([one.log_likelihood for one in found if isinstance(one, Score)])


@pytest.mark.parametrize("batch_tokens", [1, 100, 10_000])
def test_sharing_the_prefix_equals_scoring_each_whole(batch_tokens: int):
    reader = Reader(build(), batch_tokens=batch_tokens)
    variants = variants_of(REFERENCE, 40, 1)

    ratios = score_variants(reader, REFERENCE, variants)

    each = whole(reader, [REFERENCE, *(variant.apply(REFERENCE) for variant in variants)])
    assert np.abs(ratios - (each[1:] - each[0])).max() < TOLERANCE
    assert np.abs(ratios).max() > 1


def test_the_way_back_costs_what_the_way_there_gains(reader: Reader):
    for variant in variants_of(REFERENCE, 12, 2):
        there = score_variants(reader, REFERENCE, [variant])[0]
        back = score_variants(reader, variant.apply(REFERENCE), [variant.undone()])[0]

        assert there == pytest.approx(-back, abs=TOLERANCE)


def test_no_change_scores_exactly_zero_wherever_it_stands(reader: Reader):
    letters = REFERENCE.residues
    silent = [f"{letters[0]}1{letters[0]}", f"{letters[36]}37{letters[36]}", f"{letters[3]}4{letters[3]}:{letters[9]}10{letters[9]}"]
    other = f"{letters[3]}4{letters[3]}:{letters[9]}10{'A' if letters[9] != 'A' else 'C'}"

    ratios = score_variants(reader, REFERENCE, [Variant.parse(text) for text in [*silent, other, silent[0]]])

    assert ratios[[0, 1, 2, 4]].tolist() == [0.0] * 4
    assert ratios[3] != 0


def test_a_change_of_the_last_residue_needs_no_further_reading(reader: Reader):
    last = Variant.parse(f"{REFERENCE.residues[36]}37W")

    ratio = score_variants(reader, REFERENCE, [last])[0]

    each = whole(reader, [REFERENCE, last.apply(REFERENCE)])
    assert ratio == pytest.approx(each[1] - each[0], abs=TOLERANCE)


def test_variants_are_read_after_partner_and_prompt(reader: Reader):
    gene, shown = reader.member(dna(111, 1)), Prompt.of([reader.member(protein(20, 9))], reader.grammar)
    variants = variants_of(REFERENCE, 9, 3)

    ratios = score_variants(reader, REFERENCE, variants, given=gene, prompt=shown)

    each = whole(reader, [REFERENCE, *(variant.apply(REFERENCE) for variant in variants)], gene, shown)
    assert np.abs(ratios - (each[1:] - each[0])).max() < TOLERANCE


def test_annotated_partner_and_reference_share_coordinates(reader: Reader):
    gene, member = counted(reader.member(dna(111, 1))), counted(reader.member(REFERENCE))
    variants = variants_of(REFERENCE, 5, 4)

    ratios = score_variants(reader, REFERENCE, variants, given=gene, member=member)

    changed = [Query("", counted(reader.member(v.apply(REFERENCE))), gene) for v in variants]
    each = [one for one in score(reader, [Query("", member, gene), *changed]) if isinstance(one, Score)]
    assert ratios == pytest.approx([one.log_likelihood - each[0].log_likelihood for one in each[1:]], abs=TOLERANCE)
    assert abs(each[0].log_likelihood - each[0].log_likelihood_coordinate_free) > 0.01


def test_all_single_is_every_other_standard_letter_in_order():
    found = all_single(Sequence("AN", Modality.DNA))

    assert [str(variant) for variant in found] == ["A1C", "A1G", "A1T", "N2A", "N2C", "N2G", "N2T"]
    assert len(all_single(REFERENCE)) == 37 * 19


def test_a_variant_of_another_sequence_is_refused(reader: Reader):
    with pytest.raises(VariantError, match="the reference 'wild' has 37 residues"):
        score_variants(reader, REFERENCE, [Variant.parse("A99G")])


def test_a_reference_longer_than_the_context_is_refused():
    reader = Reader(build(), context_tokens=30)

    with pytest.raises(ConfigError, match="'wild' needs 39 tokens with what stands before it; the model reads 30"):
        score_variants(reader, REFERENCE, [])


def test_progress_counts_every_variant_that_was_read(reader: Reader):
    seen: list[float] = []

    score_variants(reader, REFERENCE, all_single(REFERENCE)[:50], advance=seen.append)

    assert sum(seen) == 50


def test_a_letter_without_a_token_is_refused_by_a_causal_model_too():
    backbone = Transformer.Config(layers=1, width=16, heads=2, inner=16)
    reader = Reader(LanguageModel.Config(vocabulary="prot-38", backbone=backbone).build().eval(), Grammar(tags=False))

    with pytest.raises(VariantError, match=r"^Variant [A-Z]2\* puts in '\*', which has no token in vocabulary 'prot-38'\. Remove it"):
        score_variants(reader, REFERENCE, [Variant.parse(f"{REFERENCE.residues[1]}2*")])
