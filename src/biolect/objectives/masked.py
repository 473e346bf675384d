"""The masked objective: guess residues that were hidden, from both sides."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
import pydantic
from numpy.typing import NDArray

from biolect.bio.sequence import Modality
from biolect.config import Config
from biolect.tokens.rendered import Rendered
from biolect.tokens.vocabulary import Vocabulary
from biolect.values import Segment


class Masked:
    """Some residues are targets, read off their own places; most of those the model does not see.

    Invariant: only residues that are certain (A, C, G, T; the 20 amino acids) are chosen, special tokens and
    unknown letters stay as they are, and at least one residue is chosen wherever there is one.
    """

    # The last token of a document is read, too.
    added_tokens = 1
    added_member_tokens = 0

    class Config(Config):
        """What is hidden, and how.

        Attributes:
            rate: Share of residues that are targets.
            shares: What stands in a chosen residue's place: the mask, a random residue of its modality, itself.

        Source: arXiv:2411.04165 for rate and shares. There, random tokens come from the whole vocabulary,
        special tokens included; ours are residues.
        """

        kind: Literal["masked"] = "masked"
        rate: float = pydantic.Field(default=0.15, gt=0, le=1)
        shares: tuple[float, float, float] = (0.8, 0.1, 0.1)

        @pydantic.model_validator(mode="after")
        def _shares_are_shares(self) -> Self:
            if min(self.shares) < 0 or abs(sum(self.shares) - 1) > 1e-9:
                raise ValueError(f"objective.shares = {list(self.shares)} must not be negative and must sum to 1. Usual: [0.8, 0.1, 0.1].")
            return self

        def build(self, vocabulary: Vocabulary) -> Masked:
            """Return the objective for a vocabulary. Raises AlphabetError if it has no mask."""
            return Masked(self, vocabulary)

    def __init__(self, config: Masked.Config, vocabulary: Vocabulary) -> None:
        self.config, self.mask = config, vocabulary.mask
        self.residues: dict[Modality, NDArray[np.uint8]] = {
            m: vocabulary.standard_ids(m) for m in (Modality.DNA, Modality.RNA, Modality.PROTEIN) if vocabulary.reads(m)
        }

    def __call__(self, rendered: Rendered, rng: np.random.Generator) -> Segment:
        """Return inputs and targets of one document."""
        is_certain = np.zeros(len(rendered), dtype=bool)
        for modality, residues in self.residues.items():
            is_certain |= (rendered.modality_ids == modality.index) & np.isin(rendered.token_ids, residues)
        certain = np.flatnonzero(is_certain)
        chosen = certain[rng.random(len(certain)) < self.config.rate]
        if not len(chosen) and len(certain):
            chosen = certain[rng.integers(len(certain), size=1)]
        token_ids, loss_weights = rendered.token_ids.copy(), np.zeros(len(rendered.token_ids), dtype=np.float32)
        loss_weights[chosen] = 1
        fate = rng.random(len(chosen))
        masked, random, _ = self.config.shares
        token_ids[chosen[fate < masked]] = self.mask
        for modality, residues in self.residues.items():
            exchanged = chosen[(fate >= masked) & (fate < masked + random) & (rendered.modality_ids[chosen] == modality.index)]
            token_ids[exchanged] = rng.choice(residues, size=len(exchanged))
        return Segment(token_ids, rendered.token_ids, loss_weights, rendered.positions, rendered.member_ids, rendered.modality_ids)
