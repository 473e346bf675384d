"""Segments of packed rows, for operators that carry a state along the row."""

from typing import TypeAlias

import torch
from jaxtyping import Bool, Int
from torch import Tensor

Ids: TypeAlias = Int[Tensor, "B T"] | None
"""Segment ids; 0 is padding. None: every row is one segment."""


def segment_starts(segment_ids: Int[Tensor, "B T"]) -> tuple[Bool[Tensor, "B T"], Bool[Tensor, "B T"]]:
    """Return where a state must be emptied first, and which positions are real (their id is not 0).

    A position is a start where its id differs from that of the last real position before it. The first real
    position of a row is none: whatever state enters the row belongs to its segment.
    """
    is_real = segment_ids != 0
    places = torch.arange(segment_ids.shape[1], device=segment_ids.device)
    last_real = torch.where(is_real, places, -1).cummax(dim=1).values if segment_ids.shape[1] else is_real.long()
    before = torch.nn.functional.pad(last_real, (1, 0), value=-1)[:, :-1]
    return is_real & (before >= 0) & (segment_ids != segment_ids.gather(1, before.clamp_min(0))), is_real
