"""`biolect embed`: sequences as vectors."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from cyclopts import Parameter

from biolect.cli.common import DEFAULTS, WHOLE, Common, check_inputs, finish
from biolect.errors import ConfigError


def embed(
    source: Annotated[str, Parameter(name="INPUT", allow_leading_hyphen=True)],
    /,
    *,
    axis: Literal["nucleotide", "codon", "residue", "sequence"] = "sequence",
    pool: Literal["mean", "max", "last"] = "mean",
    layer: Annotated[int | None, WHOLE] = None,
    common: Common = DEFAULTS,
) -> int:
    """Turn sequences into vectors: one per sequence as Parquet, or one per place as safetensors with an index.

    `--output` is a `.parquet` file for sequence vectors, or a folder; in a folder they are `vectors.parquet`.

    Args:
        source: FASTA, A3M, GenBank or a table with a column `sequence`; `-` is standard input.
        axis: What a vector stands for.
        pool: How the vectors of all residues become the one of the sequence.
        layer: Output of this block, 1-based; without it the last one's, after the final norm.
    """
    from biolect import files
    from biolect.bio.io import read_records
    from biolect.embed.native import NativeEncoder
    from biolect.embed.store import embed as fill

    is_file = axis == "sequence" and common.output is not None and common.output.suffix != ""
    output = common.need_output() if is_file else common.need_folder(resumes=True)
    if str(output) == "-" or (is_file and output.is_dir()):
        raise ConfigError(f"'{output}' cannot hold vectors. Name a .parquet file, or a folder.")
    if common.dry_run:
        check_inputs([source])
        return finish({"would_read": [source], "would_write": output, "model": common.need_model()}, common=common)
    reader = common.reader()
    encoder = NativeEncoder(
        reader.model,
        axis=axis,
        pool=pool,
        grammar=reader.grammar,
        layer=layer,
        context_tokens=reader.context_tokens,
        batch_tokens=reader.batch_tokens,
    )
    with common.progress("embed") as advance:
        done = fill(encoder, read_records(source), output, resume=common.resume, advance=advance)
    if output.is_dir():
        inputs = [source] if source != "-" else []
        files.write_run_json(output, inputs=inputs, weights={"encoder_sha256": encoder.digest}, layer=layer, seed=common.seed)
    refused = [replace(one, where=one.where or source) for one in done.refused]
    result = {
        "records": len(done.rows),
        "axis": axis,
        "width": encoder.width,
        "sequences_per_second": done.num_computed / done.seconds,
        "padding_fraction": done.padding_fraction,
    }
    return finish(result, refused, common)
