"""Coordinate maps: exact, integer, invertible maps between the axes of one gene."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biolect.errors import CoordinateError


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
        steps = np.diff(coordinates[start:])
        stride = int(steps[0]) if len(steps) else 1
        breaks = np.flatnonzero(steps != stride)
        runs.append(Run(int(coordinates[start]), stride, int(breaks[0]) + 1 if len(breaks) else total - start))
        start += runs[-1].length
    return tuple(runs)


class Span(NamedTuple):
    """A stretch of a record, read from one strand. Indices 0-based, half-open; strand is 1 or -1."""

    start: int
    stop: int
    strand: int = 1

    @property
    def length(self) -> int:
        """Nucleotides in the span."""
        return self.stop - self.start

    @property
    def borders(self) -> tuple[int, int]:
        """Index at which reading begins, and that at which it ends, between letters."""
        return (self.start, self.stop) if self.strand > 0 else (self.stop, self.start)


@dataclass(frozen=True)
class CoordinateMap:
    """Which nucleotides, codon and residue of one coding sequence belong together. Indices 0-based.

    Every nucleotide lies in one codon at one offset (0, 1 or 2); every residue has one codon, and every
    codon one residue, but the stop codon, which has none. Each method undoes its partner exactly.

    Attributes:
        num_codons: Codons of the coding sequence, the stop codon included if it is there.
        num_residues: Residues of the protein: all codons, or all but the stop.
    """

    num_codons: int
    num_residues: int

    def __post_init__(self) -> None:
        if not max(0, self.num_codons - 1) <= self.num_residues <= self.num_codons:
            raise CoordinateError(
                f"{self.num_residues} residues do not fit {self.num_codons} codons. Expected as many, or one less for the stop codon."
            )

    @property
    def num_nucleotides(self) -> int:
        """Three for each codon."""
        return 3 * self.num_codons

    def codon_of_nucleotide(self, index: int) -> tuple[int, int]:
        """Return the codon of a nucleotide and its offset in it. Raises CoordinateError if outside."""
        return divmod(_inside(index, self.num_nucleotides, "nucleotide"), 3)

    def nucleotide_of_codon(self, codon: int, offset: int = 0) -> int:
        """Return the nucleotide at an offset of a codon. Raises CoordinateError if outside."""
        return 3 * _inside(codon, self.num_codons, "codon") + _inside(offset, 3, "offset")

    def residue_of_codon(self, codon: int) -> int | None:
        """Return the residue of a codon, None for the stop. Raises CoordinateError if outside."""
        return codon if _inside(codon, self.num_codons, "codon") < self.num_residues else None

    def codon_of_residue(self, residue: int) -> int:
        """Return the codon of a residue. Raises CoordinateError if outside."""
        return _inside(residue, self.num_residues, "residue")


def _inside(index: int, length: int, noun: str) -> int:
    if not 0 <= index < length:
        raise CoordinateError(f"There is no {noun} {index} (0-based): the sequence has {length}. Indices run from 0 to {length - 1}.")
    return index
