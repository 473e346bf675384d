"""Parts of recurrent layers, beside what they are by definition."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from biolect.nn.parts import EPSILON, BlockDiagonal, HeadNorm


@pytest.mark.parametrize(("width", "blocks"), [(64, 16), (28, 7), (12, 1), (96, 2), (8, 8), (36, 3)])
def test_a_block_diagonal_map_is_the_product_with_the_full_matrix(width: int, blocks: int) -> None:
    generator = torch.Generator().manual_seed(0)
    linear = BlockDiagonal(width, blocks).double()
    torch.nn.init.normal_(linear.weight, generator=generator)
    x = torch.randn(2, 5, width, dtype=torch.float64, generator=generator, requires_grad=True)

    found, expected = linear(x), x @ torch.block_diag(*linear.weight).T

    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    both = [torch.autograd.grad(out.square().sum(), (x, linear.weight)) for out in (found, expected)]
    for one, other in zip(*both, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


def test_a_head_norm_is_a_group_norm_with_one_group_a_head() -> None:
    x = torch.randn(3, 5, 4, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    norm = HeadNorm(28).double()
    torch.nn.init.uniform_(norm.weight, 0.5, 1.5)

    found = norm(x)

    expected = functional.group_norm(x.reshape(15, 28), 4, norm.weight, eps=EPSILON).view(3, 5, 28)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
