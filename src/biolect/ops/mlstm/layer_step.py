"""One position of a whole mLSTM layer, compiled where there is a C++ compiler.

At one position a layer is dozens of small operations, whose calls cost more than their arithmetic, and three passes
over the memory. `step.cpp` does all that stands between the two projections in one call and one pass.
"""

import ctypes
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from biolect.ops.mlstm.reference import EPSILON, MLSTMState
from biolect.ops.native import Library, addresses, library

_NUMBERS_A_THREAD = 500_000
"""Of the memory; below, starting a thread costs more than it saves."""


class StepWeights(NamedTuple):
    """Weights of an mLSTM layer between its projections: P channels in H heads of K, blocks of S, G = 2 H gates that read R = 3 P.

    Attributes:
        norm: Of the head norm.
        skip: Of the convolved stream beside the cell.
    """

    conv: Float[Tensor, "P W"]
    conv_bias: Float[Tensor, " P"]
    query: Float[Tensor, "N S S"]
    key: Float[Tensor, "N S S"]
    value: Float[Tensor, "N S S"]
    gates: Float[Tensor, "G R"]
    gates_bias: Float[Tensor, " G"]
    norm: Float[Tensor, " P"]
    skip: Float[Tensor, " P"]


def is_steppable(up: Tensor, weights: StepWeights, state: MLSTMState) -> bool:
    """Return whether the compiled form can be asked: one dtype on the CPU, and no gradients wanted."""
    tensors = (up, *weights, *state)
    same = all(t.dtype == up.dtype and t.is_cpu for t in tensors)
    return same and up.dtype in (torch.float32, torch.float64) and not torch.is_grad_enabled()


def mlstm_layer_step(
    functions: ctypes.CDLL,
    up: Float[Tensor, "B U"],
    weights: StepWeights,
    tail: Float[Tensor, "B L P"],
    state: MLSTMState,
    angles: tuple[Float[Tensor, "B half"], Float[Tensor, "B half"]] | None,
    *,
    gates_see_turned: bool,
    norm_epsilon: float,
) -> tuple[Float[Tensor, "B P"], Float[Tensor, "B L P"], MLSTMState]:
    """Read one position: convolution, queries, keys, values, gates, cell, head norm, skip and output gate.

    Args:
        functions: Of `kernel`.
        up: What the first projection gives, U = 2 P channels: the stream inside, and what gates it.
        state: State after the position before; its memory is written over, so nobody else may hold it.
        angles: Cosines and sines of the position, of the whole width or of one head; None: no positions.
        gates_see_turned: Whether the gates read queries and keys after they were turned.
        norm_epsilon: Of the head norm.

    Returns:
        What the last projection reads, and tail and state after the position.

    Source: as `mlstm_step`; its definition is the layer, written out in `nn.mlstm`.
    """
    up, tail, state = up.contiguous(), tail.contiguous(), MLSTMState(*(x.contiguous() for x in state))
    cosines, sines = (None, None) if angles is None else (x.contiguous() for x in angles)
    after = MLSTMState(state.memory, torch.empty_like(state.normalizer), torch.empty_like(state.max_log))
    rows, heads, size, _ = state.memory.shape
    next_tail, out = torch.empty_like(tail), up.new_empty(rows, heads * size)
    threads = min(torch.get_num_threads(), state.memory.numel() // _NUMBERS_A_THREAD)
    half = 0 if cosines is None else cosines.shape[-1]
    sizes = (ctypes.c_int64 * 8)(rows, heads, size, tail.shape[1], weights.query.shape[-1], half, gates_see_turned, threads)
    places = addresses(*weights, up, cosines, sines, tail, *state, next_tail, *after, out)
    call = getattr(functions, f"mlstm_step_{str(up.dtype).removeprefix('torch.')}")
    call(sizes, (ctypes.c_double * 2)(EPSILON, norm_epsilon), (ctypes.c_void_p * len(places))(*places))
    return out, next_tail, after


@lru_cache(maxsize=4)
def kernel(folder: Path) -> Library:
    """Compile or load the step; the notice says what was done, or why operations one by one have to do."""
    return library(Path(__file__).with_name("step.cpp"), folder)
