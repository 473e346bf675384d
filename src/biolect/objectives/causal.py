"""The causal objective: say the next token."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from biolect.config import Config
from biolect.tokens.rendered import Rendered
from biolect.tokens.vocabulary import Vocabulary
from biolect.values import Segment


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

    def __call__(self, rendered: Rendered, rng: np.random.Generator) -> Segment:
        """Return inputs and targets of one document; draws nothing from `rng`."""
        return shifted(rendered, np.ones(len(rendered) - 1))


def shifted(rendered: Rendered, weights: NDArray[Any]) -> Segment:
    """Return a document whose every token but the first is a target, and how much each of them counts."""
    return Segment(
        rendered.token_ids[:-1],
        rendered.token_ids[1:],
        weights.astype(np.float32),
        rendered.positions[:-1],
        rendered.member_ids[1:],
        rendered.modality_ids[1:],
    )
