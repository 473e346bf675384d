"""The language model around a backbone."""

from __future__ import annotations

import pytest
import torch

from biolect.errors import ConfigError
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
from biolect.tokens.vocabulary import Vocabulary

CONFIG = LanguageModel.Config(backbone=Transformer.Config(layers=2, width=28, heads=7, inner=41))


def test_shapes_are_rows_by_places_by_vocabulary() -> None:
    model = CONFIG.build()
    token_ids, positions = torch.full((3, 5), 20), torch.arange(5).repeat(3, 1)

    assert model(token_ids, positions).shape == (3, 5, 64)
    assert model.hidden(token_ids, positions).shape == (3, 5, 28)
    assert model.step(token_ids[:, 0], positions[:, 0], model.backbone.new_state().fork(3)).shape == (3, 64)


def test_a_fresh_model_knows_nothing() -> None:
    logits = CONFIG.build()(torch.arange(10, 43)[None], torch.arange(33)[None])

    entropy = -(logits.log_softmax(-1).exp() * logits.log_softmax(-1)).sum(-1)
    torch.testing.assert_close(entropy, torch.full_like(entropy, 64).log(), rtol=0.01, atol=0)


def test_the_vocabulary_travels_with_the_model() -> None:
    assert CONFIG.build().vocabulary == Vocabulary.joint()


def test_building_leaves_other_random_numbers_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    CONFIG.build(seed=9)

    assert torch.equal(torch.rand(1), expected)


def test_an_unknown_vocabulary_is_refused() -> None:
    with pytest.raises(ConfigError, match="There is no vocabulary 'dna-13'"):
        LanguageModel(LanguageModel.Config(vocabulary="dna-13", backbone=CONFIG.backbone))
