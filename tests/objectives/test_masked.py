"""The masked objective: what is chosen, what stands in its place, and that nothing else is touched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from biolect.bio.sequence import Modality, Sequence
from biolect.data.document import Document, Grammar, Member
from biolect.errors import ConfigError
from biolect.objectives.masked import Masked
from biolect.tokens.rendered import Rendered
from biolect.tokens.vocabulary import SPECIAL_INDEX, Vocabulary
from biolect.values import Segment

JOINT, DNA12 = Vocabulary.joint(), Vocabulary.named("dna-12")


def written(*texts: tuple[str, Modality], vocabulary: Vocabulary = JOINT) -> Rendered:
    members = tuple(Member(vocabulary.encode(Sequence(text, modality)), modality) for text, modality in texts)
    return Grammar(tags=vocabulary.has_tags).render(Document(members), vocabulary, coordinates=False)


def masked(rendered: Rendered, seed: int = 0, vocabulary: Vocabulary = JOINT, **settings: object) -> Segment:
    return Masked.Config.from_dict(settings).build(vocabulary)(rendered, np.random.default_rng(seed))


@settings(max_examples=60)
@given(dna=st.text("ACGTN", min_size=1, max_size=40), protein=st.text("ACDWXB*", min_size=1, max_size=40), seed=st.integers(0, 2**32))
def test_only_certain_residues_are_touched_and_only_they_are_targets(dna: str, protein: str, seed: int) -> None:
    rendered = written((dna, Modality.DNA), (protein, Modality.PROTEIN))

    segment = masked(rendered, seed)

    certain = np.zeros(len(rendered), dtype=bool)
    for modality in (Modality.DNA, Modality.PROTEIN):
        certain |= (rendered.modality_ids == modality.index) & np.isin(rendered.token_ids, JOINT.standard_ids(modality))
    chosen = segment.loss_weights > 0
    assert not (chosen & ~certain).any()
    assert chosen.any() == certain.any()
    assert (segment.targets == rendered.token_ids).all()
    assert (segment.token_ids == rendered.token_ids)[~chosen].all()
    for modality in (Modality.DNA, Modality.PROTEIN):
        own = chosen & (rendered.modality_ids == modality.index)
        assert np.isin(segment.token_ids[own], [JOINT.mask, *JOINT.standard_ids(modality)]).all()
    assert (segment.positions == rendered.positions).all() and (segment.modality_ids == rendered.modality_ids).all()


@pytest.mark.parametrize("vocabulary", [JOINT, DNA12], ids=lambda v: v.name)
def test_rates_are_those_of_the_config(vocabulary: Vocabulary) -> None:
    count = 100_000
    rendered = written(("ACGT" * (count // 4), Modality.DNA), vocabulary=vocabulary)

    segment = masked(rendered, vocabulary=vocabulary)

    chosen = segment.loss_weights > 0
    inputs, targets = segment.token_ids[chosen], segment.targets[chosen]
    assert chosen.sum() / count == pytest.approx(0.15, abs=0.004)
    assert (inputs == vocabulary.mask).mean() == pytest.approx(0.8, abs=0.01)
    # One random letter in four is the one that stood there.
    assert (inputs == targets).mean() == pytest.approx(0.125, abs=0.01)
    drawn = inputs[(inputs != vocabulary.mask) & (inputs != targets)]
    assert np.bincount(drawn, minlength=64)[vocabulary.standard_ids(Modality.DNA)] == pytest.approx(len(drawn) / 4, rel=0.15)


def test_equal_generators_hide_equal_places_and_others_others() -> None:
    rendered = written(("ACGT" * 50, Modality.DNA))

    one, same, other = masked(rendered, 3), masked(rendered, 3), masked(rendered, 4)

    assert (one.token_ids == same.token_ids).all() and (one.loss_weights == same.loss_weights).all()
    assert (one.loss_weights != other.loss_weights).any()


def test_a_single_residue_is_always_asked_for() -> None:
    rendered = written(("NNNNGNNNN", Modality.DNA))

    for seed in range(20):
        segment = masked(rendered, seed, rate=0.01)
        assert segment.targets[segment.loss_weights > 0].tolist() == [JOINT.id_of("g")]


def test_every_share_alone_does_what_it_says() -> None:
    rendered = written(("ACGTACGTAC", Modality.DNA))
    residues = rendered.modality_ids != SPECIAL_INDEX

    hidden = masked(rendered, rate=1.0, shares=[1, 0, 0])
    kept = masked(rendered, rate=1.0, shares=[0, 0, 1])

    assert (hidden.token_ids[residues] == JOINT.mask).all() and hidden.loss_weights[residues].all()
    assert (kept.token_ids == rendered.token_ids).all() and kept.loss_weights[residues].all()


@pytest.mark.parametrize("shares", [[0.8, 0.1, 0.2], [1.2, -0.1, -0.1]])
def test_shares_that_are_none_are_refused(shares: list[float]) -> None:
    with pytest.raises(ConfigError, match="must not be negative and must sum to 1"):
        Masked.Config.from_dict({"shares": shares})
