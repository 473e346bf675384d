"""The mLSTM that reads both sides, in linear time."""

import torch
from jaxtyping import Float
from torch import Tensor

from biolect.ops.mlstm.chunkwise import weighted_sums
from biolect.ops.mlstm.gates import ChunkGroup, chunked, joined, log_weights
from biolect.ops.mlstm.reference import EPSILON, Gates, Keys, MLSTMState, Values, empty_state, normalizing
from biolect.ops.segments import Ids


def mlstm_two_sided(
    q: Keys, k: Keys, v: Values, input_gate_logit: Gates, forget_gate_logit: Gates, segment_ids: Ids = None, *, chunk_length: int = 64
) -> Values:
    """Let every position read its whole segment, what comes after it decaying as what comes before.

    Equal to `mlstm_two_sided_parallel` up to rounding, in linear time: the sums of a pass from the left and of one
    from the right, which leaves out the position itself, are added in units of the larger stabilizer and divided once.

    Source: Bio-xLSTM, arXiv:2411.04165, where this form is quadratic.
    """
    with torch.autocast(q.device.type, enabled=False):
        state = empty_state(q.shape[0], q.shape[2], q.shape[3], v.shape[3], dtype=v.dtype, device=v.device)
        if q.shape[1] == 0:
            return v * 1
        other = None if segment_ids is None else segment_ids.flip(1)
        forth = log_weights(input_gate_logit, forget_gate_logit, state.max_log, segment_ids, chunk_length)
        back = log_weights(input_gate_logit.flip(1), forget_gate_logit.flip(1), state.max_log, other, chunk_length)
        before, after = (joined([group.max_log for group in groups], groups) for groups in (forth, back))
        highest = torch.maximum(before, after.flip(1))
        top, bottom = _sums_of((q, k, v), forth, highest, state, with_itself=True)
        more, below = _sums_of((q.flip(1), k.flip(1), v.flip(1)), back, highest.flip(1), state, with_itself=False)
        return ((top + more.flip(1)) / normalizing(bottom + below.flip(1), highest, EPSILON)[..., None]).to(v.dtype)


def _sums_of(
    inputs: tuple[Tensor, Tensor, Tensor],
    groups: list[ChunkGroup],
    max_log: Float[Tensor, "B T H"],
    state: MLSTMState,
    *,
    with_itself: bool,
) -> tuple[Values, Float[Tensor, "B T H"]]:
    """Return numerators and denominators of one pass in units of a stabilizer given from outside."""
    parts = max_log.transpose(1, 2).split([group.num_tokens for group in groups], dim=2)
    groups = [group._replace(max_log=chunked(x, group.decay.shape[2], 0)) for group, x in zip(groups, parts, strict=True)]
    sums, _ = weighted_sums(*inputs, groups, state, with_itself=with_itself)
    top, bottom = (joined(list(x), groups) for x in zip(*sums, strict=True))
    return top, bottom
