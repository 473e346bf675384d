"""Infilling moves residues behind their sequence and loses none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from biolect.bio.coordinates import Run
from biolect.bio.sequence import Modality, Sequence
from biolect.data.document import Document, Grammar, Member
from biolect.errors import ConfigError
from biolect.objectives.infill import Infill, with_holes, without_holes
from biolect.tokens.rendered import Rendered
from biolect.tokens.vocabulary import SPECIAL_INDEX, Vocabulary

JOINT, PROT, DNA = (Vocabulary.named(name) for name in ("joint-64", "prot-38", "dna-12"))
MEMBERS = Grammar(tags=False, positions="member")
S = SPECIAL_INDEX


def member(text: str, words: Vocabulary = PROT, modality: Modality = Modality.PROTEIN, runs: tuple[Run, ...] = ()) -> Member:
    return Member(words.encode(Sequence(text, modality)), modality, runs)


def written(*texts: str, grammar: Grammar = MEMBERS, words: Vocabulary = PROT) -> Rendered:
    return grammar.render(Document(tuple(member(text, words) for text in texts)), words, coordinates=False)


def spelled(token_ids, words: Vocabulary = PROT) -> str:
    return " ".join(words.tokens[i] for i in token_ids)


def test_two_proteins_with_three_holes_are_written_as_published():
    made = with_holes(written("MKTAYIAKQR", "MKV"), [[(2, 4), (7, 8)], [(13, 14)]], PROT)

    assert spelled(made.token_ids) == (
        "<class> M <hole1> A Y I <hole2> K Q R <eos> <hole1> K T <hole2> A <class> M <hole1> V <eos> <hole1> K <class>"
    )
    assert made.positions.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 0, 2, 2, 3, 7, 7, 0, 1, 2, 3, 0, 2, 2, 0]
    assert made.member_ids.tolist() == [0] * 16 + [1] * 8
    assert [int(m) for m in made.modality_ids[:4]] == [S, 2, S, 2]
    # The class token behind the last span says that the span is over.
    assert np.flatnonzero(made.answers).tolist() == [11, 12, 13, 14, 15, 16, 21, 22, 23]


def test_ids_of_the_published_vocabulary():
    made = with_holes(written("MKTAY"), [[(2, 4)]], PROT)

    assert made.token_ids.tolist() == [0, 20, 33, 5, 19, 2, 33, 15, 11, 0]
    assert made.positions.tolist() == [0, 1, 2, 4, 5, 0, 2, 2, 3, 0]


def test_on_gene_coordinates_residues_keep_theirs_and_nucleotides_stay():
    gene = member("ATGAAA", JOINT, Modality.DNA, (Run(1, 1, 6),))
    protein = member("MK", JOINT, runs=(Run(3, 3, 2),))
    rendered = Grammar().render(Document((gene, protein)), JOINT, coordinates=True)

    made = with_holes(rendered, [[], [(11, 12)]], JOINT)

    assert spelled(made.token_ids, JOINT) == "<bos> <dna> a t g a a a <sep> <prot> M <hole1> <fill> <hole1> K <eos>"
    assert made.positions.tolist() == [0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 3, 6, 0, 6, 6, 9]
    drawn = Infill.Config(always=True).build(JOINT).spans(rendered, np.random.default_rng(0))
    assert drawn[0] == [] and drawn[1]


def test_without_a_hole_it_is_the_causal_objective():
    rendered = written("MKTAYIAKQR", "MKV")

    made = with_holes(rendered, [[], []], PROT)

    assert np.array_equal(made.token_ids, rendered.token_ids)
    assert np.array_equal(made.positions, rendered.positions)
    assert not made.answers.any()


@settings(max_examples=60)
@given(
    st.lists(st.text("ACDEFGHIKLMNPQRSTVWY", min_size=1, max_size=80), min_size=1, max_size=6),
    st.integers(0, 1 << 30),
    st.booleans(),
    st.sampled_from(["joint-64", "prot-38"]),
    st.sampled_from(["member", "ordinary"]),
)
def test_infilling_only_rearranges(texts: list[str], seed: int, always: bool, name: str, positions: str):
    words = Vocabulary.named(name)
    grammar = Grammar.from_dict({"tags": words.has_tags, "positions": positions})
    rendered = written(*texts, grammar=grammar, words=words)
    objective = Infill.Config(always=always, mean_holes=2.0).build(words)

    spans = objective.spans(rendered, np.random.default_rng(seed))
    made = with_holes(rendered, spans, words)
    segment = objective(rendered, np.random.default_rng(seed))

    assert np.array_equal(without_holes(made.token_ids, words), rendered.token_ids)
    assert len(made.token_ids) - len(rendered.token_ids) == sum(2 * len(taken) + bool(taken) for taken in spans)
    assert len(made.token_ids) <= len(rendered.token_ids) + objective.added_member_tokens * len(texts)
    assert all(taken for taken in spans) or not always
    assert np.array_equal(np.append(segment.token_ids, segment.targets[-1:]), made.token_ids)
    assert segment.loss_weights.all()
    for index in range(len(texts)):
        mine = (made.member_ids == index) & (made.modality_ids != S)
        original = (rendered.member_ids == index) & (rendered.modality_ids != S)
        assert sorted(made.positions[mine]) == rendered.positions[original].tolist()
        # Residues in front of the fill token, and those of every hole, go from left to right.
        for part in (mine & ~made.answers, mine & made.answers):
            assert (np.diff(made.positions[part]) > 0).all()


def test_holes_are_as_many_and_as_long_as_published():
    objective = Infill.Config().build(PROT)
    rendered = written(*["A" * 300] * 4_000)

    spans = objective.spans(rendered, np.random.default_rng(0))

    counts = np.bincount([len(taken) for taken in spans], minlength=6) / len(spans)
    assert np.allclose(counts, [0.368, 0.368, 0.184, 0.061, 0.015, 0.003], atol=0.02)
    filled = sum(stop - start for taken in spans for start, stop in taken) / (300 * len(spans))
    assert filled == pytest.approx(0.036, abs=0.004)


def test_answers_only_counts_what_fills_holes_and_its_end():
    rendered = written("MKTAYIAKQR")

    segment = Infill.Config(always=True, answers_only=True).build(PROT)(rendered, np.random.default_rng(3))

    behind = int(np.flatnonzero(segment.token_ids == PROT.fill)[0])
    assert segment.loss_weights.tolist() == [0] * behind + [1] * (len(segment) - behind)


def test_members_of_other_modalities_can_be_infilled_when_asked():
    rendered = Grammar().render(Document((member("ACGT" * 10, JOINT, Modality.DNA),)), JOINT, coordinates=False)

    assert Infill.Config(always=True, modalities=("dna",)).build(JOINT).spans(rendered, np.random.default_rng(0))[0]
    assert not Infill.Config(always=True).build(JOINT).spans(rendered, np.random.default_rng(0))[0]


def test_a_vocabulary_without_holes_is_refused():
    with pytest.raises(ConfigError) as caught:
        Infill.Config().build(DNA)

    assert str(caught.value) == (
        "Vocabulary 'dna-12' has no holes to fill. Use joint-64 or prot-38 with the infilling objective, or the causal one."
    )
