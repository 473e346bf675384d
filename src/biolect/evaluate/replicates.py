"""What labels of identical sequences say about the table: conflicts, and how well anything could predict it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biolect import metrics
from biolect.evaluate.composition import judge

LEAST_SEQUENCES = 50
"""Fewer repeated sequences say nothing about noise: those of yeast, 26 subtelomeric genes, are all hardly expressed."""


def replicates(
    targets: NDArray[np.float64], sequences: NDArray[np.integer], clusters: NDArray[np.integer], num_classes: int
) -> dict[str, Any]:
    """Return how labels of repeated sequences disagree, and the ceiling that follows.

    The ceiling is what one gets who predicts every row of a repeated sequence by its other rows: the mean, or the most
    frequent class. A perfect model of the sequence may be better, as it averages over more; one that is much better has
    seen labels.

    Returns:
        `repeated_sequences` and their `rows`; `conflicting` sequences, whose labels are not all equal; `spread`, the standard
        deviation within a sequence over that of all rows (of classes, the share of rows that are not of their sequence's
        most frequent one); `ceiling` and its `interval`, None where fewer than 50 sequences are repeated.
    """
    _, labels, counts = np.unique(sequences, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(counts[labels] > 1)
    own, values = labels[rows], targets[rows]
    wanted = np.eye(num_classes)[values.astype(int)] if num_classes else values[:, None]
    sums = np.stack([np.bincount(own, weights=column, minlength=len(counts)) for column in wanted.T], axis=1)
    others = (sums[own] - wanted) / np.maximum(counts[own] - 1, 1)[:, None]
    repeated = np.unique(own)
    differs = [len(set(values[own == one].tolist())) > 1 for one in repeated.tolist()]
    result: dict[str, Any] = {"repeated_sequences": len(repeated), "rows": len(rows), "conflicting": sum(differs)}
    if not len(rows):
        return result | {"spread": None, "ceiling": None, "interval": None}
    if num_classes:
        result["spread"] = float(1 - sums[repeated].max(axis=1).sum() / len(rows))
    else:
        residuals = values - (sums[own, 0] / counts[own])
        within = math.sqrt(float((residuals**2).sum()) / max(len(rows) - len(repeated), 1))
        result["spread"] = within / (float(targets.std()) or 1.0)
    if len(repeated) < LEAST_SEQUENCES:
        return result | {"ceiling": None, "interval": None}
    interval = metrics.bootstrap_interval(lambda _, i: judge(values[i], others[i]), clusters[rows], draws=500)
    return result | {"ceiling": judge(values, others), "interval": list(interval)}
