"""Asking a model that was trained to fill holes: what belongs at a place, with both sides in view.

The sequence is shown with holes in it, and behind it what belongs into them; see `objectives.infill`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from biolect.bio.sequence import Modality, Sequence as BioSequence
from biolect.data.document import Grammar, Member
from biolect.errors import ConfigError
from biolect.infer.generate import Generation, Sampling, pick, rows_at_once
from biolect.infer.prompt import Context, Prompt
from biolect.infer.reader import Reader
from biolect.objectives.infill import Infilled, Span, with_holes, without_holes

ONE_HOLE = 3
"""Tokens that one hole adds to a sequence: the hole twice, and the fill token."""

_GAP = re.compile(r"\[([^\]]*)\]")
_FORM = "Write a gap as its number of residues in brackets, as in MKT[7]AYI."


@dataclass(frozen=True)
class Template:
    """A sequence with gaps of known lengths. Invariant: at least one gap, none empty.

    Attributes:
        residues: The unknown residue stands in the gaps.
        gaps: 0-based, half-open, ascending.
    """

    residues: str
    modality: Modality
    gaps: tuple[Span, ...]

    @classmethod
    def parse(cls, text: str, modality: Modality, most: int) -> Template:
        """Read letters and gaps, as in `MKT[7]AYI`.

        Args:
            most: Gaps that a model can fill at once.

        Raises:
            ConfigError: If there is no gap, there are too many, or one has no length.
            AlphabetError: If the letters are not of the modality.
        """
        residues, gaps = "", list[Span]()
        for index, part in enumerate(_GAP.split(text)):
            if index % 2 == 0:
                residues += BioSequence(part, modality, text).residues
                continue
            if not (part.isdecimal() and int(part)):
                raise ConfigError(f"'[{part}]' in the template '{text}' is no gap. {_FORM}")
            gaps.append((len(residues), len(residues) + int(part)))
            residues += modality.alphabet.unknown * int(part)
        if not gaps:
            raise ConfigError(f"The template '{text}' has no gap to fill. {_FORM}")
        if len(gaps) > most:
            raise ConfigError(f"The template '{text}' has {len(gaps)} gaps; the model can fill {most} at once. Close some of them.")
        return cls(residues, modality, tuple(gaps))

    def filled(self, text: str) -> str:
        """Return the template with its gaps as in a text of its length; letters that share a token stay as they were given."""
        letters = list(self.residues)
        for first, stop in self.gaps:
            letters[first:stop] = text[first:stop]
        return "".join(letters)

    def num_tokens(self, grammar: Grammar) -> int:
        """Tokens of the template and what fills it, special tokens included."""
        return grammar.overhead(1) + len(self.residues) + 1 + 2 * len(self.gaps)


def filled_log_probabilities(reader: Reader, member: Member, places: NDArray[np.int64], prompt: Prompt) -> Float[np.ndarray, "P A"]:
    """Return the log-probability of every token at places of a member, each taken out alone. Nats.

    Args:
        places: 0-based.
        prompt: What is read before; read once.
    """
    follows = reader.follows_coordinates(*prompt.members, member)
    rendered = reader.write(prompt, member, coordinates=follows)
    first = prompt.num_tokens(reader.grammar)
    context = reader.prefill(rendered, first, None if follows else prompt.read) if first else None
    # What stands behind the prompt, as a document of its own.
    alone = rendered.part(first)
    start = len(alone) - 1 - len(member)
    made = [with_holes(alone, [[(start + place, start + place + 1)]], reader.model.vocabulary) for place in places.tolist()]
    found: list[NDArray[np.float32]] = [np.zeros((0, len(reader.model.vocabulary)), dtype=np.float32)]
    size = max(1, reader.batch_tokens // (len(alone) + ONE_HOLE))
    for number in range(0, len(made), size):
        found.append(_last_log_probabilities(reader, context, made[number : number + size]))
    return np.concatenate(found)


@torch.inference_mode()
def _last_log_probabilities(reader: Reader, context: Context | None, made: Sequence[Infilled]) -> Float[np.ndarray, "P A"]:
    # What is asked for stands behind the second hole, and nothing but the end token behind that.
    stacked = [np.stack([getattr(one, name)[:-2] for one in made]).astype(np.int64) for name in ("token_ids", "positions")]
    ids, positions = (torch.from_numpy(rows).to(reader.model.device) for rows in stacked)
    logits = reader.model(ids, positions) if context is None else reader.model.extend(ids, positions, context.state.fork(len(made)))
    return logits[:, -1].float().log_softmax(-1).cpu().numpy()


def fill(
    reader: Reader,
    template: Template,
    count: int,
    sampling: Sampling | None = None,
    *,
    prompt: Prompt | None = None,
    advance: Callable[[float], None] = lambda count: None,
) -> Generation:
    """Draw what belongs into the gaps of a template, from left to right, and return whole sequences.

    Args:
        prompt: What is read before.
        advance: Told how many samples were drawn, for a progress bar.
    """
    started = time.perf_counter()
    sampling, prompt, words = sampling or Sampling(), prompt or Prompt(), reader.model.vocabulary
    member = reader.member(BioSequence(template.residues, template.modality))
    follows = reader.follows_coordinates(*prompt.members, member)
    rendered = reader.write(prompt, member, coordinates=follows)
    start = len(rendered) - 1 - len(member)
    spans = [(start + first, start + stop) for first, stop in template.gaps]
    made = with_holes(rendered, [*([] for _ in prompt.members), spans], words)
    opened = int(np.argmax(made.answers))
    ready = reader.prefill(made, opened, None if follows else prompt.read)
    found: list[BioSequence] = []
    state_bytes, rows = 0, rows_at_once(ready, len(made.token_ids) - opened)
    for first in range(0, count, rows):
        numbers = range(first, min(first + rows, count))
        tails, num_bytes = _tails(reader, ready, made, words.standard_ids(template.modality), numbers, sampling)
        for number, tail in zip(numbers, tails, strict=True):
            ids = without_holes(np.concatenate([made.token_ids[:opened], tail]), words)[start:]
            found.append(BioSequence(template.filled(words.decode(ids, template.modality)), template.modality, f"sample-{number + 1}"))
        state_bytes = max(state_bytes, num_bytes)
        advance(len(numbers))
    num_tokens = count * sum(stop - first for first, stop in template.gaps)
    return Generation(tuple(found), count, num_tokens, time.perf_counter() - started, state_bytes)


@torch.inference_mode()
def _tails(
    reader: Reader, ready: Context, made: Infilled, letters: NDArray[np.uint8], numbers: range, sampling: Sampling
) -> tuple[NDArray[np.uint8], int]:
    """Return what stands behind the fill token, one row per sample: holes are said, residues drawn."""
    device, choices = reader.model.device, torch.from_numpy(letters.astype(np.int64))
    tail, positions = made.token_ids[ready.num_tokens : -1], made.positions[ready.num_tokens : -1].tolist()
    randoms = torch.from_numpy(np.stack([np.random.default_rng((sampling.seed, number)).random(len(tail)) for number in numbers]))
    rows = torch.from_numpy(tail.astype(np.int64)).repeat(len(numbers), 1)
    state, logits = ready.state.fork(len(numbers)), ready.logits.expand(len(numbers), -1)
    for place, token in enumerate(tail.tolist()):
        if token not in reader.model.vocabulary.holes:
            rows[:, place] = choices[pick(logits.cpu()[:, choices], randoms[:, place], sampling)]
        if place + 1 < len(tail):
            places = torch.full((len(numbers),), positions[place], device=device)
            logits = reader.model.step(rows[:, place].to(device), places, state)
    return rows.numpy().astype(np.uint8), state.num_bytes
