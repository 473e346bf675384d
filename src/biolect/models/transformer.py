"""The Transformer backbone: pre-norm, rotary positions, gated feed-forward, no biases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, Self

import pydantic
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from biolect.config import Config
from biolect.errors import CheckpointError, ConfigError, ShapeError
from biolect.models.backbone import Backbone, State
from biolect.nn.feedforward import SwiGLU
from biolect.ops.attention import (
    Stretch,
    attention_causal,
    attention_continued,
    attention_full,
    attention_masked,
    attention_packed,
    segment_mask,
    stretches,
)
from biolect.ops.rope import rotary_angles, rotate

_FIRST_CAPACITY = 64
_PAIR = ("keys", "values")


@dataclass
class LayerMemory:
    """Keys of one layer and, below them, its values: a prefix that all continuations share, and a tail for each."""

    prefix: Float[Tensor, "2 H P K"]
    tail: Float[Tensor, "2 N H S K"]


class TransformerState(State):
    """Keys and values of what was read. Tails are preallocated and double when full."""

    def __init__(self, layers: list[LayerMemory], used: int) -> None:
        self.layers = layers
        self.used = used

    @property
    def num_tokens(self) -> int:
        """Tokens read so far, of one continuation."""
        return self.layers[0].prefix.shape[2] + self.used

    @property
    def count(self) -> int:
        """Number of continuations."""
        return self.layers[0].tail.shape[1]

    @property
    def num_bytes(self) -> int:
        """Memory of all keys and values, room for more included."""
        return sum(layer.prefix.nbytes + layer.tail.nbytes for layer in self.layers)

    def fork_bytes(self, num_tokens: int) -> int:
        """Memory of the keys and values of so many tokens."""
        keys = self.layers[0].prefix[0]
        return 2 * len(self.layers) * num_tokens * keys.shape[0] * keys.shape[2] * keys.itemsize

    def fork(self, count: int) -> Self:
        """Return `count` continuations; what was read becomes their common prefix, kept once."""
        if self.count != 1:
            raise ShapeError(f"This state holds {self.count} continuations; only a state of one can be forked.")
        return type(self)([self._forked(layer, count) for layer in self.layers], 0)

    def _forked(self, layer: LayerMemory, count: int) -> LayerMemory:
        prefix = torch.cat([layer.prefix, layer.tail[:, 0, :, : self.used]], dim=2) if self.used else layer.prefix
        heads, _, width = prefix.shape[1:]
        return LayerMemory(prefix, prefix.new_zeros(2, count, heads, _FIRST_CAPACITY, width))

    def keep(self, rows: Int[Tensor, " M"]) -> None:
        """Drop all continuations but those at the given places; the common prefix stays."""
        for layer in self.layers:
            layer.tail = layer.tail[:, rows]

    def tensors(self) -> dict[str, Tensor]:
        """Return keys and values of what was read, one pair per layer."""
        layers = self.fork(1).layers
        return {f"{i}.{name}": t for i, layer in enumerate(layers) for name, t in zip(_PAIR, layer.prefix, strict=True)}

    def append(self, index: int, keys: Float[Tensor, "N H T K"], values: Float[Tensor, "N H T K"]) -> LayerMemory:
        """Write the new keys and values of one layer behind the ones in use."""
        layer, need = self.layers[index], self.used + keys.shape[2]
        room = layer.tail.shape[3]
        if room < need:
            layer.tail = functional.pad(layer.tail, (0, 0, 0, max(room, need - room)))
        layer.tail[0, :, :, self.used : need] = keys
        layer.tail[1, :, :, self.used : need] = values
        return LayerMemory(layer.prefix, layer.tail[:, :, :, :need])


class TransformerBlock(nn.Module):
    """Norm, attention, residual; norm, feed-forward, residual. The residual keeps its precision whatever the maps compute in.

    Args:
        norm: Makes a norm over the width.
        causal: Look back only.
        bias: Give the maps around attention biases.
    """

    compiled_parts = ("project", "finish")

    def __init__(self, width: int, heads: int, norm: Callable[[], nn.Module], feedforward: nn.Module, *, causal: bool, bias: bool) -> None:
        super().__init__()
        self.heads, self.attend = heads, attention_causal if causal else attention_full
        self.attention_norm = norm()
        self.query_key_value = nn.Linear(width, 3 * width, bias=bias)
        self.attention_out = nn.Linear(width, width, bias=bias)
        self.feedforward_norm = norm()
        self.feedforward = feedforward

    def project(
        self, x: Float[Tensor, "B T D"], angles: tuple[Tensor, Tensor] | None
    ) -> tuple[Float[Tensor, "B T H K"], Float[Tensor, "B T H K"], Float[Tensor, "B T H K"]]:
        """Return queries and keys, turned by their positions if those are rotary, and values."""
        normed = self.attention_norm(x).to(self.query_key_value.weight.dtype)
        turned, v = self.query_key_value(normed).unflatten(-1, (3 * self.heads, -1)).split([2 * self.heads, self.heads], dim=-2)
        q, k = (turned if angles is None else rotate(turned, *angles)).chunk(2, dim=-2)
        return q, k, v

    def finish(self, x: Float[Tensor, "B T D"], attended: Float[Tensor, "B T H K"]) -> Float[Tensor, "B T D"]:
        """Add the attention update, then the feed-forward update."""
        x = x + self.attention_out(attended.flatten(-2))
        return x + self.feedforward(self.feedforward_norm(x).to(self.query_key_value.weight.dtype))

    def forward(
        self, x: Float[Tensor, "B T D"], angles: tuple[Tensor, Tensor] | None, segments: list[Stretch] | Tensor | None
    ) -> Float[Tensor, "B T D"]:
        """Return the block's output for whole rows; `segments` is a list of stretches, a mask, or None."""
        q, k, v = self.project(x, angles)
        if segments is None:
            attended = self.attend(q, k, v)
        elif isinstance(segments, list):
            attended = attention_packed(q, k, v, segments, self.attend)
        else:
            attended = attention_masked(q, k, v, segments)
        return self.finish(x, attended)


class Transformer(Backbone):
    """Stack of `TransformerBlock`, closed by a norm.

    Source: arXiv:2410.11499 gives layers, heads, width and rotary base; the paper names neither norm nor
    feed-forward. A gated feed-forward of about four times the width is the only kind that fits both
    published sizes (109.8M and 270.8M parameters).
    """

    class Config(Config):
        """Sizes of a Transformer.

        Attributes:
            inner: Width inside the feed-forward layers.
            direction: `causal` looks back only; `bidirectional` looks both ways, and cannot continue a text.
            rotary_base: Larger turns slower.
            packed: Attend segment by segment; `false` uses one mask per row, which a compiler likes better.
        """

        kind: Literal["transformer"] = "transformer"
        layers: int = pydantic.Field(gt=0)
        width: int = pydantic.Field(gt=0)
        heads: int = pydantic.Field(gt=0)
        inner: int = pydantic.Field(gt=0)
        direction: Literal["causal", "bidirectional"] = "causal"
        rotary_base: float = 100_000.0
        norm_eps: float = 1e-5
        packed: bool = True

        @pydantic.model_validator(mode="after")
        def _heads_divide_width(self) -> Self:
            if self.width % (2 * self.heads):
                step = 2 * self.heads
                low = self.width // step * step
                raise ValueError(
                    f"backbone.width = {self.width} is not divisible by twice backbone.heads = {self.heads}. "
                    f"Nearest valid widths: {', '.join(str(w) for w in (low, low + step) if w)}."
                )
            return self

        @property
        def head_width(self) -> int:
            """Channels per head."""
            return self.width // self.heads

        @classmethod
        def named(cls, size: str) -> Transformer.Config:
            """Return a named size: nano, micro, mini, 110m or 270m.

            Raises:
                ConfigError: If there is no such size.
            """
            if size not in _SIZES:
                raise ConfigError(f"There is no Transformer size '{size}'. Known: {', '.join(_SIZES)}.")
            layers, width, heads, inner = _SIZES[size]
            return cls(layers=layers, width=width, heads=heads, inner=inner)

        def build(self) -> Transformer:
            """Return the backbone, with weights not yet drawn."""
            return Transformer(self)

    def __init__(self, config: Transformer.Config) -> None:
        super().__init__()
        self.config = config
        self.width = config.width
        self.is_causal = config.direction == "causal"
        norm = partial(nn.RMSNorm, config.width, eps=config.norm_eps)
        sizes, inner = (config.width, config.heads, norm), (config.width, config.inner)
        self.blocks = nn.ModuleList(
            TransformerBlock(*sizes, SwiGLU(*inner), causal=self.is_causal, bias=False) for _ in range(config.layers)
        )
        self.norm = norm()

    @classmethod
    def of_depth(cls, layers: int) -> Transformer.Config:
        """Return a sensible Transformer of so many layers: 64 channels of width a layer, heads of 64."""
        width = max(64, 64 * layers)
        return cls.Config(layers=layers, width=width, heads=width // 64, inner=4 * width * 23 // 24 // 32 * 32)

    def initialize(self, generator: torch.Generator) -> None:
        """Draw the weights: N(0, 0.02), projections into the residual stream scaled by 1 / sqrt(2 x layers)."""
        residual = 0.02 / (2 * self.config.layers) ** 0.5
        for name, weight in self.named_parameters():
            if weight.dim() == 1:
                nn.init.ones_(weight)
            else:
                std = residual if name.endswith(("attention_out.weight", "down.weight")) else 0.02
                nn.init.normal_(weight, std=std, generator=generator)

    def forward(
        self, embeddings: Float[Tensor, "B T D"], positions: Int[Tensor, "B T"], segment_ids: Int[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T D"]:
        """Return hidden states of whole rows; see `Backbone.forward`."""
        angles = self._angles(embeddings, positions)
        segments: list[Stretch] | Tensor | None = None
        if segment_ids is not None:
            on_cpu = segment_ids.device.type == "cpu"
            segments = stretches(segment_ids) if self.config.packed and on_cpu else segment_mask(segment_ids, is_causal=self.is_causal)
        return self.through(embeddings, angles, segments)

    def _angles(self, embeddings: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        dtype = torch.promote_types(embeddings.dtype, torch.float32)
        return rotary_angles(positions, self.config.head_width, self.config.rotary_base, dtype)

    def new_state(self) -> TransformerState:
        """Return the state before the first token."""
        self.check_causal()
        weight, heads, width = self.norm.weight, self.config.heads, self.config.head_width
        prefix, tail = weight.new_zeros(2, heads, 0, width), weight.new_zeros(2, 1, heads, 0, width)
        return TransformerState([LayerMemory(prefix, tail) for _ in self.blocks], 0)

    def state_of(self, tensors: dict[str, Tensor]) -> TransformerState:
        """Rebuild a state from its tensors; see `Backbone.state_of`."""
        state, config = self.new_state(), self.config
        names = {f"{index}.{name}" for index in range(config.layers) for name in _PAIR}
        shapes = {tuple(tensor.shape) for tensor in tensors.values()}
        length = next(iter(shapes), ())[1:2]
        if set(tensors) != names or shapes != {(config.heads, *length, config.head_width)}:
            raise CheckpointError(
                f"This state is not one of this model, which has {config.layers} layers of {config.heads} heads of width "
                f"{config.head_width}. Load the model that wrote it, or prefill the prompt again."
            )
        for index, layer in enumerate(state.layers):
            layer.prefix = torch.stack([tensors[f"{index}.{name}"] for name in _PAIR]).to(layer.prefix)
        return state

    def extend(self, embeddings: Float[Tensor, "N T D"], positions: Int[Tensor, "N T"], state: State) -> Float[Tensor, "N T D"]:
        """Read T more tokens of each continuation; see `Backbone.extend`."""
        self.check_causal()
        assert isinstance(state, TransformerState)
        x, angles = embeddings, self._angles(embeddings, positions)
        for index, block in enumerate(self.blocks):
            q, k, v = block.project(x, angles)
            memory = state.append(index, k.transpose(1, 2), v.transpose(1, 2))
            if state.num_tokens:
                attended = attention_continued(q, (memory.prefix[0], memory.prefix[1]), (memory.tail[0], memory.tail[1]))
            else:
                attended = attention_causal(q, k, v)
            x = block.finish(x, attended)
        state.used += embeddings.shape[1]
        return self.norm(x)


_SIZES = {
    "nano": (4, 128, 4, 512),
    "micro": (6, 320, 5, 1_216),
    "mini": (8, 512, 8, 1_984),
    "110m": (12, 768, 12, 2_944),
    "270m": (20, 896, 16, 3_840),
}
