"""Feed-forward layers."""

from __future__ import annotations

import torch
from torch.nn import functional

from biolect.nn.feedforward import SwiGLU


def test_the_gated_layer_is_its_formula() -> None:
    torch.manual_seed(0)
    layer, x = SwiGLU(5, 7), torch.randn(2, 3, 5)
    gate, value, down = layer.up.weight[:7], layer.up.weight[7:], layer.down.weight

    torch.testing.assert_close(layer(x), (functional.silu(x @ gate.T) * (x @ value.T)) @ down.T)
    assert sum(p.numel() for p in layer.parameters()) == 3 * 5 * 7


def test_places_do_not_see_each_other() -> None:
    torch.manual_seed(0)
    layer, x = SwiGLU(5, 7), torch.randn(2, 3, 5)

    torch.testing.assert_close(layer(x)[:, 1:2], layer(x[:, 1:2]))
