"""What every encoder is: sequences to embeddings on a declared axis."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int

from biolect.bio.sequence import Modality, Sequence as BioSequence
from biolect.errors import AlphabetError, ConfigError, FrameError
from biolect.values import Axis, Embedding, TokenEmbedding

Pool = Literal["mean", "max", "last"]


@dataclass(frozen=True)
class Licence:
    """On what terms weights may be used.

    Attributes:
        name: Of the licence, as its owners write it.
        commercial: Whether it lets them be used commercially.
    """

    name: str
    commercial: bool = True


@dataclass(frozen=True)
class Choice:
    """What a user chooses about an encoder, whatever its family.

    Attributes:
        layer: Output of this block, 1-based; None takes the last one's, after the final norm.
        dtype: Precision of the products.
        batch_tokens: Tokens that are read side by side.
        accepts_licence: Use weights that may not be used commercially.
        allows_remote_code: Run Python code that lies beside the weights.
    """

    axis: Axis = "sequence"
    pool: Pool = "mean"
    layer: int | None = None
    device: torch.device | str = "cpu"
    dtype: torch.dtype = torch.float32
    batch_tokens: int = 4_096
    accepts_licence: bool = False
    allows_remote_code: bool = False

    def check(self, licence: Licence | None, whose: str) -> None:
        """Raise ConfigError for weights that are not free, unless their licence was accepted."""
        if licence is not None and not licence.commercial and not self.accepts_licence:
            raise ConfigError(
                f"The weights of {whose} are under {licence.name}, which forbids commercial use. Pass --accept-licence if that suits you."
            )


DEFAULT = Choice()


def out_of_frame(sequence: BioSequence) -> str:
    """Return why a sequence is not whole codons, as a sentence; empty if it is."""
    fault = f"'{sequence.name}' has {len(sequence)} nucleotides, which is not a whole number of codons."
    return f"{fault} Select the coding sequence first, for example with coding_sequence()." if len(sequence) % 3 else ""


class Encoder(ABC):
    """Sequences to embeddings. Invariant: an embedding depends on its own sequence alone, up to rounding.

    Attributes:
        axis: What the vectors stand for.
        pool: How a sequence's vectors become one, where the axis is the sequence.
        modalities: What it reads.
        licence: Of the weights; None where there are none, or their folder does not say.
        limit_tokens: What it reads at once, special tokens included; longer sequences are read in windows. None: no limit.
        width: Numbers in a vector.
        special_tokens: Names of those around the tokens of a sequence, in their order.
    """

    axis: Axis
    pool: Pool
    modalities: tuple[Modality, ...]
    width: int
    licence: Licence | None = None
    limit_tokens: int | None = None
    special_tokens: tuple[str, ...] = ()

    @property
    @abstractmethod
    def digest(self) -> str:
        """Sha256 over everything that the vectors depend on but the sequence."""

    @abstractmethod
    def tokens(self, sequences: Sequence[BioSequence]) -> list[TokenEmbedding]:
        """Return the vectors of all tokens of every sequence, in order, special tokens among them.

        Of a sequence that is read in windows, the special tokens are those of the first and the last window.

        Raises:
            AlphabetError: If a sequence cannot be read; see `unreadable`.
        """

    @abstractmethod
    def spans(self, sequence: BioSequence) -> Int[np.ndarray, "T 2"]:
        """Return which residues every token of a readable sequence covers; see `TokenEmbedding`. Nothing is computed."""

    def encode(self, sequences: Sequence[BioSequence]) -> list[Embedding]:
        """Return one embedding per sequence, in order. A residue has the vector of the token that covers it.

        Of molecules, the places are symbols, however many letters one has.

        Raises:
            FrameError: If a sequence has no such axis; see `refusal`.
            AlphabetError: If it cannot be read; see `unreadable`.
        """
        out: list[Embedding] = []
        for sequence, made in zip(sequences, self.tokens(sequences), strict=True):
            times = ~made.special_mask if sequence.modality is Modality.MOLECULE else np.diff(made.spans).ravel()
            out.append(self.placed(sequence, np.repeat(made.vectors, times, axis=0)))
        return out

    def count_tokens(self, sequences: Sequence[BioSequence]) -> tuple[int, int]:
        """Return how many tokens `encode` computes for sequences, and how many of them are no padding."""
        total = sum(len(self.spans(sequence)) for sequence in sequences)
        return total, total

    @property
    def description(self) -> dict[str, object]:
        """Return what is kept beside embeddings: plain data."""
        facts: dict[str, object] = {name: getattr(self, name) for name in ("digest", "axis", "pool", "width", "limit_tokens")}
        facts["licence"] = self.licence and self.licence.name
        return facts | {"special_tokens": list(self.special_tokens), "modalities": list(map(str, self.modalities))}

    def check_modality(self, modality: Modality) -> None:
        """Raise AlphabetError for a modality that is not read: the wrong encoder for the file, not a bad record."""
        if modality not in self.modalities:
            known = " and ".join(self.modalities)
            raise AlphabetError(f"This encoder reads {known}, not {modality}. Choose an encoder that reads {modality}.")

    def unreadable(self, sequence: BioSequence) -> str:
        """Return why a sequence cannot be read at all, as a sentence; empty if it can.

        Raises:
            AlphabetError: If its modality is not read; see `check_modality`.
        """
        self.check_modality(sequence.modality)
        return "" if len(sequence) else f"'{sequence.name}' has no residues, so there is nothing to embed. Remove it."

    def refusal(self, sequence: BioSequence) -> str:
        """Return why a sequence cannot be read or put on the axis, as a sentence; empty if it can.

        Raises:
            AlphabetError: If its modality is not read; see `check_modality`.
        """
        if reason := self.unreadable(sequence):
            return reason
        is_protein = sequence.modality is Modality.PROTEIN
        if self.axis == "sequence" or (self.axis == "residue") == is_protein and self.axis != "codon":
            return ""
        if is_protein or self.axis == "residue":
            own = "residue" if is_protein else "nucleotide"
            return f"'{sequence.name}' is {sequence.modality}, which has no {self.axis} axis. Use --axis {own} or --axis sequence."
        return out_of_frame(sequence)

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
