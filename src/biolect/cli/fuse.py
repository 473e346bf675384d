"""`biolect fuse`: DNA, RNA and protein encoders on the codon axis, and whether fusing them helps."""

from dataclasses import asdict, dataclass, replace
from typing import Annotated, Literal

from cyclopts import Parameter

from biolect.cli.common import DEFAULTS, POSITIVE, TABLE, Common, finish
from biolect.errors import ConfigError


@Parameter(name="*")
@dataclass(frozen=True)
class Coding:
    """What stands where in the table.

    Attributes:
        sequence: Column of the coding sequences.
        target: Column to predict; several, each after its own `--target`, are numbers that are learned together, and a row may lack some.
        split: Column with train, valid or test in every row; without it relatives are kept together.
        task: What the target is; `auto` tells by its values. For `nucleotides` or `codons` a cell lists a number for each, joined by `;`.
        modality: What the sequences are; without it their letters tell.
        contexts: `dna-COLUMN=ADDRESS,rna-COLUMN=ADDRESS`: columns of what stands around, such as promoters or untranslated ends, and
            who reads them; codons attend to it.
    """

    target: list[str]
    sequence: str = "sequence"
    split: str | None = None
    task: Literal["auto", "regression", "classification", "nucleotides", "codons"] = "auto"
    modality: Literal["dna", "rna"] | None = None
    contexts: str | None = None


@Parameter(name="*")
@dataclass(frozen=True)
class Allowed:
    """What would be refused otherwise.

    Attributes:
        allow_leakage: Go on although a sequence stands in several splits.
        accept_licence: Use weights whose licence forbids commercial use.
    """

    allow_leakage: bool = False
    accept_licence: bool = False


NOTHING = Allowed()


def fuse(
    table: Annotated[str, TABLE],
    /,
    *assignments: str,
    columns: Coding,
    encoders: str | None = None,
    fuser: Literal["mil", "concatenation", "attention", "late", "all"] = "all",
    seeds: Annotated[int, POSITIVE] = 5,
    recipe: Literal["tiny", "paper"] = "tiny",
    allow: Allowed = NOTHING,
    common: Common = DEFAULTS,
) -> int:
    """Predict a property of coding sequences from several encoders; beside it everything that fusion must beat.

    Encoders compute on `--device`; what is trained on top of them is small, and is trained on the CPU.

    Args:
        table: CSV, TSV or Parquet with one coding sequence a row.
        assignments: Changes as `key.path=value`, for example `fit.steps=500`, `alignment=repeat`, `cache=FOLDER`, or `folds=5`
            and `repeats=3` for cross-validation over clusters of relatives.
        columns: What stands where.
        encoders: `dna=ADDRESS,rna=ADDRESS,protein=ADDRESS`; without it stand-ins that have learned nothing.
        fuser: One learned fuser, late fusion alone, or all with their controls.
        seeds: Runs of every arm.
        recipe: Narrow layers and a budget of steps, or the published settings, which take hours.
        allow: What would be refused otherwise.
    """
    from biolect.embed.encoder import Choice
    from biolect.evaluate.arms import read_curves
    from biolect.evaluate.fusing import fuse as run
    from biolect.recipes.mrna_fusion import mrna_fusion, mrna_fusion_tiny
    from biolect.report.fusion import write_report

    output = common.need_folder(resumes=True)
    stands = asdict(columns)
    texts = {"encoders": encoders, "contexts": stands.pop("contexts")}
    named = {name: _parted(text, name) for name, text in texts.items() if text is not None}
    target, *also = stands.pop("target")
    asked = stands | {"kind": stands.pop("task"), "target": target, "also": also} | common.given("seed")
    named |= common.given("dtype")
    config = (mrna_fusion if recipe == "paper" else mrna_fusion_tiny)(
        table, target, columns=asked, fuser=fuser, seeds=seeds, **named
    ).override(assignments)
    if common.dry_run:
        return finish({"would_run": config.to_dict(), "would_write": output}, common=common)
    placement = replace(common, dtype=config.dtype).placement()
    choice = Choice(device=placement.device, accepts_licence=allow.accept_licence, **common.given("batch_tokens"))
    where = common.given("resume", "overwrite") | {"allow_leakage": allow.allow_leakage, "threads": placement.threads}
    with common.progress("embed") as embedded, common.progress("steps") as steps:
        result = run(config, output, choice=choice, **where, advance={"embedded": embedded, "steps": steps})
    write_report(output, result, read_curves(output), " and ".join(columns.target))
    return finish(result, result.pop("refused"), common)


def _parted(text: str, flag: str) -> dict[str, str]:
    """Return addresses by stream. Raises ConfigError for a part that is not `stream=address`."""
    parts = [part.partition("=") for part in text.split(",")]
    if odd := ["".join(part) for part in parts if not all(part)]:
        raise ConfigError(f"--{flag} has '{odd[0]}', which is not stream=address. Write for example dna=one-hot:dna,protein=esm2:FOLDER.")
    names = [name for name, _, _ in parts]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"--{flag} names '{twice[0]}' twice. Name them for example {twice[0]}-1 and {twice[0]}-2.")
    return {name: address for name, _, address in parts}
