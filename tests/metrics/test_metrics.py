import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from biolect.errors import ShapeError
from biolect.metrics import (
    auroc,
    bits_per_residue,
    bootstrap_interval,
    classification,
    drawn_units,
    ks,
    perplexity,
    regression,
    spearman,
)

NUMBERS = st.lists(st.integers(-5, 5), min_size=2, max_size=30)


def test_a_uniform_guess_over_four_nucleotides_costs_two_bits():
    assert bits_per_residue(7 * math.log(4), 7) == pytest.approx(2)
    assert perplexity(7 * math.log(4), 7) == pytest.approx(4)


def test_no_residues_have_no_bits():
    assert math.isnan(bits_per_residue(0.0, 0))
    assert math.isnan(perplexity(0.0, 0))


def test_ties_share_their_mean_rank():
    theirs: Any = stats.spearmanr([1, 2, 2, 3], [1, 2, 3, 4])

    assert spearman([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(theirs.statistic)


@given(st.data(), NUMBERS)
def test_rank_correlation_is_symmetric_and_blind_to_scale(data: st.DataObject, first: list[int]):
    second = data.draw(st.lists(st.integers(-5, 5), min_size=len(first), max_size=len(first)))

    value = spearman(first, second)

    if math.isnan(value):
        assert len(set(first)) == 1 or len(set(second)) == 1
    else:
        assert value == pytest.approx(spearman(second, first)) == pytest.approx(spearman(np.array(first) * 3 + 1, second))


def test_auroc_is_the_chance_that_a_positive_wins():
    assert auroc([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4]) == 1
    assert auroc([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.4]) == 0
    assert auroc([1, 0], [0.5, 0.5]) == 0.5
    assert auroc([0, 1, 0, 1, 1], [1, 2, 3, 4, 3]) == pytest.approx(4.5 / 6)


def test_auroc_of_one_class_is_not_a_number():
    assert math.isnan(auroc([1, 1], [0.1, 0.2]))


def test_lists_of_different_length_are_refused():
    with pytest.raises(ShapeError, match=r"not \(3,\) and \(2,\)"):
        spearman([1, 2, 3], [1, 2])


def test_ks_tells_equal_samples_from_disjoint_ones():
    assert ks([1, 2, 3], [1, 2, 3]) == 0
    assert ks([1, 2, 3], [4, 5, 6]) == 1


def test_items_of_one_cluster_are_drawn_together():
    drawn = []

    def note(seeds: np.ndarray, items: np.ndarray) -> float:
        drawn.append(sorted(items.tolist()))
        return 0.0

    bootstrap_interval(note, ["a", "b", "a"], draws=20)

    assert all(items.count(0) == items.count(2) for items in drawn)
    assert all(items.count(0) + items.count(1) == 2 for items in drawn)


def test_an_interval_over_clusters_is_wider_than_one_over_items():
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(20), 10)
    values = rng.normal(size=20)[clusters] + 0.1 * rng.normal(size=200)

    whole = bootstrap_interval(lambda s, i: values[i].mean(), clusters)
    single = bootstrap_interval(lambda s, i: values[i].mean(), np.arange(200))

    assert whole.high - whole.low > 2 * (single.high - single.low)
    assert whole.low < values.mean() < whole.high


def test_seeds_are_drawn_too():
    losses = np.array([[1.0, 1.0], [3.0, 3.0]])

    interval = bootstrap_interval(lambda s, i: losses[np.ix_(s, i)].mean(), [0, 1], num_seeds=2)

    assert interval == (1.0, 3.0)


def test_equal_seeds_give_equal_intervals():
    values = np.arange(11.0)

    first, second = (bootstrap_interval(lambda s, i: values[i].mean(), np.arange(11), draws=50, seed=3) for _ in range(2))

    assert first == second


def test_a_bootstrap_over_nothing_is_refused():
    with pytest.raises(ShapeError, match="at least one item"):
        bootstrap_interval(lambda s, i: 0.0, [])


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_classification_agrees_with_scikit_learn(classes: int) -> None:
    from sklearn import metrics as known

    rng = np.random.default_rng(classes)
    truth = rng.integers(classes, size=211)
    chances = rng.dirichlet(np.ones(classes), size=211) + 0.3 * np.eye(classes)[truth]
    chances /= chances.sum(axis=1, keepdims=True)

    found = classification(truth, chances)

    guesses = chances.argmax(axis=1)
    assert found["accuracy"] == pytest.approx(known.accuracy_score(truth, guesses))
    assert found["mcc"] == pytest.approx(known.matthews_corrcoef(truth, guesses))
    assert found["f1"] == pytest.approx(known.f1_score(truth, guesses, average="binary" if classes == 2 else "macro"))
    scores = chances[:, 1] if classes == 2 else chances
    assert found["auroc"] == pytest.approx(known.roc_auc_score(truth, scores, multi_class="ovr"))


def test_metrics_are_those_of_the_whole_set_and_not_means_of_parts() -> None:
    truth, chances = np.array([0, 0, 0, 1, 1, 1]), np.array([[1, 0], [1, 0], [0, 1], [0, 1], [1, 0], [0, 1]])

    whole = classification(truth, chances)["mcc"]
    parts = [classification(truth[i : i + 2], chances[i : i + 2])["mcc"] for i in (0, 2, 4)]

    assert whole == pytest.approx(1 / 3) and np.mean(parts) != pytest.approx(whole)


def test_regression_counts_ranks_and_errors() -> None:
    found = regression([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 4.0, 3.0])

    assert found == {"spearman": pytest.approx(0.8), "r2": pytest.approx(1 - 2 / 5)}
    assert np.isnan(regression([1.0, 1.0], [0.0, 2.0])["r2"])


def test_of_too_few_clusters_records_are_drawn():
    assert drawn_units([7, 7, 8, 9, 9, 5, 4])[1] == "clusters"
    units, over = drawn_units([3, 3, 3, 3])
    assert (units.tolist(), over) == ([0, 1, 2, 3], "records")
    assert drawn_units([3, 3, 3, 3], [0, 0, 1, 1])[0].tolist() == [0, 0, 1, 1]


def test_of_a_constant_truth_nothing_is_explained():
    assert np.isnan(regression([0.1] * 3, [0.2, 0.1, 0.3])["r2"])
