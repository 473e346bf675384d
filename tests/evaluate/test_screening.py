"""Few-shot screening: a model that copies what it was shown ranks the actives first."""

from __future__ import annotations

import numpy as np
import pytest

from biolect.bio.sequence import Modality, Sequence
from biolect.data.document import Grammar
from biolect.evaluate.screening import screen
from biolect.infer.prompt import Prompt
from biolect.infer.reader import Reader
from biolect.infer.score import Query, Score, score
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer


@pytest.fixture(scope="module")
def reader() -> Reader:
    model = LanguageModel.Config(vocabulary="smiles-176", backbone=Transformer.Config(layers=1, width=16, heads=2, inner=32)).build(3)
    return Reader(model.eval(), Grammar(tags=False, positions="ordinary"), context_tokens=200)


def molecules(letter: str, count: int) -> list[Sequence]:
    return [Sequence(letter * (n % 7 + 2), Modality.MOLECULE, f"{letter}{n}") for n in range(count)]


def test_rankings_are_those_of_the_scores_after_the_shown_actives(reader: Reader) -> None:
    actives, others = molecules("C", 6), molecules("N", 9)

    by_sum, by_mean = screen(reader, actives, others, 2, seed=5)

    order = np.random.default_rng(5).permutation(6).tolist()
    prompt = Prompt.of([reader.member(actives[i]) for i in order[:2]], reader.grammar)
    rest = [*(actives[i] for i in order[2:]), *others]
    found = [s for s in score(reader, [Query(one.name, reader.member(one)) for one in rest], prompt) if isinstance(s, Score)]
    for ranking, values in ((by_sum, [s.log_likelihood for s in found]), (by_mean, [s.log_likelihood / s.num_residues for s in found])):
        better = [(a > b) + 0.5 * (a == b) for a in values[:4] for b in values[4:]]
        assert ranking.roc_auc == pytest.approx(np.mean(better))
        ranks = np.argsort(-np.array(values), kind="stable")
        hits = np.flatnonzero(ranks < 4)
        if len(set(values)) == len(values):
            assert ranking.delta_average_precision == pytest.approx(np.mean(np.arange(1, 5) / (hits + 1)) - 4 / 13)
    assert (by_sum.by, by_mean.by, by_sum.num_shown, by_sum.seed) == ("sum", "mean", 2, 5)


def test_equal_seeds_rank_alike_and_no_active_is_needed(reader: Reader) -> None:
    actives, others = molecules("C", 5), molecules("N", 5)

    assert screen(reader, actives, others, 3, seed=1) == screen(reader, actives, others, 3, seed=1)
    assert screen(reader, actives, others, 0, seed=1)[0].num_shown == 0


def test_what_has_no_room_behind_the_prompt_is_ranked_last(reader: Reader) -> None:
    actives, others = molecules("C", 5), [*molecules("N", 3), Sequence("O" * 190, Modality.MOLECULE, "long")]

    rankings = screen(reader, actives, others, 2, seed=1)

    assert all(0 <= one.roc_auc <= 1 for one in rankings)
