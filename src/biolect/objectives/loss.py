"""Losses, always in float32."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional


def token_losses(logits: Float[Tensor, "B T A"], targets: Int[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """Return the negative log-likelihood of every target. Nats.

    Float32 whatever comes in (float64 stays): bfloat16 holds three digits, and a sum of thousands needs more.
    """
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return functional.cross_entropy(wide.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)
