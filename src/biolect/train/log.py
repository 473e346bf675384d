"""Metrics of a run: sums of losses by modality and place, and the lines they become."""

import json
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from biolect.bio.sequence import MODALITIES
from biolect.files import write_pieces
from biolect.metrics import bits_per_residue
from biolect.tokens.vocabulary import SPECIAL_INDEX
from biolect.values import Batch

PLACES = 3
"""Places in a document that are told apart: first, second, third or later member."""

_GROUPS = SPECIAL_INDEX + 1


class LossTable:
    """Sums of losses and counts of targets, by place in the document and modality. Stays on the device until read."""

    def __init__(self, device: torch.device) -> None:
        # Float64 where there is one: float32 sums drift after some ten million targets.
        self.sums = torch.zeros(2, PLACES * _GROUPS, dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)

    def add(self, losses: Float[Tensor, "B T"], batch: Batch) -> None:
        """Count the losses of a batch's targets. Nats."""
        counted = batch.loss_weights > 0
        group = batch.member_ids.clamp(max=PLACES - 1) * _GROUPS + batch.modality_ids
        values = torch.stack([(losses * counted).flatten(), counted.flatten()]).to(self.sums.dtype)
        self.sums.index_add_(1, group.flatten(), values)

    def restore(self, values: list[list[float]]) -> None:
        """Put back what `values` returned."""
        self.sums.copy_(torch.tensor(values, dtype=self.sums.dtype))


class Losses:
    """What a `LossTable` says, read on the host. Bits per residue; special tokens are left out."""

    def __init__(self, sums: Tensor) -> None:
        self.nats, self.counts = sums.cpu().double().view(2, PLACES, _GROUPS).numpy()

    @property
    def per_token(self) -> float:
        """Mean loss over all targets, special tokens included. Nats."""
        return float(self.nats.sum() / max(1.0, self.counts.sum()))

    @property
    def by_modality(self) -> dict[str, float]:
        """Bits per residue of each modality that occurs."""
        sums = zip(MODALITIES, self.nats.sum(0), self.counts.sum(0), strict=False)
        return {m.value: bits_per_residue(nats, count) for m, nats, count in sums if count}

    @property
    def by_member(self) -> dict[str, list[float | None]]:
        """Bits per residue of each modality as first, second, and third or later member; None where it is not."""
        return {
            m: [bits_per_residue(n, c) if c else None for n, c in zip(self.nats[:, i], self.counts[:, i], strict=True)]
            for i, m in enumerate(m.value for m in MODALITIES)
            if self.counts[:, i].any()
        }


class MetricsLog:
    """A file of JSON lines, one per report. Invariant: after `open_at(step)` no line is younger than the step."""

    def __init__(self, path: Path, *, writes: bool = True) -> None:
        self.path, self.writes = path, writes

    def open_at(self, step: int) -> None:
        """Drop lines that were written after a step, and any half line; a resumed run writes them again."""
        if self.writes:
            kept = [line for line in self.read() if line["step"] <= step]
            write_pieces(self.path, [(json.dumps(line) + "\n").encode() for line in kept])

    def write(self, kind: str, **values: Any) -> None:
        """Append one line."""
        if self.writes:
            with open(self.path, "a") as stream:
                stream.write(json.dumps({"kind": kind, **values}) + "\n")

    def read(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return the lines, of one kind or all; a half line at the end is left out."""
        lines: list[dict[str, Any]] = []
        if self.path.is_file():
            for text in self.path.read_text().splitlines():
                try:
                    lines.append(json.loads(text))
                except json.JSONDecodeError:
                    break
        return [line for line in lines if kind in (None, line["kind"])]
