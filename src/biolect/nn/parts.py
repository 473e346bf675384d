"""Parts of recurrent layers: the norm over heads, linear maps of few weights, and the short convolution before a cell."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from biolect.ops.conv import conv_causal

EPSILON = 1e-5

_MERGED_WIDTH = 32
"""Products of 4 x 4 are too small for a processor; eight as one of 32 x 32 were the fastest on a CPU, 2.3 times `einsum`."""

_FEW_ROWS = 16
"""Up to so many positions, putting blocks together costs more than the products."""


class HeadNorm(nn.Module):
    """Layer norm over the channels of each head, with one weight per channel of all heads and no bias; joins the heads."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Float[Tensor, "B T H K"]) -> Float[Tensor, "B T P"]:
        """Return normed channels, heads side by side."""
        return functional.layer_norm(x, x.shape[-1:], eps=EPSILON).flatten(-2) * self.weight.to(x.dtype)


class BlockDiagonal(nn.Module):
    """Linear map without bias whose matrix is zero outside equal square blocks on its diagonal."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(blocks, width // blocks, width // blocks))

    def forward(self, x: Float[Tensor, "B T P"]) -> Float[Tensor, "B T P"]:
        """Map every block of channels by its own matrix."""
        blocks, size, _ = self.weight.shape
        if x.numel() <= _FEW_ROWS * x.shape[-1]:
            return (x.unflatten(-1, (blocks, 1, size)) * self.weight.to(x.dtype)).sum(-1).flatten(-2)
        together = math.gcd(blocks, max(1, _MERGED_WIDTH // size))
        # The same map as fewer, larger blocks with zeros in them.
        grouped = self.weight.unflatten(0, (-1, together)).permute(0, 2, 3, 1)
        weight = torch.diag_embed(grouped).permute(0, 3, 1, 4, 2).reshape(-1, together * size, together * size)
        parts = x.reshape(-1, *weight.shape[:2]).transpose(0, 1)
        return torch.bmm(parts, weight.transpose(1, 2)).transpose(0, 1).reshape(x.shape)


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
        # Shifted copies are computed again for the gradient, not kept.
        return checkpoint(self._activated, x, tail, segment_ids, use_reentrant=False, preserve_rng_state=False)

    def _activated(self, x: Tensor, tail: Tensor | None, segment_ids: Tensor | None) -> tuple[Tensor, Tensor]:
        out, tail = conv_causal(x, self.weight, self.bias, tail, segment_ids)
        return functional.silu(out), tail

    def empty_tail(self, rows: int) -> Float[Tensor, "B L P"]:
        """Return what stands before the first position."""
        return self.weight.new_zeros(rows, self.weight.shape[1] - 1, self.weight.shape[0])
