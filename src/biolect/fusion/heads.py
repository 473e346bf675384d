"""Heads: from one vector per codon to classes or numbers, of the whole sequence or of every codon."""

from __future__ import annotations

from typing import Literal

import pydantic
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from biolect import config
from biolect.fusion.fusers import AnyFuser, Fused, Masks, Streams, masked_mean
from biolect.ops.conv import largest_answer


class TextCNN(nn.Module):
    """Convolutions over codons, the largest answer of each, a linear layer.

    Only windows inside the sequence count, so padding changes nothing; a sequence shorter than a kernel has one window,
    filled up with zeros. Answers for every codon come from windows around it.

    Source: arXiv:2506.08936, lists 1 (1,280 channels) and 2 (100); after arXiv:1408.5882.
    """

    class Config(config.Config):
        """The paper's second list; its first one has 1,280 channels."""

        kind: Literal["textcnn"] = "textcnn"
        channels: int = pydantic.Field(default=100, gt=0)
        kernels: tuple[int, ...] = pydantic.Field(default=(3, 4, 5), min_length=1)
        dropout: float = pydantic.Field(default=0.2, ge=0, lt=1)
        pools: bool = True

        def build(self, width: int, outputs: int) -> TextCNN:
            """Return the head."""
            return TextCNN(self, width, outputs)

    def __init__(self, config: Config, width: int, outputs: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv1d(width, config.channels, kernel) for kernel in config.kernels)
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Linear(config.channels * len(config.kernels), outputs)
        self.kernels, self.pools = config.kernels, config.pools

    def forward(self, values: Float[Tensor, "B P D"], mask: Bool[Tensor, "B P"]) -> Float[Tensor, "B *P K"]:
        """Return one answer per sequence, or per codon, of values that are zero where the mask is false."""
        if not self.pools:
            rows = values.transpose(1, 2)
            pairs = zip(self.kernels, self.convolutions, strict=True)
            found = [convolve(functional.pad(rows, ((kernel - 1) // 2, kernel // 2))).relu() for kernel, convolve in pairs]
            return self.out(self.dropout(torch.cat(found, dim=1).transpose(1, 2)))
        places = torch.arange(1, mask.shape[1] + 1, device=mask.device)
        lengths = (mask * places).max(1).values
        rows = functional.pad(values, (0, 0, 0, max(0, max(self.kernels) - values.shape[1])))
        best = [largest_answer(rows, one.get_parameter("weight"), one.get_parameter("bias"), lengths) for one in self.convolutions]
        return self.out(self.dropout(torch.cat(best, dim=1)))


class AttentionPool(nn.Module):
    """A weighted mean over codons, by a learned score of each, and a linear layer."""

    class Config(config.Config):
        """Width of the layer that scores."""

        kind: Literal["attention_pool"] = "attention_pool"
        inner: int = pydantic.Field(default=64, gt=0)

        def build(self, width: int, outputs: int) -> AttentionPool:
            """Return the head."""
            return AttentionPool(self, width, outputs)

    def __init__(self, config: Config, width: int, outputs: int) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(width, config.inner), nn.Tanh(), nn.Linear(config.inner, 1, bias=False))
        self.out = nn.Linear(width, outputs)

    def forward(self, values: Float[Tensor, "B P D"], mask: Bool[Tensor, "B P"]) -> Float[Tensor, "B K"]:
        """Return one answer per sequence."""
        scores = self.score(values).squeeze(-1).masked_fill(~mask, torch.finfo(values.dtype).min)
        return self.out((scores.softmax(1).unsqueeze(-1) * values).sum(1))


class Linear(nn.Module):
    """A linear layer on the mean over codons, or on every codon by itself: a probe."""

    class Config(config.Config):
        """Nothing else to choose."""

        kind: Literal["linear"] = "linear"
        pools: bool = True

        def build(self, width: int, outputs: int) -> Linear:
            """Return the head."""
            return Linear(self, width, outputs)

    def __init__(self, config: Config, width: int, outputs: int) -> None:
        super().__init__()
        self.out, self.pools = nn.Linear(width, outputs), config.pools

    def forward(self, values: Float[Tensor, "B P D"], mask: Bool[Tensor, "B P"]) -> Float[Tensor, "B *P K"]:
        """Return one answer per sequence, or per codon."""
        return self.out(masked_mean(values, mask) if self.pools else values)


class Perceptron(nn.Module):
    """Two layers, on the mean over codons or on every codon by itself."""

    class Config(config.Config):
        """Sizes.

        Attributes:
            pools: Answer for the whole sequence; otherwise for every codon.
        """

        kind: Literal["mlp"] = "mlp"
        inner: int = pydantic.Field(default=128, gt=0)
        dropout: float = pydantic.Field(default=0.2, ge=0, lt=1)
        pools: bool = True

        def build(self, width: int, outputs: int) -> Perceptron:
            """Return the head."""
            return Perceptron(self, width, outputs)

    def __init__(self, config: Config, width: int, outputs: int) -> None:
        super().__init__()
        self.pools = config.pools
        layers = nn.Linear(width, config.inner), nn.ReLU(), nn.Dropout(config.dropout), nn.Linear(config.inner, outputs)
        self.layers = nn.Sequential(*layers)

    def forward(self, values: Float[Tensor, "B P D"], mask: Bool[Tensor, "B P"]) -> Float[Tensor, "B *P K"]:
        """Return one answer per sequence, or per codon."""
        return self.layers(masked_mean(values, mask) if self.pools else values)


AnyHead = TextCNN.Config | AttentionPool.Config | Linear.Config | Perceptron.Config


class FusionModel(nn.Module):
    """A fuser and a head: what is trained on top of frozen encoders."""

    class Config(config.Config):
        """Both parts, and how many numbers come out: targets, or classes, never one number that stands for classes."""

        fuser: AnyFuser = pydantic.Field(discriminator="kind")
        head: AnyHead = pydantic.Field(default=TextCNN.Config(), discriminator="kind")
        outputs: int = pydantic.Field(default=1, gt=0)

        def build(self, seed: int = 0) -> FusionModel:
            """Return the model with weights drawn from a seed."""
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                return FusionModel(self)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.fuser = config.fuser.build()
        self.head = config.head.build(self.fuser.width, config.outputs)

    def forward(self, streams: Streams, masks: Masks) -> tuple[Float[Tensor, "B *P K"], Fused]:
        """Return outputs, and the fused stream that they were made from."""
        fused = self.fuser(streams, masks)
        return self.head(fused.values, fused.mask), fused


def task_loss(outputs: Float[Tensor, "B *P K"], targets: Float[Tensor, "B *P J"], *, classes: bool = False) -> Float[Tensor, ""]:
    """Return the mean squared error over the targets that are there, or the cross-entropy of classes.

    Args:
        targets: NaN is missing. As many as outputs; of classes one code each.
    """
    there = ~targets.isnan()
    if classes:
        there = there[..., 0]
        losses = functional.cross_entropy(outputs[there], targets[there][:, 0].long(), reduction="none")
    else:
        losses = (outputs[there] - targets[there]) ** 2
    return losses.sum() / max(1, int(there.sum()))
