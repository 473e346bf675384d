"""Labelled tables: sequences with something to predict, checked, and split so that relatives stay together."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biolect.bio.alphabet import Folds
from biolect.bio.io.form import Refusal
from biolect.bio.io.tables import read_table, read_usable
from biolect.bio.sequence import Modality, Sequence as Record
from biolect.data.columns import SPLIT_WORDS
from biolect.data.document import View
from biolect.data.shards import SPLITS, MemberStore, MemberWriter
from biolect.data.splits import Clustering, cluster, drawn
from biolect.data.targets import PER_CODON, Columns, read_lists, targets_of
from biolect.errors import InputError, LeakageError
from biolect.tokens.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Labelled:
    """Records with their targets. Invariant: every split has records, and training has every class.

    Attributes:
        targets: Codes of classes, or numbers; of several targets, or what `judged` returns, records by targets, NaN where there is none.
        labels: Classes, sorted by their text; empty where numbers are predicted.
        splits: By record, 0 train, 1 valid, 2 test.
        clusters: By record; relatives share one, equal sequences always do.
        refused: Rows that could not be used.
        shared: Sequences that stand in several splits.
        profiles: Of targets per position, the numbers of every record; `targets` are their means then.
        per_codon: How many of them a codon has; 0 if targets are of whole sequences.
    """

    records: tuple[Record, ...]
    targets: NDArray[np.float64]
    labels: tuple[str, ...]
    splits: NDArray[np.uint8]
    clusters: NDArray[np.int32]
    refused: tuple[Refusal, ...]
    shared: int
    profiles: tuple[NDArray[np.float64], ...] = ()
    per_codon: int = 0

    @property
    def folds(self) -> Folds:
        """Letters that were read as others."""
        return sum((record.folds for record in self.records), Folds())

    @property
    def leakage(self) -> dict[str, int]:
        """What stands in several splits: identical sequences, and clusters of relatives."""
        return {"identical": self.shared, "clusters_in_several_splits": num_mixed(self.clusters, self.splits)}

    def of(self, name: str) -> NDArray[np.int64]:
        """Return the records of a split."""
        return np.flatnonzero(self.splits == SPLITS.index(name))

    def rows(self, num_codons: NDArray[np.integer]) -> list[NDArray[np.float64]]:
        """Return what is learned of every record: a number per target, or of targets per position codons by their positions."""
        if not self.per_codon:
            return list(self.targets.reshape(len(self.records), -1))
        sizes = [self.per_codon * count for count in num_codons]
        cut = [np.append(own[:size], np.full(max(size - len(own), 0), np.nan)) for own, size in zip(self.profiles, sizes, strict=True)]
        return [own.reshape(-1, self.per_codon) for own in cut]

    def judged(self, num_codons: NDArray[np.integer]) -> tuple[Labelled, NDArray[np.int64]]:
        """Return what predictions are judged on, every position a record of its own where targets are per position, and whose each is."""
        rows = np.concatenate([row.reshape(-1, 1) if self.per_codon else row[None] for row in self.rows(num_codons)])
        owners = np.repeat(np.arange(len(self.records)), np.maximum(self.per_codon * num_codons, not self.per_codon))
        records = tuple(self.records[i] for i in owners)
        return replace(self, records=records, targets=rows, splits=self.splits[owners], clusters=self.clusters[owners]), owners


def read_labelled(
    path: str,
    columns: Columns,
    refusal: Callable[[Record], str] = lambda record: "",
    *,
    clustering: Callable[[Sequence[Record]], NDArray[np.int32]] | None = None,
    among: Collection[Modality] = (),
    contexts: Mapping[str, Modality] | None = None,
    allow_leakage: bool = False,
) -> Labelled:
    """Read and check a table.

    Args:
        refusal: Why a sequence cannot be used, as a sentence; empty if it can.
        clustering: Which cluster every record belongs to; None is `clusters_of`.
        among: Modalities that can be learned from; empty for any.
        contexts: Columns of what stands around the sequences; see `read_usable`.
        allow_leakage: Go on although splits share sequences.

    Raises:
        InputError: If the table cannot be read or learned from: a column is missing, all targets are equal, a
            class has one record only or none to train on, a split is unknown or empty.
        LeakageError: If a sequence stands in several splits and that is not allowed.
    """
    if path == "-":
        raise InputError("A run remembers its table to go on with it, so it cannot be standard input. Write it to a file first.")
    frame = read_table(path, [columns.sequence, *columns.targets, *([columns.split] if columns.split else [])])
    texts = {n: [None if value is None or value != value else str(value) for value in frame[n].to_list()] for n in columns.targets}
    is_empty = [all(cell is None for cell in cells) for cells in zip(*texts.values(), strict=True)]
    faults = {row: f"Its column '{columns.target}' is empty. Fill it in." for row, empty in enumerate(is_empty) if empty}
    lists: dict[int, NDArray[np.float64]] = {}
    if columns.kind in PER_CODON:
        lists = read_lists(columns, texts[columns.target], frame[columns.sequence].to_list(), faults)
    modality = None if columns.modality is None else Modality(columns.modality)
    records, refused, kept = read_usable(path, columns.sequence, refusal, modality, among, faults, contexts)
    profiles = tuple(lists[row] for row in kept if lists)
    targets, labels = targets_of(path, columns, frame, texts, kept, profiles)
    clusters = (clustering or clusters_of)(records)
    splits = _splits(path, columns, records, clusters, None if columns.split is None else [frame[columns.split][row] for row in kept])
    shared = _shared(records, splits)
    if shared and not allow_leakage:
        raise LeakageError(
            f"{len(shared)} sequences of '{path}' stand in several splits, on either strand; for example {shared[0]}. "
            "Leave out --split to have relatives kept together, or pass --allow-leakage."
        )
    counts = len(shared), profiles, PER_CODON.get(columns.kind, 0)
    return checked(path, columns, Labelled(tuple(records), targets, labels, splits, clusters, tuple(refused), *counts))


def _splits(
    path: str, columns: Columns, records: Sequence[Record], clusters: NDArray[np.int32], words: Sequence[Any] | None
) -> NDArray[np.uint8]:
    if words is None:
        return drawn_splits(records, clusters, {"test": columns.test, "valid": columns.valid}, columns.seed)
    splits = split_codes(path, columns.split, words)
    training = np.flatnonzero(splits == 0)
    if len(training) and not (splits == 1).any():
        some = [records[i] for i in training.tolist()]
        splits[training] = drawn_splits(some, clusters[training], {"valid": columns.valid}, columns.seed)
    return splits


def split_codes(path: str, column: str | None, words: Sequence[Any]) -> NDArray[np.uint8]:
    """Return 0 train, 1 valid, 2 test for the words of a column. Raises InputError for any other word."""
    if unknown := [word for word in words if word not in SPLIT_WORDS]:
        close = difflib.get_close_matches(str(unknown[0]), SPLIT_WORDS, n=1)
        hint = f" Did you mean '{close[0]}'?" if close else " Write train, valid or test in every row."
        word = "an empty cell" if unknown[0] is None else f"'{unknown[0]}'"
        raise InputError(f"Column '{column}' of '{path}' has {word}, which is no split.{hint}")
    return np.array([SPLITS.index(SPLIT_WORDS[word]) for word in words], dtype=np.uint8)


def drawn_splits(records: Sequence[Record], clusters: NDArray[np.int32], fractions: dict[str, float], seed: int) -> NDArray[np.uint8]:
    """Return a split for every record, whole clusters each, until shares of residues are reached."""
    _, labels = np.unique(clusters, return_inverse=True)
    return drawn(labels, [len(record) for record in records], map(canonical, records), fractions, seed)


def clusters_of(records: Sequence[Record], proteins: Sequence[Record] = ()) -> NDArray[np.int32]:
    """Return the cluster of every record; see `data.splits`.

    Args:
        proteins: Their translations, one each or none at all; relatives in protein are relatives, too.
    """
    joint = Vocabulary.joint()
    with tempfile.TemporaryDirectory() as folder:
        with MemberWriter(Path(folder) / "records", joint) as writer:
            for index, record in enumerate(records):
                # Named by its residues, so that names link equals only.
                writer.begin_group(canonical(record))
                writer.add(joint.encode(record), record.modality, View.RECORD)
                for protein in proteins[index : index + 1]:
                    writer.add(joint.encode(protein), protein.modality, View.PROTEIN)
        return cluster([MemberStore.open(Path(folder) / "records")], Clustering())[0]


def canonical(record: Record) -> str:
    """Return the residues, of nucleotides those of the strand that comes first."""
    if record.modality in (Modality.DNA, Modality.RNA):
        return min(record.residues, record.reverse_complement().residues)
    return record.residues


def _shared(records: Sequence[Record], splits: NDArray[np.uint8]) -> list[str]:
    """Return examples of sequences that stand in several splits, one per sequence, as names."""
    homes: dict[str, dict[int, str]] = {}
    for record, place in zip(records, splits.tolist(), strict=True):
        homes.setdefault(canonical(record), {}).setdefault(place, record.name)
    several = (names for names in homes.values() if len(names) > 1)
    return [" and ".join(f"'{name}' ({SPLITS[place]})" for place, name in sorted(names.items())) for names in several]


def checked(path: str, columns: Columns, found: Labelled) -> Labelled:
    """Return what can be learned from and judged. Raises InputError if a split has too few records, or training lacks a class."""
    there = ~np.isnan(found.targets.reshape(len(found.records), -1))
    for name in SPLITS:
        counts = there[found.of(name)].sum(axis=0)
        # One number correlates with nothing.
        if counts.min() < (1 if found.labels else 2):
            drawn = "The sequences are too few, too alike or too unequal in length. Add more, or name your own split with --split."
            advice = drawn if columns.split is None else f"Write {name} into column '{columns.split}' of some rows, or leave out --split."
            whose = f" with '{columns.targets[counts.argmin()]}'" if columns.also else ""
            raise InputError(f"'{path}' has too few records{whose} for {name}. {advice}")
    missing = set(range(len(found.labels))) - set(found.targets[found.of("train")].ravel().tolist())
    if missing:
        label = found.labels[min(missing)]
        raise InputError(
            f"Class '{label}' in column '{columns.target}' of '{path}' has no record to train on. Add some, or split otherwise (--seed 1)."
        )
    return found


def num_mixed(groups: NDArray[np.integer], marks: NDArray[Any]) -> int:
    """Return how many groups have records of several marks: clusters in several splits, sequences with several labels."""
    pairs = np.unique(np.stack([groups, marks], axis=1), axis=0)
    return int((np.unique(pairs[:, 0], return_counts=True)[1] > 1).sum())
