"""Coordinate maps: exact, integer, invertible maps between the axes of one gene."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Run(NamedTuple):
    """A stretch of letters at evenly spaced places: letter i of the run stands at origin + i * stride.

    Shared gene coordinates: the first nucleotide of the coding sequence stands at 1, untranslated
    leaders at 0 and below, a residue at the last letter of its codon (3, 6, 9, ...). Letters that are
    spliced out have stride 0 and stand where the last letter before them stands.
    """

    origin: int
    stride: int
    length: int


def expand(runs: Iterable[Run]) -> NDArray[np.int32]:
    """Return one coordinate per letter."""
    parts = [run.origin + run.stride * np.arange(run.length, dtype=np.int32) for run in runs]
    return np.concatenate(parts).astype(np.int32) if parts else np.zeros(0, dtype=np.int32)


def compress(coordinates: NDArray[np.integer]) -> tuple[Run, ...]:
    """Return the fewest greedy runs that `expand` to the given coordinates; its inverse."""
    runs: list[Run] = []
    start, total = 0, len(coordinates)
    while start < total:
        if start + 1 == total:
            runs.append(Run(int(coordinates[start]), 1, 1))
            break
        steps = np.diff(coordinates[start:])
        breaks = np.flatnonzero(steps != steps[0])
        length = int(breaks[0]) + 1 if len(breaks) else total - start
        runs.append(Run(int(coordinates[start]), int(steps[0]), length))
        start += length
    return tuple(runs)
