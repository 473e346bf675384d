"""Relatives of every kind are found, and only those."""

import numpy as np
import pytest

from biolect.bio.genetic_code import GeneticCode
from biolect.bio.sequence import Modality, Sequence
from biolect.data.relatives import KINDS, edit_distance, relatives


def dna(length, seed):
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), length))


def changed(text, count, seed=0):
    rng = np.random.default_rng(seed)
    letters = list(text)
    for i in rng.choice(len(text), count, replace=False):
        letters[i] = "ACGT"[("ACGT".index(letters[i]) + rng.integers(1, 4)) % 4]
    return "".join(letters)


def records(*texts, modality=Modality.DNA):
    return [Sequence(text, modality, name=str(i)) for i, text in enumerate(texts)]


def kinds(found, held_out, size):
    asked = np.isin(np.arange(size), held_out)
    return [KINDS[kind] if kind >= 0 else "" for kind in found.kinds(asked, ~asked)]


def naive_distance(a, b):
    table = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        row = [i]
        for j, other in enumerate(b, 1):
            row.append(min(row[-1] + 1, table[j] + 1, table[j - 1] + (letter != other)))
        table = row
    return table[-1]


@pytest.mark.parametrize("seed", range(40))
def test_edit_distance_equals_its_definition(seed):
    rng = np.random.default_rng(seed)
    first, second = ("".join(rng.choice(list("ACG"), rng.integers(0, 90))) for _ in range(2))

    assert edit_distance(first, second) == naive_distance(first, second)


def test_each_gene_has_the_kind_of_its_strongest_relative():
    gene = dna(900, 0)
    other_strand = Sequence(dna(900, 1), Modality.DNA).reverse_complement().residues
    table = records(
        gene, dna(900, 1), dna(900, 2), gene, changed(gene, 6), other_strand, dna(600, 3) + other_strand[:300], dna(900, 4), dna(10, 5)
    )

    found = relatives(table)

    expected = ["identical", "near_identical", "opposite_strand", "opposite_strand", "", ""]
    assert kinds(found, range(3, 9), 9) == expected
    assert found.clusters[0] == found.clusters[3] == found.clusters[4] != found.clusters[7]
    assert found.clusters[1] == found.clusters[5] == found.clusters[6]
    assert len(set(found.clusters.tolist())) == 5


def test_short_designs_are_compared_by_edits():
    design = dna(100, 0)
    shifted = design[:50] + "A" + design[50:97]
    tail = "AAAGAAACAACAACAACAAC"
    table = records(
        design, shifted, changed(design[:40], 2) + changed(design[40:70], 10) + design[70:], dna(80, 1) + tail, dna(80, 2) + tail
    )

    found = relatives(table)

    assert kinds(found, [1, 2], 5) == ["near_identical", "homologous"]
    # A tail that all constructs have makes no relatives.
    assert found.clusters[3] != found.clusters[4]


def test_genes_that_differ_in_every_codon_are_relatives_by_their_protein():
    code = GeneticCode.by_id(1)
    rng = np.random.default_rng(0)
    protein = "".join(rng.choice(list("LSRAGPTV"), 200))
    first, second = ("".join(code.codons(letter)[i] for letter in protein) for i in (0, 2))
    table = records(first, second, dna(600, 7))
    proteins = records(*(code.translate(r.residues).replace("*", "X") for r in table), modality=Modality.PROTEIN)

    assert kinds(relatives(table, proteins), [0], 3) == ["homologous"]
    assert kinds(relatives(table), [0], 3) == [""]


def test_a_row_is_no_relative_of_itself():
    found = relatives(records(dna(400, 0), dna(400, 1), dna(400, 1)))
    everyone = np.ones(3, dtype=bool)

    assert found.kinds(everyone, everyone).tolist() == [-1, 0, 0]


def test_proteins_have_one_strand():
    rng = np.random.default_rng(0)
    protein = "".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), 120))

    assert kinds(relatives(records(protein, protein[:110], protein[::-1], modality=Modality.PROTEIN)), [1, 2], 3) == ["near_identical", ""]
