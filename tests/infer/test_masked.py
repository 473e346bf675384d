"""Models that read both sides: scores by hiding residues one by one, alike whatever is asked beside them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from biolect.bio.io.form import Refusal
from biolect.bio.sequence import Modality, Sequence
from biolect.bio.variant import Variant
from biolect.data.document import Grammar, Member
from biolect.embed.encoder import Choice
from biolect.embed.native import NativeEncoder
from biolect.errors import ConfigError, VariantError
from biolect.infer.generate import generate
from biolect.infer.inputs import Mutations
from biolect.infer.masked import PseudoScore, hidden_log_probabilities
from biolect.infer.prompt import Prompt
from biolect.infer.reader import Reader
from biolect.infer.score import Query, score
from biolect.infer.variants import all_single, column_of, score_variants
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
from biolect.models.xlstm import XLSTM
from tests.infer.conftest import build, dna, protein

TOLERANCE = 2e-4
PLAIN = Grammar(tags=False, positions="ordinary")


def both_ways(vocabulary: str = "dna-12") -> LanguageModel:
    backbone = Transformer.Config(layers=2, width=32, heads=2, inner=48, direction="bidirectional")
    model = LanguageModel.Config(vocabulary=vocabulary, backbone=backbone).build(3).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight *= 6
    return model


@pytest.fixture(scope="module")
def masked() -> Reader:
    return Reader(both_ways(), PLAIN, batch_tokens=256)


def by_definition(reader: Reader, sequence: Sequence, place: int) -> np.ndarray:
    """Log-probabilities at one hidden place, the document written out by hand."""
    words = reader.model.vocabulary
    ids = [words.begin, *words.encode(sequence), words.end]
    ids[place + 1] = words.mask
    with torch.no_grad():
        return reader.model(torch.tensor([ids]), torch.arange(len(ids))[None])[0, place + 1].log_softmax(-1).numpy()


def scores(reader: Reader, *sequences: Sequence) -> list[float]:
    found = score(reader, [Query(s.name, reader.member(s)) for s in sequences])
    return [one.pseudo_log_likelihood for one in found if isinstance(one, PseudoScore)]


def test_a_score_is_the_sum_over_residues_each_hidden_alone(masked: Reader) -> None:
    sequence = Sequence("ACGTNNACGTTGCA", Modality.DNA, "r")

    (one,) = score(masked, [Query("r", masked.member(sequence))])

    letters = masked.model.vocabulary.encode(sequence)
    expected = sum(by_definition(masked, sequence, i)[letters[i]] for i in range(14) if sequence.residues[i] != "N")
    assert isinstance(one, PseudoScore)
    assert one.pseudo_log_likelihood == pytest.approx(expected, abs=TOLERANCE)
    assert one.row() == {
        "id": "r",
        "modality": "dna",
        "num_residues": 14,
        "num_scored": 12,
        "pseudo_log_likelihood": one.pseudo_log_likelihood,
    }


def test_scores_do_not_depend_on_what_is_read_beside_them(masked: Reader) -> None:
    sequences = [dna(length, length) for length in (5, 23, 61, 23, 1)]

    together = scores(masked, *sequences)

    for batch_tokens in (1, 64, 100_000):
        alone = [scores(replace(masked, batch_tokens=batch_tokens), one)[0] for one in sequences]
        assert alone == pytest.approx(together, abs=TOLERANCE)


def test_a_long_record_is_read_in_windows_and_scored_once(masked: Reader) -> None:
    sequence = dna(47, 5)
    short = replace(masked, context_tokens=22)

    found = hidden_log_probabilities(short, masked.member(sequence), np.arange(47))

    # Windows of 20 begin at 0, 10, 20 and 27; places 16 and 30 are furthest inside the second and the third.
    for place, start in ((3, 0), (16, 10), (29, 20), (46, 27)):
        window = Sequence(sequence.residues[start : start + 20], Modality.DNA)
        assert found[place] == pytest.approx(by_definition(masked, window, place - start), abs=TOLERANCE)


def test_variants_are_compared_at_their_hidden_places(masked: Reader) -> None:
    reference = dna(30, 9)
    letters = reference.residues
    other = {"A": "C", "C": "G", "G": "T", "T": "A"}
    texts = [f"{letters[4]}5{other[letters[4]]}", f"{letters[29]}30{other[letters[29]]}", f"{letters[7]}8{letters[7]}"]
    variants = [*map(Variant.parse, texts), Variant.parse(":".join(texts))]

    ratios = score_variants(masked, reference, variants)

    ids = masked.model.vocabulary.residue_table(Modality.DNA)
    single = []
    for place in (4, 29):
        found = by_definition(masked, reference, place)
        single.append(found[ids[ord(other[letters[place]])]] - found[ids[ord(letters[place])]])
    assert ratios == pytest.approx([*single, 0.0, sum(single)], abs=TOLERANCE)
    assert ratios[2] == 0.0
    assert column_of(masked) == "masked_marginal" and column_of(Reader(build())) == "log_likelihood_ratio"


def test_a_letter_that_was_never_hidden_in_training_is_not_answered_for(masked: Reader) -> None:
    reference = Sequence("ACGNTAC", Modality.DNA, "r")
    table = Mutations([Variant.parse(text) for text in ("A1N", "N4C", "C2T")], ["A1N", "N4C", "C2T"], [1.0, 2.0, 3.0], [])

    kept = table.readable(masked, Modality.DNA, "t.csv")

    assert (kept.texts, kept.labels, [one.id for one in kept.refused]) == (["C2T"], [3.0], ["A1N", "N4C"])
    assert len(score_variants(masked, reference, kept.variants)) == 1
    for variant in table.variants[:2]:
        with pytest.raises(VariantError, match=f"Variant {variant} asks about 'N', which was never hidden in the training of this model"):
            score_variants(masked, reference, [variant])
    causal = Reader(build(), PLAIN)
    assert table.readable(causal, Modality.DNA, "t.csv").texts == table.texts
    assert np.isfinite(score_variants(causal, reference, table.variants)).all()


def test_asking_both_strands_gives_a_sequence_and_its_reverse_complement_one_score(masked: Reader) -> None:
    both, sequence = replace(masked, strands="both"), dna(25, 2)
    turned = sequence.reverse_complement()
    variants = all_single(sequence)[:9]
    back = [variant.on_other_strand(sequence) for variant in variants]

    assert scores(both, sequence) == pytest.approx(scores(both, turned), abs=TOLERANCE)
    assert scores(masked, sequence)[0] != pytest.approx(scores(masked, turned)[0], abs=0.1)
    assert scores(both, sequence)[0] == pytest.approx(np.mean(scores(masked, sequence, turned)), abs=TOLERANCE)
    ratios = score_variants(both, sequence, variants)
    assert ratios == pytest.approx(score_variants(both, turned, back), abs=TOLERANCE)
    assert ratios == pytest.approx((score_variants(masked, sequence, variants) + score_variants(masked, turned, back)) / 2, abs=TOLERANCE)


def test_a_model_that_shares_weights_between_strands_scores_the_molecule() -> None:
    backbone = XLSTM.Config(layers=2, width=16, heads=2, pattern="ms", inner=24, direction="bidirectional")
    model = LanguageModel.Config(vocabulary="dna-12", backbone=backbone, strands="shared").build(1).eval()
    sequence = dna(25, 2)
    turned, variants = sequence.reverse_complement(), all_single(sequence)[:9]
    reader = Reader(model, PLAIN)

    assert scores(reader, sequence) == pytest.approx(scores(reader, turned), abs=TOLERANCE)
    back = score_variants(reader, turned, [variant.on_other_strand(sequence) for variant in variants])
    assert score_variants(reader, sequence, variants) == pytest.approx(back, abs=TOLERANCE)
    encoder = NativeEncoder(model, Choice(axis="nucleotide"), grammar=PLAIN)
    here, there = (encoder.encode([read])[0].vectors for read in (sequence, turned))
    np.testing.assert_allclose(here, there[::-1], atol=TOLERANCE)


def test_causal_models_average_strands_likewise() -> None:
    one = Reader(build(), batch_tokens=256)
    both, sequence = replace(one, strands="both"), dna(25, 2)
    variants = all_single(sequence)[:9]

    def total(reader: Reader, read: Sequence) -> float:
        return next(found.log_likelihood for found in score(reader, [Query("", reader.member(read))]))  # pyright: ignore

    assert total(both, sequence) == pytest.approx((total(one, sequence) + total(one, sequence.reverse_complement())) / 2, abs=TOLERANCE)
    changed = variants[4].apply(sequence)
    assert score_variants(both, sequence, variants)[4] == pytest.approx(total(both, changed) - total(both, sequence), abs=TOLERANCE)


def test_a_protein_has_no_other_strand() -> None:
    both = Reader(both_ways("joint-64"), Grammar(), strands="both")
    reference = protein(9, 0, "p")

    (refused,) = score(both, [Query("p", both.member(reference))])

    assert isinstance(refused, Refusal) and "protein, which has no other strand" in refused.reason
    with pytest.raises(ConfigError, match="'p' is protein, which has no other strand"):
        score_variants(both, reference, all_single(reference)[:1])


def test_nothing_can_stand_before_the_question(masked: Reader) -> None:
    member = masked.member(dna(9, 0))
    sentence = "reads both sides of every residue, so no text can be read in advance or continued"

    with pytest.raises(ConfigError, match=sentence):
        list(score(masked, [], Prompt((member,))))
    with pytest.raises(ConfigError, match=sentence):
        list(score(masked, [Query("", member, given=member)]))
    with pytest.raises(ConfigError, match=sentence):
        score_variants(masked, dna(9, 0), [], given=member)
    with pytest.raises(ConfigError, match=sentence):
        generate(masked, Modality.DNA, 1)
    with pytest.raises(ConfigError, match="Both strands can be asked of records alone only"):
        list(score(Reader(build(), strands="both"), [Query("", Member(member.token_ids, Modality.DNA), given=member)]))


def test_embeddings_do_not_depend_on_the_batch_either(masked: Reader) -> None:
    encoder = NativeEncoder(masked.model, Choice(axis="nucleotide", batch_tokens=512), grammar=PLAIN, context_tokens=30)
    sequences = [dna(length, length) for length in (5, 24, 23, 61)]

    together = encoder.encode(sequences)

    for embedding, sequence in zip(together, sequences, strict=True):
        assert len(embedding.vectors) == len(sequence)
        np.testing.assert_allclose(encoder.encode([sequence])[0].vectors, embedding.vectors, atol=TOLERANCE)
    words = masked.model.vocabulary
    ids = torch.tensor([[words.begin, *words.encode(sequences[0]), words.end]])
    with torch.no_grad():
        expected = masked.model.hidden(ids, torch.arange(7)[None])[0, 1:6]
    np.testing.assert_allclose(together[0].vectors, expected.numpy(), atol=TOLERANCE)
    assert encoder.count_tokens(sequences)[1] == 7 + 26 + 25 + (30 + 30 + 30 + 30)
