"""The compiled scan equals the loop, in outputs, last state and all gradients."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings, strategies as st

from biolect.devices import cache_folder
from biolect.ops import slstm
from biolect.ops.slstm import SLSTMState, scan
from tests.ops.mlstm.loop import gradients
from tests.ops.slstm.test_reference import IDS, inputs, some_state

FLOAT64 = 1e-10
FLOAT32 = 1e-5
"""Of the largest value; 517 positions."""

KERNELS = cache_folder()

# Inputs are one list here, which a type checker cannot count.
slstm_loop: Any = slstm.slstm_loop
slstm_scan: Any = slstm.slstm_scan

needs_compiler = pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler here")


@needs_compiler
def test_here_the_scan_is_compiled():
    library = scan.kernel(KERNELS)

    assert library.functions is not None, library.notice


@needs_compiler
@pytest.mark.parametrize("length", [1, 31, 32, 33, 101])
@pytest.mark.parametrize("rows", [1, 2, 7])
def test_outputs_states_and_gradients_equal_the_loop(rows, length):
    tensors, state = inputs(rows, length), some_state(rows)
    wanted = [*tensors, *state]

    expected, last = slstm_loop(*tensors, state)
    found, found_last = slstm_scan(*tensors, state, kernels=KERNELS)

    torch.testing.assert_close([found, *found_last], [expected, *last], rtol=FLOAT64, atol=FLOAT64)
    torch.testing.assert_close(gradients(found, found_last, wanted), gradients(expected, last, wanted), rtol=FLOAT64, atol=FLOAT64)


@needs_compiler
@pytest.mark.parametrize(("heads", "size"), [(1, 1), (2, 3), (1, 17), (5, 64)])
def test_heads_of_any_size_equal_the_loop_from_the_empty_state(heads, size):
    tensors = inputs(3, 5, heads, size)
    with torch.no_grad():
        tensors[1] /= size**0.5

    expected, last = slstm_loop(*tensors)
    found, found_last = slstm_scan(*tensors, kernels=KERNELS)

    torch.testing.assert_close([found, *found_last], [expected, *last], rtol=FLOAT64, atol=FLOAT64)
    torch.testing.assert_close(gradients(found, found_last, tensors), gradients(expected, last, tensors), rtol=FLOAT64, atol=FLOAT64)


@needs_compiler
def test_segments_and_padding_equal_the_loop():
    for ids in (IDS, torch.zeros_like(IDS), IDS.flip(1)):
        tensors, state = inputs(2, 7), some_state(2)
        wanted = [*tensors, *state]

        expected, last = slstm_loop(*tensors, state, ids)
        found, found_last = slstm_scan(*tensors, state, ids, kernels=KERNELS)

        assert (found[ids == 0] == 0).all()
        torch.testing.assert_close([found, *found_last], [expected, *last], rtol=FLOAT64, atol=FLOAT64)
        torch.testing.assert_close(gradients(found, found_last, wanted), gradients(expected, last, wanted), rtol=FLOAT64, atol=FLOAT64)


@needs_compiler
@settings(max_examples=25)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40)), min_size=1, max_size=5), st.integers(0, 200))
def test_split_anywhere_equals_the_whole(layout, split):
    ids = torch.cat([torch.full((size,), number if is_real else 0) for number, (is_real, size) in enumerate(layout, start=1)])[None]
    split = min(split, ids.shape[1])
    logits, recurrent = (x.detach() for x in inputs(1, ids.shape[1], 1, 3))
    before, after = ids[0, :split][ids[0, :split] > 0], ids[0, split:][ids[0, split:] > 0]

    whole, last = slstm_scan(logits, recurrent, None, ids, kernels=KERNELS)
    first, middle = slstm_scan(logits[:, :split], recurrent, None, ids[:, :split], kernels=KERNELS)
    continues = len(before) and len(after) and before[-1] == after[0] or not len(after)
    second, found = slstm_scan(logits[:, split:], recurrent, middle if continues else None, ids[:, split:], kernels=KERNELS)

    torch.testing.assert_close(torch.cat([first, second], 1), whole, rtol=FLOAT64, atol=FLOAT64)
    torch.testing.assert_close(list(found), list(last), rtol=FLOAT64, atol=FLOAT64)


@needs_compiler
def test_float32_is_near_the_truth_and_no_thread_changes_a_bit():
    exact, coarse = inputs(6, 517), inputs(6, 517, dtype=torch.float32)
    for x in (exact[1], coarse[1]):
        x.data /= 4
    threads = torch.get_num_threads()

    expected, last = slstm_loop(*exact)
    results = []
    for count in (1, 3):
        torch.set_num_threads(count)
        found, found_last = slstm_scan(*coarse, kernels=KERNELS)
        results.append([found, *found_last, *gradients(found, found_last, coarse)])
    torch.set_num_threads(threads)

    torch.testing.assert_close(results[0][:5], results[1][:5], rtol=0, atol=0)
    for value, true in zip(results[0], [expected, *last, *gradients(expected, last, exact)], strict=True):
        assert (value.double() - true).abs().max() < FLOAT32 * true.abs().max()


@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("log_input", "forget"), [(80, 80), (80, -80), (-80, -80), (1e4, -1e4), (-1e4, -1e4), (-1e4, 1e4)])
def test_extreme_gates_equal_the_loop(dtype, log_input, forget):
    tensors = inputs(1, 5, dtype=dtype)
    with torch.no_grad():
        tensors[0][:, :3, 0], tensors[0][:, 2:, 1] = log_input, forget

    expected, found = slstm_loop(*tensors), slstm_scan(*tensors, kernels=KERNELS)

    results = [[hidden, *state, *gradients(hidden, state, tensors)] for hidden, state in (expected, found)]
    # Float32 knows a log weight of 1e4 to 1e-3.
    tolerance = 1e-10 if dtype == torch.float64 else 1e-3
    torch.testing.assert_close(results[1], results[0], rtol=tolerance, atol=tolerance)


@needs_compiler
def test_bfloat16_logits_give_bfloat16_values_and_a_float32_state():
    logits, recurrent = (x.detach().bfloat16() for x in inputs(2, 5))

    hidden, state = slstm_scan(logits, recurrent, kernels=KERNELS)
    expected, _ = slstm_loop(logits.float(), recurrent.float())

    assert hidden.dtype == torch.bfloat16 and {x.dtype for x in state} == {torch.float32}
    torch.testing.assert_close(hidden.float(), expected, rtol=0.01, atol=0.01)


def test_no_compiler_means_a_warning_and_the_loop(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    tensors = inputs(2, 3)

    with pytest.warns(UserWarning, match="plain loop.*no C\\+\\+ compiler"):
        found, _ = slstm_scan(*tensors, kernels=tmp_path)

    expected, _ = slstm_loop(*tensors)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_an_empty_row_leaves_the_state_alone():
    state = SLSTMState(*(x.detach() for x in some_state(2)))

    hidden, last = slstm_scan(*inputs(2, 0), state, kernels=Path("/nowhere"))

    assert hidden.shape == (2, 0, 3, 5)
    torch.testing.assert_close(list(last), list(state), rtol=0, atol=0)
