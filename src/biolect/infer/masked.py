"""Models that read both sides: what they say of a residue that was hidden. Nats.

Such a model has no likelihood of a sequence. Its pseudo-log-likelihood is the sum over residues of the
log-probability of each, hidden alone; a variant's masked marginal compares two letters at one hidden place.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from biolect.data.document import Member
from biolect.data.packing import windows
from biolect.infer.prompt import Prompt
from biolect.infer.reader import Reader
from biolect.tokens.rendered import Rendered


@dataclass(frozen=True)
class PseudoScore:
    """What a model that reads both sides says of one record. Nats.

    Attributes:
        num_scored: Residues that count: unknown ones (N, X) were never asked for in training, nor are they here.
    """

    name: str
    modality: str
    num_residues: int
    num_scored: int
    pseudo_log_likelihood: float

    @property
    def nats(self) -> float:
        """What the scored residues cost."""
        return -self.pseudo_log_likelihood

    def row(self) -> dict[str, str | int | float]:
        """Return the score as a row of a table."""
        facts = {"id": self.name, "modality": self.modality, "num_residues": self.num_residues}
        return facts | {"num_scored": self.num_scored, "pseudo_log_likelihood": self.pseudo_log_likelihood}


def pseudo_score(reader: Reader, name: str, member: Member) -> PseudoScore:
    """Score one record, on one strand or both as the reader says; nothing else is read beside it."""
    places = np.flatnonzero(np.isin(member.token_ids, reader.model.vocabulary.standard_ids(member.modality)))
    found = hidden_log_probabilities(reader, member, places)[np.arange(len(places)), member.token_ids[places]]
    total = float(found.astype(np.float64).sum())
    return PseudoScore(name, member.modality.value, len(member), len(places), total)


def hidden_log_probabilities(reader: Reader, member: Member, places: NDArray[np.int64]) -> Float[np.ndarray, "P A"]:
    """Return the log-probability of every token at places of a member, each hidden alone while all others show.

    A member that is longer than the context is read in windows that overlap by half, every place in the one
    that it stands furthest inside. Where the reader asks both strands, the two are averaged, each token with
    its complement on the other one.

    Args:
        places: 0-based, ascending.
    """
    if reader.strands == "both":
        other = member.other_strand(reader.model.vocabulary)
        turned = _one_strand(reader, other, len(member) - 1 - places[::-1])[::-1]
        return (_one_strand(reader, member, places) + turned[:, reader.model.vocabulary.complement_ids]) / 2
    return _one_strand(reader, member, places)


def _one_strand(reader: Reader, member: Member, places: NDArray[np.int64]) -> Float[np.ndarray, "P A"]:
    special = reader.grammar.overhead(1) - 1
    found = np.zeros((len(places), len(reader.model.vocabulary)), dtype=np.float32)
    for window in windows(len(member), reader.room, both_sides=True):
        own = (places >= window.first) & (places < window.last)
        if own.any():
            rendered = reader.write(Prompt(), member.slice(window.start, window.stop))
            found[own] = _in_one_window(reader, rendered, places[own] - window.start + special)
    return found


@torch.inference_mode()
def _in_one_window(reader: Reader, rendered: Rendered, places: NDArray[np.int64]) -> Float[np.ndarray, "P A"]:
    device = reader.model.device
    ids, positions = (torch.from_numpy(x.astype(np.int64)).to(device) for x in (rendered.token_ids, rendered.positions))
    found: list[NDArray[np.float32]] = []
    for at in torch.from_numpy(places).to(device).split(max(1, reader.batch_tokens // len(ids))):
        rows, lines = ids.repeat(len(at), 1), torch.arange(len(at), device=device)
        rows[lines, at] = reader.model.vocabulary.mask
        logits = reader.model(rows, positions.expand_as(rows))[lines, at]
        found.append(logits.float().log_softmax(-1).cpu().numpy())
    return np.concatenate(found)
