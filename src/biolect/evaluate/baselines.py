"""Baselines that see no model: what letters alone give away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray


class Markov:
    """Order-k Markov model over small codes, interpolated down to order 0.

    The probability of a letter blends the counts after its k predecessors with the order-(k-1)
    estimate, as heavily as `strength` counts weigh (Bayesian back-off), so unseen contexts fall
    back to shorter ones.

    Args:
        order: Letters looked back on.
        num_symbols: Codes are below this.
        strength: Pseudo-counts given to the shorter context.
    """

    def __init__(self, order: int, num_symbols: int, strength: float = 4.0) -> None:
        self.order, self.num_symbols, self.strength = order, num_symbols, strength
        self.tables = [np.zeros((num_symbols**k, num_symbols)) for k in range(order + 1)]
        self._totals = [table.sum(axis=1) for table in self.tables]

    def fit(self, sequences: Iterable[NDArray[np.integer]]) -> Markov:
        """Add the counts of training sequences; may be called again."""
        for codes in sequences:
            for k, table in enumerate(self.tables):
                if len(codes) > k:
                    np.add.at(table, (self._contexts(codes, k), codes[k:]), 1)
        self._totals = [table.sum(axis=1) for table in self.tables]
        return self

    def nats(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return the negative log-likelihood of every letter; early letters use what context there is."""
        probabilities = np.full((len(codes), 1), 1 / self.num_symbols)[:, 0]
        for k, table in enumerate(self.tables):
            if len(codes) <= k:
                break
            contexts = self._contexts(codes, k)
            seen = table[contexts, codes[k:]]
            total = self._totals[k][contexts]
            probabilities[k:] = (seen + self.strength * probabilities[k:]) / (total + self.strength)
        return -np.log(probabilities)

    def _contexts(self, codes: NDArray[np.integer], k: int) -> NDArray[np.int64]:
        """Index of the k letters before each letter from the k-th on."""
        index = np.zeros(len(codes) - k, dtype=np.int64)
        for offset in range(k):
            index = index * self.num_symbols + codes[offset : len(codes) - k + offset]
        return index


def best_markov(
    train: Sequence[NDArray[np.integer]], valid: Sequence[NDArray[np.integer]], num_symbols: int, orders: Iterable[int]
) -> Markov:
    """Return the model whose order gives held-out sequences the fewest nats."""
    models = [Markov(order, num_symbols).fit(train) for order in orders]
    return min(models, key=lambda model: sum(float(model.nats(codes).sum()) for codes in valid))
