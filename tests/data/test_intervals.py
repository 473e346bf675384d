"""Intervals: read only where they say, never beyond, and never across splits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biolect.bio.sequence import Modality
from biolect.data.corpus import Corpus, PrepareOptions, prepare
from biolect.data.document import Grammar
from biolect.data.sources import SingleSource
from biolect.errors import InputError, LeakageError

LETTERS = "".join(np.random.default_rng(11).choice(list("ACGT"), size=9_000))
OTHER = "".join(np.random.default_rng(12).choice(list("ACGT"), size=2_000))


def corpus(folder: Path, *lines: str, **settings: Any) -> Corpus:
    """A corpus of two chromosomes under the intervals of some lines."""
    (folder / "genome.fa").write_text(f">chr1 first\n{LETTERS}\n>chr2\n{OTHER}\n")
    (folder / "intervals.bed").write_text("".join(f"{line}\n" for line in lines))
    prepare([folder / "intervals.bed", folder / "genome.fa"], folder / "corpus", PrepareOptions(**settings))
    return Corpus.open(folder / "corpus")


def test_windows_stay_inside_their_interval_and_reach_all_of_it(tmp_path: Path) -> None:
    lines = ("# comment", "chr1\t100\t3000\ttrain", "chr1\t3000\t5000\tvalidation\tx", "chr1\t5100\t7000\ttest", "chr2\t0\t2000\ttrain")
    store = corpus(tmp_path, *lines).collections["sequences"]
    grammar = Grammar(tags=False, positions="ordinary")
    bounds = {"train": [(LETTERS, 100, 3000), (OTHER, 0, 2000)], "valid": [(LETTERS, 3000, 5000)], "test": [(LETTERS, 5100, 7000)]}

    for split, expected in bounds.items():
        source = SingleSource(store, split, Modality.DNA, reverse_complement=0.0, window=300)
        seen = {id(text): np.zeros(len(text), dtype=bool) for text, *_ in expected}
        for seed in range(25):
            for item in range(len(source)):
                member = source.document(item, np.random.default_rng((seed, item)), 302, grammar).members[0]
                window = store.vocabulary.decode(member.token_ids, Modality.DNA)
                text = next(text for text, *_ in expected if window in text)
                seen[id(text)][text.index(window) : text.index(window) + len(window)] = True
        for text, start, stop in expected:
            own = seen[id(text)]
            assert own[start:stop].mean() > 0.99 and not own[:start].any() and not own[stop:].any()


def test_intervals_of_one_split_that_overlap_are_read_once(tmp_path: Path) -> None:
    store = corpus(tmp_path, "chr1 0 2000 train", "chr1 1000 3000 train", "chr1 4000 5000 valid", "chr1 6000 7000 test").collections[
        "sequences"
    ]

    assert sorted(store.lengths.tolist()) == [1000, 1000, 3000]


def test_overlapping_splits_are_refused_or_cut_out_of_training(tmp_path: Path) -> None:
    lines = ("chr1 0 3000 train", "chr1 2500 4000 valid", "chr1 6000 7000 test")

    with pytest.raises(LeakageError, match=r"overlap in 1 places, for example chr1:0-3000 \(train\) and chr1:2500-4000 \(valid\)"):
        corpus(tmp_path, *lines)

    allowed = corpus(tmp_path, *lines, allow_overlaps=True)
    assert allowed.report["leakage"]["clean"]
    assert 2_300 < sum(allowed.collections["sequences"].lengths[allowed.collections["sequences"].groups_in("train")]) <= 2_500


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chr1 0 9001 train", "Interval chr1:0-9001 lies outside record 'chr1', which has 9,000 residues"),
        ("chr7 0 10 train", "Interval chr7:0-10 lies outside record 'chr7', which is not among the inputs"),
        ("chr1 0 10", "Line 1 of '.*' is no interval with a split: 'chr1 0 10'. Write record, start, stop"),
        ("chr1 10 10 train", "is no interval with a split"),
        ("chr1 0 10 holdout", "is no interval with a split"),
        ("chr1 -1 10 train", "is no interval with a split"),
    ],
)
def test_an_interval_that_cannot_be_read_is_refused_in_a_sentence(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        corpus(tmp_path, line)
