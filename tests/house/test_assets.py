"""The packaged genome: the right letters, the right genes."""

import hashlib
from importlib import resources

import pytest

from biolect.bio.gene import Gene
from biolect.bio.genetic_code import GeneticCode
from biolect.bio.io import Refusal, read_genes

ASSETS = resources.files("biolect") / "assets"
LENGTH = 5_386
# Residues of each protein, as Sanger and others counted them in 1978; the stop codon is not counted.
RESIDUES = {"A": 513, "A*": 341, "B": 120, "K": 56, "C": 86, "D": 152, "E": 91, "J": 38, "F": 427, "G": 175, "H": 328}


def letters() -> str:
    return "".join((ASSETS / "phix174.fa").read_text().splitlines()[1:])


def genes() -> dict[str, tuple[int, int]]:
    rows = [line.split("\t") for line in (ASSETS / "phix174.gff3").read_text().splitlines() if "\tCDS\t" in line]
    return {row[8].partition("Name=")[2].partition(";")[0]: (int(row[3]) - 1, int(row[4])) for row in rows}


def test_the_genome_has_its_letters():
    text = letters()

    assert len(text) == LENGTH and set(text) == set("ACGT")
    assert hashlib.sha256(text.encode()).hexdigest() == "97038c7e1edea2297667d7f0426ba942b322c74cb30e072ec66ba47f9c0448d0"


@pytest.mark.parametrize(("name", "count"), RESIDUES.items())
def test_every_gene_is_an_open_frame_of_the_known_length(name, count):
    start, stop = genes()[name]

    protein = GeneticCode.by_id(11).translate((letters() * 2)[start:stop], first_is_start=True)

    assert protein[0] == "M" and protein[-1] == "*" and "*" not in protein[:-1]
    assert len(protein) == count + 1


def test_three_genes_cross_the_origin():
    assert {name for name, (_, stop) in genes().items() if stop > LENGTH} == {"A", "A*", "B"}


def test_our_reader_takes_the_genome_as_it_is():
    read = list(read_genes(str(ASSETS / "phix174.gff3"), str(ASSETS / "phix174.fa")))
    found = {gene.name: gene for gene in read if isinstance(gene, Gene)}

    assert not [item for item in read if isinstance(item, Refusal)]
    assert {name: len(str(gene.protein).rstrip("*")) for name, gene in found.items()} == RESIDUES
