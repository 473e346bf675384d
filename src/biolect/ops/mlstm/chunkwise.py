"""The mLSTM in linear time: all against all inside chunks, one product with their decays across chunks.

A position of a chunk reads the positions of the chunk before it, and the state that entered the chunk. States of
all chunks are one matrix of decays times what every chunk adds. What decays and weighs is found from the gates
alone, as logs (`ChunkGroup`); the products (`weighted_sums`) then take every log as it is. The stabilizers are
ordinary tensors to autograd, so that epsilon has its exact gradient too.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from biolect.ops.mlstm.gates import ChunkGroup, chunked, joined, log_weights
from biolect.ops.mlstm.reference import EPSILON, MLSTMState, empty_state, normalizing


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
        hidden = [divided(*each, group.max_log, EPSILON, v.dtype) for each, group in zip(sums, groups, strict=True)]
        return joined(hidden, groups), state


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
        laid_out = [chunked(x.transpose(1, 2), group.decay.shape[2], 0).flatten(0, 2) for x in parts]
        row = group.decay - group.max_log - 0.5 * math.log(q.shape[3])
        enter = row + group.entering
        if group.segment is not None and group.is_real is not None:
            row = row.masked_fill(~group.is_real, -math.inf)
            enter = enter.masked_fill(~(group.is_real & (group.segment == 0)), -math.inf)
        logs = [x.flatten(0, 2) for x in (row, group.source, enter, group.write)]
        last = memory.flatten(0, 1).flatten(1), normalizer.flatten(0, 1)
        found = _Sums.apply(with_itself, group.segment, *laid_out, *logs, group.carry.flatten(0, 1), *last)
        top, bottom = (x.unflatten(0, row.shape[:3]) for x in found[:2])
        memory, normalizer = (x.view_as(old) for x, old in zip(found[2:], (memory, normalizer), strict=True))
        sums.append((top, bottom))
        max_log = group.end
    return sums, MLSTMState(memory, normalizer, max_log)


def divided(
    top: Float[Tensor, "*S V"], bottom: Float[Tensor, "*S"], max_log: Float[Tensor, "*S"], epsilon: float, dtype: torch.dtype
) -> Float[Tensor, "*S V"]:
    """Divide numerators as the definition does; the same as `normalized`, but only the quotient is kept for the gradient."""
    hidden: Any = _Quotient.apply(top, normalizing(bottom, max_log, epsilon), dtype)
    return hidden


class _Quotient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, top: Tensor, bottom: Tensor, dtype: torch.dtype) -> Tensor:
        quotient = (top / bottom[..., None]).to(dtype)
        ctx.save_for_backward(quotient, bottom)
        return quotient

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        quotient, bottom = ctx.saved_tensors
        d_top = gradient.to(bottom.dtype, memory_format=torch.contiguous_format) / bottom[..., None]
        return d_top, -(d_top * quotient).sum(-1), None


class _Sums(torch.autograd.Function):
    """All products of a group. Weights between positions and states are found again for the gradient, not kept.

    Chunks of all rows and heads are one axis X. `row` and `source`, (X, C) each, add up to the log weight of a position
    (last axis) in another, `enter` is that of the entering state, all in units of the reader's stabilizer.
    """

    @staticmethod
    def forward(ctx: Any, with_itself: bool, segment: Tensor | None, *tensors: Tensor) -> tuple[Tensor, ...]:
        q, k, v, row, source, enter, write, carry, memory, normalizer = tensors
        wide, narrow = row.dtype, v.dtype
        written = k * write.exp()[..., None].to(narrow)
        added, added_keys = torch.bmm(written.mT, v).to(wide), written.sum(1, dtype=wide)
        memories, last_memory = _states(carry.exp(), memory, added.view(len(carry), -1, memory.shape[1]))
        normalizers, last_normalizer = _states(carry.exp(), normalizer, added_keys.view(len(carry), -1, k.shape[2]))

        reading = q * enter.exp()[..., None].to(narrow)
        weights = _decays(row, source, segment, with_itself).mul_(torch.bmm(q, k.mT))
        bottom = weights.sum(-1) + (reading * normalizers.view(len(q), 1, -1)).sum(-1)
        top = torch.bmm(reading, memories.to(narrow).view_as(added))
        top = torch.baddbmm(top, weights.to(narrow), v).to(wide)
        ctx.save_for_backward(*tensors, added, added_keys, segment)
        ctx.with_itself = with_itself
        return top, bottom, last_memory, last_normalizer

    @staticmethod
    def backward(ctx: Any, d_top: Tensor, d_bottom: Tensor, d_memory: Tensor, d_normalizer: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, row, source, enter, write, carry, memory, normalizer, added, added_keys, segment = ctx.saved_tensors
        wide, narrow, chunks = row.dtype, v.dtype, (len(carry), -1)
        by_top, d_bottom = d_top.to(narrow).contiguous(), d_bottom[..., None]

        decays, weights = _decays(row, source, segment, ctx.with_itself), torch.bmm(q, k.mT).to(wide)
        d_weights = torch.bmm(by_top, v.mT).to(wide).add_(d_bottom)
        weights = weights.mul_(decays)
        d_v = torch.bmm(weights.to(narrow).mT, by_top)
        d_logs = weights.mul_(d_weights)
        d_scores = d_weights.mul_(decays).to(narrow)

        states = (memory, added.view(*chunks, memory.shape[1])), (normalizer, added_keys.view(*chunks, k.shape[2]))
        carried, read = carry.exp(), enter.exp()[..., None].to(narrow)
        (memories, _), (normalizers, _) = (_states(carried, *x) for x in states)
        reading = q * read
        d_reading = torch.bmm(by_top, memories.to(narrow).view_as(added).mT) + (d_bottom * normalizers.view(len(q), 1, -1)).to(narrow)
        d_memories = torch.bmm(reading.mT, by_top).to(wide).view_as(states[0][1]), d_memory
        d_normalizers = (reading * d_bottom).sum(1).view_as(states[1][1]), d_normalizer
        d_by_memory, d_first, d_added = _states_gradient(carried, *states[0], *d_memories)
        d_by_key, d_first_key, d_added_keys = _states_gradient(carried, *states[1], *d_normalizers)

        wrote, d_added = write.exp()[..., None].to(narrow), d_added.to(narrow).view_as(added)
        written = k * wrote
        d_written = torch.baddbmm(d_added_keys.to(narrow).view(len(k), 1, -1), v, d_added.mT)
        return (
            *(None, None),
            torch.baddbmm(d_reading * read, d_scores, k),
            torch.baddbmm(d_written * wrote, d_scores.mT, q),
            torch.baddbmm(d_v, written, d_added),
            *(d_logs.sum(2), d_logs.sum(1), (d_reading * reading).sum(2, dtype=wide), (d_written * written).sum(2, dtype=wide)),
            *((d_by_memory + d_by_key) * carried, d_first, d_first_key),
        )


def _states(
    carried: Float[Tensor, "Y M M"], first: Float[Tensor, "Y F"], added: Float[Tensor, "Y N F"]
) -> tuple[Float[Tensor, "Y N F"], Float[Tensor, "Y F"]]:
    """Return the states before each of N chunks and the one after all."""
    from_first, from_added = carried[:, :, :1] * first[:, None], carried[:, :, 1:]
    before = torch.baddbmm(from_first[:, :-1], from_added[:, :-1], added)
    return before, torch.baddbmm(from_first[:, -1:], from_added[:, -1:], added)[:, 0]


def _states_gradient(
    carried: Float[Tensor, "Y M M"],
    first: Float[Tensor, "Y F"],
    added: Float[Tensor, "Y N F"],
    d_before: Float[Tensor, "Y N F"],
    d_last: Float[Tensor, "Y F"],
) -> tuple[Float[Tensor, "Y M M"], Float[Tensor, "Y F"], Float[Tensor, "Y N F"]]:
    """Return the gradients of `carried`, `first` and `added` in `_states`."""
    d_last = d_last[:, None]
    by_added = torch.cat([torch.bmm(d_before, added.mT), torch.bmm(d_last, added.mT)], 1)
    by_first = torch.cat([torch.bmm(d_before, first[..., None]), torch.bmm(d_last, first[..., None])], 1)
    weights, at_end = carried[:, :-1].mT, carried[:, -1:].mT
    d_first = torch.baddbmm(at_end[:, :1] * d_last, weights[:, :1], d_before)[:, 0]
    d_added = torch.baddbmm(at_end[:, 1:] * d_last, weights[:, 1:], d_before)
    return torch.cat([by_first, by_added], 2), d_first, d_added


def _decays(
    row: Float[Tensor, "X C"], source: Float[Tensor, "X C"], segment: Int[Tensor, "B 1 N C"] | None, with_itself: bool
) -> Float[Tensor, "X C C"]:
    """Return what every position (last axis) weighs in those after it and in itself; 0 elsewhere."""
    decays = (row[:, :, None] + source[:, None]).exp_().tril_(0 if with_itself else -1)
    if segment is not None:
        rows, _, chunks, size = segment.shape
        decays.view(rows, -1, chunks, size, size).masked_fill_(segment[..., None] != segment[..., None, :], 0)
    return decays
