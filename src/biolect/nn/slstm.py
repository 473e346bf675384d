"""The sLSTM layer, "post up-projection": the cell works at the width of the model; a feed-forward layer follows it."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from biolect.devices import cache_folder
from biolect.nn.bidirectional import Direction, doubled, joined
from biolect.nn.parts import BlockDiagonal, CausalConv, HeadNorm
from biolect.ops.slstm import SLSTMState, empty_state, slstm_scan


class SLSTMLayer(nn.Module):
    """Convolution before two of the gates, cell, head norm. There is no projection behind the cell.

    Source: xLSTM, arXiv:2405.04517, figure 9.
    """

    compiled_parts = ("project",)

    def __init__(self, width: int, heads: int, *, conv_width: int, direction: Direction) -> None:
        super().__init__()
        self.heads, self.direction = heads, direction
        self.conv = CausalConv(width, conv_width)
        self.input_gate = BlockDiagonal(width, heads)
        self.forget_gate = BlockDiagonal(width, heads)
        self.cell_input = BlockDiagonal(width, heads)
        self.output_gate = BlockDiagonal(width, heads)
        self.recurrent = nn.Parameter(torch.zeros(heads, width // heads, 4, width // heads))
        self.bias = nn.Parameter(torch.zeros(4 * width))
        self.head_norm = HeadNorm(width)

    def initialize_gates(self, generator: torch.Generator, depth: float) -> None:
        """Let units forget at every rate, from 0.993 down to 0.001; no memory mixing yet.

        Args:
            depth: 0 for the first block, 1 for the last; later blocks have more units that remember for long.
        """
        nn.init.zeros_(self.recurrent)
        nn.init.zeros_(self.bias)
        size = self.recurrent.shape[1]
        fraction = torch.arange(size, dtype=torch.float32) / max(1, size - 1)
        with torch.no_grad():
            self.bias.view(4, self.heads, size)[1] = 5.0 - 12.0 * fraction ** (0.3 + 1.3 * depth)

    def project(
        self, x: Float[Tensor, "B T D"], segment_ids: Int[Tensor, "B T"] | None = None, tail: Float[Tensor, "B L D"] | None = None
    ) -> tuple[Float[Tensor, "B T 4 H K"], Float[Tensor, "B L D"]]:
        """Return the logits of all gates from the input, and the tail for the next piece."""
        convolved, last = self.conv(x, tail, segment_ids)
        parts = self.input_gate(convolved), self.forget_gate(convolved), self.cell_input(x), self.output_gate(x)
        logits = torch.stack(parts, dim=2)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32)) + self.bias.view(4, -1)
        return logits.unflatten(-1, (self.heads, -1)), last

    def forward(self, x: Float[Tensor, "B T D"], segment_ids: Int[Tensor, "b T"] | None = None) -> Float[Tensor, "B T D"]:
        """Return the layer's update of whole rows; segment ids are those of doubled rows where it reads both ways."""
        both = self.direction == "bidirectional"
        logits, _ = self.project(doubled(x) if both else x, segment_ids)
        h, _ = slstm_scan(logits, self.recurrent, None, segment_ids, kernels=cache_folder())
        h = self.head_norm(h)
        return joined(h) if both else h

    def empty(self, rows: int) -> tuple[Float[Tensor, "N L D"], SLSTMState]:
        """Return tail and cell before the first position."""
        tail = self.conv.empty_tail(rows)
        return tail, empty_state(rows, self.heads, tail.shape[2] // self.heads, dtype=tail.dtype, device=tail.device)

    def extend(
        self, x: Float[Tensor, "N T D"], tail: Float[Tensor, "N L D"], cell: SLSTMState
    ) -> tuple[Float[Tensor, "N T D"], Float[Tensor, "N L D"], SLSTMState]:
        """Read more positions; return the update, and tail and cell after them."""
        logits, tail = self.project(x, None, tail)
        h, cell = slstm_scan(logits, self.recurrent, cell, kernels=cache_folder())
        return self.head_norm(h), tail, cell
