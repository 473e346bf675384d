"""Embeddings on disk, keyed by encoder and sequence.

    encoder.json               digest of the encoder, axis, width; licence of its weights and what it reads
    shard-00000.safetensors    vectors by sequence digest, axis by width
    index.parquet              one row per input record, in order: id, sequence_sha256, length, shard

A shard is written whole or not at all, so whatever is there can be gone on from. Sequences that come
twice are computed and stored once.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from biolect.bio.io.form import Refusal
from biolect.bio.sequence import Sequence as BioSequence
from biolect.embed.encoder import Encoder
from biolect.errors import CheckpointError, InputError
from biolect.files import atomic_path, read_json, write_json

SHARD_RESIDUES = 65_536
_ENCODER, _INDEX = "encoder.json", "index.parquet"


def sequence_digest(sequence: BioSequence) -> str:
    """Return the sha256 of modality and residues; the name does not count."""
    return hashlib.sha256(f"{sequence.modality} {sequence.residues}".encode()).hexdigest()


class EmbeddingStore:
    """A folder of embeddings of one encoder. Invariant: every vector in it was made by that encoder.

    Attributes:
        shards: Name of the file with the vectors of every sequence, by its digest.
    """

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        self.folder, described, path = folder, encoder.description, folder / _ENCODER
        if path.is_file():
            held = read_json(path, "Remove the folder it is in, and run the command again.")
            what = next((k for k in ("axis", "pool", "width", "digest") if held.get(k) != described[k]), "")
            if what:
                raise CheckpointError(
                    f"The embeddings in '{folder}' were made by another encoder: {what} is {held.get(what)}, not {described[what]}. "
                    "Pass --overwrite to replace them, or another --output."
                )
        else:
            write_json(path, described)
        self.shards: dict[str, str] = {}
        self._opened: dict[str, Any] = {}
        for shard in sorted(folder.glob("shard-*.safetensors")):
            self._note(shard.name)

    def __contains__(self, digest: object) -> bool:
        return digest in self.shards

    def __getitem__(self, digest: str) -> Float[np.ndarray, "P D"]:
        return self._open(self.shards[digest]).get_tensor(digest)

    def length(self, digest: str) -> int:
        """Return how many vectors a sequence has, without reading them."""
        return self._open(self.shards[digest]).get_slice(digest).get_shape()[0]

    def add(self, vectors: Mapping[str, Float[np.ndarray, "P D"]]) -> None:
        """Write one more shard, vectors by sequence digest."""
        name = next(n for i in count(len(self._opened)) if not (self.folder / (n := f"shard-{i:05d}.safetensors")).exists())
        with atomic_path(self.folder / name) as temporary:
            save_file(dict(vectors), temporary)
        self._note(name)

    def _open(self, name: str) -> Any:
        if name not in self._opened:
            try:
                self._opened[name] = safe_open(self.folder / name, framework="numpy").__enter__()
            except SafetensorError as error:
                raise CheckpointError(f"'{self.folder / name}' is damaged: {error}. Remove that file and pass --resume.") from None
        return self._opened[name]

    def _note(self, name: str) -> None:
        self.shards |= dict.fromkeys(self._open(name).keys(), name)


@dataclass
class Embedded:
    """What one pass over the records came to.

    Attributes:
        rows: Id and digest of every record that was embedded, in the order of the input, duplicates kept.
        tokens_computed: Tokens that the model read, padding included; nothing for what was in the store.
    """

    rows: list[tuple[str, str]] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    tokens_computed: int = 0
    tokens_real: int = 0
    num_computed: int = 0
    seconds: float = 0.0

    @property
    def padding_fraction(self) -> float:
        """Share of computed tokens that were padding; 0 if nothing was computed."""
        return 1 - self.tokens_real / self.tokens_computed if self.tokens_computed else 0.0


def embed(
    encoder: Encoder,
    records: Iterable[BioSequence | Refusal],
    output: Path,
    *,
    resume: bool = False,
    advance: Callable[[float], None] = lambda count: None,
) -> Embedded:
    """Embed records into a Parquet file (one vector per sequence) or a folder (any other axis).

    Args:
        output: Where vectors of sequences leave as Parquet, a name without ending is a folder for `vectors.parquet`.
        resume: Keep what an earlier, broken run left: the folder, or `NAME.parquet.partial` beside the file.
        advance: Told how many records were done, for a progress bar.

    Raises:
        InputError: If a file of sequence vectors is not named .parquet, or the place cannot be written.
        CheckpointError: If what is to be resumed was made by another encoder.
    """
    pooled = encoder.axis == "sequence"
    output = output / "vectors.parquet" if pooled and not output.suffix else output
    if pooled and output.suffix != ".parquet":
        raise InputError(f"'{output}' is to hold one vector per sequence, which leave as Parquet. End it in .parquet.")
    folder = output.with_name(f"{output.name}.partial") if pooled else output
    if not resume:
        for name in (_ENCODER, _INDEX, "shard-*.safetensors"):
            for old in folder.glob(name):
                old.unlink()
    was_there = folder.exists()
    store = EmbeddingStore(folder, encoder)
    try:
        done = fill(store, encoder, records, advance)
    except BaseException:
        if not was_there and not any(folder.glob("shard-*")):
            shutil.rmtree(folder)
        raise
    if pooled:
        write_pooled(store, done.rows, output, encoder.width)
        shutil.rmtree(folder)
    else:
        write_index(store, done.rows)
    return done


def fill(
    store: EmbeddingStore, encoder: Encoder, records: Iterable[BioSequence | Refusal], advance: Callable[[float], None] = lambda count: None
) -> Embedded:
    """Embed records into a store, shard by shard; what is there already is not computed again."""
    done, started = Embedded(), time.perf_counter()
    waiting: dict[str, BioSequence] = {}
    size = 0
    for record in records:
        if not isinstance(record, Refusal) and (reason := encoder.refusal(record)):
            record = Refusal(record.name, "", reason)
        if isinstance(record, Refusal):
            done.refused.append(record)
            continue
        digest = sequence_digest(record)
        done.rows.append((record.name, digest))
        if digest not in store and digest not in waiting:
            waiting[digest] = record
            size += len(record)
        advance(1)
        if size >= SHARD_RESIDUES:
            _flush(encoder, waiting, store, done)
            waiting, size = {}, 0
    _flush(encoder, waiting, store, done)
    done.seconds = time.perf_counter() - started
    return done


def _flush(encoder: Encoder, waiting: Mapping[str, BioSequence], store: EmbeddingStore, done: Embedded) -> None:
    if not waiting:
        return
    sequences = list(waiting.values())
    made = encoder.encode(sequences)
    store.add({digest: embedding.vectors for digest, embedding in zip(waiting, made, strict=True)})
    computed, real = encoder.count_tokens(sequences)
    done.tokens_computed += computed
    done.tokens_real += real
    done.num_computed += len(sequences)


def write_index(store: EmbeddingStore, rows: Sequence[tuple[str, str]]) -> None:
    """Write which record's vectors are where, in the order of the input."""
    import polars

    names, digests = [name for name, _ in rows], [digest for _, digest in rows]
    lengths, shards = [store.length(digest) for digest in digests], [store.shards[digest] for digest in digests]
    index = polars.DataFrame({"id": names, "sequence_sha256": digests, "length": lengths, "shard": shards})
    with atomic_path(store.folder / _INDEX) as temporary:
        index.write_parquet(temporary)


def write_pooled(store: EmbeddingStore, rows: Sequence[tuple[str, str]], path: Path, width: int) -> None:
    """Write one vector per record as Parquet: id, sequence_sha256 and vector, in the order of the input."""
    import pyarrow
    from pyarrow import parquet

    text = pyarrow.string()
    kinds = pyarrow.schema({"id": text, "sequence_sha256": text, "vector": pyarrow.list_(pyarrow.float32(), width)})
    with atomic_path(path) as temporary, parquet.ParquetWriter(temporary, kinds) as writer:
        for start in range(0, max(1, len(rows)), 8_192):
            some = rows[start : start + 8_192]
            vectors = np.concatenate([store[digest] for _, digest in some]).ravel() if some else np.zeros(0, np.float32)
            columns = [[name for name, _ in some], [digest for _, digest in some], pyarrow.FixedSizeListArray.from_arrays(vectors, width)]
            writer.write_table(pyarrow.table(columns, schema=kinds))
