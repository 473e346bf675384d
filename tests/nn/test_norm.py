"""The norm over heads."""

from __future__ import annotations

import torch
from torch.nn import functional

from biolect.nn.norm import EPSILON, HeadNorm


def test_a_head_norm_is_a_group_norm_with_one_group_a_head() -> None:
    x = torch.randn(3, 5, 4, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    norm = HeadNorm(28).double()
    torch.nn.init.uniform_(norm.weight, 0.5, 1.5)

    found = norm(x)

    expected = functional.group_norm(x.reshape(15, 28), 4, norm.weight, eps=EPSILON).view(3, 5, 28)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
