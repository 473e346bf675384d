"""The causal objective: say the next token."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from biolect.config import Config
from biolect.tokens.vocabulary import Vocabulary
from biolect.values import Segment


class RenderedDocument(Protocol):
    """What an objective needs of a written-out document: four arrays of equal length."""

    @property
    def token_ids(self) -> NDArray[np.uint8]: ...  # noqa: D102

    @property
    def positions(self) -> NDArray[np.int32]: ...  # noqa: D102

    @property
    def member_ids(self) -> NDArray[np.int32]: ...  # noqa: D102

    @property
    def modality_ids(self) -> NDArray[np.uint8]: ...  # noqa: D102


class Causal:
    """Every token but the first is a target, read off the token before it; padding never is."""

    added_tokens = 0
    added_member_tokens = 0

    class Config(Config):
        """The causal objective has no settings."""

        kind: Literal["causal"] = "causal"

        def build(self, vocabulary: Vocabulary) -> Causal:
            """Return the objective; it needs nothing of the vocabulary."""
            return Causal()

    def __call__(self, rendered: RenderedDocument, rng: np.random.Generator) -> Segment:
        """Return inputs and targets of one document; draws nothing from `rng`."""
        return Segment(
            token_ids=rendered.token_ids[:-1],
            targets=rendered.token_ids[1:],
            loss_weights=np.ones(len(rendered.token_ids) - 1, dtype=np.float32),
            positions=rendered.positions[:-1],
            member_ids=rendered.member_ids[1:],
            modality_ids=rendered.modality_ids[1:],
        )
