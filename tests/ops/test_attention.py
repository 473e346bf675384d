"""Attention: every form equals its definition, gradients included. Axes have different prime sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings, strategies as st
from torch import Tensor

from biolect.ops import attention
from biolect.ops.attention import (
    Stretch,
    attention_blocked,
    attention_causal,
    attention_continued,
    attention_full,
    attention_masked,
    attention_packed,
    segment_mask,
    stretches,
)

FLOAT64 = 1e-10
BFLOAT16 = 0.01


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_definition(q: Tensor, k: Tensor, v: Tensor, allowed: Tensor) -> Tensor:
    """Softmax written out: (B, T, H, K), `allowed` (B, T, T)."""
    logits = torch.einsum("bthk,bshk->bhts", q, k) / q.shape[-1] ** 0.5
    weights = logits.masked_fill(~allowed[:, None], float("-inf")).softmax(-1)
    return torch.einsum("bhts,bshk->bthk", weights, v)


@st.composite
def layouts(draw: st.DrawFn) -> list[list[int]]:
    length = draw(st.sampled_from([1, 7, 23]))
    rows = []
    for _ in range(draw(st.integers(1, 3))):
        lengths = draw(st.lists(st.integers(1, 11), max_size=5))
        ids = np.repeat(np.arange(1, len(lengths) + 1), lengths)[:length]
        rows.append(np.pad(ids, (0, length - len(ids))).tolist())
    return rows


@settings(max_examples=60)
@given(layouts())
def test_masked_and_packed_equal_the_definition(layout: list[list[int]]) -> None:
    ids = torch.tensor(layout)
    assume((ids > 0).any())
    q, k, v = (draw(*ids.shape, 3, 5, seed=i).requires_grad_() for i in range(3))
    out_gradient = draw(*ids.shape, 3, 5, seed=3) * (ids > 0)[:, :, None, None]
    allowed = segment_mask(ids)[:, 0]

    results = []
    for out in (by_definition(q, k, v, allowed), attention_masked(q, k, v, allowed[:, None]), attention_packed(q, k, v, stretches(ids))):
        gradients = torch.autograd.grad(out, (q, k, v), out_gradient, allow_unused=True)
        results.append([out[ids > 0].detach(), *(torch.zeros_like(q) if g is None else g for g in gradients)])

    for result in results[1:]:
        for found, expected in zip(result, results[0], strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=FLOAT64)


@settings(max_examples=25)
@given(layouts())
def test_attention_both_ways_equals_the_definition(layout: list[list[int]]) -> None:
    segment_ids = torch.tensor(layout)
    q, k, v = (draw(*segment_ids.shape, 2, 3, seed=seed) for seed in range(3))
    same = (segment_ids[:, :, None] == segment_ids[:, None, :]) & (segment_ids > 0)[:, :, None]
    real = segment_ids > 0

    expected = by_definition(q, k, v, same | torch.eye(segment_ids.shape[1], dtype=torch.bool))[real]
    packed = attention_packed(q, k, v, stretches(segment_ids), attention_full)[real]
    masked = attention_masked(q, k, v, segment_mask(segment_ids, is_causal=False))[real]

    torch.testing.assert_close(packed, expected, rtol=0, atol=FLOAT64)
    torch.testing.assert_close(masked, expected, rtol=0, atol=FLOAT64)


def test_packed_attention_gives_padding_nothing() -> None:
    ids = torch.tensor([[1, 1, 0], [0, 0, 0]])
    q, k, v = (draw(2, 3, 5, 7, seed=i) for i in range(3))

    assert (attention_packed(q, k, v, stretches(ids))[ids == 0] == 0).all()
    assert (attention_packed(q, k, v, []) == 0).all()


def test_stretches_are_the_segments_without_padding() -> None:
    ids = torch.tensor([[1, 1, 2, 0, 0], [0, 0, 0, 0, 0], [1, 2, 3, 3, 3]])

    assert stretches(ids) == [Stretch(0, 0, 2), Stretch(0, 2, 3), Stretch(2, 0, 1), Stretch(2, 1, 2), Stretch(2, 2, 5)]


def test_the_mask_is_causal_inside_segments_and_padding_sees_itself() -> None:
    mask = segment_mask(torch.tensor([[1, 1, 2, 0, 0]]))[0, 0].int().tolist()

    assert mask == [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]]


@pytest.mark.parametrize("length", [1, 2, 13])
def test_causal_attention_equals_the_definition(length: int) -> None:
    q, k, v = (draw(2, length, 3, 5, seed=i) for i in range(3))

    expected = by_definition(q, k, v, torch.ones(2, length, length, dtype=torch.bool).tril())

    torch.testing.assert_close(attention_causal(q, k, v), expected, rtol=0, atol=FLOAT64)


@pytest.mark.parametrize(("length", "block_tokens"), [(1, 5), (4, 5), (5, 5), (6, 5), (23, 7), (23, 128)])
def test_blocked_attention_equals_causal_attention_and_its_gradients(length: int, block_tokens: int) -> None:
    results = []
    for blocked in (True, False):
        q, k, v = (draw(2, length, 3, 5, seed=i).requires_grad_() for i in range(3))
        out = attention_blocked(q, k, v, block_tokens=block_tokens) if blocked else attention_causal(q, k, v)
        results.append([out, *torch.autograd.grad(out, (q, k, v), draw(2, length, 3, 5, seed=3))])

    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=FLOAT64)


def test_bfloat16_gradients_on_a_cpu_are_blocked_and_near_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = [draw(2, 257, 3, 16, seed=i).bfloat16().double().requires_grad_() for i in range(3)]
    coarse = [x.detach().bfloat16().requires_grad_() for x in exact]
    direction = draw(2, 257, 3, 16, seed=3).bfloat16()
    calls = []
    monkeypatch.setattr(attention, "attention_blocked", lambda *x: calls.append(x) or attention_blocked(*x))

    out, expected = attention_causal(*coarse), attention_causal(*exact)
    with torch.no_grad():
        attention_causal(*coarse)
    gradients = zip(torch.autograd.grad(out, coarse, direction), torch.autograd.grad(expected, exact, direction.double()), strict=True)

    assert len(calls) == 1 and out.dtype == torch.bfloat16
    for found, true in [(out, expected), *gradients]:
        assert (found.double() - true).norm() < BFLOAT16 * true.norm()


@settings(max_examples=40)
@given(num=st.sampled_from([1, 3]), prefix=st.integers(0, 17), before=st.integers(0, 7), new=st.sampled_from([1, 2, 5, 31, 37]))
def test_continued_attention_equals_causal_attention_over_all_that_was_read(num: int, prefix: int, before: int, new: int) -> None:
    total = prefix + before + new
    q, k, v = (draw(num, total, 3, 5, seed=i) for i in range(3))
    for x in (k, v):
        x[:] = torch.cat([x[:1, :prefix].expand(num, -1, -1, -1), x[:, prefix:]], dim=1)
    shared = k[0, :prefix].transpose(0, 1), v[0, :prefix].transpose(0, 1)
    own = k[:, prefix:].transpose(1, 2), v[:, prefix:].transpose(1, 2)

    found = attention_continued(q[:, -new:], shared, own)

    torch.testing.assert_close(found, attention_causal(q, k, v)[:, -new:], rtol=0, atol=FLOAT64)


def test_continued_attention_adds_up_a_long_prompt_in_float32() -> None:
    prefix = (torch.zeros(1, 5_003, 2, dtype=torch.bfloat16), torch.ones(1, 5_003, 2, dtype=torch.bfloat16))
    tail = (torch.zeros(1, 1, 1, 2, dtype=torch.bfloat16), torch.ones(1, 1, 1, 2, dtype=torch.bfloat16))

    found = attention_continued(torch.zeros(1, 1, 1, 2, dtype=torch.bfloat16), prefix, tail)

    assert found.dtype == torch.bfloat16
    assert (found.float() - 1).abs().max() < 0.02
