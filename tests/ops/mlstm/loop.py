"""The mLSTM as its equations say, one number of the state after the other."""

from __future__ import annotations

import torch
from torch import Tensor

from biolect.ops.mlstm import MLSTMState


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def inputs(rows: int, length: int, heads: int = 3, key: int = 5, value: int = 7, *, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Queries, keys, values and logits of input and forget gates; every one wants a gradient."""
    shapes = [
        (rows, length, heads, key),
        (rows, length, heads, key),
        (rows, length, heads, value),
        (rows, length, heads),
        (rows, length, heads),
    ]
    q, k, v, i, f = (draw(*shape, seed=seed, dtype=dtype) for seed, shape in enumerate(shapes))
    return [x.requires_grad_() for x in (q, k, v, 3 * i, 2 * f + 2)]


def some_state(rows: int, heads: int = 3, key: int = 5, value: int = 7) -> list[Tensor]:
    return [draw(*shape, seed=9).requires_grad_() for shape in ((rows, heads, key, value), (rows, heads, key), (rows, heads))]


def by_the_equations(
    inputs: list[Tensor], state: list[Tensor] | None = None, segment_ids: Tensor | None = None, epsilon: float = 1e-6
) -> tuple[Tensor, MLSTMState]:
    """Every row and position by itself: C_t, n_t and m_t as written in the package's docstring."""
    q, k, v, log_input, forget = inputs
    rows, length, heads, key = q.shape
    outputs, lasts = [], []
    for row in range(rows):
        memory, normalizer, m = q.new_zeros(heads, key, v.shape[3]), q.new_zeros(heads, key), q.new_zeros(heads)
        if state is not None:
            memory, normalizer, m = (x[row] for x in state)
        last = None
        for t in range(length):
            this = 1 if segment_ids is None else int(segment_ids[row, t])
            if this == 0:
                outputs.append(v.new_zeros(heads, v.shape[3]))
                continue
            if last is not None and this != last:
                memory, normalizer, m = q.new_zeros(heads, key, v.shape[3]), q.new_zeros(heads, key), q.new_zeros(heads)
            last = this
            log_forget = torch.nn.functional.logsigmoid(forget[row, t])
            new = torch.maximum(log_forget + m, log_input[row, t])
            f, i = torch.exp(log_forget + m - new), torch.exp(log_input[row, t] - new)
            memory = f[:, None, None] * memory + i[:, None, None] * torch.einsum("hk,hv->hkv", k[row, t], v[row, t])
            normalizer, m = f[:, None] * normalizer + i[:, None] * k[row, t], new
            scaled = q[row, t] / key**0.5
            top, bottom = torch.einsum("hkv,hk->hv", memory, scaled), torch.einsum("hk,hk->h", normalizer, scaled)
            outputs.append(top / (torch.maximum(bottom.abs(), torch.exp(-m)) + epsilon)[:, None])
        lasts.append((memory, normalizer, m))
    hidden = torch.stack(outputs).view(rows, length, heads, -1) if outputs else v * 1
    return hidden, MLSTMState(*(torch.stack(x) for x in zip(*lasts, strict=True)))


def gradients(hidden: Tensor, state: tuple[Tensor, ...] | None, wanted: list[Tensor]) -> list[Tensor]:
    """Gradients of a fixed random combination of all results."""
    results = [hidden, *(state or ())]
    total = torch.stack([(x * draw(*x.shape, seed=20 + i, dtype=x.dtype)).sum().double() for i, x in enumerate(results)]).sum()
    found = torch.autograd.grad(total, wanted, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for g, x in zip(found, wanted, strict=True)]
