"""Encoders without weights: what every learned one has to beat."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from biolect.bio.sequence import Modality, Sequence as BioSequence
from biolect.embed.encoder import Encoder, Pool, out_of_frame
from biolect.errors import AlphabetError, ConfigError
from biolect.values import Axis, TokenEmbedding

_CODON_WEIGHTS = np.array([16, 4, 1])


class PlainEncoder(Encoder):
    """Vectors by definition. One token per `token_residues` residues, no special ones."""

    token_residues = 1

    @abstractmethod
    def vectors(self, sequence: BioSequence) -> Float[np.ndarray, "T D"]:
        """Return the vectors of one readable sequence."""

    @property
    def digest(self) -> str:
        """Sha256 over everything that was chosen."""
        chosen = (type(self).__name__, self.modalities, self.width, self.axis, self.pool if self.axis == "sequence" else "")
        own = {name: value for name, value in vars(self).items() if name != "width"}
        return hashlib.sha256(f"{chosen} {own}".encode()).hexdigest()

    def tokens(self, sequences: Sequence[BioSequence]) -> list[TokenEmbedding]:
        """Return the vectors of all tokens; see `Encoder.tokens`."""
        if reason := next(filter(None, map(self.unreadable, sequences)), ""):
            raise AlphabetError(reason)
        return [TokenEmbedding(s.name, self.vectors(s).astype(np.float32), self.spans(s)) for s in sequences]

    def spans(self, sequence: BioSequence) -> Int[np.ndarray, "T 2"]:
        """Return which residues every token covers; see `Encoder.spans`."""
        starts = np.arange(0, len(sequence), self.token_residues)
        return np.stack([starts, starts + self.token_residues], axis=1)


class OneHotEncoder(PlainEncoder):
    """A one in the place of the residue, in the order of the modality's alphabet."""

    def __init__(self, modality: Modality, *, axis: Axis = "sequence", pool: Pool = "mean") -> None:
        self.modalities, self.axis, self.pool = (modality,), axis, pool
        self.width = len(modality.alphabet)

    def vectors(self, sequence: BioSequence) -> Float[np.ndarray, "T D"]:
        """Return one row per residue."""
        return np.eye(self.width)[sequence.codes]


class CodonFrequencyEncoder(PlainEncoder):
    """Shares of the 64 codons (in the order of A, C, G, T) among those within a window around each codon.

    Codons with an unknown letter count for nothing. With a window of 1 it is the codon itself.

    Args:
        window_codons: Odd.
    """

    token_residues = 3
    modalities = (Modality.DNA, Modality.RNA)
    width = 64

    def __init__(self, window_codons: int = 21, *, axis: Axis = "sequence", pool: Pool = "mean") -> None:
        if window_codons < 1 or not window_codons % 2:
            raise ConfigError(f"window_codons = {window_codons} is no odd number above 0. Take 21, or 1 for the codon itself.")
        self.window_codons, self.axis, self.pool = window_codons, axis, pool

    def unreadable(self, sequence: BioSequence) -> str:
        """Return why a sequence is not whole codons, as a sentence; see `Encoder.unreadable`."""
        return super().unreadable(sequence) or out_of_frame(sequence)

    def vectors(self, sequence: BioSequence) -> Float[np.ndarray, "T D"]:
        """Return one row per codon."""
        codes = sequence.codes.reshape(-1, 3).astype(np.int64)
        ones = np.eye(64)[np.minimum(codes @ _CODON_WEIGHTS, 63)] * np.all(codes < 4, axis=1, keepdims=True)
        sums = np.vstack([np.zeros(64), ones.cumsum(axis=0)])
        places, half = np.arange(len(codes)), self.window_codons // 2
        counts = sums[np.minimum(places + half + 1, len(codes))] - sums[np.maximum(places - half, 0)]
        return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
