"""Our blocks give what the published implementation gives for the same weights, read through the weight map."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from biolect.errors import CheckpointError
from biolect.models.weight_maps import from_xlstm, to_xlstm
from biolect.models.xlstm import XLSTM
from tests.golden.forward.xlstm_stacks import LENGTH, STACKS, path_of

FLOAT32 = 1e-5
"""Of the largest output; the two sum in different orders."""

NORM_ROUNDING = 2**-24 * 1.5


def golden(name: str) -> tuple[dict[str, Tensor], Tensor, Tensor, XLSTM.Config]:
    tensors = load_file(path_of(name))
    weights = {key.removeprefix("weights."): weight for key, weight in tensors.items() if key.startswith("weights.")}
    return weights, tensors["inputs"], tensors["outputs"], XLSTM.Config.model_validate(STACKS[name])


@pytest.mark.parametrize("name", STACKS)
def test_a_golden_file_says_who_made_it_and_is_small(name: str) -> None:
    with safe_open(path_of(name), "pt") as file:
        made_by = file.metadata()

    assert (made_by["project"], made_by["version"]) == ("xlstm", "2.0.6")
    assert json.loads(made_by["settings"]) == STACKS[name]
    assert path_of(name).stat().st_size < 100_000


@pytest.mark.parametrize("name", STACKS)
def test_our_hidden_states_are_those_of_the_golden_file(name: str) -> None:
    weights, inputs, expected, config = golden(name)
    backbone = config.build()
    backbone.load_state_dict(from_xlstm(weights, config))

    with torch.no_grad():
        found = backbone(inputs, torch.arange(LENGTH).repeat(2, 1))

    assert expected.abs().max() > 1
    torch.testing.assert_close(found, expected, rtol=0, atol=FLOAT32 * float(expected.abs().max()))


@pytest.mark.parametrize("name", STACKS)
def test_weights_there_and_back_have_the_same_names_and_bytes(name: str) -> None:
    weights, *_, config = golden(name)

    ours = from_xlstm(weights, config)
    back = to_xlstm(ours, config)

    assert set(back) == set(weights)
    for key, weight in weights.items():
        if "norm.weight" in key:
            torch.testing.assert_close(back[key], weight, rtol=0, atol=NORM_ROUNDING)
        else:
            assert torch.equal(back[key], weight), key
    again = from_xlstm(back, config)
    assert set(again) == set(ours) == set(config.build().state_dict())
    assert all(torch.equal(again[key], ours[key]) for key in ours)


def test_the_gates_of_an_slstm_are_exchanged() -> None:
    weights, inputs, expected, config = golden("dna")
    backbone = config.build()
    swapped = {key.replace(".fgate.", ".x.").replace(".igate.", ".fgate.").replace(".x.", ".igate."): w for key, w in weights.items()}
    backbone.load_state_dict(from_xlstm(swapped, config))

    with torch.no_grad():
        found = backbone(inputs, torch.arange(LENGTH).repeat(2, 1))

    assert (found - expected).abs().max() > 0.1


def test_weights_of_another_stack_are_refused() -> None:
    weights, *_, config = golden("chem")

    with pytest.raises(CheckpointError, match=r"no weights of an xlstm block stack of this pattern: 'blocks.0.\S+' is missing or spare."):
        from_xlstm(weights, config.model_copy(update={"pattern": "s", "inner": 64}))
    with pytest.raises(CheckpointError, match="of an XLSTM backbone .*: 'spare' is missing or spare. Check layers and pattern."):
        to_xlstm(from_xlstm(weights, config) | {"spare": torch.zeros(1)}, config)
