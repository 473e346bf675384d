"""Step and parallel form equal the equations, gradients included. Axes have different prime sizes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from biolect.ops import mlstm
from biolect.ops.mlstm import MLSTMState, empty_state
from tests.ops.mlstm.loop import by_the_equations, gradients, inputs, some_state

FLOAT64 = 1e-10
# Inputs are one list here, which a type checker cannot count.
mlstm_parallel: Any = mlstm.mlstm_parallel
mlstm_step: Any = mlstm.mlstm_step
mlstm_two_sided_parallel: Any = mlstm.mlstm_two_sided_parallel

IDS = torch.tensor([[1, 1, 1, 2, 2, 3, 0, 0], [0, 4, 4, 0, 4, 0, 7, 7]])


def steps(tensors, state, epsilon):
    outputs = []
    for t in range(tensors[0].shape[1]):
        hidden, state = mlstm_step(*(x[:, t] for x in tensors), state, epsilon=epsilon)
        outputs.append(hidden)
    return torch.stack(outputs, 1), state


@pytest.mark.parametrize("epsilon", [0.0, 1e-6])
def test_steps_equal_the_equations_and_their_gradients(epsilon):
    tensors, state = inputs(2, 11), some_state(2)

    expected, last = by_the_equations(tensors, state, epsilon=epsilon)
    found, found_last = steps(tensors, MLSTMState(*state), epsilon)

    torch.testing.assert_close([found, *found_last], [expected, *last], rtol=0, atol=FLOAT64)
    wanted = [*tensors, *state]
    torch.testing.assert_close(gradients(found, found_last, wanted), gradients(expected, last, wanted), rtol=FLOAT64, atol=FLOAT64)


@pytest.mark.parametrize("epsilon", [0.0, 1e-6])
@pytest.mark.parametrize("segment_ids", [None, IDS])
def test_the_parallel_form_equals_the_equations_and_their_gradients(segment_ids, epsilon):
    tensors = inputs(2, 8)

    expected, _ = by_the_equations(tensors, None, segment_ids, epsilon)
    found = mlstm_parallel(*tensors, segment_ids, epsilon=epsilon)

    torch.testing.assert_close(found, expected, rtol=0, atol=FLOAT64)
    torch.testing.assert_close(gradients(found, None, tensors), gradients(expected, None, tensors), rtol=FLOAT64, atol=FLOAT64)


def test_without_epsilon_the_stabilizer_cancels_out():
    q, k, v, log_input, forget = (x.detach() for x in inputs(2, 13))
    memory, normalizer = torch.zeros(2, 3, 5, 7, dtype=q.dtype), torch.zeros(2, 3, 5, dtype=q.dtype)
    expected = []
    for t in range(13):
        f, i = forget[:, t].sigmoid()[..., None], log_input[:, t].exp()[..., None]
        memory = f[..., None] * memory + (i * k[:, t])[..., None] * v[:, t, :, None]
        normalizer = f * normalizer + i * k[:, t]
        scaled = q[:, t] * 5**-0.5
        bottom = (normalizer * scaled).sum(-1, keepdim=True).abs().clamp_min(1)
        expected.append(torch.einsum("bhkv,bhk->bhv", memory, scaled) / bottom)

    found = mlstm_parallel(q, k, v, log_input, forget, epsilon=0.0)

    torch.testing.assert_close(found, torch.stack(expected, 1), rtol=FLOAT64, atol=FLOAT64)


def test_the_two_sided_form_reads_both_sides_with_one_normalizer():
    q, k, v, log_input, forget = inputs(1, 6, heads=1)
    log_forget = torch.nn.functional.logsigmoid(forget)[0, :, 0]
    rows = []
    for t in range(6):
        weights = []
        for s in range(6):
            decay = log_forget[s + 1 : t + 1].sum() if s <= t else log_forget[t:s].sum()
            weights.append((decay + log_input[0, s, 0]).exp() * (q[0, t, 0] @ k[0, s, 0]) / 5**0.5)
        rows.append(sum(w * v[0, s, 0] for s, w in enumerate(weights)) / torch.stack(weights).sum().abs().clamp_min(1))

    found = mlstm_two_sided_parallel(q, k, v, log_input, forget, epsilon=0.0)

    torch.testing.assert_close(found[0, :, 0], torch.stack(rows), rtol=FLOAT64, atol=FLOAT64)


@pytest.mark.parametrize("form", [mlstm_parallel, mlstm_two_sided_parallel])
def test_segments_of_a_row_are_read_as_if_alone_and_padding_gets_nothing(form):
    tensors = inputs(2, 8)

    packed = form(*tensors, IDS)

    assert (packed[IDS == 0] == 0).all()
    for row, ids in enumerate(IDS):
        for number in set(ids.tolist()) - {0}:
            alone = form(*(x[row : row + 1, ids == number] for x in tensors))
            torch.testing.assert_close(packed[row, ids == number], alone[0], rtol=0, atol=FLOAT64)


@pytest.mark.parametrize("form", [mlstm_parallel, mlstm_two_sided_parallel])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("log_input", "forget"), [(80, 80), (80, -80), (-80, 80), (-80, -80), (1e4, -1e4), (-1e4, -1e4), (-1e4, 1e4)])
def test_extreme_gates_stay_finite(form, dtype, log_input, forget):
    tensors = inputs(1, 5, dtype=dtype)
    with torch.no_grad():
        tensors[3][:, 1:4] = log_input
        tensors[4][:, 2:] = forget

    hidden = form(*tensors)

    assert hidden.isfinite().all()
    assert all(g.isfinite().all() for g in gradients(hidden, None, tensors))


def test_a_state_is_float32_at_least():
    assert {x.dtype for x in empty_state(2, 3, 5, 7, dtype=torch.bfloat16)} == {torch.float32}
    assert {x.dtype for x in empty_state(2, 3, 5, 7, dtype=torch.float64)} == {torch.float64}
    tensors = [x.detach().bfloat16() for x in inputs(2, 1)]

    hidden, state = mlstm_step(*(x[:, 0] for x in tensors), empty_state(2, 3, 5, 7))

    assert hidden.dtype == torch.bfloat16
    assert [tuple(x.shape) for x in state] == [(2, 3, 5, 7), (2, 3, 5), (2, 3)]
    assert {x.dtype for x in state} == {torch.float32}


def test_an_empty_row_is_no_mistake():
    assert mlstm_parallel(*inputs(2, 0)).shape == (2, 0, 3, 7)
    assert mlstm_two_sided_parallel(*inputs(2, 0)).shape == (2, 0, 3, 7)
