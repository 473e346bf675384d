"""Which codons an answer came from, stream by stream, and whether that can be believed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from biolect.explain.modalities import Predict
from biolect.fusion.fusers import Masks, Streams


@torch.no_grad()
def codon_occlusion(predict: Predict, streams: Streams, masks: Masks, *, together: bool = False) -> Float[Tensor, "B P E"]:
    """Return how much of the answer goes with each codon of each stream, streams by name in alphabetical order.

    Args:
        together: Take a codon away from all streams at once; then the last axis has one entry.
    """
    names, whole = sorted(masks), predict(streams, masks)
    groups = [set(names)] if together else [{name} for name in names]
    positions = next(iter(masks.values())).shape[1]
    found = whole.new_zeros(len(whole), positions, len(groups))
    for codon in range(positions):
        others = torch.arange(positions, device=whole.device) != codon
        for i, group in enumerate(groups):
            found[:, codon, i] = whole - predict(streams, {n: m & others if n in group else m for n, m in masks.items()})
    return found


def integrated_gradients(predict: Predict, streams: Streams, masks: Masks, *, steps: int = 32) -> Float[Tensor, "B P E"]:
    """Return the share of each codon of each stream in the answer, on a straight way from zero vectors to what they are.

    Shares add up to the answer minus that for zero vectors, the better the more steps. Masked codons have none.

    Source: arXiv:1703.01365, equation 3, with midpoints of the steps.
    """
    names = sorted(masks)
    real = {name: (streams[name] * masks[name].unsqueeze(-1)).detach() for name in names}
    totals = {name: torch.zeros_like(x) for name, x in real.items()}
    for step in range(steps):
        scaled = {name: (x * ((step + 0.5) / steps)).requires_grad_() for name, x in real.items()}
        with torch.enable_grad():
            slopes = torch.autograd.grad(predict(scaled, masks).sum(), [scaled[name] for name in names], materialize_grads=True)
        for name, slope in zip(names, slopes, strict=True):
            totals[name] += slope / steps
    return torch.stack([(totals[name] * real[name]).sum(-1) for name in names], dim=-1)


@torch.no_grad()
def deletion_curve(
    predict: Predict, streams: Streams, masks: Masks, scores: Float[Tensor, "B P"], fractions: Sequence[float]
) -> Float[Tensor, "B F"]:
    """Return the answers after the codons with the largest scores were taken away from all streams, share by share.

    Where scores are faithful the answer changes faster than with the same scores in random order; ask for both.
    """
    there = torch.stack(list(masks.values())).any(0)
    ranks = scores.masked_fill(~there, -torch.inf).argsort(dim=1, descending=True, stable=True).argsort(1)
    counts = there.sum(1, keepdim=True)
    curves = []
    for fraction in fractions:
        kept = ranks >= (fraction * counts).round()
        curves.append(predict(streams, {name: mask & kept for name, mask in masks.items()}))
    return torch.stack(curves, dim=1)
