"""Sampling: sequences of one modality, letter by letter, from the model's own distribution.

What stands before the first drawn letter is read once, and its state is forked for all samples. Every
sample has random numbers of its own, so that it comes out the same whatever is drawn beside it.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pydantic
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from biolect.bio.sequence import Modality, Sequence as BioSequence
from biolect.config import Config
from biolect.data.document import Member
from biolect.infer.prompt import Context, Prompt
from biolect.infer.reader import Reader, counted

_MOST_ROWS = 256
_STATE_BYTES = 1 << 30
_FEWER = 0.75
"""Rows that ended are dropped when no more than this share of the rows is alive."""


class Sampling(Config):
    """How letters are drawn.

    Attributes:
        temperature: Logits are divided by this; 0 takes the likeliest letter.
        top_k: Draw among so many likeliest letters only; None among all.
        top_p: Draw among the likeliest letters that together have this probability.
        max_residues: Most letters drawn for one sample, those of the prefix not counted.
        min_residues: Letters drawn before a sample may end.
        seed: Equal seeds give equal samples.
    """

    temperature: float = pydantic.Field(default=1.0, ge=0, allow_inf_nan=False)
    top_k: int | None = pydantic.Field(default=None, ge=1)
    top_p: float = pydantic.Field(default=1.0, gt=0, le=1)
    max_residues: int = pydantic.Field(default=400, ge=1)
    min_residues: int = pydantic.Field(default=1, ge=0)
    seed: int = pydantic.Field(default=0, ge=0)


@dataclass(frozen=True)
class Generation:
    """Samples in the order of their numbers, and what it took to draw them.

    Attributes:
        sequences: The prefix, if any, and the letters drawn behind it.
        num_ended: Samples that ended by themselves, before `max_residues`.
        num_tokens: Tokens drawn, end tokens included.
        seconds: Wall time, reading the prompt included.
        state_bytes: Most memory that the states took.
    """

    sequences: tuple[BioSequence, ...]
    num_ended: int
    num_tokens: int
    seconds: float
    state_bytes: int


def generate(
    reader: Reader,
    modality: Modality,
    count: int,
    sampling: Sampling | None = None,
    *,
    prefix: str = "",
    prompt: Prompt | None = None,
    advance: Callable[[float], None] = lambda count: None,
) -> Generation:
    """Draw sequences of one modality.

    Only letters of the modality can be drawn, and the tokens that end a member (in joint-64 `<eos>` and `<sep>`).
    Where all members of the prompt have gene coordinates, the new member is written on them, too.

    Args:
        prefix: First letters of every sample.
        prompt: What is read before.
        advance: Told how many samples were drawn, for a progress bar.

    Raises:
        AlphabetError: If the prefix has letters of another alphabet.
    """
    started = time.perf_counter()
    sampling, prompt, vocabulary = sampling or Sampling(), prompt or Prompt(), reader.model.vocabulary
    # No N and no X: a sample is a sequence, not a doubt about one.
    letters = vocabulary.residue_ids(modality) if modality is Modality.MOLECULE else vocabulary.standard_ids(modality)
    ends = np.unique([vocabulary.end, vocabulary.separator])
    context, places = _opened(reader, modality, prefix, prompt, sampling.max_residues)
    found, state_bytes = draw(reader, context, Course(places, letters, ends), count, sampling, advance)
    ended = [ids[-1] in ends for ids in found]
    texts = [vocabulary.decode(ids[: len(ids) - end], modality) for ids, end in zip(found, ended, strict=True)]
    start = BioSequence(prefix, modality).residues
    sequences = tuple(BioSequence(start + text, modality, f"sample-{i}") for i, text in enumerate(texts, start=1))
    return Generation(sequences, sum(ended), sum(map(len, found)), time.perf_counter() - started, state_bytes)


def _opened(reader: Reader, modality: Modality, prefix: str, prompt: Prompt, max_residues: int) -> tuple[Context, NDArray[np.int64]]:
    """Read prompt and prefix; return what was read, and the positions of the letters to be drawn."""
    start = reader.member(BioSequence(prefix, modality))
    # One letter too many, not read: where the grammar puts it, the first drawn letter goes.
    longer = Member(np.append(start.token_ids, reader.model.vocabulary.residue_ids(modality)[:1]), modality)
    follows = bool(prompt.members) and reader.follows_coordinates(*prompt.members)
    rendered = reader.write(prompt, counted(longer) if follows else longer, coordinates=follows)
    context = reader.prefill(rendered, len(rendered) - 2, None if follows else prompt.read)
    stride = 3 if follows and modality is Modality.PROTEIN else 1
    return context, reader.grammar.clamped(np.arange(max_residues) * stride + rendered.positions[-2])


@dataclass(frozen=True, eq=False)
class Course:
    """What is drawn behind a context.

    Attributes:
        places: Position of every token, in the order of drawing.
        letters: Token ids that can be drawn.
        ends: Token ids that end a sample; without any, all samples are drawn to the last place.
        said: Tokens that are read and not drawn, by their 0-based index.
    """

    places: NDArray[np.integer]
    letters: NDArray[np.integer]
    ends: NDArray[np.integer] = field(default_factory=lambda: np.zeros(0, np.int64))
    said: Mapping[int, int] = field(default_factory=dict)


def draw(
    reader: Reader, context: Context, course: Course, count: int, sampling: Sampling, advance: Callable[[float], None]
) -> tuple[list[NDArray[np.int64]], int]:
    """Draw samples; return their token ids, end token included, and the most bytes that their states took together."""
    found: list[NDArray[np.int64]] = []
    state_bytes, rows = 0, rows_at_once(context, len(course.places))
    for first in range(0, count, rows):
        numbers = range(first, min(first + rows, count))
        drawn, num_bytes = _draw(reader, context, course, numbers, sampling)
        found += drawn
        state_bytes = max(state_bytes, num_bytes)
        advance(len(numbers))
    return found, state_bytes


def rows_at_once(context: Context, num_tokens: int) -> int:
    """Return how many samples are drawn side by side, so that what each remembers stays below a gigabyte together."""
    return int(np.clip(_STATE_BYTES / (2 * context.state.fork_bytes(num_tokens)), 1, _MOST_ROWS))


@torch.inference_mode()
def _draw(reader: Reader, context: Context, course: Course, numbers: range, sampling: Sampling) -> tuple[list[NDArray[np.int64]], int]:
    """Draw the samples of some numbers side by side."""
    # Letters are chosen on the CPU in float64, wherever the model is, so that all devices draw alike.
    device, num_places = reader.model.device, len(course.places)
    letters, ends = (torch.from_numpy(ids.astype(np.int64)) for ids in (course.letters, course.ends))
    randoms = torch.from_numpy(np.stack([np.random.default_rng((sampling.seed, number)).random(num_places) for number in numbers]))
    found = torch.full(randoms.shape, -1)
    state = context.state.fork(len(numbers))
    alive = torch.arange(len(numbers))
    logits = context.logits.expand(len(numbers), -1)
    going = torch.ones(len(numbers), dtype=torch.bool)
    most_bytes = 0
    for index, place in enumerate(course.places.tolist()):
        if index in course.said:
            tokens = torch.full_like(alive, course.said[index])
        else:
            choices = torch.cat([letters, ends]) if index >= sampling.min_residues else letters
            tokens = choices[pick(logits.cpu()[:, choices], randoms[alive, index], sampling)]
        found[alive, index] = torch.where(going, tokens, -1)
        going &= ~torch.isin(tokens, ends)
        left = int(going.sum())
        if not left or index + 1 == num_places:
            break
        if left <= _FEWER * len(alive):
            rows = going.nonzero()[:, 0]
            most_bytes = max(most_bytes, state.num_bytes)
            state.keep(rows.to(device))
            alive, tokens, going = alive[rows], tokens[rows], going[rows]
        logits = reader.model.step(tokens.to(device), torch.full_like(tokens, place).to(device), state)
    return [row[row >= 0] for row in found.numpy()], max(most_bytes, state.num_bytes)


def pick(logits: Float[Tensor, "N A"], randoms: Float[Tensor, " N"], sampling: Sampling) -> Int[Tensor, " N"]:
    """Choose one column per row by inverting the cumulative distribution at a random number in [0, 1)."""
    if sampling.temperature == 0:
        return logits.argmax(dim=-1)
    # The largest becomes 0, which no temperature, however small, makes infinite.
    distances = logits.double() - logits.double().amax(dim=-1, keepdim=True)
    probabilities = (distances / sampling.temperature).softmax(dim=-1)
    if sampling.top_k is not None and sampling.top_k < logits.shape[1]:
        least = probabilities.topk(sampling.top_k, dim=-1).values[:, -1:]
        probabilities = probabilities.where(probabilities >= least, 0.0)
    if sampling.top_p < 1:
        ordered = probabilities.sort(dim=-1, descending=True).values
        # A letter is kept while what is likelier than it falls short of top_p.
        enough = ordered.cumsum(dim=-1) - ordered < sampling.top_p * ordered.sum(dim=-1, keepdim=True)
        least = ordered.where(enough, 1.0).min(dim=-1, keepdim=True).values
        probabilities = probabilities.where(probabilities >= least, 0.0)
    sums = probabilities.cumsum(dim=-1)
    return (sums <= randoms[:, None] * sums[:, -1:]).sum(dim=-1)


def quality(sequences: Sequence[BioSequence], shown: Sequence[BioSequence] = ()) -> dict[str, Any]:
    """Return what can be said of samples without another model.

    Args:
        shown: What the model saw in its prompt, for the share of copies.
    """
    texts = [s.residues for s in sequences]
    lengths = [len(text) for text in texts] or [0]
    seen = {s.residues for s in shown}
    letters = Counter("".join(texts))
    total = max(1, sum(letters.values()))
    report: dict[str, Any] = {
        "residues": {"mean": float(np.mean(lengths)), "shortest": min(lengths), "longest": max(lengths)},
        "unique_fraction": len(set(texts)) / max(1, len(texts)),
        "copied_fraction": sum(text in seen for text in texts) / max(1, len(texts)),
    }
    if sequences and sequences[0].modality is Modality.MOLECULE:
        # What letters say of a sequence they do not say of SMILES.
        return report
    report["composition"] = {letter: count / total for letter, count in sorted(letters.items())}
    if sequences and sequences[0].modality is not Modality.PROTEIN:
        known = sum(letters[letter] for letter in "ACGTU")
        report["gc_fraction"] = (letters["G"] + letters["C"]) / known if known else None
    return report
