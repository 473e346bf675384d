"""The xLSTM: published sizes, layers by definition, both directions, initial weights, and a state of one size."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from biolect.errors import ConfigError
from biolect.models.language_model import LanguageModel
from biolect.models.xlstm import XLSTM, MLSTMBlock, SLSTMBlock, XLSTMState
from biolect.nn.mlstm import MLSTMLayer
from biolect.ops.mlstm import mlstm_parallel
from biolect.ops.slstm import slstm_loop

FLOAT64 = 1e-10
BY_DEFINITION = 1e-6
"""Chunkwise and parallel forms keep other running maxima, which only the epsilon behind them sees."""

# Size, tokens of the vocabulary, parameters with embedding and head.
PUBLISHED = [
    ("dna-500k", 12, 522_368),
    ("dna-2m", 12, 2_101_504),
    ("dna-4m", 12, 4_196_608),
    ("prot-26m", 38, 25_918_080),
    ("prot-102m", 38, 102_167_680),
    ("chem-15m", 37, 14_816_400),
    ("chem-15m", 200, 14_983_312),
]


def backbone(seed: int = 0, **settings: object) -> XLSTM:
    """A small backbone in float64; weights that begin at 0 are drawn, too."""
    config = XLSTM.Config.model_validate({"layers": 2, "width": 24, "heads": 4, "pattern": "m", "inner": 29, "chunk_length": 7} | settings)
    made, generator = config.build().double(), torch.Generator().manual_seed(seed)
    made.initialize(generator)
    with torch.no_grad():
        for weight in made.parameters():
            if weight.dim() > 1 or not weight.any():
                weight.add_(torch.randn(weight.shape, generator=generator, dtype=weight.dtype), alpha=0.3)
    return made


def embedded(rows: int, length: int, width: int = 24) -> Tensor:
    return torch.randn(rows, length, width, dtype=torch.float64, generator=torch.Generator().manual_seed(length))


@pytest.mark.parametrize(("size", "tokens", "parameters"), PUBLISHED)
def test_named_sizes_have_exactly_the_parameters_of_the_formulas(size: str, tokens: int, parameters: int) -> None:
    config = XLSTM.Config.named(size)
    d, heads, inner = config.width, config.heads, config.inner
    # Published rule for DNA: 1.1 times the width, rounded down to 8.
    assert inner == (11 * d // 10 // 8 * 8 if config.pattern == "s" else 0)
    p = 2 * d
    block = {
        "m": 6 * d**2 + 12 * p + 5 * p + 2 * heads * (3 * p + 1) + 2 * p + d,
        "s": 8 * d**2 // heads + 3 * inner * d + 12 * d,
    }[config.pattern]

    with torch.device("meta"):
        made = config.build()

    assert sum(weight.numel() for weight in made.parameters()) + 2 * tokens * d == parameters
    assert config.layers * block + d + 2 * tokens * d == parameters


@pytest.mark.parametrize(
    ("size", "millions"), [("dna-2m", 2.10), ("dna-4m", 4.20), ("prot-26m", 25.9), ("prot-102m", 102.2), ("chem-15m", 14.82)]
)
def test_the_sizes_are_the_published_ones(size: str, millions: float) -> None:
    assert next(parameters for name, _, parameters in PUBLISHED if name == size) / 1e6 == pytest.approx(
        millions, abs=0.05 if millions > 20 else 0.006
    )


@pytest.mark.parametrize("layers", [1, 2, 5])
def test_any_depth_is_a_sensible_model(layers: int) -> None:
    config = XLSTM.of_depth(layers)

    assert (config.layers, config.mlstm_width // config.heads) == (layers, 128)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads": 7}, "backbone.heads = 7 does not divide twice backbone.width, rounded up to 64, = 64. Choose other heads."),
        ({"rotary_base": 0}, "rotary_base = 0: Input should be greater than 0"),
        ({"heads": 16, "pattern": "s", "inner": 8}, "backbone.heads = 16 does not divide backbone.width = 24"),
        ({"heads": 64, "rotary": "per_head"}, "does not divide .* = 64 into even parts"),
        ({"pattern": "mms"}, "backbone.layers = 4 is no multiple of the 3 blocks of backbone.pattern = 'mms'. Write the pattern out"),
        ({"pattern": "s"}, "backbone.inner = 0, but sLSTM blocks have a feed-forward layer"),
        ({"pattern": "s", "inner": 8, "direction": "two_sided"}, "'two_sided' is for mLSTM blocks only"),
        ({"pattern": "mx"}, "pattern = 'mx'"),
        ({"direction": "backwards"}, "direction = 'backwards'"),
        ({"widht": 768}, "Unknown key '.*widht'. Did you mean 'width'?"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LanguageModel.Config.from_dict({"backbone": {"kind": "xlstm", "layers": 4, "width": 24, "heads": 4, "pattern": "m"} | changes})


def test_an_unknown_size_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="There is no XLSTM size 'huge'. Known: dna-500k, dna-2m, dna-4m, prot-26m, prot-102m, chem-15m."):
        XLSTM.Config.named("huge")


def test_a_pattern_is_repeated_until_there_are_enough_blocks() -> None:
    made = backbone(layers=6, pattern="mms")

    assert [type(block) for block in made.blocks] == [MLSTMBlock, MLSTMBlock, SLSTMBlock] * 2


def convolved(layer: Any, x: Tensor) -> Tensor:
    weight = layer.conv.weight
    return functional.silu(
        functional.conv1d(functional.pad(x.mT, (weight.shape[1] - 1, 0)), weight[:, None], layer.conv.bias, groups=len(weight)).mT
    )


def turned(x: Tensor, positions: Tensor, width: int) -> Tensor:
    """Neighbours as complex numbers, multiplied by the angle of their position; frequencies start anew every `width` channels."""
    frequencies = 500_000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angles = (positions[..., None] * frequencies).tile(x.shape[-1] // width)
    return torch.view_as_real(
        torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous()) * torch.polar(torch.ones_like(angles), angles)
    ).flatten(-2)


def mlstm_by_definition(layer: MLSTMLayer, x: Tensor, positions: Tensor, rotary: str, *, plain_gates: bool) -> Tensor:
    u, z = (x @ layer.up.weight.T).chunk(2, -1)
    c = convolved(layer, u)
    q, k, v = (y @ torch.block_diag(*part.weight).T for y, part in ((c, layer.query), (c, layer.key), (u, layer.value)))
    plain, width = (q, k), u.shape[-1]
    if rotary != "none":
        q, k = (turned(y, positions, width if rotary == "full" else width // layer.heads) for y in (q, k))
    seen = (q, k) if rotary == "full" and not plain_gates else plain
    gates = torch.cat([*seen, v], -1) @ layer.gates.weight.T + layer.gates.bias
    q, k, v = (y.unflatten(-1, (layer.heads, -1)) for y in (q, k, v))
    h = mlstm_parallel(q, k, v, gates[..., : layer.heads], gates[..., layer.heads :])
    h = torch.cat([functional.layer_norm(each, each.shape[-1:]) for each in h.unbind(2)], -1) * layer.head_norm.weight
    return ((h + layer.skip * c) * functional.silu(z)) @ layer.down.weight.T


@pytest.mark.parametrize("plain_gates", [False, True])
@pytest.mark.parametrize("rotary", ["none", "full", "per_head"])
def test_an_mlstm_layer_is_its_formula(rotary: str, plain_gates: bool) -> None:
    made = backbone(rotary=rotary, plain_gates=plain_gates)
    layer, x = made.blocks[0].layer, embedded(2, 19)
    positions = torch.randint(-9, 99, (2, 19), generator=torch.Generator().manual_seed(1))

    found = layer(x, made._angles(x, positions))

    expected = mlstm_by_definition(layer, x, positions, rotary, plain_gates=plain_gates)
    torch.testing.assert_close(found, expected, rtol=0, atol=BY_DEFINITION * float(expected.detach().abs().max()))


def test_an_slstm_layer_is_its_formula() -> None:
    layer, x = backbone(pattern="s").blocks[0].layer, embedded(2, 19)
    c = convolved(layer, x)
    inputs = ((c, layer.input_gate), (c, layer.forget_gate), (x, layer.cell_input), (x, layer.output_gate))
    logits = torch.stack([y @ torch.block_diag(*part.weight).T for y, part in inputs], dim=2).flatten(2) + layer.bias
    h, _ = slstm_loop(logits.unflatten(-1, (4, layer.heads, -1)), layer.recurrent)

    expected = torch.cat([functional.layer_norm(each, each.shape[-1:]) for each in h.unbind(2)], -1) * layer.head_norm.weight

    torch.testing.assert_close(layer(x), expected, rtol=0, atol=FLOAT64)


def test_an_slstm_block_adds_its_layer_and_then_a_gated_feed_forward() -> None:
    block, x = backbone(pattern="s").blocks[0], embedded(2, 7)
    middle = x + block.layer(block.norm(x))
    gate, value = (block.feedforward_norm(middle) @ block.feedforward.up.weight.T).chunk(2, -1)

    expected = middle + (gate * (1 + torch.erf(gate / 2**0.5)) / 2 * value) @ block.feedforward.down.weight.T

    torch.testing.assert_close(block(x, None, None), expected, rtol=0, atol=FLOAT64)


def both_ways_by_definition(made: XLSTM, x: Tensor, positions: Tensor, segment_ids: Tensor) -> Tensor:
    """x + Mix(LN x) + flip(Mix(flip(LN x))) with a layer that only knows one direction, in two calls."""
    for block in made.blocks:
        layer = copy.copy(block.layer)
        layer.direction = "causal"

        def mix(y: Tensor, at: Tensor, ids: Tensor, layer: Any = layer) -> Tensor:
            return layer(y, made._angles(y, at), ids) if isinstance(layer, MLSTMLayer) else layer(y, ids)

        y = block.norm(x)
        x = x + mix(y, positions, segment_ids) + mix(y.flip(1), positions.flip(1), segment_ids.flip(1)).flip(1)
        if isinstance(block, SLSTMBlock):
            x = x + block.feedforward(block.feedforward_norm(x))
    return made.norm(x)


@pytest.mark.parametrize("rotary", ["none", "full", "per_head"])
def test_both_ways_in_one_call_equal_two_calls_on_flipped_rows(rotary: str) -> None:
    made = backbone(layers=3, pattern="mss", direction="bidirectional", rotary=rotary)
    x = embedded(2, 19).requires_grad_()
    positions = torch.arange(19).repeat(2, 1)
    segment_ids = torch.tensor([[1] * 7 + [2] * 9 + [0] * 3, [1] * 19])

    outs = made(x, positions, segment_ids), both_ways_by_definition(made, x, positions, segment_ids)

    real = segment_ids > 0
    torch.testing.assert_close(outs[0][real], outs[1][real], rtol=0, atol=FLOAT64)
    gradients = [torch.autograd.grad(out[real].square().sum(), [x, *made.parameters()]) for out in outs]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-8)


def test_without_positions_both_ways_cannot_tell_a_row_from_its_mirror_image() -> None:
    """Weights are tied and updates are added, so this is so by construction, as in the published models."""
    x, at = embedded(1, 11), torch.arange(11)[None]
    plain = backbone(pattern="ms", direction="bidirectional")
    placed = backbone(pattern="ms", direction="bidirectional", rotary="per_head")

    torch.testing.assert_close(plain(x.flip(1), at), plain(x, at).flip(1), rtol=0, atol=FLOAT64)
    assert (placed(x.flip(1), at) - placed(x, at).flip(1)).abs().max() > 1e-3


def test_chunks_change_no_result() -> None:
    x, at = embedded(2, 67), torch.arange(67).repeat(2, 1)

    torch.testing.assert_close(backbone(chunk_length=5)(x, at), backbone(chunk_length=64)(x, at), rtol=0, atol=1e-9)


def test_the_state_takes_the_same_memory_whatever_was_read() -> None:
    model = LanguageModel.Config(backbone=XLSTM.Config(layers=2, width=24, heads=4, pattern="ms", inner=29)).build()
    sizes = set()
    with torch.no_grad():
        for length in (1, 5, 700):
            _, state = model.prefill(torch.full((1, length), 20), torch.arange(length)[None])
            assert isinstance(state, XLSTMState)
            model.step(torch.tensor([21]), torch.tensor([length]), state)
            sizes.add(state.num_bytes)
            assert state.num_tokens == length + 1

    # H (K^2 + K + 1) and three inputs of the convolution; four numbers a unit and three inputs; the count of tokens.
    numbers = 4 * (16**2 + 16 + 1) + 3 * 64 + 4 * 24 + 3 * 24
    assert sizes == {4 * numbers + 8}
    assert state.fork(5).num_bytes == 5 * 4 * numbers + 8
    assert state.fork_bytes(1) == state.fork_bytes(10**6) == 4 * numbers


def test_forks_copy_nothing_until_they_read() -> None:
    model = LanguageModel.Config(backbone=XLSTM.Config(layers=1, width=24, heads=4, pattern="m")).build()
    _, state = model.prefill(torch.full((1, 5), 20), torch.arange(5)[None])
    assert isinstance(state, XLSTMState)

    forked = state.fork(1_000)

    assert forked.layers[0].tail.data_ptr() == state.layers[0].tail.data_ptr()
    assert (forked.count, state.count) == (1_000, 1)


def test_initial_weights_have_the_spread_they_should() -> None:
    model = LanguageModel.Config(backbone=XLSTM.Config(layers=4, width=128, heads=4, pattern="ms", inner=168)).build(seed=0)
    weights = model.state_dict()
    small, residual = (2 / (5 * 128)) ** 0.5, 2 / (4 * 128**0.5)
    spreads = dict.fromkeys(["embedding", "head", "backbone.blocks.0.layer.up", "backbone.blocks.3.feedforward.up"], small)
    spreads |= dict.fromkeys([f"backbone.blocks.0.layer.{name}" for name in ("query", "key", "value")], small)
    spreads |= dict.fromkeys(
        [f"backbone.blocks.1.layer.{name}" for name in ("input_gate", "forget_gate", "cell_input", "output_gate")], small
    )
    spreads |= {"backbone.blocks.2.layer.down": residual, "backbone.blocks.1.feedforward.down": residual}

    for name, spread in spreads.items():
        assert float(weights[f"{name}.weight"].std()) == pytest.approx(spread, rel=0.07), name
    conv = weights["backbone.blocks.0.layer.conv.weight"]
    assert float(conv.abs().max()) <= 0.5 and float(conv.std()) == pytest.approx(1 / 12**0.5, rel=0.07)
    assert all((weight == 1).all() for name, weight in weights.items() if name.endswith(("norm.weight", "skip")))


def test_initial_gates_are_the_published_ones() -> None:
    model = LanguageModel.Config(backbone=XLSTM.Config(layers=3, width=64, heads=4, pattern="mss", inner=72)).build(seed=0)
    weights = {name.removeprefix("backbone.blocks."): weight for name, weight in model.state_dict().items()}

    assert not weights["0.layer.gates.weight"].any()
    torch.testing.assert_close(weights["0.layer.gates.bias"][4:], torch.tensor([3.0, 4.0, 5.0, 6.0]))
    assert 0 < weights["0.layer.gates.bias"][:4].abs().max() < 0.5
    for index, power in ((1, 0.95), (2, 1.6)):
        bias = weights[f"{index}.layer.bias"].view(4, 4, 16)
        assert not weights[f"{index}.layer.recurrent"].any() and not bias[[0, 2, 3]].any()
        for head in bias[1]:
            torch.testing.assert_close(head, 5 - 12 * (torch.arange(16) / 15) ** power)


def test_reading_on_writes_over_no_memory_that_another_state_holds() -> None:
    model = LanguageModel.Config(backbone=XLSTM.Config(layers=2, width=16, heads=2, pattern="ms", inner=24)).build(seed=0).eval()
    step = (torch.tensor([11]), torch.tensor([3]))
    with torch.inference_mode():
        _, state = model.prefill(torch.tensor([[10, 12, 13]]), torch.arange(3)[None])
        kept = {name: tensor.clone() for name, tensor in state.tensors().items()}
        fork = state.fork(1)
        expected = [model.step(*step, fork), model.step(*step, fork)]

        assert all(torch.equal(tensor, kept[name]) for name, tensor in state.tensors().items())
        found = [model.step(*step, state), model.step(*step, state)]

    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
