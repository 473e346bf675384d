"""`biolect audit`: what can be said about a labelled table before any model is trained."""

from typing import Annotated

from biolect.cli.common import DEFAULTS, TABLE, Common, check_inputs, finish


def audit(
    table: Annotated[str, TABLE],
    *assignments: str,
    sequence: str | None = None,
    target: str | None = None,
    split: str | None = None,
    common: Common = DEFAULTS,
) -> int:
    """Look for leakage, label conflicts and noise, and see how far composition gets; needs no model.

    Args:
        table: CSV, TSV or Parquet with one sequence a row. `--output` writes its used rows as a table, with cluster,
            nearest relative and the prediction of the best baseline.
        assignments: Changes as `key=value`: `reading=plain` (no frame), `code=11`, `task=classification`, `folds=10`.
        sequence: Column of the sequences; without it `sequence` or `cds`.
        target: Column of what is to be predicted; without it, leakage alone is looked at.
        split: Column with train, valid or test in every row.
    """
    from biolect.bio.io.tables import check_ending, write_table
    from biolect.evaluate.audit import audit as run
    from biolect.evaluate.tables import AuditConfig

    asked = {"data": table, "sequence": sequence, "target": target, "split": split, "seed": common.seed or 0}
    config = AuditConfig.from_dict(asked).override(assignments)
    output = common.need_file() if common.output else None
    if output is not None:
        check_ending(output)
    if common.dry_run:
        check_inputs([table])
        return finish({"would_read": [table], "options": config.to_dict()}, common=common)
    with common.progress("audit") as advance:
        result, rows = run(config, threads=common.threads or 1, advance=advance)
    if output is not None:
        write_table(output, rows)
    return finish(result, result.pop("refused"), common)
