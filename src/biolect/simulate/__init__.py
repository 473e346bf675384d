"""Toy data with known truth, in the formats of the real thing: organisms, families of proteins, domains of molecules, messengers."""

from biolect.simulate.toy_expression import expression
from biolect.simulate.toy_families import ToyFamily, draw_families, families
from biolect.simulate.toy_genomes import AMINO_ACIDS, Organism, ToyGene, genomes, organisms
from biolect.simulate.toy_molecules import ToyDomain, draw_domains, molecules

__all__ = [
    "AMINO_ACIDS",
    "Organism",
    "ToyDomain",
    "ToyFamily",
    "ToyGene",
    "draw_domains",
    "draw_families",
    "expression",
    "families",
    "genomes",
    "molecules",
    "organisms",
]
