"""The mLSTM by definition: one position at a time, and all against all."""

import math
from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from biolect.ops.segments import Ids, segment_starts

EPSILON = 1e-6
"""Added to the denominator after the maximum, in units of exp(max_log)."""

Keys: TypeAlias = Float[Tensor, "B T H K"]
"""Queries or keys, by head."""

Values: TypeAlias = Float[Tensor, "B T H V"]
"""Values, or what was read, by head."""

Gates: TypeAlias = Float[Tensor, "B T H"]
"""Logits of input or forget gates."""


class MLSTMState(NamedTuple):
    """What an mLSTM keeps of all it has read.

    Memory and normalizer are divided by exp(max_log). Float64 for float64 inputs, float32 for all others.
    """

    memory: Float[Tensor, "B H K V"]
    normalizer: Float[Tensor, "B H K"]
    max_log: Float[Tensor, "B H"]


def empty_state(
    rows: int, heads: int, key_size: int, value_size: int, *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
) -> MLSTMState:
    """Return the state before the first position.

    Args:
        dtype: Dtype of the queries; the state is float32 at least.
    """
    wide = torch.promote_types(dtype, torch.float32)
    shapes = (rows, heads, key_size, value_size), (rows, heads, key_size), (rows, heads)
    return MLSTMState(*(torch.zeros(shape, dtype=wide, device=device) for shape in shapes))


def mlstm_step(
    q: Float[Tensor, "B H K"],
    k: Float[Tensor, "B H K"],
    v: Float[Tensor, "B H V"],
    input_gate_logit: Float[Tensor, "B H"],
    forget_gate_logit: Float[Tensor, "B H"],
    state: MLSTMState,
    *,
    epsilon: float = EPSILON,
    reuses: bool = False,
) -> tuple[Float[Tensor, "B H V"], MLSTMState]:
    """Read one position.

    Args:
        input_gate_logit: The gate is the exponential of this.
        forget_gate_logit: The gate is the sigmoid of this.
        state: State after the position before.
        epsilon: Part of the definition; see the package.
        reuses: Write the next memory over that of `state`, which nobody else may hold; without gradients only.

    Returns:
        Hidden values in the dtype of v, and the next state.

    Source: xLSTM, arXiv:2405.04517, equations of section 2.3 in stabilized form; the query is scaled, not the key.
    """
    dtype = v.dtype
    q, k, v, log_input, forget = (x.to(state.memory.dtype) for x in (q, k, v, input_gate_logit, forget_gate_logit))
    log_decay = functional.logsigmoid(forget) + state.max_log
    max_log = torch.maximum(log_decay, log_input)
    decay, weight = (log_decay - max_log).exp(), (log_input - max_log).exp()
    k = weight[..., None] * k
    # Two passes over the memory to write it and one to read it: at one position a time, nothing else costs.
    faded = state.memory.mul_(decay[..., None, None]) if reuses else decay[..., None, None] * state.memory
    memory = faded.addcmul_(k[..., None], v[..., None, :])
    normalizer = decay[..., None] * state.normalizer + k
    q = q * q.shape[-1] ** -0.5
    hidden = (q[..., None, :] @ memory)[..., 0, :] / normalizing((q * normalizer).sum(-1), max_log, epsilon)[..., None]
    return hidden.to(dtype), MLSTMState(memory, normalizer, max_log)


def mlstm_parallel(
    q: Keys, k: Keys, v: Values, input_gate_logit: Gates, forget_gate_logit: Gates, segment_ids: Ids = None, *, epsilon: float = EPSILON
) -> Values:
    """Let every position read all before it, by definition; time and memory are quadratic.

    Equal to applying `mlstm_step` from the empty state along every segment, up to rounding.

    Source: xLSTM, arXiv:2405.04517, appendix on the parallel form; the stabilizer is that of the recurrence.
    """
    log_weights, floor = _log_weights(input_gate_logit, forget_gate_logit, segment_ids)
    return _read_all(q, k, v, log_weights, floor, epsilon)


def mlstm_two_sided_parallel(
    q: Keys, k: Keys, v: Values, input_gate_logit: Gates, forget_gate_logit: Gates, segment_ids: Ids = None, *, epsilon: float = EPSILON
) -> Values:
    """Let every position read its whole segment: what comes after it decays as what comes before.

    Both sides share one maximum and one normalizer, and a position counts itself once.

    Source: Bio-xLSTM, arXiv:2411.04165; the stabilizer is the larger one of both directions.
    """
    before, floor = _log_weights(input_gate_logit, forget_gate_logit, segment_ids)
    other = None if segment_ids is None else segment_ids.flip(1)
    after, floor_after = _log_weights(input_gate_logit.flip(1), forget_gate_logit.flip(1), other)
    log_weights = torch.maximum(before, after.flip(2, 3))
    return _read_all(q, k, v, log_weights, torch.maximum(floor, floor_after.flip(2)), epsilon)


def normalizing(denominator: Float[Tensor, "*S"], max_log: Float[Tensor, "*S"], epsilon: float) -> Float[Tensor, "*S"]:
    """Return what the definition divides by. Denominator and result are in units of exp(max_log)."""
    # Beyond this the quotient is 0 either way, and an infinity would make the gradient undefined.
    largest = 0.9 * math.log(torch.finfo(max_log.dtype).max)
    return torch.maximum(denominator.abs(), max_log.neg().clamp_max(largest).exp()) + epsilon


def _log_weights(
    input_gate_logit: Gates, forget_gate_logit: Gates, segment_ids: Ids
) -> tuple[Float[Tensor, "B H T T"], Float[Tensor, "B H T"]]:
    """Return the log weight of position s (last axis) as read from t >= s, and what m_0 = 0 has decayed to."""
    dtype = torch.promote_types(input_gate_logit.dtype, torch.float32)
    log_input, log_forget = input_gate_logit.to(dtype).transpose(1, 2), functional.logsigmoid(forget_gate_logit.to(dtype)).transpose(1, 2)
    rows, length = input_gate_logit.shape[:2]
    causal = torch.ones(length, length, dtype=torch.bool, device=log_input.device).tril()
    same = causal.expand(rows, 1, length, length)
    if segment_ids is not None:
        starts, is_real = segment_starts(segment_ids)
        number = starts.long().cumsum(1)
        log_forget = log_forget * is_real[:, None]
        same = (causal & (number[:, :, None] == number[:, None, :]) & is_real[:, None] & is_real[:, :, None])[:, None]
    # A running sum for every s: differences of one sum over all positions would lose digits.
    decays = torch.where(causal.tril(-1), log_forget[..., None], 0).cumsum(2)
    floor = torch.where(same, log_forget[:, :, None], 0).sum(-1)
    return (decays + log_input[:, :, None]).masked_fill(~same, -math.inf), floor


def _read_all(
    q: Tensor, k: Tensor, v: Tensor, log_weights: Float[Tensor, "B H T T"], floor: Float[Tensor, "B H T"], epsilon: float
) -> Values:
    max_log = torch.maximum(log_weights.amax(-1), floor) if log_weights.numel() else floor
    q, k, wide_v = (x.to(log_weights.dtype).transpose(1, 2) for x in (q, k, v))
    weights = (q * q.shape[-1] ** -0.5 @ k.transpose(2, 3)) * (log_weights - max_log[..., None]).exp()
    hidden = weights @ wide_v / normalizing(weights.sum(-1), max_log, epsilon)[..., None]
    return hidden.transpose(1, 2).to(v.dtype)
