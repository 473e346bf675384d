"""Prompts: what stands before the question, in one document.

    <bos> [tag] member (<sep> [tag] member)*        open: ready for one more member

Demonstrations are pairs (a gene and its protein) that show a task; under labels, `<pos>` or `<neg>`
stands behind each pair, and the answer is read off the token that follows the pair in question.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from biolect.bio.sequence import Modality
from biolect.data.document import Document, Grammar, Member
from biolect.errors import ShapeError
from biolect.models.backbone import State
from biolect.tokens.rendered import Rendered
from biolect.tokens.vocabulary import SPECIAL_INDEX, Vocabulary


class Context(NamedTuple):
    """A prompt that was read: its state is forked, never advanced.

    Attributes:
        logits: Of the token after the prompt.
        num_tokens: Tokens read, special tokens included.
    """

    state: State
    logits: Float[Tensor, " A"]
    num_tokens: int


@dataclass(frozen=True, eq=False)
class Prompt:
    """Members in the order in which they are read, open at the end.

    Attributes:
        labels: By the 0-based index of the member that a pair ends with, whether the pair is true.
        left_out: 0-based indices of the members, or pairs, that were given but had no room.
        read: What a model made of it, if it was read before, with ordinary positions; see `Reader.read`.
    """

    members: tuple[Member, ...] = ()
    labels: Mapping[int, bool] = field(default_factory=dict)
    left_out: tuple[int, ...] = ()
    read: Context | None = None

    def __len__(self) -> int:
        return len(self.members)

    @classmethod
    def of(cls, members: Iterable[Member], grammar: Grammar, budget_tokens: int | None = None) -> Prompt:
        """Join members in their order, whole ones only, as far as the budget goes.

        Args:
            budget_tokens: Most tokens of the prompt, special tokens included; None sets no limit.
        """
        return cls.demonstrations([(member,) for member in members], grammar, budget_tokens)

    @classmethod
    def sampled(
        cls,
        members: Sequence[Member],
        grammar: Grammar,
        budget_tokens: int | None = None,
        *,
        weights: NDArray[np.float64] | None = None,
        seed: int = 0,
    ) -> Prompt:
        """Draw members without replacement, whole ones only, until the next one has no room.

        Members that are longer than the whole budget are passed over.

        Args:
            budget_tokens: As for `of`.
            weights: How likely each is drawn, next to the others; None draws all alike.
        """
        rates = np.ones(len(members)) if weights is None else weights
        chosen: list[int] = []
        # The order of exponential waiting times is that of draws without replacement.
        for index in np.argsort(np.random.default_rng(seed).exponential(size=len(members)) / rates, kind="stable").tolist():
            if budget_tokens is not None:
                if cls((members[index],)).num_tokens(grammar) > budget_tokens:
                    continue
                if cls(tuple(members[i] for i in (*chosen, index))).num_tokens(grammar) > budget_tokens:
                    break
            chosen.append(index)
        left_out = sorted(set(range(len(members))) - set(chosen))
        return cls(tuple(members[i] for i in chosen), left_out=tuple(left_out))

    @classmethod
    def demonstrations(
        cls,
        pairs: Iterable[tuple[Member, ...]],
        grammar: Grammar,
        budget_tokens: int | None = None,
        *,
        labels: Sequence[bool] | None = None,
    ) -> Prompt:
        """Join pairs that show a task, whole ones only, as far as the budget goes.

        One that has no room ends the prompt, so that order keeps its meaning.

        Args:
            budget_tokens: As for `of`.
            labels: Truth of each pair, written behind it; None writes none.

        Raises:
            ShapeError: If there are labels, but not one per pair.

        Source:
            arXiv:2410.11499 describes such prompts, but neither separators nor labels; ours stay inside one
            document, as documents of several pairs do in training.
        """
        shown = list(pairs)
        if labels is not None and len(labels) != len(shown):
            raise ShapeError(f"There are {len(shown)} demonstrations, but {len(labels)} labels. Give one per pair.")
        prompt = cls()
        for index, pair in enumerate(shown):
            members = (*prompt.members, *pair)
            longer = cls(members, prompt.labels if labels is None else {**prompt.labels, len(members) - 1: labels[index]})
            if budget_tokens is not None and longer.num_tokens(grammar) > budget_tokens:
                return replace(prompt, left_out=tuple(range(index, len(shown))))
            prompt = longer
        return prompt

    def num_tokens(self, grammar: Grammar) -> int:
        """Tokens of the open prompt; 0 without members."""
        if not self.members:
            return 0
        return grammar.overhead(len(self)) - 1 + sum(map(len, self.members)) + len(self.labels)

    def with_members(self, *members: Member) -> Prompt:
        """Return the prompt with more members at its end; what was read of it stays read."""
        return replace(self, members=(*self.members, *members))


def write(prompt: Prompt, grammar: Grammar, vocabulary: Vocabulary, *, coordinates: bool) -> Rendered:
    """Write a prompt as a document with its labels, closed by the end token.

    What stands before the last member does not depend on it, so the first `Prompt.num_tokens` tokens are
    those of the prompt without it.
    """
    rendered = grammar.render(Document(prompt.members), vocabulary, coordinates=coordinates)
    if not prompt.labels:
        return rendered
    labelled = sorted(prompt.labels)
    sizes = [len(grammar.opening(m, vocabulary, first=i == 0)) + len(m) for i, m in enumerate(prompt.members)]
    ends = np.cumsum(sizes)[labelled]
    tokens = [vocabulary.id_of("<pos>" if prompt.labels[i] else "<neg>") for i in labelled]
    strides = [3 if prompt.members[i].modality is Modality.PROTEIN else 1 for i in labelled]
    token_ids = np.insert(rendered.token_ids, ends, tokens)
    positions = grammar.clamped(np.insert(rendered.positions, ends, rendered.positions[ends - 1] + strides))
    return Rendered(
        token_ids,
        positions if coordinates or grammar.positions == "member" else np.arange(len(token_ids), dtype=np.int32),
        np.insert(rendered.member_ids, ends, labelled),
        np.insert(rendered.modality_ids, ends, SPECIAL_INDEX),
    )
