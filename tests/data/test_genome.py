"""Genome regions: no stretch of what is held out is trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from biolect.bio.sequence import Modality, Sequence
from biolect.data.document import View
from biolect.data.genome import MARGIN, Region, clear_of, plan, write_regions
from biolect.data.leakage import leakage_report
from biolect.data.shards import MemberStore, MemberWriter, Place
from biolect.data.sketch import NUCLEOTIDES, Words
from biolect.tokens.vocabulary import Vocabulary

JOINT = Vocabulary.joint()
RNG = np.random.default_rng(3)
WORDS = Words(NUCLEOTIDES, 21, both_strands=True)


def letters(count: int) -> np.ndarray:
    return RNG.integers(10, 14, count).astype(np.uint8)


def store_of(folder: Path, rows: list[tuple[str, str, np.ndarray, list[Place]]]) -> MemberStore:
    with MemberWriter(folder, JOINT) as writer:
        for split, name, token_ids, places in rows:
            writer.begin_group(name, split=split, places=places)
            writer.add(token_ids, Modality.DNA, View.RECORD)
    return MemberStore.open(folder)


def test_records_with_genes_are_cut_around_those_held_out(tmp_path: Path) -> None:
    genome = store_of(tmp_path / "genome", [("train", "chr", letters(2_000), [])])
    rows = [
        ("train", "a", letters(9), [Place("chr", 100, 300)]),
        ("test", "b", letters(9), [Place("chr", 500, 700)]),
        ("test", "c", letters(9), [Place("chr", 650, 800)]),
        ("valid", "d", letters(9), [Place("chr", 850, 900)]),
    ]

    regions = plan(genome, [store_of(tmp_path / "genes", rows)], {"test": 0.1}, seed=0)

    assert regions == [
        Region(0, 0, 500 - MARGIN, "train"),
        Region(0, 500, 800, "test"),
        Region(0, 850, 900, "valid"),
        Region(0, 900 + MARGIN, 2_000, "train"),
    ]


def test_records_without_genes_are_drawn_in_blocks(tmp_path: Path) -> None:
    genome = store_of(tmp_path / "genome", [("train", "chr", letters(1_000_000), [])])

    regions = plan(genome, [], {"test": 0.2, "valid": 0.1}, seed=5)

    assert [r.start for r in regions] == list(range(0, 1_000_000, 50_000)) and all(r.is_drawn for r in regions)
    assert [sum(r.split == name for r in regions) for name in ("train", "valid", "test")] == [14, 2, 4]


def test_shared_stretches_are_cut_out_and_the_rest_is_kept() -> None:
    shared, own = letters(300), letters(2_000)
    forbidden = WORDS.of([shared])
    other_strand = JOINT.encode(Sequence(JOINT.decode(shared, Modality.DNA), Modality.DNA).reverse_complement())

    assert clear_of(own, forbidden, WORDS) == [(0, 2_000)]
    assert clear_of(np.concatenate([own, other_strand, own]), forbidden, WORDS) == [(0, 2_000), (2_300, 4_300)]
    assert clear_of(shared, forbidden, WORDS) == []


def test_a_short_chance_match_does_not_cut() -> None:
    shared, own = letters(30), letters(1_000)

    assert clear_of(np.concatenate([own, shared, own]), WORDS.of([shared]), WORDS) == [(0, 2_030)]


def test_copies_of_held_out_genes_are_trained_on_nowhere(tmp_path: Path) -> None:
    gene, chromosome, copy = letters(600), letters(60_000), letters(60_000)
    chromosome[1_000:1_600] = gene
    copy[40_000:40_600] = JOINT.encode(Sequence(JOINT.decode(gene, Modality.DNA), Modality.DNA).reverse_complement())
    genes = store_of(tmp_path / "genes", [("test", "a", gene, [Place("annotated", 1_000, 1_600)])])
    genome = store_of(tmp_path / "genome", [("train", "annotated", chromosome, []), ("train", "plain", copy, [])])

    regions = plan(genome, [genes], {"test": 0.0}, seed=0)
    with MemberWriter(tmp_path / "regions", JOINT) as writer:
        cut = write_regions(writer, genome, regions, [genes], first_cluster=1)
    store = MemberStore.open(tmp_path / "regions")

    assert leakage_report({"genes": genes, "sequences": store})["clean"]
    assert [store.name_of(i) for i in store.groups_in("test").tolist()] == ["annotated:1001-1600"]
    assert store.name_of(3) == "annotated:51701-60000" and (store.group(3)[0].token_ids == chromosome[51_700:]).all()
    assert 2 * MARGIN + 600 <= cut < 2 * MARGIN + 700
