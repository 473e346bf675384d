"""Both directions with one set of weights: y = Mix(x) + flip(Mix(flip(x))), flips along the row.

Both run as one call over twice the rows, so a cell that must go position by position goes only once.
Segment ids and positions are flipped with the tokens that they belong to.
"""

from typing import Literal

import torch
from jaxtyping import Shaped
from torch import Tensor

Direction = Literal["causal", "bidirectional", "two_sided"]
"""Left to right; both ways with one set of weights, added; or one memory that is filled from both sides."""


def doubled(x: Shaped[Tensor, "B T *more"]) -> Shaped[Tensor, "BB T *more"]:
    """Return the rows, and behind them the same rows from right to left."""
    return torch.cat([x, x.flip(1)])


def joined(x: Shaped[Tensor, "BB T *more"]) -> Shaped[Tensor, "B T *more"]:
    """Return what the rows gave plus what the same rows gave from right to left, each at its own place."""
    forth, back = x.chunk(2)
    return forth + back.flip(1)
