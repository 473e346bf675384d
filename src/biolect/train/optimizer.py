"""The optimizer: AdamW, with weight decay where it belongs, and its learning rate as a pure function of tokens."""

import math
from typing import Annotated, Literal

import pydantic
import torch
from torch import nn

from biolect.config import Config

Decay = Literal["linear", "cosine"]
"""From the warm-up to the end: a straight line, or half a wave of the cosine, which stays longer near both ends."""

Beta = Annotated[float, pydantic.Field(ge=0, lt=1)]


class AdamW(Config):
    """Settings of AdamW and of the gradient before it.

    Source: arXiv:2410.11499 names no optimizer; these are common values for decoders of this size.

    Attributes:
        weight_decay: Of matrices; norms and embeddings are left alone.
        clip_norm: Longest gradient, over all parameters together.
    """

    betas: tuple[Beta, Beta] = (0.9, 0.95)
    eps: float = pydantic.Field(default=1e-8, gt=0)
    weight_decay: float = pydantic.Field(default=0.1, ge=0)
    clip_norm: float = pydantic.Field(default=1.0, gt=0)

    def build(self, model: nn.Module) -> torch.optim.AdamW:
        """Return an optimizer of a model's trainable parameters; its learning rate is set before every step."""
        decayed, kept = split_by_decay(model)
        groups = [{"params": decayed, "weight_decay": self.weight_decay}, {"params": kept, "weight_decay": 0.0}]
        return torch.optim.AdamW([g for g in groups if g["params"]], lr=0.0, betas=self.betas, eps=self.eps, fused=True)


def rate_at(tokens: float, rates: tuple[float, float], warmup_tokens: int, total_tokens: int, decay: Decay = "linear") -> float:
    """Return the learning rate after so many of all tokens, padding not counted: warmed up from 0 in a straight line, then decayed.

    Ask for the middle of a step: then neither the first step of a warm-up nor the last of a decay to 0 is wasted.

    Args:
        rates: After the warm-up, and at the end.
    """
    start, end = rates
    if tokens < warmup_tokens:
        return start * tokens / warmup_tokens
    passed = min(1.0, (tokens - warmup_tokens) / max(1, total_tokens - warmup_tokens))
    gone = passed if decay == "linear" else (1 - math.cos(math.pi * passed)) / 2
    return start + (end - start) * gone


def split_by_decay(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return trainable parameters that decay (matrices) and those that do not (norms, embeddings)."""
    decayed: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            if parameter.requires_grad:
                (decayed if parameter.dim() >= 2 and not isinstance(module, nn.Embedding) else kept).append(parameter)
    return decayed, kept
