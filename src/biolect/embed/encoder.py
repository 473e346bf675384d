"""What every encoder is: sequences to embeddings on a declared axis."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from biolect.bio.sequence import Modality
from biolect.bio.sequence import Sequence as BioSequence
from biolect.errors import FrameError
from biolect.values import Axis, Embedding

Pool = Literal["mean", "max", "last"]


class Encoder(ABC):
    """Sequences to embeddings. Invariant: an embedding depends on its own sequence alone, up to rounding.

    Attributes:
        axis: What the vectors stand for.
        pool: How a sequence's vectors become one, where the axis is the sequence.
    """

    axis: Axis
    pool: Pool

    @property
    @abstractmethod
    def width(self) -> int:
        """Numbers in a vector."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """Sha256 over everything that the vectors depend on but the sequence."""

    @abstractmethod
    def encode(self, sequences: Sequence[BioSequence]) -> list[Embedding]:
        """Return one embedding per sequence, in order.

        Raises:
            FrameError: If a sequence has no such axis; see `refusal`.
        """

    @abstractmethod
    def count_tokens(self, sequences: Sequence[BioSequence]) -> tuple[int, int]:
        """Return how many tokens `encode` computes for sequences, and how many of them are no padding."""

    def refusal(self, sequence: BioSequence) -> str:
        """Return why a sequence cannot be put on the axis, as a sentence; empty if it can."""
        is_protein = sequence.modality is Modality.PROTEIN
        if not len(sequence):
            return f"'{sequence.name}' has no residues, so there is nothing to embed. Remove it."
        if self.axis == "sequence" or (self.axis == "residue") == is_protein and self.axis != "codon":
            return ""
        if is_protein or self.axis == "residue":
            own = "residue" if is_protein else "nucleotide"
            return f"'{sequence.name}' is {sequence.modality}, which has no {self.axis} axis. Use --axis {own} or --axis sequence."
        if len(sequence) % 3:
            return (
                f"'{sequence.name}' has {len(sequence)} nucleotides, which is not a whole number of codons. "
                "Select the coding sequence first, for example with coding_sequence()."
            )
        return ""

    def placed(self, sequence: BioSequence, vectors: Float[np.ndarray, "T D"]) -> Embedding:
        """Bring one vector per residue to the axis. Raises FrameError if there is no such axis."""
        if reason := self.refusal(sequence):
            raise FrameError(reason)
        if self.axis == "codon":
            vectors = vectors.reshape(-1, 3, vectors.shape[1]).mean(axis=1)
        elif self.axis == "sequence":
            pooled = {"mean": lambda: vectors.mean(axis=0), "max": lambda: vectors.max(axis=0), "last": lambda: vectors[-1]}[self.pool]()
            vectors = pooled[None]
        return Embedding(sequence.name, self.axis, np.ascontiguousarray(vectors, dtype=np.float32))
