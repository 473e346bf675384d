"""Scores: how likely a record is, alone, after its partner, or after a prompt. Nats.

The log-likelihood of a record is the sum over its residues; special tokens count in nothing. Read after
a partner, it is the conditional log-likelihood, and what it gains over the record alone is the pointwise
mutual information of the two.

Where annotation places both on shared gene coordinates the model follows them, and every score is
reported coordinate-free, too: positions are a hint that plain records do not have.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import numpy as np

from biolect import metrics
from biolect.bio.io.form import Refusal
from biolect.bio.sequence import Modality
from biolect.data.document import Member
from biolect.data.packing import windows
from biolect.errors import ConfigError
from biolect.infer.masked import PseudoScore, pseudo_score
from biolect.infer.prompt import Context, Prompt
from biolect.infer.reader import Reader
from biolect.objectives.causal import shifted
from biolect.tokens.vocabulary import SPECIAL_INDEX
from biolect.values import Segment

_CHUNK_BATCHES = 32


@dataclass(frozen=True, eq=False)
class Query:
    """What is scored: a member, and the partner that it is read after, if any.

    Attributes:
        where: Input that it comes from, for refusals.
    """

    name: str
    member: Member
    given: Member | None = None
    where: str = ""


@dataclass(frozen=True)
class Score:
    """Log-likelihoods of the residues of one record. Nats.

    Attributes:
        log_likelihood: After its partner where there is one.
        log_likelihood_alone: Without its partner; None where there is none.
    """

    name: str
    modality: str
    num_residues: int
    log_likelihood: float
    log_likelihood_coordinate_free: float
    log_likelihood_alone: float | None = None
    log_likelihood_alone_coordinate_free: float | None = None

    @property
    def num_scored(self) -> int:
        """All residues count."""
        return self.num_residues

    @property
    def nats(self) -> float:
        """What the residues cost."""
        return -self.log_likelihood

    @property
    def pmi(self) -> float | None:
        """Pointwise mutual information of record and partner; None without a partner."""
        return None if self.log_likelihood_alone is None else self.log_likelihood - self.log_likelihood_alone

    @property
    def pmi_coordinate_free(self) -> float | None:
        """The same with ordinary positions."""
        alone = self.log_likelihood_alone_coordinate_free
        return None if alone is None else self.log_likelihood_coordinate_free - alone

    @property
    def mean_log_likelihood(self) -> float:
        """Per residue, so that records of different lengths can be ranked; NaN without residues."""
        return self.log_likelihood / self.num_residues if self.num_residues else float("nan")

    def row(self) -> dict[str, str | int | float]:
        """Return the score as a row of a table; columns that have no meaning without a partner are left out."""
        row: dict[str, str | int | float] = {"id": self.name, "modality": self.modality, "num_residues": self.num_residues}
        for suffix in ("", "_coordinate_free"):
            for name in ("log_likelihood", "log_likelihood_alone", "pmi"):
                value = getattr(self, name + suffix)
                if value is not None:
                    row[name + suffix] = value
        return row | {"mean_log_likelihood": self.mean_log_likelihood}


class _Reading(NamedTuple):
    """One text in which a record is read: which query, which column, and the places that count."""

    query: int
    column: str
    segment: Segment
    follows_coordinates: bool


def score(reader: Reader, queries: Iterable[Query | Refusal], prompt: Prompt | None = None) -> Iterator[Score | PseudoScore | Refusal]:
    """Score records in their order; equal whatever is read beside them, up to rounding. Refusals are handed on.

    A causal model gives log-likelihoods, one that reads both sides pseudo-log-likelihoods. A record that is longer
    than the model's context is read in windows that overlap by half, and every residue is scored once. A record
    that does not fit behind its partner, or behind the prompt, is refused.

    Args:
        prompt: What all records are read after; read once.

    Raises:
        ConfigError: If the prompt alone fills the context, or the model cannot read one.
    """
    prompt = prompt or Prompt()
    if not reader.model.config.is_causal:
        reader.check_alone(alone=not prompt.members)
        for query in queries:
            one = query if isinstance(query, Refusal) else _checked(reader, query, None, alone=True)
            yield one if isinstance(one, Refusal) else pseudo_score(reader, one.name, one.member)
        return
    contexts: dict[bool, Context | None] = {}
    room = _room(reader, prompt)
    reader.check_alone(alone=not prompt.members)
    chunk: list[Query | Refusal] = []
    size = 0
    for query in queries:
        chunk.append(query if isinstance(query, Refusal) else _checked(reader, query, room, alone=not prompt.members))
        size += 0 if isinstance(query, Refusal) else len(query.member) + (len(query.given) if query.given else 0)
        if size >= _CHUNK_BATCHES * reader.batch_tokens:
            yield from _scored(reader, chunk, prompt, contexts, room)
            chunk, size = [], 0
    yield from _scored(reader, chunk, prompt, contexts, room)


def _room(reader: Reader, prompt: Prompt) -> int | None:
    """Tokens that the prompt leaves; None where no limit is known."""
    if reader.context_tokens is None:
        return None
    room = reader.context_tokens - prompt.num_tokens(reader.grammar)
    if room < 8:
        raise ConfigError(
            f"The prompt has {prompt.num_tokens(reader.grammar):,} tokens and the model reads {reader.context_tokens:,}: no room is left. "
            "Give fewer or shorter records with --context."
        )
    return room


def _checked(reader: Reader, query: Query, room: int | None, *, alone: bool) -> Query | Refusal:
    need = reader.grammar.overhead(1 + (query.given is not None)) + len(query.member) + (len(query.given) if query.given else 0)
    if not len(query.member):
        return Refusal(query.name, query.where, "The record has no residues, so there is nothing to score. Remove it.")
    reader.check_alone(alone=query.given is None)
    if reader.strands == "both" and query.member.modality is not Modality.DNA:
        return Refusal(query.name, query.where, f"The record is {query.member.modality}, which has no other strand. Score one strand.")
    if room is None or need <= room or (alone and query.given is None):
        return query
    behind = " and ".join(part for part, there in (("its partner", query.given is not None), ("the prompt", not alone)) if there)
    reason = f"The record needs {need:,} tokens with {behind}; the model has room for {room:,}. Shorten it, or give less before it."
    return Refusal(query.name, query.where, reason)


def _scored(
    reader: Reader, chunk: list[Query | Refusal], prompt: Prompt, contexts: dict[bool, Context | None], room: int | None
) -> Iterator[Score | Refusal]:
    readings = [r for i, query in enumerate(chunk) if isinstance(query, Query) for r in _readings(reader, i, query, prompt, room)]
    totals: dict[tuple[int, str], float] = {}
    for follows in (False, True):
        some = [r for r in readings if r.follows_coordinates is follows]
        if some and prompt.members and follows not in contexts:
            rendered = reader.write(prompt, coordinates=follows)
            contexts[follows] = reader.prefill(rendered, prompt.num_tokens(reader.grammar), None if follows else prompt.read)
        found = reader.log_likelihoods([r.segment for r in some], contexts.get(follows))
        for reading, values in zip(some, found, strict=True):
            key = reading.query, reading.column
            totals[key] = totals.get(key, 0.0) + float(np.dot(values.astype(np.float64), reading.segment.loss_weights))
    for index, query in enumerate(chunk):
        yield query if isinstance(query, Refusal) else _score_of(query, index, totals)


def _score_of(query: Query, index: int, totals: Mapping[tuple[int, str], float]) -> Score:
    values = {}
    for column in ("log_likelihood", "log_likelihood_alone"):
        free = totals.get((index, f"{column}_coordinate_free"))
        values[f"{column}_coordinate_free"] = free
        values[column] = totals.get((index, column), free)
    return Score(query.name, query.member.modality.value, len(query.member), **values)


def _readings(reader: Reader, index: int, query: Query, prompt: Prompt, room: int | None) -> Iterator[_Reading]:
    """Write a query out in every way in which it is scored; equal ways only once."""
    ways: dict[str, tuple[Member, ...]] = {"log_likelihood": (query.member,)}
    if query.given is not None:
        ways = {"log_likelihood": (query.given, query.member), "log_likelihood_alone": (query.member,)}
    # Both sides of a difference follow coordinates, or neither does.
    strands = [query.member, *([query.member.other_strand(reader.model.vocabulary)] if reader.strands == "both" else [])]
    can_follow = reader.follows_coordinates(*prompt.members, *ways["log_likelihood"], *strands)
    for (column, members), follows, strand in product(ways.items(), (True, False) if can_follow else (False,), strands):
        overhead = reader.grammar.overhead(len(members) + bool(prompt.members))
        limit = None if room is None or len(members) > 1 or prompt.members else room - overhead
        for window in windows(len(strand), limit):
            piece = (*members[:-1], strand.slice(window.start, window.stop))
            segment = _segment(reader, prompt, piece, follows, window.last - window.first)
            segment.loss_weights[:] /= len(strands)
            yield _Reading(index, column if follows else f"{column}_coordinate_free", segment, follows)


def _segment(reader: Reader, prompt: Prompt, members: tuple[Member, ...], follows: bool, fresh: int) -> Segment:
    """Write members behind the prompt; only the last `fresh` residues of the last member count."""
    rendered = reader.write(prompt, *members, coordinates=follows)
    # The end token is not scored, so it need not be said.
    part = rendered.part(prompt.num_tokens(reader.grammar), -1)
    segment = shifted(part, np.arange(len(part) - 1) >= len(part) - 1 - fresh)
    assert (segment.modality_ids[len(segment) - fresh :] != SPECIAL_INDEX).all()
    return segment


def label_log_odds(reader: Reader, queries: Iterable[Query], prompt: Prompt) -> list[float]:
    """Return log p(<pos>) - log p(<neg>) behind each pair, after labelled demonstrations. Nats."""
    first = prompt.num_tokens(reader.grammar)
    context = reader.read(prompt).read
    segments: list[Segment] = []
    for query in queries:
        rendered = reader.write(prompt, *([] if query.given is None else [query.given]), query.member)
        said = shifted(rendered.part(first), np.zeros(len(rendered) - first - 1))
        for label in ("<pos>", "<neg>"):
            segments.append(replace(said, targets=np.append(said.targets[:-1], reader.model.vocabulary.id_of(label))))
    last = [float(values[-1]) for values in reader.log_likelihoods(segments, context)]
    return [yes - no for yes, no in zip(last[::2], last[1::2], strict=True)]


def bits_by_modality(reader: Reader, scores: Iterable[Score | PseudoScore]) -> dict[str, dict[str, float]]:
    """Return `bits_per_residue` of each modality, or those of residues hidden in turn, under their own name."""
    nats: dict[str, float] = {}
    residues: dict[str, int] = {}
    for one in scores:
        nats[one.modality] = nats.get(one.modality, 0.0) + one.nats
        residues[one.modality] = residues.get(one.modality, 0) + one.num_scored
    bits = {name: metrics.bits_per_residue(nats[name], residues[name]) for name in nats}
    return {"bits_per_residue": bits} if reader.model.config.is_causal else {"bits_per_residue": {}, "pseudo_bits_per_residue": bits}
