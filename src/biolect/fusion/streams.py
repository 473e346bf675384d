"""What encoders say about the codons of many sequences, held in memory and handed out in batches."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from biolect.fusion.fusers import Masks
from biolect.fusion.heads import FusionModel
from biolect.values import Floats, Ints

Vectors = Sequence[Float[np.ndarray, "P D"]]


@dataclass(frozen=True, eq=False)
class CodonStreams:
    """Vectors of every record by stream, and the scale on which they are read.

    Invariant: all streams have the same records, and a record as many codons in each but the contexts.

    Attributes:
        vectors: One array per record; a row of zeros says nothing about its codon.
        centers, scales: Of each stream's vectors, by width.
        contexts: Streams of what stands around coding sequences, of any length, if there are others.
    """

    vectors: Mapping[str, Vectors]
    centers: Mapping[str, Float[np.ndarray, " D"]]
    scales: Mapping[str, Float[np.ndarray, " D"]]
    contexts: frozenset[str] = frozenset()

    @classmethod
    def fit(cls, vectors: Mapping[str, Vectors], training: Ints, contexts: Collection[str] = ()) -> CodonStreams:
        """Take the scale from training records: mean 0 and deviation 1 of every number."""
        centers, scales = {}, {}
        for name, found in vectors.items():
            count, total, squares = 0, np.zeros(found[0].shape[1]), np.zeros(found[0].shape[1])
            for index in training.tolist():
                rows = found[index].astype(np.float32)
                rows = rows[rows.any(axis=1)]
                count, total, squares = count + len(rows), total + rows.sum(0), squares + (rows * rows).sum(0, dtype=np.float64)
            centers[name] = (total / max(count, 1)).astype(np.float32)
            deviation = np.sqrt(np.maximum(squares / max(count, 1) - centers[name].astype(np.float64) ** 2, 0))
            scales[name] = np.where(deviation > 1e-6 * np.abs(centers[name]) + 1e-12, deviation, 1).astype(np.float32)
        return cls(vectors, centers, scales, frozenset(contexts))

    @property
    def widths(self) -> dict[str, int]:
        """Width of every stream."""
        return {name: len(center) for name, center in self.centers.items()}

    @cached_property
    def lengths(self) -> Ints:
        """Codons of every record."""
        return np.array([len(one) for one in next(own for name, own in self.vectors.items() if name not in self.around)])

    @property
    def around(self) -> frozenset[str]:
        """Streams that stand around codons; a context alone is a sequence like any other."""
        return self.contexts if set(self.vectors) - self.contexts else frozenset()

    def named(self, sources: Mapping[str, str]) -> CodonStreams:
        """Return streams under other names; one source may stand under several, which is a control with more weights only."""

        def renamed(part: Mapping[str, Any]) -> dict[str, Any]:
            return {name: part[source] for name, source in sources.items()}

        contexts = frozenset(name for name, source in sources.items() if source in self.contexts)
        return CodonStreams(renamed(self.vectors), renamed(self.centers), renamed(self.scales), contexts)

    def shuffled(self, kept: str, seed: int) -> CodonStreams:
        """Return streams in which all but one come from other records, cut or repeated to the length: nothing to fuse."""
        order, lengths = np.random.default_rng(seed).permutation(len(self.lengths)), self.lengths
        foreign = {
            name: [
                found[j] if name in self.around else np.resize(found[j], (n, found[j].shape[1]))
                for j, n in zip(order, lengths, strict=True)
            ]
            for name, found in self.vectors.items()
            if name != kept
        }
        return replace(self, vectors={**self.vectors, **foreign})

    def batch(self, chosen: Sequence[int]) -> tuple[dict[str, Float[Tensor, "B P _"]], dict[str, Bool[Tensor, "B P"]]]:
        """Return scaled vectors and masks of some records, padded to the longest of them."""
        streams, masks = {}, {}
        for name, found in self.vectors.items():
            longest = max(1, *(len(found[index]) for index in chosen))
            rows = np.zeros((len(chosen), longest, self.widths[name]), dtype=np.float32)
            there = np.zeros((len(chosen), longest), dtype=np.bool_)
            for row, index in enumerate(chosen):
                # Record by record, so that all of it happens where the processor is near.
                own, size = found[index], len(found[index])
                there[row, :size] = own.any(axis=1)
                np.subtract(own, self.centers[name], out=rows[row, :size], dtype=np.float32)
                rows[row, :size] /= self.scales[name]
                rows[row, :size][~there[row, :size]] = 0
            streams[name], masks[name] = torch.from_numpy(rows), torch.from_numpy(there)
        return streams, masks

    def batches(self, chosen: Ints, size: int = 64, rng: np.random.Generator | None = None) -> Iterator[Ints]:
        """Yield records in batches of like lengths; with a generator in random order, drawn anew."""
        order = chosen if rng is None else rng.permutation(chosen)
        pool = size * 8 if rng is not None else max(len(order), 1)
        pieces: list[Ints] = []
        for start in range(0, len(order), pool):
            some = order[start : start + pool]
            some = some[np.argsort(self.lengths[some], kind="stable")]
            pieces += [some[i : i + size] for i in range(0, len(some), size)]
        for index in range(len(pieces)) if rng is None else rng.permutation(len(pieces)):
            yield pieces[index]


@dataclass(frozen=True)
class Outputs:
    """What a model says of records, in their order.

    Attributes:
        outputs: Records by outputs, as the head gives them; of a head that answers for codons, all codons by outputs.
        weights: Records by streams in alphabetical order; None for a fuser without weights.
    """

    outputs: Floats
    weights: Floats | None


@torch.inference_mode()
def outputs_of(model: FusionModel, streams: CodonStreams, chosen: Ints | None = None) -> Outputs:
    """Ask a model about records, all if none are chosen; what else is asked changes an answer by rounding only."""
    model.eval()
    chosen = np.arange(len(streams.lengths)) if chosen is None else chosen
    outputs: dict[int, Tensor] = {}
    weights: dict[int, Tensor] = {}
    for some in streams.batches(chosen):
        values, masks = streams.batch(some.tolist())
        found, fused = model(values, masks)
        # Codons behind the end of a shorter record are padding.
        cut = found if found.ndim == 2 else [own[:length] for own, length in zip(found, streams.lengths[some], strict=True)]
        outputs |= dict(zip(some.tolist(), cut, strict=True))
        weights |= {} if fused.weights is None else dict(zip(some.tolist(), fused.weights, strict=True))
    said = torch.stack([weights[int(i)] for i in chosen]).double().numpy() if weights else None
    return Outputs(torch.cat([outputs[int(i)].view(-1, outputs[int(i)].shape[-1]) for i in chosen]).double().numpy(), said)


def drop_streams(masks: Masks, rate: float, generator: torch.Generator, contexts: Collection[str] = ()) -> dict[str, Bool[Tensor, "B _"]]:
    """Return masks in which each stream of each row is absent at a rate; one that is there, and no context, always stays.

    A model that was trained so can be asked about every subset of its streams.
    """
    names = sorted(masks)
    present = torch.stack([masks[name].any(1) for name in names], dim=1)
    draws = torch.rand(present.shape, generator=generator).to(present.device).masked_fill(~present, -1)
    most = draws[:, [name not in contexts for name in names]].max(1, keepdim=True).values
    stays = draws >= torch.minimum(torch.full_like(draws[:, :1], rate), most)
    return {name: masks[name] & stays[:, i, None] for i, name in enumerate(names)}
