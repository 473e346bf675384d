"""Vectors of tokens on disk, each sequence computed once: what training on frozen encoders reads, epoch after epoch.

Shards are those of `EmbeddingStore`, in half precision. Spans are not kept: an encoder knows them without computing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from biolect.bio.sequence import Sequence as BioSequence
from biolect.embed.encoder import Encoder
from biolect.embed.store import SHARD_RESIDUES, EmbeddingStore, sequence_digest
from biolect.values import TokenEmbedding


class TokenCache:
    """Token embeddings of one encoder in a folder. Invariant: every vector in it was made by that encoder.

    Raises:
        CheckpointError: If the folder was made by another encoder.
    """

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.encoder, self.store = encoder, EmbeddingStore(folder, encoder, per_token=True)

    def fill(self, sequences: Iterable[BioSequence], advance: Callable[[float], None] = lambda count: None) -> int:
        """Compute what is not there yet, shard by shard, so that a run that broke off goes on; return how many sequences that were.

        Raises:
            AlphabetError: If a sequence cannot be read.
        """
        waiting: dict[str, BioSequence] = {}
        count = size = 0
        for sequence in sequences:
            digest = sequence_digest(sequence)
            advance(1)
            if digest in self.store or digest in waiting:
                continue
            waiting[digest] = sequence
            size += len(sequence)
            if size >= SHARD_RESIDUES:
                count += self._flush(waiting)
                waiting, size = {}, 0
        return count + self._flush(waiting)

    def _flush(self, waiting: dict[str, BioSequence]) -> int:
        if waiting:
            made = self.encoder.tokens(list(waiting.values()))
            self.store.add({digest: _halved(embedding.vectors) for digest, embedding in zip(waiting, made, strict=True)})
        return len(waiting)

    def __getitem__(self, sequence: BioSequence) -> TokenEmbedding:
        """Return what is kept of a sequence that was filled in."""
        return TokenEmbedding(sequence.name, self.store[sequence_digest(sequence)], self.encoder.spans(sequence))


def _halved(vectors: np.ndarray) -> np.ndarray:
    """Return vectors in half precision, or as they are where one is too large for it: layers before the last norm have such."""
    return vectors.astype(np.float16) if np.abs(vectors).max(initial=0) < np.finfo(np.float16).max else vectors
