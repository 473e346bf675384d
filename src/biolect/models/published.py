"""The encoder that published families share: ESM-2, RNA-FM and Nucleotide Transformer are one network with options.

Pre-norm blocks with biases that look both ways, a norm behind them, and before them an embedding that may
carry learned positions and a norm of its own. It is read, never trained from the start: weights come from
published files, under names that `weight_maps` turns into ours.
"""

from __future__ import annotations

from functools import partial
from typing import Literal, Self

import pydantic
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from biolect.config import Config
from biolect.models.transformer import TransformerBlock
from biolect.nn.feedforward import GELULayer, SwiGLU
from biolect.ops.attention import segment_mask, stretches
from biolect.ops.rope import rotary_angles

KEPT_SHARE = 1 - 0.15 * 0.8
"""Of tokens that stay themselves in masked training; embeddings of models that zero the others are scaled by it."""


class PublishedModel(nn.Module):
    """Token ids to hidden states, one per token. Segments of a row do not see each other.

    Source: ESM-2 10.1126/science.ade2574, RNA-FM arXiv:2204.00300, Nucleotide Transformer 10.1038/s41592-024-02523-z.
    """

    class Config(Config):
        """Sizes and options.

        Attributes:
            tokens: In the vocabulary.
            positions: `rotary` turns queries and keys; `learned` adds a vector to the embedding of each token.
            num_positions: Rows in the table of learned positions; 0 without one.
            first_position: Row of the first token in it; those before are unused.
            feedforward: `gelu`, or `gated` by SiLU and without biases.
            embedding_norm: Norm the embeddings before the first block.
            embedding_scale: What embeddings of tokens are multiplied by; `KEPT_SHARE` after training with token dropout.
        """

        kind: Literal["published"] = "published"
        tokens: int = pydantic.Field(gt=0)
        layers: int = pydantic.Field(gt=0)
        width: int = pydantic.Field(gt=0)
        heads: int = pydantic.Field(gt=0)
        inner: int = pydantic.Field(gt=0)
        positions: Literal["rotary", "learned"] = "rotary"
        num_positions: int = 0
        first_position: int = 2
        feedforward: Literal["gelu", "gated"] = "gelu"
        embedding_norm: bool = False
        embedding_scale: float = 1.0
        norm_eps: float = 1e-5

        @pydantic.model_validator(mode="after")
        def _sizes_fit(self) -> Self:
            if self.width % (2 * self.heads):
                raise ValueError(f"width = {self.width} is not divisible by twice heads = {self.heads}.")
            if (self.positions == "learned") != (self.num_positions > 0):
                raise ValueError(f"positions = '{self.positions}' does not go with num_positions = {self.num_positions}.")
            return self

        def build(self, seed: int | None = None) -> PublishedModel:
            """Return the model; without a seed its weights are not drawn and take no memory."""
            with torch.device("meta"):
                model = PublishedModel(self)
            return model if seed is None else model.to_empty(device="cpu").initialize(torch.Generator().manual_seed(seed))

    def __init__(self, config: PublishedModel.Config) -> None:
        super().__init__()
        self.config = config
        self.width = config.width
        self.embedding = nn.Embedding(config.tokens, config.width)
        self.positions = nn.Embedding(config.num_positions, config.width) if config.positions == "learned" else None
        norm = partial(nn.LayerNorm, config.width, eps=config.norm_eps)
        feedforward = SwiGLU if config.feedforward == "gated" else GELULayer
        self.embedding_norm = norm() if config.embedding_norm else None
        sizes, inner = (config.width, config.heads, norm), (config.width, config.inner)
        self.blocks = nn.ModuleList(TransformerBlock(*sizes, feedforward(*inner), causal=False, bias=True) for _ in range(config.layers))
        self.norm = norm()

    def initialize(self, generator: torch.Generator) -> Self:
        """Draw weights for tests and benchmarks, large enough for tokens to differ."""
        for name, weight in self.named_parameters():
            if weight.dim() > 1:
                nn.init.normal_(
                    weight, std=1.0 if "embedding" in name or "positions" in name else weight.shape[1] ** -0.5, generator=generator
                )
            else:
                nn.init.normal_(weight, mean=float(name.endswith("norm.weight")), std=0.1, generator=generator)
        return self.eval()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.norm.weight.device

    def compute_in(self, precision: torch.dtype) -> Self:
        """Hold the matrices of all blocks in a precision; embeddings, norms and the residual stay in float32."""
        for matrix in self.blocks.modules():
            if isinstance(matrix, nn.Linear):
                matrix.to(precision)
        return self

    def forward(
        self, token_ids: Int[Tensor, "B T"], positions: Int[Tensor, "B T"], segment_ids: Int[Tensor, "B T"], layer: int | None = None
    ) -> Float[Tensor, "B T D"]:
        """Return hidden states.

        Args:
            positions: 0-based inside the segment.
            segment_ids: 0 is padding.
            layer: Return the output of this block, 1-based; None returns the last one's, after the norm.
        """
        config = self.config
        x = self.embedding(token_ids) * config.embedding_scale
        if self.positions is not None:
            x = x + self.positions(positions + config.first_position)
        if self.embedding_norm is not None:
            x = self.embedding_norm(x)
        angles = rotary_angles(positions, config.width // config.heads, 10_000.0) if config.positions == "rotary" else None
        segments = stretches(segment_ids) if segment_ids.device.type == "cpu" else segment_mask(segment_ids, is_causal=False)
        for block in self.blocks[:layer]:
            x = block(x, angles, segments)
        return self.norm(x) if layer is None else x
