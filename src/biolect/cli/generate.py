"""`biolect generate`: new sequences of one modality."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from biolect.bio.sequence import Modality, Sequence as BioSequence
from biolect.cli.common import DEFAULTS, POSITIVE, WHOLE, Common, finish, say
from biolect.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from biolect.infer.generate import Generation
    from biolect.infer.reader import Reader


@Parameter(name="*")
@dataclass(frozen=True)
class Drawing:
    """How letters are drawn, and which are given.

    Attributes:
        prefix: First letters of every sample.
        infill: A sequence with gaps to fill, each written as its number of residues in brackets, as in MKT[7]AYI;
            needs a model that was trained to fill them.
        max_residues: Most letters drawn for one sample, those of the prefix not counted.
        temperature: Below 1 sharper, above 1 flatter; 0 takes the likeliest letter.
        top_k: Draw among so many likeliest letters only.
        top_p: Draw among the likeliest letters that together have this probability.
    """

    prefix: str = ""
    infill: str | None = None
    max_residues: Annotated[int, POSITIVE] = 400
    temperature: float = 1.0
    top_k: Annotated[int | None, WHOLE] = None
    top_p: float = 1.0


DRAWING = Drawing()


@Parameter(name="*")
@dataclass(frozen=True)
class Comparison:
    """What generated molecules are compared with.

    Attributes:
        training: SMILES file or corpus that novelty is judged by; without it the corpora of the run, if the model is one.
        reference: SMILES file that the samples should resemble.
    """

    training: str | None = None
    reference: str | None = None


COMPARISON = Comparison()


def generate(
    *,
    modality: Literal["dna", "rna", "protein", "molecule"] | None = None,
    context: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    save_context: Path | None = None,
    count: Annotated[int, WHOLE] = 10,
    drawing: Drawing = DRAWING,
    comparison: Comparison = COMPARISON,
    common: Common = DEFAULTS,
) -> int:
    """Draw sequences letter by letter, inside the letters of one modality, and write them as FASTA, molecules as SMILES.

    Args:
        modality: What to draw; without it what the model reads, and protein if that is several.
        context: Records that are read before, joined into one prompt that is read once for all samples. Of an A3M,
            homologs are drawn, each the less likely the more there are like it.
        save_context: Keep the prompt as it was read in this file (.safetensors), which any later --context can be.
        count: How many samples.
    """
    from biolect.bio.io import smiles, write_fasta, write_smiles
    from biolect.infer.generate import Sampling, quality
    from biolect.infer.prompt_file import read_prompt

    if count < 1:
        raise ConfigError(f"--count {count} is not a positive number. Say how many samples to draw.")
    if drawing.prefix and drawing.infill is not None:
        raise ConfigError("--prefix and --infill cannot go together. Write the first letters into the template.")
    how = {name: value for name, value in asdict(drawing).items() if name not in ("prefix", "infill")}
    sampling = Sampling.from_dict(how | {"seed": common.seed or 0})
    output = common.need_file()
    address = common.need_model()
    if modality == "molecule":
        smiles.check_ending(output)
    if common.dry_run:
        return finish({"would_draw": count, "would_write": output, "model": address, "sampling": sampling.to_dict()}, common=common)
    reader = common.reader()
    chosen = _chosen(reader, modality)
    if is_chemical := chosen is Modality.MOLECULE:
        smiles.check_ending(output)
    asked, draw = _way(reader, chosen, drawing)
    room = None if reader.context_tokens is None else reader.context_tokens - asked
    if room is not None and room < 0 and not common.quiet:
        say(f"The model reads {reader.context_tokens} tokens, {asked} are asked for: what goes beyond is unlike what it was trained on.")
    shown = read_prompt(reader, context, room, seed=sampling.seed, keep=save_context)
    with common.progress("generate", count) as advance:
        made = draw(count, sampling, prompt=shown and shown.prompt, advance=advance)
    (write_smiles if is_chemical else write_fasta)(output, made.sequences)
    seen = [reader.sequence(member) for member in shown.prompt.members] if shown else []
    result = {
        "count": len(made.sequences),
        "tokens_per_second": made.num_tokens / made.seconds,
        "state_bytes": made.state_bytes,
        "ended": made.num_ended,
        "quality": quality(made.sequences, seen) | (_chemistry(made.sequences, address, comparison) if is_chemical else {}),
    }
    if shown is not None:
        result["context"] = shown.report(reader.grammar)
    return finish(result, shown.refused if shown else [], common)


def _chosen(reader: Reader, modality: str | None) -> Modality:
    """Return what to draw: what was asked for, the only modality that the model reads, or protein."""
    read = list(filter(reader.model.vocabulary.reads, Modality))
    return Modality(modality or (read[0] if len(read) == 1 else "protein"))


def _way(reader: Reader, modality: Modality, drawing: Drawing) -> tuple[int, Callable[..., Generation]]:
    """Return how many tokens will be asked for, and the function that draws them."""
    from biolect.infer.generate import generate
    from biolect.infer.infill import Template, fill

    if drawing.infill is None:
        asked = drawing.max_residues + len(drawing.prefix) + reader.grammar.overhead(1)
        return asked, partial(generate, reader, modality, prefix=drawing.prefix)
    if modality not in reader.infills:
        raise ConfigError("--infill needs a model trained to fill gaps; causal models read from left to right only. Use --prefix instead.")
    template = Template.parse(drawing.infill, modality, len(reader.model.vocabulary.holes))
    return template.num_tokens(reader.grammar), partial(fill, reader, template)


def _chemistry(molecules: Sequence[BioSequence], address: str, comparison: Comparison) -> dict[str, Any]:
    """Return what chemistry says of molecules; novelty against what was asked for, or what the run was trained on."""
    from biolect.evaluate.molecules import MoleculeSet, molecules_of, quality as judge
    from biolect.recipes import resolve

    folders: list[str] = []
    if not comparison.training and (Path(address) / "metrics.jsonl").is_file():
        corpora = resolve(address).corpora
        folders = list(corpora.folders.values()) if corpora.kind == "folders" else [str(Path(address) / "corpus")]
    # What was asked for must be there; what the run was trained on may be gone.
    asked = [comparison.training] if comparison.training else []
    known = [molecules_of(folder) for folder in asked or filter(os.path.exists, folders)]
    training = MoleculeSet(tuple(text for one in known for text in one.texts)) if known else None
    reference = molecules_of(comparison.reference) if comparison.reference else None
    return judge([one.residues for one in molecules], training, reference)
