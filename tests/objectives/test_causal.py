"""The causal objective: every token but the first is said from what stands before it."""

from __future__ import annotations

import numpy as np

from biolect.bio.coordinates import Run
from biolect.bio.sequence import Modality
from biolect.data.document import Document, Grammar, Member
from biolect.objectives.causal import Causal
from biolect.tokens.vocabulary import SPECIAL_INDEX, Vocabulary

JOINT = Vocabulary.joint()
S = SPECIAL_INDEX


def test_nine_tokens_become_eight_inputs_and_targets() -> None:
    gene = Member(np.array([10, 13, 12], np.uint8), Modality.DNA, (Run(1, 1, 3),))
    protein = Member(np.array([26], np.uint8), Modality.PROTEIN, (Run(3, 3, 1),))
    rendered = Grammar().render(Document((gene, protein)), JOINT, coordinates=True)

    segment = Causal.Config().build(JOINT)(rendered, np.random.default_rng(0))

    assert segment.token_ids.tolist() == [1, 5, 10, 13, 12, 3, 7, 26]
    assert segment.targets.tolist() == [5, 10, 13, 12, 3, 7, 26, 2]
    assert segment.positions.tolist() == [0, 0, 1, 2, 3, 0, 0, 3]
    assert segment.loss_weights.tolist() == [1] * 8
    # Member and modality are those of the target.
    assert segment.member_ids.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert segment.modality_ids.tolist() == [S, 0, 0, 0, S, S, 2, S]


def test_nothing_is_drawn() -> None:
    rng = np.random.default_rng(0)
    rendered = Grammar().render(Document((Member(np.array([26], np.uint8), Modality.PROTEIN),)), JOINT, coordinates=False)

    Causal()(rendered, rng)

    assert rng.random() == np.random.default_rng(0).random()
