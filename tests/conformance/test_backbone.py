"""What every backbone must do. A new backbone is one more line in CASES."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from safetensors.torch import load_file
from torch import Tensor, nn

from biolect.errors import CheckpointError, ConfigError, ShapeError
from biolect.models.checkpoint import write_tensors
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
from biolect.models.xlstm import XLSTM


class Case(NamedTuple):
    """A backbone, and which properties it claims.

    Attributes:
        positions_matter: It does something with the positions it is given.
        only_distances_matter: Adding a number to all of them changes nothing.
        is_causal: No token changes anything before it, and a state can be read on from.
        scale: By which weights are larger here than drawn, so that every place depends on every other.
    """

    config: Any
    positions_matter: bool = True
    only_distances_matter: bool = True
    is_causal: bool = True
    scale: float = 8


def xlstm(pattern: str, layers: int = 2, **settings: object) -> XLSTM.Config:
    return XLSTM.Config.model_validate(
        {"layers": layers, "width": 24, "heads": 4, "pattern": pattern, "inner": 29, "chunk_length": 7} | settings
    )


CASES = {
    "transformer": Case(Transformer.Config(layers=3, width=30, heads=3, inner=37)),
    "transformer-masked": Case(Transformer.Config(layers=2, width=28, heads=7, inner=41, packed=False)),
    "transformer-both-ways": Case(Transformer.Config(layers=2, width=30, heads=3, inner=37, direction="bidirectional"), is_causal=False),
    "xlstm-m": Case(xlstm("m", heads=2), positions_matter=False, scale=3),
    "xlstm-s": Case(xlstm("s"), positions_matter=False, scale=3),
    "xlstm-mixed": Case(xlstm("msm", layers=3, conv_width=3), positions_matter=False, scale=3),
    "xlstm-rotary-full": Case(xlstm("m", rotary="full"), only_distances_matter=False, scale=3),
    "xlstm-rotary-full-plain-gates": Case(xlstm("ms", rotary="full", plain_gates=True), scale=3),
    "xlstm-rotary-per-head": Case(xlstm("m", rotary="per_head", conv_width=1), scale=3),
    "xlstm-both-ways": Case(xlstm("ms", rotary="per_head", direction="bidirectional"), is_causal=False, scale=3),
    "xlstm-two-sided": Case(xlstm("m", direction="two_sided"), positions_matter=False, is_causal=False, scale=3),
}
BACKBONES = {name: case.config for name, case in CASES.items()}
CAUSAL = [name for name, case in CASES.items() if case.is_causal]

# Not bit for bit even where nothing but an address changed: kernels choose their order by alignment.
FLOAT64 = 1e-9
BFLOAT16 = 0.05


def build(name: str) -> LanguageModel:
    """A model in float64 with weights large enough for every place to depend on every other."""
    model = LanguageModel.Config(backbone=BACKBONES[name]).build(seed=1).double()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in model.parameters():
            if not weight.any():
                weight.normal_(std=0.1, generator=generator)
            if weight.dim() > 1:
                weight.mul_(CASES[name].scale)
    return model


MODELS = {name: build(name) for name in BACKBONES}


@pytest.fixture(params=list(BACKBONES))
def model(request: pytest.FixtureRequest) -> LanguageModel:
    return MODELS[request.param]


@pytest.fixture(params=CAUSAL)
def causal(request: pytest.FixtureRequest) -> LanguageModel:
    return MODELS[request.param]


def tokens(rows: int, length: int, seed: int = 0) -> Tensor:
    return torch.randint(10, 43, (rows, length), generator=torch.Generator().manual_seed(seed))


def places(rows: int, length: int, first: int = 0) -> Tensor:
    return torch.arange(first, first + length).repeat(rows, 1)


def assert_close(found: Tensor, expected: Tensor, tolerance: float = FLOAT64) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)


def differs(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).abs().max() > 1e-4)


@pytest.mark.parametrize("length", [1, 5, 67])
def test_steps_and_prefill_equal_the_whole_row_at_any_length(causal: LanguageModel, length: int) -> None:
    read, at = tokens(1, length), places(1, length)

    expected = causal(read, at)
    prefilled, state = causal.prefill(read, at)
    stepped = causal.backbone.new_state()
    steps = [causal.step(read[:, t], at[:, t], stepped) for t in range(length)]

    assert_close(prefilled, expected)
    assert_close(torch.stack(steps, dim=1), expected)
    assert state.num_tokens == stepped.num_tokens == length


@pytest.mark.parametrize("name", CAUSAL)
@settings(max_examples=6)
@given(parts=st.lists(st.integers(1, 31), min_size=1, max_size=5), rows=st.sampled_from([1, 3]))
def test_a_row_may_be_split_anywhere(name: str, parts: list[int], rows: int) -> None:
    model, length = MODELS[name], sum(parts)
    read, at = tokens(rows, length), places(rows, length, first=-3)

    state = model.backbone.new_state().fork(rows)
    pieces = [model.extend(part, at_part, state) for part, at_part in zip(read.split(parts, 1), at.split(parts, 1), strict=True)]

    assert_close(torch.cat(pieces, dim=1), model(read, at))
    assert state.num_tokens == length


def test_forks_go_on_by_themselves_from_a_common_beginning(causal: LanguageModel) -> None:
    prompt, tails = tokens(1, 13), tokens(5, 71, seed=1)
    _, state = causal.prefill(prompt, places(1, 13))

    forked = state.fork(5)
    found = causal.extend(tails, places(5, 71, first=13), forked)

    expected = causal(torch.cat([prompt.repeat(5, 1), tails], dim=1), places(5, 84))[:, 13:]
    assert_close(found, expected)
    assert forked.num_tokens == 84


def test_the_original_is_untouched_by_its_forks(causal: LanguageModel) -> None:
    prompt, following = tokens(1, 13), tokens(1, 3, seed=1)
    _, state = causal.prefill(prompt, places(1, 13))
    expected = causal.extend(following, places(1, 3, first=13), causal.prefill(prompt, places(1, 13))[1])

    first, second = state.fork(2), state.fork(1)
    causal.extend(tokens(2, 7, seed=2), places(2, 7, first=13), first)
    again = causal.extend(following, places(1, 3, first=13), second)
    original = causal.extend(following, places(1, 3, first=13), state)

    assert_close(again, expected)
    assert_close(original, expected)
    assert (first.num_tokens, second.num_tokens, state.num_tokens) == (20, 16, 16)


def test_a_fork_can_be_forked_again(causal: LanguageModel) -> None:
    read, at = tokens(1, 11), places(1, 11)
    tails = tokens(3, 7, seed=1)

    _, state = causal.prefill(read[:, :5], at[:, :5])
    middle = state.fork(1)
    causal.extend(read[:, 5:], at[:, 5:], middle)
    found = causal.extend(tails, places(3, 7, first=11), middle.fork(3))

    assert_close(found, causal(torch.cat([read.repeat(3, 1), tails], dim=1), places(3, 18))[:, 11:])


def test_several_continuations_cannot_be_forked_or_saved(causal: LanguageModel) -> None:
    state = causal.prefill(tokens(1, 5), places(1, 5))[1].fork(3)

    with pytest.raises(ShapeError, match="holds 3 continuations"):
        state.fork(2)
    with pytest.raises(ShapeError, match="holds 3 continuations"):
        state.tensors()


def test_continuations_that_are_kept_go_on_as_before(causal: LanguageModel) -> None:
    prompt, tails = tokens(1, 5), tokens(4, 7, seed=1)
    state = causal.prefill(prompt, places(1, 5))[1].fork(4)
    causal.extend(tails[:, :3], places(4, 3, first=5), state)

    state.keep(torch.tensor([2, 0]))
    found = causal.extend(tails[[2, 0], 3:], places(2, 4, first=8), state)

    assert_close(found, causal(torch.cat([prompt.repeat(2, 1), tails[[2, 0]]], dim=1), places(2, 12))[:, 8:])


def test_a_token_changes_nothing_before_it_and_something_after(causal: LanguageModel) -> None:
    read, at = tokens(1, 23), places(1, 23)
    expected = causal(read, at)

    for place in (0, 11, 22):
        changed = read.clone()
        changed[0, place] = 10 + (changed[0, place] - 9) % 30
        found = causal(changed, at)
        assert_close(found[:, :place], expected[:, :place])
        assert all(differs(found[:, t], expected[:, t]) for t in range(place, 23))


def test_rows_of_a_batch_are_independent(model: LanguageModel) -> None:
    read, at = tokens(5, 17), places(5, 17)
    segments = torch.ones(5, 17, dtype=torch.long)

    together = model(read, at, segments)

    for row in range(5):
        assert_close(together[row : row + 1], model(read[row : row + 1], at[:1]))


@st.composite
def layouts(draw: st.DrawFn) -> np.ndarray:
    """Segment ids of a few rows of 29 places: segments from 1 on, then padding."""
    rows = []
    for _ in range(draw(st.integers(1, 3))):
        lengths = draw(st.lists(st.integers(1, 13), min_size=0, max_size=6))
        ids = np.repeat(np.arange(1, len(lengths) + 1), lengths)[:29]
        rows.append(np.pad(ids, (0, 29 - len(ids))))
    return np.stack(rows)


@pytest.mark.parametrize("name", BACKBONES)
@settings(max_examples=6)
@given(layout=layouts())
def test_a_segment_depends_on_neither_neighbours_nor_padding(name: str, layout: np.ndarray) -> None:
    model, segment_ids = MODELS[name], torch.from_numpy(layout)
    read = tokens(*layout.shape)
    at = tokens(*layout.shape, seed=3)

    packed = model(read, at, segment_ids)

    for row, ids in enumerate(segment_ids):
        for segment in ids.unique().tolist():
            if segment:
                own = ids == segment
                assert_close(packed[row, own], model(read[row, own][None], at[row, own][None])[0])
    other = torch.where(segment_ids > 0, read, tokens(*layout.shape, seed=4))
    assert_close(model(other, at, segment_ids)[segment_ids > 0], packed[segment_ids > 0])
    assert packed.isfinite().all()


def test_gradients_of_a_packed_row_are_those_of_its_segments(model: LanguageModel) -> None:
    read, at = tokens(2, 19), places(2, 19)
    segment_ids = torch.tensor([[1] * 7 + [2] * 11 + [0], [1] * 19])

    def gradients(logits: list[Tensor]) -> list[Tensor]:
        torch.stack([x.square().sum() for x in logits]).sum().backward()
        found = [p.grad for p in model.parameters() if p.grad is not None]
        model.zero_grad(set_to_none=True)
        return found

    packed = gradients([model(read, at, segment_ids)[segment_ids > 0]])
    alone = gradients([model(read[:1, :7], at[:1, :7]), model(read[:1, 7:18], at[:1, 7:18]), model(read[1:], at[1:])])

    assert len(packed) == len(alone) == len(list(model.parameters()))
    for one, other in zip(packed, alone, strict=True):
        torch.testing.assert_close(one, other, rtol=FLOAT64, atol=FLOAT64)


def test_a_batch_of_nothing_but_padding_gives_numbers_and_gradients(model: LanguageModel) -> None:
    logits = model(tokens(2, 5), places(2, 5), torch.zeros(2, 5, dtype=torch.long))

    logits.sum().backward()

    assert logits.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    model.zero_grad(set_to_none=True)


def test_recomputing_activations_gives_the_same_gradients(model: LanguageModel) -> None:
    read, at, segment_ids = tokens(2, 13), places(2, 13), torch.tensor([[1] * 5 + [2] * 8, [1] * 12 + [0]])

    found = []
    for recomputes in (False, True):
        model.backbone.recomputes = recomputes
        model(read, at, segment_ids).square().sum().backward()
        found.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
        model.zero_grad(set_to_none=True)
    model.backbone.recomputes = False

    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=FLOAT64, atol=FLOAT64)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("shift", [-1_000, 7, 10_007])
def test_shifting_all_positions_changes_nothing_where_only_distances_matter(name: str, shift: int) -> None:
    model, read, at = MODELS[name], tokens(2, 23), places(2, 23)

    shifted, expected = model(read, at + shift), model(read, at)

    if CASES[name].only_distances_matter:
        assert_close(shifted, expected)
    else:
        assert differs(shifted, expected)


@pytest.mark.parametrize("name", CASES)
def test_positions_may_repeat_and_be_negative_and_matter_where_they_are_read(name: str) -> None:
    model, read = MODELS[name], tokens(1, 7)
    at = torch.tensor([[-5, -5, 0, 0, 3, 3, 6]])

    found, expected = model(read, at), model(read, places(1, 7))

    assert found.isfinite().all()
    assert differs(found, expected) if CASES[name].positions_matter else torch.equal(found, expected)


@pytest.mark.parametrize("name", [name for name in CASES if name not in CAUSAL])
def test_reading_both_ways_every_token_matters_everywhere_and_nothing_can_be_continued(name: str) -> None:
    model, read, at = MODELS[name], tokens(1, 23), places(1, 23)
    expected = model(read, at)
    changed = read.clone()
    changed[0, 11] = 10 + (changed[0, 11] - 9) % 30
    found = model(changed, at)

    assert all(differs(found[:, t], expected[:, t]) for t in range(23))
    for ask in (lambda: model.prefill(read, at), model.backbone.new_state):
        with pytest.raises(ConfigError, match="reads both sides of every residue, so no text can be read in advance"):
            ask()
    assert not model.backbone.is_causal and not model.config.is_causal


def test_causal_backbones_say_so(causal: LanguageModel) -> None:
    assert causal.backbone.is_causal and causal.config.is_causal and causal.config.backbone.direction == "causal"


def test_a_state_survives_the_disk(causal: LanguageModel, tmp_path: Path) -> None:
    prompt, tails = tokens(1, 13), tokens(3, 5, seed=1)
    _, state = causal.prefill(prompt, places(1, 13))
    expected = causal.extend(tails, places(3, 5, first=13), state.fork(3))

    write_tensors(tmp_path / "state.safetensors", state.tensors())
    loaded = causal.backbone.state_of(load_file(tmp_path / "state.safetensors"))
    found = causal.extend(tails, places(3, 5, first=13), loaded.fork(3))

    assert_close(found, expected)
    assert loaded.num_tokens == 13


def test_a_fresh_state_survives_the_disk_too(causal: LanguageModel) -> None:
    loaded = causal.backbone.state_of(causal.backbone.new_state().tensors())

    assert loaded.num_tokens == 0
    assert_close(causal.extend(tokens(1, 5), places(1, 5), loaded), causal(tokens(1, 5), places(1, 5)))


def test_num_bytes_counts_what_is_held(causal: LanguageModel) -> None:
    _, state = causal.prefill(tokens(1, 13), places(1, 13))
    content = sum(t.numel() * t.element_size() for t in state.tensors().values())

    assert state.num_bytes >= content > 0
    assert state.fork(8).num_bytes > state.fork(1).num_bytes


@pytest.mark.parametrize("damage", ["missing", "spare", "shape", "empty"])
def test_a_state_of_another_model_is_refused(causal: LanguageModel, damage: str) -> None:
    tensors = causal.prefill(tokens(1, 5), places(1, 5))[1].tensors()
    first = sorted(tensors)[0]
    if damage == "missing":
        del tensors[first]
    elif damage == "spare":
        tensors["spare"] = tensors[first]
    elif damage == "shape":
        tensors[first] = torch.zeros(*(n + 1 for n in tensors[first].shape))
    else:
        tensors = {}

    with pytest.raises(CheckpointError, match="This state is not one of this model"):
        causal.backbone.state_of(tensors)


@pytest.mark.parametrize("name", BACKBONES)
def test_bfloat16_is_near_float32(name: str) -> None:
    model = LanguageModel.Config(backbone=BACKBONES[name]).build(seed=2)
    read, at, segment_ids = tokens(3, 31), places(3, 31), torch.tensor([[1] * 31, [1] * 13 + [2] * 18, [1] * 29 + [0] * 2])

    expected = model(read, at, segment_ids)
    with torch.autocast("cpu", torch.bfloat16):
        found = model(read, at, segment_ids)
        found.float().square().mean().backward()

    assert found.dtype == torch.bfloat16
    real = segment_ids > 0
    assert (found.float() - expected)[real].abs().max() < BFLOAT16 * expected[real].abs().max()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("name", CAUSAL)
def test_states_follow_bfloat16_too(name: str) -> None:
    model = LanguageModel.Config(backbone=BACKBONES[name]).build(seed=2)
    prompt, tails = tokens(1, 31), tokens(3, 7, seed=1)

    expected = model(torch.cat([prompt.repeat(3, 1), tails], dim=1), places(3, 38))[:, 31:]
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        state = model.prefill(prompt, places(1, 31))[1].fork(3)
        found = model.extend(tails, places(3, 7, first=31), state)

    assert (found.float() - expected).abs().max() < BFLOAT16 * expected.abs().max()


@pytest.mark.parametrize("name", BACKBONES)
def test_equal_seeds_give_equal_bits_and_other_seeds_others(name: str) -> None:
    def weights(seed: int) -> dict[str, Tensor]:
        torch.manual_seed(np.random.default_rng(seed).integers(2**31))
        return LanguageModel.Config(backbone=BACKBONES[name]).build(seed).state_dict()

    one, same, other = weights(3), weights(3), weights(4)

    assert all(torch.equal(one[key], same[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", BACKBONES)
def test_every_weight_learns(name: str) -> None:
    model = LanguageModel.Config(backbone=BACKBONES[name]).build(seed=2)

    nn.functional.cross_entropy(model(tokens(2, 11), places(2, 11)).flatten(0, 1), tokens(2, 11, seed=1).flatten()).backward()

    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
