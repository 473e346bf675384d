"""The linear two-sided form equals the quadratic one, gradients included."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
import torch

from biolect.ops import mlstm
from biolect.ops.mlstm import gates, two_sided
from tests.ops.mlstm.loop import gradients, inputs
from tests.ops.mlstm.test_chunkwise import FLOAT32, FLOAT64, IDS

# Inputs are one list here, which a type checker cannot count.
mlstm_two_sided: Any = mlstm.mlstm_two_sided
mlstm_two_sided_parallel: Any = mlstm.mlstm_two_sided_parallel


@pytest.mark.parametrize("epsilon", [0.0, 1e-6])
@pytest.mark.parametrize("length", [1, 63, 64, 65, 101])
def test_outputs_and_gradients_equal_the_quadratic_form(length, epsilon, monkeypatch):
    monkeypatch.setattr(two_sided, "EPSILON", epsilon)
    tensors = inputs(2, length)

    found, expected = mlstm_two_sided(*tensors), mlstm_two_sided_parallel(*tensors, epsilon=epsilon)

    torch.testing.assert_close(found, expected, rtol=FLOAT64, atol=FLOAT64)
    torch.testing.assert_close(gradients(found, None, tensors), gradients(expected, None, tensors), rtol=FLOAT64, atol=FLOAT64)


@pytest.mark.parametrize("chunks_in_group", [1, 2, 32])
@pytest.mark.parametrize("chunk_length", [1, 5, 64])
def test_chunks_and_groups_of_any_size_and_segments_equal_the_quadratic_form(chunks_in_group, chunk_length, monkeypatch):
    monkeypatch.setattr(gates, "_GROUP_CHUNKS", chunks_in_group)
    tensors = inputs(2, 13)

    found, expected = mlstm_two_sided(*tensors, IDS, chunk_length=chunk_length), mlstm_two_sided_parallel(*tensors, IDS)

    assert (found[IDS == 0] == 0).all()
    torch.testing.assert_close(found, expected, rtol=FLOAT64, atol=FLOAT64)
    torch.testing.assert_close(gradients(found, None, tensors), gradients(expected, None, tensors), rtol=FLOAT64, atol=FLOAT64)


def test_a_flipped_row_gives_flipped_values():
    tensors = [x.detach() for x in inputs(2, 37)]

    found, flipped = mlstm_two_sided(*tensors, chunk_length=7), mlstm_two_sided(*(x.flip(1) for x in tensors), chunk_length=7)

    torch.testing.assert_close(flipped.flip(1), found, rtol=FLOAT64, atol=FLOAT64)


def test_float32_is_near_the_truth_over_many_chunks():
    exact, coarse = inputs(1, 1009), inputs(1, 1009, dtype=torch.float32)

    expected, found = mlstm_two_sided_parallel(*exact), mlstm_two_sided(*coarse)

    pairs = [(found, expected), *zip(gradients(found, None, coarse), gradients(expected, None, exact), strict=True)]
    for value, true in pairs:
        assert (value.double() - true).abs().max() < FLOAT32 * true.abs().max()


@pytest.mark.parametrize(("log_input", "forget"), [(80, 80), (80, -80), (-80, -80), (1e4, -1e4), (-1e4, 1e4)])
def test_extreme_gates_stay_finite(log_input, forget):
    tensors = inputs(2, 13, dtype=torch.float32)
    with torch.no_grad():
        tensors[3][:, 1:9] = log_input
        tensors[4][:, 4:] = forget

    hidden = mlstm_two_sided(*tensors, IDS, chunk_length=5)

    assert hidden.isfinite().all()
    assert all(g.isfinite().all() for g in gradients(hidden, None, tensors))


def test_an_empty_row_is_no_mistake():
    assert mlstm_two_sided(*inputs(2, 0)).shape == (2, 0, 3, 7)


COMPILED = """
import torch
from biolect.ops.mlstm import mlstm_two_sided
from tests.ops.mlstm.loop import gradients, inputs
from tests.ops.mlstm.test_chunkwise import IDS

tensors = inputs(2, 13)
expected = mlstm_two_sided(*tensors, IDS, chunk_length=5)
found = torch.compile(mlstm_two_sided, dynamic=False)(*tensors, IDS, chunk_length=5)
assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
torch.testing.assert_close(gradients(found, None, tensors), gradients(expected, None, tensors), rtol=1e-10, atol=1e-10)
"""


@pytest.mark.slow
def test_compiled_with_segments_it_gives_the_same_values_and_gradients(tmp_path):
    # In a process of its own: a compiler leaves settings behind.
    environment = os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}

    run = subprocess.run([sys.executable, "-W", "ignore", "-c", COMPILED], env=environment, capture_output=True, text=True, timeout=600)

    assert run.returncode == 0, run.stderr[-2_000:]
