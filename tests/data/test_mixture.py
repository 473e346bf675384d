"""Mixtures: exact shares, every item once an epoch, each entry computable alone."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st

from biolect.data.mixture import BLOCK, Draw, Mixture
from biolect.errors import ConfigError

weights = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=6)


def mixture_of(shares: list[float], seed: int = 0, size: int = 7) -> Mixture:
    names = [f"s{i}" for i in range(len(shares))]
    return Mixture(dict(zip(names, shares, strict=True)), dict.fromkeys(names, size), seed)


def rounding(shares: list[float]) -> float:
    """Half a document for every source: each is rounded once, and the last one takes what all the others left."""
    return 0.5 * len(shares) + 0.01


@given(weights, st.integers(0, 2**31), st.integers(0, 10**6))
@example([0.25, 0.25, 0.25, 0.25, 29.0], 0, 0)
def test_counts_per_block_follow_the_weights(shares: list[float], seed: int, block: int) -> None:
    mixture = mixture_of(shares, seed)
    exact = BLOCK * np.array(shares) / sum(shares)

    counts = mixture.counts(block)

    assert counts.sum() == BLOCK and (counts >= 0).all()
    assert (abs(counts - exact) < 2 * rounding(shares)).all()


@given(weights, st.integers(1, 10**6))
@example([0.25, 0.25, 0.25, 0.25, 29.0], 1)
def test_counts_over_all_blocks_never_drift(shares: list[float], blocks: int) -> None:
    mixture = mixture_of(shares)

    total = mixture._before(blocks)

    assert total.sum() == blocks * BLOCK
    assert (abs(total - blocks * BLOCK * np.array(shares) / sum(shares)) < rounding(shares)).all()


@settings(max_examples=20)
@given(weights, st.integers(0, 2**31), st.integers(0, 5))
def test_a_block_holds_what_its_counts_say(shares: list[float], seed: int, block: int) -> None:
    mixture = mixture_of(shares, seed)

    drawn = Counter(mixture[i].name for i in range(block * BLOCK, (block + 1) * BLOCK))

    assert [drawn[name] for name in mixture.names] == mixture.counts(block).tolist()


def test_entries_are_the_same_by_index_and_by_iteration() -> None:
    shares = [0.5, 0.3, 0.2]
    by_iteration = list(islice(iter(mixture_of(shares, seed=3)), 2_500))

    fresh = mixture_of(shares, seed=3)
    by_index = {i: fresh[i] for i in np.random.default_rng(0).permutation(2_500).tolist()}

    assert by_iteration == [by_index[i] for i in range(2_500)]


@settings(max_examples=10)
@given(st.integers(1, 97), st.integers(0, 2**31))
def test_every_item_is_read_once_an_epoch(size: int, seed: int) -> None:
    mixture = mixture_of([3, 1], seed, size)

    read = Counter(mixture[i] for i in range(2 * BLOCK))

    assert max(read.values()) == 1
    for name in mixture.names:
        # What lies in the two blocks is a whole number of epochs and a part of the last one.
        epochs, rest = divmod(int(mixture._before(2)[mixture.names.index(name)]), size)
        items = [{draw.item for draw in read if (draw.name, draw.epoch) == (name, epoch)} for epoch in range(epochs + 1)]
        assert items[:epochs] == [set(range(size))] * epochs
        assert len(items[epochs]) == rest


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        mixture = mixture_of([1], seed, size=1_024)
        return [mixture[i].item for i in range(epoch * 1_024, (epoch + 1) * 1_024)]

    assert order(0, 0) != order(0, 1) and order(0, 0) != order(1, 0)
    assert order(0, 0) == order(0, 0)
    # No trace of the stored order: neighbours in the store are not neighbours in time.
    assert abs(np.corrcoef(order(0, 0), range(1_024))[0, 1]) < 0.1


def test_a_source_of_one_item_is_read_for_ever() -> None:
    mixture = mixture_of([1], size=1)

    assert [mixture[i] for i in (0, 1)] == [Draw("s0", 0, mixture[0].epoch), Draw("s0", 0, mixture[1].epoch)]
    assert sorted(mixture[i].epoch for i in range(BLOCK)) == list(range(BLOCK))


@pytest.mark.parametrize("weight", [-0.2, 0.0, float("nan"), float("inf")])
def test_weights_must_be_positive_and_finite(weight: float) -> None:
    with pytest.raises(ConfigError, match=rf"Mixture weights must be positive and finite; 'transcripts' has {weight}\."):
        Mixture({"transcripts": weight}, {"transcripts": 7}, seed=0)


def test_empty_and_unknown_sources_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"Mixture source 'gene' is empty or unknown. Known sources: genes\."):
        Mixture({"gene": 1.0}, {"genes": 7, "texts": 0}, seed=0)
    with pytest.raises(ConfigError, match=r"Known sources: none\."):
        Mixture({"texts": 1.0}, {"texts": 0}, seed=0)
    with pytest.raises(ConfigError, match="at least one source"):
        Mixture({}, {"genes": 7}, seed=0)
