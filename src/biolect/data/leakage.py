"""The leakage report: what training and evaluation share, found without a look at how splits were made.

Clusters are made by comparing pairs; this looks instead at each held-out member against everything
that is trained on, with other words, so a mistake there shows here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biolect.bio.sequence import Modality
from biolect.data.molecule_leakage import molecule_leakage
from biolect.data.shards import SPLITS, MemberStore, Place
from biolect.data.sketch import AMINO_ACIDS, NUCLEOTIDES, Words, distinct, fraction_for
from biolect.data.splits import canonical_digest, groups_of
from biolect.errors import LeakageError

NUCLEOTIDE_WORD = 31
PROTEIN_WORD = 8
NEAR = 0.5
"""Share of a held-out member's words that training has, from which it is a near duplicate (spec: shared 31-mers above 50 %)."""
MIN_WORDS = 20
"""Members with fewer different words are compared as whole strings only."""
_EXAMPLES = 5

Stores = Mapping[str, MemberStore]


def leakage_report(stores: Stores) -> dict[str, Any]:
    """Return what splits share: names, strings (either strand), near duplicates, places on genome records.

    Each kind has a `count` and a few `examples`; `clean` is true where all counts are 0.
    """
    if any(store.total_tokens(Modality.MOLECULE) for store in stores.values()):
        return molecule_leakage(stores)
    report: dict[str, Any] = {
        "shared_ids": _shared(stores, _names, lambda store, index: store.name_of(index)),
        "identical": _shared(stores, _digests, _member_name),
        "near_duplicates": _near_duplicates(stores),
        "overlapping": _overlapping(stores),
    }
    return {"clean": not any(kind["count"] for kind in report.values()), **report}


def refuse(report: Mapping[str, Any], *, allow: bool = False) -> None:
    """Stop where a report shows leakage.

    Raises:
        LeakageError: If splits share anything and `allow` is false.
    """
    found = {kind: part["count"] for kind, part in report.items() if isinstance(part, Mapping) and part["count"]}
    if not found or allow:
        return
    kind = next(iter(found))
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in found.items())
    raise LeakageError(
        f"Training and evaluation share sequences: {counts}; for example {report[kind]['examples'][0]}. "
        "Prepare the corpus again, or pass --allow-leakage to train on it all the same."
    )


def _shared(
    stores: Stores, keys_of: Callable[[MemberStore], Iterator[tuple[int, bytes, int]]], name_of: Callable[[MemberStore, int], str]
) -> dict[str, Any]:
    """Find equal keys in different splits. Keys come as (index, 16 bytes, split)."""
    order: list[tuple[str, MemberStore]] = list(stores.items())
    kind = np.dtype([("high", "<u8"), ("low", "<u8"), ("split", "u1"), ("store", "u1"), ("index", "<i8")])
    parts = []
    for number, (_, store) in enumerate(order):
        rows = ((*np.frombuffer(key, "<u8").tolist(), split, number, index) for index, key, split in keys_of(store))
        parts.append(np.fromiter(rows, dtype=kind))
    rows = np.sort(np.concatenate(parts), order=["high", "low", "split"]) if parts else np.zeros(0, dtype=kind)
    same = (rows["high"][1:] == rows["high"][:-1]) & (rows["low"][1:] == rows["low"][:-1]) & (rows["split"][1:] != rows["split"][:-1])
    examples = []
    for place in np.flatnonzero(same)[:_EXAMPLES]:
        pair = [rows[place], rows[place + 1]]
        examples.append([f"{SPLITS[r['split']]}: {name_of(order[r['store']][1], int(r['index']))} ({order[r['store']][0]})" for r in pair])
    return {"count": int(same.sum()), "examples": examples}


def _names(store: MemberStore) -> Iterator[tuple[int, bytes, int]]:
    splits = store.column("split")
    for group in range(store.num_groups):
        for name in {store.name_of(group), *(store.name_of_member(i) for i in store.members_of(group))} - {""}:
            yield group, blake2b(name.encode(), digest_size=16).digest(), int(splits[group])


def _digests(store: MemberStore) -> Iterator[tuple[int, bytes, int]]:
    splits, groups = store.column("split"), groups_of(store)
    for index in range(store.num_members):
        member = store.member(index)
        if len(member):
            yield index, canonical_digest(member), int(splits[groups[index]])


def _member_name(store: MemberStore, index: int) -> str:
    group = int(np.searchsorted(store.column("group_starts"), index, side="right")) - 1
    return store.name_of_member(index) or store.name_of(group)


def _near_duplicates(stores: Stores) -> dict[str, Any]:
    count, examples, widths = 0, [], {}
    for modalities, letters, length in (
        ((Modality.DNA, Modality.RNA), NUCLEOTIDES, NUCLEOTIDE_WORD),
        ((Modality.PROTEIN,), AMINO_ACIDS, PROTEIN_WORD),
    ):
        residues = sum(len(ids) for _, ids in _members(stores, ("valid", "test"), modalities))
        words = Words(letters, length, both_strands=len(modalities) == 2, fraction=fraction_for(residues))
        widths["protein" if len(modalities) == 1 else "nucleotide"] = round(words.fraction, 4)
        # Test is compared with validation, too: who tunes on one must not have seen the other.
        for seen, held_out in (("train", ("valid", "test")), ("valid", ("test",))):
            asked = words.of(ids for _, ids in _members(stores, held_out, modalities))
            is_seen = asked.seen_in(words.stream(ids for _, ids in _members(stores, (seen,), modalities)))
            for name, ids in _members(stores, held_out, modalities) if is_seen.any() else ():
                own = asked.find(distinct(words.hashes(ids)[0]))[1]
                share = is_seen[own].mean() if len(own) >= MIN_WORDS else 0.0
                if share >= NEAR:
                    count += 1
                    examples.append({"held_out": name, "seen_in": seen, "share": round(float(share), 3)})
    examples.sort(key=lambda example: -example["share"])
    return {"count": count, "examples": examples[:_EXAMPLES], "share_of_words_read": widths}


def _members(stores: Stores, splits: tuple[str, ...], modalities: tuple[Modality, ...]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    wanted = [SPLITS.index(name) for name in splits]
    kinds = [modality.index for modality in modalities]
    for label, store in stores.items():
        kept = np.isin(store.column("split")[groups_of(store)], wanted) & np.isin(store.column("modality"), kinds)
        for index in np.flatnonzero(kept).tolist():
            yield f"{_member_name(store, index)} ({label})", store.member(index).token_ids


def _overlapping(stores: Stores) -> dict[str, Any]:
    """Sweep every genome record from left to right; a place that begins inside one of another split overlaps it."""
    by_record: dict[str, list[tuple[Place, str]]] = defaultdict(list)
    for store in stores.values():
        for group, place in store.places():
            by_record[place.record].append((place, store.split_of(group)))
    count, examples = 0, []
    for record, places in by_record.items():
        for first, second in combinations(SPLITS, 2):
            reach = {first: 0, second: 0}
            for place, split in sorted(item for item in places if item[1] in reach):
                other = second if split == first else first
                if place.start < reach[other]:
                    count += 1
                    examples.append(
                        f"{record}:{place.start}-{min(place.stop, reach[other])} (0-based, half-open) is in {first} and {second}"
                    )
                reach[split] = max(reach[split], place.stop)
    return {"count": count, "examples": examples[:_EXAMPLES]}
