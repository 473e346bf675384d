"""The reader: a model together with the way in which its documents are written.

Training and asking share one road: whatever is asked is written out by the grammar that the model was
trained with. `Reader` keeps the two together, and knows how much the model can read at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from biolect.bio import sequence as bio
from biolect.bio.coordinates import Run
from biolect.data.document import Grammar, Member, View
from biolect.data.packing import length_batches
from biolect.errors import ConfigError
from biolect.infer.prompt import Context, Prompt, write
from biolect.models import checkpoint
from biolect.models.language_model import LanguageModel
from biolect.models.resolve import resolve
from biolect.objectives.infill import Infilled
from biolect.objectives.loss import token_losses
from biolect.tokens.rendered import Rendered
from biolect.values import Segment

BATCH_TOKENS = 4_096
Strands = Literal["one", "both"]


@dataclass(frozen=True)
class Reader:
    """A language model that is asked. Instances never change, nor do the weights.

    Attributes:
        grammar: How its documents are written.
        context_tokens: What it was trained to read at once; None where that is not known.
        batch_tokens: Tokens that are read side by side; changes speed and memory, not results.
        strands: `both` averages every score of DNA over the sequence and its reverse complement, for models
            that were trained on either strand (post-hoc conjoining).
        infills: Modalities whose members it was trained to fill holes of; variants of these are scored by infill.
    """

    model: LanguageModel
    grammar: Grammar = Grammar()
    context_tokens: int | None = None
    batch_tokens: int = BATCH_TOKENS
    strands: Strands = "one"
    infills: tuple[bio.Modality, ...] = ()

    @classmethod
    def load(
        cls,
        address: str | Path,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        batch_tokens: int = BATCH_TOKENS,
    ) -> Reader:
        """Load a model and what its folder says about how it reads.

        Raises:
            CheckpointError: If there is no whole model at the address.
        """
        folder = resolve(address)
        facts = checkpoint.read_facts(folder)
        model = checkpoint.load(folder, device=device, dtype=dtype)
        infills = tuple(bio.Modality(name) for name in facts.get("objective", {}).get("modalities", ()))
        return cls(model, Grammar.from_dict(facts.get("grammar", {})), facts.get("context_tokens"), batch_tokens, infills=infills)

    @property
    def room(self) -> int | None:
        """Residues of one record that are read at once; None sets no limit."""
        return None if self.context_tokens is None else self.context_tokens - self.grammar.overhead(1)

    def member(self, sequence: bio.Sequence, runs: tuple[Run, ...] = (), view: View = View.RECORD) -> Member:
        """Return a sequence as a member of a document."""
        return Member(self.model.vocabulary.encode(sequence), sequence.modality, runs, view)

    def sequence(self, member: Member) -> bio.Sequence:
        """Return a member as a sequence; the inverse of `member`."""
        return bio.Sequence(self.model.vocabulary.decode(member.token_ids, member.modality), member.modality)

    def write(self, prompt: Prompt, *members: Member, coordinates: bool = False) -> Rendered:
        """Write a prompt with more members behind it, closed by the end token."""
        return write(prompt.with_members(*members), self.grammar, self.model.vocabulary, coordinates=coordinates)

    def written(self, prompt: Prompt, member: Member) -> tuple[Rendered, Context | None]:
        """Write a prompt and a member, on gene coordinates if all have them; return it with what was read of it before."""
        follows = self.follows_coordinates(*prompt.members, member)
        return self.write(prompt, member, coordinates=follows), None if follows else prompt.read

    def check_alone(self, *, alone: bool) -> None:
        """Raise ConfigError where something stands before the question and the model, or the strands, leave no room for it."""
        if not alone:
            self.model.backbone.check_causal()
        if not alone and self.strands == "both":
            raise ConfigError("Both strands can be asked of records alone only. Leave out --context and --given, or ask one strand.")

    def asked(self, by: Literal["infill", "causal"] | None, modality: bio.Modality) -> Reader:
        """Return a reader that scores variants in this way; None leaves it to what the model was trained to do.

        Raises:
            ConfigError: If it was not trained to fill holes of the modality, and should.
        """
        if by == "infill" and modality not in self.infills:
            raise ConfigError(f"Scoring by infill needs a model trained to fill holes of {modality}; this one was not. Ask it causal.")
        return replace(self, infills=()) if by == "causal" else self

    def follows_coordinates(self, *members: Member) -> bool:
        """True where gene coordinates can be followed: the model knows them, and every member has them."""
        return self.grammar.positions == "shared" and all(member.runs for member in members)

    def read(self, prompt: Prompt) -> Prompt:
        """Read a prompt, with ordinary positions, for all questions that follow; what was read before is not read again."""
        if prompt.read is not None or not prompt.members:
            return prompt
        return replace(prompt, read=self.prefill(self.write(prompt), prompt.num_tokens(self.grammar)))

    @torch.inference_mode()
    def prefill(self, rendered: Rendered | Infilled, num_tokens: int, start: Context | None = None) -> Context:
        """Read the first tokens of a written document once, to be reused.

        Args:
            start: What was read of it before; only what follows is read now.
        """
        first = 0 if start is None else start.num_tokens
        if start is not None and num_tokens == first:
            return start
        ids, positions = (torch.from_numpy(x[first:num_tokens].astype(np.int64))[None] for x in (rendered.token_ids, rendered.positions))
        state = self.model.backbone.new_state() if start is None else start.state.fork(1)
        logits = [self.model.extend(piece[0], piece[1], state)[0, -1] for piece in self._pieces(ids, positions)]
        return Context(state, logits[-1], num_tokens)

    @torch.inference_mode()
    def log_likelihoods(self, segments: Sequence[Segment], context: Context | None = None) -> list[NDArray[np.float32]]:
        """Return the log-likelihood of every target of every segment, in their order. Nats.

        Args:
            context: What was read before each of them; None: each begins a document.
        """
        found: list[NDArray[np.float32]] = [np.zeros(0, dtype=np.float32)] * len(segments)
        for chosen in length_batches([len(segment) for segment in segments], self.batch_tokens):
            ids, positions, targets = (self._rows(segments, chosen, name) for name in ("token_ids", "positions", "targets"))
            if context is None and (ids.shape[1] <= self.batch_tokens or not self.model.config.is_causal):
                rows = -token_losses(self.model(ids, positions), targets).cpu().numpy()
            else:
                # A row by itself may be longer than what is read at once: memory follows the state, not the row.
                state = context.state.fork(len(chosen)) if context else self.model.backbone.new_state()
                # Written where they stay: kept piece by piece, they would keep what lies between them from being used again.
                losses, first = torch.empty(targets.shape), 0
                for read, places, wanted in self._pieces(ids, positions, targets):
                    losses[:, first : first + read.shape[1]] = token_losses(self.model.extend(read, places, state), wanted)
                    first += read.shape[1]
                rows = -losses.numpy()
            for row, index in zip(rows, chosen.tolist(), strict=True):
                found[index] = row[: len(segments[index])]
        return found

    def _pieces(self, *rows: Tensor) -> list[tuple[Tensor, ...]]:
        """Cut rows, (N, T) each, into pieces of at most `batch_tokens` places, on the device of the model."""
        return list(zip(*(row.to(self.model.device).split(self.batch_tokens, dim=1) for row in rows), strict=True))

    def _rows(self, segments: Sequence[Segment], chosen: NDArray[np.int64], name: str) -> Tensor:
        # Padding stands on the right, where no real token looks.
        rows = [torch.from_numpy(getattr(segments[i], name).astype(np.int64)) for i in chosen.tolist()]
        return pad_sequence(rows, batch_first=True).to(self.model.device)


def counted(member: Member) -> Member:
    """Give a member gene coordinates by the one rule that knows nothing of its partner.

    Letters of a coding sequence stand at 1, 2, 3, residues of a protein at 3, 6, 9, whatever is inserted,
    deleted or exchanged in them. Coordinates that followed an alignment instead would tell true from false.
    """
    stride = 3 if member.modality is bio.Modality.PROTEIN else 1
    return Member(member.token_ids, member.modality, (Run(stride, stride, len(member)),), member.view)
