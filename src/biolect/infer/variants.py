"""Variant effects: what a change does to the log-likelihood of the whole sequence. Nats.

    log_likelihood_ratio = log_likelihood(variant) - log_likelihood(reference)

Models that read both sides have no such likelihood; theirs are masked marginals, see `infer.masked`. Models
that were trained to fill holes see the rest of the reference on both sides of a hole, too, and are asked what
belongs there: log p(variant) - log p(reference), summed over the changes.

Residues before the first change have equal log-likelihoods on both sides, so a causal model reads them
once: the state at that place is forked for all variants that begin to differ there, and only what
follows is read for each.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from biolect.bio import sequence as bio
from biolect.bio.alphabet import ILLEGAL
from biolect.bio.variant import Substitution, Variant
from biolect.data.document import Member
from biolect.errors import ConfigError, VariantError
from biolect.infer.infill import ONE_HOLE, filled_log_probabilities
from biolect.infer.masked import hidden_log_probabilities
from biolect.infer.prompt import Context, Prompt
from biolect.infer.reader import Reader
from biolect.objectives.loss import token_losses
from biolect.tokens.rendered import Rendered

Change = tuple[NDArray[np.int64], NDArray[np.uint8]]
"""Where a variant differs from its reference, ascending and 0-based, and the new token ids."""


def all_single(reference: bio.Sequence) -> list[Variant]:
    """Return every substitution of one residue by another standard residue, in order of position and letter."""
    letters = reference.modality.alphabet.standard
    places = enumerate(reference.residues, start=1)
    return [Variant((Substitution(old, position, new),)) for (position, old), new in product(places, letters) if new != old]


def score_variants(
    reader: Reader,
    reference: bio.Sequence,
    variants: Sequence[Variant],
    *,
    given: Member | None = None,
    prompt: Prompt | None = None,
    member: Member | None = None,
    advance: Callable[[float], None] = lambda count: None,
) -> NDArray[np.float64]:
    """Return one log-likelihood ratio per variant. Nats; positive favours the variant; exactly 0 for no change.

    Equal to scoring every whole sequence, up to rounding. A model that reads both sides gives masked marginals
    instead: log p(variant) - log p(reference) at the hidden place, summed over the changes of a variant; so does
    one that was trained to fill holes, for what it was trained on (`Reader.infills`).

    Args:
        given: Partner that reference and variants are read after. Where the model has learned to translate,
            a protein given its *mutated* gene says nothing about fitness: the gene gives the change away.
            Give the reference gene, which asks how well the variant fits what the gene says.
        prompt: What is read before all of that.
        member: The reference as a member with gene coordinates, where it has them.
        advance: Told how many variants were scored, for a progress bar.

    Raises:
        VariantError: If a variant does not fit the reference, or the model has no opinion on its letters.
        ConfigError: If everything together is longer than the model's context.
    """
    member = member or reader.member(reference)
    prompt = (prompt or Prompt()).with_members(*([given] if given is not None else []))
    reader.check_alone(alone=not prompt.members)
    if reader.strands == "both" and reference.modality is not bio.Modality.DNA:
        raise ConfigError(f"'{reference.name}' is {reference.modality}, which has no other strand. Ask one strand.")
    changes = _changes(reader, reference, variants)
    if not reader.model.config.is_causal:
        return _marginals(reader, member, changes, prompt, advance)
    if reader.strands == "both":
        back, one = [variant.on_other_strand(reference) for variant in variants], replace(reader, strands="one")
        strands = ((reference, variants), (reference.reverse_complement(), back))
        return np.mean([score_variants(one, *strand, advance=lambda count: advance(count / 2)) for strand in strands], axis=0)
    rendered, read = reader.written(prompt, member)
    by_infill = reference.modality in reader.infills
    needed = len(rendered) - 1 + ONE_HOLE * by_infill
    if reader.context_tokens is not None and needed > reader.context_tokens:
        raise ConfigError(
            f"'{reference.name}' needs {needed:,} tokens with what stands before it; the model reads {reader.context_tokens:,}. "
            "Take a part of the sequence, a shorter --context, or a model with a longer context."
        )
    if by_infill:
        return _marginals(reader, member, changes, prompt, advance)
    return _causal_ratios(reader, rendered, len(member), changes, read, advance)


@torch.inference_mode()
def _causal_ratios(
    reader: Reader,
    rendered: Rendered,
    length: int,
    changes: Sequence[Change],
    read: Context | None,
    advance: Callable[[float], None],
) -> NDArray[np.float64]:
    """Read the reference from left to right, once, and compare what follows where variants begin to differ, all of a place at once."""
    firsts = np.array([places[0] if len(places) else length for places, _ in changes], dtype=np.int64)
    ratios, total, model = np.zeros(len(changes)), len(rendered) - 1, reader.model
    both = (rendered.token_ids[:-1], rendered.positions[:-1])
    ids, positions = (torch.from_numpy(one.astype(np.int64))[None].to(model.device) for one in both)
    done = 0 if read is None else read.num_tokens
    state = model.backbone.new_state() if read is None else read.state.fork(1)
    logits = None if read is None else read.logits[None, None]
    for first, indices in _groups(firsts, length, reader.batch_tokens):
        stop = total - length + first
        if logits is None or stop > done:
            logits = model.extend(ids[:, done:stop], positions[:, done:stop], state)[:, -1:]
            done = stop
        rows = np.repeat(rendered.token_ids[None, stop:total], len(indices) + 1, axis=0)
        for row, index in enumerate(indices.tolist(), start=1):
            places, letters = changes[index]
            rows[row, places - first] = letters
        tokens: Int[Tensor, "N T"] = torch.from_numpy(rows.astype(np.int64)).to(model.device)
        said = logits.expand(len(tokens), -1, -1)
        if tokens.shape[1] > 1:
            following = model.extend(tokens[:, :-1], positions[:, stop:-1].expand(len(tokens), -1), state.fork(len(tokens)))
            said = torch.cat([said, following], dim=1)
        totals = -token_losses(said.contiguous(), tokens).cpu().double().sum(dim=1).numpy()
        ratios[indices] = totals[1:] - totals[0]
        advance(len(indices))
    return ratios


def room_beside(reader: Reader, member: Member, partner: Member | None) -> int | None:
    """Return how many tokens a prompt may have before a reference and its partner; None where the model sets no limit."""
    if reader.context_tokens is None:
        return None
    needed = reader.grammar.overhead(2) + len(member) + (len(partner) if partner else 0)
    return reader.context_tokens - needed - ONE_HOLE * (member.modality in reader.infills)


SCORES = ("log_likelihood_ratio", "masked_marginal")
"""Names of what `score_variants` gives, of models that read forward and of those that read both sides."""


def column_of(reader: Reader) -> str:
    """Return the name of what `score_variants` gives: it follows from the model."""
    return SCORES[not reader.model.config.is_causal]


def _marginals(
    reader: Reader, member: Member, changes: Sequence[Change], prompt: Prompt, advance: Callable[[float], None]
) -> NDArray[np.float64]:
    places = np.unique(np.concatenate([np.zeros(0, np.int64), *(where for where, _ in changes)]))
    is_causal = reader.model.config.is_causal
    asked = filled_log_probabilities(reader, member, places, prompt) if is_causal else hidden_log_probabilities(reader, member, places)
    found = asked.astype(np.float64)
    gains = found - found[np.arange(len(places)), member.token_ids[places]][:, None]
    advance(len(changes))
    return np.array([gains[np.searchsorted(places, where), letters].sum() for where, letters in changes])


def unanswered(reader: Reader, modality: bio.Modality, variant: Variant) -> str:
    """Return why the model says nothing of a variant, to follow its name; empty if it does.

    A letter may have no token. One that is not certain (N, X, J) was never hidden in training, so a model that was
    trained on hidden residues alone has no opinion on it, on either side of a change.
    """
    words, table = reader.model.vocabulary, reader.model.vocabulary.residue_table(modality)
    for change in variant.substitutions:
        if table[ord(change.after)] == ILLEGAL:
            return f"puts in '{change.after}', which has no token in vocabulary '{words.name}'. Remove it, or use another model."
        vague = [one for one in (change.before, change.after) if one not in modality.alphabet.standard and change.before != change.after]
        if vague and not reader.model.config.is_causal:
            return f"asks about '{vague[0]}', which was never hidden in the training of this model. Remove it, or use a causal model."
    return ""


def _changes(reader: Reader, reference: bio.Sequence, variants: Sequence[Variant]) -> list[Change]:
    """Return the changes of every variant. Raises VariantError for one that does not fit, or of which the model says nothing."""
    table, found = reader.model.vocabulary.residue_table(reference.modality), list[Change]()
    for variant in variants:
        if reason := unanswered(reader, reference.modality, variant):
            raise VariantError(f"Variant {variant} {reason}")
        variant.check(reference)
        real = sorted((change.position - 1, table[ord(change.after)]) for change in variant.substitutions if change.after != change.before)
        found.append((np.array([place for place, _ in real], np.int64), np.array([letter for _, letter in real], np.uint8)))
    return found


def _groups(firsts: NDArray[np.int64], length: int, batch_tokens: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield variants that are read side by side, from the first place at which any differs, ascending; those that change nothing never."""
    order = np.argsort(firsts, kind="stable")
    order = order[: int((firsts < length).sum())]
    start = 0
    while start < len(order):
        first = int(firsts[order[start]])
        count = max(1, batch_tokens // (length - first) - 1)
        yield first, order[start : start + count]
        start += count
