"""Values that pass between rooms which do not know each other."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Segment:
    """One document as a model reads it: equal-length arrays, one entry per input token.

    Attributes:
        token_ids: What the model reads.
        targets: What it should say at that place.
        loss_weights: How much that counts; 0 hides it.
        positions: Where the token stands, for rotary angles; may be negative, may repeat.
        member_ids: 0-based index of the member that the *target* belongs to.
        modality_ids: `Modality.index` of the target, or `SPECIAL_INDEX` where it is no residue.
    """

    token_ids: NDArray[np.uint8]
    targets: NDArray[np.uint8]
    loss_weights: NDArray[np.float32]
    positions: NDArray[np.int32]
    member_ids: NDArray[np.int32]
    modality_ids: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.token_ids)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one training step consumes. Rows hold whole segments; nothing crosses a segment border.

    Attributes:
        segment_ids: 0 is padding; segments of a row are numbered from 1, left to right.

    The other fields are those of `Segment`, in rows.
    """

    token_ids: Int[Tensor, "B T"]
    targets: Int[Tensor, "B T"]
    loss_weights: Float[Tensor, "B T"]
    segment_ids: Int[Tensor, "B T"]
    positions: Int[Tensor, "B T"]
    member_ids: Int[Tensor, "B T"]
    modality_ids: Int[Tensor, "B T"]

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch on another device."""
        return Batch(*(getattr(self, f.name).to(device) for f in fields(self)))

    def rows(self, start: int, stop: int) -> Batch:
        """Return rows [start, stop), 0-based."""
        return Batch(*(getattr(self, f.name)[start:stop] for f in fields(self)))

    @property
    def attended_mask(self) -> Bool[Tensor, "B T"]:
        """True where a real token stands."""
        return self.segment_ids > 0

    @property
    def num_tokens(self) -> int:
        """Real tokens, padding not counted."""
        return int(self.attended_mask.sum())


Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

Axis = Literal["nucleotide", "codon", "residue", "sequence"]
"""What the positions of an embedding count."""


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """Vectors of one sequence, one per place on an axis; a single one where the axis is the sequence.

    Attributes:
        name: Of the sequence, as given.
    """

    name: str
    axis: Axis
    vectors: Float[np.ndarray, "P D"]

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        return self.vectors.shape[1]


@dataclass(frozen=True, slots=True, eq=False)
class TokenEmbedding:
    """Vectors of one sequence as a model makes them: one per token, in order, special tokens among them.

    Attributes:
        name: Of the sequence, as given.
        vectors: Float32 or float16.
        spans: Residues that each token covers, 0-based, half-open. Those of a special token are empty: it starts and
            stops where it stands. The others follow each other without gap or overlap.
    """

    name: str
    vectors: Float[np.ndarray, "T D"]
    spans: Int[np.ndarray, "T 2"]

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        return self.vectors.shape[1]

    @property
    def special_mask(self) -> Bool[np.ndarray, " T"]:
        """True where a token covers no residue."""
        return self.spans[:, 0] == self.spans[:, 1]
