"""What every backbone must do. A new backbone is one more line in BACKBONES."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor, nn

from biolect.errors import CheckpointError, ShapeError
from biolect.models.checkpoint import write_tensors
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer

BACKBONES = {
    "transformer": Transformer.Config(layers=3, width=30, heads=3, inner=37),
    "transformer-masked": Transformer.Config(layers=2, width=28, heads=7, inner=41, packed=False),
}

# Not bit for bit even where nothing but an address changed: kernels choose their order by alignment.
FLOAT64 = 1e-9
BFLOAT16 = 0.05


def build(name: str) -> LanguageModel:
    """A model in float64 with weights large enough for every place to depend on every other."""
    model = LanguageModel.Config(backbone=BACKBONES[name]).build(seed=1).double()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(8)
    return model


MODELS = {name: build(name) for name in BACKBONES}


@pytest.fixture(params=list(BACKBONES))
def model(request: pytest.FixtureRequest) -> LanguageModel:
    return MODELS[request.param]


def tokens(rows: int, length: int, seed: int = 0) -> Tensor:
    return torch.randint(10, 43, (rows, length), generator=torch.Generator().manual_seed(seed))


def places(rows: int, length: int, first: int = 0) -> Tensor:
    return torch.arange(first, first + length).repeat(rows, 1)


def assert_close(found: Tensor, expected: Tensor, tolerance: float = FLOAT64) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)


def differs(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).abs().max() > 1e-4)


@pytest.mark.parametrize("length", [1, 2, 5, 67])
def test_steps_and_prefill_equal_the_whole_row_at_any_length(model: LanguageModel, length: int) -> None:
    read, at = tokens(1, length), places(1, length)

    expected = model(read, at)
    prefilled, state = model.prefill(read, at)
    stepped = model.backbone.new_state()
    steps = [model.step(read[:, t], at[:, t], stepped) for t in range(length)]

    assert_close(prefilled, expected)
    assert_close(torch.stack(steps, dim=1), expected)
    assert state.num_tokens == stepped.num_tokens == length


@pytest.mark.parametrize("name", BACKBONES)
@settings(max_examples=15, deadline=None)
@given(parts=st.lists(st.integers(1, 31), min_size=1, max_size=5), rows=st.sampled_from([1, 3]))
def test_a_row_may_be_split_anywhere(name: str, parts: list[int], rows: int) -> None:
    model, length = MODELS[name], sum(parts)
    read, at = tokens(rows, length), places(rows, length, first=-3)

    state = model.backbone.new_state().fork(rows)
    pieces = [model.extend(part, at_part, state) for part, at_part in zip(read.split(parts, 1), at.split(parts, 1), strict=True)]

    assert_close(torch.cat(pieces, dim=1), model(read, at))
    assert state.num_tokens == length


def test_forks_go_on_by_themselves_from_a_common_beginning(model: LanguageModel) -> None:
    prompt, tails = tokens(1, 13), tokens(5, 71, seed=1)
    _, state = model.prefill(prompt, places(1, 13))

    forked = state.fork(5)
    found = model.extend(tails, places(5, 71, first=13), forked)

    expected = model(torch.cat([prompt.repeat(5, 1), tails], dim=1), places(5, 84))[:, 13:]
    assert_close(found, expected)
    assert forked.num_tokens == 84


def test_the_original_is_untouched_by_its_forks(model: LanguageModel) -> None:
    prompt, following = tokens(1, 13), tokens(1, 3, seed=1)
    _, state = model.prefill(prompt, places(1, 13))
    expected = model.extend(following, places(1, 3, first=13), model.prefill(prompt, places(1, 13))[1])

    first, second = state.fork(2), state.fork(1)
    model.extend(tokens(2, 7, seed=2), places(2, 7, first=13), first)
    again = model.extend(following, places(1, 3, first=13), second)
    original = model.extend(following, places(1, 3, first=13), state)

    assert_close(again, expected)
    assert_close(original, expected)
    assert (first.num_tokens, second.num_tokens, state.num_tokens) == (20, 16, 16)


def test_a_fork_can_be_forked_again(model: LanguageModel) -> None:
    read, at = tokens(1, 11), places(1, 11)
    tails = tokens(3, 7, seed=1)

    _, state = model.prefill(read[:, :5], at[:, :5])
    middle = state.fork(1)
    model.extend(read[:, 5:], at[:, 5:], middle)
    found = model.extend(tails, places(3, 7, first=11), middle.fork(3))

    assert_close(found, model(torch.cat([read.repeat(3, 1), tails], dim=1), places(3, 18))[:, 11:])


def test_several_continuations_cannot_be_forked_or_saved(model: LanguageModel) -> None:
    state = model.prefill(tokens(1, 5), places(1, 5))[1].fork(3)

    with pytest.raises(ShapeError, match="holds 3 continuations"):
        state.fork(2)
    with pytest.raises(ShapeError, match="holds 3 continuations"):
        state.tensors()


def test_continuations_that_are_kept_go_on_as_before(model: LanguageModel) -> None:
    prompt, tails = tokens(1, 5), tokens(4, 7, seed=1)
    state = model.prefill(prompt, places(1, 5))[1].fork(4)
    model.extend(tails[:, :3], places(4, 3, first=5), state)

    state.keep(torch.tensor([2, 0]))
    found = model.extend(tails[[2, 0], 3:], places(2, 4, first=8), state)

    assert_close(found, model(torch.cat([prompt.repeat(2, 1), tails[[2, 0]]], dim=1), places(2, 12))[:, 8:])


def test_a_token_changes_nothing_before_it_and_something_after(model: LanguageModel) -> None:
    read, at = tokens(1, 23), places(1, 23)
    expected = model(read, at)

    for place in (0, 11, 22):
        changed = read.clone()
        changed[0, place] = 10 + (changed[0, place] - 9) % 30
        found = model(changed, at)
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
@settings(max_examples=15, deadline=None)
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


@pytest.mark.parametrize("shift", [-1_000, 7, 10_007])
def test_shifting_all_positions_changes_nothing(model: LanguageModel, shift: int) -> None:
    read, at = tokens(2, 23), places(2, 23)

    assert_close(model(read, at + shift), model(read, at))


def test_positions_matter_and_may_repeat_and_be_negative(model: LanguageModel) -> None:
    read = tokens(1, 7)
    at = torch.tensor([[-5, -5, 0, 0, 3, 3, 6]])

    assert differs(model(read, at), model(read, places(1, 7)))


def test_a_state_survives_the_disk(model: LanguageModel, tmp_path: Path) -> None:
    prompt, tails = tokens(1, 13), tokens(3, 5, seed=1)
    _, state = model.prefill(prompt, places(1, 13))
    expected = model.extend(tails, places(3, 5, first=13), state.fork(3))

    write_tensors(tmp_path / "state.safetensors", state.tensors())
    loaded = model.backbone.state_of(load_file(tmp_path / "state.safetensors"))
    found = model.extend(tails, places(3, 5, first=13), loaded.fork(3))

    assert_close(found, expected)
    assert loaded.num_tokens == 13


def test_a_fresh_state_survives_the_disk_too(model: LanguageModel) -> None:
    loaded = model.backbone.state_of(model.backbone.new_state().tensors())

    assert loaded.num_tokens == 0
    assert_close(model.extend(tokens(1, 5), places(1, 5), loaded), model(tokens(1, 5), places(1, 5)))


def test_num_bytes_counts_what_is_held(model: LanguageModel) -> None:
    _, state = model.prefill(tokens(1, 13), places(1, 13))
    content = sum(t.numel() * t.element_size() for t in state.tensors().values())

    assert state.num_bytes >= content > 0
    assert state.fork(8).num_bytes > state.fork(1).num_bytes


@pytest.mark.parametrize("damage", ["missing", "spare", "shape", "empty"])
def test_a_state_of_another_model_is_refused(model: LanguageModel, damage: str) -> None:
    tensors = model.prefill(tokens(1, 5), places(1, 5))[1].tensors()
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
        model.backbone.state_of(tensors)


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


@pytest.mark.parametrize("name", BACKBONES)
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
