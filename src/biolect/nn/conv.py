"""The short convolution before the gates of a recurrent cell."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from biolect.ops.conv import conv_causal


class CausalConv(nn.Module):
    """Depth-wise causal convolution with bias, then SiLU."""

    def __init__(self, width: int, reach: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, reach))
        self.bias = nn.Parameter(torch.empty(width))

    def forward(
        self, x: Float[Tensor, "B T P"], tail: Float[Tensor, "B L P"] | None = None, segment_ids: Int[Tensor, "B T"] | None = None
    ) -> tuple[Float[Tensor, "B T P"], Float[Tensor, "B L P"]]:
        """Return the activations, and the inputs that the next piece needs; see `conv_causal`."""
        out, tail = conv_causal(x, self.weight, self.bias, tail, segment_ids)
        return functional.silu(out), tail

    def empty_tail(self, rows: int) -> Float[Tensor, "B L P"]:
        """Return what stands before the first position."""
        return self.weight.new_zeros(rows, self.weight.shape[1] - 1, self.weight.shape[0])
