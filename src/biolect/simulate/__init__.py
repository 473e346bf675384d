"""Toy data with known truth, in the formats of the real thing: organisms, and families of proteins."""

from biolect.simulate.toy_families import ToyFamily, draw_families, families
from biolect.simulate.toy_genomes import AMINO_ACIDS, Organism, ToyGene, genomes, organisms

__all__ = ["AMINO_ACIDS", "Organism", "ToyFamily", "ToyGene", "draw_families", "families", "genomes", "organisms"]
