"""Adapters: fresh ones change nothing, every one of them can learn, merged ones are gone and say the same."""

import pytest
import torch

from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
from biolect.models.xlstm import XLSTM
from biolect.train.lora import add_adapters, merge_adapters

BACKBONES = {
    "transformer": Transformer.Config(layers=2, width=16, heads=2, inner=24),
    "xlstm": XLSTM.Config(layers=2, width=16, heads=2, pattern="ms", inner=24),
}
TOLERANCE = 1e-10


def read(model: LanguageModel) -> torch.Tensor:
    token_ids = torch.randint(10, 40, (2, 24), generator=torch.Generator().manual_seed(0))
    positions = torch.arange(24).expand(2, -1)
    return model(token_ids, positions, torch.ones(2, 24, dtype=torch.long))


@pytest.fixture(params=BACKBONES)
def model(request: pytest.FixtureRequest) -> LanguageModel:
    return LanguageModel.Config(backbone=BACKBONES[request.param]).build(seed=0).double()


def test_fresh_adapters_change_no_bit(model: LanguageModel):
    before = read(model).detach()

    add_adapters(model, rank=2)

    assert torch.equal(read(model), before)


def test_only_adapters_are_trained_and_each_of_them_reaches_the_output(model: LanguageModel):
    add_adapters(model, rank=2)
    read(model).square().sum().backward()
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}

    assert trained and all("lora_" in name for name in trained)
    assert all(weight.grad is not None and bool(weight.grad.any()) for name, weight in trained.items() if "lora_B" in name)


def test_merged_equals_unmerged_and_loads_as_it_was_built(model: LanguageModel):
    add_adapters(model, rank=2)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.1)
    before = read(model).detach()
    merge_adapters(model)
    fresh = model.config.build(seed=1).double()
    fresh.load_state_dict(model.state_dict())

    assert (read(model) - before).abs().max() < TOLERANCE
    assert torch.equal(read(fresh), read(model))


def test_equal_seeds_give_equal_adapters(model: LanguageModel):
    one, other = (add_adapters(model.config.build(seed=0), rank=2, seed=5).state_dict() for _ in range(2))

    assert all(torch.equal(one[name], other[name]) for name in one)
