"""Published models in small: folders in the true layout with random weights, written by transformers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from biolect.embed.families import ESM2, NUCLEOTIDE_TRANSFORMER, RNA_FM
from biolect.embed.published import FamilyEncoder

TOLERANCE = 1e-4
"""Largest difference of vectors in float32, where norms keep them near 1."""


def loud(model: Any) -> Any:
    """Make the random weights of a model large enough to matter."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.normal_(mean=float("norm.weight" in name.lower()), std=0.3)
    return model.eval()


def outside_esm(folder: Path, *, gated: bool = False, **settings: Any) -> Any:
    """Write a folder of transformers' ESM; return the encoder inside.

    Gates are those of the Nucleotide Transformer: transformers itself has none, so its feed-forward is exchanged for a plain one.
    """
    transformers = pytest.importorskip("transformers")
    usual = {
        "vocab_size": 33,
        "pad_token_id": 1,
        "mask_token_id": 32,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 24,
        "position_embedding_type": "rotary",
        "max_position_embeddings": 40,
        "attn_implementation": "eager",
    }
    torch.manual_seed(3)
    whole = transformers.EsmForMaskedLM(transformers.EsmConfig(**(usual | settings)))
    if gated:
        for layer in whole.esm.encoder.layer:
            layer.intermediate = Gate(16, 24)
            layer.output.dense = nn.Linear(24, 16, bias=False)
    loud(whole).save_pretrained(folder)
    if gated:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"add_bias_fnn": False}))
    return whole.esm


class Gate(nn.Module):
    """One half gates the other, one number at a time."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, 2 * inner, bias=False)
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        both = self.dense(x)
        return torch.stack([both[..., i] / (1 + torch.exp(-both[..., i])) * both[..., self.inner + i] for i in range(self.inner)], dim=-1)


@pytest.fixture
def small() -> Callable[..., FamilyEncoder]:
    """Return a small encoder of a family, by name, with random weights."""
    families = {"esm2": (ESM2, "8M"), "rna_fm": (RNA_FM, ""), "nt": (NUCLEOTIDE_TRANSFORMER, "50m")}

    def build(name: str, *arguments: Any) -> FamilyEncoder:
        family, size = families[name]
        shape = family.shapes[size].model_copy(update={"layers": 2, "width": 32, "heads": 4, "inner": 48})
        return FamilyEncoder(shape.build(seed=1), family, *arguments)

    return build
