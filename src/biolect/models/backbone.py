"""What every backbone is: embeddings to hidden states, blind to modality, stepped by an opaque state."""

from abc import ABC, abstractmethod
from typing import Any, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from biolect.errors import ConfigError


class State(ABC):
    """What must be remembered to continue. Opaque: only the backbone that made it looks inside."""

    @abstractmethod
    def fork(self, count: int) -> Self:
        """Return a state for `count` independent continuations of what was read so far.

        The original stays usable and is not changed by what happens to the copies.

        Raises:
            ShapeError: If the state already holds several continuations.
        """

    @abstractmethod
    def fork_bytes(self, num_tokens: int) -> int:
        """Memory that each continuation of a fork needs of its own once it has read so many tokens."""

    @abstractmethod
    def keep(self, rows: Int[Tensor, " M"]) -> None:
        """Drop all continuations but those at the given places, 0-based; in place."""

    @property
    @abstractmethod
    def num_bytes(self) -> int:
        """Memory of the tensors held."""

    @property
    @abstractmethod
    def num_tokens(self) -> int:
        """Tokens read so far, of one continuation."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Return the content by name, to be written to disk.

        Raises:
            ShapeError: If the state holds several continuations.
        """


class Backbone(nn.Module, ABC):
    """Stack of blocks, closed by a norm. Reads positions as given: where they come from is the data's affair.

    Its `Config` has a `kind`, a `direction`, which is "causal" or a way to read both sides, and `build()`.

    Attributes:
        embedding_std: Spread of initial embeddings and heads that suits it.
        is_causal: Whether hidden states depend on nothing that follows. Where they do, there are no states.
        recomputes: Trade a third more work for the memory of activations.
    """

    width: int
    blocks: Any
    norm: Any
    embedding_std: float = 0.02
    is_causal: bool = True
    recomputes: bool = False

    @abstractmethod
    def initialize(self, generator: torch.Generator) -> None:
        """Draw all weights; equal generators give equal bits."""

    @abstractmethod
    def forward(
        self, embeddings: Float[Tensor, "B T D"], positions: Int[Tensor, "B T"], segment_ids: Int[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T D"]:
        """Return hidden states of whole rows.

        Args:
            segment_ids: Nothing flows between different ids, nor from or to 0 (padding). None: each row is one segment.
        """

    def through(self, x: Float[Tensor, "B T D"], *beside: Any) -> Float[Tensor, "B T D"]:
        """Return what comes out of all blocks and the norm behind them; every block is given the rest as it is."""
        for block in self.blocks:
            x = checkpoint(block, x, *beside, use_reentrant=False) if self.recomputes else block(x, *beside)
        return self.norm(x)

    def check_causal(self) -> None:
        """Raise a ConfigError if hidden states depend on what follows, so that nothing read can stay as it is."""
        if not self.is_causal:
            raise ConfigError(
                "This model reads both sides of every residue, so no text can be read in advance or continued. "
                "Ask it by score or variants without --context and --given, or use a causal model."
            )

    @abstractmethod
    def new_state(self) -> State:
        """Return the state before the first token, of one continuation.

        Raises:
            ConfigError: If the backbone is not causal.
        """

    @abstractmethod
    def state_of(self, tensors: dict[str, Tensor]) -> State:
        """Rebuild a state from `State.tensors`.

        Raises:
            CheckpointError: If the tensors are those of another model.
        """

    @abstractmethod
    def extend(self, embeddings: Float[Tensor, "N T D"], positions: Int[Tensor, "N T"], state: State) -> Float[Tensor, "N T D"]:
        """Read T more tokens of each of N continuations; the state advances in place.

        Equal to `forward` over everything read so far, at the last T places, up to rounding.

        Raises:
            ConfigError: If the backbone is not causal.
        """
