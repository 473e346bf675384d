"""Sources of lone members and of groups: every residue is reachable, the split is kept, the room is kept."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from biolect.bio.coordinates import Run
from biolect.bio.sequence import Modality, Sequence
from biolect.data.document import Document, Grammar, Member, View
from biolect.data.shards import MemberStore, MemberWriter
from biolect.data.sources import GroupSource, SingleSource, Source, document_weights
from biolect.tokens.vocabulary import Vocabulary

JOINT = Vocabulary.joint()
GRAMMAR = Grammar()
DNA, PROTEIN = Modality.DNA, Modality.PROTEIN


def write(folder: Path, groups: list[tuple[str, list[tuple[Modality, View, str]]]]) -> MemberStore:
    """A store of groups, each a split and its members."""
    with MemberWriter(folder, JOINT) as writer:
        for index, (split, members) in enumerate(groups):
            writer.begin_group(f"g{index}", split=split)
            for modality, view, letters in members:
                runs = (Run(1, 1, len(letters)),) if view is not View.RECORD else ()
                writer.add(JOINT.encode(Sequence(letters, modality)), modality, view, runs)
    return MemberStore.open(folder)


def text(source: Source, item: int, seed: int = 0, room: int = 1_025) -> str:
    (member,) = source.document(item, np.random.default_rng(seed), room, GRAMMAR).members
    return JOINT.decode(member.token_ids, member.modality)


def test_lone_members_are_those_of_the_split_the_modality_and_the_views(tmp_path: Path) -> None:
    store = write(
        tmp_path / "s",
        [
            ("train", [(DNA, View.CDS, "ATG"), (DNA, View.LOCUS, "ATGC"), (PROTEIN, View.PROTEIN, "M")]),
            ("valid", [(DNA, View.CDS, "CCC")]),
            ("train", []),
            ("train", [(DNA, View.CDS, ""), (PROTEIN, View.PROTEIN, "KK")]),
        ],
    )

    def texts(split: str, modality: Modality, *views: View) -> list[str]:
        source = SingleSource(store, split, modality, views=views)
        return [text(source, item) for item in range(len(source))]

    assert texts("train", DNA, View.CDS) == ["ATG"]
    assert texts("train", DNA) == ["ATG", "ATGC"]
    assert texts("valid", DNA) == ["CCC"]
    assert texts("train", PROTEIN) == ["M", "KK"]
    assert texts("test", PROTEIN) == []


def test_long_members_are_read_in_windows_that_reach_every_residue(tmp_path: Path) -> None:
    long = "".join(np.random.default_rng(0).choice(list("ACDEFGHIKL"), size=101))
    store = write(tmp_path / "s", [("train", [(PROTEIN, View.RECORD, "MM")]), ("train", [(PROTEIN, View.RECORD, long)])])
    source = SingleSource(store, "train", PROTEIN, window=20)

    windows = [text(source, item, seed) for item in range(1, 7) for seed in range(60)]

    assert len(source) == 7 and text(source, 0) == "MM"
    assert {len(window) for window in windows} == {20}
    reached = {place for window in windows for place in range(long.index(window), long.index(window) + 20)}
    assert reached == set(range(101))


def test_windows_shrink_to_the_room(tmp_path: Path) -> None:
    store = write(tmp_path / "s", [("train", [(PROTEIN, View.RECORD, "MKLV" * 20)])])
    source = SingleSource(store, "train", PROTEIN)

    assert {len(text(source, 0, seed, room=17)) for seed in range(20)} == {17 - GRAMMAR.overhead(1)}


def test_only_whole_records_of_dna_are_read_from_the_other_strand(tmp_path: Path) -> None:
    store = write(
        tmp_path / "s", [("train", [(DNA, View.RECORD, "AACGN"), (DNA, View.CDS, "AACGN")]), ("train", [(PROTEIN, View.RECORD, "MKA")])]
    )

    def seen(modality: Modality, share: float, *views: View) -> set[str]:
        source = SingleSource(store, "train", modality, views=views, reverse_complement=share)
        return {text(source, 0, seed) for seed in range(40)}

    assert seen(DNA, 0.5, View.RECORD) == {"AACGN", "NCGTT"}
    assert seen(DNA, 0.0, View.RECORD) == {"AACGN"}
    assert seen(DNA, 1.0, View.RECORD) == {"NCGTT"}
    assert seen(DNA, 1.0, View.CDS) == {"AACGN"}
    assert seen(PROTEIN, 1.0) == {"MKA"}


def test_related_members_are_drawn_two_or_three_at_a_time_in_any_order(tmp_path: Path) -> None:
    members = [(PROTEIN, View.RECORD, letter * 50) for letter in "ACDE"]
    store = write(tmp_path / "s", [("train", members), ("train", [(PROTEIN, View.RECORD, "K")]), ("train", []), ("test", members)])
    source = GroupSource(store, "train", shuffled=True)

    drawn = [source.document(0, np.random.default_rng(seed), 1_025, GRAMMAR) for seed in range(300)]

    assert len(source) == 2
    counts = Counter(len(document.members) for document in drawn)
    assert set(counts) == {2, 3} and 0.04 < counts[3] / 300 < 0.18
    assert len({document.members[0].token_ids[0] for document in drawn}) == 4
    assert len(source.document(1, np.random.default_rng(0), 1_025, GRAMMAR).members) == 1


def test_related_members_share_a_small_room_equally(tmp_path: Path) -> None:
    store = write(tmp_path / "s", [("train", [(PROTEIN, View.RECORD, "A" * 90), (PROTEIN, View.RECORD, "C" * 90)])])

    document = GroupSource(store, "train", shuffled=True).document(0, np.random.default_rng(0), 45, GRAMMAR)

    assert [len(member) for member in document.members] == [20, 20]


def test_texts_keep_their_order_and_are_cut_on_the_right(tmp_path: Path) -> None:
    store = write(tmp_path / "s", [("train", [(PROTEIN, View.RECORD, letter * 9) for letter in "ACD"])])

    document = GroupSource(store, "train", shuffled=False).document(0, np.random.default_rng(0), 27, GRAMMAR)

    assert [JOINT.decode(m.token_ids, PROTEIN) for m in document.members] == ["A" * 9, "C" * 9, "DD"]


class Fixed(Source):
    """Documents of one length."""

    def __init__(self, size: int, count: int = 7) -> None:
        self.size, self.count = size, count

    def __len__(self) -> int:
        return self.count

    def document(self, item: int, rng: np.random.Generator, room: int, grammar: Grammar) -> Document:
        return Document((Member(np.full(self.size, 16, np.uint8), PROTEIN),))


def test_shares_of_tokens_become_shares_of_documents() -> None:
    weights = document_weights({"short": Fixed(7), "long": Fixed(97)}, {"short": 0.5, "long": 0.5}, 1_025, GRAMMAR)

    # With bos, tag and eos they are 10 and 100 tokens long.
    assert weights == {"short": 0.05, "long": 0.005}
