"""The Transformer: published sizes, settings that cannot be, and a state that shares its beginning."""

from __future__ import annotations

import pytest
import torch

from biolect.errors import ConfigError
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer, TransformerState

SMALL = LanguageModel.Config(backbone=Transformer.Config(layers=2, width=28, heads=7, inner=41))


@pytest.mark.parametrize(
    ("size", "parameters"),
    [("nano", 1_066_112), ("micro", 9_506_880), ("mini", 32_842_240), ("110m", 109_824_768), ("270m", 270_815_104)],
)
def test_named_sizes_have_exactly_the_parameters_they_are_known_for(size: str, parameters: int) -> None:
    with torch.device("meta"):
        model = LanguageModel(LanguageModel.Config(backbone=Transformer.Config.named(size)))

    assert model.num_parameters == parameters
    assert model.device.type == "meta"


@pytest.mark.parametrize("layers", [1, 2, 5, 13])
def test_any_depth_is_a_sensible_model(layers: int) -> None:
    config = Transformer.of_depth(layers)

    assert (config.layers, config.head_width) == (layers, 64)
    assert 3 * config.width < config.inner < 4 * config.width


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 770, "heads": 4}, "backbone.width = 770 is not divisible by twice backbone.heads = 4. Nearest valid widths: 768, 776."),
        ({"width": 5, "heads": 3}, "Nearest valid widths: 6."),
        ({"layers": 0}, "backbone.transformer.layers = 0|layers = 0"),
        ({"inner": -1}, "inner = -1"),
        ({"width": "768"}, "width = '768'"),
        ({"widht": 768}, "Unknown key '.*widht'. Did you mean 'width'?"),
        ({"kind": "xlstmm"}, "kind"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, object], message: str) -> None:
    backbone = {"kind": "transformer", "layers": 2, "width": 28, "heads": 7, "inner": 41} | changes

    with pytest.raises(ConfigError, match=message):
        LanguageModel.Config.from_dict({"backbone": backbone})


def test_required_sizes_have_no_defaults() -> None:
    with pytest.raises(ConfigError, match="heads' is required and has no default"):
        Transformer.Config.from_dict({"layers": 2, "width": 28, "inner": 41})


def test_an_unknown_size_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="There is no Transformer size 'huge'. Known: nano, micro, mini, 110m, 270m."):
        Transformer.Config.named("huge")


def test_packed_and_masked_attention_give_the_same_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    token_ids = torch.randint(10, 43, (3, 31), generator=generator)
    positions = torch.randint(-9, 99, (3, 31), generator=generator)
    segment_ids = torch.tensor([[1] * 31, [1] * 13 + [2] * 11 + [0] * 7, [1] * 2 + [2] * 3 + [3] * 26])

    results = []
    for packed in (True, False):
        config = SMALL.override([f"backbone.packed={str(packed).lower()}"])
        model = config.build(seed=1).double()
        logits = model(token_ids, positions, segment_ids)[segment_ids > 0]
        logits.square().sum().backward()
        results.append([logits.detach(), *(p.grad for p in model.parameters() if p.grad is not None)])

    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def read(model: LanguageModel, length: int) -> TransformerState:
    state = model.prefill(torch.full((1, length), 20), torch.arange(length)[None])[1]
    assert isinstance(state, TransformerState)
    return state


def test_forks_keep_their_common_beginning_once() -> None:
    model = SMALL.build()
    state = read(model, 503)
    width_bytes = 2 * 28 * 4 * SMALL.backbone.layers

    # 503 tokens once, and 64 places of room for each continuation.
    assert state.fork(1).num_bytes == (503 + 64) * width_bytes
    assert state.fork(100).num_bytes == (503 + 100 * 64) * width_bytes


def test_forks_of_a_fork_copy_nothing() -> None:
    fork = read(SMALL.build(), 17).fork(1)

    again = fork.fork(5)

    assert [layer.prefix[0].data_ptr() for layer in again.layers] == [layer.prefix[0].data_ptr() for layer in fork.layers]


def test_room_for_more_tokens_doubles() -> None:
    model, state = SMALL.build(), read(SMALL.build(), 3).fork(2)

    sizes = []
    with torch.no_grad():
        for place in range(131):
            model.step(torch.tensor([20, 21]), torch.full((2,), 3 + place), state)
            sizes.append(state.layers[0].tail[0].shape[2])

    assert sorted(set(sizes)) == [64, 128, 256]
    assert (state.num_tokens, state.count) == (134, 2)


def test_initial_weights_have_the_spread_they_should() -> None:
    model = LanguageModel.Config(backbone=Transformer.Config(layers=8, width=128, heads=4, inner=512)).build(seed=0)
    weights = model.state_dict()

    assert float(weights["embedding.weight"].std()) == pytest.approx(0.02, rel=0.05)
    assert float(weights["backbone.blocks.3.query_key_value.weight"].std()) == pytest.approx(0.02, rel=0.05)
    assert float(weights["backbone.blocks.3.feedforward.down.weight"].std()) == pytest.approx(0.02 / 4, rel=0.05)
    assert float(weights["backbone.blocks.3.attention_out.weight"].std()) == pytest.approx(0.02 / 4, rel=0.05)
    assert (weights["backbone.norm.weight"] == 1).all()
