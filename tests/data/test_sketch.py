"""Words of sequences: one hash for both strands, the same words however they are batched."""

from __future__ import annotations

from collections import Counter
from unittest.mock import patch

import numpy as np
from hypothesis import given, settings, strategies as st

from biolect.bio.sequence import Modality, Sequence
from biolect.data.sketch import AMINO_ACIDS, MURPHY, NUCLEOTIDES, Index, Words, WordSet
from biolect.tokens.vocabulary import Vocabulary

JOINT = Vocabulary.joint()
DNA = Words(NUCLEOTIDES, 5, both_strands=True)


def dna(text: str) -> np.ndarray:
    return JOINT.encode(Sequence(text, Modality.DNA))


def protein(text: str) -> np.ndarray:
    return JOINT.encode(Sequence(text, Modality.PROTEIN))


@given(text=st.text("ACGT", min_size=5, max_size=60))
def test_both_strands_have_the_same_words(text: str) -> None:
    other = str(Sequence(text, Modality.DNA).reverse_complement())

    forward, _ = DNA.hashes(dna(text))
    backward, _ = DNA.hashes(dna(other))

    assert (forward == backward[::-1]).all() and len(forward) == len(text) - 4


@given(text=st.text("ACDEFGHIKLMNPQRSTVWY", min_size=3, max_size=40), length=st.integers(1, 11))
def test_words_are_equal_exactly_where_the_letters_are(text: str, length: int) -> None:
    hashed, places = Words(AMINO_ACIDS, length).hashes(protein(text))

    words = [text[p : p + length] for p in places]
    assert len(words) == max(0, len(text) - length + 1)
    assert len(set(words)) == len(set(hashed.tolist()))


def test_words_with_unknown_letters_are_not_read() -> None:
    _, places = DNA.hashes(dna("ACGTANACGTT"))

    assert places.tolist() == [0, 6]


def test_amino_acids_that_replace_each_other_make_one_word() -> None:
    words = Words(MURPHY, 4)

    assert (words.hashes(protein("LVKF"))[0] == words.hashes(protein("MIRY"))[0]).all()


def test_an_index_counts_distinct_words_per_owner_and_shared_ones_per_pair() -> None:
    index = DNA.index([(0, dna("ACGTACC")), (1, dna("TTTTTTTT")), (2, dna("GGACGTACC")), (0, dna("ACGTACC"))], 3)

    left, right, shared = index.pairs(2)

    assert index.sizes.tolist() == [3, 1, 5]
    assert list(zip(left, right, shared, strict=True)) == [(0, 2, 3)]


@settings(max_examples=25)
@given(known=st.lists(st.integers(0, 2**64 - 1)), asked=st.lists(st.integers(0, 2**64 - 1)))
def test_a_word_set_finds_what_is_in_it(known: list[int], asked: list[int]) -> None:
    asked += known[::2]
    words = WordSet(np.array(known, dtype=np.uint64))

    places = words.places_of(np.array(asked, dtype=np.uint64))

    assert words.words[places].tolist() == sorted(word for word in asked if word in set(known))


def test_a_fraction_keeps_the_same_words_in_every_sequence() -> None:
    text = "".join(np.random.default_rng(1).choice(list("ACGT"), 4_000))
    some = Words(NUCLEOTIDES, 21, both_strands=True, fraction=0.25)

    whole, part = some.hashes(dna(text))[0], some.hashes(dna(text[1_000:2_000]))[0]

    assert 0.2 < len(whole) / 3_980 < 0.3
    assert set(part.tolist()) <= set(whole.tolist())


@given(owners=st.lists(st.integers(0, 6), min_size=0, max_size=60), seed=st.integers(0, 9), least=st.integers(1, 3), part=st.integers(1, 9))
def test_pairs_are_counted_the_same_however_the_memory_is_cut(owners: list[int], seed: int, least: int, part: int) -> None:
    words = np.random.default_rng(seed).integers(0, 8, size=len(owners))
    both = sorted({(int(word), owner) for word, owner in zip(words, owners, strict=True)})
    index = Index(np.array([w for w, _ in both], dtype=np.uint64), np.array([o for _, o in both], dtype=np.int32), 7)

    with patch("biolect.data.sketch._PART_KEYS", part):
        found = {(int(a), int(b)): int(n) for a, b, n in zip(*index.pairs(3, least), strict=True)}

    close = [(one, other) for i, one in enumerate(both) for other in both[i + 1 : i + 4] if one[0] == other[0]]
    near = Counter((one[1], other[1]) for one, other in close)
    assert found == {pair: count for pair, count in near.items() if count >= least}
