"""The convolutions, beside a loop over places and a library's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from biolect.ops.conv import conv_causal, largest_answer

FLOAT64 = 1e-12


def by_definition(x: Tensor, weight: Tensor, bias: Tensor, tail: Tensor, segment_ids: Tensor) -> Tensor:
    """Place by place, tap by tap; the tail belongs to the first segment."""
    rows, length, _ = x.shape
    reach = weight.shape[1] - 1
    out = torch.zeros_like(x)
    for row in range(rows):
        values = [*tail[row], *x[row]]
        ids = [int(segment_ids[row, 0])] * reach + segment_ids[row].tolist()
        for t in range(length):
            seen = [j for j in range(t, t + reach + 1) if ids[j] == ids[t + reach]]
            out[row, t] = bias + sum(values[j] * weight[:, j - t] for j in seen)
    return out


def given(length: int, width: int = 5, reach: int = 4) -> list[Tensor]:
    generator = torch.Generator().manual_seed(length)
    shapes = (3, length, width), (width, reach), (width,), (3, reach - 1, width)
    return [torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for shape in shapes]


@pytest.mark.parametrize("length", [1, 2, 3, 23])
@pytest.mark.parametrize("reach", [1, 4])
def test_it_is_the_sum_over_the_last_places_of_the_same_segment(length: int, reach: int) -> None:
    x, weight, bias, tail = given(length, reach=reach)
    segment_ids = torch.tensor([[1] * 23, [1] * 7 + [2] * 1 + [3] * 15, [4] * 2 + [3] * 9 + [0] * 12])[:, :length]

    found, _ = conv_causal(x, weight, bias, tail, segment_ids)
    expected = by_definition(x, weight, bias, tail, segment_ids)

    torch.testing.assert_close(found, expected, rtol=0, atol=FLOAT64)
    leaves = [part for part in (x, weight, bias, tail) if part.numel()]
    for one, other in zip(
        torch.autograd.grad(found.square().sum(), leaves), torch.autograd.grad(expected.square().sum(), leaves), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=1e3 * FLOAT64)


@pytest.mark.parametrize("cut", [1, 2, 3, 11, 22])
def test_a_row_may_be_split_anywhere(cut: int) -> None:
    x, weight, bias, _ = given(23)
    whole, last = conv_causal(x, weight, bias)

    first, tail = conv_causal(x[:, :cut], weight, bias)
    second, tail = conv_causal(x[:, cut:], weight, bias, tail)

    torch.testing.assert_close(torch.cat([first, second], dim=1), whole, rtol=0, atol=FLOAT64)
    assert torch.equal(tail, last)


def test_without_a_tail_zeros_stand_before_the_first_place() -> None:
    x, weight, bias, tail = given(7)

    assert torch.equal(conv_causal(x, weight, bias)[0], conv_causal(x, weight, bias, torch.zeros_like(tail))[0])


def test_the_dtype_of_the_stream_is_kept() -> None:
    x, weight, bias, _ = (part.detach().float() for part in given(7))

    out, tail = conv_causal(x.bfloat16(), weight, bias)

    assert out.dtype == tail.dtype == torch.bfloat16


@pytest.mark.parametrize("window", [1, 3, 5])
def test_the_largest_answer_is_that_of_a_library_gradients_included(window: int) -> None:
    generator = torch.Generator().manual_seed(window)
    lengths = torch.tensor([17, 1, 9, 4])
    values = torch.randn((4, 17, 6), generator=generator, dtype=torch.float64) * (torch.arange(17) < lengths[:, None]).unsqueeze(2)
    shapes = (8, 6, window), (8,)
    leaves = [values, *(torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)]
    values, weight, bias = (leaf.requires_grad_() for leaf in leaves)

    found = largest_answer(values, weight, bias, lengths)
    answers = torch.nn.functional.conv1d(values.transpose(1, 2), weight, bias).relu()
    inside = torch.arange(answers.shape[2]) <= (lengths - window).clamp_min(0)[:, None]
    expected = (answers * inside.unsqueeze(1)).amax(2)

    assert (expected == 0).any(), "rows without an answer above 0 are part of this"
    torch.testing.assert_close(found, expected, rtol=0, atol=FLOAT64)
    grads = [torch.autograd.grad((one**3).sum(), [values, weight, bias]) for one in (found, expected)]
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e3 * FLOAT64)


def test_a_gradient_is_had_of_values_alone_and_of_weights_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    values, weight, bias = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((2, 9, 3), (4, 3, 3), (4,)))
    lengths, leaves = torch.tensor([9, 5]), [values, weight, bias]
    for asked in range(3):
        own = [one.clone().requires_grad_(place == asked) for place, one in enumerate(leaves)]
        every = [one.clone().requires_grad_() for one in leaves]

        (found,) = torch.autograd.grad(largest_answer(own[0], own[1], own[2], lengths).sum(), [own[asked]])

        assert torch.equal(found, torch.autograd.grad(largest_answer(every[0], every[1], every[2], lengths).sum(), every)[asked])
