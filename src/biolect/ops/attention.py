"""Causal attention that never crosses a segment border."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

_MANY_QUERIES = 32
"""A joined prefix costs 2K numbers a key and continuation, written-out weights 3T; heads are 32 to 64 wide."""


class Stretch(NamedTuple):
    """Places [start, stop) of one row that hold one segment, 0-based."""

    row: int
    start: int
    stop: int


def stretches(segment_ids: Int[Tensor, "B T"]) -> list[Stretch]:
    """Return the segments of all rows, padding left out."""
    found = []
    for row, ids in enumerate(segment_ids.tolist()):
        start = 0
        while start < len(ids):
            stop = start
            while stop < len(ids) and ids[stop] == ids[start]:
                stop += 1
            if ids[start] > 0:
                found.append(Stretch(row, start, stop))
            start = stop
    return found


def segment_mask(segment_ids: Int[Tensor, "B T"]) -> Bool[Tensor, "B 1 T T"]:
    """Return True where a query (third axis) may look at a key (fourth axis).

    Padding looks at itself alone, so that no row of the softmax is empty.
    """
    length = segment_ids.shape[1]
    same = segment_ids[:, :, None] == segment_ids[:, None, :]
    causal = torch.ones(length, length, dtype=torch.bool, device=segment_ids.device).tril()
    itself = torch.eye(length, dtype=torch.bool, device=segment_ids.device)
    real = (segment_ids > 0)[:, :, None]
    return (same & causal & (real | itself))[:, None]


def attention_masked(
    q: Float[Tensor, "B T H K"], k: Float[Tensor, "B T H K"], v: Float[Tensor, "B T H K"], mask: Bool[Tensor, "B 1 T T"]
) -> Float[Tensor, "B T H K"]:
    """Attend by definition: every query against every key, what is not allowed masked out."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)


def attention_packed(
    q: Float[Tensor, "B T H K"], k: Float[Tensor, "B T H K"], v: Float[Tensor, "B T H K"], segments: list[Stretch]
) -> Float[Tensor, "B T H K"]:
    """Attend one segment at a time; padding gets zeros.

    Equal to `attention_masked` on real tokens, up to rounding. Work is quadratic in the length of a
    segment, not of a row, and no mask is ever built.
    """
    length = q.shape[1]
    if len(segments) == len(q) and all(s.start == 0 and s.stop == length for s in segments):
        return attention_causal(q, k, v)
    if q.dtype == torch.bfloat16 and q.device.type == "cpu":
        # Float32: on a CPU the bfloat16 gradient of segments of 200 tokens takes about twice as long.
        with torch.autocast("cpu", enabled=False):
            return attention_packed(q.float(), k.float(), v.float(), segments).to(q.dtype)
    sizes: list[int] = []
    is_segment: list[bool] = []
    for row, start, stop in [*segments, Stretch(len(q), 0, 0)]:
        gap = row * length + start - sum(sizes)
        sizes += [gap, stop - start]
        is_segment += [False, True]
    # Split, not slices: the gradient of a slice is as large as the whole, that of a split is one concatenation.
    parts = [x.flatten(0, 1).split(sizes) for x in (q, k, v)]
    pieces = zip(*parts, is_segment, strict=True)
    attended = [attention_causal(a[None], b[None], c[None])[0] if real else torch.zeros_like(a) for a, b, c, real in pieces if len(a)]
    return torch.cat(attended).view_as(q)


def attention_causal(q: Float[Tensor, "B T H K"], k: Float[Tensor, "B T H K"], v: Float[Tensor, "B T H K"]) -> Float[Tensor, "B T H K"]:
    """Attend within rows that are one segment each."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)


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
    num, length, heads, width = q.shape
    if length >= _MANY_QUERIES:
        keys, values = (torch.cat([p.expand(num, -1, -1, -1), t], dim=2) for p, t in zip(prefix, tail, strict=True))
        mask = torch.ones(length, keys.shape[2], dtype=torch.bool, device=q.device).tril(keys.shape[2] - length)
        return functional.scaled_dot_product_attention(q.transpose(1, 2), keys, values, attn_mask=mask).transpose(1, 2)
    scale = width**-0.5
    by_head = q.permute(2, 0, 1, 3).reshape(heads, num * length, width)
    to_prefix = (by_head @ prefix[0].transpose(1, 2)).view(heads, num, length, -1).permute(1, 0, 2, 3)
    to_tail = q.transpose(1, 2) @ tail[0].transpose(2, 3)  # (N, H, T, S)
    span = tail[0].shape[2]
    if length > 1:
        ahead = torch.ones(length, span, dtype=torch.bool, device=q.device).triu(span - length + 1)
        to_tail = to_tail.masked_fill(ahead, float("-inf"))
    logits = torch.cat([to_prefix, to_tail], dim=-1) * scale
    # Float32 under bfloat16: a softmax over a long prompt adds up thousands of small terms.
    weights = (logits.float() if logits.dtype == torch.bfloat16 else logits).softmax(dim=-1).to(q.dtype)
    on_prefix, on_tail = weights.split([prefix[0].shape[1], span], dim=-1)
    from_prefix = on_prefix.permute(1, 0, 2, 3).reshape(heads, num * length, -1) @ prefix[1]
    out = from_prefix.view(heads, num, length, width).permute(1, 0, 2, 3) + on_tail @ tail[1]
    return out.transpose(1, 2)
