"""Homologs as a prompt: likelier drawn where they have few neighbours, whole ones, within a budget."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from biolect.infer.prompt import Prompt
from biolect.infer.prompt_file import columns_of, sampling_weights
from biolect.infer.reader import Reader
from tests.infer.conftest import protein


def test_columns_leave_insertions_out(tmp_path: Path):
    (tmp_path / "two.a3m").write_text(">a\nMK-V\n>b\nMaaK.AV\n")

    assert columns_of(tmp_path / "two.a3m").tolist() == [list(b"MK-V"), list(b"MKAV")]


def test_a_row_weighs_the_less_the_more_are_like_it():
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 3, size=(30, 10), dtype=np.uint8)
    rows[10:20] = rows[0]
    rows[15, :3] = 9

    weights = sampling_weights(rows)

    naive = [1 / sum((row != other).mean() <= 0.2 for other in rows) for row in rows]
    assert weights.tolist() == pytest.approx(naive)
    assert weights[10] < 0.11 and weights[15] > weights[10]


def test_drawn_members_are_whole_and_fit_and_the_rest_is_known(reader: Reader):
    members = [reader.member(protein(n, n)) for n in (30, 20, 90, 25, 10)]

    prompt = Prompt.sampled(members, reader.grammar, 80, seed=1)

    drawn = [members.index(member) for member in prompt.members]
    assert prompt.num_tokens(reader.grammar) <= 80 and 2 not in drawn
    assert sorted([*drawn, *prompt.left_out]) == [0, 1, 2, 3, 4]
    again, other = Prompt.sampled(members, reader.grammar, 80, seed=1), Prompt.sampled(members, reader.grammar, 80, seed=2)
    assert [m.token_ids.tobytes() for m in again.members] == [m.token_ids.tobytes() for m in prompt.members]
    assert [m.token_ids.tobytes() for m in other.members] != [m.token_ids.tobytes() for m in prompt.members]


def test_draws_follow_the_weights(reader: Reader):
    members, weights = [reader.member(protein(10, n)) for n in range(3)], np.array([1.0, 2.0, 5.0])

    first = [Prompt.sampled(members, reader.grammar, 14, weights=weights, seed=seed).left_out for seed in range(2_000)]

    shares = [np.mean([index not in left_out for left_out in first]) for index in range(3)]
    assert np.allclose(shares, weights / 8, atol=0.03)
