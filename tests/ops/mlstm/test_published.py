"""The cell is the published one: transformers' own xLSTM kernels (Apache-2.0) give the same values and states."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch

from biolect.ops.mlstm import MLSTMState, mlstm_step
from tests.ops.mlstm.loop import inputs, some_state
from tests.ops.mlstm.test_chunkwise import mlstm_chunkwise

FLOAT32 = 2e-5
"""Their step keeps its state in float32, and divides in it."""

CHUNK = 16


@pytest.fixture(scope="module")
def published() -> Any:
    pytest.importorskip("transformers")
    with warnings.catch_warnings(action="ignore"):
        from transformers.models.xlstm import modeling_xlstm
    if not hasattr(modeling_xlstm, "mlstm_chunkwise_native_autograd"):
        pytest.skip("transformers uses the package xlstm here, not its own kernels")
    return modeling_xlstm


def heads_first(tensors):
    """Their layout: (B, H, T, ...)."""
    return [x.detach().float().transpose(1, 2).contiguous() for x in tensors]


def test_chunks_give_the_published_values_and_states(published):
    tensors, state = [x.detach().float() for x in inputs(2, 4 * CHUNK)], [x.detach().float() for x in some_state(2)]

    found, last = mlstm_chunkwise(*tensors, MLSTMState(*state), chunk_length=CHUNK)
    memory, normalizer, max_log = state
    expected, expected_last = published.mlstm_chunkwise_native_autograd(
        *heads_first(tensors),
        c_initial=memory,
        n_initial=normalizer,
        m_initial=max_log[..., None],
        return_last_states=True,
        chunk_size=CHUNK,
    )

    torch.testing.assert_close(found, expected.transpose(1, 2), rtol=FLOAT32, atol=FLOAT32)
    for ours, theirs in zip(last, expected_last, strict=True):
        torch.testing.assert_close(ours, theirs.view_as(ours), rtol=FLOAT32, atol=FLOAT32)


def test_steps_give_the_published_values_and_states(published):
    tensors, state = [x.detach().float() for x in inputs(2, 5)], MLSTMState(*(x.detach().float() for x in some_state(2)))
    theirs = state.memory, state.normalizer, state.max_log[..., None]

    for t in range(5):
        q, k, v, log_input, forget = (x[:, t] for x in tensors)
        found, state = mlstm_step(q, k, v, log_input, forget, state)
        expected, theirs = published.mlstm_recurrent_step_native(q, k, v, log_input[..., None], forget[..., None], *theirs)

        torch.testing.assert_close(found, expected, rtol=FLOAT32, atol=FLOAT32)
    for ours, each in zip(state, theirs, strict=True):
        torch.testing.assert_close(ours, each.view_as(ours), rtol=FLOAT32, atol=FLOAT32)
