"""Norms of recurrent blocks. None has a bias; weights are plain factors that begin at 1."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-5


class HeadNorm(nn.Module):
    """Layer norm over the channels of each head, with one weight per channel of all heads; joins the heads."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Float[Tensor, "B T H K"]) -> Float[Tensor, "B T P"]:
        """Return normed channels, heads side by side."""
        return functional.layer_norm(x, x.shape[-1:], eps=EPSILON).flatten(-2) * self.weight.to(x.dtype)
