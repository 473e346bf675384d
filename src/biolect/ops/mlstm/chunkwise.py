"""The mLSTM in linear time: all against all inside chunks, one product with their decays across chunks.

A position of a chunk reads the positions of the chunk before it, and the state that entered the chunk. States of
all chunks are one matrix of decays times what every chunk adds. What decays and weighs is found from the gates
alone, as logs (`ChunkGroup`); the products (`weighted_sums`) then take every log as it is. The stabilizers are
ordinary tensors to autograd, so that epsilon has its exact gradient too.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.nn import functional

from biolect.ops.mlstm.reference import EPSILON, MLSTMState, empty_state, normalized
from biolect.ops.segments import segment_starts

_GROUP_CHUNKS = 32
"""Chunks whose states are found by one product. Its cost per position grows with this; the number of calls falls."""

_NOTHING = -1e30
"""Log weight of what a chunk of padding adds: next to nothing, yet a number."""


def mlstm_chunkwise(
    q: Float[Tensor, "B T H K"],
    k: Float[Tensor, "B T H K"],
    v: Float[Tensor, "B T H V"],
    input_gate_logit: Float[Tensor, "B T H"],
    forget_gate_logit: Float[Tensor, "B T H"],
    state: MLSTMState | None = None,
    segment_ids: Int[Tensor, "B T"] | None = None,
    *,
    chunk_length: int = 64,
) -> tuple[Float[Tensor, "B T H V"], MLSTMState]:
    """Read whole rows, a chunk at a time.

    Equal to applying `mlstm_step` to every position, up to rounding; time and memory are linear in T.

    Args:
        input_gate_logit: The gate is the exponential of this.
        forget_gate_logit: The gate is the sigmoid of this.
        state: State after the position before the first; it belongs to the segment of the first real position.
            None starts empty.
        segment_ids: 0 is padding; equal ids stand together. None: every row is one segment.
        chunk_length: Positions of a chunk, at most; T need not be a multiple.

    Returns:
        Hidden values in the dtype of v, 0 at padding, and the state after the last real position of every row
        (the incoming one where there is none).

    Source: xLSTM, arXiv:2405.04517; chunks as in arXiv:2503.14376. We find the states of many chunks by one
    product instead of a loop, and scale queries, not keys.
    """
    with torch.autocast(q.device.type, enabled=False):
        if state is None:
            state = empty_state(q.shape[0], q.shape[2], q.shape[3], v.shape[3], dtype=v.dtype, device=v.device)
        if q.shape[1] == 0:
            return v * 1, state
        groups = log_weights(input_gate_logit, forget_gate_logit, state.max_log, segment_ids, chunk_length)
        sums, state = weighted_sums(q, k, v, groups, state)
        hidden = [normalized(*each, group.max_log, EPSILON).to(v.dtype) for each, group in zip(sums, groups, strict=True)]
        return joined(hidden, groups), state


class ChunkGroup(NamedTuple):
    """Logs of decays and weights of a stretch of positions, laid out as N chunks of C.

    Attributes:
        num_tokens: Positions of the row; the last chunk may have empty places behind them.
        decay: Log decay from the start of the chunk to a position.
        source: Log weight of a position, carried back to the start of the chunk: a reader adds its own decay.
        write: Log weight of a position in what its chunk adds to the state.
        carry: Log weight of the first state and all additions (last axis) in the states before each chunk and at the end.
        entering: Stabilizer of the state before each chunk.
        max_log: Stabilizer of every position.
        end: Stabilizer of the state at the end.
        segment: Number of a position's segment within its chunk, 0 if it reads the entering state; None where all do.
        is_real: False at padding.
    """

    num_tokens: int
    decay: Float[Tensor, "B H N C"]
    source: Float[Tensor, "B H N C"]
    write: Float[Tensor, "B H N C"]
    carry: Float[Tensor, "B H M M"]
    entering: Float[Tensor, "B H N 1"]
    max_log: Float[Tensor, "B H N C"]
    end: Float[Tensor, "B H"]
    segment: Int[Tensor, "B 1 N C"] | None
    is_real: Bool[Tensor, "B 1 N C"] | None


def log_weights(
    input_gate_logit: Float[Tensor, "B T H"],
    forget_gate_logit: Float[Tensor, "B T H"],
    max_log: Float[Tensor, "B H"],
    segment_ids: Int[Tensor, "B T"] | None,
    chunk_length: int,
) -> list[ChunkGroup]:
    """Find from the gates alone what decays and weighs how much, one group of chunks after the other."""
    log_input = input_gate_logit.to(max_log.dtype).transpose(1, 2)
    log_forget = functional.logsigmoid(forget_gate_logit.to(max_log.dtype)).transpose(1, 2)
    sizes = [len(x) for x in torch.arange(log_input.shape[2]).split(_GROUP_CHUNKS * chunk_length)]
    starts = is_real = [None] * len(sizes)
    if segment_ids is not None:
        found = (x[:, None] for x in segment_starts(segment_ids))
        starts, is_real = (x.split(sizes, dim=2) for x in found)
    groups = []
    for size, *parts in zip(sizes, log_input.split(sizes, 2), log_forget.split(sizes, 2), starts, is_real, strict=True):
        # Chunks of one size that fit closely: 101 positions are twice 51, not twice 64.
        num_chunks = -(-size // chunk_length)
        laid_out = (chunked(x, num_chunks, empty) for x, empty in zip(parts, (-math.inf, 0, False, False), strict=True))
        groups.append(_log_weights_of_group(size, max_log, *laid_out))
        max_log = groups[-1].end
    return groups


def chunked(x: Tensor | None, num_chunks: int, empty: float) -> Tensor | None:
    """Split the third axis into chunks of one size, filling up the last one."""
    if x is None:
        return None
    size = -(-x.shape[2] // num_chunks)
    missing = num_chunks * size - x.shape[2]
    padding = (0,) * (2 * (x.dim() - 3)) + (0, missing)
    return (functional.pad(x, padding, value=empty) if missing else x).unflatten(2, (num_chunks, size))


def _log_weights_of_group(
    num_tokens: int,
    max_log: Float[Tensor, "B H"],
    log_input: Float[Tensor, "B H N C"],
    log_forget: Float[Tensor, "B H N C"],
    starts: Bool[Tensor, "B 1 N C"] | None,
    is_real: Bool[Tensor, "B 1 N C"] | None,
) -> ChunkGroup:
    if is_real is not None:
        # Padding adds nothing and forgets nothing.
        log_input, log_forget = log_input.masked_fill(~is_real, -math.inf), log_forget * is_real
    decay = log_forget.cumsum(-1)
    total = decay[..., -1:]
    source = log_input - decay
    segment = restart = last = None
    if starts is None:
        highest = source.cummax(-1).values
        added, kept = total + highest[..., -1:], total
        write = source + total
    else:
        segment = starts.long().cumsum(-1)
        last = segment[..., -1:]
        highest = _running_max(source, segment)
        # Decay never rises, so the lowest value at a start is that of the last one: m_0 = 0 there.
        restart = -torch.where(starts, functional.pad(decay, (1, 0))[..., :-1], 0).cummin(-1).values
        at_end = torch.where(last > 0, torch.maximum(highest, restart)[..., -1:], highest[..., -1:])
        added, kept = total + at_end, total.masked_fill(last > 0, -math.inf)
        write = (source + total).masked_fill(segment != last, -math.inf)
    added = added.clamp_min(_NOTHING)
    carry = _log_carry(torch.cat([max_log[..., None], added[..., 0]], -1), kept[..., 0])
    after = carry.amax(-1)
    entering = after[..., :-1, None]
    floor = entering if segment is None else torch.where(segment > 0, restart, entering)
    own = decay + torch.maximum(highest, floor)
    own = own if is_real is None else own.masked_fill(~is_real, 0)
    return ChunkGroup(num_tokens, decay, source, write - added, carry - after[..., None], entering, own, after[..., -1], segment, is_real)


def _running_max(x: Float[Tensor, "B H N C"], segment: Int[Tensor, "B 1 N C"]) -> Float[Tensor, "B H N C"]:
    """Return the highest value so far in the segment of each position, by doubling the reach."""
    reach, size = 1, x.shape[-1]
    while reach < size:
        same = segment[..., reach:] == segment[..., :-reach]
        earlier = torch.where(same, x[..., :-reach], -math.inf)
        x = torch.cat([x[..., :reach], torch.maximum(x[..., reach:], earlier)], -1)
        reach *= 2
    return x


def _log_carry(levels: Float[Tensor, "B H M"], kept: Float[Tensor, "B H N"]) -> Float[Tensor, "B H M M"]:
    """Return the log weight of the first state and the N additions (M = N + 1, last axis) in every state."""
    size = levels.shape[-1]
    ones = torch.ones(size, size, dtype=torch.bool, device=levels.device)
    # A running sum for every column: differences of one sum would lose digits.
    decays = torch.where(ones.tril(-1), functional.pad(kept, (1, 0))[..., None], 0).cumsum(-2)
    return (decays + levels[..., None, :]).masked_fill(ones.triu(1), -math.inf)


def weighted_sums(
    q: Float[Tensor, "B T H K"],
    k: Float[Tensor, "B T H K"],
    v: Float[Tensor, "B T H V"],
    groups: list[ChunkGroup],
    state: MLSTMState,
    *,
    with_itself: bool = True,
) -> tuple[list[tuple[Float[Tensor, "B H N C V"], Float[Tensor, "B H N C"]]], MLSTMState]:
    """Return numerators and denominators of all groups in units of exp(max_log), and the last state.

    Args:
        with_itself: False leaves out what a position reads of itself.
    """
    sizes = [group.num_tokens for group in groups]
    memory, normalizer, max_log = state
    sums = []
    for group, *parts in zip(groups, *(x.to(v.dtype).split(sizes, 1) for x in (q, k, v)), strict=True):
        laid_out = (chunked(x.transpose(1, 2), group.decay.shape[2], 0).contiguous() for x in parts)
        row = group.decay - group.max_log - 0.5 * math.log(q.shape[3])
        enter = row + group.entering
        if group.segment is not None:
            row = row.masked_fill(~group.is_real, -math.inf)
            enter = enter.masked_fill(~(group.is_real & (group.segment == 0)), -math.inf)
        logs = row, group.source, enter, group.write, group.carry
        top, bottom, memory, normalizer = _Sums.apply(with_itself, group.segment, *laid_out, *logs, memory, normalizer)
        sums.append((top, bottom))
        max_log = group.end
    return sums, MLSTMState(memory, normalizer, max_log)


def joined(parts: list[Tensor], groups: list[ChunkGroup]) -> Shaped[Tensor, "B T H *S"]:
    """Lay out the positions of all groups, (B, H, N, C, ...) each, as one row again."""
    rows = [x.flatten(2, 3)[:, :, : group.num_tokens].transpose(1, 2) for x, group in zip(parts, groups, strict=True)]
    return rows[0] if len(rows) == 1 else torch.cat(rows, dim=1)


class _Sums(torch.autograd.Function):
    """All products of a group. Weights between positions and states are found again for the gradient, not kept.

    `row` and `source` add up to the log weight of a position (last axis) in another, `enter` is that of the entering
    state; all three are in units of the reader's stabilizer.
    """

    @staticmethod
    def forward(ctx: Any, with_itself: bool, segment: Tensor | None, *tensors: Tensor) -> tuple[Tensor, ...]:
        q, k, v, row, source, enter, write, carry, memory, normalizer = tensors
        written = k * write.exp()[..., None].to(k.dtype)
        additions = torch.cat([memory[:, :, None], (written.mT @ v).to(memory.dtype)], 2)
        key_sums = torch.cat([normalizer[:, :, None], written.to(memory.dtype).sum(-2)], 2)
        memories, normalizers = _carried(carry.exp(), additions, key_sums)
        reading = q * enter.exp()[..., None].to(q.dtype)
        weights = _decays(row, source, segment, with_itself).mul_(q @ k.mT)
        top = (weights.to(v.dtype) @ v).to(row.dtype) + reading @ memories[:, :, :-1].to(v.dtype)
        bottom = weights.sum(-1) + (reading * normalizers[:, :, :-1, None]).sum(-1)
        ctx.save_for_backward(q, k, v, row, source, enter, write, carry, additions, key_sums, segment)
        ctx.with_itself = with_itself
        return top, bottom, memories[:, :, -1].clone(), normalizers[:, :, -1].clone()

    @staticmethod
    def backward(ctx: Any, d_top: Tensor, d_bottom: Tensor, d_memory: Tensor, d_normalizer: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, row, source, enter, write, carry, additions, key_sums, segment = ctx.saved_tensors
        wide, narrow, d_bottom = row.dtype, v.dtype, d_bottom[..., None]
        by_top = d_top.to(narrow)

        decays, scores = _decays(row, source, segment, ctx.with_itself), q @ k.mT
        d_weights = by_top @ v.mT + d_bottom
        weights = decays * scores
        d_v = weights.to(narrow).mT @ by_top
        d_logs = weights.mul_(d_weights)
        d_scores = decays.mul_(d_weights).to(narrow)

        carried, read = carry.exp(), enter.exp()[..., None]
        memories, normalizers = _carried(carried, additions, key_sums)
        reading = q * read.to(narrow)
        d_reading = by_top @ memories[:, :, :-1].to(narrow).mT + d_bottom * normalizers[:, :, :-1, None]
        d_memories = torch.cat([(reading.mT @ by_top).to(wide), d_memory[:, :, None]], 2)
        d_normalizers = torch.cat([(reading * d_bottom).sum(-2), d_normalizer[:, :, None]], 2)
        d_carry = d_memories.flatten(3) @ additions.flatten(3).mT + d_normalizers @ key_sums.mT
        d_additions, d_key_sums = _carried(carried.mT, d_memories, d_normalizers)

        wrote, d_added = write.exp()[..., None], d_additions[:, :, 1:].to(narrow)
        written = k * wrote.to(narrow)
        d_written = v @ d_added.mT + d_key_sums[:, :, 1:, None]
        return (
            *(None, None),
            (d_scores @ k + d_reading * read).to(narrow),
            (d_scores.mT @ q + d_written * wrote).to(narrow),
            d_v + written @ d_added,
            *(d_logs.sum(-1), d_logs.sum(-2), (d_reading * reading).sum(-1), (d_written * written).sum(-1), d_carry * carried),
            *(d_additions[:, :, 0], d_key_sums[:, :, 0]),
        )


def _carried(
    carry: Float[Tensor, "B H M M"], additions: Float[Tensor, "B H M K V"], key_sums: Float[Tensor, "B H M K"]
) -> tuple[Float[Tensor, "B H M K V"], Float[Tensor, "B H M K"]]:
    return (carry @ additions.flatten(3)).view_as(additions), carry @ key_sums


def _decays(
    row: Float[Tensor, "B H N C"], source: Float[Tensor, "B H N C"], segment: Int[Tensor, "B 1 N C"] | None, with_itself: bool
) -> Float[Tensor, "B H N C C"]:
    """Return what every position (last axis) weighs in those after it and in itself; 0 elsewhere."""
    decays = (row[..., None] + source[..., None, :]).exp_().tril_(0 if with_itself else -1)
    return decays if segment is None else decays.masked_fill_(segment[..., None] != segment[..., None, :], 0)
