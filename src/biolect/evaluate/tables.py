"""Labelled tables as an audit reads them: every row that can be used, and a funnel of what became of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pydantic
from numpy.typing import NDArray

from biolect.bio.genetic_code import GeneticCode
from biolect.bio.io.form import Refusal
from biolect.bio.io.tables import lacking, read_sequences, read_table
from biolect.bio.sequence import Modality, Sequence as Record
from biolect.config import Config
from biolect.data.labelled import split_codes
from biolect.data.targets import Columns, read_targets
from biolect.errors import InputError
from biolect.evaluate.composition import Reading
from biolect.values import Floats

_COLUMNS = ("sequence", "cds")
_CODING_SHARE = 0.8


class AuditConfig(Config):
    """What is audited.

    Attributes:
        sequence: Column of the sequences; None takes `sequence` or `cds`.
        target: Column of what is to be predicted; without one, leakage alone is looked at.
        split: Column with train, valid and test.
        task: What the target is; `auto` as in `data.labelled.Columns`.
        modality: Of the sequences; None tells it from their letters.
        reading: `coding` refuses rows that are no reading frame, `plain` looks at no frame; `auto` reads nucleotides in
            frame if four rows of five can be.
        code: Genetic code of the NCBI.
        folds: Of the cross-validation.
        trees: Of a forest; boosting has half as many more.
        draws: Of the bootstrap.
    """

    data: str
    sequence: str | None = None
    target: str | None = None
    split: str | None = None
    task: Literal["auto", "classification", "regression"] = "auto"
    modality: Literal["dna", "rna", "protein"] | None = None
    reading: Literal["auto", "coding", "plain"] = "auto"
    code: int = 1
    folds: int = pydantic.Field(default=5, ge=2)
    trees: int = pydantic.Field(default=100, ge=1)
    draws: int = pydantic.Field(default=500, ge=10)
    seed: int = pydantic.Field(default=0, ge=0, lt=1 << 32)


@dataclass(frozen=True, eq=False)
class Table:
    """Rows that can be used.

    Attributes:
        rows: Of the records, in the file. 0-based.
        targets: Empty where no target was asked for.
        splits: Codes of `SPLITS`; None where no split was asked for.
        funnel: Rows by what became of them, from `raw` to `used`.
    """

    records: list[Record]
    proteins: list[Record]
    rows: list[int]
    targets: Floats
    labels: tuple[str, ...]
    splits: NDArray[np.uint8] | None
    reading: Reading
    refused: list[Refusal]
    funnel: dict[str, int]


def read(config: AuditConfig) -> Table:
    """Read what is audited. Raises InputError like `audit`."""
    wanted = [name for name in (config.sequence, config.target, config.split) if name]
    frame = read_table(config.data, wanted)
    column = config.sequence or next((name for name in _COLUMNS if name in frame.columns), None)
    if column is None:
        raise lacking(frame, "sequence", config.data)
    found = list(read_sequences(frame, config.modality and Modality(config.modality), column=column, where=config.data))
    reading, faults = _reading(config, found)
    texts = [""] * len(frame) if config.target is None else frame[config.target].to_list()
    records, refused, kept, funnel = [], [], [], Counter[str]()
    for row, (one, text) in enumerate(zip(found, texts, strict=True)):
        if isinstance(one, Refusal):
            funnel["unreadable"] += 1
            refused.append(one)
        elif row in faults:
            funnel["no frame"] += 1
            refused.append(Refusal(one.name, f"{config.data}, row {row + 1}", faults[row]))
        elif text is None or text != text:
            funnel["no target"] += 1
        else:
            records.append(one)
            kept.append(row)
    if not kept:
        raise InputError(
            f"Not one of the {len(frame)} rows of '{config.data}' can be used: {dict(funnel)}. "
            + (f"The first: {refused[0].reason}" if refused else f"Fill in column '{config.target}'.")
        )
    targets, labels = np.zeros(0), ()
    if config.target is not None:
        columns = Columns(target=config.target, kind=config.task)
        is_number = frame[config.target].dtype.is_float()
        targets, labels = read_targets(config.data, columns, [str(texts[row]) for row in kept], kept, is_number=is_number, setting="task")
    splits = None if config.split is None else split_codes(config.data, config.split, [frame[config.split][row] for row in kept])
    proteins = [translated(record, config.code) for record in records] if reading == "coding" else []
    counts = {"raw": len(frame), **funnel, "used": len(kept)}
    return Table(records, proteins, kept, targets, labels, splits, reading, refused, counts)


def _reading(config: AuditConfig, found: Sequence[Record | Refusal]) -> tuple[Reading, dict[int, str]]:
    """Return how records are read, and why some cannot be, by row."""
    records = [(row, one) for row, one in enumerate(found) if isinstance(one, Record)]
    if records and records[0][1].modality is Modality.PROTEIN:
        return "protein", {}
    faults = {row: reason for row, one in records if (reason := frame_fault(one, config.code))}
    if config.reading == "plain" or (config.reading == "auto" and len(faults) > (1 - _CODING_SHARE) * len(records)):
        return "plain", {}
    return "coding", faults


def frame_fault(record: Record, code: int = 1) -> str:
    """Return why a record is no coding sequence, as a sentence; empty if it is one."""
    if len(record) % 3:
        return (
            f"It has {len(record)} nucleotides, which is not a whole number of codons. Select the coding sequence, or pass reading=plain."
        )
    protein = GeneticCode.by_id(code).translate(record.residues)
    stop = protein.find("*", 0, -1)
    if stop >= 0:
        return f"Codon {stop + 1} (1-based) of {len(protein)} is a stop inside the frame. Check frame and code, or pass reading=plain."
    return "" if protein.rstrip("*") else "It has no codon before a stop. Remove it, or pass reading=plain."


def translated(record: Record, code: int) -> Record:
    """Return the protein of a coding sequence, its last stop left out."""
    return Record(GeneticCode.by_id(code).translate(record.residues, first_is_start=True).rstrip("*"), Modality.PROTEIN, record.name)
