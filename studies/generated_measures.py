"""What the study of generated sequences measures of one item, and of two sets of items."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from biolect.bio import chemistry
from biolect.bio.sequence import Modality, Sequence
from biolect.evaluate.molecules import BITS

COPIED = {"dna": 16, "protein": 6}
LONG = ("words of training", "longest copied", "words of the prompt", "likeness to training", "in training", "valid")
"""Traits whose mean is reported, not their distance to those of the reference."""
_READING_FRAME = re.compile(r"(?=(ATG(?:(?!TAA|TAG|TGA)[ACGT]{3})*))")


class Training(NamedTuple):
    """What copying is judged by: words of sequences as sorted numbers, or molecules."""

    words: NDArray[np.uint64]
    texts: frozenset[str]
    fingerprints: list[Any]

    @classmethod
    def of(cls, texts: list[str], name: str) -> Training:
        """Look at all training texts."""
        if name == "molecule":
            parsed = [one for one in (chemistry.parse(text).molecule for text in texts) if one is not None]
            whole = frozenset(chemistry.canonical(one) for one in parsed)
            return cls(np.zeros(0, dtype=np.uint64), whole, [chemistry.fingerprint(one, BITS) for one in parsed])
        found = [words_of(text, COPIED[name]) for text in texts]
        if name == "dna":
            found += [words_of(Sequence(text, Modality.DNA).reverse_complement().residues, COPIED[name]) for text in texts]
        return cls(np.unique(np.concatenate(found)), frozenset(), [])


def words_of(text: str, size: int) -> NDArray[np.uint64]:
    """Return a number for the word of so many letters at every place."""
    codes = np.frombuffer(text.encode(), dtype=np.uint8).astype(np.uint64) % np.uint64(32)
    found = np.zeros(max(0, len(codes) - size + 1), dtype=np.uint64)
    # Four letters need fewer bits than twenty; A, C, G and T differ in these.
    bits = np.uint64(2 if size == COPIED["dna"] else 5)
    codes = codes >> np.uint64(1) & np.uint64(3) if size == COPIED["dna"] else codes
    for offset in range(size if len(found) else 0):
        found = found << bits | codes[offset : offset + len(found)]
    return found


def traits(text: str, name: str, training: Training, prompt: list[str]) -> dict[str, float | None]:
    """Return what one item is like; None where it cannot be said."""
    if name == "molecule":
        return _of_molecule(text, training)
    words = words_of(text, COPIED[name])
    is_known = _found(words, training.words)
    copied: dict[str, float | None] = {
        "words of training": float(is_known.mean()) if len(words) else None,
        "longest copied": _longest(is_known, COPIED[name]),
    }
    if name == "dna":
        turned = Sequence(text, Modality.DNA).reverse_complement().residues
        frames = [len(match[1]) // 3 for strand in (text, turned) for match in _READING_FRAME.finditer(strand)]
        return {"GC": sum(map(text.count, "GC")) / len(text), "longest reading frame": float(max(frames, default=0)), **copied}
    shown = np.unique(np.concatenate([words_of(one, COPIED[name]) for one in prompt])) if prompt else np.zeros(0, dtype=np.uint64)
    charged = sum(map(text.count, "DEKR")) / max(1, len(text))
    of_prompt = float(_found(words, shown).mean()) if len(words) else None
    return {"length": float(len(text)), "charged": charged, **copied, "words of the prompt": of_prompt}


def _of_molecule(text: str, training: Training) -> dict[str, float | None]:
    molecule: Any = chemistry.parse(text).molecule
    names = ("weight", "log P", "likeness to training", "in training")
    facts: dict[str, float | None] = {"valid": float(molecule is not None), **dict.fromkeys(names)}
    if molecule is not None:
        near, _ = chemistry.most_similar([chemistry.fingerprint(molecule, BITS)], training.fingerprints)
        known = float(chemistry.canonical(molecule) in training.texts)
        facts |= dict(zip(names, (*chemistry.weight_and_logp(molecule), float(near[0]), known), strict=True))
    return facts


def _found(words: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which words are among sorted ones."""
    if not len(known):
        return np.zeros(len(words), dtype=bool)
    return known[np.minimum(np.searchsorted(known, words), len(known) - 1)] == words


def _longest(is_known: NDArray[np.bool_], size: int) -> float:
    """Return how many letters the longest stretch has that only known words make."""
    borders = np.flatnonzero(np.diff(np.concatenate([[0], is_known.astype(np.int8), [0]])))
    runs = borders[1::2] - borders[::2]
    return float(runs.max() + size - 1) if len(runs) else 0.0


def word_counts(texts: dict[str, list[list[str]]], size: int) -> dict[str, csr_matrix]:
    """Return counts of words of so many symbols, items by words, the same words for all sources."""
    known: dict[tuple[str, ...], int] = {}
    found: dict[str, tuple[list[int], list[int]]] = {}
    for label, items in texts.items():
        rows: list[int] = []
        columns: list[int] = []
        for row, item in enumerate(items):
            places = [known.setdefault(tuple(item[i : i + size]), len(known)) for i in range(len(item) - size + 1)]
            rows += [row] * len(places)
            columns += places
        found[label] = rows, columns
    return {
        label: csr_matrix((np.ones(len(rows)), (rows, columns)), (len(texts[label]), len(known)))
        for label, (rows, columns) in found.items()
    }


def bits_between(counts: csr_matrix, reference: csr_matrix, rows: NDArray[np.int64]) -> float:
    """Return the Jensen-Shannon divergence of drawn items from a reference. Bits."""
    weights = np.bincount(rows, minlength=counts.get_shape()[0]).astype(np.float64)
    p, q = np.asarray(counts.T @ weights), np.asarray(reference.T @ np.ones(reference.get_shape()[0]))
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    return float(sum((x[x > 0] * np.log2(x[x > 0] / middle[x > 0])).sum() for x in (p, q)) / 2)
