"""Long DNA records as training material: regions that share nothing with what is held out.

Whole records cannot be clustered: everything is near everything on one chromosome. They are cut
instead. Where a record has genes, held-out genes are held-out regions and the rest, a margin away, is
trained on; where it has none, blocks are drawn. Then every stretch that held-out sequences share
with training is cut out of training, copies and repeats included.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biolect.bio.sequence import Modality
from biolect.data.document import View
from biolect.data.shards import SPLITS, MemberStore, MemberWriter, Place
from biolect.data.sketch import NUCLEOTIDES, Words, WordSet, fraction_for
from biolect.data.splits import draw, name_keys

GENOME_RESIDUES = 20_000
"""DNA records from this length on are cut; shorter ones are clustered whole."""
BLOCK_RESIDUES = 50_000
MARGIN = 100
SHORTEST = 200
_WORD = 21
_WINDOW = 60


@dataclass(frozen=True)
class Region:
    """A stretch of one record of the genome store. 0-based, half-open."""

    group: int
    start: int
    stop: int
    split: str
    is_drawn: bool = False


def plan(genome: MemberStore, genes: Sequence[MemberStore], fractions: dict[str, float], seed: int) -> list[Region]:
    """Cut every record into regions with a split; regions of one record never overlap across splits."""
    held: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    known: set[str] = set()
    for store in genes:
        for group, place in store.places():
            known.add(place.record)
            if store.split_of(group) != "train":
                held[place.record].append((place.start, place.stop, store.split_of(group)))
    regions: list[Region] = []
    for group, size in enumerate(genome.lengths.tolist()):
        name = genome.name_of(group)
        if name in known:
            regions += _around(group, size, _merged(held[name]))
        else:
            cuts = [*range(0, size, BLOCK_RESIDUES), size]
            regions += [Region(group, a, b, "train", True) for a, b in zip(cuts, cuts[1:], strict=False)]
    drawn = [i for i, region in enumerate(regions) if region.is_drawn]
    names = [f"{genome.name_of(regions[i].group)}:{regions[i].start}" for i in drawn]
    splits = draw(name_keys(names, seed), np.array([regions[i].stop - regions[i].start for i in drawn], dtype=float), fractions)
    for i, split in zip(drawn, splits.tolist(), strict=True):
        regions[i] = Region(regions[i].group, regions[i].start, regions[i].stop, SPLITS[split], True)
    return regions


def _merged(held: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Join stretches that overlap; their split is the same, because overlapping genes are one cluster."""
    merged: list[tuple[int, int, str]] = []
    for start, stop, split in sorted(held):
        if merged and start < merged[-1][1]:
            start, stop = merged[-1][0], max(stop, merged.pop()[1])
        merged.append((start, stop, split))
    return merged


def _around(group: int, size: int, held: list[tuple[int, int, str]]) -> Iterator[Region]:
    """Held-out stretches, and the training regions between them."""
    end = 0
    for start, stop, split in held:
        if start > end:
            yield from _blocks(group, end, start - MARGIN)
        yield Region(group, start, stop, split)
        end = stop + MARGIN
    yield from _blocks(group, end, size)


def _blocks(group: int, start: int, stop: int) -> Iterator[Region]:
    for place in range(start, stop, BLOCK_RESIDUES):
        yield Region(group, place, min(place + BLOCK_RESIDUES, stop), "train")


def write_regions(
    writer: MemberWriter, genome: MemberStore, regions: Sequence[Region], others: Sequence[MemberStore], first_cluster: int
) -> int:
    """Write regions, less what they share across splits, as lone DNA members; return the residues left out.

    Args:
        others: Stores whose splits are settled; only regions give way.
        first_cluster: Regions are clusters of their own, numbered from here.
    """
    words = Words(NUCLEOTIDES, _WORD, both_strands=True, fraction=fraction_for(int(genome.lengths.sum())))
    is_drawn = any(region.is_drawn and region.split != "train" for region in regions)
    # Of the other stores, which may be far larger, only the words that the genomes have are held.
    own = words.of(genome.member(index).token_ids for index in range(genome.num_members))
    asked = {split: _nucleotides(others, split) if split != "train" or is_drawn else () for split in SPLITS}
    seen = {split: own.words[own.seen_in(words.stream(sequences))] for split, sequences in asked.items()}
    written = cut = 0
    # What gives way comes last: a region must not share a stretch with any other split before it.
    for split in ("test", "valid", "train"):
        forbidden = WordSet(np.concatenate([seen[other] for other in SPLITS if other != split]))
        kept: list[NDArray[np.uint8]] = []
        for region in (r for r in regions if r.split == split):
            token_ids = genome.member(region.group).token_ids[region.start : region.stop]
            settled = split != "train" and not region.is_drawn
            for start, stop in [(0, len(token_ids))] if settled else clear_of(token_ids, forbidden, words):
                name, begin = genome.name_of(region.group), region.start + start
                end = region.start + stop
                place = Place(name, begin, end)
                writer.begin_group(f"{name}:{begin + 1}-{end}", split=split, cluster=first_cluster + written, places=[place])
                writer.add(token_ids[start:stop], Modality.DNA, View.RECORD)
                kept += [token_ids[start:stop]] if split != "train" else []
                written, cut = written + 1, cut - (stop - start)
        seen[split] = np.concatenate([seen[split], words.of(kept).words])
    return cut + int(genome.lengths.sum())


def clear_of(token_ids: NDArray[np.uint8], forbidden: WordSet, words: Words) -> list[tuple[int, int]]:
    """Return the stretches of a sequence that do not share a window with forbidden words. 0-based, half-open.

    A window counts as shared where half the words that it should show are forbidden.
    """
    size = len(token_ids)
    hashed, places = words.hashes(token_ids)
    hits = places[forbidden.find(hashed)[0]]
    window = max(_WINDOW, int(40 / words.fraction))
    needed = max(1, int((window - words.length + 1) * words.fraction / 2))
    edges = np.zeros(size + 1, dtype=np.int64)
    if len(hits) >= needed:
        firsts, lasts = hits[: len(hits) - needed + 1], hits[needed - 1 :] + words.length
        close = lasts - firsts <= window
        np.add.at(edges, firsts[close], 1)
        np.add.at(edges, lasts[close], -1)
    is_clear = np.concatenate([[False], np.cumsum(edges[:-1]) == 0, [False]])
    turns = np.flatnonzero(is_clear[1:] != is_clear[:-1]).reshape(-1, 2)
    return [(int(a), int(b)) for a, b in turns if b - a >= min(SHORTEST, size)]


def _nucleotides(stores: Iterable[MemberStore], split: str) -> Iterator[NDArray[np.uint8]]:
    for store in stores:
        yield from (store.member(index).token_ids for index in store.members_in([split], (Modality.DNA, Modality.RNA)).tolist())
