"""The language model: embedding, backbone, head."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from biolect.config import Config
from biolect.errors import ConfigError
from biolect.models.backbone import State
from biolect.models.transformer import Transformer
from biolect.tokens.vocabulary import Vocabulary

READS_BOTH_SIDES = (
    "This model reads both sides of every residue, so no text can be read in advance or continued. "
    "Ask it by score or variants without --context and --given, or use a causal model."
)


class LanguageModel(nn.Module):
    """Token ids to logits of the next token. The vocabulary travels with the weights."""

    class Config(Config):
        """What a language model is made of.

        Attributes:
            vocabulary: Name of the vocabulary.
            backbone: Sizes of the backbone; its `kind` says which.
        """

        vocabulary: str = Vocabulary.JOINT_NAME
        backbone: Transformer.Config

        @property
        def is_causal(self) -> bool:
            """Whether a token is read from those before it alone; else from both sides."""
            return self.backbone.direction == "causal"

        def build(self, seed: int = 0) -> LanguageModel:
            """Return a model with weights drawn from a seed; equal seeds give equal bits."""
            # On meta first: the layers' own initial weights would be drawn for nothing, from everybody's generator.
            with torch.device("meta"):
                model = LanguageModel(self)
            model.to_empty(device="cpu").initialize(torch.Generator().manual_seed(seed))
            return model

    def __init__(self, config: LanguageModel.Config) -> None:
        super().__init__()
        self.config = config
        self.vocabulary = Vocabulary.named(config.vocabulary)
        self.backbone = config.backbone.build()
        self.embedding = nn.Embedding(len(self.vocabulary), self.backbone.width)
        self.head = nn.Linear(self.backbone.width, len(self.vocabulary), bias=False)

    def initialize(self, generator: torch.Generator) -> None:
        """Draw all weights: embedding and head from N(0, 0.02), the rest as the backbone says."""
        self.backbone.initialize(generator)
        for weight in (self.embedding.weight, self.head.weight):
            nn.init.normal_(weight, std=0.02, generator=generator)

    @property
    def num_parameters(self) -> int:
        """Trainable numbers, embedding and head included."""
        return sum(weight.numel() for weight in self.parameters())

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.head.weight.device

    def hidden(
        self, token_ids: Int[Tensor, "B T"], positions: Int[Tensor, "B T"], segment_ids: Int[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T D"]:
        """Return hidden states after the final norm, one per token."""
        return self.backbone(self.embedding(token_ids), positions, segment_ids)

    def forward(
        self, token_ids: Int[Tensor, "B T"], positions: Int[Tensor, "B T"], segment_ids: Int[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T A"]:
        """Return logits at every place: of the next token in a causal model, of the token itself in any other.

        Args:
            positions: Where each token stands; see `data.document`.
            segment_ids: Documents packed into a row; 0 is padding. None: each row is one document.
        """
        return self.head(self.hidden(token_ids, positions, segment_ids))

    def prefill(self, token_ids: Int[Tensor, "1 T"], positions: Int[Tensor, "1 T"]) -> tuple[Float[Tensor, "1 T A"], State]:
        """Read a prompt once; return its logits and the state after it, ready to `fork`."""
        state = self.backbone.new_state()
        return self.extend(token_ids, positions, state), state

    def extend(self, token_ids: Int[Tensor, "N T"], positions: Int[Tensor, "N T"], state: State) -> Float[Tensor, "N T A"]:
        """Read T more tokens of each of N continuations; the state advances in place.

        Raises:
            ConfigError: If the model reads both sides of a token, so that nothing read can stay as it is.
        """
        if not self.config.is_causal:
            raise ConfigError(READS_BOTH_SIDES)
        return self.head(self.backbone.extend(self.embedding(token_ids), positions, state))

    def step(self, token_ids: Int[Tensor, " N"], positions: Int[Tensor, " N"], state: State) -> Float[Tensor, "N A"]:
        """Read one more token of each continuation and return the logits of the next."""
        return self.extend(token_ids[:, None], positions[:, None], state)[:, 0]
