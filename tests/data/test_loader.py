"""The loader: one integer is its whole state."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from biolect.bio.coordinates import Run
from biolect.bio.sequence import Modality
from biolect.data.document import Document, Grammar, Member, Overhead
from biolect.data.loader import Loader
from biolect.data.sources import Source
from biolect.errors import ConfigError
from biolect.objectives.causal import Causal
from biolect.objectives.infill import Infill
from biolect.tokens.vocabulary import SPECIAL_INDEX, Vocabulary
from biolect.values import Batch

JOINT = Vocabulary.joint()


class Proteins(Source):
    """Documents of one letter, as long as their item says, or randomly long."""

    def __init__(self, letter: str, lengths: list[int], *, is_random: bool = False) -> None:
        self.id, self.lengths, self.is_random = JOINT.id_of(letter), lengths, is_random

    def __len__(self) -> int:
        return len(self.lengths)

    def document(self, item: int, rng: np.random.Generator, room: int, grammar: Grammar) -> Document:
        size = int(rng.integers(1, self.lengths[item])) if self.is_random else self.lengths[item]
        return Document((Member(np.full(size, self.id, np.uint8), Modality.PROTEIN, (Run(3, 3, size),)),))


def loader(sources: Mapping[str, Source], *, context: int = 64, rows: int = 3, seed: int = 0) -> Loader:
    return Loader(sources, dict.fromkeys(sources, 1.0), Grammar(), JOINT, Causal(), context_tokens=context, num_rows=rows, seed=seed)


def equal(one: Batch, other: Batch) -> bool:
    return all(torch.equal(getattr(one, f), getattr(other, f)) for f in Batch.__dataclass_fields__)


SOURCES = {"a": Proteins("A", [40] * 11, is_random=True), "c": Proteins("C", [20] * 5, is_random=True)}


def test_a_batch_depends_on_its_cursor_alone() -> None:
    cursors, batches = [0], []
    reader = loader(SOURCES)
    for _ in range(7):
        batch, following = reader.batch(cursors[-1])
        batches.append(batch)
        cursors.append(following)

    # Any batch, in any order, from a reader that has read nothing before.
    for index in (5, 0, 3):
        batch, following = loader(SOURCES).batch(cursors[index])
        assert equal(batch, batches[index]) and following == cursors[index + 1]


def test_batches_hold_every_document_once_and_in_turn() -> None:
    reader = loader(SOURCES)

    cursor, seen = 0, 0
    while cursor < 200:
        batch, following = reader.batch(cursor)
        segments = [
            batch.token_ids[r][batch.segment_ids[r] == n].tolist() for r in range(3) for n in range(1, int(batch.segment_ids[r].max()) + 1)
        ]
        assert sorted(segments) == sorted(reader.segment(i).token_ids.tolist() for i in range(cursor, following))
        seen += len(segments)
        cursor = following
    assert seen == cursor


def test_a_document_that_fits_nowhere_opens_the_next_batch() -> None:
    # Written out and shifted by one, lengths are 42 tokens: one a row of 64.
    reader = loader({"a": Proteins("A", [40] * 7)}, rows=2)

    batch, cursor = reader.batch(0)

    assert cursor == 2
    assert batch.segment_ids.max(dim=1).values.tolist() == [1, 1]
    assert equal(reader.batch(2)[0], loader({"a": Proteins("A", [40] * 7)}, rows=2).batch(2)[0])


def test_padding_never_counts() -> None:
    reader, cursor = loader(SOURCES), 0
    for _ in range(5):
        batch, cursor = reader.batch(cursor)
        padding = ~batch.attended_mask
        assert padding.any()
        assert (batch.loss_weights[padding] == 0).all() and (batch.loss_weights[~padding] == 1).all()
        assert (batch.token_ids[padding] == JOINT.pad).all() and (batch.modality_ids[padding] == SPECIAL_INDEX).all()


def test_seeds_give_other_batches() -> None:
    assert not equal(loader(SOURCES, seed=1).batch(0)[0], loader(SOURCES, seed=2).batch(0)[0])


def test_documents_as_long_as_the_context_fit() -> None:
    batch, cursor = loader({"a": Proteins("A", [62])}, rows=2).batch(0)

    assert cursor == 2 and batch.num_tokens == 128


def test_a_document_longer_than_the_context_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="Source 'a' made a document of 65 tokens, over context_tokens = 64"):
        loader({"a": Proteins("A", [63])}).batch(0)


def test_a_context_too_short_for_any_document_is_refused() -> None:
    with pytest.raises(ConfigError, match="context_tokens = 7 is too short for a document of two members. Use 16 or more."):
        loader(SOURCES, context=7)


class Whole(Proteins):
    """Documents of so many members as there is room for."""

    def document(self, item: int, rng: np.random.Generator, room: int, grammar: Overhead) -> Document:
        member = Member(np.full(self.lengths[item], self.id, np.uint8), Modality.PROTEIN)
        count = next(n for n in range(99, 0, -1) if n * len(member) + grammar.overhead(n) <= room)
        return Document((member,) * count)


def test_room_is_kept_for_what_the_objective_adds() -> None:
    sources = {"a": Whole("A", list(range(1, 60)))}
    finish = Infill.Config(always=True, mean_holes=4.0).build(JOINT)
    made = Loader(sources, {"a": 1.0}, Grammar(), JOINT, finish, context_tokens=96, num_rows=1, seed=0)

    lengths = [len(made.segment(i)) for i in range(200)]

    assert max(lengths) <= 96
    with pytest.raises(ConfigError, match="context_tokens = 48 is too short for a document of two members. Use 49 or more."):
        Loader(sources, {"a": 1.0}, Grammar(), JOINT, finish, context_tokens=48, num_rows=1, seed=0)
