"""The compiled step of a layer equals the layer, operation by operation."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
import torch

from biolect.devices import cache_folder
from biolect.nn import mlstm
from biolect.nn.mlstm import MLSTMLayer
from biolect.ops.mlstm import layer_step
from biolect.ops.native import Library
from biolect.ops.rope import rotary_angles

TOLERANCE = {torch.float64: 1e-13, torch.float32: 2e-5}
WIDTH, INNER, LENGTH = 11, 60, 7

needs_compiler = pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler here")


def layer(dtype, heads=3, rotary: Any = "none", plain_gates=False, conv_width=4):
    made = MLSTMLayer(
        WIDTH, INNER, heads, conv_width=conv_width, chunk_length=64, direction="causal", rotary=rotary, plain_gates=plain_gates
    ).to(dtype)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in made.parameters():
            weight.normal_(std=0.4, generator=generator)
    return made


def read(made, rows, positions=None):
    """Read `LENGTH` positions, one by one; return the updates, and tail and cell at the end."""
    dtype = made.skip.dtype
    x = torch.randn(rows, LENGTH, WIDTH, generator=torch.Generator().manual_seed(1), dtype=dtype)
    tail, cell = made.empty(rows)
    out = []
    for t in range(LENGTH):
        angles = None
        if positions is not None:
            width = INNER // made.turned_heads
            angles = rotary_angles(positions[:, t : t + 1], width, 100.0, dtype)
        update, tail, cell = made.extend(x[:, t : t + 1], angles, tail, cell)
        out.append(update)
    return [torch.cat(out, dim=1), tail, *cell]


def both_ways(monkeypatch, made, rows, positions=None):
    with torch.no_grad():
        compiled = read(made, rows, positions)
        monkeypatch.setattr(mlstm, "is_steppable", lambda *_: False)
        return compiled, read(made, rows, positions)


@needs_compiler
def test_here_the_step_is_compiled():
    library = layer_step.kernel(cache_folder())

    assert library.functions is not None, library.notice


@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("rotary", "plain_gates"), [("none", False), ("full", False), ("full", True), ("per_head", False)])
def test_the_compiled_step_equals_the_layer(monkeypatch, dtype, rotary, plain_gates):
    positions = None if rotary == "none" else torch.arange(LENGTH)[None] * torch.tensor([[1], [3], [-2], [0], [7]])

    found, wanted = both_ways(monkeypatch, layer(dtype, rotary=rotary, plain_gates=plain_gates), 5, positions)

    torch.testing.assert_close(found, wanted, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@needs_compiler
@pytest.mark.parametrize(("heads", "conv_width", "threads"), [(1, 1, 1), (5, 2, 3), (15, 5, 2)])
def test_heads_convolutions_and_threads_of_any_number(monkeypatch, heads, conv_width, threads):
    monkeypatch.setattr(layer_step, "_NUMBERS_A_THREAD", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)

    found, wanted = both_ways(monkeypatch, layer(torch.float64, heads=heads, conv_width=conv_width), 7)

    torch.testing.assert_close(found, wanted, rtol=1e-13, atol=1e-13)


@needs_compiler
def test_gates_far_from_zero_stay_finite_and_equal(monkeypatch):
    made = layer(torch.float32)
    with torch.no_grad():
        made.gates.bias.copy_(torch.tensor([300.0, -300.0, 60.0, -300.0, 300.0, -90.0]))

    found, wanted = both_ways(monkeypatch, made, 2)

    assert all(part.isfinite().all() for part in found)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


@needs_compiler
def test_a_cell_that_wants_gradients_is_read_one_operation_after_the_other():
    made = layer(torch.float64)
    tail, cell = made.empty(1)

    update, *_ = made.extend(torch.ones(1, 1, WIDTH, dtype=torch.float64), None, tail, cell)

    assert update.requires_grad


def test_without_a_compiler_the_layer_reads_on(monkeypatch):
    monkeypatch.setattr(mlstm, "kernel", lambda _: Library(None, "no compiler"))
    made = layer(torch.float64)
    with torch.no_grad():
        plain = read(made, 2)
    monkeypatch.undo()
    with torch.no_grad():
        found = read(made, 2)

    torch.testing.assert_close(found, plain, rtol=1e-13, atol=1e-13)
