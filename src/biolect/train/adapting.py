"""A fusion end to end: encoders with adapters, alignment, fuser and head as one network that learns from coding sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from biolect.bio.sequence import Sequence as Record
from biolect.embed.codons import CodonEncoder
from biolect.fusion.heads import FusionModel
from biolect.fusion.streams import CodonStreams
from biolect.models.language_model import LanguageModel
from biolect.train.lora import add_adapters, merge_adapters


class AdaptedFusion(nn.Module):
    """Coding sequences in, answers out. Invariant: of the encoders only adapters are trained, and fresh ones change no bit.

    Args:
        encoders: Of every stream; their networks are frozen and get adapters, in place.
        model: Fuser and head, trained with the adapters.
        scale: What the vectors of each stream are read with; see `CodonStreams.fit`.
        rank: Of the adapters; None adds none.

    Raises:
        ConfigError: If an encoder has no weights.
        MissingDependencyError: If `peft` is not installed.
    """

    def __init__(
        self, encoders: Mapping[str, CodonEncoder], model: FusionModel, scale: CodonStreams, rank: int | None = None, seed: int = 0
    ) -> None:
        super().__init__()
        self.encoders, self.scale, self.model = encoders, scale, model
        # An encoder that stands behind several streams has one set of adapters; a head that says the next letter is not asked.
        every = dict.fromkeys(encoders[name].network.model.requires_grad_(False) for name in sorted(encoders))
        bodies = [network.backbone if isinstance(network, LanguageModel) else network for network in every]
        self.networks = nn.ModuleList(bodies if rank is None else [add_adapters(body, rank, seed) for body in bodies])

    def forward(self, records: Sequence[Record]) -> Float[Tensor, "B *P K"]:
        """Return the head's outputs; gradients reach adapters, fuser and head."""
        values, masks = {}, {}
        for name, encoder in self.encoders.items():
            rows = pad_sequence(encoder.learnable(records), batch_first=True)
            masks[name] = rows.any(-1)
            center, scale = (torch.from_numpy(part[name]).to(rows) for part in (self.scale.centers, self.scale.scales))
            values[name] = (rows - center) / scale * masks[name].unsqueeze(-1)
        return self.model(values, masks)[0]

    def learned(self) -> dict[str, Tensor]:
        """Return what was trained, to be saved: adapters, fuser and head; `load_state_dict(..., strict=False)` puts it back."""
        return {name: weight for name, weight in self.state_dict().items() if "lora_" in name or name.startswith("model.")}

    def merge(self) -> AdaptedFusion:
        """Add every adapter to the weight below it, in place; outputs stay the same up to rounding."""
        for network in self.networks:
            merge_adapters(network)
        return self
