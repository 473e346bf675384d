"""Baselines that see no model: what letters alone give away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from biolect.values import Floats, Ints

ORDERS = {4: (1, 2, 3, 4, 6, 8, 10, 11, 12, 14, 16, 18, 20), 20: (1, 2, 3, 4, 5, 6)}
"""Letters looked back on, by the number of certain letters; more than 20 symbols have the orders of proteins."""
_OWN = {4: (2, 4, 8, 11, 14, 20), 20: (1, 2, 3, 5)}
_CELLS = 40_000_000
"""Numbers that are held at once: letters times symbols times orders."""
_FITTED, _STEPS = 40_000, 80
"""Held-out letters that weights are learned from, and steps of it."""
_BACK_OFF, _STRENGTH = 4.0, 1.0
"""Pseudo-counts given to what shorter contexts say: by a Markov model, and by the experts of a mixture."""
_BINS = 9


class Markov:
    """Order-k Markov model over small codes, interpolated down to order 0.

    The probability of a letter blends the counts after its k predecessors with the order-(k-1)
    estimate, as heavily as four counts weigh (Bayesian back-off), so unseen contexts fall
    back to shorter ones.

    Args:
        order: Letters looked back on.
        num_symbols: Ints are below this.
    """

    def __init__(self, order: int, num_symbols: int) -> None:
        self.order, self.num_symbols = order, num_symbols
        self.tables = [np.zeros((num_symbols**k, num_symbols)) for k in range(order + 1)]

    def fit(self, sequences: Iterable[NDArray[np.integer]]) -> Markov:
        """Add the counts of training sequences; may be called again."""
        for codes in sequences:
            for k, table in enumerate(self.tables):
                if len(codes) > k:
                    np.add.at(table, (self._contexts(codes, k), codes[k:]), 1)
        return self

    def nats(self, codes: NDArray[np.integer]) -> Floats:
        """Return the negative log-likelihood of every letter; early letters use what context there is."""
        probabilities = np.full(len(codes), 1 / self.num_symbols)
        for k, table in enumerate(self.tables[: len(codes)]):
            counts = table[self._contexts(codes, k)]
            seen = counts[np.arange(len(counts)), codes[k:]]
            probabilities[k:] = (seen + _BACK_OFF * probabilities[k:]) / (counts.sum(axis=1) + _BACK_OFF)
        return -np.log(probabilities)

    def _contexts(self, codes: NDArray[np.integer], k: int) -> Ints:
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


class ContextMixing:
    """A mixture of context models over small codes: what a good compressor without a neural network gets out of letters.

    Counts after contexts of many orders, of training and of the record itself so far, both strands of DNA, are mixed in the
    logistic domain; how far each is believed depends on how often its context was seen, and was learned on held-out records.

    Source: the family of PAQ and cmix (Mahoney, 2005) and of GeCo (10.3390/e21111074), with weights that are fitted once
        instead of following the text.

    Args:
        num_symbols: Ints are below this.
        complement: Code of the other strand by code; None where there is no other strand.
    """

    def __init__(self, num_symbols: int, complement: NDArray[np.integer] | None = None) -> None:
        self.num_symbols, self.complement = num_symbols, complement
        kind = 4 if num_symbols <= 8 else 20
        self.orders, self.own_orders = ORDERS[kind], _OWN[kind]
        self.training: list[Ints] = []
        self.weights = np.zeros((len(self.orders) + len(self.own_orders), _BINS))
        self._most = max(1, _CELLS // (num_symbols * len(self.weights)))

    def fit(self, train: Sequence[NDArray[np.integer]], valid: Sequence[NDArray[np.integer]]) -> ContextMixing:
        """Keep the counts of training records, and learn on held-out ones how far to believe each order."""
        from scipy.optimize import minimize

        self.training = [one.astype(np.int64) for one in train]
        if self.complement is not None:
            self.training += [self.complement[one][::-1].astype(np.int64) for one in self.training]
        logs, bins, wanted = self._experts(next(_pieces(valid, _FITTED)))
        hot = np.eye(self.num_symbols, dtype=np.float32)[wanted]

        def loss(flat: Floats) -> tuple[float, Floats]:
            weights = flat.reshape(self.weights.shape).astype(np.float32)
            logits = _mixed(logs, bins, weights)
            chances = np.exp(logits)
            error = chances - hot
            slopes = np.stack([np.bincount(own, (error * said).sum(axis=1), _BINS) for own, said in zip(bins, logs, strict=True)])
            nats = -float(logits[np.arange(len(wanted)), wanted].mean(dtype=np.float64))
            return nats + 1e-4 * float((flat**2).sum()) / len(flat), slopes.ravel() / len(wanted) + 2e-4 * flat / len(flat)

        start = np.full(self.weights.size, 1 / len(self.weights))
        self.weights = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}).x.reshape(self.weights.shape)
        return self

    def nats(self, sequences: Sequence[NDArray[np.integer]]) -> list[Floats]:
        """Return the negative log-likelihood of every letter of every sequence; very long ones are read in pieces."""
        found = [np.zeros(0)]
        for piece in _pieces(sequences, self._most):
            logs, bins, wanted = self._experts(piece)
            found.append(-_mixed(logs, bins, self.weights.astype(np.float32))[np.arange(len(wanted)), wanted].astype(np.float64))
        return np.split(np.concatenate(found), np.cumsum([len(one) for one in sequences])[:-1])

    def _experts(self, sequences: list[Ints]) -> tuple[NDArray[np.float32], Ints, Ints]:
        """Return log-probabilities, experts by letters by symbols; how often each context was seen, as a bin; the letters."""
        letters = np.concatenate(sequences)
        owner = np.repeat(np.arange(len(sequences)), [len(one) for one in sequences])
        place = np.concatenate([np.arange(len(one)) for one in sequences])
        total = np.bincount(np.concatenate(self.training), minlength=self.num_symbols) + 0.5
        first = np.tile((total / total.sum()).astype(np.float32), (len(letters), 1))
        logs: list[NDArray[np.float32]] = []
        bins: list[Ints] = []

        def add(counts: NDArray[np.float32], shorter: NDArray[np.float32]) -> NDArray[np.float32]:
            seen = counts.sum(axis=1, keepdims=True)
            chances = (counts + _STRENGTH * shorter) / (seen + _STRENGTH)
            logs.append(np.log(chances))
            bins.append(np.minimum(np.ceil(np.log2(seen[:, 0] + 1)), _BINS - 1).astype(np.int64))
            return chances

        chances, base = first, first
        for order in self.orders:
            chances = add(self._known(letters, place, order), chances)
            base = chances if order <= 2 else base
        for order in self.own_orders:
            base = add(self._own(letters, owner, place, order), base)
        return np.stack(logs), np.stack(bins), letters

    def _keys(self, letters: Ints, order: int) -> NDArray[np.uint64]:
        """Return a number for the letters before each place; those of places with too few of them mean nothing."""
        keys = np.zeros(len(letters), dtype=np.uint64)
        for back in range(order, 0, -1):
            keys[back:] = keys[back:] * np.uint64(self.num_symbols) + letters[: len(letters) - back].astype(np.uint64)
        return keys

    def _known(self, letters: Ints, place: Ints, order: int) -> NDArray[np.float32]:
        """Return how often each symbol followed the same letters in training."""
        asked = np.flatnonzero(place >= order)
        contexts, inverse = np.unique(self._keys(letters, order)[asked], return_inverse=True)
        counts = np.zeros((len(contexts) + 1) * self.num_symbols)
        for start in range(0, len(self.training), 4_096):
            some = self.training[start : start + 4_096]
            joined = np.concatenate(some)
            kept = np.concatenate([np.arange(len(one)) for one in some]) >= order
            keys, following = self._keys(joined, order)[kept], joined[kept]
            index = np.searchsorted(contexts, keys)
            is_asked = contexts[np.minimum(index, len(contexts) - 1)] == keys if len(contexts) else np.zeros(len(keys), dtype=bool)
            counts += np.bincount(index[is_asked] * self.num_symbols + following[is_asked], minlength=len(counts))
        found = np.zeros((len(letters), self.num_symbols), dtype=np.float32)
        found[asked] = counts.reshape(-1, self.num_symbols)[inverse]
        return found

    def _own(self, letters: Ints, owner: Ints, place: Ints, order: int) -> NDArray[np.float32]:
        """Return how often each symbol followed the same letters earlier in the same record, on either strand."""
        asked = np.flatnonzero(place >= order)
        keys = self._keys(letters, order)[asked]
        # A place is asked about, at an even time, before it counts as seen.
        parts = [(keys, np.zeros(len(asked), np.int64), 2 * asked), (keys, letters[asked], 2 * asked + 1)]
        if self.complement is not None:
            # Read from its other end, what stands here is a context whose next letter stood `order` places earlier.
            turned = self.complement[letters].astype(np.int64)
            backward = np.zeros(len(asked), dtype=np.uint64)
            for back in range(order):
                backward = backward * np.uint64(self.num_symbols) + turned[asked - back].astype(np.uint64)
            parts.append((backward, turned[asked - order], 2 * asked + 1))
        all_keys, all_symbols, when = (np.concatenate(part) for part in zip(*parts, strict=True))
        all_owners = np.tile(owner[asked], len(parts))
        sorted_by = np.lexsort((when, all_keys, all_owners))
        is_event = (when % 2)[sorted_by].astype(bool)
        before = np.eye(self.num_symbols, dtype=np.float32)[all_symbols[sorted_by]] * is_event[:, None]
        summed = np.cumsum(before, axis=0, dtype=np.float32) - before
        same = (np.diff(all_keys[sorted_by]) == 0) & (np.diff(all_owners[sorted_by]) == 0)
        starts = np.maximum.accumulate(np.where(np.append(False, same), 0, np.arange(len(when))))
        counts = (summed - summed[starts])[~is_event]
        found = np.zeros((len(letters), self.num_symbols), dtype=np.float32)
        found[asked[sorted_by[~is_event]]] = counts
        return found


def _mixed(logs: NDArray[np.float32], bins: Ints, weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return normalised log-probabilities, letters by symbols."""
    return log_softmax(np.einsum("el,els->ls", np.take_along_axis(weights, bins, axis=1), logs), axis=1)


def _pieces(sequences: Sequence[NDArray[np.integer]], most: int) -> Iterator[list[Ints]]:
    """Yield sequences, the long ones cut, as many at once as have so many letters."""
    cut = [one[i : i + most].astype(np.int64) for one in sequences for i in range(0, len(one), most)]
    while cut:
        count = max(1, int(np.searchsorted(np.cumsum([len(one) for one in cut]), most, side="right")))
        yield cut[:count]
        cut = cut[count:]
