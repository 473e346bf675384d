"""What each stream is worth: exactly, over all subsets; and the two cheap ways to ask."""

from __future__ import annotations

import math
from collections.abc import Callable
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
