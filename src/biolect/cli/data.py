"""`biolect data`: public data by name or accession."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from biolect import catalogue
from biolect.cli.common import DEFAULTS, Common, finish, say
from biolect.errors import ConfigError
from biolect.files import write_run_json


def data(
    action: Literal["list", "get"],
    names: Annotated[list[str] | None, Parameter(negative=())] = None,
    /,
    *,
    part: list[str] | None = None,
    server: str | None = None,
    common: Common = DEFAULTS,
) -> int:
    """List public data and weights of published models, or get them by name, RefSeq or GenBank accession, or assembly.

    Transfers that broke are continued; what is there whole already is checked and kept.

    Args:
        action: `list`, or `get`.
        names: What to get, for example phix174, NC_001422.1, GCF_000005845.2 or R64.
        part: Of an assembly, only files that end so, for example genomic.gbff.gz.
        server: Address of a mirror that has NCBI's services below it.
    """
    if action == "list":
        rows = [{"name": name, "accession": it.accession, "about": it.about} for name, it in catalogue.NAMED.items()]
        rows += [
            {"name": name, "accession": None, "about": f"weights for -m {it.reads}; {it.licence}"} for name, it in catalogue.WEIGHTS.items()
        ]
        return finish({"data": rows, "licence": catalogue.LICENCE}, (), common)
    if not names:
        raise ConfigError("Nothing to get was named. Give a name that `biolect data list` shows, or an accession.")
    # What is there already is checked and kept, so a folder that is not empty is no obstacle.
    folder = replace(common, resume=True).need_folder(resumes=True)
    servers = catalogue.Servers.at(server) if server else catalogue.Servers()
    fetcher = catalogue.Fetcher(servers, shows_progress=not common.quiet)
    plans = [fetcher.plan(name, tuple(part or catalogue.PARTS)) for name in names]
    if not common.quiet:
        for plan in plans:
            say(f"{plan.name}: {plan.licence}")
            for file in plan.files:
                say(f"  {file.address}  {f'md5 {file.md5}' if file.md5 else 'no digest is published; sha256 is noted on arrival'}")
    licence = "; ".join(dict.fromkeys(plan.licence for plan in plans))
    files = [str(folder / file.name) for plan in plans for file in plan.files]
    if common.dry_run:
        return finish({"files": files, "licence": licence, "sha256": {}}, (), common)
    if common.overwrite and folder.is_dir():
        _clear(folder, files)
    digests: dict[str, str] = {}
    for plan in plans:
        digests |= fetcher.fetch(plan, folder)
    sources = {file.name: file.address for plan in plans for file in plan.files}
    write_run_json(folder, sources=sources, licence=licence, sha256=digests)
    return finish({"files": files, "licence": licence, "sha256": digests}, (), common)


def _clear(folder: Path, files: list[str]) -> None:
    """Remove what is to be fetched anew, and nothing else."""
    for name in files:
        for path in (Path(name), *folder.glob(f"{Path(name).name}.part*")):
            path.unlink(missing_ok=True)
