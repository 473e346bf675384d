"""The xLSTM backbone: recurrent blocks of two kinds, whose state has one size whatever was read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Self, cast

import pydantic
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from biolect.config import Config
from biolect.errors import CheckpointError, ConfigError, ShapeError
from biolect.models.backbone import Backbone, State
from biolect.nn.bidirectional import Direction, doubled
from biolect.nn.feedforward import GEGLU
from biolect.nn.mlstm import Angles, MLSTMLayer, Rotary
from biolect.nn.parts import EPSILON
from biolect.nn.slstm import SLSTMLayer
from biolect.ops.rope import rotary_angles


class LayerMemory(NamedTuple):
    """What one block remembers: the last inputs of its convolution, and an MLSTMState or SLSTMState. Rows are continuations."""

    tail: Float[Tensor, "N L P"]
    cell: Any

    def map(self, change: Callable[[Tensor], Tensor]) -> LayerMemory:
        """Change every tensor."""
        return LayerMemory(change(self.tail), type(self.cell)(*map(change, self.cell)))

    def named(self) -> dict[str, Tensor]:
        """Return the tensors by name."""
        return {"tail": self.tail, **self.cell._asdict()}


class XLSTMState(State):
    """The memory of every block. Reading replaces its tensors by others of the same shape."""

    def __init__(self, layers: list[LayerMemory], read: Int[Tensor, ""]) -> None:
        self.layers, self.read, self.is_shared = layers, read, True

    @property
    def num_tokens(self) -> int:
        """Tokens read so far, of one continuation."""
        return int(self.read)

    @property
    def count(self) -> int:
        """Number of continuations."""
        return self.layers[0].tail.shape[0]

    @property
    def num_bytes(self) -> int:
        """Memory of all blocks; constant, whatever was read."""
        return self.fork_bytes(0) * self.count + self.read.element_size()

    def fork_bytes(self, num_tokens: int) -> int:
        """Memory of one continuation, which no number of tokens changes."""
        return sum(t[:1].numel() * t.element_size() for layer in self.layers for t in layer.named().values())

    def fork(self, count: int) -> Self:
        """Return `count` continuations; what was read is shared until each reads on."""
        if self.count != 1:
            raise ShapeError(f"This state holds {self.count} continuations; only a state of one can be forked.")
        self.is_shared = True
        return type(self)([layer.map(lambda t: t.expand(count, *t.shape[1:])) for layer in self.layers], self.read)

    def keep(self, rows: Int[Tensor, " M"]) -> None:
        """Drop all continuations but those at the given places."""
        self.layers = [layer.map(lambda t: t[rows]) for layer in self.layers]

    def tensors(self) -> dict[str, Tensor]:
        """Return the memory of every block, and how many tokens went into it."""
        layers = self.fork(1).layers
        return {f"{i}.{name}": t[0] for i, layer in enumerate(layers) for name, t in layer.named().items()} | {"num_tokens": self.read}


class MLSTMBlock(nn.Module):
    """Norm, mLSTM layer, residual."""

    def __init__(self, config: XLSTM.Config) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.width, eps=EPSILON, bias=False)
        self.layer = MLSTMLayer(
            config.width,
            config.mlstm_width,
            config.heads,
            conv_width=config.conv_width,
            chunk_length=config.chunk_length,
            direction=config.direction,
            rotary=config.rotary,
            plain_gates=config.plain_gates,
        )

    def forward(self, x: Float[Tensor, "B T D"], angles: Angles, segment_ids: Int[Tensor, "b T"] | None) -> Float[Tensor, "B T D"]:
        """Return the block's output for whole rows."""
        return x + self.layer(self.norm(x), angles, segment_ids)

    def extend(self, x: Float[Tensor, "N T D"], angles: Angles, memory: LayerMemory) -> tuple[Float[Tensor, "N T D"], LayerMemory]:
        """Read more positions of each continuation."""
        update, tail, cell = self.layer.extend(self.norm(x), angles, *memory)
        return x + update, LayerMemory(tail, cell)


class SLSTMBlock(nn.Module):
    """Norm, sLSTM layer, residual; norm, feed-forward, residual."""

    compiled_parts = ("finish",)

    def __init__(self, config: XLSTM.Config) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.width, eps=EPSILON, bias=False)
        self.layer = SLSTMLayer(config.width, config.heads, conv_width=config.conv_width, direction=config.direction)
        self.feedforward_norm = nn.LayerNorm(config.width, eps=EPSILON, bias=False)
        self.feedforward = GEGLU(config.width, config.inner)

    def forward(self, x: Float[Tensor, "B T D"], angles: Angles, segment_ids: Int[Tensor, "b T"] | None) -> Float[Tensor, "B T D"]:
        """Return the block's output for whole rows; positions are of no interest to it."""
        return self.finish(x + self.layer(self.norm(x), segment_ids))

    def finish(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Add the feed-forward update."""
        return x + self.feedforward(self.feedforward_norm(x))

    def extend(self, x: Float[Tensor, "N T D"], angles: Angles, memory: LayerMemory) -> tuple[Float[Tensor, "N T D"], LayerMemory]:
        """Read more positions of each continuation."""
        update, tail, cell = self.layer.extend(self.norm(x), *memory)
        return self.finish(x + update), LayerMemory(tail, cell)


class XLSTM(Backbone):
    """Stack of `MLSTMBlock` and `SLSTMBlock`, closed by a norm.

    Source: arXiv:2405.04517 for the blocks; arXiv:2411.04165 for sizes, both directions and rotary positions. There,
    both ways are whole blocks, added, so that the residual doubles in every block; we add their updates.
    """

    class Config(Config):
        """Sizes of an xLSTM.

        Attributes:
            heads: Of every cell, in blocks of both kinds.
            pattern: Kinds of the blocks, `m` and `s`, from the first on; repeated until there are enough.
            inner: Width inside the feed-forward layers of sLSTM blocks; 0 where there are none.
            conv_width: Tokens that the convolution before a cell looks at.
            chunk_length: Tokens that an mLSTM reads at once; changes speed, not results.
            rotary: Where mLSTM cells turn queries and keys by position; see `nn.mlstm`.
            rotary_base: Larger turns slower.
            plain_gates: Under rotary `full`, let gates read what is not turned yet; then only distances count.
            direction: `causal`, or both ways; see `nn.bidirectional`.
        """

        kind: Literal["xlstm"] = "xlstm"
        layers: int = pydantic.Field(gt=0)
        width: int = pydantic.Field(gt=0)
        heads: int = pydantic.Field(gt=0)
        pattern: str = pydantic.Field(pattern="^[ms]+$")
        inner: int = pydantic.Field(default=0, ge=0)
        conv_width: int = pydantic.Field(default=4, gt=0)
        chunk_length: int = pydantic.Field(default=64, gt=0)
        rotary: Rotary = "none"
        rotary_base: float = pydantic.Field(default=500_000.0, gt=0)
        plain_gates: bool = False
        direction: Direction = "causal"

        @pydantic.model_validator(mode="after")
        def _parts_fit(self) -> Self:
            if self.layers % len(self.pattern):
                raise ValueError(
                    f"backbone.layers = {self.layers} is no multiple of the {len(self.pattern)} blocks of backbone.pattern = "
                    f"'{self.pattern}'. Write the pattern out, one letter a layer."
                )
            parts = (self.heads, "") if self.rotary == "none" else (2 * self.heads, " into even parts")
            if "m" in self.pattern and self.mlstm_width % parts[0]:
                inside = f"twice backbone.width, rounded up to 64, = {self.mlstm_width}{parts[1]}"
                raise ValueError(f"backbone.heads = {self.heads} does not divide {inside}. Choose other heads.")
            if "s" in self.pattern and self.width % self.heads:
                raise ValueError(f"backbone.heads = {self.heads} does not divide backbone.width = {self.width}. Choose other heads.")
            if "s" in self.pattern and not self.inner:
                raise ValueError("backbone.inner = 0, but sLSTM blocks have a feed-forward layer. Set it to about the width.")
            if "s" in self.pattern and self.direction == "two_sided":
                raise ValueError("backbone.direction = 'two_sided' is for mLSTM blocks only. Use the pattern 'm', or 'bidirectional'.")
            return self

        @property
        def mlstm_width(self) -> int:
            """Channels inside an mLSTM layer, of all heads together: twice the width, rounded up to 64."""
            return -(-2 * self.width // 64) * 64

        @classmethod
        def named(cls, size: str) -> XLSTM.Config:
            """Return a published size: dna-500k, dna-2m, dna-4m, prot-26m, prot-102m or chem-15m.

            Raises:
                ConfigError: If there is no such size.
            """
            if size not in _SIZES:
                raise ConfigError(f"There is no XLSTM size '{size}'. Known: {', '.join(_SIZES)}.")
            layers, width, heads, inner = _SIZES[size]
            if inner:
                return cls(layers=layers, width=width, heads=heads, pattern="s", inner=inner, direction="bidirectional")
            return cls(layers=layers, width=width, heads=heads, pattern="m", rotary="full" if size.startswith("prot") else "none")

        def build(self) -> XLSTM:
            """Return the backbone, with weights not yet drawn."""
            return XLSTM(self)

    def __init__(self, config: XLSTM.Config) -> None:
        super().__init__()
        self.config = config
        self.width = config.width
        self.embedding_std = (2 / (5 * config.width)) ** 0.5
        self.is_causal = config.direction == "causal"
        kinds = {"m": MLSTMBlock, "s": SLSTMBlock}
        self.blocks = nn.ModuleList(kinds[config.pattern[i % len(config.pattern)]](config) for i in range(config.layers))
        self.norm = nn.LayerNorm(config.width, eps=EPSILON, bias=False)

    @classmethod
    def of_depth(cls, layers: int) -> XLSTM.Config:
        """Return a sensible xLSTM of so many layers: mLSTM blocks, 64 channels of width a layer, heads of 128 inside."""
        return cls.Config(layers=layers, width=64 * layers, heads=layers, pattern="m")

    def initialize(self, generator: torch.Generator) -> None:
        """Draw the weights: N(0, 2 / 5D), projections into the residual stream N(0, (2 / layers)^2 / D), gates as their layers say."""
        residual = 2 / (self.config.layers * self.width**0.5)
        for name, weight in self.named_parameters():
            if name.endswith(("norm.weight", "skip")):
                nn.init.ones_(weight)
            elif ".conv." in name:
                bound = self.config.conv_width**-0.5
                nn.init.uniform_(weight, -bound, bound, generator=generator)
            elif weight.dim() > 1:
                nn.init.normal_(weight, std=residual if name.endswith("down.weight") else self.embedding_std, generator=generator)
        for index, block in enumerate(self.blocks):
            block.layer.initialize_gates(generator, index / max(1, self.config.layers - 1))

    def forward(
        self, embeddings: Float[Tensor, "B T D"], positions: Int[Tensor, "B T"], segment_ids: Int[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T D"]:
        """Return hidden states of whole rows; see `Backbone.forward`."""
        if self.config.direction == "bidirectional":
            positions = doubled(positions)
            segment_ids = None if segment_ids is None else doubled(segment_ids)
        return self.through(embeddings, self._angles(embeddings, positions), segment_ids)

    def _angles(self, embeddings: Tensor, positions: Tensor) -> Angles:
        if self.config.rotary == "none":
            return None
        width = self.config.mlstm_width // (1 if self.config.rotary == "full" else self.config.heads)
        return rotary_angles(positions, width, self.config.rotary_base, torch.promote_types(embeddings.dtype, torch.float32))

    def new_state(self) -> XLSTMState:
        """Return the state before the first token; see `Backbone.new_state`."""
        self.check_causal()
        return XLSTMState([LayerMemory(*block.layer.empty(1)) for block in self.blocks], torch.tensor(0, device="cpu"))

    def state_of(self, tensors: dict[str, Tensor]) -> XLSTMState:
        """Rebuild a state from its tensors; see `Backbone.state_of`."""
        state = self.new_state()
        wanted = state.tensors()
        if {name: t.shape for name, t in tensors.items()} != {name: t.shape for name, t in wanted.items()}:
            raise CheckpointError(
                f"This state is not one of this model, which has {self.config.layers} layers of {self.config.heads} heads and width "
                f"{self.width}. Load the model that wrote it, or prefill the prompt again."
            )
        layers = []
        for index, layer in enumerate(state.layers):
            tail, *cell = (tensors[f"{index}.{name}"][None].to(like) for name, like in layer.named().items())
            layers.append(LayerMemory(tail, type(layer.cell)(*cell)))
        return XLSTMState(layers, tensors["num_tokens"].cpu())

    def extend(self, embeddings: Float[Tensor, "N T D"], positions: Int[Tensor, "N T"], state: State) -> Float[Tensor, "N T D"]:
        """Read T more tokens of each continuation; see `Backbone.extend`."""
        self.check_causal()
        own = cast("XLSTMState", state)
        angles = self._angles(embeddings, positions)
        x = embeddings
        for index, block in enumerate(self.blocks):
            # What another state holds, too, is copied once; from then on it is written over.
            x, own.layers[index] = block.extend(x, angles, own.layers[index].map(torch.clone) if own.is_shared else own.layers[index])
        own.read, own.is_shared = own.read + embeddings.shape[1], False
        return self.norm(x)


_SIZES = {
    "dna-500k": (6, 128, 4, 136),
    "dna-2m": (6, 256, 4, 280),
    "dna-4m": (12, 256, 4, 280),
    "prot-26m": (16, 512, 4, 0),
    "prot-102m": (16, 1_024, 4, 0),
    "chem-15m": (9, 512, 8, 0),
}
