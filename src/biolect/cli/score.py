"""`biolect score`: how likely each record is, alone, after its partner, or after a shared prompt."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from biolect.cli.common import DEFAULTS, Common, check_inputs, finish
from biolect.errors import InputError


def score(
    source: Annotated[str, Parameter(name="INPUT", allow_leading_hyphen=True)],
    /,
    *,
    given: str | None = None,
    context: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    save_context: Path | None = None,
    strands: Literal["one", "both"] = "one",
    common: Common = DEFAULTS,
) -> int:
    """Score records by their log-likelihood. Nats, residues only.

    Columns: `log_likelihood`, and per residue `mean_log_likelihood`; with `--given` also `log_likelihood_alone` and
    `pmi`, their difference; and all of them but the mean once more as `_coordinate_free`, with ordinary positions,
    whatever annotation there is. A model that reads both sides gives `pseudo_log_likelihood` instead: every residue is
    hidden in turn.

    Args:
        source: FASTA, A3M, GenBank, SMILES or a table with a column `sequence` or `smiles`; `-` is standard input.
        given: Score each record after its partner: a file of records with the same ids, a column of the
            table, or, for an annotated genome, `cds`, `locus` or `transcript` of each gene before its protein.
        context: Records that all others are read after, joined into one prompt that is read once. Where
            `--given` is a column or a side of genes, the prompt shows pairs of the same kind; of an A3M, homologs are drawn.
        save_context: Keep the prompt as it was read in this file (.safetensors), which any later --context can be.
        strands: `both` averages over a sequence of DNA and its reverse complement, for models trained on either strand.
    """
    import polars

    from biolect.bio.io import Refusal
    from biolect.bio.io.tables import check_ending, write_table
    from biolect.infer.inputs import read_queries
    from biolect.infer.prompt_file import read_prompt
    from biolect.infer.score import PseudoScore, Score, bits_by_modality, score as ask

    output = common.need_file()
    check_ending(output)
    if common.dry_run:
        check_inputs([source] if context is None else [source, context])
        return finish({"would_read": [source], "would_write": output, "model": common.need_model()}, common=common)
    reader = replace(common.reader(), strands=strands)
    # Half of what the model reads at once is left for the question.
    half = None if reader.context_tokens is None else reader.context_tokens // 2
    shown = read_prompt(reader, context, half, given, seed=common.seed or 0, keep=save_context)
    started = time.perf_counter()
    scores: list[Score | PseudoScore] = []
    refused = [] if shown is None else shown.refused
    with common.progress("score") as advance:
        for one in ask(reader, read_queries(reader, source, given), shown and shown.prompt):
            (refused if isinstance(one, Refusal) else scores).append(one)  # pyright: ignore[reportArgumentType] -- each to its own
            advance(1)
    seconds = time.perf_counter() - started
    if not scores and refused:
        raise InputError(f"Not one of the {len(refused)} records in '{source}' could be scored. The first: {refused[0].reason}")
    write_table(output, polars.DataFrame([one.row() for one in scores], infer_schema_length=None))
    rate = sum(one.num_residues for one in scores) / seconds
    result = {"records": len(scores), **bits_by_modality(reader, scores), "residues_per_second": rate}
    if shown is not None:
        result["context"] = shown.report(reader.grammar)
    return finish(result, refused, common)
