"""`biolect explain`: which modality and which codons an answer of a fused model came from."""

from typing import Annotated, Literal

from biolect.cli.common import DEFAULTS, POSITIVE, TABLE, Common, check_inputs, finish, usable_rows
from biolect.errors import ConfigError


def explain(
    table: Annotated[str, TABLE],
    /,
    *,
    sequence: str = "sequence",
    modality: Literal["dna", "rna"] | None = None,
    target: str | None = None,
    steps: Annotated[int, POSITIVE] = 32,
    common: Common = DEFAULTS,
) -> int:
    """Explain predictions: exact Shapley values of modalities, shares of codons, and how far to believe them.

    Args:
        table: CSV, TSV or Parquet with one coding sequence a row.
        sequence: Column of the coding sequences.
        modality: What they are; without it their letters tell.
        target: Which answer, of a model that has several; the first without it.
        steps: Of integrated gradients; more are more exact.
    """
    from biolect.embed.fused import FusedModel
    from biolect.explain.explaining import explain as run, largest
    from biolect.files import write_run_json
    from biolect.report.explanation import write_report

    output = common.need_folder()
    if FusedModel.is_in(str(output)):
        raise ConfigError(f"'{output}' holds a fused model, whose report would be replaced. Choose another --output.")
    if common.dry_run:
        check_inputs([table])
        return finish({"would_read": [table], "would_write": output, "model": common.need_model()}, common=common)
    model = common.fused()
    records, refused = usable_rows(table, sequence, modality, model)
    with common.progress("explain", len(records)) as advance:
        result = run(model, records, output, target=target, steps=steps, seed=common.seed or 0, advance=advance)
    write_report(output, result, largest(output, 4))
    write_run_json(output, inputs=[table], weights={"model": common.need_model()} | model.task.digests, seed=common.seed or 0)
    kept = {key: result[key] for key in ("records", "arm", "target", "modalities", "faithfulness")}
    return finish(kept, refused, common)
