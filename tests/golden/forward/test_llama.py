"""Our Transformer gives the logits of an outside one, with and without that one at hand."""

from __future__ import annotations

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
from tests.golden.forward.llama import CONFIG, GOLDEN, llama, ours

FLOAT32 = 1e-5


def positions(token_ids: Tensor) -> Tensor:
    return torch.arange(token_ids.shape[1]).expand(token_ids.shape)


def test_the_golden_file_says_who_made_it_and_is_small() -> None:
    with safe_open(GOLDEN, "pt") as file:
        made_by = file.metadata()

    assert made_by["project"] == "transformers" and made_by["version"]
    assert GOLDEN.stat().st_size < 100_000


def test_our_logits_are_those_of_the_golden_file() -> None:
    tensors = load_file(GOLDEN)
    token_ids, expected = tensors.pop("token_ids"), tensors.pop("logits")

    found = ours(CONFIG, tensors)(token_ids, positions(token_ids))

    assert expected.abs().max() > 1
    torch.testing.assert_close(found, expected, rtol=0, atol=FLOAT32 * float(expected.abs().max()))


@pytest.mark.parametrize(("layers", "width", "heads", "inner", "length"), [(3, 40, 5, 67, 97), (1, 14, 1, 23, 1), (2, 128, 4, 512, 311)])
def test_our_logits_are_those_of_llama_of_any_shape(layers: int, width: int, heads: int, inner: int, length: int) -> None:
    pytest.importorskip("transformers")
    config = LanguageModel.Config(backbone=Transformer.Config(layers=layers, width=width, heads=heads, inner=inner))
    outside = llama(config, seed=2)
    model = ours(config, outside.state_dict())
    token_ids = torch.randint(0, 64, (3, length), generator=torch.Generator().manual_seed(3))

    with torch.no_grad():
        found, expected = model(token_ids, positions(token_ids)), outside(input_ids=token_ids).logits

    assert model.num_parameters == outside.num_parameters()
    torch.testing.assert_close(found, expected, rtol=0, atol=FLOAT32 * float(expected.abs().max()))
