"""Packing: whole segments into the rows of a batch."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from biolect.tokens.vocabulary import SPECIAL_INDEX
from biolect.values import Batch, Segment


class Rows:
    """Rows that are being filled. A segment goes where it leaves the least room (best fit)."""

    def __init__(self, num_rows: int, context_tokens: int) -> None:
        self.context_tokens = context_tokens
        self.rows: list[list[Segment]] = [[] for _ in range(num_rows)]
        self.room = np.full(num_rows, context_tokens, dtype=np.int64)

    def add(self, segment: Segment) -> bool:
        """Place a segment; False, and nothing done, where no row has room."""
        left = self.room - len(segment)
        fitting = np.flatnonzero(left >= 0)
        if not len(fitting):
            return False
        row = int(fitting[np.argmin(left[fitting])])
        self.rows[row].append(segment)
        self.room[row] = left[row]
        return True

    def batch(self, pad: int) -> Batch:
        """Return the rows as one batch, padded on the right."""
        fill = {"token_ids": pad, "targets": pad, "loss_weights": 0.0, "positions": 0, "member_ids": 0, "modality_ids": SPECIAL_INDEX}
        shape = len(self.rows), self.context_tokens
        tensors = {name: torch.full(shape, value) for name, value in {**fill, "segment_ids": 0}.items()}
        # They share their memory.
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        for row, segments in enumerate(self.rows):
            start = 0
            for number, segment in enumerate(segments, 1):
                place = row, slice(start, start + len(segment))
                arrays["segment_ids"][place] = number
                for name in fill:
                    arrays[name][place] = getattr(segment, name)
                start += len(segment)
        return Batch(**tensors)


def pack(segments: Iterable[Segment], num_rows: int, context_tokens: int, pad: int) -> tuple[Batch, int]:
    """Pack segments in order until one fits nowhere; return the batch and how many went in."""
    rows = Rows(num_rows, context_tokens)
    used = 0
    for segment in segments:
        if not rows.add(segment):
            break
        used += 1
    return rows.batch(pad), used


def length_batches(lengths: Sequence[int], batch_tokens: int) -> list[NDArray[np.int64]]:
    """Part items into batches of like lengths, so that padding rows to the longest wastes little.

    No row is more than an eighth shorter than the longest of its batch, but for a few tokens.

    Args:
        batch_tokens: Most tokens of a batch, padding included; an item longer than that stands alone.

    Returns:
        0-based indices, every item once; longest first, so that memory runs out at once or never.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    order = np.argsort(-sizes, kind="stable")
    falling = -sizes[order]
    batches, start = [], 0
    while start < len(order):
        longest = -int(falling[start])
        alike = int(np.searchsorted(falling, 8 - longest * 7 // 8, side="right"))
        stop = max(start + 1, min(alike, start + batch_tokens // max(1, longest)))
        batches.append(order[start:stop])
        start = stop
    return batches


class Window(NamedTuple):
    """A stretch [start, stop) of a record that is read, and the part [first, last) of it that is asked about. 0-based."""

    start: int
    stop: int
    first: int
    last: int


def windows(length: int, room: int | None, *, both_sides: bool = False) -> Iterator[Window]:
    """Cut a long record into windows that overlap by half; every residue is asked about in one of them.

    Args:
        room: Residues of a window; None cuts nothing.
        both_sides: Ask about a residue where it stands furthest inside, for models that look both ways; else in the
            first window that reaches it, where most stands before it.
    """
    if room is None or length <= room:
        yield Window(0, length, 0, length)
        return
    step = max(1, room // 2)
    starts = [*range(0, length - room, step), length - room] if both_sides else range(0, length - room + step, step)
    stops = [min(start + room, length) for start in starts]
    cuts = [(later + stop) // 2 if both_sides else stop for later, stop in zip(starts[1:], stops, strict=False)]
    yield from map(Window, starts, stops, [0, *cuts], [*cuts, length])
