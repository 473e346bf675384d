"""Labelled tables: sequences with something to predict, checked, and split so that relatives stay together."""

import difflib
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pydantic
from numpy.typing import NDArray

from biolect.bio.alphabet import Folds
from biolect.bio.io.form import Refusal
from biolect.bio.io.tables import read_table, read_usable
from biolect.bio.sequence import Modality, Sequence as Record
from biolect.config import Config
from biolect.data.document import View
from biolect.data.shards import SPLITS, MemberStore, MemberWriter
from biolect.data.splits import Clustering, cluster, drawn
from biolect.errors import InputError, LeakageError
from biolect.tokens.vocabulary import Vocabulary

_WORDS = {"train": 0, "valid": 1, "validation": 1, "val": 1, "test": 2}
_MOST_CLASSES = 20
_LARGEST = 1e30
"""Squares of larger numbers are none in single precision."""


class Columns(Config):
    """Where a table keeps what.

    Attributes:
        target: Column of what is predicted.
        sequence: Column of the sequences.
        modality: Of the sequences; None tells it from their letters.
        split: Column with train, valid and test; without one, whole clusters of relatives are drawn.
        kind: `auto` takes text, and whole numbers of at most 20 different values, for classes.
        valid, test: Shares of residues held out where the table does not say what is.
        seed: Of the drawn splits.
    """

    target: str
    sequence: str = "sequence"
    modality: Literal["dna", "rna", "protein"] | None = None
    split: str | None = None
    kind: Literal["auto", "classification", "regression"] = "auto"
    valid: float = pydantic.Field(default=0.1, gt=0, lt=1)
    test: float = pydantic.Field(default=0.2, gt=0, lt=1)
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Labelled:
    """Records with their targets. Invariant: every split has records, and training has every class.

    Attributes:
        targets: Codes of classes, or numbers.
        labels: Classes, sorted by their text; empty where numbers are predicted.
        splits: By record, 0 train, 1 valid, 2 test.
        clusters: By record; relatives share one, equal sequences always do.
        refused: Rows that could not be used.
        shared: Sequences that stand in several splits.
    """

    records: tuple[Record, ...]
    targets: NDArray[np.float64]
    labels: tuple[str, ...]
    splits: NDArray[np.uint8]
    clusters: NDArray[np.int32]
    refused: tuple[Refusal, ...]
    shared: int

    @property
    def folds(self) -> Folds:
        """Letters that were read as others."""
        return sum((record.folds for record in self.records), Folds())

    def of(self, name: str) -> NDArray[np.int64]:
        """Return the records of a split."""
        return np.flatnonzero(self.splits == SPLITS.index(name))


def read_labelled(
    path: str,
    columns: Columns,
    refusal: Callable[[Record], str] = lambda record: "",
    *,
    clustering: Callable[[Sequence[Record]], NDArray[np.int32]] | None = None,
    among: Collection[Modality] = (),
    allow_leakage: bool = False,
) -> Labelled:
    """Read and check a table.

    Args:
        refusal: Why a sequence cannot be used, as a sentence; empty if it can.
        clustering: Which cluster every record belongs to; None is `clusters_of`.
        among: Modalities that can be learned from; empty for any.
        allow_leakage: Go on although splits share sequences.

    Raises:
        InputError: If the table cannot be read or learned from: a column is missing, all targets are equal, a
            class has one record only or none to train on, a split is unknown or empty.
        LeakageError: If a sequence stands in several splits and that is not allowed.
    """
    frame = read_table(path, [columns.target, *([columns.split] if columns.split else [])])
    texts = [None if value is None or value != value else str(value) for value in frame[columns.target].to_list()]
    empty = dict.fromkeys((row for row, text in enumerate(texts) if text is None), f"Its column '{columns.target}' is empty. Fill it in.")
    modality = None if columns.modality is None else Modality(columns.modality)
    records, refused, kept = read_usable(path, columns.sequence, refusal, modality, among, empty)
    values = [str(texts[row]) for row in kept]
    targets, labels = read_targets(path, columns, values, kept, is_number=frame[columns.target].dtype.is_float())
    clusters = (clustering or clusters_of)(records)
    splits = _splits(path, columns, records, clusters, None if columns.split is None else [frame[columns.split][row] for row in kept])
    shared = _shared(records, splits)
    if shared and not allow_leakage:
        raise LeakageError(
            f"{len(shared)} sequences of '{path}' stand in several splits, on either strand; for example {shared[0]}. "
            "Leave out --split to have relatives kept together, or pass --allow-leakage."
        )
    return _checked(path, columns, Labelled(tuple(records), targets, labels, splits, clusters, tuple(refused), len(shared)))


def read_targets(
    path: str, columns: Columns, values: Sequence[str], rows: Sequence[int], *, is_number: bool, setting: str = "columns.kind"
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return targets as numbers, and the classes that they count, if they do.

    Args:
        rows: Row of every value in the table, for messages. 0-based.
        is_number: The column holds numbers with fractions.
        setting: What the user changes to have them read otherwise.

    Raises:
        InputError: If all are equal, a class has one record only, or a number was asked for and one is none.
    """
    import polars

    counts = Counter(values)
    if len(counts) == 1:
        raise InputError(f"Column '{columns.target}' of '{path}' is '{values[0]}' everywhere: there is nothing to learn. Name another one.")
    # What is no number, or no finite one, comes out as none.
    numbers = [n if n is not None and abs(n) < _LARGEST else None for n in polars.Series(values).cast(polars.Float64, strict=False)]
    looks_continuous = None not in numbers and (is_number or len(counts) > _MOST_CLASSES)
    # A word or two among many numbers are slips; nobody names a class 0.1739.
    looks_continuous |= sum(n is not None and n % 1 != 0 for n in numbers) > len(numbers) / 2 and len(counts) > _MOST_CLASSES
    if columns.kind == "regression" or (columns.kind == "auto" and looks_continuous):
        if None in numbers:
            row = numbers.index(None)
            raise InputError(
                f"Column '{columns.target}' of '{path}' has '{values[row]}' in row {rows[row] + 1}, which is no finite number below 1e30. "
                f"Mend it or empty it, or pass {setting}=classification."
            )
        return np.array(numbers, dtype=np.float64), ()
    lone = next((label for label, count in sorted(counts.items()) if count == 1), None)
    if lone is not None:
        raise InputError(
            f"Class '{lone}' in column '{columns.target}' of '{path}' has one record only, which cannot be learned and tested. "
            f"Remove it, join it to another class, or pass {setting}=regression if these are numbers."
        )
    labels = tuple(sorted(counts))
    return np.searchsorted(labels, values).astype(np.float64), labels


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
    if unknown := [word for word in words if word not in _WORDS]:
        close = difflib.get_close_matches(str(unknown[0]), _WORDS, n=1)
        hint = f" Did you mean '{close[0]}'?" if close else " Write train, valid or test in every row."
        word = "an empty cell" if unknown[0] is None else f"'{unknown[0]}'"
        raise InputError(f"Column '{column}' of '{path}' has {word}, which is no split.{hint}")
    return np.array([_WORDS[word] for word in words], dtype=np.uint8)


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


def _checked(path: str, columns: Columns, found: Labelled) -> Labelled:
    for name in SPLITS:
        # One number correlates with nothing.
        if len(found.of(name)) < (1 if found.labels else 2):
            drawn = "The sequences are too few, too alike or too unequal in length. Add more, or name your own split with --split."
            advice = drawn if columns.split is None else f"Write {name} into column '{columns.split}' of some rows, or leave out --split."
            raise InputError(f"'{path}' has too few records for {name}. {advice}")
    missing = set(range(len(found.labels))) - set(found.targets[found.of("train")].astype(int).tolist())
    if missing:
        label = found.labels[min(missing)]
        raise InputError(
            f"Class '{label}' in column '{columns.target}' of '{path}' has no record to train on. Add some, or split otherwise (--seed 1)."
        )
    return found
