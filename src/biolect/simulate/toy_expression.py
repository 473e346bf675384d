"""Toy messengers: coding sequences of known families whose expression follows a known rule.

Three things decide it, each of which another view shows best: how fast codons are read on average (codons, whatever their
order), how often two slow codons follow each other (codons in their order), and how often two given residues follow each other
(the protein). What is measured is their sum and noise.
"""

from itertools import pairwise, product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biolect.bio.genetic_code import GeneticCode
from biolect.errors import ConfigError
from biolect.metrics import spearman
from biolect.simulate.toy_families import draw_families
from biolect.simulate.toy_genomes import write_texts

PARTS = {"speed": 1.0, "stalls": 0.6, "pairs": 0.6}
"""How much each part weighs, in deviations; noise has `NOISE`."""
NOISE = 0.5
_PAIRED = "LS"
_CODONS = ["".join(bases) for bases in product("ACGT", repeat=3)]


def expression(folder: Path | str, *, seed: int = 0, num_genes: int = 400, num_families: int = 80) -> list[Path]:
    """Write coding sequences as a table with columns `id`, `family`, `sequence` and `expression`, and the truth about them.

    The truth is `truth.tsv`, the speed of every codon and whether it is slow, and `truth.json`: the rule, and the rank of what is
    measured among what is true, which no model can beat in the long run.

    Returns:
        The table, as `fuse` and `audit` take it.

    Raises:
        ConfigError: If a count is not positive, or there are fewer than 20 genes.
    """
    if num_genes < 20 or num_families < 1:
        raise ConfigError(f"num_genes = {num_genes} must be at least 20, and num_families = {num_families} at least 1.")
    rng, code = np.random.default_rng(seed), GeneticCode.by_id(1)
    members = -(-num_genes // num_families)
    found = list(draw_families(seed=seed, num_families=num_families, num_members=members, lengths=(50, 160)))
    proteins = [(family.name, f"M{family.members[i].replace('-', '')}") for i in range(members) for family in found][:num_genes]
    codons = {letter: [c for c in _CODONS if code.translate(c) == letter] for letter in sorted(set(code.translate("".join(_CODONS))))}
    # Centered within a residue's codons, so that the protein alone says nothing about speed.
    drawn = {letter: rng.normal(size=len(own)) for letter, own in codons.items()}
    speeds = {codon: x for letter, own in codons.items() for codon, x in zip(own, drawn[letter] - drawn[letter].mean(), strict=True)}
    slow = {codon for codon, speed in speeds.items() if speed < np.quantile(list(speeds.values()), 0.3)}
    genes = [_recoded(rng, protein, codons, speeds) for _, protein in proteins]
    parts = {
        "speed": [np.mean([speeds[codon] for codon in gene]) for gene in genes],
        "stalls": [-np.mean([one in slow and other in slow for one, other in pairwise(gene)]) for gene in genes],
        "pairs": [protein.count(_PAIRED) / len(protein) for _, protein in proteins],
    }
    true = np.sum([PARTS[name] * _standard(np.array(values)) for name, values in parts.items()], axis=0)
    measured = true + NOISE * rng.normal(size=num_genes)
    rows = [
        f"E{i:04d},{name},{''.join(gene)}TAA,{value:.5f}\n"
        for i, ((name, _), gene, value) in enumerate(zip(proteins, genes, measured, strict=True), 1)
    ]
    truth = {"seed": seed, "weights": PARTS, "noise": NOISE, "residue_pair": _PAIRED, "ceiling_spearman": spearman(true, measured)}
    texts = {
        "expression.csv": "id,family,sequence,expression\n" + "".join(rows),
        "truth.tsv": "codon\tspeed\tis_slow\n" + "".join(f"{c}\t{speeds[c]:.5f}\t{int(c in slow)}\n" for c in _CODONS),
    }
    return write_texts(folder, texts, truth)


def _recoded(rng: np.random.Generator, protein: str, codons: dict[str, list[str]], speeds: dict[str, float]) -> list[str]:
    """Return codons of a protein, fast or slow ones preferred as strongly as the gene happens to."""
    taste, gene = rng.normal(), []
    for letter in protein:
        chances = np.exp([taste * speeds[codon] for codon in codons[letter]])
        gene.append(str(rng.choice(codons[letter], p=chances / chances.sum())))
    return gene


def _standard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return (values - values.mean()) / (values.std() or 1.0)
