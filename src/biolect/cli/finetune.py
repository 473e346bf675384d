"""`biolect finetune`: a head on a language model, from a labelled table."""

from dataclasses import asdict, dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

from biolect.cli.common import DEFAULTS, POSITIVE, Common, finish


@Parameter(name="*")
@dataclass(frozen=True)
class Table:
    """What stands where in the table.

    Attributes:
        target: Column to predict.
        split: Column with train, valid or test in every row; without it relatives are kept together.
        sequence: Column of the sequences.
        modality: What they are; without it their letters tell.
    """

    target: str
    split: str | None = None
    sequence: str = "sequence"
    modality: Literal["dna", "rna", "protein"] | None = None


def finetune(
    data: Annotated[str, Parameter(allow_leading_hyphen=True)],
    *assignments: str,
    table: Table,
    strands: Literal["one", "both"] = "one",
    lora: Annotated[int | None, POSITIVE] = None,
    allow_leakage: bool = False,
    common: Common = DEFAULTS,
) -> int:
    """Train a model to predict a class or a number from a sequence.

    Args:
        data: CSV, TSV or Parquet with one sequence a row.
        assignments: Changes as `key.path=value`, for example `trains=head`, `epochs=20` or `columns.kind=regression`.
        table: What stands where.
        strands: `both` trains on either strand of DNA and averages the two when asked.
        lora: Rank of low-rank adapters, trained instead of all weights and merged into them at the end.
        allow_leakage: Go on although a sequence stands in several splits.
    """
    from biolect.train.finetune import finetune as run
    from biolect.train.tuner import FinetuneConfig

    output = common.need_folder(resumes=True)
    asked = {"data": data, "model": common.need_model(), "columns": asdict(table) | common.given("seed"), "strands": strands, "lora": lora}
    config = FinetuneConfig.from_dict(asked | common.given("seed", "batch_tokens", "dtype")).override(assignments)
    if common.dry_run:
        return finish({"would_run": config.to_dict(), "would_write": output}, common=common)
    common.announce(config.dtype)
    how = common.given("resume", "overwrite", "device")
    with common.progress("finetune") as advance:
        result = run(config, output, **how, allow_leakage=allow_leakage, advance=advance)
    return finish(result, result.pop("refused"), common)
