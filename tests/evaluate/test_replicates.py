"""Noise is read from labels of identical sequences, each predicted by the others."""

import numpy as np
import pytest

from biolect import metrics
from biolect.evaluate.audit import replicates


def test_each_row_is_predicted_by_the_other_rows_of_its_sequence():
    rng = np.random.default_rng(0)
    sequences = np.concatenate([np.repeat(np.arange(60), 3), np.arange(60, 90)])
    targets = rng.normal(size=90)[sequences] + 0.5 * rng.normal(size=210)
    by_hand = [np.mean([targets[j] for j in range(180) if sequences[j] == sequences[i] and j != i]) for i in range(180)]

    found = replicates(targets, sequences, sequences, 0)

    assert (found["repeated_sequences"], found["rows"], found["conflicting"]) == (60, 180, 60)
    assert found["ceiling"] == pytest.approx(metrics.spearman(targets[:180], by_hand))
    assert found["spread"] == pytest.approx(0.5 / targets.std(), rel=0.1)
    assert found["interval"][0] < found["ceiling"] < found["interval"][1]


def test_classes_conflict_where_they_are_not_all_equal():
    sequences = np.repeat(np.arange(50), 2)
    targets = np.zeros(100)
    targets[[0, 2, 3]] = 1

    found = replicates(targets, sequences, sequences, 2)

    assert found["conflicting"] == 1 and found["spread"] == pytest.approx(1 / 100) and found["ceiling"] == pytest.approx(98 / 100)


def test_without_repeats_there_is_no_ceiling():
    targets = np.arange(30.0)

    assert replicates(targets, np.arange(30), np.arange(30), 0)["ceiling"] is None
    few = replicates(targets, np.arange(30) // 2 * (np.arange(30) < 8) + np.arange(30) * (np.arange(30) >= 8), np.arange(30), 0)
    assert few["repeated_sequences"] == 4 and few["ceiling"] is None and few["spread"] > 0
