"""Composition is counted as by hand, and baselines find what composition holds and nothing else."""

import numpy as np
import pytest

from biolect.bio.sequence import Modality, Sequence
from biolect.data.labelled import num_mixed
from biolect.evaluate.composition import Baselines, composition, grouped_folds, judge, lookup, ridge


def records(*texts, modality=Modality.DNA):
    return [Sequence(text, modality) for text in texts]


def test_words_are_counted_in_every_frame_and_codons_in_one():
    found = composition(records("ATGATGCNNTA"), records("MMXX", modality=Modality.PROTEIN))

    words, codons = found["nucleotides"][0], found["codons"][0]
    assert found["length"].tolist() == [[pytest.approx(np.log10(11))]]
    assert words[:4].tolist() == [pytest.approx(n / 9) for n in (3, 1, 2, 3)]
    pairs = ["AT", "TG", "GA", "AT", "TG", "GC", "TA"]
    assert words[4 + 4 * 0 + 3] == pytest.approx(pairs.count("AT") / 7)
    assert codons[16 * 0 + 4 * 3 + 2] == pytest.approx(2 / 2) and codons.sum() == pytest.approx(1)
    assert found["amino_acids"][0][10] == pytest.approx(1) and found["amino_acids"].shape == (1, 20)
    assert found["everything"].shape[1] == 1 + 84 + 64 + 20


def test_what_is_shorter_than_a_word_has_none():
    found = composition(records("A", "ACG"), records("X", "T", modality=Modality.PROTEIN))

    assert found["nucleotides"][0].sum() == 1 and found["codons"][0].sum() == 0 and found["codons"][1].sum() == 1


def test_proteins_and_plain_nucleotides_have_what_they_have():
    assert list(composition(records("MKV", modality=Modality.PROTEIN))) == ["length", "amino_acids", "everything"]
    assert list(composition(records("ACGU", modality=Modality.RNA))) == ["length", "nucleotides", "everything"]


@pytest.fixture(scope="module")
def planted():
    """Sequences whose number is their share of G and C, and whose class is a threshold of it."""
    rng = np.random.default_rng(0)
    shares = rng.uniform(0.2, 0.8, 160)
    texts = ["".join(rng.choice(list("ACGT"), 200, p=[(1 - s) / 2, s / 2, s / 2, (1 - s) / 2])) for s in shares]
    return records(*texts), shares


def test_every_baseline_on_nucleotides_finds_a_share_of_letters_and_length_does_not(planted):
    found, shares = planted
    models = Baselines(composition(found), shares + 3, trees=20)
    train, test = np.arange(110), np.arange(110, 160)

    predicted = models.predict(train, test)
    values = {name: judge(shares[test], predicted[:, arm]) for arm, name in enumerate(models.names)}

    assert predicted.shape == (50, 12, 1)
    assert all(
        values[f"{kind}_{model}"] > 0.9 for kind in ("nucleotides", "everything") for model in ("ridge", "forest", "boosting", "mean")
    )
    assert np.isnan(values["length_ridge"])
    np.testing.assert_allclose(predicted[:, 7], predicted[:, 4:7].mean(axis=1))


def test_classes_come_as_chances_though_training_lacks_one(planted):
    found, shares = planted
    codes = np.where(shares > 0.5, 2.0, 0.0)
    codes[-1] = 1
    models = Baselines(composition(found), codes, num_classes=3, trees=20)
    train, test = np.arange(110), np.arange(110, 160)

    predicted = models.predict(train, test)

    np.testing.assert_allclose(predicted.sum(axis=2), 1)
    assert judge(codes[test], predicted[:, models.names.index("nucleotides_mean")]) > 0.85


@pytest.mark.parametrize("codes", [[0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0, 1, 1, 1, 2]])
def test_few_of_a_class_are_enough_for_a_baseline(codes):
    rng, targets = np.random.default_rng(0), np.array(codes, dtype=np.float64)

    chances = ridge(rng.normal(size=(len(codes), 3)), targets, np.arange(len(codes)), num_classes=max(codes) + 1)

    assert chances.shape == (len(codes), max(codes) + 1) and np.allclose(chances.sum(1), 1)


def test_a_lookup_knows_both_strands_and_falls_back_to_the_mean():
    table = records("AACC", "GGTT", "ACAC", "AACC", "TTTA")
    numbers, classes = np.array([1.0, 3.0, 8.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0, 0.0, 0.0])
    train, test = np.array([0, 1, 2]), np.array([3, 4])

    assert lookup(table, numbers, 0, train, test).tolist() == [[2.0], [4.0]]
    assert lookup(table, classes, 2, train, test).tolist() == [[1.0, 0.0], [pytest.approx(2 / 3), pytest.approx(1 / 3)]]


def test_folds_keep_groups_whole_and_sizes_even():
    groups = np.repeat(np.arange(40), np.random.default_rng(0).integers(1, 9, 40))

    folds = grouped_folds(groups, 5, seed=0)

    assert all(len(set(folds[groups == g])) == 1 for g in range(40))
    assert np.ptp(np.bincount(folds)) <= 2
    assert (folds != grouped_folds(groups, 5, seed=1)).any()


def test_a_cluster_in_three_splits_is_one_cluster():
    assert num_mixed(np.array([0, 0, 0, 1, 1, 2, 2]), np.array([0, 1, 2, 0, 0, 0, 2])) == 2


def test_where_training_has_one_class_that_class_is_said():
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("ACGT"), size=60)) for _ in range(12)]
    targets, training = np.array([0.0] * 9 + [1.0] * 3), np.arange(9)
    features = composition(records(*texts))

    assert ridge(features["everything"], targets, training, 2).tolist() == [[1, 0]] * 12
    found = Baselines(features, targets, 2, trees=10).predict(training, np.arange(9, 12))
    assert found.shape[0] == 3 and (found.argmax(axis=2) == 0).all()
