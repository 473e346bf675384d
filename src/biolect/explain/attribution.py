"""Which streams and which codons an answer came from, and whether that can be believed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from biolect.fusion.fusers import Masks, Streams

Predict = Callable[[Streams, Masks], Float[Tensor, " B"]]


def without(masks: Masks, absent: set[str]) -> dict[str, Tensor]:
    """Return masks in which some streams are absent."""
    return {name: mask & (name not in absent) for name, mask in masks.items()}


@torch.no_grad()
def modality_shapley(predict: Predict, streams: Streams, masks: Masks) -> dict[str, Float[Tensor, " B"]]:
    """Return the Shapley value of every stream: its mean gain over all orders in which streams could be added.

    Exact: the model is asked about each of the 2^E subsets once. The values add up to the answer with all streams minus that
    with none.

    Source: 10.1515/9781400881970-018, equation for the value of a game.
    """
    names, count = sorted(masks), len(masks)
    subsets = [frozenset(some) for size in range(count + 1) for some in combinations(names, size)]
    answers = {present: predict(streams, without(masks, set(names) - present)) for present in subsets}
    found = {}
    for name in names:
        gains = [
            (answers[present | {name}] - answers[present]) / (count * math.comb(count - 1, len(present)))
            for present in subsets
            if name not in present
        ]
        found[name] = torch.stack(gains).sum(0)
    return found


@torch.no_grad()
def modality_occlusion(predict: Predict, streams: Streams, masks: Masks) -> dict[str, Float[Tensor, " B"]]:
    """Return how much of the answer goes with each stream, taken away alone. Streams that say the same lose nothing."""
    whole = predict(streams, masks)
    return {name: whole - predict(streams, without(masks, {name})) for name in sorted(masks)}


@torch.no_grad()
def modality_permutation(predict: Predict, streams: Streams, masks: Masks, order: Int[Tensor, " B"]) -> dict[str, Float[Tensor, " B"]]:
    """Return how much the answer loses when one stream is that of another record, given by its index.

    Codons on which the two records do not both stand are masked in the exchanged stream.
    """
    whole = predict(streams, masks)
    found = {}
    for name in sorted(masks):
        moved = dict(streams) | {name: streams[name][order]}
        found[name] = whole - predict(moved, dict(masks) | {name: masks[name] & masks[name][order]})
    return found


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
