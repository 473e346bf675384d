"""Attention that never crosses a segment border, causal unless it is asked to look both ways."""

from collections.abc import Callable
from itertools import groupby
from typing import Any, NamedTuple, TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

Heads: TypeAlias = Float[Tensor, "B T H K"]
"""Queries, keys or values, by head; and what was attended to."""

_LONGEST_BLOCKED = 2_048
"""Tokens; the weights that blocked attention keeps are then 5 MB a head and row."""

_MANY_QUERIES = 32
"""A joined prefix costs 2K numbers a key and continuation, written-out weights 3T; heads are 32 to 64 wide."""


class Stretch(NamedTuple):
    """Places [start, stop) of one row that hold one segment, 0-based."""

    row: int
    start: int
    stop: int


def stretches(segment_ids: Int[Tensor, "B T"]) -> list[Stretch]:
    """Return the segments of all rows, padding left out."""
    found: list[Stretch] = []
    for row, ids in enumerate(segment_ids.tolist()):
        stop = 0
        for number, same in groupby(ids):
            start, stop = stop, stop + len(list(same))
            if number > 0:
                found.append(Stretch(row, start, stop))
    return found


def segment_mask(segment_ids: Int[Tensor, "B T"], *, is_causal: bool = True) -> Bool[Tensor, "B 1 T T"]:
    """Return True where a query (third axis) may look at a key (fourth axis).

    Padding looks at itself alone, so that no row of the softmax is empty.
    """
    length = segment_ids.shape[1]
    same = segment_ids[:, :, None] == segment_ids[:, None, :]
    seen = torch.ones(length, length, dtype=torch.bool, device=segment_ids.device)
    itself = torch.eye(length, dtype=torch.bool, device=segment_ids.device)
    real = (segment_ids > 0)[:, :, None]
    return (same & (seen.tril() if is_causal else seen) & (real | itself))[:, None]


def attention_masked(q: Heads, k: Heads, v: Heads, mask: Bool[Tensor, "B 1 T T"] | None) -> Heads:
    """Attend by definition: every query against every key, what is not allowed masked out."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)


def attention_packed(
    q: Heads, k: Heads, v: Heads, segments: list[Stretch], attend: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None
) -> Heads:
    """Attend one segment at a time; padding gets zeros. Causal, unless `attend` is `attention_full`.

    Equal to `attention_masked` on real tokens, up to rounding. Work is quadratic in the length of a
    segment, not of a row, and no mask is ever built.
    """
    length, attend = q.shape[1], attend or attention_causal
    if len(segments) == len(q) and all(s.start == 0 and s.stop == length for s in segments):
        return attend(q, k, v)
    sizes: list[int] = []
    is_segment: list[bool] = []
    for row, start, stop in [*segments, Stretch(len(q), 0, 0)]:
        gap = row * length + start - sum(sizes)
        sizes += [gap, stop - start]
        is_segment += [False, True]
    # Split, not slices: the gradient of a slice is as large as the whole, that of a split is one concatenation.
    parts = [x.flatten(0, 1).split(sizes) for x in (q, k, v)]
    pieces = zip(*parts, is_segment, strict=True)
    attended = [attend(a[None], b[None], c[None])[0] if real else torch.zeros_like(a) for a, b, c, real in pieces if len(a)]
    return torch.cat(attended).view_as(q)


def attention_full(q: Heads, k: Heads, v: Heads) -> Heads:
    """Attend within rows that are one segment each, every query to every key."""
    return attention_masked(q, k, v, None)


def attention_causal(q: Heads, k: Heads, v: Heads) -> Heads:
    """Attend within rows that are one segment each.

    Chooses `attention_blocked` where a gradient is needed in bfloat16 on a CPU: torch's own kernel is slow
    there. Forward and backward on one thread, four heads of 64, in its favour: 158 to 94 ms at 4 x 1,024
    tokens, 30 to 13 ms at 640, 4.4 to 3.1 ms at 200; a whole training step of 4M parameters, 1.3 times.
    In float32 it gains a tenth at 1,024 and loses a tenth at 200, so it stays out there.
    """
    needs_gradient = torch.is_grad_enabled() and (q.requires_grad or k.requires_grad or v.requires_grad)
    if needs_gradient and q.dtype == torch.bfloat16 and q.device.type == "cpu" and q.shape[1] <= _LONGEST_BLOCKED:
        return attention_blocked(q, k, v)
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)


def attention_blocked(q: Heads, k: Heads, v: Heads, *, block_tokens: int = 256) -> Heads:
    """Attend a block of queries at a time, each to the keys up to its end, and keep the weights for the gradient.

    Equal to `attention_causal` up to rounding. Memory grows with the square of T. In bfloat16, relative
    errors of output and gradients are 3.6e-3 and 4e-3 to 5e-3, against 2e-3 and 2.6e-3 to 5e-3 of torch's kernel.
    """
    shape = q.transpose(1, 2).shape
    flat = [x.transpose(1, 2).reshape(-1, *x.shape[1::2]) for x in (q, k, v)]
    out = _Blocked.apply(*flat, block_tokens)
    assert isinstance(out, Tensor)
    return out.view(shape).transpose(1, 2)


class _Blocked(torch.autograd.Function):
    """Blocked attention over (rows x heads, T, K); products are of whole matrices, which bfloat16 is good at."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, size: int) -> Tensor:
        length = q.shape[1]
        ahead = torch.full((size, size), float("-inf"), dtype=q.dtype, device=q.device).triu(1)
        out, kept = torch.empty_like(v), []
        for start in range(0, length, size):
            stop = min(start + size, length)
            logits = torch.baddbmm(q.new_empty(()), q[:, start:stop], k[:, :stop].transpose(1, 2), beta=0, alpha=q.shape[2] ** -0.5)
            logits[:, :, start:].add_(ahead[: stop - start, : stop - start])
            kept.append(logits.softmax(-1).to(q.dtype))
            torch.bmm(kept[-1], v[:, :stop], out=out[:, start:stop])
        ctx.save_for_backward(q, k, v, out, *kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q, k, v, out, *kept = ctx.saved_tensors
        # Float32: every block adds to the gradients of the first keys.
        wide, scale = torch.promote_types(q.dtype, torch.float32), q.shape[2] ** -0.5
        q_gradient = torch.empty_like(q)
        k_gradient, v_gradient = torch.zeros_like(k, dtype=wide), torch.zeros_like(v, dtype=wide)
        gradient = gradient.contiguous()
        mean = (gradient * out).sum(-1, keepdim=True)
        start = 0
        for weights in kept:
            stop = start + weights.shape[1]
            here = gradient[:, start:stop]
            v_gradient[:, :stop] += torch.bmm(weights.transpose(1, 2), here)
            by_logit = torch.bmm(here, v[:, :stop].transpose(1, 2)).sub_(mean[:, start:stop]).mul_(weights)
            torch.bmm(by_logit, k[:, :stop], out=q_gradient[:, start:stop])
            k_gradient[:, :stop] += torch.bmm(by_logit.transpose(1, 2), q[:, start:stop])
            start = stop
        return q_gradient.mul_(scale), k_gradient.mul_(scale).to(k.dtype), v_gradient.to(v.dtype), None


def attention_continued(
    q: Float[Tensor, "N T H K"],
    prefix: tuple[Float[Tensor, "H P K"], Float[Tensor, "H P K"]],
    tail: tuple[Float[Tensor, "N H S K"], Float[Tensor, "N H S K"]],
) -> Float[Tensor, "N T H K"]:
    """Let T new tokens of N continuations look at a prefix that all share, and at their own tails.

    The last T keys of a tail belong to the new tokens themselves. With few new tokens, the prefix is
    multiplied once for all continuations, so it is read from memory once; with many, it is joined to
    every tail, which is cheaper than writing out all weights. Equal either way, up to rounding.
    """
    num, length, _, width = q.shape
    if length >= _MANY_QUERIES:
        keys, values = (torch.cat([p.expand(num, -1, -1, -1), t], dim=2) for p, t in zip(prefix, tail, strict=True))
        mask = torch.ones(length, keys.shape[2], dtype=torch.bool, device=q.device).tril(keys.shape[2] - length)
        return functional.scaled_dot_product_attention(q.transpose(1, 2), keys, values, attn_mask=mask).transpose(1, 2)
    to_prefix = torch.einsum("nthk,hpk->nhtp", q, prefix[0])
    to_tail = q.transpose(1, 2) @ tail[0].transpose(2, 3)  # (N, H, T, S)
    span = tail[0].shape[2]
    if length > 1:
        ahead = torch.ones(length, span, dtype=torch.bool, device=q.device).triu(span - length + 1)
        to_tail = to_tail.masked_fill(ahead, float("-inf"))
    logits = torch.cat([to_prefix, to_tail], dim=-1) * width**-0.5
    # Float32 under bfloat16: a softmax over a long prompt adds up thousands of small terms.
    weights = (logits.float() if logits.dtype == torch.bfloat16 else logits).softmax(dim=-1).to(q.dtype)
    on_prefix, on_tail = weights.split([prefix[0].shape[1], span], dim=-1)
    return torch.einsum("nhtp,hpk->nthk", on_prefix, prefix[1]) + (on_tail @ tail[1]).transpose(1, 2)
