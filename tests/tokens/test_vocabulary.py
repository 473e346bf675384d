"""Vocabularies: ids never move, residues come back, and no id is read as what it is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from biolect.bio.alphabet import ILLEGAL
from biolect.bio.sequence import Modality, Sequence
from biolect.errors import AlphabetError, ConfigError
from biolect.tokens.vocabulary import Vocabulary

JOINT = Vocabulary.joint()
TABLES = Path(__file__).parent
MODALITIES = (Modality.DNA, Modality.RNA, Modality.PROTEIN)


@pytest.mark.parametrize(
    ("name", "digest"),
    [("joint-64", "91a39bcce72300b3"), ("dna-12", "cdf0e19e12b00951"), ("prot-38", "86785861bf19bed4"), ("smiles-176", "7ad97ef29643d45e")],
)
def test_ids_are_those_of_the_table_and_never_move(name: str, digest: str) -> None:
    vocabulary = Vocabulary.named(name)

    assert "".join(f"{i}\t{token}\n" for i, token in enumerate(vocabulary.tokens)) == (TABLES / f"{name}.txt").read_text()
    assert vocabulary.digest.startswith(digest)


def test_published_vocabularies_have_their_roles_where_the_papers_put_them() -> None:
    dna, protein = Vocabulary.named("dna-12"), Vocabulary.named("prot-38")

    assert (dna.begin, dna.separator, dna.end, dna.mask, dna.pad, dna.unknown, dna.holes) == (2, 1, 1, 3, 4, 6, ())
    assert (protein.begin, protein.separator, protein.end, protein.pad, protein.fill, protein.mask) == (0, 0, 0, 1, 2, 32)
    assert protein.holes == (33, 34, 35, 36, 37) and JOINT.holes == (45, 46, 47, 48, 49)
    assert not dna.has_tags and not protein.has_tags and JOINT.has_tags


def test_a_letter_without_a_token_of_its_own_is_read_as_unknown_or_refused() -> None:
    protein = Vocabulary.named("prot-38")

    assert protein.decode(protein.encode(Sequence("MKJX", Modality.PROTEIN)), Modality.PROTEIN) == "MKXX"
    with pytest.raises(AlphabetError, match=r"Symbol '\*' at index 2 \(0-based\) of 'p' has no token in vocabulary 'prot-38'"):
        protein.encode(Sequence("MK*", Modality.PROTEIN, "p"))


def test_there_are_sixty_four_different_tokens() -> None:
    assert len(JOINT) == len(set(JOINT.tokens)) == 64


@pytest.mark.parametrize(
    ("residues", "modality", "ids"),
    [
        ("ACGTN", Modality.DNA, [10, 11, 12, 13, 14]),
        ("ACGUN", Modality.RNA, [10, 11, 12, 13, 14]),
        ("ATGAAATAA", Modality.DNA, [10, 13, 12, 10, 10, 10, 13, 10, 10]),
        ("MK*", Modality.PROTEIN, [26, 24, 42]),
        ("ACDEFGHIKLMNPQRSTVWYXBZJUO*", Modality.PROTEIN, list(range(16, 43))),
        ("", Modality.DNA, []),
    ],
)
def test_residues_have_the_ids_they_have(residues: str, modality: Modality, ids: list[int]) -> None:
    found = JOINT.encode(Sequence(residues, modality))

    assert found.tolist() == ids and found.dtype == np.uint8
    assert JOINT.decode(found, modality) == residues


@given(st.data())
def test_decoding_undoes_encoding(data: st.DataObject) -> None:
    modality = data.draw(st.sampled_from(MODALITIES))
    residues = data.draw(st.text(modality.alphabet.symbols))

    assert JOINT.decode(JOINT.encode(Sequence(residues, modality)), modality) == residues


@pytest.mark.parametrize("modality", MODALITIES)
def test_the_table_reads_what_the_alphabet_reads(modality: Modality) -> None:
    table = JOINT.residue_table(modality)

    assert table.shape == (256,) and table.dtype == np.uint8
    for byte in range(256):
        symbol = modality.alphabet.canonical_bytes[byte]
        assert table[byte] == (ILLEGAL if symbol == ILLEGAL else JOINT.encode(Sequence(chr(symbol), modality))[0])


def test_lower_case_uracil_and_ambiguity_are_read_as_what_they_stand_for() -> None:
    table = JOINT.residue_table(Modality.DNA)

    assert [JOINT.tokens[table[ord(c)]] for c in "aAuUtTrRyY"] == ["a", "a", "t", "t", "t", "t", "n", "n", "n", "n"]
    assert table[ord("!")] == table[ord("E")] == table[0] == ILLEGAL


def test_nucleotides_and_amino_acids_are_disjoint() -> None:
    dna, rna, protein = (set(JOINT.residue_ids(m).tolist()) for m in MODALITIES)

    assert dna == rna == {10, 11, 12, 13, 14}
    assert protein == set(range(16, 43))


def test_special_tokens_are_no_residues() -> None:
    special = [JOINT.pad, JOINT.begin, JOINT.end, JOINT.separator, JOINT.unknown, *(JOINT.tag(m) for m in MODALITIES)]

    assert special == list(range(8))
    assert (JOINT.id_of("<pos>"), JOINT.id_of("<neg>"), JOINT.id_of("u"), JOINT.id_of("<reserved63>")) == (8, 9, 15, 63)


@pytest.mark.parametrize(
    ("ids", "modality", "message"),
    [
        ([10, 3, 11], Modality.DNA, r"Token '<sep>' at index 1 \(0-based\) is no dna residue"),
        ([26, 10], Modality.PROTEIN, r"Token 'a' at index 1 \(0-based\) is no protein residue"),
        ([26], Modality.RNA, r"Token 'M' at index 0 \(0-based\) is no rna residue"),
        ([63], Modality.DNA, "Token '<reserved63>'"),
        ([64], Modality.DNA, "Token id 64 at index 0"),
        ([10, 70_000], Modality.DNA, "Token id 70000 at index 1"),
    ],
)
def test_ids_that_are_no_residues_are_refused(ids: list[int], modality: Modality, message: str) -> None:
    with pytest.raises(AlphabetError, match=message):
        JOINT.decode(np.array(ids), modality)


def test_molecules_have_no_place_in_the_joint_vocabulary() -> None:
    with pytest.raises(AlphabetError, match="Vocabulary 'joint-64' has no molecule residues"):
        JOINT.residue_table(Modality.MOLECULE)
    with pytest.raises(AlphabetError, match="Token '<molecule>' is not in vocabulary 'joint-64'"):
        JOINT.tag(Modality.MOLECULE)


def test_molecules_are_symbols_and_the_dot_of_a_salt_is_no_separator() -> None:
    smiles = Vocabulary.named("smiles-176")
    ids = smiles.encode(Sequence("[Na+].Sc1%12\\C", Modality.MOLECULE))

    assert [smiles.tokens[i] for i in ids] == ["[", "Na", "+", "]", ".", "S", "c", "1", "%", "1", "2", "\\", "C"]
    assert smiles.decode(ids, Modality.MOLECULE) == "[Na+].Sc1%12\\C" and ids.dtype == np.uint8
    assert smiles.separator not in smiles.residue_ids(Modality.MOLECULE) and len(smiles.residue_ids(Modality.MOLECULE)) == 163
    assert (smiles.pad, smiles.begin, smiles.end, smiles.separator, smiles.unknown, smiles.mask) == (0, 1, 2, 3, 4, 5)
    assert not smiles.has_tags


def test_unknown_symbols_of_molecules_have_the_unknown_token_and_are_never_padding() -> None:
    smiles = Vocabulary.named("smiles-176")
    ids = smiles.encode(Sequence.read("CX?O", Modality.MOLECULE, unknown="mask"))

    assert [smiles.tokens[i] for i in ids] == ["C", "<unk>", "<unk>", "O"]
    assert smiles.decode(ids, Modality.MOLECULE) == "C??O"
    assert smiles.unknown not in smiles.residue_ids(Modality.MOLECULE)


def test_a_vocabulary_of_molecules_reads_nothing_else() -> None:
    smiles = Vocabulary.named("smiles-176")

    with pytest.raises(AlphabetError, match="Vocabulary 'smiles-176' has no dna residues. It has those of molecule."):
        smiles.encode(Sequence("ACGT", Modality.DNA))
    with pytest.raises(AlphabetError, match=r"Token '<sep>' at index 1 \(0-based\) is no molecule residue"):
        smiles.decode(np.array([20, 3]), Modality.MOLECULE)
    with pytest.raises(AlphabetError, match="Vocabulary 'smiles-176' has no dna residues"):
        smiles.decode(np.array([20]), Modality.DNA)
    with pytest.raises(AlphabetError, match=r"Token id 200 at index 0"):
        smiles.decode(np.array([200]), Modality.MOLECULE)


def test_vocabularies_are_values() -> None:
    assert Vocabulary.named("joint-64") == JOINT and hash(Vocabulary.joint()) == hash(JOINT)
    assert replace(JOINT, name="other").digest == JOINT.digest
    assert replace(JOINT, tokens=JOINT.tokens[:63]).digest != JOINT.digest
    with pytest.raises(ConfigError, match="There is no vocabulary 'joint-65'. Known: joint-64, dna-12, prot-38, smiles-176"):
        Vocabulary.named("joint-65")
