"""`biolect predict`: what a finetuned or a fused model says of every row of a table."""

from dataclasses import asdict
from typing import Annotated, Literal

from biolect.cli.common import DEFAULTS, TABLE, Common, check_inputs, finish, usable_rows


def predict(
    table: Annotated[str, TABLE],
    /,
    *,
    sequence: str = "sequence",
    modality: Literal["dna", "rna", "protein"] | None = None,
    common: Common = DEFAULTS,
) -> int:
    """Predict a class or a number for every sequence. Columns: `id`, `prediction`, and for classes the probability of each.

    Args:
        table: CSV, TSV or Parquet with one sequence a row.
        sequence: Column of the sequences.
        modality: What they are; without it their letters tell.
    """
    import polars

    from biolect.bio.alphabet import Folds
    from biolect.bio.io.tables import check_ending, write_table
    from biolect.embed.fused import FusedModel
    from biolect.infer.predict import Finetuned

    output = common.need_file()
    check_ending(output)
    if common.dry_run:
        check_inputs([table])
        return finish({"would_read": [table], "would_write": output, "model": common.need_model()}, common=common)
    address = common.need_model()
    tuned = common.fused() if FusedModel.is_in(address) else Finetuned.load(address, **common.placed("float32"))
    records, refused = usable_rows(table, sequence, modality, tuned)
    write_table(output, polars.DataFrame({"id": [record.name for record in records]} | tuned.answers(records)))
    folded = asdict(sum((record.folds for record in records), Folds()))
    return finish({"records": len(records), "target": tuned.task.target, "folded": folded}, refused, common)
