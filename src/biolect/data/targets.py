"""What is predicted: columns of a table read as numbers, classes or lists of numbers per position."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pydantic
from numpy.typing import NDArray

from biolect.config import Config
from biolect.errors import InputError

PER_CODON = {"codons": 1, "nucleotides": 3}
"""Kinds of targets per position, and how many positions a codon has."""
_MOST_CLASSES = 20
_LARGEST = 1e30
"""Squares of larger numbers are none in single precision."""


class Columns(Config):
    """Where a table keeps what.

    Attributes:
        target: Column of what is predicted.
        also: More columns of numbers that are predicted at the same time; a row may lack some of them.
        sequence: Column of the sequences.
        modality: Of the sequences; None tells it from their letters.
        split: Column with train, valid and test; without one, whole clusters of relatives are drawn.
        kind: `auto` takes text, and whole numbers of at most 20 different values, for classes. `nucleotides` and `codons` have a list
            of numbers in every cell, joined by `;`, one per position from the first on; an empty one was not measured, nor was what
            lies behind the last. A stop codon at the end is no position.
        valid, test: Shares of residues held out where the table does not say what is.
        seed: Of the drawn splits.
    """

    target: str
    also: tuple[str, ...] = ()
    sequence: str = "sequence"
    modality: Literal["dna", "rna", "protein"] | None = None
    split: str | None = None
    kind: Literal["auto", "classification", "regression", "nucleotides", "codons"] = "auto"
    valid: float = pydantic.Field(default=0.1, gt=0, lt=1)
    test: float = pydantic.Field(default=0.2, gt=0, lt=1)
    seed: int = pydantic.Field(default=0, ge=0, lt=1 << 32)

    @property
    def targets(self) -> tuple[str, ...]:
        """All columns that are predicted."""
        return self.target, *self.also

    @pydantic.model_validator(mode="after")
    def _targets_agree(self) -> Columns:
        if self.also and self.kind not in ("auto", "regression"):
            raise ValueError(f"Several targets at once are numbers, one per sequence, not {self.kind}. Name one target.")
        if twice := [name for name, count in Counter(self.targets).items() if count > 1]:
            raise ValueError(f"The target '{twice[0]}' is named twice. Name it once.")
        return self


def read_lists(
    columns: Columns, texts: Sequence[str | None], sequences: Sequence[Any], faults: dict[int, str]
) -> dict[int, NDArray[np.float64]]:
    """Return the numbers of every row whose cell is a list of such, one per position at most; add why others are not to `faults`."""
    found: dict[int, NDArray[np.float64]] = {}
    for row, (text, letters) in enumerate(zip(texts, sequences, strict=True)):
        most = len(str(letters or "").strip()) * PER_CODON[columns.kind] // 3
        parts = [part.strip() for part in (text or "").split(";")]
        numbers = [_number(part) for part in parts]
        if row in faults:
            continue
        if None in numbers:
            faults[row] = f"Its column '{columns.target}' has '{parts[numbers.index(None)]}' in its list, which is no number below 1e30."
        elif len(parts) > most:
            faults[row] = f"Its column '{columns.target}' has {len(parts)} numbers for {most} {columns.kind}. Give one for each."
        elif all(number != number for number in numbers):
            faults[row] = f"Its column '{columns.target}' has a list without any number. Fill it in."
        else:
            found[row] = np.array(numbers, dtype=np.float64)
    return found


def _number(text: str) -> float | None:
    """Return the number that a text is, NaN for none, None for anything else."""
    try:
        number = float(text or "nan")
    except ValueError:
        return None
    return None if abs(number) >= _LARGEST else number


def targets_of(
    path: str,
    columns: Columns,
    frame: Any,
    texts: dict[str, list[str | None]],
    kept: Sequence[int],
    profiles: Sequence[NDArray[np.float64]],
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return targets of the rows that were kept, and their classes; see `Labelled`. Raises InputError like `read_targets`."""
    if profiles:
        measured = np.concatenate(profiles)
        values = [str(number) for number in measured[~np.isnan(measured)].tolist()]
        read_targets(path, columns.model_copy(update={"kind": "regression"}), values, range(len(values)), is_number=True)
        return np.array([float(np.nanmean(own)) for own in profiles]), ()
    found, labels = np.full((len(kept), len(columns.targets)), np.nan), ()
    for k, name in enumerate(columns.targets):
        there = [(i, row, text) for i, row in enumerate(kept) if (text := texts[name][row]) is not None]
        if columns.kind == "auto" and there and all(";" in text for _, _, text in there):
            raise InputError(f"Column '{name}' of '{path}' holds lists. biolect fuse learns such with --task nucleotides or --task codons.")
        kind = "regression" if columns.also else columns.kind
        one, values, rows = columns.model_copy(update={"target": name, "kind": kind}), [t for _, _, t in there], [r for _, r, _ in there]
        found[[i for i, _, _ in there], k], labels = read_targets(path, one, values, rows, is_number=frame[name].dtype.is_float())
    return (found if columns.also else found[:, 0]), labels


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
