"""Our own language models as encoders: hidden states of real residues."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from biolect.bio.sequence import Modality, Sequence as BioSequence
from biolect.data.document import Grammar, Member
from biolect.data.packing import Window
from biolect.embed.encoder import DEFAULT, Choice, Licence
from biolect.embed.tokenwise import TokenEncoder
from biolect.models import checkpoint
from biolect.models.language_model import LanguageModel
from biolect.models.resolve import resolve
from biolect.nn.bidirectional import joined


class NativeEncoder(TokenEncoder):
    """A language model, each sequence read as a document of its own with ordinary positions.

    The end token is read only where residues would see it: not by causal models.

    Args:
        grammar: How the model's documents are written.
        context_tokens: What the model was trained to read at once; None sets no limit.
    """

    model: LanguageModel

    def __init__(
        self, model: LanguageModel, choice: Choice = DEFAULT, *, grammar: Grammar | None = None, context_tokens: int | None = None
    ) -> None:
        self.model, self.grammar, self.limit_tokens = model, grammar or Grammar(), context_tokens
        super().__init__(choice, len(list(model.backbone.get_submodule("blocks").children())))
        self.width = model.backbone.width
        self.modalities = tuple(filter(model.vocabulary.reads, Modality))
        self.reads_both_sides = not model.config.is_causal
        roles = model.vocabulary.roles
        self.special_tokens = (roles.begin, *(["tag"] if self.grammar.tags else []), *([roles.end] if self.reads_both_sides else []))

    @classmethod
    def load(cls, address: str | Path, choice: Choice = DEFAULT) -> NativeEncoder:
        """Load a model, and how it reads, from a shipped name or a folder. Raises CheckpointError if there is no whole one."""
        folder = resolve(address)
        facts = checkpoint.read_facts(folder)
        model, grammar = checkpoint.load(folder, device=choice.device, dtype=choice.dtype), Grammar.from_dict(facts.get("grammar", {}))
        made = cls(model, choice, grammar=grammar, context_tokens=facts.get("context_tokens"))
        made.licence = Licence(str(facts["licence"])) if facts.get("licence") else None
        return made

    @cached_property
    def digest(self) -> str:
        """Sha256 over weights, vocabulary and everything that was chosen."""
        return self.model.digest((*self.chosen, (self.grammar.tags, self.grammar.last_position)))

    def check_modality(self, modality: Modality) -> None:
        """Raise AlphabetError for a modality that is not read; see `Encoder.check_modality`."""
        if modality not in self.modalities:
            self.model.vocabulary.residue_ids(modality)

    def tokenised(self, sequence: BioSequence) -> tuple[Int[np.ndarray, " T"], Int[np.ndarray, " T"]]:
        """Return one token per residue, of a molecule per symbol; see `TokenEncoder.tokenised`."""
        vocabulary = self.model.vocabulary
        ids = vocabulary.encode(sequence)
        if sequence.modality is Modality.MOLECULE:
            return ids, np.array([len(vocabulary.decode(ids[i : i + 1], sequence.modality)) for i in range(len(ids))])
        return ids, np.ones(len(ids), np.int64)

    def special_ids(self, sequence: BioSequence) -> tuple[list[int], list[int]]:
        """Return what opens and what closes a document of one sequence."""
        vocabulary = self.model.vocabulary
        before = self.grammar.opening(Member(np.zeros(0, np.uint8), sequence.modality), vocabulary, first=True)
        return before, [vocabulary.end] if self.reads_both_sides else []

    def _windows(self, length: int, num_special: int) -> Iterator[Window]:
        # Room for the end token is kept, as in training, also where it is not read.
        return super()._windows(length, self.grammar.overhead(1))

    def padded(self, token_ids: Int[Tensor, "B T"], real: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Return hidden states; see `TokenEncoder.padded`."""
        counted = torch.from_numpy(self.grammar.clamped(np.arange(token_ids.shape[1]))).expand_as(token_ids)
        token_ids, positions, segment_ids = (one.to(self.model.device) for one in (token_ids, counted, real))
        # Padding stands on the right, where no real token of a causal model looks.
        read = token_ids, positions, segment_ids if self.reads_both_sides else None
        if self.layer is None:
            return self.model.hidden(*read)
        caught: list[Any] = []
        block = self.model.backbone.get_submodule(f"blocks.{self.layer - 1}")
        tap = block.register_forward_hook(lambda *seen: caught.append(seen[-1]))
        try:
            self.model.hidden(*read)
        finally:
            tap.remove()
        hidden = torch.cat(caught)
        # Where strands share, the other strand was read behind the rows, or in a call of its own.
        return hidden if len(hidden) == len(token_ids) else joined(hidden) / 2
