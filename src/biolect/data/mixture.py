"""Mixtures: which source the i-th document comes from, as a pure function of weights, seed and index.

Counts per block are fixed by the weights; only their order is drawn. So document i is computable
without its predecessors, and resuming is arithmetic.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biolect.errors import ConfigError

BLOCK = 1_024
"""Documents per block: shares are exact over any number of blocks to within half a document a source, and never drift."""

_ONE = 1 << 40


class Draw(NamedTuple):
    """One entry of a mixture: item `item` of source `name`, read for the `epoch`-th time (0-based)."""

    name: str
    item: int
    epoch: int


class Mixture:
    """Weighted sources of known sizes. Invariant: `mixture[i]` depends on weights, sizes, seed and i alone."""

    def __init__(self, weights: Mapping[str, float], sizes: Mapping[str, int], seed: int) -> None:
        for name, weight in weights.items():
            if not (np.isfinite(weight) and weight > 0):
                raise ConfigError(f"Mixture weights must be positive and finite; '{name}' has {weight}.")
            if sizes.get(name, 0) <= 0:
                raise ConfigError(
                    f"Mixture source '{name}' is empty or unknown. Known sources: {', '.join(k for k, v in sizes.items() if v) or 'none'}."
                )
        if not weights:
            raise ConfigError("A mixture needs at least one source with a positive weight.")
        self.names = tuple(weights)
        self.sizes = tuple(sizes[name] for name in self.names)
        self.seed = seed
        shares = np.array([weights[name] for name in self.names], dtype=np.float64)
        left = np.cumsum(shares[::-1])[::-1]
        # Share of each source in what the sources before it left over, so that the last one takes the rest.
        self._shares = [round(_ONE * float(share)) for share in shares / left]

    def counts(self, block: int) -> NDArray[np.int64]:
        """Return documents of each source in a block; sums to `BLOCK`."""
        return self._before(block + 1) - self._before(block)

    def __getitem__(self, index: int) -> Draw:
        """Return the entry at an index, 0-based; the sequence never ends."""
        block, place = divmod(index, BLOCK)
        source, within = _order(tuple(self.counts(block).tolist()), self.seed, block)[place]
        rank = int(self._before(block)[source]) + int(within)
        epoch, step = divmod(rank, self.sizes[source])
        return Draw(self.names[source], _permuted(step, self.sizes[source], (self.seed, int(source), epoch)), epoch)

    def _before(self, block: int) -> NDArray[np.int64]:
        """Documents of each source in all earlier blocks: rounded running totals, which never decrease."""
        left, before = BLOCK * block, []
        for share in self._shares:
            # Integers: a rounded float could take more than was left.
            taken = (share * left + _ONE // 2) // _ONE
            before.append(taken)
            left -= taken
        return np.array(before, dtype=np.int64)


@lru_cache(maxsize=32)
def _order(counts: tuple[int, ...], seed: int, block: int) -> NDArray[np.int64]:
    """Source and rank within the block, in drawn order."""
    sources = np.repeat(np.arange(len(counts)), counts)
    within = np.concatenate([np.arange(c) for c in counts])
    order = np.random.default_rng((seed, 1, block)).permutation(len(sources))
    return np.stack([sources, within], axis=1)[order]


def _permuted(index: int, size: int, key: tuple[int, ...]) -> int:
    """Return the index-th entry of a keyed permutation of range(size), without storing it.

    A Feistel network over the next power of four, walked until it lands inside the range.
    """
    half = max(1, (max(size - 1, 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    rounds = _round_keys(key)
    while True:
        left, right = index >> half, index & mask
        for constant in rounds:
            mixed = (right * 0x9E3779B97F4A7C15 + constant) & 0xFFFFFFFFFFFFFFFF
            left, right = right, left ^ ((mixed ^ mixed >> 29) * 0xBF58476D1CE4E5B9 >> 32 & mask)
        index = left << half | right
        if index < size:
            return index


@lru_cache(maxsize=256)
def _round_keys(key: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(x) for x in np.random.default_rng(key).integers(0, 2**63, size=4))
