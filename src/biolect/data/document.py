"""Documents: the grammar of one context.

    <bos> [tag] member (<sep> [tag] member)* <eos>

A document joins members that belong together (a gene and its protein, say). Positions count tokens, in
the document or in each member, or follow shared gene coordinates, so that an amino acid and its codon
keep a constant distance however long the members are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal, Protocol

import numpy as np
import pydantic
from numpy.typing import NDArray

from biolect.bio.coordinates import Run, compress, expand
from biolect.bio.sequence import Modality
from biolect.config import Config
from biolect.errors import CoordinateError
from biolect.tokens.rendered import Rendered
from biolect.tokens.vocabulary import SPECIAL_INDEX, Vocabulary


class View(StrEnum):
    """Which side of its object a member shows."""

    RECORD = "record"
    LOCUS = "locus"
    CDS = "cds"
    TRANSCRIPT = "transcript"
    PROTEIN = "protein"

    @property
    def index(self) -> int:
        """Place in `VIEWS`, as stored in shards."""
        return VIEWS.index(self)


VIEWS = tuple(View)


@dataclass(frozen=True, eq=False)
class Member:
    """Residues of one modality inside a document, without special tokens.

    Attributes:
        runs: Shared gene coordinates of the residues; empty where there is no map.
    """

    token_ids: NDArray[np.uint8]
    modality: Modality
    runs: tuple[Run, ...] = ()
    view: View = View.RECORD

    def __len__(self) -> int:
        return len(self.token_ids)

    @property
    def coordinates(self) -> NDArray[np.int32]:
        """One shared gene coordinate per residue; empty where there is no map."""
        return expand(self.runs)

    def slice(self, start: int, stop: int) -> Member:
        """Return residues [start, stop), 0-based, with their coordinates."""
        return replace(self, token_ids=self.token_ids[start:stop], runs=compress(self.coordinates[start:stop]))

    def other_strand(self, vocabulary: Vocabulary) -> Member:
        """Return the reverse complement of DNA, without coordinates."""
        return replace(self, token_ids=vocabulary.complement_ids[self.token_ids][::-1], runs=())

    def between(self, low: int, high: int, *, origin: int = 0) -> Member:
        """Return the residues whose coordinate c has low < c <= high, re-based so that `origin` becomes 0.

        Letters spliced out inside the stretch are kept, those behind its last letter are not.
        """
        coordinates = self.coordinates
        kept = np.flatnonzero((coordinates > low) & (coordinates <= high))
        if not len(kept):
            return replace(self, token_ids=self.token_ids[:0], runs=())
        start, stop = int(kept[0]), int(np.argmax(coordinates == coordinates[kept[-1]])) + 1
        return replace(self, token_ids=self.token_ids[start:stop], runs=compress(coordinates[start:stop] - origin))


@dataclass(frozen=True, eq=False)
class Document:
    """One context: members in the order in which they are read."""

    members: tuple[Member, ...]

    def __len__(self) -> int:
        """Residues of all members."""
        return sum(len(member) for member in self.members)


class Overhead(Protocol):
    """What a source must know of how its documents will be written: how many tokens are no residues of its own."""

    def overhead(self, num_members: int) -> int: ...  # noqa: D102


class Grammar(Config):
    """How documents are written.

    Attributes:
        tags: Announce each member by its modality; without tags only letters tell.
        positions: `shared` follows gene coordinates where every member has them; `ordinary` counts tokens;
            `member` counts them anew from the token that opens each member.
        last_position: With `member`, tokens further on all stand here; None sets no limit.
        coordinate_dropout: Share of documents written with ordinary positions all the same, so that
            a model can also read records that come without annotation.
    """

    tags: bool = True
    positions: Literal["ordinary", "shared", "member"] = "shared"
    last_position: int | None = pydantic.Field(default=None, gt=0)
    coordinate_dropout: float = pydantic.Field(default=0.25, ge=0, le=1)

    def overhead(self, num_members: int) -> int:
        """Special tokens in a document of so many members."""
        return 1 + num_members * (2 if self.tags else 1)

    def opening(self, member: Member, vocabulary: Vocabulary, *, first: bool) -> list[int]:
        """Special tokens that stand before a member."""
        return [vocabulary.begin if first else vocabulary.separator, *([vocabulary.tag(member.modality)] if self.tags else [])]

    def clamped(self, positions: NDArray[Any]) -> NDArray[Any]:
        """Return positions, none beyond the last one that there is."""
        return positions if self.last_position is None else np.minimum(positions, self.last_position)

    def uses_coordinates(self, document: Document, rng: np.random.Generator) -> bool:
        """Decide whether a document follows gene coordinates; draws one number whenever it could."""
        if self.positions != "shared" or not all(member.runs for member in document.members):
            return False
        return bool(rng.random() >= self.coordinate_dropout)

    def render(self, document: Document, vocabulary: Vocabulary, *, coordinates: bool) -> Rendered:
        """Write a document out.

        Args:
            coordinates: Follow the members' gene coordinates instead of counting tokens. The end token stands
                where a next member would begin, if positions are those inside members.

        Raises:
            CoordinateError: If coordinates are asked for and a member has none.
        """
        bare = [index for index, member in enumerate(document.members) if not member.runs]
        if coordinates and bare:
            raise CoordinateError(
                f"Member {bare[0]} (0-based) of the document has no gene coordinates to stand on. "
                "Write the document with ordinary positions."
            )
        both = [(self.opening(m, vocabulary, first=not i), m) for i, m in enumerate(document.members)]
        lengths = [len(special) + len(member) for special, member in both]
        tokens = [part for special, member in both for part in (np.array(special, dtype=np.uint8), member.token_ids)]
        kinds = [kind for special, m in both for kind in ([SPECIAL_INDEX] * len(special) + [m.modality.index] * len(m))]
        if coordinates:
            positions = [_placed(member.coordinates, len(special), _stride(member)) for special, member in both]
            positions.append(positions[-1][-1:] + _stride(document.members[-1]))
        elif self.positions == "member":
            positions = [*(self.clamped(np.arange(length)) for length in lengths), np.zeros(1)]
        else:
            positions = [np.arange(sum(lengths) + 1)]
        return Rendered(
            np.concatenate([*tokens, np.array([vocabulary.end], dtype=np.uint8)]),
            np.concatenate(positions).astype(np.int32),
            np.repeat([*range(len(both)), len(both) - 1], [*lengths, 1]).astype(np.int32),
            np.array([*kinds, SPECIAL_INDEX], dtype=np.uint8),
        )


def _stride(member: Member) -> int:
    return 3 if member.modality is Modality.PROTEIN else 1


def _placed(coordinates: NDArray[np.int32], num_special: int, stride: int) -> NDArray[np.int32]:
    """Special tokens stand where the residue before the first one would."""
    return np.pad(coordinates, (num_special, 0), constant_values=coordinates[0] - stride)
