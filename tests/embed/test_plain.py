"""Encoders without weights."""

import numpy as np
import pytest

from biolect.bio.sequence import Modality, Sequence
from biolect.embed.plain import CodonFrequencyEncoder, OneHotEncoder
from biolect.errors import AlphabetError, ConfigError
from tests.infer.conftest import dna, protein

CODONS = [a + b + c for a in "ACGT" for b in "ACGT" for c in "ACGT"]


def test_one_hot_has_a_one_where_the_letter_stands_in_its_alphabet():
    [made] = OneHotEncoder(Modality.DNA, axis="nucleotide").encode([Sequence("ACGTN", Modality.DNA)])

    np.testing.assert_array_equal(made.vectors, np.eye(5))
    with pytest.raises(AlphabetError, match="reads dna, not protein"):
        OneHotEncoder(Modality.DNA).encode([protein(3, 1)])


@pytest.mark.parametrize("window_codons", [1, 3, 21])
def test_codon_frequencies_are_shares_in_a_window(window_codons: int):
    gene, half = dna(90, 4), window_codons // 2
    codons = [gene.residues[i : i + 3] for i in range(0, 90, 3)]

    [tokens] = CodonFrequencyEncoder(window_codons).tokens([gene])
    [made] = CodonFrequencyEncoder(window_codons, axis="codon").encode([gene.transcribe()])

    for place, vector in enumerate(tokens.vectors):
        around = codons[max(0, place - half) : place + half + 1]
        np.testing.assert_allclose(vector, [around.count(codon) / len(around) for codon in CODONS], atol=1e-6)
    np.testing.assert_allclose(made.vectors, tokens.vectors, atol=1e-6)
    assert tokens.spans[:2].tolist() == [[0, 3], [3, 6]]


def test_codons_with_an_unknown_letter_count_for_nothing():
    vectors = CodonFrequencyEncoder(1).tokens([Sequence("ANGTTT", Modality.DNA)])[0].vectors

    assert vectors.sum(axis=1).tolist() == [0, 1]


def test_what_is_no_whole_number_of_codons_is_refused():
    assert "'odd' has 10 nucleotides" in CodonFrequencyEncoder().refusal(dna(10, 1, "odd"))
    with pytest.raises(AlphabetError, match="whole number of codons"):
        CodonFrequencyEncoder().tokens([dna(10, 1, "odd")])
    with pytest.raises(ConfigError, match="window_codons = 4 is no odd number"):
        CodonFrequencyEncoder(4)


def test_the_digest_knows_what_was_chosen():
    some = [CodonFrequencyEncoder(), CodonFrequencyEncoder(3), CodonFrequencyEncoder(axis="codon"), OneHotEncoder(Modality.DNA)]

    assert len({encoder.digest for encoder in some}) == 4 and some[0].digest == CodonFrequencyEncoder().digest
