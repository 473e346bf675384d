"""The leakage report: what training and evaluation share, found without a look at how splits were made.

Clusters are made by comparing pairs; this looks instead at each held-out member against everything
that is trained on, with other words, so a mistake there shows here.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biolect.bio import chemistry
from biolect.bio.sequence import Modality
from biolect.data.shards import SPLITS, MemberStore, Place
from biolect.data.sketch import AMINO_ACIDS, NUCLEOTIDES, Words, distinct, fraction_for
from biolect.data.splits import canonical_digest
from biolect.errors import LeakageError

NUCLEOTIDE_WORD = 31
PROTEIN_WORD = 8
NEAR = 0.5
"""Share of a held-out member's words that training has, from which it is a near duplicate (spec: shared 31-mers above 50 %)."""
MIN_WORDS = 20
"""Members with fewer different words are compared as whole strings only."""
NEAR_MOLECULE = 0.8
"""Tanimoto similarity of folded fingerprints from which two molecules are near duplicates."""
_BITS = 2_048
_EXAMPLES = 5

Stores = Mapping[str, MemberStore]


def leakage_report(stores: Stores) -> dict[str, Any]:
    """Return what splits share: names, strings (either strand) or molecules, near duplicates, places on genome records.

    Each kind has a `count` and a few `examples`; `clean` is true where all counts are 0.
    """
    is_chemical = any(store.total_tokens(Modality.MOLECULE) for store in stores.values())
    report: dict[str, Any] = {
        "shared_ids": _shared(stores, _given_names if is_chemical else _names, MemberStore.name_of),
        "identical": _shared(stores, _molecules, _smiles) if is_chemical else _shared(stores, _digests, MemberStore.title),
        "near_duplicates": _near_molecules(stores) if is_chemical else _near_duplicates(stores),
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
        f"Training and evaluation share sequences: {counts}; for example {_told(report[kind]['examples'][0])}. "
        "Prepare the corpus again, or pass --allow-leakage to train on it all the same."
    )


def _told(example: str | Sequence[str] | Mapping[str, Any]) -> str:
    if isinstance(example, Mapping):
        return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in example.items())
    return example if isinstance(example, str) else " and ".join(example)


def _shared(
    stores: Stores, keys_of: Callable[[MemberStore], Iterator[tuple[int, bytes, int]]], name_of: Callable[[MemberStore, int], str]
) -> dict[str, Any]:
    """Find equal keys in different splits. Keys come as (index, 16 bytes, split)."""
    labels = list(stores)
    keys = ((key, split, number, index) for number, label in enumerate(labels) for index, key, split in keys_of(stores[label]))
    rows = np.fromiter(keys, dtype=[("key", "S16"), ("split", "u1"), ("store", "<i8"), ("index", "<i8")])
    rows.sort(order=["key", "split"])
    same = np.flatnonzero((rows["key"][1:] == rows["key"][:-1]) & (rows["split"][1:] != rows["split"][:-1]))

    def shown(row: Any) -> str:
        label = labels[row["store"]]
        return f"{SPLITS[row['split']]}: {name_of(stores[label], int(row['index']))} ({label})"

    return {"count": len(same), "examples": [[shown(rows[place]), shown(rows[place + 1])] for place in same[:_EXAMPLES]]}


def _names(store: MemberStore) -> Iterator[tuple[int, bytes, int]]:
    for group, split in enumerate(store.column("split").tolist()):
        yield from ((group, _digest(name), split) for name in store.names_in(group))


def _given_names(store: MemberStore) -> Iterator[tuple[int, bytes, int]]:
    """Leave out numbers: molecules without a name are called by their row, which every file has."""
    for group, split in enumerate(store.column("split").tolist()):
        yield from ((group, _digest(name), split) for name in store.names_in(group) if not name.isdecimal())


def _digests(store: MemberStore) -> Iterator[tuple[int, bytes, int]]:
    for index, split in enumerate(store.column("split")[store.owners].tolist()):
        member = store.member(index)
        if len(member):
            yield index, canonical_digest(member), split


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()


def _smiles(store: MemberStore, index: int) -> str:
    return store.vocabulary.decode(store.member(index).token_ids, Modality.MOLECULE)


def _molecules(store: MemberStore) -> Iterator[tuple[int, bytes, int]]:
    """Take canonical SMILES for one string, or the text itself where RDKit refuses it or is not there."""
    asks = chemistry.is_there()
    for index, split in enumerate(store.column("split")[store.owners].tolist()):
        text = _smiles(store, index)
        parsed = chemistry.parse(text).molecule if asks else None
        yield index, _digest(text if parsed is None else chemistry.canonical(parsed)), split


def _near_molecules(stores: Stores) -> dict[str, Any]:
    """Compare every held-out molecule with all that are trained on, by folded fingerprints; without RDKit, nothing."""
    prints: dict[str, dict[str, Any]] = {split: {} for split in SPLITS}
    for split, store in product(SPLITS, stores.values()) if chemistry.is_there() else ():
        for text in {_smiles(store, index) for index in store.members_in([split]).tolist()}:
            parsed = chemistry.parse(text).molecule
            if parsed is not None:
                prints[split][chemistry.canonical(parsed)] = chemistry.fingerprint(parsed, _BITS)
    found = []
    for seen, held in combinations(SPLITS, 2):
        known, asked = prints[seen], {key: one for key, one in prints[held].items() if key not in prints[seen]}
        values, places = chemistry.most_similar(list(asked.values()), list(known.values()))
        texts = list(known)
        found += [
            {"held_out": f"{key} ({held})", "seen_in": f"{texts[place]} ({seen})", "share": round(float(value), 3)}
            for key, value, place in zip(asked, values, places, strict=True)
            if value >= NEAR_MOLECULE
        ]
    return _found(found)


def _found(examples: list[dict[str, Any]]) -> dict[str, Any]:
    return {"count": len(examples), "examples": sorted(examples, key=lambda one: -one["share"])[:_EXAMPLES]}


def _near_duplicates(stores: Stores) -> dict[str, Any]:
    examples, widths = [], {}
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
                own = asked.places_of(distinct(words.hashes(ids)[0]))
                share = is_seen[own].mean() if len(own) >= MIN_WORDS else 0.0
                if share >= NEAR:
                    examples.append({"held_out": name, "seen_in": seen, "share": round(float(share), 3)})
    return {**_found(examples), "share_of_words_read": widths}


def _members(stores: Stores, splits: tuple[str, ...], modalities: tuple[Modality, ...]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    for label, store in stores.items():
        for index in store.members_in(splits, modalities).tolist():
            yield f"{store.title(index)} ({label})", store.member(index).token_ids


def _overlapping(stores: Stores) -> dict[str, Any]:
    """Sweep every genome record from left to right; a place that begins inside one of another split overlaps it."""
    by_record: dict[str, list[tuple[Place, str]]] = defaultdict(list)
    for store in stores.values():
        for group, place in store.places():
            by_record[place.record].append((place, store.split_of(group)))
    examples = []
    for record, places in by_record.items():
        for first, second in combinations(SPLITS, 2):
            reach = {first: 0, second: 0}
            for place, split in sorted(item for item in places if item[1] in reach):
                other = second if split == first else first
                if place.start < reach[other]:
                    examples.append(
                        f"{record}:{place.start}-{min(place.stop, reach[other])} (0-based, half-open) is in {first} and {second}"
                    )
                reach[split] = max(reach[split], place.stop)
    return {"count": len(examples), "examples": examples[:_EXAMPLES]}
