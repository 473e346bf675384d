"""Splits that share no relatives: sequences are put into clusters, and clusters into splits, whole.

Two groups are in one cluster when they share enough words of nucleotides (either strand) or of
proteins, are one string, have one name, or overlap on a genome record; and so on transitively.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

import numpy as np
import pydantic
from numpy.typing import NDArray

from biolect.bio.sequence import Modality
from biolect.config import Config
from biolect.data.document import Member, View
from biolect.data.shards import SPLITS, MemberStore
from biolect.data.similarity import Pairs, chained, components
from biolect.data.sketch import MURPHY, NUCLEOTIDES, Words, fraction_for
from biolect.tokens.vocabulary import Vocabulary


class Clustering(Config):
    """When two groups are relatives.

    Attributes:
        nucleotide_word: Residues of a nucleotide word; 21 do not repeat by chance within a kingdom.
        nucleotide_containment: Share of the shorter one's words that the other one has.
        protein_word: Residues of a protein word, over 15 groups of amino acids that replace each other.
        protein_containment: As for nucleotides.
        min_shared: Fewer words in common say nothing, however short a sequence is.
        neighbors: Of all that have one word, how many each is compared with.
        tanimoto: Molecules are relatives from this similarity of their Morgan environments of radius 2, and so on
            transitively.
        domain_overlap: Domains of molecules are relatives that share so much of the smaller one's clusters.

    The defaults, measured on the genes of five bacteria (E. coli, H. influenzae, S. pyogenes and two strains of
    Mycoplasma mycoides; 9,797 genes): 87 % of the genes of one Mycoplasma find their relative in the other, 60 % of
    those of H. influenzae one in E. coli, and the largest cluster (ABC transporters) has 2.3 % of all genes. With a
    protein containment of 0.02 chance words take over: the largest cluster has 36 %. At a Tanimoto similarity of 0.7 the
    largest cluster has 1.1 % of 23,380 molecules of 410 ChEMBL targets (3.4 % at 0.6, 33 % at 0.5); at an overlap of 0.5
    the largest cluster of targets has 36 of 365.
    """

    nucleotide_word: int = pydantic.Field(default=21, ge=11, le=31)
    nucleotide_containment: float = pydantic.Field(default=0.1, gt=0, le=1)
    protein_word: int = pydantic.Field(default=7, ge=4, le=15)
    protein_containment: float = pydantic.Field(default=0.05, gt=0, le=1)
    min_shared: int = pydantic.Field(default=4, ge=1)
    neighbors: int = pydantic.Field(default=4, ge=1)
    tanimoto: float = pydantic.Field(default=0.7, gt=0, le=1)
    domain_overlap: float = pydantic.Field(default=0.5, gt=0, le=1)


def cluster(stores: Sequence[MemberStore], rules: Clustering) -> list[NDArray[np.int32]]:
    """Return the cluster of every group of every store; clusters are numbered over all stores from 0."""
    total = sum(store.num_groups for store in stores)
    if not total:
        return [np.zeros(0, dtype=np.int32) for _ in stores]
    edges = [*_related(stores, rules), _equal(stores), _overlaps(stores)]
    left, right = (np.concatenate(side) for side in zip(*edges, strict=True))
    return np.split(components(total, (left, right)), _offsets(stores)[1:])


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
    weights = np.stack([np.bincount(c, weights=s.residues_by_group(), minlength=count) for s, c in zip(stores, clusters, strict=True)])
    keys = _cluster_keys(labels, (store.name_of(group) for store in stores for group in range(store.num_groups)), seed)
    chosen = np.zeros(count, dtype=np.uint8)
    for stratum in range(len(stores)):
        own = np.flatnonzero((weights.argmax(0) == stratum) & (weights.sum(0) > 0))
        chosen[own] = draw(keys[own], weights.sum(0)[own], fractions)
    return np.split(chosen[labels], _offsets(stores)[1:])


def drawn(
    labels: NDArray[np.integer], weights: Sequence[int], names: Iterable[str], fractions: dict[str, float], seed: int
) -> NDArray[np.uint8]:
    """Return the split of every item, whole clusters in an order that does not depend on that of the items."""
    return draw(_cluster_keys(labels, names, seed), np.bincount(labels, weights=weights).astype(np.float64), fractions)[labels]


def _cluster_keys(labels: NDArray[np.integer], names: Iterable[str], seed: int) -> NDArray[np.uint64]:
    keys = np.full(int(labels.max(initial=-1)) + 1, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(keys, labels, name_keys(names, seed))
    return keys


def draw(keys: NDArray[np.uint64], weights: NDArray[np.float64], fractions: dict[str, float]) -> NDArray[np.uint8]:
    """Return a split for every cluster: in order of the keys, the first one that still has room for it.

    Args:
        keys: As `name_keys` gives them.
        weights: Residues of every cluster.
    """
    chosen, order = np.zeros(len(keys), dtype=np.uint8), np.argsort(keys, kind="stable")
    targets = {SPLITS.index(name): share * weights.sum() for name, share in fractions.items() if share > 0}
    left = dict(targets)
    for number in order.tolist():
        place = next((s for s, room in left.items() if weights[number] <= room), 0)
        if place:
            chosen[number] = place
            left[place] -= weights[number]
    for place in targets:
        free = np.flatnonzero(chosen == 0)
        if left[place] == targets[place] and len(free) > 1 and len(keys) > 2:
            chosen[free[np.argmin(weights[free])]] = place
    return chosen


def name_keys(names: Iterable[str], seed: int) -> NDArray[np.uint64]:
    """Return evenly spread numbers that depend on a name and the seed only, never on the order of the input."""
    return np.fromiter((_key(f"{seed}\0{name}".encode()) for name in names), dtype=np.uint64)


def compared(store: MemberStore) -> NDArray[np.int64]:
    """Return the members that stand for their group.

    Left out are loci of genes that have a coding sequence: introns are full of repeats that make
    relatives of genes that are none, and genes inside each other are found by their places; and
    transcripts as long as the coding sequence, which say the same again.
    """
    views, owners, lengths = store.column("view"), store.owners, store.lengths
    coding = views == View.CDS.index
    coding_lengths = np.full(store.num_groups, -1)
    coding_lengths[owners[coding]] = lengths[coding]
    repeats = (views == View.LOCUS.index) & (coding_lengths[owners] >= 0)
    repeats |= (views == View.TRANSCRIPT.index) & (coding_lengths[owners] == lengths)
    return np.flatnonzero(~repeats)


def canonical_digest(member: Member) -> bytes:
    """Return 16 bytes that are equal for equal strings; nucleotides may be on either strand, DNA or RNA."""
    raw = member.token_ids.tobytes()
    if member.modality is not Modality.PROTEIN:
        raw = min(raw, _COMPLEMENT[member.token_ids[::-1]].tobytes())
    return blake2b(raw, digest_size=16).digest()


_COMPLEMENT = Vocabulary.joint().complement_ids


def _related(stores: Sequence[MemberStore], rules: Clustering) -> Iterator[Pairs]:
    """Compare member with member, so that a short one is not lost in a large group; link their groups."""
    owners = np.concatenate([store.owners + offset for store, offset in zip(stores, _offsets(stores), strict=True)])
    residues = [sum(len(ids) for _, ids in _members(stores, proteins=kind)) for kind in (True, False)]
    protein = Words(MURPHY, rules.protein_word, fraction=fraction_for(residues[0]))
    nucleotide = Words(NUCLEOTIDES, rules.nucleotide_word, both_strands=True, fraction=fraction_for(residues[1]))
    for words, containment in ((protein, rules.protein_containment), (nucleotide, rules.nucleotide_containment)):
        index = words.index(_members(stores, proteins=not words.both_strands), len(owners))
        left, right, shared = index.pairs(rules.neighbors, rules.min_shared)
        kept = shared >= containment * np.minimum(index.sizes[left], index.sizes[right])
        yield owners[left[kept]], owners[right[kept]]


def _members(stores: Sequence[MemberStore], *, proteins: bool) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    offset = 0
    for store in stores:
        for index in compared(store):
            member = store.member(int(index))
            if (member.modality is Modality.PROTEIN) == proteins:
                yield offset + int(index), member.token_ids
        offset += store.num_members


def _offsets(stores: Sequence[MemberStore]) -> list[int]:
    return np.cumsum([0, *(store.num_groups for store in stores)])[:-1].tolist()


def _key(text: bytes) -> int:
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")


def _keys(store: MemberStore) -> Iterator[tuple[int, int]]:
    """Yield groups, and what only relatives have in common: their names, and their strings."""
    for group in range(store.num_groups):
        yield from ((group, _key(name.encode())) for name in store.names_in(group))
    members = compared(store)
    for index, group in zip(members.tolist(), store.owners[members].tolist(), strict=True):
        yield group, int.from_bytes(canonical_digest(store.member(index))[:8], "little")


def _equal(stores: Sequence[MemberStore]) -> Pairs:
    """Link each group that has a key to the next one that has it."""
    held = ((key, offset + group) for store, offset in zip(stores, _offsets(stores), strict=True) for group, key in _keys(store))
    found = np.fromiter(held, dtype=[("key", np.uint64), ("holder", np.int64)])
    left, right = chained(found["key"])
    return found["holder"][left], found["holder"][right]


def _overlaps(stores: Sequence[MemberStore]) -> Pairs:
    left, right = [], []
    for store, offset in zip(stores, _offsets(stores), strict=True):
        record, end, holder = "", 0, 0
        for group, place in sorted(store.places(), key=lambda item: (item[1].record, item[1].start)):
            if place.record == record and place.start < end:
                left.append(offset + holder)
                right.append(offset + group)
            if place.record != record or place.stop > end:
                record, end, holder = place.record, place.stop, group
    return np.array(left, dtype=np.int64), np.array(right, dtype=np.int64)
