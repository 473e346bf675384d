"""Few-shot screening: are the actives of a target likelier than the rest, once the model has read a few of them?

Source: the protocol of FS-Mol, 10.48550/arXiv.2111.13131, with likelihoods as scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from biolect import metrics
from biolect.bio.sequence import Sequence as Record
from biolect.infer.prompt import Prompt
from biolect.infer.reader import Reader
from biolect.infer.score import Query, Score, score


class Screening(NamedTuple):
    """One ranking.

    Attributes:
        num_shown: Actives in the prompt; fewer than asked for where the model's context had no more room.
        delta_average_precision: Average precision less the share of actives among the candidates, which is what chance gives.
    """

    num_shown: int
    seed: int
    by: str
    roc_auc: float
    delta_average_precision: float


def screen(reader: Reader, actives: Sequence[Record], inactives: Sequence[Record], num_shown: int, seed: int) -> list[Screening]:
    """Rank all actives that are not shown, and all inactives, by log-likelihood after some actives drawn by a seed.

    Returns:
        One ranking by the sum over symbols, and one by their mean.
    """
    from sklearn.metrics import average_precision_score

    order = np.random.default_rng(seed).permutation(len(actives))
    shown = [reader.member(actives[i]) for i in order[:num_shown].tolist()]
    budget = None if reader.context_tokens is None else reader.context_tokens // 2
    prompt = Prompt.of(shown, reader.grammar, budget)
    candidates = [*(actives[i] for i in order[num_shown:].tolist()), *inactives]
    queries = [Query(one.name, reader.member(one)) for one in candidates]
    labels = np.arange(len(candidates)) < len(actives) - num_shown
    found = list(score(reader, queries, prompt))
    # What does not fit behind the prompt cannot be ranked, and is as good as last.
    sums, means = (
        np.array([getattr(one, name) if isinstance(one, Score) else -np.inf for one in found])
        for name in ("log_likelihood", "mean_log_likelihood")
    )
    values = {"sum": sums, "mean": means}
    lowest = {name: np.where(np.isfinite(v), v, v[np.isfinite(v)].min(initial=0) - 1) for name, v in values.items()}
    return [
        Screening(len(prompt), seed, name, metrics.auroc(labels, v), float(average_precision_score(labels, v) - labels.mean()))
        for name, v in lowest.items()
    ]
