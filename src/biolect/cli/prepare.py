"""`biolect prepare`: any input to a corpus folder with splits, reports and a leakage check."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from biolect.cli.common import DEFAULTS, Common, check_inputs, finish, say, split_assignments
from biolect.errors import ConfigError


def prepare(
    *inputs: Annotated[str, Parameter(allow_leading_hyphen=True)],
    kind: Literal["auto", "sequences", "genes", "interleaved", "families", "molecules"] = "auto",
    views: str = "dna,rna,protein",
    pairing: Literal["matched", "broken"] = "matched",
    valid: float = 0.05,
    test: float = 0.05,
    engine: Literal["local", "ray"] = "local",
    common: Common = DEFAULTS,
) -> int:
    """Read any input into a corpus folder: documents, token shards, splits, leakage report.

    Args:
        inputs: Files in any mix of FASTA, GenBank, GFF with FASTA, tables and text, plain or gzip; `-` is standard
            input. A BED file with a fourth column train, valid or test says where genomes are read. Then `key.path=value`
            assignments, such as `unknown=mask` or `strict=true`.
        kind: What the inputs are; `auto` decides file by file. `families`: each file is one family of homologs
            (FASTA, A3M, Stockholm); where a file holds many, `family=COLUMN` of a table or `family=PATTERN` of the
            headers tells them apart. Of any table, `column=NAME` is the column of sequences. `molecules`: SMILES files and
            tables with a column `smiles`; `domain=COLUMN` (or `domain=file`) puts the molecules of a domain together,
            and `invalid=keep` keeps what RDKit refuses.
        views: Modalities of a gene that are kept.
        pairing: `broken` makes loaders join each gene with the protein of another one, as a control.
        valid: Share of residues held out for validation.
        test: Share of residues held out for the end.
        engine: Where the work is done.
    """
    from biolect.data.corpus import PrepareOptions, prepare as prepare_corpus

    paths, assignments = split_assignments(inputs)
    if unknown := [path for path in paths if path.startswith("--") and not Path(path).exists()]:
        raise ConfigError(f"Unknown option: {unknown[0]}. `biolect prepare --help` lists them.")
    if not paths:
        raise ConfigError("No input was given. Name at least one file, or - for standard input.")
    asked = {"kind": kind, "views": views.split(","), "pairing": pairing, "valid": valid, "test": test, "engine": engine}
    options = PrepareOptions.from_dict(asked | {"seed": common.seed or 0, "skip_bad": common.skip_bad}).override(assignments)
    output = common.need_folder()
    if common.dry_run:
        check_inputs(paths)
        return finish({"would_read": paths, "would_write": output, "options": options.to_dict()}, common=common)
    report = prepare_corpus(paths, output, options, common.progress)
    if (whole := report.get("one_family_each")) and not common.quiet:
        shown = ", ".join(f"{name} ({count:,} members)" for name, count in list(whole.items())[:3])
        say(
            f"Read as one family each, because no family=RULE says otherwise: {shown}{' and others' if len(whole) > 3 else ''}. "
            "If a file holds many families, tell them apart by a column or a pattern; see --help."
        )
    for collection, parts in report["splits"].items():
        empty = [name for name in ("valid", "test") if getattr(options, name) and not parts[name]]
        if empty and not common.quiet:
            say(
                f"Nothing of '{collection}' is held out for {' and '.join(empty)}: it has too few groups of relatives. "
                "What is learned from it cannot be judged; give more, or other, records."
            )
    return finish(report, report["refused"], common)
