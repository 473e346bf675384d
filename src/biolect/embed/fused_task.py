"""What a fused model predicts, and the encoders that it reads on the codon axis."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.special import softmax

from biolect.bio.genetic_code import GeneticCode
from biolect.bio.sequence import Modality, Sequence as Record
from biolect.config import Config
from biolect.devices import DTYPES, Precision
from biolect.embed.codons import CodonEncoder, ContextEncoder
from biolect.embed.door import load_encoder
from biolect.embed.encoder import DEFAULT, Choice
from biolect.embed.store import EmbeddingStore, fill, sequence_digest
from biolect.errors import ConfigError
from biolect.fusion.align import Mode
from biolect.fusion.streams import Vectors
from biolect.values import Floats


class FusedTask(Config):
    """What is predicted, and from what.

    Attributes:
        encoders: Address of every stream's encoder; a stream is named by its modality, `dna`, or `dna-NAME` where there are several.
        contexts: Address of the encoder of everything that stands around a coding sequence; a stream is named `dna-COLUMN` or
            `rna-COLUMN` after its column of the table.
        genetic_code: NCBI number.
        dtype: Precision in which encoders are asked.
        labels: Classes in the order of the outputs; empty where a number is predicted.
        also: Names of more targets, numbers like the first.
        per_codon: Targets per position: how many positions a codon has; 0 for one answer per sequence.
        mean, deviation: Of the target in training; of several targets one each.
        digests: Of every stream's encoder when it was asked for training.
        members: Streams that each member reads, under its own names for them.
        centers, scales: Mean and deviation of each member's predictions, where there are several; of every target in turn.
    """

    target: str
    also: tuple[str, ...] = ()
    per_codon: int = 0
    encoders: dict[str, str]
    contexts: dict[str, str] = {}
    alignment: Mode = "coverage"
    genetic_code: int = 1
    dtype: Precision = "float32"
    labels: tuple[str, ...] = ()
    mean: float | tuple[float, ...] = 0.0
    deviation: float | tuple[float, ...] = 1.0
    arm: str = ""
    digests: dict[str, str] = {}
    members: tuple[dict[str, str], ...] = ()
    centers: tuple[float, ...] = ()
    scales: tuple[float, ...] = ()


def view_of(stream: str) -> Modality:
    """Return what a stream's encoder reads. Raises ConfigError for a stream that names no modality."""
    view = re.fullmatch(r"(dna|rna|protein)(-\w+)?", stream)
    if view is None:
        raise ConfigError(
            f"encoders.{stream} names no modality. Name it dna, rna or protein, or where there are several dna-NAME, of letters and digits."
        )
    return Modality(view[1])


def codon_encoders(task: FusedTask, choice: Choice = DEFAULT) -> dict[str, CodonEncoder | ContextEncoder]:
    """Load the encoder of every stream, those of contexts last, in the task's precision.

    Raises:
        ConfigError: If a stream names no modality, or an address no encoder.
        AlphabetError: If an encoder does not read its stream's modality.
        CheckpointError: If weights cannot be read.
    """
    code, choice = GeneticCode.by_id(task.genetic_code), replace(choice, dtype=DTYPES[task.dtype])
    found: dict[str, CodonEncoder | ContextEncoder] = {
        stream: CodonEncoder(load_encoder(address, choice), view_of(stream), mode=task.alignment, code=code)
        for stream, address in sorted(task.encoders.items())
    }
    for stream, address in sorted(task.contexts.items()):
        inner, named = load_encoder(address, replace(choice, axis="nucleotide")), re.fullmatch(r"(dna|rna)-(\w+)", stream)
        if named is None or stream in found:
            raise ConfigError(
                f"contexts.{stream} names no column of its own. Name it dna-COLUMN or rna-COLUMN, of letters and digits, unlike encoders."
            )
        inner.check_modality(Modality(named[1]))
        found[stream] = ContextEncoder(inner, Modality(named[1]), named[2])
    return found


def contexts_of(encoders: Mapping[str, CodonEncoder | ContextEncoder]) -> dict[str, Modality]:
    """Return the columns that are read beside the coding sequences, and what they hold."""
    return {one.column: one.view for one in encoders.values() if isinstance(one, ContextEncoder)}


def embedded(
    encoders: Mapping[str, CodonEncoder | ContextEncoder],
    records: Sequence[Record],
    cache: Path,
    advance: Callable[[float], None] = lambda records: None,
) -> dict[str, Vectors]:
    """Return vectors of all records by stream; what lies in the cache already is read, not computed.

    Args:
        cache: Folder with a store for every encoder that was ever asked; it can be shared by many tables.
    """
    found: dict[str, Vectors] = {}
    for stream, encoder in encoders.items():
        own, read = (encoder.inner, [*map(encoder.seen, records)]) if isinstance(encoder, ContextEncoder) else (encoder, records)
        store = EmbeddingStore(cache / f"{encoder.view}-{encoder.digest[:16]}", own)
        fill(store, own, filter(None, read), advance)
        nothing = np.zeros((0, own.width), np.float32)
        found[stream] = [store[sequence_digest(one)] if one else nothing for one in read]
    return found


def refusal(encoders: Mapping[str, CodonEncoder | ContextEncoder], record: Record) -> str:
    """Return why a record cannot be fused, as a sentence; empty if it can."""
    return next(filter(None, (encoder.refusal(record) for encoder in encoders.values())), "")


def in_units(outputs: Floats, task: FusedTask) -> Floats:
    """Return a head's outputs as probabilities of classes, or in the unit of the target."""
    if not task.labels:
        return outputs * np.asarray(task.deviation) + np.asarray(task.mean)
    return softmax(outputs, axis=-1)
