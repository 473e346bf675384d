"""`biolect embed`: sequences as vectors."""

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
    accept_licence: bool = False,
    allow_remote_code: bool = False,
    common: Common = DEFAULTS,
) -> int:
    """Turn sequences into vectors: one per sequence as Parquet, or one per place as safetensors with an index.

    `--model` is a model of ours, or weights as others published them: `esm2:PATH`, `rna-fm:PATH`, `nucleotide-transformer:PATH`, or
    `huggingface:PATH` for any encoder of transformers; without weights, `one-hot:protein` (dna, rna) and `codon-frequency:21`.
    Sequences over its limit are read in windows that overlap by half; nothing is cut off.

    `--output` is a `.parquet` file for sequence vectors, or a folder; in a folder they are `vectors.parquet`.

    Args:
        source: FASTA, A3M, GenBank or a table with a column `sequence`; `-` is standard input.
        axis: What a vector stands for.
        pool: How the vectors of all residues become the one of the sequence.
        layer: Output of this block, 1-based; without it the last one's, after the final norm.
        accept_licence: Use weights whose licence forbids commercial use.
        allow_remote_code: Run Python code that lies beside the weights of `huggingface:`.
    """
    from biolect import files
    from biolect.bio.io import read_records
    from biolect.embed.store import embed as fill

    is_file = axis == "sequence" and common.output is not None and common.output.suffix != ""
    output = common.need_output() if is_file else common.need_folder(resumes=True)
    if str(output) == "-" or (is_file and output.is_dir()):
        raise ConfigError(f"'{output}' cannot hold vectors. Name a .parquet file, or a folder.")
    if common.dry_run:
        check_inputs([source])
        return finish({"would_read": [source], "would_write": output, "model": common.need_model()}, common=common)
    chosen = {"axis": axis, "pool": pool, "layer": layer, "accepts_licence": accept_licence, "allows_remote_code": allow_remote_code}
    encoder = common.encoder(common.need_model(), **chosen)
    with common.progress("embed") as advance:
        done = fill(encoder, read_records(source), output, resume=common.resume, advance=advance)
    if output.is_dir():
        inputs = [source] if source != "-" else []
        weights = {"encoder_sha256": encoder.digest} | ({"licence": encoder.licence.name} if encoder.licence else {})
        files.write_run_json(output, inputs=inputs, weights=weights, layer=layer, seed=common.seed)
    refused = [replace(one, where=one.where or source) for one in done.refused]
    rates = {"sequences_per_second": done.num_computed / done.seconds, "padding_fraction": done.padding_fraction}
    result = {"records": len(done.rows), "axis": axis, "width": encoder.width} | rates
    return finish(result, refused, common)
