"""The sLSTM over whole rows, compiled where there is a C++ compiler.

Positions can only be read one after the other, so calls cost more than arithmetic: the loop of
`reference.py` spends milliseconds a position, `scan.cpp` microseconds.
"""

import ctypes
import math
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from biolect.ops.native import Library, addresses, library
from biolect.ops.segments import Ids, segment_starts
from biolect.ops.slstm.reference import Logits, Recurrent, SLSTMState, empty_state, slstm_loop


def slstm_scan(
    gate_logits: Logits, recurrent: Recurrent, state: SLSTMState | None = None, segment_ids: Ids = None, *, kernels: Path | None = None
) -> tuple[Float[Tensor, "B T H K"], SLSTMState]:
    """Read whole rows, one position after the other.

    Equal to `slstm_loop` up to rounding. The compiled form runs on the CPU, on `torch.get_num_threads()` threads;
    where there is no compiler, the loop runs and one warning says so.

    Args:
        gate_logits: What input and bias give to input, forget, cell and output gate, in this order.
        recurrent: From units of the last output (second axis) to gates and units of the next.
        state: State after the position before the first; it belongs to the segment of the first real position.
            None starts empty.
        segment_ids: 0 is padding; equal ids stand together. None: every row is one segment.
        kernels: Folder that keeps compiled kernels, such as `devices.cache_folder()`; None runs the plain loop.

    Returns:
        Hidden values in the dtype of the logits, 0 at padding, and the state after the last real position
        of every row (the incoming one where there is none).

    Source: xLSTM, arXiv:2405.04517, section 2.2.
    """
    functions = None
    if kernels is not None and gate_logits.device.type == "cpu" and gate_logits.numel():
        functions, notice = kernel(kernels)
        if functions is None:
            warnings.warn(f"The sLSTM runs as a plain loop, which is slow but changes no result: {notice}.", stacklevel=2)
    if functions is None:
        return slstm_loop(gate_logits, recurrent, state, segment_ids)
    rows, _, _, heads, size = gate_logits.shape
    state = empty_state(rows, heads, size, dtype=gate_logits.dtype) if state is None else state
    borders = (None, None) if segment_ids is None else tuple(x.contiguous() for x in segment_starts(segment_ids))
    wide = state.cell.dtype
    hidden, last = _Scan.apply(functions, borders, gate_logits.to(wide), recurrent.to(wide), torch.stack(state))
    return hidden.to(gate_logits.dtype), SLSTMState(*last.unbind(0))


@lru_cache(maxsize=4)
def kernel(folder: Path) -> Library:
    """Compile or load the scan; the notice says what was done, or why the plain loop has to do."""
    return library(Path(__file__).with_name("scan.cpp"), folder)


class _Scan(torch.autograd.Function):
    """Calls into `scan.cpp`. The recurrent weights get their gradient from one product over all positions."""

    @staticmethod
    def forward(ctx: Any, functions: ctypes.CDLL, borders: tuple[Tensor | None, Tensor | None], *tensors: Tensor) -> tuple[Tensor, Tensor]:
        logits, recurrent, state = tensors
        logits, recurrent, state = logits.contiguous(), recurrent.contiguous(), state.clone(memory_format=torch.contiguous_format)
        rows, length, _, heads, size = logits.shape
        hidden = logits.new_empty(rows, length, heads, size)
        full = marks = None
        if any(ctx.needs_input_grad):
            full = torch.empty_like(logits)
            marks = logits.new_empty(math.ceil(length / functions.slstm_stride()), *state.shape)
        sizes = (ctypes.c_int64 * 5)(rows, length, heads, size, torch.get_num_threads())
        call = getattr(functions, f"slstm_forward_{str(logits.dtype).removeprefix('torch.')}")
        call(sizes, *addresses(logits, recurrent, *borders, state, hidden, full, marks))
        ctx.functions, ctx.sizes = functions, sizes
        ctx.save_for_backward(recurrent, *borders, full, marks)
        return hidden, state

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_hidden: Tensor, d_state: Tensor) -> tuple[Tensor | None, ...]:
        recurrent, starts, is_real, full, marks = ctx.saved_tensors
        d_state = d_state.clone(memory_format=torch.contiguous_format)
        d_hidden, d_logits, before = d_hidden.contiguous(), torch.empty_like(full), torch.empty_like(d_hidden)
        call = getattr(ctx.functions, f"slstm_backward_{str(full.dtype).removeprefix('torch.')}")
        call(ctx.sizes, *addresses(recurrent, starts, is_real, full, marks, d_hidden, d_state, d_logits, before))
        d_recurrent = torch.einsum("bthk,btghj->hkgj", before, d_logits) if ctx.needs_input_grad[3] else None
        return None, None, d_logits, d_recurrent, d_state
