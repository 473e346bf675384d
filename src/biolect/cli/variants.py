"""`biolect variants`: what changes do to the likelihood of a sequence."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from biolect.cli.common import DEFAULTS, POSITIVE, Common, finish
from biolect.errors import ConfigError


@Parameter(name="*")
@dataclass(frozen=True)
class Asking:
    """How the model is asked.

    Attributes:
        by: `infill` takes each residue in question out and asks what belongs there, with both sides in view, which
            only models can that were trained to; `causal` reads from left to right. Without it, as the model was trained.
        draws: Mean over so many prompts, each drawn anew from an A3M.
        strands: `both` averages over a sequence of DNA and its reverse complement, for models trained on either strand.
        save_context: Keep the prompt as it was read in this file (.safetensors), which any later --context can be.
    """

    by: Literal["infill", "causal"] | None = None
    draws: Annotated[int, POSITIVE] = 1
    strands: Literal["one", "both"] = "one"
    save_context: Path | None = None


ASKING = Asking()


def variants(
    wildtype: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    mutations: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    all_single: bool = False,
    context: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    given: str | None = None,
    label: str | None = None,
    asking: Asking = ASKING,
    common: Common = DEFAULTS,
) -> int:
    """Score variants by their log-likelihood ratio to the wild type. Nats; positive favours the variant.

    A model that reads both sides gives a column `masked_marginal` instead of `log_likelihood_ratio`: how much likelier the new
    residue is than the old one where neither is shown, summed over the changes.

    Args:
        wildtype: A file with one record, the reference; `-` is standard input.
        mutations: Table with a column `mutant`: A42G, or K8R:Q9E for several changes at once.
        all_single: Every substitution of one residue.
        context: Records that are read before, for example homologs: whole ones in their order, as many as there is room for.
            Of an A3M they are drawn, each the less likely the more there are like it, and never the wild type.
        given: What wild type and variants are read after: a file with one record, such as the gene of a protein, or an
            annotated genome that has a gene with exactly this protein. Give the reference gene: once a model has learned to
            translate, a mutated gene gives its protein away, and the score says nothing.
        label: Column of measured effects; adds their rank correlation with the scores.
    """
    import numpy as np
    import polars

    from biolect.bio.io.tables import check_ending, write_table
    from biolect.infer import inputs
    from biolect.infer.prompt_file import read_draws
    from biolect.infer.variants import column_of, room_beside, score_variants

    if (mutations is None) != all_single or (label is not None and all_single):
        raise ConfigError("Say which variants: either --mutations TABLE, perhaps with --label COLUMN, or --all-single.")
    output = common.need_file()
    check_ending(output)
    reference = inputs.read_one(wildtype)
    table = inputs.every_mutation(reference) if mutations is None else inputs.read_mutations(mutations, reference, label)
    if common.dry_run:
        return finish({"would_score": len(table.variants), "would_write": output}, table.refused, common)
    reader = replace(common.reader(), strands=asking.strands).asked(asking.by, reference.modality)
    table = table.readable(reader, reference.modality, mutations or wildtype)
    partner, member = (None, reader.member(reference)) if given is None else inputs.read_partner(reader, given, reference)
    how = {"seed": common.seed or 0, "without": str(reference), "keep": asking.save_context}
    shown = read_draws(reader, context, room_beside(reader, member, partner), asking.draws, **how)
    started = time.perf_counter()
    with common.progress("variants", len(table.variants) * len(shown)) as advance:
        before = {"given": partner, "member": member, "advance": advance}
        found = [score_variants(reader, reference, table.variants, prompt=one and one.prompt, **before) for one in shown]
    ratios, seconds = np.mean(found, axis=0), time.perf_counter() - started
    write_table(output, polars.DataFrame({"mutant": table.texts, column_of(reader): ratios} | ({label: table.labels} if label else {})))
    result = {"variants": len(ratios), "spearman": table.spearman(ratios), "variants_per_second": len(ratios) / seconds}
    result |= {"by": "infill"} if reference.modality in reader.infills else {}
    result |= {"context": shown[0].report(reader.grammar)} if shown[0] else {}
    return finish(result, [*table.refused, *(shown[0].refused if shown[0] else [])], common)
