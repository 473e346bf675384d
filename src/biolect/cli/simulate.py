"""`biolect simulate`: toy data with known truth, in the formats of the real thing."""

from __future__ import annotations

from typing import Annotated, Literal

from biolect.cli.common import DEFAULTS, WHOLE, Common, finish


def simulate(
    what: Literal["genomes"],
    *,
    genes: Annotated[int, WHOLE] = 200,
    families: Annotated[int, WHOLE] = 40,
    common: Common = DEFAULTS,
) -> int:
    """Write toy data with known truth, in the same formats as the real thing.

    Args:
        what: `genomes` is a bacterium (GenBank) and a eukaryote (GFF3 and FASTA) that share protein families.
        genes: Genes per organism.
        families: Families of homologous proteins, shared by the organisms.
    """
    from biolect import files
    from biolect.simulate import genomes

    folder = common.need_folder()
    if common.dry_run:
        return finish({"files": [], "would_write": folder}, common=common)
    seed = common.seed or 0
    genomes(folder, seed=seed, num_genes=genes, num_families=families)
    files.write_run_json(folder, seed=seed, kind=what, genes=genes, families=families)
    return finish({"files": sorted(folder.iterdir())}, common=common)
