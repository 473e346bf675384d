"""The encoder of published families, against attention and rotation written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from biolect.models.published import PublishedModel
from biolect.ops.attention import segment_mask, stretches
from biolect.ops.rope import rotary_angles

FLOAT32 = 1e-4
SHAPE: dict[str, Any] = {"tokens": 9, "layers": 2, "width": 16, "heads": 2, "inner": 12}
VARIANTS: list[dict[str, Any]] = [
    {"embedding_scale": 0.88},
    {"positions": "learned", "num_positions": 12, "embedding_norm": True},
    {"feedforward": "gated", "norm_eps": 1e-12},
]


def norm(x: np.ndarray, layer: Any) -> np.ndarray:
    weight, bias = (p.detach().double().numpy() for p in (layer.weight, layer.bias))
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + layer.eps) * weight + bias


def linear(x: np.ndarray, layer: Any) -> np.ndarray:
    return x @ layer.weight.detach().double().numpy().T + (0 if layer.bias is None else layer.bias.detach().double().numpy())


def turned(x: np.ndarray, position: int) -> np.ndarray:
    """One head of one token as complex numbers, which are turned by multiplying."""
    half = len(x) // 2
    pairs = (x[:half] + 1j * x[half:]) * np.exp(1j * position / 10_000 ** (np.arange(half) / half))
    return np.concatenate([pairs.real, pairs.imag])


def by_definition(model: PublishedModel, ids: list[int]) -> np.ndarray:
    """Hidden states of one sequence, token by token and head by head."""
    config = model.config
    x = model.embedding.weight.detach().double().numpy()[ids] * config.embedding_scale
    if model.positions is not None:
        x = x + model.positions.weight.detach().double().numpy()[config.first_position : config.first_position + len(ids)]
    x = x if model.embedding_norm is None else norm(x, model.embedding_norm)
    size, blocks = config.width // config.heads, list[Any](model.blocks)
    for block in blocks:
        q, k, v = np.split(linear(norm(x, block.attention_norm), block.query_key_value), 3, axis=-1)
        mixed = np.zeros_like(q)
        for head in range(config.heads):
            part = slice(head * size, (head + 1) * size)
            if config.positions == "rotary":
                queries, keys = (np.stack([turned(row[part], t) for t, row in enumerate(rows)]) for rows in (q, k))
            else:
                queries, keys = q[:, part], k[:, part]
            weights = np.exp(queries @ keys.T / np.sqrt(size))
            mixed[:, part] = weights / weights.sum(-1, keepdims=True) @ v[:, part]
        x = x + linear(mixed, block.attention_out)
        inner = linear(norm(x, block.feedforward_norm), block.feedforward.up)
        if config.feedforward == "gated":
            inner = inner[:, : config.inner] / (1 + np.exp(-inner[:, : config.inner])) * inner[:, config.inner :]
        else:
            inner = functional.gelu(torch.from_numpy(inner)).numpy()
        x = x + linear(inner, block.feedforward.down)
    return norm(x, model.norm)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_packed_segments_are_what_the_definition_says(variant: dict[str, Any]):
    model = PublishedModel.Config(**SHAPE, **variant).build(seed=1)
    lengths = [1, 7, 10, 3]
    rows = [torch.randint(0, 9, (n,), generator=torch.Generator().manual_seed(n)) for n in lengths]
    positions = torch.cat([torch.arange(n) for n in lengths])[None]
    segment_ids = torch.repeat_interleave(torch.arange(1, 5), torch.tensor(lengths))[None]

    with torch.no_grad():
        made = model(torch.cat(rows)[None], positions, segment_ids)[0].split(lengths)

    for row, found in zip(rows, made, strict=True):
        np.testing.assert_allclose(found.numpy(), by_definition(model, row.tolist()), atol=FLOAT32)


def test_a_mask_says_the_same_as_stretches():
    model = PublishedModel.Config(**SHAPE).build(seed=1)
    segment_ids = torch.tensor([[1, 1, 2, 2, 2, 0], [1, 1, 1, 1, 1, 1]])
    x, real = torch.randn(2, 6, 16, generator=torch.Generator().manual_seed(2)), segment_ids > 0
    angles = rotary_angles(torch.arange(6).expand(2, 6), 8, 10_000.0)

    with torch.no_grad():
        one, two = (model.blocks[0](x, angles, s) for s in (stretches(segment_ids), segment_mask(segment_ids, is_causal=False)))

    torch.testing.assert_close(one[real], two[real], rtol=0, atol=FLOAT32)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"heads": 3}, "not divisible by twice heads = 3"), ({"positions": "learned"}, "does not go with num_positions = 0")],
)
def test_sizes_that_do_not_fit_are_refused(wrong: dict[str, Any], words: str):
    with pytest.raises(ValueError, match=words):
        PublishedModel.Config(**(SHAPE | wrong))
