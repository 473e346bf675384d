"""What decays and weighs how much in the chunkwise mLSTM, found from the gates alone, as logs."""

import math
from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.nn import functional

from biolect.ops.mlstm.reference import Gates
from biolect.ops.segments import Ids, segment_starts

_GROUP_CHUNKS = 16
"""Chunks whose states are found by one product. Its cost per position grows with this; the number of calls falls."""

_NOTHING = -1e30
"""Log weight of what a chunk of padding adds: next to nothing, yet a number."""


Positions: TypeAlias = Float[Tensor, "B H N C"]
"""A number for every position, laid out as N chunks of C."""


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
    decay: Positions
    source: Positions
    write: Positions
    carry: Float[Tensor, "B H M M"]
    entering: Float[Tensor, "B H N 1"]
    max_log: Positions
    end: Float[Tensor, "B H"]
    segment: Int[Tensor, "B 1 N C"] | None
    is_real: Bool[Tensor, "B 1 N C"] | None


def log_weights(
    input_gate_logit: Gates, forget_gate_logit: Gates, max_log: Float[Tensor, "B H"], segment_ids: Ids, chunk_length: int
) -> list[ChunkGroup]:
    """Find from the gates alone what decays and weighs how much, one group of chunks after the other."""
    log_input = input_gate_logit.to(max_log.dtype).transpose(1, 2)
    log_forget = functional.logsigmoid(forget_gate_logit.to(max_log.dtype)).transpose(1, 2)
    sizes = [len(x) for x in torch.arange(log_input.shape[2]).split(_GROUP_CHUNKS * chunk_length)]
    borders = [None] * len(sizes) if segment_ids is None else torch.stack(segment_starts(segment_ids), 1).split(sizes, dim=2)
    groups = []
    for size, log_i, log_f, border in zip(sizes, log_input.split(sizes, 2), log_forget.split(sizes, 2), borders, strict=True):
        # Chunks of one size that fit closely: 101 positions are twice 51, not twice 64.
        count = -(-size // chunk_length)
        logs = chunked(log_i, count, -math.inf), chunked(log_f, count, 0)
        if border is None:
            groups.append(_one_segment(size, max_log, *logs))
        else:
            groups.append(_many_segments(size, max_log, *logs, chunked(border, count, 0)))
        max_log = groups[-1].end
    return groups


def chunked(x: Shaped[Tensor, "B H T *S"], num_chunks: int, empty: float) -> Shaped[Tensor, "B H N C *S"]:
    """Split the third axis into chunks of one size, filling up the last one."""
    size = -(-x.shape[2] // num_chunks)
    missing = num_chunks * size - x.shape[2]
    padding = (0,) * (2 * (x.dim() - 3)) + (0, missing)
    return (functional.pad(x, padding, value=empty) if missing else x).unflatten(2, (num_chunks, size))


def joined(parts: list[Tensor], groups: list[ChunkGroup]) -> Shaped[Tensor, "B T H *S"]:
    """Lay out the positions of all groups, (B, H, N, C, ...) each, as one row again."""
    rows = [x.flatten(2, 3)[:, :, : group.num_tokens].transpose(1, 2) for x, group in zip(parts, groups, strict=True)]
    return rows[0] if len(rows) == 1 else torch.cat(rows, dim=1)


def _one_segment(num_tokens: int, max_log: Float[Tensor, "B H"], log_input: Positions, log_forget: Positions) -> ChunkGroup:
    decay = log_forget.cumsum(-1)
    total, source = decay[..., -1:], log_input - decay
    highest = source.cummax(-1).values
    added = total + highest[..., -1:]
    carry, after = _log_carry(max_log, added, total)
    entering = after[..., :-1, None]
    own = decay + torch.maximum(highest, entering)
    return ChunkGroup(num_tokens, decay, source, source + total - added, carry, entering, own, after[..., -1], None, None)


def _many_segments(
    num_tokens: int, max_log: Float[Tensor, "B H"], log_input: Positions, log_forget: Positions, borders: Bool[Tensor, "B 2 N C"]
) -> ChunkGroup:
    """As `_one_segment`, with (starts, is_real): a start empties the state, so m begins there at 0 again."""
    starts, is_real = borders[:, :1], borders[:, 1:]
    # Padding adds nothing and forgets nothing.
    log_input, log_forget = log_input.masked_fill(~is_real, -math.inf), log_forget * is_real
    decay = log_forget.cumsum(-1)
    total, source = decay[..., -1:], log_input - decay
    segment = starts.long().cumsum(-1)
    last = segment[..., -1:]
    highest = _running_max(source, segment)
    # Decay never rises, so the lowest value at a start so far is that of the last one.
    restart = -torch.where(starts, functional.pad(decay, (1, 0))[..., :-1], 0).cummin(-1).values
    floor_at_end = torch.where(last > 0, restart[..., -1:], _NOTHING)
    added = total + torch.maximum(highest[..., -1:], floor_at_end)
    write = (source + total - added).masked_fill(segment != last, -math.inf)
    carry, after = _log_carry(max_log, added, total.masked_fill(last > 0, -math.inf))
    entering = after[..., :-1, None]
    own = decay + torch.maximum(highest, torch.where(segment > 0, restart, entering))
    own = own.masked_fill(~is_real, 0)
    return ChunkGroup(num_tokens, decay, source, write, carry, entering, own, after[..., -1], segment, is_real)


def _running_max(x: Positions, segment: Int[Tensor, "B 1 N C"]) -> Positions:
    """Return the highest value so far in the segment of each position, by doubling the reach."""
    reach, size = 1, x.shape[-1]
    while reach < size:
        same = segment[..., reach:] == segment[..., :-reach]
        earlier = torch.where(same, x[..., :-reach], -math.inf)
        x = torch.cat([x[..., :reach], torch.maximum(x[..., reach:], earlier)], -1)
        reach *= 2
    return x


def _log_carry(
    max_log: Float[Tensor, "B H"], added: Float[Tensor, "B H N 1"], kept: Float[Tensor, "B H N 1"]
) -> tuple[Float[Tensor, "B H M M"], Float[Tensor, "B H M"]]:
    """Carry the first state and the N additions (last axis, M = N + 1) into every state: log weights and stabilizers.

    Args:
        max_log: Stabilizer of the first state.
        added: Stabilizer of what every chunk adds.
        kept: Log decay of what was there before.
    """
    levels = torch.cat([max_log[..., None], added[..., 0]], -1)
    ones = torch.ones(levels.shape[-1], levels.shape[-1], dtype=torch.bool, device=levels.device)
    # A running sum for every column: differences of one sum would lose digits.
    decays = torch.where(ones.tril(-1), functional.pad(kept, (0, 0, 1, 0)), 0).cumsum(-2)
    carry = (decays + levels[..., None, :]).masked_fill(ones.triu(1), -math.inf)
    after = carry.amax(-1)
    return carry - after[..., None], after
