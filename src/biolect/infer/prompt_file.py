"""Prompts from files: records in their order, demonstrations, homologs drawn from an alignment, saved contexts."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biolect.bio.io import Format, Refusal, detect
from biolect.bio.io.fasta import read_alignment
from biolect.data.document import Grammar
from biolect.errors import ConfigError, InputError
from biolect.files import open_input
from biolect.infer.contexts import ENDING, load_context, save_context
from biolect.infer.homologs import columns_of, sampling_weights
from biolect.infer.inputs import read_queries
from biolect.infer.prompt import Prompt
from biolect.infer.reader import Reader
from biolect.infer.score import Query

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
    (`infer.contexts`) is taken as it is.

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
        weights = _weights(path, [row for row, _ in rows])
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


def _weights(path: str, kept: list[int]) -> NDArray[np.float64]:
    with open_input(path, text=False) as stream:
        rows = [row for _, row in read_alignment(stream, path)]
    return sampling_weights(columns_of([rows[i] for i in kept]))


def _saved(reader: Reader, path: str, budget_tokens: int | None) -> PromptFile:
    prompt, names = load_context(path, reader)
    if budget_tokens is not None and (size := prompt.num_tokens(reader.grammar)) > budget_tokens:
        raise ConfigError(
            f"The context in '{path}' has {size:,} tokens; {max(0, budget_tokens):,} are free beside what is asked. "
            "Save one of fewer records, or ask for less."
        )
    return PromptFile(prompt, names)
