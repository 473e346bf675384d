"""The sLSTM over whole rows."""

from __future__ import annotations

from pathlib import Path

from jaxtyping import Float, Int
from torch import Tensor

from biolect.ops.slstm.reference import SLSTMState, slstm_loop


def slstm_scan(
    gate_logits: Float[Tensor, "B T 4 H K"],
    recurrent: Float[Tensor, "H K 4 K"],
    state: SLSTMState | None = None,
    segment_ids: Int[Tensor, "B T"] | None = None,
    *,
    kernels: Path | None = None,
) -> tuple[Float[Tensor, "B T H K"], SLSTMState]:
    """Read whole rows, one position after the other.

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
    return slstm_loop(gate_logits, recurrent, state, segment_ids)
