"""The sLSTM by definition: one position at a time."""

import math
from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from biolect.ops.segments import Ids, segment_starts

Logits: TypeAlias = Float[Tensor, "B T 4 H K"]
"""What input and bias give to input, forget, cell and output gate, in this order."""

Recurrent: TypeAlias = Float[Tensor, "H K 4 K"]
"""Weights from units of the last output (second axis) to gates and units of the next."""


class SLSTMState(NamedTuple):
    """What an sLSTM keeps of all it has read.

    Cell and normalizer are divided by exp(max_log). Float64 for float64 inputs, float32 for all others.
    """

    hidden: Float[Tensor, "B H K"]
    cell: Float[Tensor, "B H K"]
    normalizer: Float[Tensor, "B H K"]
    max_log: Float[Tensor, "B H K"]


def empty_state(
    rows: int, heads: int, size: int, *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
) -> SLSTMState:
    """Return the state before the first position: nothing read, so every log weight is minus infinity.

    Args:
        dtype: Dtype of the logits; the state is float32 at least.
    """
    zeros = torch.zeros(4, rows, heads, size, dtype=torch.promote_types(dtype, torch.float32), device=device)
    zeros[3] = -math.inf
    return SLSTMState(*(x.clone() for x in zeros))


def slstm_step(gate_logits: Float[Tensor, "B 4 H K"], recurrent: Recurrent, state: SLSTMState) -> tuple[Float[Tensor, "B H K"], SLSTMState]:
    """Read one position.

    Args:
        gate_logits: What input and bias give to input, forget, cell and output gate, in this order.
        recurrent: From units of the last output (second axis) to gates and units of this one.
        state: State after the position before.

    Returns:
        Hidden values in the dtype of the logits, and the next state.

    Source: xLSTM, arXiv:2405.04517, equations of section 2.2 in stabilized form.
    """
    wide = state.cell.dtype
    mixed = torch.einsum("bhk,hkgj->bghj", state.hidden, recurrent.to(wide))
    log_input, forget, cell, output = (gate_logits.to(wide) + mixed).unbind(1)
    log_decay = functional.logsigmoid(forget) + state.max_log
    max_log = torch.maximum(log_decay, log_input)
    decay, weight = (log_decay - max_log).exp(), (log_input - max_log).exp()
    cell = decay * state.cell + weight * cell.tanh()
    normalizer = decay * state.normalizer + weight
    hidden = output.sigmoid() * cell / normalizer
    return hidden.to(gate_logits.dtype), SLSTMState(hidden, cell, normalizer, max_log)


def slstm_loop(
    gate_logits: Logits, recurrent: Recurrent, state: SLSTMState | None = None, segment_ids: Ids = None
) -> tuple[Float[Tensor, "B T H K"], SLSTMState]:
    """Read whole rows as a loop of steps. Arguments and results as `slstm_scan`."""
    rows, length, _, heads, size = gate_logits.shape
    empty = empty_state(rows, heads, size, dtype=gate_logits.dtype, device=gate_logits.device)
    state = empty if state is None else state
    outputs = [gate_logits.new_empty(rows, 0, heads, size)]
    starts, is_real = (None, None) if segment_ids is None else segment_starts(segment_ids)
    for t in range(length):
        before = state
        if starts is not None:
            before = SLSTMState(*(torch.where(starts[:, t, None, None], e, s) for e, s in zip(empty, state, strict=True)))
        hidden, state = slstm_step(gate_logits[:, t], recurrent, before)
        if is_real is not None:
            here = is_real[:, t, None, None]
            state = SLSTMState(*(torch.where(here, new, old) for new, old in zip(state, before, strict=True)))
            hidden = torch.where(here, hidden, 0)
        outputs.append(hidden[:, None])
    return torch.cat(outputs, dim=1), state
