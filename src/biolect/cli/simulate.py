"""`biolect simulate`: toy data with known truth, in the formats of the real thing."""

from pathlib import Path
from typing import Annotated, Any, Literal

from biolect.cli.common import DEFAULTS, WHOLE, Common, finish


def simulate(
    what: Literal["genomes", "families", "molecules", "expression"],
    *,
    genes: Annotated[int, WHOLE] = 200,
    families: Annotated[int, WHOLE] = 40,
    members: Annotated[int, WHOLE] = 24,
    domains: Annotated[int, WHOLE] = 40,
    common: Common = DEFAULTS,
) -> int:
    """Write toy data with known truth, in the same formats as the real thing.

    Args:
        what: `genomes` is a bacterium (GenBank) and a eukaryote (GFF3 and FASTA) that share protein families;
            `families` are protein families (A3M), each drawn from a profile of its own; `molecules` are domains of
            molecules (CSV), each with a scaffold of its own; `expression` is a table of coding sequences (CSV) with a value that
            follows a known rule.
        genes: Genes per organism, or of the table.
        families: Families of homologous proteins; those of genomes are shared by the organisms.
        members: Proteins per family where there are no genomes, or molecules per domain.
        domains: Domains of molecules.
    """
    from biolect import files, simulate

    folder = common.need_folder()
    if common.dry_run:
        return finish({"files": [], "would_write": folder}, common=common)
    sizes: dict[str, Any] = {
        "genomes": {"genes": genes, "families": families},
        "expression": {"genes": genes, "families": families},
        "molecules": {"domains": domains, "members": members},
        "families": {"families": families, "members": members},
    }[what]
    seed = common.seed or 0
    run = folder / "run.json"
    for name in files.read_json(run).get("files", ()) if run.is_file() else ():
        # What an earlier call wrote, and only that.
        (folder / Path(name).name).unlink(missing_ok=True)
    written = getattr(simulate, what)(folder, seed=seed, **{f"num_{name}": size for name, size in sizes.items()})
    written = sorted({*written, *folder.glob("truth.*"), run})
    files.write_run_json(folder, seed=seed, kind=what, files=[path.name for path in written], **sizes)
    return finish({"files": written}, common=common)
