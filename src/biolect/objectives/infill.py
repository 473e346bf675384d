"""The infilling objective: sequences with numbered holes, and behind them what belongs into each.

    class M K <hole1> A Y <fill> <hole1> T I Q class ...

What a causal model says about a hole it says with both sides in view. Every member is transformed on its
own; nothing is lost, only moved, so the transformation has an inverse.

Source: ProtMamba and Prot-xLSTM (arXiv:2411.04165), with spans, positions and loss as published.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pydantic
from numpy.typing import NDArray

from biolect.bio.sequence import Modality
from biolect.config import Config
from biolect.errors import ConfigError
from biolect.objectives.causal import shifted
from biolect.tokens.rendered import Rendered
from biolect.tokens.vocabulary import SPECIAL_INDEX, Vocabulary
from biolect.values import Segment

Span = tuple[int, int]
"""Start and stop of what is taken out, counted in tokens of the document. 0-based, half-open."""


@dataclass(frozen=True, eq=False)
class Infilled(Rendered):
    """A document with holes; one entry per token in every array.

    Attributes:
        answers: Whether the token stands behind the fill token of its member, or closes what stands there.
    """

    answers: NDArray[np.bool_]


class _Piece(NamedTuple):
    """A stretch of a document as it is, or one of its places under another token. 0-based, half-open."""

    start: int
    stop: int
    token: int = -1
    is_answer: bool = False


class Infill:
    """Every token but the first is a target, those in holes after the rest of their sequence; see `Config`."""

    added_tokens = 0

    class Config(Config):
        """How many holes, and how long.

        Attributes:
            mean_holes: The number of holes is drawn from a Poisson distribution of this mean, among the
                numbers for which the vocabulary has holes and the member has residues.
            span_share: A span is shorter than this share of the way to the next one, though one residue at least.
            always: Never without a hole.
            answers_only: Count only what stands behind the fill token, and the token that ends it.
            modalities: Members of other modalities stay as they are.
        """

        kind: Literal["infill"] = "infill"
        mean_holes: float = pydantic.Field(default=1.0, gt=0, allow_inf_nan=False)
        span_share: float = pydantic.Field(default=0.2, gt=0, le=1)
        always: bool = False
        answers_only: bool = False
        modalities: tuple[Literal["dna", "rna", "protein"], ...] = pydantic.Field(default=("protein",), min_length=1)

        def build(self, vocabulary: Vocabulary) -> Infill:
            """Return the objective for a vocabulary.

            Raises:
                ConfigError: If the vocabulary has no holes, or nothing to fill them behind.
            """
            return Infill(self, vocabulary)

    def __init__(self, config: Infill.Config, vocabulary: Vocabulary) -> None:
        check_holes(vocabulary)
        self.config, self.vocabulary = config, vocabulary
        self.added_member_tokens = 1 + 2 * len(vocabulary.holes)
        self._modalities = [Modality(name).index for name in config.modalities]

    def __call__(self, rendered: Rendered, rng: np.random.Generator) -> Segment:
        """Return inputs and targets of one document; spans are drawn from `rng`."""
        made = with_holes(rendered, self.spans(rendered, rng), self.vocabulary)
        return shifted(made, made.answers[1:] if self.config.answers_only else np.ones(len(made) - 1))

    def spans(self, rendered: Rendered, rng: np.random.Generator) -> list[list[Span]]:
        """Draw what is taken out of each member; ascending, apart from each other."""
        return [
            self._drawn(start, stop, rng) if rendered.modality_ids[start] in self._modalities else []
            for _, start, stop in _members(rendered)
        ]

    def _drawn(self, start: int, stop: int, rng: np.random.Generator) -> list[Span]:
        least, most = int(self.config.always), min(len(self.vocabulary.holes), stop - start)
        count = least + int(np.searchsorted(self._cumulative(least, most), rng.random(), side="right"))
        starts = start + np.sort(rng.choice(stop - start, size=count, replace=False))
        limits = np.maximum((self.config.span_share * np.diff([*starts, stop])).astype(np.int64), 2)
        return [(int(s), int(s + rng.integers(1, limit))) for s, limit in zip(starts, limits, strict=True)]

    def _cumulative(self, least: int, most: int) -> NDArray[np.float64]:
        """Probabilities of `least` to `most` holes, summed up; the last one is left out."""
        terms = np.array([self.config.mean_holes**n / math.factorial(n) for n in range(least, most + 1)])
        return np.cumsum(terms / terms.sum())[:-1]


def check_holes(vocabulary: Vocabulary) -> None:
    """Raise ConfigError if a vocabulary cannot write documents with holes."""
    if not (vocabulary.holes and vocabulary.roles.fill):
        raise ConfigError(
            f"Vocabulary '{vocabulary.name}' has no holes to fill. Use joint-64 or prot-38 with the infilling objective, or the causal one."
        )


def with_holes(rendered: Rendered, spans: Sequence[Iterable[Span]], vocabulary: Vocabulary) -> Infilled:
    """Take spans out of the members of a document and put them behind their member.

    Residues keep their positions; a hole stands where its span began, both times; the fill token, where the
    member was opened.

    Args:
        spans: For each member what to take out of it, ascending, inside its residues.
    """
    pieces: list[_Piece] = []
    for (opened, _, stop), taken in zip(_members(rendered), map(list, spans), strict=True):
        last = opened
        behind = [_Piece(opened, opened + 1, vocabulary.fill)] if taken else []
        for span, hole in zip(taken, vocabulary.holes[: len(taken)], strict=True):
            pieces += [_Piece(last, span[0]), _Piece(span[0], span[0] + 1, hole)]
            behind += [_Piece(span[0], span[0] + 1, hole, is_answer=True), _Piece(*span, is_answer=True)]
            last = span[1]
        pieces += [_Piece(last, stop), *behind]
    pieces.append(_Piece(len(rendered) - 1, len(rendered)))
    starts, stops, written, answers = np.array(pieces).T
    order = np.concatenate([np.arange(start, stop) for start, stop in zip(starts, stops, strict=True)])
    written, is_answer = np.repeat(written, stops - starts), np.repeat(answers > 0, stops - starts)
    # What stands behind the last answer says that it is over.
    is_answer[1:] |= is_answer[:-1]
    token_ids = np.where(written < 0, rendered.token_ids[order], written).astype(np.uint8)
    modality_ids = np.where(written < 0, rendered.modality_ids[order], SPECIAL_INDEX).astype(np.uint8)
    return Infilled(token_ids, rendered.positions[order], rendered.member_ids[order], modality_ids, is_answer)


def _members(rendered: Rendered) -> Iterator[tuple[int, int, int]]:
    """Yield where each member is opened, where its residues begin, and where they end; the end token belongs to none."""
    borders = np.flatnonzero(np.diff(rendered.member_ids)) + 1
    for opened, stop in zip([0, *borders.tolist()], [*borders.tolist(), len(rendered.token_ids) - 1], strict=True):
        yield opened, opened + int(np.argmax(rendered.modality_ids[opened:stop] != SPECIAL_INDEX)), stop


def without_holes(token_ids: NDArray[np.integer], vocabulary: Vocabulary) -> NDArray[np.uint8]:
    """Put what stands behind each fill token back into its holes; the inverse of `with_holes`."""
    borders = np.flatnonzero(np.isin(token_ids, [vocabulary.begin, vocabulary.separator, vocabulary.end]))
    out: list[int] = []
    for part in np.split(token_ids, borders):
        tokens: list[int] = part.tolist()
        cut = tokens.index(vocabulary.fill) if vocabulary.fill in tokens else len(tokens)
        fillings: dict[int, list[int]] = {}
        hole = vocabulary.fill
        for token in tokens[cut + 1 :]:
            if token in vocabulary.holes:
                hole = token
            fillings.setdefault(hole, []).extend([] if token == hole else [token])
        for token in tokens[:cut]:
            out += fillings.get(token, [token])
    return np.array(out, dtype=np.uint8)
