"""Shape annotations are checked while testing, so they cannot lie."""

import pytest
import torch
from jaxtyping import TypeCheckError

from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer


def model() -> LanguageModel:
    return LanguageModel.Config(backbone=Transformer.Config(layers=1, width=8, heads=2, inner=16)).build()


def test_a_model_keeps_to_its_annotations():
    small = model()
    token_ids, positions = torch.zeros(1, 5, dtype=torch.long), torch.arange(5)[None]

    assert small(token_ids, positions).shape == (1, 5, 64)
    _, state = small.prefill(token_ids, positions)
    logits = small.step(torch.zeros(3, dtype=torch.long), torch.full((3,), 5), state.fork(3))

    assert logits.shape == (3, 64)


def test_a_wrong_shape_is_caught_where_it_enters():
    with pytest.raises(TypeCheckError):
        model()(torch.zeros(1, 5, dtype=torch.long), torch.arange(7)[None])
