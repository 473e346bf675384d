"""A document written out in tokens: what data hands to objectives and readers."""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Rendered:
    """A document as token ids, special tokens included; one entry per token in every array.

    `member_ids` and `modality_ids` speak of the token itself; a separator and a tag belong to the
    member they announce, and have modality `SPECIAL_INDEX`.
    """

    token_ids: NDArray[np.uint8]
    positions: NDArray[np.int32]
    member_ids: NDArray[np.int32]
    modality_ids: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.token_ids)

    def part(self, start: int, stop: int | None = None) -> Self:
        """Return tokens [start, stop), 0-based; negative ones count from the end."""
        return type(self)(*(getattr(self, one.name)[start:stop] for one in fields(self)))
