"""The leakage report: it finds what was put there, and nothing where nothing is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from biolect.bio.sequence import Modality, Sequence
from biolect.data.document import View
from biolect.data.leakage import leakage_report, refuse
from biolect.data.shards import MemberStore, MemberWriter, Place
from biolect.errors import LeakageError
from biolect.tokens.vocabulary import Vocabulary

JOINT = Vocabulary.joint()
RNG = np.random.default_rng(11)
DNA = ["".join(RNG.choice(list("ACGT"), 240)) for _ in range(4)]
PROTEIN = ["".join(RNG.choice(list("ACDEFGHIKLMNPQRSTVWY"), 90)) for _ in range(4)]


def store_of(folder: Path, rows: list[tuple[str, str, str, list[Place]]]) -> MemberStore:
    with MemberWriter(folder, JOINT) as writer:
        for split, name, text, places in rows:
            modality = Modality.DNA if set(text) <= set("ACGT") else Modality.PROTEIN
            writer.begin_group(name, split=split, places=places)
            writer.add(JOINT.encode(Sequence(text, modality)), modality, View.RECORD)
    return MemberStore.open(folder)


def test_strangers_are_clean(tmp_path: Path) -> None:
    rows = [("train", "a", DNA[0], [Place("chr", 0, 240)]), ("test", "b", DNA[1], [Place("chr", 240, 480)]), ("valid", "c", PROTEIN[0], [])]

    report = leakage_report({"sequences": store_of(tmp_path / "s", rows)})

    assert report["clean"] and all(report[kind]["count"] == 0 for kind in ("shared_ids", "identical", "near_duplicates", "overlapping"))
    refuse(report)


def test_each_kind_of_leakage_is_found_and_shown(tmp_path: Path) -> None:
    other_strand = str(Sequence(DNA[0], Modality.DNA).reverse_complement())
    rows = [
        ("train", "same", DNA[0][:19], [Place("chr", 100, 200)]),
        ("test", "same", DNA[1], [Place("chr", 0, 101)]),
        ("train", "forward", DNA[0], []),
        ("valid", "backward", other_strand, []),
        ("train", "whole", PROTEIN[0], []),
        ("test", "part", PROTEIN[0][5:60], []),
    ]

    report = leakage_report({"sequences": store_of(tmp_path / "s", rows)})

    assert report["shared_ids"] == {"count": 1, "examples": [["train: same (sequences)", "test: same (sequences)"]]}
    assert report["identical"] == {"count": 1, "examples": [["train: forward (sequences)", "valid: backward (sequences)"]]}
    near = report["near_duplicates"]
    assert near["count"] == 2
    assert near["examples"][1] == {"held_out": "part (sequences)", "seen_in": "train", "share": 1.0}
    assert report["overlapping"]["examples"] == ["chr:100-101 (0-based, half-open) is in train and test"]
    assert not report["clean"]


def test_leaks_between_collections_and_between_validation_and_test_count(tmp_path: Path) -> None:
    first = store_of(tmp_path / "a", [("valid", "a", DNA[0], [])])
    second = store_of(tmp_path / "b", [("test", "b", DNA[0][:200], [])])

    report = leakage_report({"sequences": first, "genes": second})

    assert report["near_duplicates"]["examples"] == [{"held_out": "b (genes)", "seen_in": "valid", "share": 1.0}]


def test_repeats_of_a_few_letters_are_no_near_duplicates(tmp_path: Path) -> None:
    rows = [("train", "a", DNA[0] + "ACCA" * 30, []), ("test", "b", DNA[1] + "ACCA" * 100, [])]

    assert leakage_report({"sequences": store_of(tmp_path / "s", rows)})["clean"]


def test_training_on_leakage_is_refused_unless_allowed(tmp_path: Path) -> None:
    rows = [("train", "a", DNA[0], []), ("test", "b", DNA[0], [])]
    report = leakage_report({"sequences": store_of(tmp_path / "s", rows)})

    shown = r"1 identical, .*; for example train: a \(sequences\) and test: b \(sequences\)\. .*--allow-leakage"
    with pytest.raises(LeakageError, match=shown):
        refuse(report)
    refuse(report, allow=True)
