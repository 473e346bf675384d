"""Encoders on the codon axis: each reads its own view of a coding sequence and says one vector per codon."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from biolect.bio.genetic_code import GeneticCode
from biolect.bio.sequence import Flanked, Modality, Sequence as BioSequence
from biolect.embed.encoder import Encoder, Pool
from biolect.embed.tokenwise import TokenEncoder
from biolect.errors import BiolectError, CheckpointError, ConfigError
from biolect.fusion.align import CodonGrid, Mode, SpanAxis, codon_grid, codon_weights
from biolect.values import Axis, Embedding, TokenEmbedding


class CodonEncoder(Encoder):
    """A coding sequence in, one vector per codon before the stop out, in half precision.

    A codon about which the encoder says nothing has a vector of zeros.

    Args:
        inner: Whose tokens are brought to codons.
        view: What the inner encoder reads of a coding sequence: its DNA, its RNA or its protein.
        code: Genetic code, the standard one if left out.

    Raises:
        AlphabetError: If the inner encoder does not read such a view.
    """

    axis: Axis = "codon"
    pool: Pool = "mean"
    modalities = (Modality.DNA, Modality.RNA)

    def __init__(self, inner: Encoder, view: Modality, *, mode: Mode = "coverage", code: GeneticCode | None = None) -> None:
        inner.check_modality(view)
        self.inner, self.view, self.code = inner, view, code or GeneticCode.by_id(1)
        self.mode: Mode = mode
        self.width, self.licence = inner.width, inner.licence
        self.limit_tokens, self.special_tokens = inner.limit_tokens, inner.special_tokens
        self.spans_count: SpanAxis = "residue" if view is Modality.PROTEIN else "nucleotide"

    @property
    def digest(self) -> str:
        """Sha256 over everything that the vectors depend on but the sequence."""
        return hashlib.sha256(f"{self.inner.digest} {self.view} {self.mode} {self.code.id}".encode()).hexdigest()

    def spans(self, sequence: BioSequence) -> Int[np.ndarray, "T 2"]:
        """Return which residues of its view every token of the inner encoder covers; see `Encoder.spans`."""
        return self.inner.spans(self.seen(sequence))

    def tokens(self, sequences: Sequence[BioSequence]) -> list[TokenEmbedding]:
        """Return the inner encoder's tokens of its views; spans count residues of the view."""
        return self.inner.tokens([self.seen(sequence) for sequence in sequences])

    def encode(self, sequences: Sequence[BioSequence]) -> list[Embedding]:
        """Return one embedding per coding sequence, in order.

        Raises:
            FrameError: If there is no codon to stand on.
            AlphabetError: If the inner encoder cannot read a view.
            CheckpointError: If a vector does not fit into half precision.
        """
        out: list[Embedding] = []
        for sequence, made in zip(sequences, self.tokens(sequences), strict=True):
            weights = codon_weights(self.grid(sequence), made.spans, self.mode, self.spans_count)
            with np.errstate(over="ignore"):
                vectors = np.asarray(weights @ made.vectors.astype(np.float32)).astype(np.float16)
            if not np.isfinite(vectors).all():
                raise CheckpointError(f"The encoder's vectors of '{sequence.name}' are not finite in half precision. Check its weights.")
            out.append(Embedding(sequence.name, "codon", vectors))
        return out

    def learnable(self, sequences: Sequence[BioSequence]) -> list[Float[Tensor, "P D"]]:
        """Return what `encode` does in full precision, as tensors through which gradients reach the inner encoder's network."""
        found: list[Tensor] = []
        for sequence, vectors in zip(sequences, self.network.learnable([self.seen(one) for one in sequences]), strict=True):
            weights = codon_weights(self.grid(sequence), self.spans(sequence), self.mode, self.spans_count)
            found.append(torch.from_numpy(weights.toarray()).to(vectors) @ vectors)
        return found

    @property
    def network(self) -> TokenEncoder:
        """The inner encoder, if it has a network. Raises ConfigError if it has none to learn."""
        if not isinstance(self.inner, TokenEncoder):
            raise ConfigError(f"The encoder of {self.view} has no weights that could be adapted. Choose one that was trained.")
        return self.inner

    def count_tokens(self, sequences: Sequence[BioSequence]) -> tuple[int, int]:
        """Return how many tokens the inner encoder computes, and how many of them are no padding."""
        return self.inner.count_tokens([self.seen(sequence) for sequence in sequences])

    def grid(self, sequence: BioSequence) -> CodonGrid:
        """Return the codon axis. Raises FrameError if there is no codon before a stop."""
        return codon_grid(sequence, code=self.code)

    def seen(self, sequence: BioSequence) -> BioSequence:
        """Return what the inner encoder reads of a coding sequence."""
        if self.view is Modality.PROTEIN:
            return BioSequence(self.grid(sequence).protein, Modality.PROTEIN, sequence.name)
        if self.view is sequence.modality:
            return sequence
        return sequence.transcribe() if self.view is Modality.RNA else sequence.back_transcribe()

    def refusal(self, sequence: BioSequence) -> str:
        """Return why a sequence has no codons, or cannot be read, as a sentence; empty if it can."""
        try:
            if self.grid(sequence).tail:
                return f"It has {len(sequence)} nucleotides, which is not a whole number of codons. Select the coding sequence."
            return self.inner.unreadable(self.seen(sequence))
        except BiolectError as error:
            return str(error)


@dataclass(frozen=True)
class ContextEncoder:
    """What stands around a coding sequence in, one vector per nucleotide of it out.

    Attributes:
        inner: Whose vectors these are, on the nucleotide axis.
        view: Whether it reads DNA or RNA.
        column: Which of the contexts it reads.
    """

    inner: Encoder
    view: Modality
    column: str

    @property
    def digest(self) -> str:
        """Sha256 over everything that the vectors depend on but the context."""
        return self.inner.digest

    def seen(self, sequence: BioSequence) -> BioSequence | None:
        """Return what the inner encoder reads; None where it is not known."""
        return sequence.contexts.get(self.column) if isinstance(sequence, Flanked) else None

    def refusal(self, sequence: BioSequence) -> str:
        """Return why a context cannot be read, as a sentence; empty if it can, or if there is none."""
        own = self.seen(sequence)
        return "" if own is None else self.inner.refusal(own)
