"""Member stores: written in a stream, read by index."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from biolect.bio.coordinates import Run
from biolect.bio.sequence import Modality, Sequence
from biolect.data.document import View
from biolect.data.shards import MemberStore, MemberWriter, Place, assign
from biolect.errors import AlphabetError, CheckpointError, InputError
from biolect.tokens.vocabulary import Vocabulary

JOINT = Vocabulary.joint()
CDS = JOINT.encode(Sequence("ATGAAATAA", Modality.DNA))
PROTEIN = JOINT.encode(Sequence("MK", Modality.PROTEIN))


def write_one_gene(folder: Path) -> MemberStore:
    with MemberWriter(folder, JOINT) as writer:
        writer.begin_group("thrL", places=[Place("NC_1", 10, 19), Place("NC_1", 0, 2)])
        writer.add(CDS, Modality.DNA, View.CDS, [Run(1, 1, 9)], name="thrL.cds")
        writer.add(PROTEIN, Modality.PROTEIN, View.PROTEIN, [Run(3, 3, 2)])
        writer.begin_group("lone", split="test", cluster=7)
        writer.add(PROTEIN[:1], Modality.PROTEIN, View.RECORD)
    return MemberStore.open(folder)


def test_a_group_gives_back_its_members(tmp_path: Path) -> None:
    store = write_one_gene(tmp_path / "genes")

    cds, protein = store.group(0)

    assert (cds.token_ids == CDS).all() and (protein.token_ids == PROTEIN).all()
    assert (cds.modality, cds.view, cds.runs) == (Modality.DNA, View.CDS, (Run(1, 1, 9),))
    assert protein.coordinates.tolist() == [3, 6]
    assert store.name_of(0) == "thrL" and store.name_of_member(0) == "thrL.cds" and store.name_of_member(1) == ""


def test_splits_clusters_places_and_counts_are_kept(tmp_path: Path) -> None:
    store = write_one_gene(tmp_path / "genes")

    assert store.groups_in("train").tolist() == [0] and store.groups_in("test").tolist() == [1]
    assert store.cluster_of(0) == -1 and store.cluster_of(1) == 7 and store.split_of(1) == "test"
    assert store.places() == [(0, Place("NC_1", 10, 19)), (0, Place("NC_1", 0, 2))]
    assert store.total_tokens(Modality.DNA) == 9 and store.total_tokens(Modality.PROTEIN) == 3


def test_splits_can_be_assigned_after_writing(tmp_path: Path) -> None:
    write_one_gene(tmp_path / "genes")

    assign(tmp_path / "genes", np.array([1, 0]), np.array([4, 5]))

    store = MemberStore.open(tmp_path / "genes")
    assert store.split_of(0) == "valid" and store.cluster_of(1) == 5


def test_blocks_of_lone_records_equal_the_same_records_one_by_one(tmp_path: Path) -> None:
    names = [b"a", b"", b"ccc"]
    lengths = np.array([9, 0, 4])
    with MemberWriter(tmp_path / "block", JOINT) as writer:
        tokens = np.concatenate([CDS, CDS[:4]])
        writer.add_block(tokens, lengths, names, Modality.DNA)

    store = MemberStore.open(tmp_path / "block")

    assert [len(store.group(i)[0]) for i in range(3)] == [9, 0, 4]
    assert [store.name_of(i) for i in range(3)] == ["a", "", "ccc"]
    assert (store.group(2)[0].token_ids == CDS[:4]).all()


@settings(max_examples=20)
@given(sizes=st.lists(st.lists(st.integers(0, 5), max_size=3), max_size=6))
def test_every_member_is_found_by_index_whatever_the_shape(tmp_path_factory: pytest.TempPathFactory, sizes: list[list[int]]) -> None:
    folder = tmp_path_factory.mktemp("store") / "s"
    with MemberWriter(folder, JOINT) as writer:
        for index, group in enumerate(sizes):
            writer.begin_group(f"g{index}")
            for size in group:
                writer.add(np.full(size, 16 + index, dtype=np.uint8), Modality.PROTEIN, View.RECORD)

    store = MemberStore.open(folder)

    assert [[len(m) for m in store.group(i)] for i in range(store.num_groups)] == sizes
    assert all((m.token_ids == 16 + i).all() for i in range(store.num_groups) for m in store.group(i))


def test_nothing_is_left_when_writing_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), MemberWriter(tmp_path / "genes", JOINT) as writer:
        writer.begin_group("half")
        raise RuntimeError

    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="exists already"):
        MemberWriter(tmp_path, JOINT)


def test_a_store_is_read_in_the_ids_of_the_reader(tmp_path: Path) -> None:
    written, other = write_one_gene(tmp_path / "genes"), Vocabulary.named("dna-12")
    store = MemberStore.open(tmp_path / "genes", other)

    for index in range(written.num_members):
        member = written.member(index)
        if member.modality is Modality.DNA:
            assert other.decode(store.member(index).token_ids, Modality.DNA) == JOINT.decode(member.token_ids, Modality.DNA)
        else:
            with pytest.raises(AlphabetError, match=f"'dna-12' has no {member.modality} residues"):
                store.member(index)


def test_a_vocabulary_that_has_changed_since_is_refused(tmp_path: Path) -> None:
    folder = write_one_gene(tmp_path / "genes").folder
    facts = json.loads((folder / "store.json").read_text())
    facts["vocabulary"]["digest"] = "0"
    (folder / "store.json").write_text(json.dumps(facts))

    with pytest.raises(CheckpointError, match="written with another 'joint-64' than this version has"):
        MemberStore.open(folder)


@pytest.mark.parametrize("damage", ["cut", "missing", "json"])
def test_a_damaged_store_is_refused(tmp_path: Path, damage: str) -> None:
    folder = write_one_gene(tmp_path / "genes").folder
    if damage == "cut":
        (folder / "tokens.bin").write_bytes(b"ab")
    elif damage == "missing":
        (folder / "cluster.bin").unlink()
    else:
        (folder / "store.json").write_text(json.dumps({})[:1])

    with pytest.raises(CheckpointError, match="not a whole member store"):
        MemberStore.open(folder)


def test_a_group_outside_the_store_is_an_index_error(tmp_path: Path) -> None:
    with pytest.raises(IndexError, match="Group 2"):
        write_one_gene(tmp_path / "genes").group(2)


def test_a_store_can_be_extended_while_it_is_read(tmp_path: Path) -> None:
    before = write_one_gene(tmp_path / "genes")

    with MemberWriter(tmp_path / "genes", JOINT, extends=True) as writer:
        last = before.group(1)
        writer.begin_group("more", split="valid", places=[Place("NC_2", 0, 9), Place("NC_1", 30, 33)])
        writer.add(CDS, Modality.DNA, View.RECORD, [Run(1, 1, 9)])
    store = MemberStore.open(tmp_path / "genes")

    assert [len(member) for member in last] == [1] and [len(m) for m in before.group(1)] == [1]
    assert [[len(m) for m in store.group(i)] for i in range(3)] == [[9, 2], [1], [9]]
    assert [store.name_of(i) for i in range(3)] == ["thrL", "lone", "more"] and store.split_of(2) == "valid"
    assert store.places()[1:] == [(0, Place("NC_1", 0, 2)), (2, Place("NC_2", 0, 9)), (2, Place("NC_1", 30, 33))]
    assert store.total_tokens(Modality.DNA) == 18 and store.group(2)[0].runs == (Run(1, 1, 9),)


def test_only_a_store_can_be_extended(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not there to be extended"):
        MemberWriter(tmp_path / "genes", JOINT, extends=True)


def test_pages_are_let_go_while_views_of_them_stay_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("biolect.data.shards._RELEASE_RESIDUES", 0)
    store = write_one_gene(tmp_path / "genes")

    first, again = store.group(0)[0], store.group(0)[0]

    assert first.token_ids.tolist() == again.token_ids.tolist() == CDS.tolist()
