"""The loop of steps equals the equations, gradients included. Axes have different prime sizes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from biolect.ops.slstm import SLSTMState, empty_state, slstm_loop, slstm_step
from tests.ops.mlstm.loop import draw, gradients

FLOAT64 = 1e-10
IDS = torch.tensor([[1, 1, 1, 2, 2, 3, 0], [0, 4, 4, 0, 4, 7, 7]])


def inputs(rows: int, length: int, heads: int = 3, size: int = 5, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    logits, recurrent = draw(rows, length, 4, heads, size, dtype=dtype), draw(heads, size, 4, size, seed=1, dtype=dtype)
    return [(2 * logits).requires_grad_(), recurrent.requires_grad_()]


def some_state(rows: int, heads: int = 3, size: int = 5) -> SLSTMState:
    hidden, cell, normalizer, max_log = (draw(rows, heads, size, seed=seed) for seed in range(5, 9))
    return SLSTMState(*(x.detach().requires_grad_() for x in (hidden, cell, normalizer.abs() + 1, max_log)))


def textbook(logits: Tensor, recurrent: Tensor) -> Tensor:
    """One row, one unit at a time, nothing stabilized: c and n as they are."""
    length, _, heads, size = logits.shape
    outputs = []
    for head in range(heads):
        hidden, cell, normalizer = (logits.new_zeros(size) for _ in range(3))
        for t in range(length):
            gates = [logits[t, gate, head] + hidden @ recurrent[head, :, gate] for gate in range(4)]
            i, f = gates[0].exp(), gates[1].sigmoid()
            cell, normalizer = f * cell + i * gates[2].tanh(), f * normalizer + i
            hidden = gates[3].sigmoid() * cell / normalizer
            outputs.append(hidden)
    return torch.stack(outputs).view(heads, length, size).transpose(0, 1)


def test_the_loop_equals_the_textbook_and_its_gradients():
    logits, recurrent = inputs(2, 7)

    found, _ = slstm_loop(logits, recurrent)
    expected = torch.stack([textbook(row, recurrent) for row in logits])

    torch.testing.assert_close(found, expected, rtol=0, atol=FLOAT64)
    wanted = [logits, recurrent]
    torch.testing.assert_close(gradients(found, None, wanted), gradients(expected, None, wanted), rtol=FLOAT64, atol=FLOAT64)


def test_steps_from_any_state_equal_the_loop():
    logits, recurrent = inputs(2, 5)
    state = first = some_state(2)
    outputs = []
    for t in range(5):
        hidden, state = slstm_step(logits[:, t], recurrent, state)
        outputs.append(hidden)

    found, last = slstm_loop(logits, recurrent, first)

    torch.testing.assert_close([found, *last], [torch.stack(outputs, 1), *state], rtol=0, atol=0)


def test_segments_of_a_row_are_read_as_if_alone_and_padding_gets_nothing():
    logits, recurrent = inputs(2, 7)

    packed, _ = slstm_loop(logits, recurrent, None, IDS)

    assert (packed[IDS == 0] == 0).all()
    for row, ids in enumerate(IDS):
        for number in set(ids.tolist()) - {0}:
            alone, _ = slstm_loop(logits[row : row + 1, ids == number], recurrent)
            torch.testing.assert_close(packed[row, ids == number], alone[0], rtol=0, atol=FLOAT64)


def test_the_state_after_a_row_is_that_after_its_last_real_position():
    logits, recurrent = inputs(2, 7)
    state = some_state(2)

    _, last = slstm_loop(logits, recurrent, state, IDS)
    _, of_first = slstm_loop(logits[:1, 5:6], recurrent)
    _, untouched = slstm_loop(logits, recurrent, state, torch.zeros_like(IDS))

    torch.testing.assert_close([x[0] for x in last], [x[0] for x in of_first], rtol=0, atol=FLOAT64)
    torch.testing.assert_close(list(untouched), list(state), rtol=0, atol=0)


def test_an_incoming_state_belongs_to_the_segment_of_the_first_real_position():
    logits, recurrent = inputs(1, 7)
    ids = torch.tensor([[0, 4, 4, 0, 4, 7, 7]])
    _, middle = slstm_loop(logits[:, :3], recurrent, None, ids[:, :3])

    rest, _ = slstm_loop(logits[:, 3:], recurrent, middle, ids[:, 3:])

    torch.testing.assert_close(rest, slstm_loop(logits, recurrent, None, ids)[0][:, 3:], rtol=0, atol=FLOAT64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("log_input", "forget"), [(80, 80), (80, -80), (-80, -80), (1e4, -1e4), (-1e4, -1e4), (-1e4, 1e4)])
def test_extreme_gates_stay_finite(dtype, log_input, forget):
    logits, recurrent = inputs(1, 5, dtype=dtype)
    with torch.no_grad():
        logits[:, :3, 0], logits[:, 2:, 1] = log_input, forget

    hidden, state = slstm_loop(logits, recurrent)

    assert all(x.isfinite().all() for x in (hidden, *state))
    assert all(g.isfinite().all() for g in gradients(hidden, state, [logits, recurrent]))


def test_a_state_is_float32_at_least_and_an_empty_row_leaves_it_alone():
    state = empty_state(2, 3, 5, dtype=torch.bfloat16)
    assert {x.dtype for x in state} == {torch.float32}
    assert (state.max_log == -torch.inf).all()

    hidden, last = slstm_loop(torch.zeros(2, 0, 4, 3, 5, dtype=torch.bfloat16), torch.zeros(3, 5, 4, 5), state)

    assert hidden.shape == (2, 0, 3, 5) and hidden.dtype == torch.bfloat16
    torch.testing.assert_close(list(last), list(state), rtol=0, atol=0)
