"""Streams in memory: their scale, their batches, and answers that do not depend on neighbors."""

import numpy as np
import pytest

from biolect.fusion.fusers import GatedAttention
from biolect.fusion.heads import FusionModel, TextCNN
from biolect.fusion.streams import CodonStreams, outputs_of

LENGTHS = (7, 1, 12, 4)
TOLERANCE = 1e-5


def vectors(width: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [(3 + 2 * rng.normal(size=(length, width))).astype(np.float16) for length in LENGTHS]


@pytest.fixture
def streams() -> CodonStreams:
    found = {"dna": vectors(3, 0), "protein": vectors(5, 1)}
    found["protein"][2][4] = 0
    return CodonStreams.fit(found, np.array([0, 2, 3]))


def test_the_scale_is_that_of_training_codons_about_which_something_is_said(streams: CodonStreams):
    rows = np.concatenate([one[one.any(axis=1)] for i, one in enumerate(streams.vectors["protein"]) if i != 1]).astype(np.float64)

    assert np.allclose(streams.centers["protein"], rows.mean(axis=0), atol=1e-4)
    assert np.allclose(streams.scales["protein"], rows.std(axis=0), atol=1e-3)


def test_a_number_that_never_changes_is_not_blown_up():
    same = [np.full((4, 2), 5, dtype=np.float16)]

    assert CodonStreams.fit({"dna": same}, np.array([0])).scales["dna"].tolist() == [1, 1]


def test_a_batch_is_padded_and_masked_where_an_encoder_says_nothing(streams: CodonStreams):
    values, masks = streams.batch([2, 1])

    assert values["dna"].shape == (2, 12, 3) and masks["dna"].sum(1).tolist() == [12, 1]
    assert masks["protein"][0].tolist() == [True] * 4 + [False] + [True] * 7
    assert not values["protein"][~masks["protein"]].any()


def test_answers_do_not_depend_on_what_else_is_asked_nor_on_the_order(streams: CodonStreams):
    model = FusionModel.Config(
        fuser=GatedAttention.Config(inputs=streams.widths, width=64, gate_width=16), head=TextCNN.Config(channels=4), outputs=2
    ).build(seed=1)
    together = outputs_of(model, streams)

    alone = np.concatenate([outputs_of(model, streams, np.array([i])).outputs for i in range(len(LENGTHS))])
    turned = outputs_of(model, streams, np.array([3, 1, 0, 2]))

    assert np.abs(together.outputs - alone).max() < TOLERANCE
    assert np.abs(together.outputs[[3, 1, 0, 2]] - turned.outputs).max() < TOLERANCE
    assert together.weights is not None and np.allclose(together.weights.sum(axis=1), 1)


def test_every_record_comes_once_an_epoch_and_the_order_is_drawn_anew(streams: CodonStreams):
    many = CodonStreams({"dna": [np.ones((1 + i % 7, 2), np.float16) for i in range(50)]}, {}, {})
    rng = np.random.default_rng(0)
    first, second = (np.concatenate(list(many.batches(np.arange(50), 4, rng))) for _ in range(2))

    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(50))
    assert first.tolist() != second.tolist()


def test_shuffled_partners_keep_one_stream_and_all_lengths(streams: CodonStreams):
    other = streams.shuffled("dna", seed=0)

    assert all(np.array_equal(a, b) for a, b in zip(other.vectors["dna"], streams.vectors["dna"], strict=True))
    assert tuple(map(len, other.vectors["protein"])) == LENGTHS
    assert not all(np.array_equal(a, b) for a, b in zip(other.vectors["protein"], streams.vectors["protein"], strict=True))


def test_one_source_may_stand_under_several_names(streams: CodonStreams):
    assert streams.named({"a": "dna", "b": "dna"}).widths == {"a": 3, "b": 3}
