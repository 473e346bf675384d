"""Feed-forward layers: one position at a time."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class SwiGLU(nn.Module):
    """Gated feed-forward layer, without biases. Gate and value come from one projection.

    Source: arXiv:2002.05202, equation 6.
    """

    activation = staticmethod(functional.silu)

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, 2 * inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Return the layer's update; the residual is the block's."""
        gate, value = self.up(x).chunk(2, dim=-1)
        return self.down(self.activation(gate) * value)


class GEGLU(SwiGLU):
    """The same with the exact GELU (the error function, no approximation) as gate."""

    activation = staticmethod(functional.gelu)


class GELULayer(nn.Module):
    """Feed-forward layer with the exact GELU and biases, without a gate.

    Source: arXiv:1706.03762, equation 2, with the activation of arXiv:1606.08415.
    """

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Return the layer's update; the residual is the block's."""
        return self.down(functional.gelu(self.up(x)))
