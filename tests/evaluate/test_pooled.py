"""Regression on mean embeddings: right where the rule is linear, and honest about what it cannot know."""

import numpy as np
import pytest

from biolect.evaluate.composition import gaussian_process, pooled, ridge
from biolect.fusion.streams import CodonStreams
from biolect.metrics import spearman

ROWS = 90


@pytest.fixture(scope="module")
def streams() -> CodonStreams:
    rng = np.random.default_rng(0)
    vectors = [
        rng.normal(size=(int(rng.integers(3, 20)), 4)).astype(np.float16) + rng.normal(size=4).astype(np.float16) for _ in range(ROWS)
    ]
    vectors[5][2] = 0
    return CodonStreams.fit({"dna": vectors}, np.arange(ROWS))


def test_the_mean_leaves_out_codons_about_which_nothing_is_said(streams: CodonStreams):
    vectors = streams.vectors["dna"][5].astype(np.float64)
    kept = np.delete(vectors, 2, axis=0).mean(axis=0)

    assert np.allclose(pooled(streams)[5], (kept - streams.centers["dna"]) / streams.scales["dna"], atol=1e-4)


def test_a_linear_rule_is_found_in_numbers_and_classes(streams: CodonStreams):
    features, training, asked = pooled(streams), np.arange(60), np.arange(60, ROWS)
    targets = features @ np.array([1.0, -2.0, 0.0, 0.5])

    assert spearman(ridge(features, targets, training, 0)[asked, 0], targets[asked]) > 0.99
    chances = ridge(features, (targets > 0).astype(float), training, 2)
    assert np.allclose(chances.sum(axis=1), 1) and (chances.argmax(1) == (targets > 0))[asked].mean() > 0.85


def test_the_process_is_surer_of_what_it_has_seen_and_its_deviations_are_those_of_the_errors(streams: CodonStreams):
    features, training, asked = pooled(streams), np.arange(60), np.arange(60, ROWS)
    targets = features @ np.array([1.0, -2.0, 0.0, 0.5]) + 0.5 * np.random.default_rng(1).normal(size=ROWS)
    mean, deviation = gaussian_process(features, targets, training)
    errors = np.abs(mean[asked, 0] - targets[asked]) / deviation[asked]
    far = gaussian_process(np.vstack([features, 50 * np.ones((1, 4))]), np.append(targets, 0), training)[1]

    assert 0.8 < (errors < 2).mean() <= 1
    assert far[-1] > 1.5 * deviation[asked].mean()
