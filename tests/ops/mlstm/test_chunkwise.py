"""The chunkwise form equals the equations, in outputs, last state and all gradients. Axes have different prime sizes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor

from biolect.ops import mlstm
from biolect.ops.mlstm import MLSTMState, chunkwise, empty_state, gates
from tests.ops.mlstm.loop import by_the_equations, draw, gradients, inputs, some_state

FLOAT64 = 1e-10
FLOAT32 = 1e-4
"""Of the largest value; 1,009 positions, some of which nearly divide by zero. The quadratic form reaches no better."""
BFLOAT16 = 0.05
"""Of the norm, gradients included."""

# Inputs are one list here, which a type checker cannot count.
mlstm_chunkwise: Any = mlstm.mlstm_chunkwise
mlstm_parallel: Any = mlstm.mlstm_parallel
mlstm_step: Any = mlstm.mlstm_step

IDS = torch.tensor([[1, 1, 1, 2, 2, 3, 0, 0, 3, 3, 9, 9, 9], [0, 4, 4, 0, 4, 0, 7, 7, 7, 7, 7, 7, 8]])


@pytest.fixture(params=[0.0, 1e-6])
def epsilon(request, monkeypatch):
    monkeypatch.setattr(chunkwise, "EPSILON", request.param)
    return request.param


@pytest.mark.parametrize("length", [1, 63, 64, 65, 101])
def test_outputs_states_and_gradients_equal_the_equations(length, epsilon):
    tensors, state = inputs(1, length, heads=2), some_state(1, heads=2)
    wanted = [*tensors, *state]

    expected, last = by_the_equations(tensors, state, epsilon=epsilon)
    found, found_last = mlstm_chunkwise(*tensors, MLSTMState(*state))

    torch.testing.assert_close([found, *found_last], [expected, *last], rtol=FLOAT64, atol=FLOAT64)
    torch.testing.assert_close(gradients(found, found_last, wanted), gradients(expected, last, wanted), rtol=FLOAT64, atol=FLOAT64)


@pytest.mark.parametrize("chunks_in_group", [1, 2, 32])
@pytest.mark.parametrize("chunk_length", [1, 2, 5, 13, 64])
def test_chunks_and_groups_of_any_size_and_segments_equal_the_equations(chunks_in_group, chunk_length, epsilon, monkeypatch):
    monkeypatch.setattr(gates, "_GROUP_CHUNKS", chunks_in_group)
    tensors, state = inputs(2, 13), some_state(2)
    wanted = [*tensors, *state]

    expected, last = by_the_equations(tensors, state, IDS, epsilon)
    found, found_last = mlstm_chunkwise(*tensors, MLSTMState(*state), IDS, chunk_length=chunk_length)

    assert (found[IDS == 0] == 0).all()
    torch.testing.assert_close([found, *found_last], [expected, *last], rtol=FLOAT64, atol=FLOAT64)
    torch.testing.assert_close(gradients(found, found_last, wanted), gradients(expected, last, wanted), rtol=FLOAT64, atol=FLOAT64)


@settings(max_examples=25)
@given(length=st.integers(0, 40), split=st.integers(0, 40), chunk_length=st.integers(1, 11), seed=st.integers(0, 99))
def test_split_anywhere_equals_the_whole(length, split, chunk_length, seed):
    split = min(split, length)
    tensors = [x.detach() + 0.1 * seed for x in inputs(2, length)]
    ids = 1 + (torch.arange(length) > split + 3).long().expand(2, -1)

    whole, last = mlstm_chunkwise(*tensors, None, ids, chunk_length=chunk_length)
    first, middle = mlstm_chunkwise(*(x[:, :split] for x in tensors), None, ids[:, :split], chunk_length=chunk_length)
    second, found_last = mlstm_chunkwise(*(x[:, split:] for x in tensors), middle, ids[:, split:], chunk_length=chunk_length)

    torch.testing.assert_close(torch.cat([first, second], 1), whole, rtol=FLOAT64, atol=FLOAT64)
    torch.testing.assert_close(list(found_last), list(last), rtol=FLOAT64, atol=FLOAT64)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 17)), min_size=1, max_size=6), st.integers(1, 11))
def test_a_packed_row_equals_its_segments_alone(layout, chunk_length):
    ids = torch.cat([torch.full((size,), number if is_real else 0) for number, (is_real, size) in enumerate(layout, start=1)])
    tensors = [x.detach() for x in inputs(1, len(ids))]

    packed, last = mlstm_chunkwise(*tensors, None, ids[None], chunk_length=chunk_length)

    alone_last = empty_state(1, 3, 5, 7, dtype=torch.float64)
    for number, (is_real, _) in enumerate(layout, start=1):
        if is_real:
            alone, alone_last = mlstm_chunkwise(*(x[:, ids == number] for x in tensors), chunk_length=chunk_length)
            torch.testing.assert_close(packed[:, ids == number], alone, rtol=FLOAT64, atol=FLOAT64)
    assert (packed[:, ids == 0] == 0).all()
    torch.testing.assert_close(list(last), list(alone_last), rtol=FLOAT64, atol=FLOAT64)


@pytest.mark.parametrize("segment_ids", [None, IDS])
def test_analytic_gradients_equal_differences(segment_ids):
    tensors, state = inputs(2, 13, heads=1, key=2, value=3), some_state(2, heads=1, key=2, value=3)

    def run(*tensors: Tensor) -> tuple[Tensor, ...]:
        hidden, state = mlstm_chunkwise(*tensors[:5], MLSTMState(*tensors[5:]), segment_ids, chunk_length=5)
        return hidden, *state

    assert torch.autograd.gradcheck(run, [*tensors, *state], atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("log_input", "forget"), [(80, 80), (80, -80), (-80, 80), (-80, -80), (1e4, -1e4), (-1e4, -1e4), (-1e4, 1e4)])
def test_extreme_gates_stay_finite_and_right(dtype, log_input, forget):
    tensors = inputs(2, 13, dtype=dtype)
    with torch.no_grad():
        tensors[3][:, 1:9] = log_input
        tensors[4][:, 4:] = forget

    for ids in (None, IDS):
        hidden, state = mlstm_chunkwise(*tensors, None, ids, chunk_length=5)

        expected, last = by_the_equations([x.double() for x in tensors], None, ids)
        assert all(g.isfinite().all() for g in gradients(hidden, state, tensors))
        # Float32 knows a log weight of 1e4 to 1e-3.
        rtol = 1e-8 if dtype == torch.float64 else 5e-3
        torch.testing.assert_close([x.double() for x in (hidden, *state)], [expected, *last], rtol=rtol, atol=rtol)


def test_float32_is_near_the_truth_over_many_chunks():
    exact, coarse = inputs(2, 1009), inputs(2, 1009, dtype=torch.float32)

    expected = mlstm_parallel(*exact)
    found, _ = mlstm_chunkwise(*coarse)

    assert found.dtype == torch.float32
    pairs = [(found, expected), *zip(gradients(found, None, coarse), gradients(expected, None, exact), strict=True)]
    for value, true in pairs:
        assert (value.double() - true).abs().max() < FLOAT32 * true.abs().max()


def test_bfloat16_keeps_gates_and_state_in_float32():
    exact = inputs(1, 23)
    coarse = [x.detach().bfloat16().requires_grad_() for x in exact]
    exact = [x.detach().double().requires_grad_() for x in coarse]

    with torch.autocast("cpu", torch.bfloat16):
        found, state = mlstm_chunkwise(*coarse, chunk_length=7)
    expected, last = by_the_equations(exact)

    assert found.dtype == torch.bfloat16 and {x.dtype for x in state} == {torch.float32}
    pairs = [(found, expected), *zip(state, last, strict=True)]
    pairs += zip(gradients(found, None, coarse), gradients(expected, None, exact), strict=True)
    for value, true in pairs:
        assert (value.double() - true).norm() < BFLOAT16 * true.norm()


def test_an_empty_row_gives_nothing_and_leaves_the_state_alone():
    state = MLSTMState(*(x.detach() for x in some_state(2)))

    hidden, last = mlstm_chunkwise(*inputs(2, 0), state)

    assert hidden.shape == (2, 0, 3, 7)
    torch.testing.assert_close(list(last), list(state), rtol=0, atol=0)


def test_one_position_equals_a_step():
    tensors, state = [x.detach() for x in inputs(2, 1)], MLSTMState(*(x.detach() for x in some_state(2)))

    hidden, last = mlstm_chunkwise(*tensors, state)
    expected, expected_last = mlstm_step(*(x[:, 0] for x in tensors), state)

    torch.testing.assert_close([hidden[:, 0], *last], [expected, *expected_last], rtol=FLOAT64, atol=FLOAT64)


def test_no_position_changes_what_stands_before_it():
    tensors = [x.detach() for x in inputs(1, 23)]
    changed = [x.clone() for x in tensors]
    for x in changed:
        x[:, 17:] = draw(*x[:, 17:].shape, seed=77)

    before, after = (mlstm_chunkwise(*x, chunk_length=5)[0] for x in (tensors, changed))

    torch.testing.assert_close(after[:, :17], before[:, :17], rtol=0, atol=0)
