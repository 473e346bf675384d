"""The mLSTM in linear time: all against all inside chunks, one product with their decays across chunks.

A position of a chunk reads the positions of the chunk before it, and the state that entered the chunk. States of
all chunks are one matrix of decays times what every chunk adds. What decays and weighs is found from the gates
alone, as logs (`ChunkGroup`); the products (`weighted_sums`) then take every log as it is. The stabilizers are
ordinary tensors to autograd, so that epsilon has its exact gradient too.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from biolect.ops.mlstm.gates import ChunkGroup, chunked, joined, log_weights
from biolect.ops.mlstm.reference import EPSILON, Gates, Keys, MLSTMState, Values, empty_state, normalizing
from biolect.ops.segments import Ids


def mlstm_chunkwise(
    q: Keys,
    k: Keys,
    v: Values,
    input_gate_logit: Gates,
    forget_gate_logit: Gates,
    state: MLSTMState | None = None,
    segment_ids: Ids = None,
    *,
    chunk_length: int = 64,
) -> tuple[Values, MLSTMState]:
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
        hidden = [top / normalizing(bottom, x.max_log, EPSILON)[..., None] for (top, bottom), x in zip(sums, groups, strict=True)]
        return joined(hidden, groups).to(v.dtype), state


def weighted_sums(
    q: Keys, k: Keys, v: Values, groups: list[ChunkGroup], state: MLSTMState, *, with_itself: bool = True
) -> tuple[list[tuple[Float[Tensor, "B H N C V"], Float[Tensor, "B H N C"]]], MLSTMState]:
    """Return numerators and denominators of all groups in units of exp(max_log), and the last state.

    Args:
        with_itself: False leaves out what a position reads of itself.
    """
    memory, normalizer, max_log = state
    sums = []
    splits = (x.to(v.dtype).split([group.num_tokens for group in groups], 1) for x in (q, k, v))
    for group, *parts in zip(groups, *splits, strict=True):
        # Kept for the gradient is what goes in; states, decayed copies and pairs of positions are computed again.
        top, bottom, memory, normalizer = checkpoint(
            _read_group, parts, group, memory, normalizer, with_itself, use_reentrant=False, preserve_rng_state=False
        )
        sums.append((top, bottom))
        max_log = group.end
    return sums, MLSTMState(memory, normalizer, max_log)


def _read_group(
    parts: list[Tensor], group: ChunkGroup, memory: Float[Tensor, "B H K V"], normalizer: Float[Tensor, "B H K"], with_itself: bool
) -> tuple[Float[Tensor, "B H N C V"], Float[Tensor, "B H N C"], Float[Tensor, "B H K V"], Float[Tensor, "B H K"]]:
    """Return numerators and denominators of a group, and memory and normalizer after it."""
    q, k, v = (chunked(x.transpose(1, 2), group.decay.shape[2], 0).contiguous() for x in parts)
    wide, narrow = memory.dtype, v.dtype
    row = group.decay - group.max_log - 0.5 * math.log(q.shape[-1])
    enter = row + group.entering
    if group.segment is not None and group.is_real is not None:
        row = row.masked_fill(~group.is_real, -math.inf)
        enter = enter.masked_fill(~(group.is_real & (group.segment == 0)), -math.inf)
    written, reading = k * group.write.exp()[..., None].to(narrow), q * enter.exp()[..., None].to(narrow)
    memories, memory = _states(group.carry.exp(), memory.flatten(2), (written.mT @ v).to(wide).flatten(3))
    normalizers, normalizer = _states(group.carry.exp(), normalizer, written.sum(-2, dtype=wide))
    memories, memory = (x.unflatten(-1, (k.shape[-1], v.shape[-1])) for x in (memories, memory))
    top, bottom = _inside(q, k, v, row, group, with_itself)
    top, bottom = top + (reading @ memories.to(narrow)).to(wide), bottom + (reading * normalizers[..., None, :]).sum(-1)
    return top, bottom, memory, normalizer


def _states(
    carried: Float[Tensor, "B H M M"], first: Float[Tensor, "B H F"], added: Float[Tensor, "B H N F"]
) -> tuple[Float[Tensor, "B H N F"], Float[Tensor, "B H F"]]:
    """Return the states before each of N chunks and the one after all."""
    before = torch.addcmul(carried[:, :, :-1, 1:] @ added, carried[:, :, :-1, :1], first[:, :, None])
    last = torch.addcmul(carried[:, :, -1:, 1:] @ added, carried[:, :, -1:, :1], first[:, :, None])
    return before, last[:, :, 0]


def _inside(
    q: Tensor, k: Tensor, v: Tensor, row: Float[Tensor, "B H N C"], group: ChunkGroup, with_itself: bool
) -> tuple[Float[Tensor, "B H N C V"], Float[Tensor, "B H N C"]]:
    """Return what the positions of a chunk read of each other, and their share of the denominators."""
    size = row.shape[-1]
    is_closed = torch.ones(size, size, dtype=torch.bool, device=row.device).triu(1 if with_itself else 0)
    if group.segment is not None:
        is_closed = is_closed | (group.segment[..., None] != group.segment[..., None, :])
    decays = (row[..., None] + group.source[..., None, :]).masked_fill(is_closed, -math.inf).exp()
    weights = decays * (q @ k.mT)
    return (weights.to(v.dtype) @ v).to(row.dtype), weights.sum(-1)
