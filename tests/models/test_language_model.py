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


def test_a_model_that_reads_both_ways_sees_what_follows_but_no_neighbour() -> None:
    backbone = Transformer.Config(layers=2, width=28, heads=7, inner=41, direction="bidirectional")
    model = LanguageModel.Config(vocabulary="dna-12", backbone=backbone).build(seed=1).double()
    read, at = torch.randint(7, 11, (1, 13), generator=torch.Generator().manual_seed(0)), torch.arange(13)[None]
    changed = read.clone()
    changed[0, -1] = 7 + (changed[0, -1] - 6) % 4
    packed, places = torch.cat([read, changed], dim=1), at.repeat(1, 2)

    both = model(packed, places, torch.tensor([[1] * 13 + [2] * 13]))

    assert not model.config.is_causal
    assert ((model(changed, at) - model(read, at)).abs().amax(-1) > 0).all()
    torch.testing.assert_close(both[:, :13], model(read, at), rtol=0, atol=1e-12)
    torch.testing.assert_close(both[:, 13:], model(changed, at), rtol=0, atol=1e-12)
    with pytest.raises(ConfigError, match="reads both sides of every residue, so no text can be read in advance"):
        model.prefill(read, at)
