"""The language model: embedding, backbone, head; for double-stranded DNA, the same over both strands.

A sequence and its reverse complement are one molecule. Where strands share (`strands="shared"`), backbone
and head read both, with the same weights, and each place adds what the two strands say of it, letters of
the other strand complemented. So the model gives one molecule one answer, whatever the weights:

    logits(x)[t] = head(hidden(x)[t]) + complement(head(hidden(rc(x))[T - 1 - t]))
    logits(rc(x)) = complement(flip(logits(x)))

Parameters are those of the single model, work is doubled.

Source: arXiv:2403.03234 and arXiv:2411.04165 store the other strand in channels of its own, reversed. No operation
of theirs mixes the two before the head, so this is the same network without that detour, for cells of any kind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal, Self

import numpy as np
import pydantic
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from biolect.bio.sequence import Modality
from biolect.config import Config
from biolect.errors import ConfigError
from biolect.models.backbone import Backbone, State
from biolect.models.transformer import Transformer
from biolect.models.xlstm import XLSTM
from biolect.tokens.vocabulary import Vocabulary


def weights_digest(weights: Mapping[str, Tensor], *words: object) -> str:
    """Return the sha256 over words, tensors and their names: wrong bits go on to wrong numbers without a sign of it."""
    summed = hashlib.sha256("".join(map(str, words)).encode())
    for name, weight in sorted(weights.items()):
        summed.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        summed.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return summed.hexdigest()


class LanguageModel(nn.Module):
    """Token ids to logits of the next token. The vocabulary travels with the weights."""

    class Config(Config):
        """What a language model is made of.

        Attributes:
            vocabulary: Name of the vocabulary.
            backbone: Sizes of the backbone; its `kind` says which.
            strands: `shared`: read both strands of DNA with the same weights, for models that read both ways.
        """

        vocabulary: str = Vocabulary.JOINT_NAME
        backbone: Transformer.Config | XLSTM.Config = pydantic.Field(discriminator="kind")
        strands: Literal["single", "shared"] = "single"

        @pydantic.model_validator(mode="after")
        def _both_strands_can_be_read(self) -> Self:
            if self.strands == "shared" and self.is_causal:
                raise ValueError(
                    "strands = 'shared' needs a backbone that reads both ways: to a causal one, the other strand would tell what follows. "
                    "Set backbone.direction to 'bidirectional', or strands to 'single'."
                )
            return self

        @property
        def is_causal(self) -> bool:
            """Whether a token is read from those before it alone; else from both sides."""
            return self.backbone.direction == "causal"

        def build(self, seed: int | None = 0) -> LanguageModel:
            """Return a model with weights drawn from a seed; equal seeds give equal bits. Without one they take no memory."""
            # On meta first: the layers' own initial weights would be drawn for nothing, from everybody's generator.
            with torch.device("meta"):
                model = LanguageModel(self)
            if seed is not None:
                model.to_empty(device="cpu").initialize(torch.Generator().manual_seed(seed))
            return model

    def __init__(self, config: LanguageModel.Config) -> None:
        super().__init__()
        self.config = config
        self.vocabulary = Vocabulary.named(config.vocabulary)
        self.backbone: Backbone = config.backbone.build()
        self.complement_ids = _complement_ids(self.vocabulary) if config.strands == "shared" else None
        self.embedding = nn.Embedding(len(self.vocabulary), self.backbone.width)
        self.head = nn.Linear(self.backbone.width, len(self.vocabulary), bias=False)

    def initialize(self, generator: torch.Generator) -> None:
        """Draw all weights as the backbone says."""
        self.backbone.initialize(generator)
        for weight in (self.embedding.weight, self.head.weight):
            nn.init.normal_(weight, std=self.backbone.embedding_std, generator=generator)

    @property
    def num_parameters(self) -> int:
        """Trainable numbers, embedding and head included."""
        return sum(weight.numel() for weight in self.parameters())

    def digest(self, *words: object) -> str:
        """Return the sha256 over config, vocabulary, weights and further words; equal digests mean equal answers."""
        return weights_digest(self.state_dict(), self.config.to_yaml(), self.vocabulary.digest, *words)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.head.weight.device

    def hidden(
        self, token_ids: Int[Tensor, "B T"], positions: Int[Tensor, "B T"], segment_ids: Int[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T D"]:
        """Return hidden states after the final norm, one per token; where strands share, the mean of both."""
        both = self._strands(token_ids, positions, segment_ids)
        return both[0] if len(both) == 1 else (both[0] + both[1].flip(1)) / 2

    def _strands(self, token_ids: Tensor, positions: Tensor, segment_ids: Tensor | None) -> tuple[Tensor, ...]:
        """Return hidden states of the row, and of the other strand, from its own left end, where it is read.

        Positions run the other way on the other strand, so that they ascend where the row's do.
        """
        if self.complement_ids is None:
            return (self.backbone(self.embedding(token_ids), positions, segment_ids),)
        complement = torch.as_tensor(self.complement_ids, device=token_ids.device)
        ids = torch.cat([token_ids, complement[token_ids].flip(1)])
        places = torch.cat([positions, -positions.flip(1)])
        segments = None if segment_ids is None else torch.cat([segment_ids, segment_ids.flip(1)])
        here, there = self.backbone(self.embedding(ids), places, segments).chunk(2)
        return here, there

    def forward(
        self, token_ids: Int[Tensor, "B T"], positions: Int[Tensor, "B T"], segment_ids: Int[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T A"]:
        """Return logits at every place: of the next token in a causal model, of the token itself in any other.

        Args:
            positions: Where each token stands; see `data.document`.
            segment_ids: Documents packed into a row; 0 is padding. None: each row is one document.
        """
        both = self._strands(token_ids, positions, segment_ids)
        logits = self.head(both[0])
        if len(both) == 2:
            # The head reads each strand by itself, in its own order, so that equal strands give equal bits.
            logits = logits + self.head(both[1]).flip(1)[..., torch.as_tensor(self.complement_ids, device=logits.device)]
        return logits

    def prefill(self, token_ids: Int[Tensor, "1 T"], positions: Int[Tensor, "1 T"]) -> tuple[Float[Tensor, "1 T A"], State]:
        """Read a prompt once; return its logits and the state after it, ready to `fork`.

        Raises:
            ConfigError: If the model reads both sides of a token.
        """
        state = self.backbone.new_state()
        return self.extend(token_ids, positions, state), state

    def extend(self, token_ids: Int[Tensor, "N T"], positions: Int[Tensor, "N T"], state: State) -> Float[Tensor, "N T A"]:
        """Read T more tokens of each of N continuations; the state advances in place.

        Raises:
            ConfigError: If the model reads both sides of a token, so that nothing read can stay as it is.
        """
        return self.head(self.backbone.extend(self.embedding(token_ids), positions, state))

    def step(self, token_ids: Int[Tensor, " N"], positions: Int[Tensor, " N"], state: State) -> Float[Tensor, "N A"]:
        """Read one more token of each continuation and return the logits of the next."""
        return self.extend(token_ids[:, None], positions[:, None], state)[:, 0]


def _complement_ids(vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Return token id to the id of the complementary one."""
    if any(vocabulary.reads(modality) for modality in (Modality.PROTEIN, Modality.MOLECULE)):
        raise ConfigError(
            f"strands = 'shared' needs a vocabulary of nucleotides alone, such as dna-12; '{vocabulary.name}' has residues "
            "without a complementary strand. Choose another vocabulary, or set strands to 'single'."
        )
    return vocabulary.complement_ids.astype(np.int64)
