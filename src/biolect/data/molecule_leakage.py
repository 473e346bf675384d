"""What splits of molecules share: looked for with other means than those that made the splits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from biolect.bio import chemistry
from biolect.bio.sequence import Modality
from biolect.data.shards import SPLITS, MemberStore

NEAR = 0.8
"""Tanimoto similarity of folded fingerprints from which two molecules are near duplicates."""
_BITS = 2_048
_EXAMPLES = 5
_PAIRS = (("train", "valid"), ("train", "test"), ("valid", "test"))


def molecule_leakage(stores: Mapping[str, MemberStore]) -> dict[str, Any]:
    """Return what splits of molecules share: names of domains, molecules, near duplicates. See `leakage_report`.

    Molecules are compared by canonical SMILES, and every held-out one with all that are trained on, by folded
    fingerprints. Without RDKit texts are compared, and near duplicates are not looked for.
    """
    texts: list[dict[str, str]] = [{} for _ in SPLITS]
    prints: list[dict[str, Any]] = [{} for _ in SPLITS]
    names: list[dict[str, str]] = [{} for _ in SPLITS]
    known: dict[str, tuple[str, Any]] = {}
    asks = chemistry.is_there()
    for label, store in stores.items():
        for group in range(store.num_groups):
            split = int(store.column("split")[group])
            if name := store.name_of(group):
                names[split][name] = f"{name} ({label})"
            for index in store.members_of(group):
                text = store.vocabulary.decode(store.member(index).token_ids, Modality.MOLECULE)
                if text not in known:
                    known[text] = _read(text) if asks else (text, None)
                key, folded = known[text]
                texts[split].setdefault(key, f"{text} ({label})")
                if folded is not None:
                    prints[split].setdefault(key, folded)
    report = {"shared_ids": _shared(names), "identical": _shared(texts), "near_duplicates": _near(prints), "overlapping": _found([])}
    return {"clean": not any(kind["count"] for kind in report.values()), **report}


def _read(text: str) -> tuple[str, Any]:
    """Return the canonical form and the fingerprint; the text itself and None where RDKit refuses it."""
    parsed = chemistry.parse(text).molecule
    return (text, None) if parsed is None else (chemistry.canonical(parsed), chemistry.fingerprint(parsed, _BITS))


def _shared(by_split: list[dict[str, str]]) -> dict[str, Any]:
    return _found(
        [
            [f"{seen}: {by_split[SPLITS.index(seen)][key]}", f"{held}: {by_split[SPLITS.index(held)][key]}"]
            for seen, held in _PAIRS
            for key in by_split[SPLITS.index(seen)].keys() & by_split[SPLITS.index(held)].keys()
        ]
    )


def _near(prints: list[dict[str, Any]]) -> dict[str, Any]:
    found = []
    for seen, held in _PAIRS:
        known, asked = (
            prints[SPLITS.index(seen)],
            {k: v for k, v in prints[SPLITS.index(held)].items() if k not in prints[SPLITS.index(seen)]},
        )
        values, places = chemistry.most_similar(list(asked.values()), list(known.values()))
        texts = list(known)
        found += [
            {"held_out": f"{key} ({held})", "seen_in": f"{texts[place]} ({seen})", "share": round(float(value), 3)}
            for key, value, place in zip(asked, values, places, strict=True)
            if value >= NEAR
        ]
    return _found(sorted(found, key=lambda one: -one["share"]))


def _found(examples: list[Any]) -> dict[str, Any]:
    return {"count": len(examples), "examples": examples[:_EXAMPLES]}
