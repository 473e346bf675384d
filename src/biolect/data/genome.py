"""Long DNA records as training material: regions that share nothing with what is held out.

Whole records cannot be clustered: everything is near everything on one chromosome. They are cut
instead. Where a record has genes, held-out genes are held-out regions and the rest, a margin away, is
trained on; where it has none, blocks are drawn. Then every stretch that held-out sequences share
with training is cut out of training, copies and repeats included.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biolect.bio.sequence import Modality
from biolect.data.columns import SPLIT_WORDS
from biolect.data.document import View
from biolect.data.shards import SPLITS, MemberStore, MemberWriter, Place
from biolect.data.sketch import NUCLEOTIDES, Words, WordSet, fraction_for
from biolect.data.splits import draw, name_keys
from biolect.errors import InputError, LeakageError
from biolect.files import open_input

GENOME_RESIDUES = 20_000
"""DNA records from this length on are cut; shorter ones are clustered whole."""
BLOCK_RESIDUES = 50_000
MARGIN = 100
SHORTEST = 200
_WORD = 21
_WINDOW = 60

Intervals = Mapping[str, Sequence[tuple[int, int, str]]]
"""By record: start, stop and split. 0-based, half-open."""


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
        regions += _around(group, size, _merged(held[name])) if name in known else _blocks(group, 0, size, is_drawn=True)
    drawn = [region for region in regions if region.is_drawn]
    names = [f"{genome.name_of(region.group)}:{region.start}" for region in drawn]
    splits = iter(draw(name_keys(names, seed), np.array([region.stop - region.start for region in drawn], dtype=float), fractions))
    return [replace(region, split=SPLITS[next(splits)]) if region.is_drawn else region for region in regions]


def _merged(held: Iterable[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Join stretches of one split that overlap. That of overlapping genes is always one, because they are one cluster."""
    merged: list[tuple[int, int, str]] = []
    for start, stop, split in sorted(held):
        if merged and start < merged[-1][1] and split == merged[-1][2]:
            start, stop = merged[-1][0], max(stop, merged.pop()[1])
        merged.append((start, stop, split))
    return merged


def _around(group: int, size: int, held: list[tuple[int, int, str]]) -> Iterator[Region]:
    """Held-out stretches, and the training regions between them."""
    end = 0
    for start, stop, split in held:
        yield from _blocks(group, end, start - MARGIN)
        yield Region(group, start, stop, split)
        end = stop + MARGIN
    yield from _blocks(group, end, size)


def _blocks(group: int, start: int, stop: int, *, is_drawn: bool = False) -> Iterator[Region]:
    for place in range(start, stop, BLOCK_RESIDUES):
        yield Region(group, place, min(place + BLOCK_RESIDUES, stop), "train", is_drawn)


def is_intervals(path: Path) -> bool:
    """Return whether a file is named as one of intervals; its content is that of many other tables."""
    return path.name.removesuffix(".gz").endswith(".bed")


def read_intervals(paths: Sequence[Path]) -> Intervals:
    """Read the intervals of all files: BED with a split in the fourth column, as published models come with them.

    Windows are taken inside an interval and never beyond it; what no interval names is not read.

        chr1    0       131072    train
        chr1    131072  262144    valid

    Raises:
        InputError: If a line has no record, whole numbers start < stop, and split.

    Source: arXiv:2411.04165 trains on such a file, but lengthens every interval to a megabase, across splits.
    """
    found: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for path in paths:
        with open_input(path) as stream:
            for number, line in enumerate(stream, start=1):
                fields = line.decode(errors="replace").split()
                if not fields or fields[0].startswith("#") or fields[0] in ("track", "browser"):
                    continue
                name, start, stop, split = [*fields, *[""] * 4][:4]
                if not (start.isdecimal() and stop.isdecimal() and int(start) < int(stop) and split in SPLIT_WORDS):
                    rule = "Write record, start, stop (0-based, half-open) and train, valid or test, separated by tabs."
                    raise InputError(f"Line {number} of '{path}' is no interval with a split: '{' '.join(fields)[:80]}'. {rule}")
                found[name].append((int(start), int(stop), SPLIT_WORDS[split]))
    return found


def given_regions(genome: MemberStore, intervals: Intervals, *, allow_overlaps: bool) -> list[Region]:
    """Return intervals as regions of the genome; those of one split that overlap are joined.

    Raises:
        InputError: If a record is not there, or an interval ends behind it.
        LeakageError: If intervals of different splits overlap and that is not allowed.
    """
    groups = {genome.name_of(group): group for group in range(genome.num_groups)}
    regions: list[Region] = []
    overlaps: list[str] = []
    for name, own in intervals.items():
        size = int(genome.lengths[groups[name]]) if name in groups else 0
        beyond = next((one for one in own if one[1] > size), None)
        if beyond:
            there = f"which has {size:,} residues" if size else "which is not among the inputs"
            raise InputError(f"Interval {name}:{beyond[0]}-{beyond[1]} lies outside record '{name}', {there}. Give the FASTA it speaks of.")
        joined = _merged(own)
        overlaps += [f"{name}:{a[0]}-{a[1]} ({a[2]}) and {name}:{b[0]}-{b[1]} ({b[2]})" for a, b in pairwise(joined) if b[0] < a[1]]
        regions += [Region(groups[name], *one) for one in joined]
    if overlaps and not allow_overlaps:
        raise LeakageError(
            f"Intervals of different splits overlap in {len(overlaps)} places, for example {overlaps[0]}. Take them apart, or pass "
            "allow_overlaps=true to have what is held out cut out of training."
        )
    return regions


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
                place = Place(genome.name_of(region.group), region.start + start, region.start + stop)
                title = f"{place.record}:{place.start + 1}-{place.stop}"
                writer.begin_group(title, split=split, cluster=first_cluster + written, places=[place])
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
    hits = places[np.isin(hashed, forbidden.words[forbidden.places_of(hashed)])]
    window = max(_WINDOW, int(40 / words.fraction))
    needed = max(1, int((window - words.length + 1) * words.fraction / 2))
    lasts = hits[needed - 1 :] + words.length
    firsts = hits[: len(lasts)]
    close = lasts - firsts <= window
    begun, ended = (np.cumsum(np.bincount(edges[close], minlength=size + 1)) for edges in (firsts, lasts))
    is_clear = np.concatenate([[False], (begun == ended)[:-1], [False]])
    turns = np.flatnonzero(is_clear[1:] != is_clear[:-1]).reshape(-1, 2)
    return [(int(a), int(b)) for a, b in turns if b - a >= min(SHORTEST, size)]


def _nucleotides(stores: Iterable[MemberStore], split: str) -> Iterator[NDArray[np.uint8]]:
    for store in stores:
        yield from (store.member(index).token_ids for index in store.members_in([split], (Modality.DNA, Modality.RNA)).tolist())
