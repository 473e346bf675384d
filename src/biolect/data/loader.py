"""The loader: from a cursor to a batch. Its whole state is one integer."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from itertools import count
from typing import Protocol

import numpy as np

from biolect.data.document import Grammar
from biolect.data.mixture import Mixture
from biolect.data.packing import pack
from biolect.data.sources import Source
from biolect.errors import ConfigError
from biolect.tokens.rendered import Rendered
from biolect.tokens.vocabulary import Vocabulary
from biolect.values import Batch, Segment

SHORTEST_CONTEXT = 16
"""Rows of so many tokens hold a codon of each of three modalities with all special tokens."""


class Finish(Protocol):
    """What makes inputs and targets of a written document: an objective.

    Attributes:
        added_tokens: Most tokens that it adds to a document.
        added_member_tokens: Most tokens that it adds to every member, besides.
    """

    added_tokens: int
    added_member_tokens: int

    def __call__(self, rendered: Rendered, rng: np.random.Generator) -> Segment: ...  # noqa: D102


@dataclass(eq=False)
class Loader:
    """Draws documents, writes them out, packs them.

    Invariant: a batch and the cursor after it depend on the arguments and the cursor before it alone,
    so any rank of any run can compute any batch. A document that no row has room for opens the next batch.
    """

    sources: Mapping[str, Source]
    weights: Mapping[str, float]
    grammar: Grammar
    vocabulary: Vocabulary
    finish: Finish
    _: KW_ONLY
    context_tokens: int
    num_rows: int
    seed: int

    def __post_init__(self) -> None:
        shortest = SHORTEST_CONTEXT + 3 * self.finish.added_member_tokens
        if self.context_tokens < shortest:
            raise ConfigError(f"context_tokens = {self.context_tokens} is too short for a document of two members. Use {shortest} or more.")
        self.mixture = Mixture(self.weights, {name: len(source) for name, source in self.sources.items()}, self.seed)

    def overhead(self, num_members: int) -> int:
        """Tokens in a document of so many members that are no residues, those kept free for what the objective adds among them."""
        return self.grammar.overhead(num_members) + self.finish.added_tokens + self.finish.added_member_tokens * num_members

    def segment(self, index: int) -> Segment:
        """Return the segment at an index of the mixture, 0-based."""
        draw = self.mixture[index]
        rng = np.random.default_rng((self.seed, 2, index))
        document = self.sources[draw.name].document(draw.item, rng, self.context_tokens + 1, self)
        rendered = self.grammar.render(document, self.vocabulary, coordinates=self.grammar.uses_coordinates(document, rng))
        segment = self.finish(rendered, rng)
        if len(segment) > self.context_tokens:
            raise ConfigError(
                f"Source '{draw.name}' made a document of {len(segment)} tokens, over context_tokens = {self.context_tokens}. "
                "Raise context_tokens or shorten the crops."
            )
        return segment

    def batch(self, cursor: int) -> tuple[Batch, int]:
        """Return the batch that begins at a cursor, and the cursor of the next one."""
        batch, used = pack(map(self.segment, count(cursor)), self.num_rows, self.context_tokens, self.vocabulary.pad)
        return batch, cursor + used
