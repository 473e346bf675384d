"""Generated proteins beside a family: equal where they are its members, far where they are not."""

from __future__ import annotations

import numpy as np
import pytest

from biolect.errors import ShapeError
from biolect.evaluate.families import compare, distances, hmm_scores
from biolect.simulate import draw_families

FAMILY, FOREIGN = draw_families(seed=2, num_families=2, num_members=30, lengths=(50, 60))


def test_the_distance_is_the_share_of_columns_that_differ():
    assert distances(["MKTAY"], ["MKTAY", "AAAAA"]).tolist() == [0.0]
    # One exchange in five columns; one of six columns is a gap.
    assert distances(["MKTAY", "MKTAYW"], ["MKVAY"]).tolist() == pytest.approx([0.2, 1 / 3])
    assert distances(["MKTAY", "MKTAW"], ["MKTAY", "MKTAW"], apart=True).tolist() == pytest.approx([0.2, 0.2])


def test_members_score_high_and_foreign_proteins_low():
    pytest.importorskip("pyhmmer")

    own, foreign = hmm_scores(FAMILY.members[10:], FAMILY.rows[:10]), hmm_scores(FOREIGN.members, FAMILY.rows[:10])

    assert own.min() > foreign.max() + 10
    assert len(foreign) == 30


def test_members_are_like_members_and_foreign_proteins_are_not():
    pytest.importorskip("pyhmmer")
    rows, natural, perplexities = FAMILY.rows, FAMILY.members[:15], np.linspace(5, 9, 15).tolist()

    like, unlike = (compare(some, natural, rows, perplexities) for some in (FAMILY.members[15:], FOREIGN.members[:15]))

    assert set(like) == {"length", "distance", "hmm_score"}
    assert all(like[name]["ks"] < 0.5 for name in like)
    assert unlike["distance"]["ks"] == unlike["hmm_score"]["ks"] == 1
    assert all(0 <= one["pearson"] <= 1 for one in like.values())


def test_every_sequence_needs_its_perplexity():
    with pytest.raises(ShapeError, match="There are 2 generated sequences, 1 perplexities and 3 natural members. Give one perplexity"):
        compare(["MK", "MA"], ["MK", "MA", "MV"], [], [1.0])
