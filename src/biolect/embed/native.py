"""Our own language models as encoders: hidden states of real residues."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from biolect.bio.sequence import Sequence as BioSequence
from biolect.data.document import Document, Grammar, Member
from biolect.data.packing import Window, length_batches, windows
from biolect.embed.encoder import Encoder, Pool
from biolect.errors import AlphabetError, ConfigError
from biolect.models.language_model import LanguageModel
from biolect.nn.bidirectional import joined
from biolect.values import Axis, Embedding


class NativeEncoder(Encoder):
    """A language model, each sequence read as a document of its own with ordinary positions.

    A sequence longer than the context is read in windows that overlap by half. Special tokens are read,
    but have no vector.

    Args:
        grammar: How the model's documents are written.
        layer: Take the output of this block, 1-based; None takes the last one's, after the final norm.
        context_tokens: What the model was trained to read at once; None sets no limit.
        batch_tokens: Tokens that are read side by side, padding included.
    """

    def __init__(
        self,
        model: LanguageModel,
        *,
        axis: Axis = "sequence",
        pool: Pool = "mean",
        grammar: Grammar | None = None,
        layer: int | None = None,
        context_tokens: int | None = None,
        batch_tokens: int = 4_096,
    ) -> None:
        self.model, self.axis, self.pool = model, axis, pool
        self.grammar = grammar or Grammar()
        self.layer, self.context_tokens, self.batch_tokens = layer, context_tokens, batch_tokens
        num_layers = len(self._blocks)
        if layer is not None and not 1 <= layer <= num_layers:
            raise ConfigError(f"layer = {layer} does not exist: the model has layers 1 to {num_layers}.")

    @property
    def _blocks(self) -> torch.nn.ModuleList:
        blocks = self.model.backbone.blocks
        assert isinstance(blocks, torch.nn.ModuleList)
        return blocks

    @property
    def width(self) -> int:
        """Width of the backbone."""
        return self.model.backbone.width

    @cached_property
    def digest(self) -> str:
        """Sha256 over weights, vocabulary and everything that was chosen."""
        written = (self.grammar.tags, self.grammar.last_position)
        chosen = (self.axis, self.pool if self.axis == "sequence" else "", self.layer, self.context_tokens, written)
        return self.model.digest(chosen)

    def refusal(self, sequence: BioSequence) -> str:
        """Return why a sequence is not embedded; see `Encoder.refusal`. A letter without a token is a reason."""
        if reason := super().refusal(sequence):
            return reason
        try:
            self.model.vocabulary.encode(sequence)
        except AlphabetError as error:
            # A modality that is not read at all means the wrong model for the file, not a bad record.
            if not self.model.vocabulary.reads(sequence.modality):
                raise
            return str(error)
        return ""

    def encode(self, sequences: Sequence[BioSequence]) -> list[Embedding]:
        """Return one embedding per sequence, in order; see `Encoder.encode`."""
        pieces = [(i, *cut) for i, sequence in enumerate(sequences) for cut in self._windows(sequence)]
        ids = [self._ids(sequences[i], start, stop) for i, start, stop, _, _ in pieces]
        special = self.grammar.overhead(1) - 1
        parts: list[list[tuple[int, NDArray[np.float32]]]] = [[] for _ in sequences]
        for chosen in length_batches([len(row) for row in ids], self.batch_tokens):
            hidden = self._hidden([ids[k] for k in chosen])
            for row, k in enumerate(chosen.tolist()):
                index, start, _, first, last = pieces[k]
                parts[index].append((start, hidden[row, special + first - start : special + last - start].float().cpu().numpy()))
        ordered = (np.concatenate([vectors for _, vectors in sorted(found, key=lambda part: part[0])]) for found in parts)
        return [self.placed(sequence, vectors) for sequence, vectors in zip(sequences, ordered, strict=True)]

    def count_tokens(self, sequences: Sequence[BioSequence]) -> tuple[int, int]:
        """Return tokens computed and tokens that are no padding, for sequences encoded in one call."""
        special = self.grammar.overhead(1) - self._is_causal
        lengths = [window.stop - window.start + special for s in sequences for window in self._windows(s)]
        computed = sum(len(chosen) * lengths[chosen[0]] for chosen in length_batches(lengths, self.batch_tokens))
        return computed, sum(lengths)

    @property
    def _is_causal(self) -> bool:
        return self.model.config.is_causal

    def _windows(self, sequence: BioSequence) -> Iterator[Window]:
        return windows(len(sequence), self._room, both_sides=not self._is_causal)

    @property
    def _room(self) -> int | None:
        return None if self.context_tokens is None else self.context_tokens - self.grammar.overhead(1)

    def _ids(self, sequence: BioSequence, start: int, stop: int) -> Tensor:
        """Write a stretch as a document, without the end token where no residue would see it."""
        member = Member(self.model.vocabulary.encode(sequence)[start:stop], sequence.modality)
        rendered = self.grammar.render(Document((member,)), self.model.vocabulary, coordinates=False)
        return torch.from_numpy(rendered.token_ids[: len(rendered) - self._is_causal].astype(np.int64))

    @torch.inference_mode()
    def _hidden(self, rows: list[Tensor]) -> Float[Tensor, "B T D"]:
        token_ids = pad_sequence(rows, batch_first=True).to(self.model.device)
        # Padding stands on the right, where no real token of a causal model looks.
        real = None if self._is_causal else pad_sequence([torch.ones_like(row) for row in rows], batch_first=True).to(self.model.device)
        counted = torch.from_numpy(self.grammar.clamped(np.arange(token_ids.shape[1])))
        positions = counted.to(self.model.device).expand_as(token_ids)
        if self.layer is None:
            return self.model.hidden(token_ids, positions, real)
        caught: list[Any] = []
        tap = self._blocks[self.layer - 1].register_forward_hook(lambda *seen: caught.append(seen[-1]))
        try:
            self.model.hidden(token_ids, positions, real)
        finally:
            tap.remove()
        hidden = torch.cat(caught)
        # Where strands share, the other strand was read behind the rows, or in a call of its own.
        return hidden if len(hidden) == len(rows) else joined(hidden) / 2
