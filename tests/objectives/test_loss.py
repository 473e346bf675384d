"""Losses: nats per target, in float32 whatever comes in."""

from __future__ import annotations

import math

import pytest
import torch

from biolect.objectives.loss import token_losses


def test_a_loss_is_minus_the_log_of_the_probability_of_the_target() -> None:
    logits = torch.tensor([[[1.0, 1.0, 1.0], [math.log(3), 0.0, 0.0]]])

    losses = token_losses(logits, torch.tensor([[2, 0]]))

    torch.testing.assert_close(losses, torch.tensor([[math.log(3), math.log(5 / 3)]]))


@pytest.mark.parametrize(
    ("given", "expected"), [(torch.bfloat16, torch.float32), (torch.float32, torch.float32), (torch.float64, torch.float64)]
)
def test_losses_are_at_least_float32(given: torch.dtype, expected: torch.dtype) -> None:
    assert token_losses(torch.zeros(2, 3, 5, dtype=given), torch.zeros(2, 3, dtype=torch.long)).dtype == expected
