"""Splits that share no relatives: sequences are put into clusters, and clusters into splits, whole.

Two groups are in one cluster when they share enough words of nucleotides (either strand) or of
proteins, are one string, have one name, or overlap on a genome record; and so on transitively.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b

import numpy as np
import pydantic
from numpy.typing import NDArray

from biolect.bio.sequence import Modality
from biolect.config import Config
from biolect.data.document import Member, View
from biolect.data.shards import SPLITS, MemberStore
from biolect.data.sketch import MURPHY, NUCLEOTIDES, Index, Words, fraction_for
from biolect.tokens.vocabulary import Vocabulary

Edges = tuple[NDArray[np.int64], NDArray[np.int64]]


class Clustering(Config):
    """When two groups are relatives.

    Attributes:
        nucleotide_word: Residues of a nucleotide word; 21 do not repeat by chance within a kingdom.
        nucleotide_containment: Share of the shorter one's words that the other one has.
        protein_word: Residues of a protein word, over 15 groups of amino acids that replace each other.
        protein_containment: As for nucleotides.
        min_shared: Fewer words in common say nothing, however short a sequence is.
        neighbors: Owners of one word that each owner is compared with.
        overlap: Nucleotides that two places on one record may share.
    """

    nucleotide_word: int = pydantic.Field(21, ge=11, le=31)
    nucleotide_containment: float = pydantic.Field(0.1, gt=0, le=1)
    protein_word: int = pydantic.Field(7, ge=4, le=15)
    protein_containment: float = pydantic.Field(0.05, gt=0, le=1)
    min_shared: int = pydantic.Field(4, ge=1)
    neighbors: int = pydantic.Field(4, ge=1)
    overlap: int = pydantic.Field(20, ge=0)


def cluster(stores: Sequence[MemberStore], rules: Clustering) -> list[NDArray[np.int32]]:
    """Return the cluster of every group of every store; clusters are numbered over all stores from 0."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    sizes = [store.num_groups for store in stores]
    total = sum(sizes)
    if not total:
        return [np.zeros(0, dtype=np.int32) for _ in stores]
    edges = [_related(index, containment, rules) for index, containment in _indices(stores, rules)]
    edges += [_equal_names(stores), _equal_strings(stores), _overlaps(stores, rules.overlap)]
    left, right = (np.concatenate(side) for side in zip(*edges, strict=True))
    links = coo_matrix((np.ones(len(left), dtype=bool), (left, right)), shape=(total, total))
    _, labels = connected_components(links, directed=False)
    return np.split(labels.astype(np.int32), np.cumsum(sizes)[:-1])


def split(
    stores: Sequence[MemberStore], clusters: Sequence[NDArray[np.int32]], fractions: dict[str, float], seed: int
) -> list[NDArray[np.uint8]]:
    """Return the split of every group: whole clusters, in seeded order, until each share of residues is reached.

    Every store gets its own shares; a cluster that spans stores counts for the one with most of its
    residues. A split that would stay empty gets the smallest cluster, as long as three are there.

    Args:
        fractions: Share of residues by name of the split, without `train`, which takes the rest.
    """
    labels = np.concatenate(list(clusters))
    count = int(labels.max(initial=-1)) + 1
    weights = np.stack([np.bincount(c, weights=_residues(s), minlength=count) for s, c in zip(stores, clusters, strict=True)])
    keys = np.full(count, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(keys, labels, np.concatenate([_name_keys(store, f"{seed}") for store in stores]))
    chosen = np.zeros(count, dtype=np.uint8)
    for stratum in range(len(stores)):
        own = np.flatnonzero((weights.argmax(0) == stratum) & (weights.sum(0) > 0))
        _fill(chosen, own[np.argsort(keys[own], kind="stable")], weights.sum(0), fractions)
    return np.split(chosen[labels], np.cumsum([store.num_groups for store in stores])[:-1])


def _fill(chosen: NDArray[np.uint8], order: NDArray[np.int64], weights: NDArray[np.float64], fractions: dict[str, float]) -> None:
    """Give clusters, in order, to the first split that still has room for them."""
    targets = {SPLITS.index(name): share * weights[order].sum() for name, share in fractions.items() if share > 0}
    left = dict(targets)
    for number in order:
        place = next((s for s, room in left.items() if weights[number] <= room), 0)
        if place:
            chosen[number] = place
            left[place] -= weights[number]
    for place in targets:
        free = [number for number in order if not chosen[number]]
        if left[place] == targets[place] and len(free) > 1 and len(order) > 2:
            chosen[min(free, key=lambda number: weights[number])] = place


def compared(store: MemberStore) -> Iterator[tuple[int, Member]]:
    """Yield (group, member) for the members that stand for a group: all but the locus of a gene that has a coding sequence.

    Introns are full of repeats that make relatives of genes that are none; genes that lie inside each
    other are found by their places.
    """
    views, starts = store.column("view"), store.column("group_starts")
    coding = View.CDS.index
    for group in range(store.num_groups):
        members = range(int(starts[group]), int(starts[group + 1]))
        has_coding = any(views[i] == coding for i in members)
        for index in members:
            if not (has_coding and views[index] == View.LOCUS.index):
                yield group, store.member(index)


def canonical_digest(member: Member) -> bytes:
    """Return 16 bytes that are equal for equal strings; nucleotides may be on either strand, DNA or RNA."""
    raw = member.token_ids.tobytes()
    if member.modality is not Modality.PROTEIN:
        raw = min(raw, _COMPLEMENT[member.token_ids[::-1]].tobytes())
    return blake2b(raw, digest_size=16).digest()


def _complement() -> NDArray[np.uint8]:
    table, joint = np.arange(256, dtype=np.uint8), Vocabulary.joint()
    for letter, other in ("at", "ta", "cg", "gc"):
        table[joint.id_of(letter)] = joint.id_of(other)
    return table


_COMPLEMENT = _complement()


def _indices(stores: Sequence[MemberStore], rules: Clustering) -> Iterator[tuple[Index, float]]:
    offsets = np.cumsum([0, *(store.num_groups for store in stores)])
    residues = [sum(store.total_tokens(modality) for store in stores) for modality in (Modality.PROTEIN, Modality.DNA, Modality.RNA)]
    protein = Words(MURPHY, rules.protein_word, fraction=fraction_for(residues[0]))
    nucleotide = Words(NUCLEOTIDES, rules.nucleotide_word, both_strands=True, fraction=fraction_for(residues[1] + residues[2]))
    for words, containment in ((protein, rules.protein_containment), (nucleotide, rules.nucleotide_containment)):
        of_kind = (
            (int(offset) + group, member.token_ids)
            for offset, store in zip(offsets, stores, strict=False)
            for group, member in compared(store)
            if (member.modality is Modality.PROTEIN) != words.both_strands
        )
        yield words.index(of_kind, int(offsets[-1])), containment


def _related(index: Index, containment: float, rules: Clustering) -> Edges:
    left, right, shared = index.pairs(rules.neighbors)
    shorter = np.minimum(index.sizes[left], index.sizes[right])
    kept = (shared >= rules.min_shared) & (shared >= containment * shorter)
    return left[kept], right[kept]


def _equal(keys: NDArray[np.uint64], owners: NDArray[np.int64]) -> Edges:
    """Link each owner of a key to the next one."""
    order = np.argsort(keys, kind="stable")
    same = np.flatnonzero(keys[order][1:] == keys[order][:-1])
    return owners[order][same], owners[order][same + 1]


def _key(text: bytes) -> int:
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")


def _name_keys(store: MemberStore, salt: str = "") -> NDArray[np.uint64]:
    names = (store.name_of(group) for group in range(store.num_groups))
    return np.fromiter((_key(f"{salt}\0{name}".encode()) for name in names), dtype=np.uint64, count=store.num_groups)


def _equal_names(stores: Sequence[MemberStore]) -> Edges:
    keys, owners, offset = [], [], 0
    for store in stores:
        for group in range(store.num_groups):
            names = {store.name_of(group), *(store.name_of_member(i) for i in store.members_of(group))} - {""}
            keys += [_key(name.encode()) for name in names]
            owners += [offset + group] * len(names)
        offset += store.num_groups
    return _equal(np.array(keys, dtype=np.uint64), np.array(owners, dtype=np.int64))


def _equal_strings(stores: Sequence[MemberStore]) -> Edges:
    keys, owners, offset = [], [], 0
    for store in stores:
        for group, member in compared(store):
            keys.append(int.from_bytes(canonical_digest(member)[:8], "little"))
            owners.append(offset + group)
        offset += store.num_groups
    return _equal(np.array(keys, dtype=np.uint64), np.array(owners, dtype=np.int64))


def _overlaps(stores: Sequence[MemberStore], allowed: int) -> Edges:
    left, right, offset = [], [], 0
    for store in stores:
        record, end, holder = "", 0, 0
        for group, place in sorted(store.places(), key=lambda item: (item[1].record, item[1].start)):
            if place.record == record and place.start < end - allowed:
                left.append(offset + holder)
                right.append(offset + group)
            if place.record != record or place.stop > end:
                record, end, holder = place.record, place.stop, group
        offset += store.num_groups
    return np.array(left, dtype=np.int64), np.array(right, dtype=np.int64)


def _residues(store: MemberStore) -> NDArray[np.float64]:
    """Residues of every group."""
    owners = np.repeat(np.arange(store.num_groups), np.diff(store.column("group_starts")))
    return np.bincount(owners, weights=store.lengths, minlength=store.num_groups)
