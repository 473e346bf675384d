"""Fusers: several streams of vectors on one codon axis become one.

A stream is what one encoder says, one vector per codon; its mask says where it says something. A stream that is
masked everywhere in a row is absent there, which is how modalities are dropped in training and taken away afterwards
to see what they are worth. A context is a stream of what stands around the coding sequence, of a length of its own: codons
read it, and it reads nothing.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

import pydantic
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from biolect import config
from biolect.errors import ShapeError

Streams = Mapping[str, Float[Tensor, "B _ _"]]
Masks = Mapping[str, Bool[Tensor, "B _"]]
Weighted = tuple[Float[Tensor, "B P D"], Float[Tensor, "B E"] | None]

_LEAST_WEIGHT = 1e-8


class Fused(NamedTuple):
    """One stream out of several.

    Attributes:
        values: Zero where the mask is false.
        mask: Where at least one stream says something.
        weights: Of every stream in every row, by name in alphabetical order; None where the fuser gives none.
        entropy: Mean entropy of these weights, 0 without. Nats.
    """

    values: Float[Tensor, "B P D"]
    mask: Bool[Tensor, "B P"]
    weights: Float[Tensor, "B E"] | None
    entropy: Float[Tensor, ""]


class Fuser(nn.Module, ABC):
    """Base of every fuser. Invariant: streams are taken by name, so the order in which they are named changes nothing."""

    class Config(config.Config):
        """What every fuser is built from.

        Attributes:
            inputs: Width of every stream by name.
            contexts: Which of them are contexts; at least one is not.
        """

        inputs: dict[str, int] = pydantic.Field(min_length=1)
        contexts: tuple[str, ...] = ()

    def __init__(self, config: Config, width: int) -> None:
        super().__init__()
        self.names, self.contexts, self.width = sorted(config.inputs), frozenset(config.contexts), width
        self.codons = [name for name in self.names if name not in self.contexts]

    def forward(self, streams: Streams, masks: Masks) -> Fused:
        """Return one stream.

        Raises:
            ShapeError: If the streams are not those that the fuser was built for.
        """
        if sorted(streams) != self.names or sorted(masks) != self.names:
            raise ShapeError(f"This fuser reads {', '.join(self.names)}, not {', '.join(sorted(streams))}. Build one for these streams.")
        mask = torch.stack([masks[name] for name in self.codons]).any(0)
        values, weights = self.fuse(streams, masks, mask)
        entropy = values.new_zeros(()) if weights is None else mean_entropy(weights)
        return Fused(values, mask, weights, entropy)

    def on_codons(self, streams: Streams, masks: Masks, mask: Bool[Tensor, "B P"]) -> tuple[Streams, Bool[Tensor, "B E P"]]:
        """Return streams on the codon axis, where a context says its mean of every codon, and where each says something."""
        means = {name: masked_mean(streams[name], masks[name])[:, None] * mask[..., None] for name in self.contexts}
        kept = [mask & masks[name].any(1, keepdim=True) if name in self.contexts else masks[name] for name in self.names]
        return {**streams, **means}, torch.stack(kept, dim=1)

    @abstractmethod
    def fuse(self, streams: Streams, masks: Masks, mask: Bool[Tensor, "B P"]) -> Weighted:
        """Return fused values, zero where no stream says anything, and weights of the streams where there are any.

        Args:
            mask: Where at least one stream of codons says something.
        """


class Concatenation(Fuser):
    """Streams side by side; named ones first go through a linear layer and tanh, lest a wide one dominates."""

    class Config(Fuser.Config):
        """The paper projects DNA only; how deep, and to which width, it does not say."""

        kind: Literal["concatenation"] = "concatenation"
        projected: tuple[str, ...] = ("dna",)
        projected_width: int = pydantic.Field(default=512, gt=0)

        def build(self) -> Concatenation:
            """Return the fuser."""
            return Concatenation(self)

    def __init__(self, config: Config) -> None:
        widths = {name: config.projected_width if name in config.projected else width for name, width in config.inputs.items()}
        super().__init__(config, sum(widths.values()))
        self.project = nn.ModuleDict({n: nn.Linear(config.inputs[n], widths[n]) for n in self.names if n in config.projected})

    def fuse(self, streams: Streams, masks: Masks, mask: Bool[Tensor, "B P"]) -> Weighted:
        """Return streams side by side, by name."""
        streams, kept = self.on_codons(streams, masks, mask)
        parts = [self.project[name](streams[name]).tanh() if name in self.project else streams[name] for name in self.names]
        return torch.cat([part * kept[:, i, :, None] for i, part in enumerate(parts)], dim=-1), None


class GatedAttention(Fuser):
    """One weight per stream and sequence, from a gate over the mean of each stream (multiple-instance learning).

    Projections and gates belong to a stream, the last vector is shared. The temperature is exp(theta), and what is clamped
    is the temperature alone, so that theta keeps its gradient on the way back in.

    Source: arXiv:2506.08936, section on fusion; the gate after arXiv:1802.04712, equation 9. The paper adds entropy to the
        loss, positive weights sharpen; see `mean_entropy`.
    """

    class Config(Fuser.Config):
        """The paper's sizes."""

        kind: Literal["mil"] = "mil"
        width: int = pydantic.Field(default=600, gt=0)
        gate_width: int = pydantic.Field(default=100, gt=0)
        temperature: float = pydantic.Field(default=1.0, gt=0)
        least_temperature: float = pydantic.Field(default=0.02, gt=0)
        most_temperature: float = pydantic.Field(default=20.0, gt=0)

        def build(self) -> GatedAttention:
            """Return the fuser."""
            return GatedAttention(self)

    def __init__(self, config: Config) -> None:
        super().__init__(config, config.width)
        self.project = nn.ModuleDict({name: nn.Linear(config.inputs[name], config.width) for name in self.names})
        self.value = nn.ModuleDict({name: nn.Linear(config.width, config.gate_width) for name in self.names})
        self.gate = nn.ModuleDict({name: nn.Linear(config.width, config.gate_width) for name in self.names})
        self.score = nn.Linear(config.gate_width, 1, bias=False)
        self.theta = nn.Parameter(torch.tensor(math.log(config.temperature)))
        self.limits = config.least_temperature, config.most_temperature

    @property
    def temperature(self) -> Float[Tensor, ""]:
        """What scores are divided by."""
        free = self.theta.exp()
        # Straight through: the value is clamped, the gradient is not.
        return free + (free.clamp(*self.limits) - free).detach()

    def fuse(self, streams: Streams, masks: Masks, mask: Bool[Tensor, "B P"]) -> Weighted:
        """Return the weighted sum of projected streams; absent ones have weight 0."""
        streams, kept = self.on_codons(streams, masks, mask)
        parts = [self.project[name](streams[name]).tanh() * kept[:, i, :, None] for i, name in enumerate(self.names)]
        means = [part.sum(1) / kept[:, i].sum(1, keepdim=True).clamp_min(1) for i, part in enumerate(parts)]
        gated = [self.value[n](mean).tanh() * self.gate[n](mean).sigmoid() for n, mean in zip(self.names, means, strict=True)]
        scores = torch.cat([self.score(one) for one in gated], dim=1) / self.temperature
        weights = scores.masked_fill(~kept.any(2), torch.finfo(scores.dtype).min).softmax(1)
        return sum((weights[:, i, None, None] * part for i, part in enumerate(parts)), torch.zeros_like(parts[0])), weights


class CrossAttention(Fuser):
    """Every stream attends to all codons of all streams; the results are joined, with their mean as a residual.

    Nucleotides of contexts are keys, too, and ask nothing: codons read them, one by one, and never the other way round.

    Neither positions nor streams are marked, as in the paper: where a codon stands reaches attention through the encoders
    only. The output projection inside the attention is the paper's P; one more would not fit its number of weights.

    Source: arXiv:2506.08936, equations of cross-modal attention. Its figure pools each stream first; the head needs codons.
    """

    class Config(Fuser.Config):
        """The paper's sizes.

        Attributes:
            marks_streams: Add a learned vector to each projected stream, so that attention knows whose a codon is; done where there
                are contexts.
            key_codons: Neighboring codons, or nucleotides of a context, averaged into one key; attention costs less by as much.
        """

        kind: Literal["attention"] = "attention"
        width: int = pydantic.Field(default=600, gt=0)
        heads: int = pydantic.Field(default=4, gt=0)
        dropout: float = pydantic.Field(default=0.1, ge=0, lt=1)
        marks_streams: bool = False
        key_codons: int = pydantic.Field(default=1, gt=0)

        @pydantic.model_validator(mode="after")
        def _heads_fit(self) -> CrossAttention.Config:
            if self.width % self.heads:
                raise ValueError(f"width = {self.width} is not divisible by heads = {self.heads}. Choose a multiple.")
            return self

        def build(self) -> CrossAttention:
            """Return the fuser."""
            return CrossAttention(self)

    def __init__(self, config: Config) -> None:
        super().__init__(config, config.width)
        self.project = nn.ModuleDict({name: nn.Linear(config.inputs[name], config.width) for name in self.names})
        self.attend = nn.ModuleDict(
            {name: nn.MultiheadAttention(config.width, config.heads, config.dropout, batch_first=True) for name in self.codons}
        )
        self.norm = nn.ModuleDict({name: nn.LayerNorm(config.width) for name in self.codons})
        self.join = nn.Linear(len(self.codons) * config.width, config.width)
        self.last_norm = nn.LayerNorm(config.width)
        self.dropout, self.key_codons = nn.Dropout(config.dropout), config.key_codons
        marks = torch.zeros(len(self.names), config.width)
        self.marks = nn.Parameter(marks) if config.marks_streams or config.contexts else None

    def fuse(self, streams: Streams, masks: Masks, mask: Bool[Tensor, "B P"]) -> Weighted:
        """Return joined streams; what is masked is no key, and absent streams count in no mean."""
        parts = {name: self.project[name](streams[name]).tanh() for name in self.names}
        if self.marks is not None:
            parts = {name: part + mark for (name, part), mark in zip(parts.items(), self.marks, strict=True)}
        pooled = [_averaged(part, masks[name], self.key_codons) for name, part in parts.items()]
        keys, there = torch.cat([part for part, _ in pooled], dim=1), torch.cat([mask for _, mask in pooled], dim=1)
        # A row without any codon would divide by nothing; it is masked afterwards.
        hidden = ~there & there.any(1, keepdim=True)
        joined = []
        for name in self.codons:
            seen, _ = self.attend[name](parts[name], keys, keys, key_padding_mask=hidden, need_weights=False)
            joined.append(self.norm[name](parts[name] + self.dropout(seen)) * masks[name].unsqueeze(-1))
        counts = torch.stack([masks[name] for name in self.codons]).sum(0)
        mean = sum(joined, torch.zeros_like(joined[0])) / counts.clamp_min(1).unsqueeze(-1)
        return self.last_norm(mean + self.join(torch.cat(joined, dim=-1))) * mask.unsqueeze(-1), None


def masked_mean(values: Float[Tensor, "B P D"], mask: Bool[Tensor, "B P"]) -> Float[Tensor, "B D"]:
    """Return the mean over the codons that count."""
    return (values * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True).clamp_min(1)


def _averaged(values: Float[Tensor, "B P D"], mask: Bool[Tensor, "B P"], size: int) -> tuple[Float[Tensor, "B K D"], Bool[Tensor, "B K"]]:
    """Return means over so many neighbors that are there, and whether any is."""
    if size == 1:
        return values, mask
    more = -values.shape[1] % size
    rows = functional.pad(values * mask.unsqueeze(-1), (0, 0, 0, more)).unflatten(1, (-1, size)).sum(2)
    counts = functional.pad(mask, (0, more)).unflatten(1, (-1, size)).sum(2)
    return rows / counts.clamp_min(1).unsqueeze(-1), counts > 0


AnyFuser = Concatenation.Config | GatedAttention.Config | CrossAttention.Config
FuserKind = Literal["concatenation", "mil", "attention"]
FUSERS: dict[FuserKind, type[AnyFuser]] = {made.model_fields["kind"].default: made for made in get_args(AnyFuser)}
"""All fusers, in the order in which they are compared."""


def mean_entropy(weights: Float[Tensor, "B E"]) -> Float[Tensor, ""]:
    """Return the entropy of weights, mean over rows. Nats.

    Training adds it to the loss with a positive factor, so that it becomes small and the weights peaked.
    """
    return -(weights * weights.clamp_min(_LEAST_WEIGHT).log()).sum(1).mean()
