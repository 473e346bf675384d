import numpy as np
import pytest

from biolect.bio.sequence import Modality, Sequence
from biolect.data.document import Grammar
from biolect.errors import ShapeError
from biolect.infer.prompt import Prompt, write
from biolect.infer.reader import Reader, counted
from biolect.tokens.vocabulary import Vocabulary
from tests.infer.conftest import dna, protein

WORDS = Vocabulary.joint()


def tokens(rendered) -> str:
    return " ".join(WORDS.tokens[i] for i in rendered.token_ids)


@pytest.fixture
def pair(reader: Reader):
    return reader.member(Sequence("ATGAAA", Modality.DNA)), reader.member(Sequence("MK", Modality.PROTEIN))


def test_a_prompt_is_the_open_beginning_of_a_document(reader: Reader, pair):
    prompt = Prompt.of(pair, Grammar())

    closed = tokens(write(prompt, Grammar(), WORDS, coordinates=False))

    assert closed == "<bos> <dna> a t g a a a <sep> <prot> M K <eos>"
    assert prompt.num_tokens(Grammar()) == len(closed.split()) - 1


def test_what_follows_changes_nothing_in_the_prompt(reader: Reader, pair):
    prompt = Prompt.demonstrations([pair, pair], Grammar(), labels=[True, False])
    longer = prompt.with_members(pair[1])

    for follows in (False, True):
        members = Prompt(tuple(counted(m) for m in longer.members), longer.labels) if follows else longer
        before = Prompt(members.members[:-1], members.labels)
        short, long = (write(p, Grammar(), WORDS, coordinates=follows) for p in (before, members))
        size = prompt.num_tokens(Grammar())
        assert len(short) == size + 1
        for name in ("token_ids", "positions", "member_ids", "modality_ids"):
            assert np.array_equal(getattr(short, name)[:size], getattr(long, name)[:size]), name


def test_labels_stand_behind_their_pairs_and_keep_positions_in_step(reader: Reader, pair):
    prompt = Prompt.demonstrations([pair, pair], Grammar(tags=False), labels=[True, False])

    rendered = write(prompt, Grammar(tags=False), WORDS, coordinates=False)

    assert tokens(rendered) == "<bos> a t g a a a <sep> M K <pos> <sep> a t g a a a <sep> M K <neg> <eos>"
    assert rendered.positions.tolist() == list(range(len(rendered)))


def test_on_coordinates_a_label_stands_where_the_next_residue_would(pair):
    members = tuple(counted(member) for member in pair)

    rendered = write(Prompt(members, {1: True}), Grammar(tags=False), WORDS, coordinates=True)

    assert tokens(rendered) == "<bos> a t g a a a <sep> M K <pos> <eos>"
    assert rendered.positions.tolist() == [0, 1, 2, 3, 4, 5, 6, 0, 3, 6, 9, 9]


def test_the_budget_keeps_whole_units_in_order_and_reports_the_rest(reader: Reader):
    members = [reader.member(protein(n, n)) for n in (10, 20, 30, 5)]

    prompt = Prompt.of(members, Grammar(), budget_tokens=2 + 10 + 2 + 20)

    assert [len(member) for member in prompt.members] == [10, 20]
    assert prompt.left_out == (2, 3)
    assert prompt.num_tokens(Grammar()) == 34


def test_a_pair_is_shown_whole_or_not_at_all(pair):
    prompt = Prompt.demonstrations([pair, pair], Grammar(), budget_tokens=2 * (6 + 2 + 4) - 1)

    assert len(prompt) == 2
    assert prompt.left_out == (1,)


def test_a_prompt_may_have_more_members_than_a_byte_can_number(reader: Reader):
    prompt = Prompt.of([reader.member(protein(1, 0))] * 300, Grammar())

    rendered = reader.write(prompt, reader.member(dna(4, 0)))

    assert len(prompt) == 300
    assert rendered.member_ids[-1] == 300


def test_labels_must_be_as_many_as_pairs(pair):
    with pytest.raises(ShapeError, match="There are 1 demonstrations, but 2 labels. Give one per pair"):
        Prompt.demonstrations([pair], Grammar(), labels=[True, False])


def test_an_empty_prompt_has_no_tokens():
    assert Prompt().num_tokens(Grammar()) == 0
