"""K-mers of many sequences at once: what splits and the leakage report compare sequences by.

Words are hashed, and only hashes below a limit are kept, so that the sketch of a large corpus fits
a fixed budget and two sketches made with one limit stay comparable (FracMinHash). A nucleotide word
and its reverse complement have one hash.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biolect.tokens.vocabulary import Vocabulary

_UNREADABLE = 255
_BATCH_RESIDUES = 1 << 16
_PART_KEYS = 1 << 22
BUDGET_WORDS = 16_000_000
"""Words kept over a whole corpus. Some 16 bytes each while they are sorted."""

NUCLEOTIDES = ("A", "C", "G", "T")
# Murphy et al., 10.1093/protein/13.3.149, 15 groups: letters that replace each other count as one.
MURPHY = ("LVIM", "CU", "A", "G", "S", "T", "P", "FY", "W", "E", "D", "N", "Q", "KRO", "H")
AMINO_ACIDS = tuple("ACDEFGHIKLMNPQRSTVWY")


@dataclass(frozen=True)
class Words:
    """How sequences are cut into words.

    Attributes:
        letters: Groups of residues that count as one letter; words with any other residue are not read.
        length: Residues of a word.
        both_strands: Read a word and its reverse complement as one; the letters must be `NUCLEOTIDES`.
        fraction: Share of all possible words that are kept.
    """

    letters: tuple[str, ...]
    length: int
    both_strands: bool = False
    fraction: float = 1.0

    @cached_property
    def codes(self) -> NDArray[np.uint8]:
        """Token id to letter number."""
        vocabulary = Vocabulary.joint()
        table = np.full(256, _UNREADABLE, dtype=np.uint8)
        for number, group in enumerate(self.letters):
            for letter in group:
                table[vocabulary.id_of(letter.lower() if self.both_strands else letter)] = number
        return table

    @property
    def bits(self) -> int:
        """Bits of a letter."""
        return (len(self.letters) - 1).bit_length()

    def hashes(self, token_ids: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Return the hashes of the kept words, and where each begins (0-based), ascending."""
        codes = self.codes[token_ids]
        if len(codes) < self.length:
            return np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64)
        wide = codes.astype(np.uint64)
        words = _joined(wide, self.length, self.bits, backwards=False)
        if self.both_strands:
            words = np.minimum(words, _joined(wide ^ np.uint64(3), self.length, self.bits, backwards=True))
        unreadable = np.concatenate([[0], np.cumsum(codes == _UNREADABLE)])
        hashed = _mixed(words)
        kept = unreadable[self.length :] == unreadable[: -self.length]
        if self.fraction < 1:
            kept &= hashed < np.uint64(self.fraction * 2.0**64)
        places = np.flatnonzero(kept)
        return hashed[places], places

    def index(self, sequences: Iterable[tuple[int, NDArray[np.uint8]]], num_owners: int) -> Index:
        """Return which owner has which word; an owner may come several times."""
        owner_bits = max(num_owners - 1, 1).bit_length()
        parts = []
        for owners, token_ids in _batched(sequences):
            hashed, places = self.hashes(token_ids)
            parts.append(distinct(hashed << np.uint64(owner_bits) | owners[places].astype(np.uint64)))
        packed = np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint64)
        # In place, and the parts let go: this is where the memory of `prepare` is highest.
        parts.clear()
        packed.sort()
        packed = packed[_changes(packed)]
        owners = (packed & np.uint64((1 << owner_bits) - 1)).astype(np.int32)
        packed >>= np.uint64(owner_bits)
        return Index(packed, owners, num_owners)

    def of(self, sequences: Iterable[NDArray[np.uint8]]) -> WordSet:
        """Return the words of all sequences."""
        parts = [distinct(hashed) for hashed in self.stream(sequences)]
        return WordSet(np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint64))

    def stream(self, sequences: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint64]]:
        """Yield the hashes of all sequences in pieces, repeats included."""
        return (self.hashes(ids)[0] for _, ids in _batched((0, sequence) for sequence in sequences))


class WordSet:
    """A set of hashes that many others are looked up in at once. Never changes."""

    def __init__(self, words: NDArray[np.uint64]) -> None:
        self.words = distinct(words)

    def __len__(self) -> int:
        return len(self.words)

    def places_of(self, words: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the places in `self.words` of those of some words that are in the set, ascending."""
        # In order, they are found several times as fast: what is next lies near.
        words = np.sort(words)
        places = np.minimum(np.searchsorted(self.words, words), max(len(self.words) - 1, 0))
        return places[self.words[places] == words] if len(self.words) else places[:0]

    def seen_in(self, stream: Iterable[NDArray[np.uint64]]) -> NDArray[np.bool_]:
        """Return which words of the set a stream of hashes brings."""
        is_seen = np.zeros(len(self), dtype=bool)
        for hashed in stream:
            is_seen[self.places_of(hashed)] = True
        return is_seen


@dataclass(frozen=True)
class Index:
    """Distinct (word, owner) pairs in order of word, then owner."""

    words: NDArray[np.uint64]
    owners: NDArray[np.int32]
    num_owners: int

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Distinct words of every owner."""
        return np.bincount(self.owners, minlength=self.num_owners)

    def pairs(self, neighbors: int, least: int = 1) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return (owner, later owner, words in common) for owners that share `least` words.

        Of the owners of one word, each is paired with the next few only: a word of a thousand owners
        would make half a million pairs, and the chain connects them just as well.
        """
        steps = range(1, neighbors + 1)
        sizes = [int(np.count_nonzero(self.words[step:] == self.words[:-step])) for step in steps]
        joined, start = np.empty(sum(sizes), dtype=np.int64), 0
        for step, size in zip(steps, sizes, strict=True):
            same = np.flatnonzero(self.words[step:] == self.words[:-step])
            joined[start : start + size] = self.owners[same].astype(np.int64) << 32 | self.owners[same + step]
            start += size
        joined.sort()
        found = [_counted(part, least) for part in _whole_parts(joined)]
        keys, counts = (np.concatenate(side) for side in zip(*found, strict=True))
        return keys >> 32, keys & 0xFFFFFFFF, counts


def _whole_parts(keys: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Cut sorted keys into parts that fit the memory; equal keys stay together."""
    start = 0
    while start < len(keys) or not start:
        stop = min(start + _PART_KEYS, len(keys))
        stop = int(np.searchsorted(keys, keys[stop - 1], side="right")) if stop else 0
        yield keys[start:stop]
        start = max(stop, 1)


def _counted(keys: NDArray[np.int64], least: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct keys that come so often, and how often they do."""
    starts = np.flatnonzero(_changes(keys))
    counts = np.diff(np.append(starts, len(keys)))
    kept = counts >= least
    return keys[starts[kept]], counts[kept]


def distinct(values: NDArray[Any]) -> NDArray[Any]:
    """Return the distinct values, ascending. Sorts, which is several times faster here than `np.unique`."""
    values = np.sort(values)
    return values[_changes(values)]


def fraction_for(num_residues: int) -> float:
    """Share of words that fits the budget."""
    return min(1.0, BUDGET_WORDS / max(num_residues, 1))


def _changes(values: NDArray[Any]) -> NDArray[np.bool_]:
    return np.concatenate([np.ones(min(len(values), 1), dtype=bool), values[1:] != values[:-1]])


def _batched(sequences: Iterable[tuple[int, NDArray[np.uint8]]]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
    """Join sequences, an unreadable token between them, to arrays worth a vector operation; yields (owner per token, tokens)."""
    stop = np.zeros(1, dtype=np.uint8)
    owners: list[int] = []
    parts: list[NDArray[np.uint8]] = []
    waiting = 0
    for owner, token_ids in sequences:
        owners.append(owner)
        parts += [token_ids, stop]
        waiting += len(token_ids)
        if waiting > _BATCH_RESIDUES:
            yield _owned(owners, parts)
            owners, parts, waiting = [], [], 0
    if parts:
        yield _owned(owners, parts)


def _owned(owners: list[int], parts: list[NDArray[np.uint8]]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    lengths = [len(part) + 1 for part in parts[::2]]
    return np.repeat(np.array(owners, dtype=np.int64), lengths), np.concatenate(parts)


def _joined(codes: NDArray[np.uint64], length: int, bits: int, *, backwards: bool) -> NDArray[np.uint64]:
    """Return one number per window of `length` letters."""
    count = len(codes) - length + 1
    joined = np.zeros(count, dtype=np.uint64)
    for place in range(length):
        start = length - 1 - place if backwards else place
        joined <<= np.uint64(bits)
        joined |= codes[start : start + count]
    return joined


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return hashes that are even over 64 bits: the finalizer of SplitMix64."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ words >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ words >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return words ^ words >> np.uint64(31)
