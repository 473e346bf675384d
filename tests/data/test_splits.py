"""Clusters and splits: relatives stay together, and who goes where depends on names and seed only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from biolect.bio.sequence import Modality, Sequence
from biolect.data.document import View
from biolect.data.shards import MemberStore, MemberWriter, Place
from biolect.data.splits import Clustering, cluster, draw, name_keys, split
from biolect.tokens.vocabulary import Vocabulary

JOINT = Vocabulary.joint()
RNG = np.random.default_rng(7)
DNA = ["".join(RNG.choice(list("ACGT"), 300)) for _ in range(8)]
PROTEINS = ["".join(RNG.choice(list("ACDEFGHIKLMNPQRSTVWY"), 120)) for _ in range(8)]


def store_of(folder: Path, groups: list[tuple[str, list[str]]], places: dict[str, list[Place]] | None = None) -> MemberStore:
    """Members are proteins unless they have only the letters of nucleotides."""
    with MemberWriter(folder, JOINT) as writer:
        for name, members in groups:
            writer.begin_group(name, places=(places or {}).get(name, []))
            for text in members:
                modality = Modality.DNA if set(text) <= set("ACGTN") else Modality.PROTEIN
                writer.add(JOINT.encode(Sequence(text, modality)), modality, View.RECORD)
    return MemberStore.open(folder)


def clusters_of(folder: Path, groups: list[tuple[str, list[str]]], **more: dict[str, list[Place]]) -> list[int]:
    return cluster([store_of(folder, groups, **more)], Clustering())[0].tolist()


def mutated(text: str, every: int) -> str:
    swap = str.maketrans("ACGTDEFHIKLMNPQRSVWY", "CATGEDYNVRMLHSKQPIFW")
    return "".join(a.translate(swap) if i % every == 0 else a for i, a in enumerate(text))


def test_strangers_stay_apart(tmp_path: Path) -> None:
    groups = [(f"g{i}", [DNA[i], PROTEINS[i]]) for i in range(5)]

    assert len(set(clusters_of(tmp_path / "s", groups))) == 5


@pytest.mark.parametrize(
    "relative",
    [
        pytest.param(str(Sequence(DNA[0], Modality.DNA).reverse_complement()), id="the other strand"),
        pytest.param(mutated(DNA[0], 40), id="97 % identity"),
        pytest.param(DNA[1] + DNA[0][50:150] + DNA[2], id="a part inside a longer one"),
        pytest.param("ACGT" + DNA[0][:70], id="a short one that overlaps"),
    ],
)
def test_nucleotides_that_share_stretches_are_one_cluster(tmp_path: Path, relative: str) -> None:
    first, second, other = clusters_of(tmp_path / "s", [("a", [DNA[0]]), ("b", [relative]), ("c", [DNA[5]])])

    assert first == second != other


def test_proteins_at_four_fifths_identity_are_one_cluster_though_their_genes_share_nothing(tmp_path: Path) -> None:
    groups = [("a", [DNA[0], PROTEINS[0]]), ("b", [DNA[1], mutated(PROTEINS[0], 9)]), ("c", [DNA[2], PROTEINS[1]])]

    first, second, other = clusters_of(tmp_path / "s", groups)

    assert first == second != other


def test_equal_strings_too_short_for_a_word_are_one_cluster(tmp_path: Path) -> None:
    assert clusters_of(tmp_path / "s", [("a", ["ACGTA"]), ("b", ["TACGT"]), ("c", ["ACGTT"])]) == [0, 0, 1]


def test_one_name_is_one_cluster_across_stores(tmp_path: Path) -> None:
    first = store_of(tmp_path / "a", [("P1", [PROTEINS[0]]), ("P2", [PROTEINS[1]])])
    second = store_of(tmp_path / "b", [("P2", [DNA[0]])])

    labels = cluster([first, second], Clustering())

    assert labels[1][0] == labels[0][1] != labels[0][0]


def test_places_that_overlap_are_one_cluster(tmp_path: Path) -> None:
    places = {"a": [Place("chr", 0, 100)], "b": [Place("chr", 99, 120)], "c": [Place("chr", 120, 130)], "d": [Place("plasmid", 0, 100)]}
    groups = [(name, [DNA[i]]) for i, name in enumerate("abcd")]

    assert clusters_of(tmp_path / "s", groups, places=places) == [0, 0, 1, 2]


def test_an_empty_store_has_no_clusters(tmp_path: Path) -> None:
    assert clusters_of(tmp_path / "s", []) == []


def test_shares_are_reached_by_whole_clusters() -> None:
    names = [f"cluster {i}" for i in range(400)]
    weights = RNG.integers(50, 1_000, 400).astype(float)

    splits = draw(name_keys(names, 0), weights, {"test": 0.1, "valid": 0.05})

    shares = np.bincount(splits, weights=weights) / weights.sum()
    assert abs(shares[2] - 0.1) < 0.01 and abs(shares[1] - 0.05) < 0.01


def test_three_clusters_are_enough_for_three_splits() -> None:
    splits = draw(name_keys("abc", 0), np.array([5.0, 9.0, 100.0]), {"test": 0.01, "valid": 0.01})

    assert sorted(splits) == [0, 1, 2] and splits[2] == 0


def test_splits_depend_on_names_and_seed_and_not_on_the_order(tmp_path: Path) -> None:
    groups = [(f"g{i}", [PROTEINS[i]]) for i in range(8)]
    forward, backward = store_of(tmp_path / "a", groups), store_of(tmp_path / "b", groups[::-1])

    def splits(store: MemberStore, seed: int) -> list[int]:
        return split([store], cluster([store], Clustering()), {"test": 0.3, "valid": 0.2}, seed)[0].tolist()

    assert splits(forward, 1) == splits(backward, 1)[::-1]
    assert any(splits(forward, 1) != splits(forward, seed) for seed in range(2, 6))
