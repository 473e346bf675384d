"""`biolect variants`: what changes do to the likelihood of a sequence."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated, Literal

from cyclopts import Parameter

from biolect.cli.common import DEFAULTS, Common, finish
from biolect.errors import ConfigError


def variants(
    wildtype: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    mutations: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    all_single: bool = False,
    context: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    given: str | None = None,
    label: str | None = None,
    strands: Literal["one", "both"] = "one",
    common: Common = DEFAULTS,
) -> int:
    """Score variants by their log-likelihood ratio to the wild type. Nats; positive favours the variant.

    A model that reads both sides gives a column `masked_marginal` instead of `log_likelihood_ratio`: how much likelier the new
    residue is than the old one where neither is shown, summed over the changes.

    Args:
        wildtype: A file with one record, the reference; `-` is standard input.
        mutations: Table with a column `mutant`: A42G, or K8R:Q9E for several changes at once.
        all_single: Every substitution of one residue.
        context: Records that are read before, for example homologs.
        given: What wild type and variants are read after: a file with one record, such as the gene of a
            protein, or an annotated genome that has a gene with exactly this protein. Give the reference
            gene: once a model has learned to translate, a mutated gene gives its protein away, and the
            score says nothing.
        label: Column of measured effects; adds their rank correlation with the scores.
        strands: `both` averages over a sequence of DNA and its reverse complement, for models trained on either strand.
    """
    import polars

    from biolect.bio.io.tables import check_ending, write_table
    from biolect.infer import inputs
    from biolect.infer.variants import column_of, score_variants

    if (mutations is None) != all_single or (label is not None and all_single):
        raise ConfigError("Say which variants: either --mutations TABLE, perhaps with --label COLUMN, or --all-single.")
    output = common.need_file()
    check_ending(output)
    reference = inputs.read_one(wildtype)
    table = inputs.every_mutation(reference) if mutations is None else inputs.read_mutations(mutations, reference, label)
    if common.dry_run:
        return finish({"would_score": len(table.variants), "would_write": output}, table.refused, common)
    reader = replace(common.reader(), strands=strands)
    partner, member = (None, reader.member(reference)) if given is None else inputs.read_partner(reader, given, reference)
    needed = reader.grammar.overhead(2) + len(member) + (len(partner) if partner else 0)
    room = None if reader.context_tokens is None else reader.context_tokens - needed
    shown = None if context is None else inputs.read_prompt(reader, context, room)
    started = time.perf_counter()
    before = {"given": partner, "member": member, "prompt": shown and shown.prompt}
    with common.progress("variants", len(table.variants)) as advance:
        ratios = score_variants(reader, reference, table.variants, **before, advance=advance)
    seconds = time.perf_counter() - started
    columns = {"mutant": table.texts, column_of(reader): ratios} | ({str(label): table.labels} if label else {})
    write_table(output, polars.DataFrame(columns))
    result = {"variants": len(ratios), "spearman": table.spearman(ratios), "variants_per_second": len(ratios) / seconds}
    if shown is not None:
        result["context"] = shown.report(reader.grammar)
    return finish(result, [*table.refused, *(shown.refused if shown else [])], common)
