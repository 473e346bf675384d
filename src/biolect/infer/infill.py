"""Asking a model that was trained to fill holes: what belongs at a place, with both sides in view.

The sequence is shown with holes in it, and behind it what belongs into them; see `objectives.infill`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from biolect.bio.sequence import Modality, Sequence as BioSequence
from biolect.data.document import Grammar, Member
from biolect.errors import ConfigError
from biolect.infer.generate import Course, Generation, Sampling, draw
from biolect.infer.prompt import Prompt
from biolect.infer.reader import Reader
from biolect.objectives.infill import Span, with_holes, without_holes

ONE_HOLE = 3
"""Tokens that one hole adds to a sequence: the hole twice, and the fill token."""

_GAP = re.compile(r"\[([^\]]*)\]")
_FORM = "Write a gap as its number of residues in brackets, as in MKT[7]AYI."
_DIGITS = 6
"""Of the longest gap."""


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
            if part.isdecimal() and len(part) > _DIGITS:
                raise ConfigError(f"A gap in the template '{text[:80]}' is longer than {10**_DIGITS - 1:,} residues. Shorten it.")
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


@torch.inference_mode()
def filled_log_probabilities(reader: Reader, member: Member, places: NDArray[np.int64], prompt: Prompt) -> Float[np.ndarray, "P A"]:
    """Return the log-probability of every token at places of a member, each taken out alone. Nats.

    Args:
        places: 0-based.
        prompt: What is read before; read once.
    """
    rendered, read = reader.written(prompt, member)
    first = prompt.num_tokens(reader.grammar)
    context = reader.prefill(rendered, first, read) if first else None
    # What stands behind the prompt, as a document of its own.
    alone = rendered.part(first)
    start = len(alone) - 1 - len(member)
    made = [with_holes(alone, [[(start + place, start + place + 1)]], reader.model.vocabulary) for place in places.tolist()]
    found: list[NDArray[np.float32]] = [np.zeros((0, len(reader.model.vocabulary)), dtype=np.float32)]
    size = max(1, reader.batch_tokens // (len(alone) + ONE_HOLE))
    for number in range(0, len(made), size):
        some = made[number : number + size]
        # What is asked for stands behind the second hole, and nothing but the end token behind that.
        stacked = [np.stack([getattr(one, name)[:-2] for one in some]).astype(np.int64) for name in ("token_ids", "positions")]
        ids, positions = (torch.from_numpy(rows).to(reader.model.device) for rows in stacked)
        logits = reader.model(ids, positions) if context is None else reader.model.extend(ids, positions, context.state.fork(len(some)))
        found.append(logits[:, -1].float().log_softmax(-1).cpu().numpy())
    return np.concatenate(found)


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
    prompt, words = prompt or Prompt(), reader.model.vocabulary
    member = reader.member(BioSequence(template.residues, template.modality))
    rendered, read = reader.written(prompt, member)
    start = len(rendered) - 1 - len(member)
    spans = [(start + first, start + stop) for first, stop in template.gaps]
    made = with_holes(rendered, [*([] for _ in prompt.members), spans], words)
    opened = int(np.argmax(made.answers))
    said = {index: token for index, token in enumerate(made.token_ids[opened:-1].tolist()) if token in words.holes}
    course = Course(made.positions[opened:-1], words.standard_ids(template.modality), said=said)
    tails, state_bytes = draw(reader, reader.prefill(made, opened, read), course, count, sampling or Sampling(), advance)
    found: list[BioSequence] = []
    for number, tail in enumerate(tails, start=1):
        ids = without_holes(np.concatenate([made.token_ids[:opened], tail]), words)[start:]
        found.append(BioSequence(template.filled(words.decode(ids, template.modality)), template.modality, f"sample-{number}"))
    num_tokens = count * sum(stop - first for first, stop in template.gaps)
    return Generation(tuple(found), count, num_tokens, time.perf_counter() - started, state_bytes)
