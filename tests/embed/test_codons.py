"""Encoders on the codon axis: every view of a gene lands on the right codons."""

import numpy as np
import pytest

from biolect.bio.genetic_code import GeneticCode
from biolect.bio.sequence import Modality, Sequence
from biolect.embed.codons import CodonEncoder
from biolect.embed.plain import CodonFrequencyEncoder, OneHotEncoder
from biolect.errors import AlphabetError

GENE = Sequence("ATGGCCAAATAA", Modality.DNA, "gene")


def test_a_protein_encoder_says_one_residue_per_codon_and_nothing_of_the_stop():
    (made,) = CodonEncoder(OneHotEncoder(Modality.PROTEIN), Modality.PROTEIN).encode([GENE])

    letters = [Modality.PROTEIN.alphabet.symbols[i] for i in made.vectors.argmax(axis=1)]
    assert made.vectors.dtype == np.float16 and letters == ["M", "A", "K"]


@pytest.mark.parametrize("view", [Modality.DNA, Modality.RNA])
def test_dna_and_rna_letters_of_one_gene_give_the_same_codons(view: Modality):
    letters = OneHotEncoder(view)
    encoder = CodonEncoder(letters, view)

    (from_dna,), (from_rna,) = encoder.encode([GENE]), encoder.encode([GENE.transcribe()])

    assert np.array_equal(from_dna.vectors, from_rna.vectors) and len(from_dna.vectors) == 3
    assert np.allclose(from_dna.vectors[2], letters.vectors(encoder.seen(GENE))[:1], atol=1e-3)


def test_a_codon_encoder_needs_no_alignment_but_drops_the_stop():
    (made,) = CodonEncoder(CodonFrequencyEncoder(1), Modality.DNA).encode([GENE])

    assert made.vectors.shape == (3, 64) and made.vectors.sum(axis=1).tolist() == [1, 1, 1]


def test_the_digest_knows_encoder_view_mode_and_code():
    inner = OneHotEncoder(Modality.DNA)
    digests = {CodonEncoder(inner, Modality.DNA, mode=mode).digest for mode in ("coverage", "repeat")}

    assert len(digests | {CodonEncoder(CodonFrequencyEncoder(1), Modality.DNA).digest}) == 3


def test_what_has_no_codon_is_refused_in_a_sentence():
    encoder = CodonEncoder(OneHotEncoder(Modality.PROTEIN), Modality.PROTEIN)

    assert "no codon before a stop" in encoder.refusal(Sequence("TAA", Modality.DNA, "empty"))
    assert encoder.refusal(GENE) == ""


def test_an_encoder_is_not_given_what_it_does_not_read():
    with pytest.raises(AlphabetError, match="reads protein, not dna"):
        CodonEncoder(OneHotEncoder(Modality.PROTEIN), Modality.DNA)


@pytest.mark.parametrize(
    ("start", "code", "residue"), [("GTG", 11, "M"), ("TTG", 11, "M"), ("CTG", 11, "M"), ("TTG", 1, "M"), ("GTG", 1, "V")]
)
def test_alternative_starts_are_methionine_where_the_code_says_so_and_shift_nothing(start, code, residue):
    gene = Sequence(f"{start}GTGTTGCTGTAA", Modality.DNA, "g")
    encoder = CodonEncoder(OneHotEncoder(Modality.PROTEIN), Modality.PROTEIN, code=GeneticCode.by_id(code))
    rna = CodonEncoder(OneHotEncoder(Modality.RNA), Modality.RNA, code=GeneticCode.by_id(code))

    vectors, symbols = encoder.encode([gene])[0].vectors, Modality.PROTEIN.alphabet.symbols

    assert encoder.grid(gene).protein == f"{residue}VLL" and len(vectors) == len(rna.encode([gene])[0].vectors) == 4
    assert "".join(symbols[i] for i in vectors.argmax(axis=1)) == f"{residue}VLL"
