"""Batches: the one value that data and models both know."""

from __future__ import annotations

import numpy as np
import torch

from biolect.values import Batch, TokenEmbedding


def batch() -> Batch:
    whole = {name: torch.arange(15).view(3, 5) for name in Batch.__dataclass_fields__}
    whole["segment_ids"] = torch.tensor([[1, 1, 2, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]])
    whole["loss_weights"] = torch.ones(3, 5)
    return Batch(**whole)


def test_padding_is_no_token() -> None:
    assert batch().num_tokens == 9
    assert batch().attended_mask.sum(dim=1).tolist() == [3, 1, 5]


def test_rows_are_cut_out_of_every_field() -> None:
    part = batch().rows(1, 3)

    assert all(getattr(part, name).shape == (2, 5) for name in Batch.__dataclass_fields__)
    assert part.token_ids[0].tolist() == [5, 6, 7, 8, 9] and part.num_tokens == 6


def test_every_field_moves() -> None:
    moved = batch().to("meta")

    assert all(getattr(moved, name).device.type == "meta" for name in Batch.__dataclass_fields__)


def test_a_special_token_covers_nothing() -> None:
    made = TokenEmbedding("one", np.zeros((4, 8), np.float16), np.array([[0, 0], [0, 6], [6, 7], [7, 7]]))

    assert made.special_mask.tolist() == [True, False, False, True] and made.width == 8
