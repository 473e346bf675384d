"""Prompts from files: records in their order, demonstrations, homologs drawn from an alignment, saved contexts.

A saved context is a prompt as a model read it, to ask again without reading again: one safetensors file with the state, the
logits after it, the prompt's own tokens, and which model read it.
"""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from biolect.bio.io import Format, Refusal, detect
from biolect.bio.io.fasta import read_alignment
from biolect.bio.sequence import Modality
from biolect.data.document import Grammar, Member
from biolect.errors import CheckpointError, ConfigError, InputError
from biolect.files import atomic_path, open_input
from biolect.infer.inputs import read_queries
from biolect.infer.prompt import Context, Prompt
from biolect.infer.reader import Reader
from biolect.infer.score import Query
from biolect.models import checkpoint
from biolect.models.language_model import weights_digest

ENDING = ".safetensors"
_KEY, _DIGEST = "biolect context", "sha256"
NEIGHBORHOOD = 0.2
"""Rows of an alignment that differ in no more than this share of the columns are neighbours."""
_NAMED = 3
"""How many of what had no room are named in a report."""


@dataclass
class PromptFile:
    """A prompt as read from a file.

    Attributes:
        shown: Names of the records, or pairs, in it.
        left_out: Names of those that had no room.
        is_sampled: Whether those in it were drawn, so that the others are many and not named one by one.
    """

    prompt: Prompt
    shown: list[str]
    left_out: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    is_sampled: bool = False

    def report(self, grammar: Grammar) -> dict[str, object]:
        """Return plain data for the report of a verb."""
        facts: dict[str, object] = {"records": len(self.shown), "tokens": self.prompt.num_tokens(grammar)}
        if self.is_sampled:
            return facts | {"sampled_from": len(self.shown) + len(self.left_out)}
        return facts | {"left_out": len(self.left_out), "first_left_out": self.left_out[:_NAMED]}


def read_prompt(
    reader: Reader,
    path: str | None,
    budget_tokens: int | None,
    given: str | None = None,
    *,
    seed: int = 0,
    without: str = "",
    keep: Path | None = None,
) -> PromptFile | None:
    """Read a prompt: records in their order or, with `given` a column or a side of genes, demonstrations.

    Of an A3M, homologs are drawn instead, each the less likely the more there are like it. A saved context
    (see `save_context`) is taken as it is.

    Args:
        budget_tokens: Most tokens of the prompt; None sets no limit.
        given: As for `read_queries`; a file of partners is no part of a prompt.
        seed: Of the homologs that are drawn.
        without: Residues that no drawn homolog may have: showing what is asked about gives the answer away.
        keep: Write the prompt as it was read to this file; it then takes half of what the model reads at most, so
            that there is room for other questions later.

    Returns:
        The prompt; None where there is no file.

    Raises:
        InputError: If the file cannot be read, or no record of it fits.
        ConfigError: If a saved context is longer than the budget, or there is nothing to keep, or no name for it.
        CheckpointError: If a saved context was read by another model.
    """
    if keep is not None and path is None:
        raise ConfigError(f"--save-context {keep} has nothing to keep. Give the records with --context FILE, too.")
    if keep is not None and keep.suffix != ENDING:
        raise ConfigError(f"--save-context {keep} does not end in {ENDING}, by which a saved context is known. Rename it.")
    if path is None:
        return None
    reader.check_alone(alone=False)
    if keep is not None and budget_tokens is not None and reader.context_tokens is not None:
        budget_tokens = min(budget_tokens, reader.context_tokens // 2)
    saved = path.endswith(ENDING)
    shown = _saved(reader, path, budget_tokens) if saved else _read(reader, path, budget_tokens, given, seed, without)
    if keep is not None:
        shown.prompt = reader.read(shown.prompt)
        save_context(keep, reader, shown.prompt, shown.shown)
    return shown


def _read(reader: Reader, path: str, budget_tokens: int | None, given: str | None, seed: int, without: str) -> PromptFile:
    pairs = given if given is not None and not Path(given).is_file() else None
    found = list(read_queries(reader, path, pairs))
    queries = [query for query in found if isinstance(query, Query)]
    is_sampled = pairs is None and path != "-" and detect(path) is Format.A3M
    if pairs is not None:
        both = [(query.given, query.member) for query in queries if query.given is not None]
        prompt = Prompt.demonstrations(both, reader.grammar, budget_tokens)
    elif is_sampled:
        rows = [(row, one) for row, one in enumerate(found) if isinstance(one, Query) and str(reader.sequence(one.member)) != without]
        queries = [query for _, query in rows]
        weights = sampling_weights(columns_of(path)[[row for row, _ in rows]])
        prompt = Prompt.sampled([query.member for query in queries], reader.grammar, budget_tokens, weights=weights, seed=seed)
    else:
        prompt = Prompt.of((query.member for query in queries), reader.grammar, budget_tokens)
    if not prompt.members:
        limit = "" if budget_tokens is None else f"; {max(0, budget_tokens):,} tokens are free"
        raise InputError(f"No record of '{path}' fits into the prompt{limit}. Give shorter records, or a model with a longer context.")
    left_out = set(prompt.left_out)
    shown, rest = ([query.name for i, query in enumerate(queries) if (i in left_out) is out] for out in (False, True))
    return PromptFile(prompt, shown, rest, [refusal for refusal in found if isinstance(refusal, Refusal)], is_sampled)


def read_draws(reader: Reader, path: str | None, budget_tokens: int | None, draws: int, **how: Any) -> list[PromptFile | None]:
    """Read several prompts, each drawn anew with a seed of its own; one None where there is no file.

    Args:
        how: As for `read_prompt`; the first of the prompts is the one that is kept.

    Raises:
        ConfigError: If there are several to draw, and nothing to draw from. The rest as `read_prompt`.
    """
    first = read_prompt(reader, path, budget_tokens, **how)
    if draws > 1 and not (first and first.is_sampled):
        raise ConfigError(f"--draws {draws} needs a --context to draw from, an alignment (A3M). Give one, or leave out --draws.")
    later = (how | {"seed": how["seed"] + number, "keep": None} for number in range(1, draws))
    return [first, *(read_prompt(reader, path, budget_tokens, **one) for one in later)]


def _saved(reader: Reader, path: str, budget_tokens: int | None) -> PromptFile:
    prompt, names = load_context(path, reader)
    if budget_tokens is not None and (size := prompt.num_tokens(reader.grammar)) > budget_tokens:
        raise ConfigError(
            f"The context in '{path}' has {size:,} tokens; {max(0, budget_tokens):,} are free beside what is asked. "
            "Save one of fewer records, or ask for less."
        )
    return PromptFile(prompt, names)


def save_context(path: Path | str, reader: Reader, prompt: Prompt, names: list[str]) -> None:
    """Write a prompt, read first if it was not yet; the file appears under its name when it is whole.

    Gene coordinates are not kept: what is asked later has ordinary positions.

    Args:
        names: Of what was put into the prompt, to be reported with it.

    Raises:
        ConfigError: If the prompt is empty.
    """
    read = reader.read(prompt).read
    if read is None:
        raise ConfigError("Nothing can be kept of a prompt without members. Give it some.")
    tensors = {f"state/{name}": tensor for name, tensor in read.state.tensors().items()}
    tensors |= {"logits": read.logits, "token_ids": torch.from_numpy(np.concatenate([member.token_ids for member in prompt.members]))}
    facts = {
        "model": reader.model.digest(reader.grammar.to_yaml()),
        "members": [(member.modality.value, len(member)) for member in prompt.members],
        "labels": sorted(prompt.labels.items()),
        "names": names,
    }
    text = json.dumps(facts)
    with atomic_path(path) as temporary:
        checkpoint.write_tensors(temporary, tensors, {_KEY: text, _DIGEST: weights_digest(tensors, text)})


def load_context(path: Path | str, reader: Reader) -> tuple[Prompt, list[str]]:
    """Return a prompt as `save_context` wrote it, and the names of what is in it.

    Raises:
        InputError: If there is no such file.
        CheckpointError: If the file is damaged, no context, or was read by another model.
    """
    open_input(path, text=False).close()
    tensors, metadata = checkpoint.read_tensors(Path(path)), checkpoint.read_metadata(Path(path))
    if _KEY not in metadata:
        raise CheckpointError(f"'{path}' is no saved context. Give one that --save-context wrote, or a file of records.")
    if metadata.get(_DIGEST) != weights_digest(tensors, metadata[_KEY]):
        raise CheckpointError(f"'{path}' is damaged: what it holds is not what was saved. Copy it again, whole.")
    facts = json.loads(metadata[_KEY])
    if facts["model"] != reader.model.digest(reader.grammar.to_yaml()):
        raise CheckpointError(
            f"The context in '{path}' was read by another model, or in another precision, so this one cannot go on from it. "
            "Give the records themselves with --context FILE."
        )
    sizes = [size for _, size in facts["members"]]
    pieces = np.split(tensors.pop("token_ids").numpy(), np.cumsum(sizes)[:-1])
    members = tuple(Member(ids, Modality(kind)) for ids, (kind, _) in zip(pieces, facts["members"], strict=True))
    prompt = Prompt(members, dict(facts["labels"]))
    logits = tensors.pop("logits").to(reader.model.device)
    state = reader.model.backbone.state_of({name.removeprefix("state/"): tensor for name, tensor in tensors.items()})
    return replace(prompt, read=Context(state, logits, prompt.num_tokens(reader.grammar))), facts["names"]


def columns_of(path: str | Path) -> NDArray[np.uint8]:
    """Return the columns of an A3M, one row each, gaps included and insertions left out; raises like `read_alignment`."""
    with open_input(path, text=False) as stream:
        rows = [row for _, row in read_alignment(stream, str(path))]
    kept = ["".join(letter for letter in row if not (letter.islower() or letter == ".")) for row in rows]
    return np.frombuffer("".join(kept).encode("latin-1"), dtype=np.uint8).reshape(len(rows), -1)


def sampling_weights(columns: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return one over the number of neighbours of each row, itself counted.

    Takes the square of the number of rows: 4,500 rows of 286 columns take two seconds.

    Source: arXiv:2411.04165, sampling of homologs for fitness prediction.
    """
    count, length = columns.shape
    neighbors = np.ones(count)
    for index in range(count - 1):
        is_near = np.count_nonzero(columns[index + 1 :] != columns[index], axis=1) <= NEIGHBORHOOD * length
        neighbors[index] += is_near.sum()
        neighbors[index + 1 :] += is_near
    return 1 / neighbors
