"""Alignment to the codon axis: from a coding sequence and the spans of an encoder's tokens to a matrix of codons by tokens.

Everything is computed from spans. Counting tokens instead shifts all codons behind an unknown letter (6-mers begin
anew after it) and behind a special token, and nobody sees it in the shape of the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from biolect.bio.genetic_code import GeneticCode
from biolect.bio.sequence import Modality, Sequence
from biolect.errors import AlphabetError, ConfigError, CoordinateError, FrameError, ShapeError
from biolect.values import Bools, Ints

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Mode = Literal["k2s2", "k3s2p2", "repeat", "coverage"]
"""How tokens become codons.

`coverage`: the mean of all tokens that overlap the codon. `repeat`: the one token that covers most of it, the first of
these. `k2s2`: a 6-mer gives its two codons, through one kernel slot each. `k3s2p2`: the same, and the first codon of a
6-mer sees the token before it, too, be it a special one. The last two give nothing to codons outside 6-mers.
"""

SpanAxis = Literal["nucleotide", "residue"]

Convolution = Literal["depthwise", "low_rank", "full"]


@dataclass(frozen=True)
class CodonGrid:
    """The codon axis of one messenger. Invariant: codon i has the nucleotides [start + 3 i, start + 3 i + 3).

    Attributes:
        start: First nucleotide of the coding sequence. 0-based.
        num_codons: Positions of the axis, the stop codon among them if it was kept.
        num_nucleotides: Of the whole messenger, untranslated ends included.
        protein: One letter per codon but the stop; stops inside and codons with an unknown letter are X.
        has_stop: Whether the last codon of the frame is a stop codon, kept or not.
        tail: Nucleotides behind the last whole codon, which belong to no position.
        internal_stops: Codons that are stops and not the last. 0-based.
        num_unknown: Codons with an unknown letter.
    """

    start: int
    num_codons: int
    num_nucleotides: int
    protein: str
    has_stop: bool
    tail: int
    internal_stops: tuple[int, ...]
    num_unknown: int


def codon_grid(
    sequence: Sequence,
    *,
    start: int = 0,
    stop: int | None = None,
    code: GeneticCode | None = None,
    keeps_stop: bool = False,
    strict: bool = False,
) -> CodonGrid:
    """Return the codon axis of a messenger.

    Args:
        sequence: DNA or RNA.
        start, stop: Interval of the coding sequence; what lies outside is untranslated. 0-based, half-open.
        code: Genetic code, the standard one if left out. A first codon that it can start at is read as M.
        keeps_stop: Let the stop codon be a position; no residue stands there.
        strict: Refuse left-over nucleotides and stops inside, which are counted in the grid otherwise.

    Raises:
        AlphabetError: If it is neither DNA nor RNA.
        CoordinateError: If the interval lies outside.
        FrameError: If there is no codon to stand on, or in strict mode.
    """
    if sequence.modality not in (Modality.DNA, Modality.RNA):
        raise AlphabetError(f"'{sequence.name}' is {sequence.modality}, which has no codons. Pass its DNA or RNA.")
    stop = len(sequence) if stop is None else stop
    if not 0 <= start <= stop <= len(sequence):
        raise CoordinateError(
            f"The coding interval {start}-{stop} (0-based, half-open) does not lie in the {len(sequence)} nucleotides of '{sequence.name}'."
        )
    code, (whole, tail) = code or GeneticCode.by_id(1), divmod(stop - start, 3)
    letters = sequence.residues[start : start + 3 * whole]
    meanings = code.translate(letters, first_is_start=True)
    has_stop = meanings.endswith("*")
    meanings = meanings[: whole - has_stop]
    unknown = {i // 3 for i, letter in enumerate(letters) if letter not in "ACGTU"}
    inside = "".join("X" if letter == "*" or i in unknown else letter for i, letter in enumerate(meanings))
    stops = tuple(i for i, letter in enumerate(meanings) if letter == "*")
    if not inside:
        raise FrameError(f"The coding sequence of '{sequence.name}' has {stop - start} nucleotides and no codon before a stop. Remove it.")
    if strict and tail:
        raise FrameError(
            f"The coding sequence of '{sequence.name}' has {stop - start} nucleotides, which is not a whole number of codons. "
            "Select the coding sequence first, or leave out --strict to drop the last ones."
        )
    if strict and stops:
        raise FrameError(
            f"Codon {stops[0] + 1} (1-based) of '{sequence.name}' is a stop inside the frame. Check frame and genetic code, "
            "or leave out --strict to read it as X."
        )
    positions = len(inside) + (has_stop and keeps_stop)
    return CodonGrid(start, positions, len(sequence), inside, has_stop, tail, stops, len(unknown))


def codon_weights(grid: CodonGrid, spans: NDArray[np.integer], mode: Mode, axis: SpanAxis = "nucleotide") -> csr_matrix:
    """Return the weight of every token in every codon; `weights @ vectors` are vectors on the codon axis.

    Rows sum to 1. A row without weights is a codon about which the encoder says nothing: the stop in a protein, or a
    codon outside all 6-mers in the modes that double these.

    Args:
        spans: Interval of every token, in the order of its vectors; empty for special tokens. 0-based, half-open.
        axis: What spans count: nucleotides of the messenger, or residues of the protein.

    Raises:
        ConfigError: If the mode does not fit the tokens.
        CoordinateError: If a span lies outside the messenger.
        ShapeError: If the tokens cover another number of residues than the protein has.
    """
    from scipy.sparse import csr_matrix

    first, *others = codon_taps(grid, spans, mode, axis)
    total = sum(others, first)
    sums = np.asarray(total.sum(axis=1)).ravel()
    return csr_matrix(total.multiply(1 / np.maximum(sums, 1)[:, None]), dtype=np.float32)


def codon_taps(grid: CodonGrid, spans: NDArray[np.integer], mode: Mode, axis: SpanAxis = "nucleotide") -> tuple[csr_matrix, ...]:
    """Return which token stands in which kernel slot of every codon, a matrix of ones per slot.

    There is one slot in `coverage` and `repeat`, two in `k2s2` and three in `k3s2p2`, numbered as the weights of a
    transposed convolution. Arguments and errors are those of `codon_weights`.

    Source: arXiv:2506.08936, equation 1 (`k2s2`, special tokens removed) and lists 1 and 2 (`k3s2p2`: kernel 3, stride 2,
        padding 2, special token kept, output cut to the codons). We find a codon's 6-mer by its place, so that the result is
        the same where 6-mers fill the sequence, and right where they do not.
    """
    if mode not in get_args(Mode):
        raise ConfigError(f"mode = {mode} is no alignment. Choose {', '.join(get_args(Mode))}.")
    starts, stops = _checked(grid, np.asarray(spans, dtype=np.int64).reshape(-1, 2), axis)
    codons, tokens, lengths = _overlaps(grid, starts, stops)
    if mode == "coverage":
        return (_matrix(grid, len(starts), codons, tokens),)
    if mode == "repeat":
        order = np.lexsort((tokens, -lengths, codons))
        first = order[_is_first(codons[order])]
        return (_matrix(grid, len(starts), codons[first], tokens[first]),)
    wide = stops - starts > 3
    if not wide.any() and not grid.num_unknown and np.count_nonzero(stops > starts) > 5:
        raise ConfigError(f"mode = {mode} doubles tokens of six nucleotides, but none spans more than a codon. Use mode = coverage.")
    middles = grid.start + 3 * codons + 1
    inside = np.flatnonzero(wide[tokens] & (starts[tokens] <= middles) & (middles < stops[tokens]))
    inside = inside[_is_first(codons[inside])]
    codons, tokens = codons[inside], tokens[inside]
    is_second = 2 * (middles[inside] - starts[tokens]) >= stops[tokens] - starts[tokens]
    taps = [_matrix(grid, len(starts), codons[kept], tokens[kept]) for kept in (~is_second, is_second)]
    if mode == "k3s2p2":
        before = np.flatnonzero(~is_second & (tokens > 0))
        taps.append(_matrix(grid, len(starts), codons[before], tokens[before] - 1))
    return tuple(taps)


def _checked(grid: CodonGrid, spans: Ints, axis: SpanAxis) -> tuple[Ints, Ints]:
    """Return where tokens start and stop, in nucleotides of the messenger."""
    starts, stops = spans.T
    end = len(grid.protein) if axis == "residue" else grid.num_nucleotides
    if (starts > stops).any() or (starts < 0).any() or (axis == "nucleotide" and (stops > end).any()):
        raise CoordinateError(f"Spans of tokens must lie in the {end} {axis}s (0-based, half-open). The last one stops at {stops.max()}.")
    if axis == "nucleotide":
        return starts, stops
    if stops.max(initial=0) != end:
        raise ShapeError(
            f"The encoder gave {stops.max(initial=0)} residues, but the codon axis has {end}. Does the sequence include the stop codon?"
        )
    return grid.start + 3 * starts, grid.start + 3 * stops


def _overlaps(grid: CodonGrid, starts: Ints, stops: Ints) -> tuple[Ints, ...]:
    """Return pairs of codon and token, and how many nucleotides they share; by codon, then token."""
    first = np.maximum((starts - grid.start) // 3, 0)
    last = np.minimum((stops - 1 - grid.start) // 3, grid.num_codons - 1)
    counts = np.where(stops > starts, np.maximum(last - first + 1, 0), 0)
    tokens = np.repeat(np.arange(len(starts)), counts)
    codons = first[tokens] + np.arange(len(tokens)) - np.repeat(np.cumsum(counts) - counts, counts)
    left = grid.start + 3 * codons
    lengths = np.minimum(stops[tokens], left + 3) - np.maximum(starts[tokens], left)
    order = np.lexsort((tokens, codons))
    return codons[order], tokens[order], lengths[order]


def _is_first(sorted_values: Ints) -> Bools:
    return np.concatenate([np.ones(min(len(sorted_values), 1), dtype=bool), sorted_values[1:] != sorted_values[:-1]])


def _matrix(grid: CodonGrid, num_tokens: int, codons: Ints, tokens: Ints) -> csr_matrix:
    from scipy.sparse import csr_matrix

    return csr_matrix((np.ones(len(codons), dtype=np.float32), (codons, tokens)), shape=(grid.num_codons, num_tokens))


def tapped(taps: tuple[csr_matrix, ...], vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the vectors in every kernel slot, codons by slots by width: what `CodonConvolution` reads."""
    return np.stack([tap @ vectors.astype(np.float32) for tap in taps], axis=1)


class CodonConvolution(nn.Module):
    """A transposed convolution on the codon axis: what stands in each kernel slot is mapped and added up.

    `depthwise` and `low_rank` begin as the fixed alignment, `codon_weights`. `full` is the paper's: 50.6 million weights
    at a width of 4,107.

    Args:
        width: Of the vectors, going in and coming out.
        taps: Kernel slots, 2 or 3.
        rank: Of what `low_rank` adds to the depth-wise map.
    """

    def __init__(self, width: int, taps: int, kind: Convolution = "depthwise", rank: int = 16) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(width))
        if kind == "full":
            self.weight = nn.Parameter(torch.empty(taps, width, width).uniform_(-1, 1) / (taps * width) ** 0.5)
        else:
            # The first and the last slot of three meet in one codon.
            shares = torch.tensor([0.5, 1.0, 0.5] if taps == 3 else [1.0] * taps)
            self.weight = nn.Parameter(shares[:, None].repeat(1, width))
        if kind == "low_rank":
            self.down = nn.Parameter(torch.randn(taps, width, rank) / width**0.5)
            self.up = nn.Parameter(torch.zeros(taps, rank, width))
        self.kind: Convolution = kind

    def forward(self, slots: Float[Tensor, "B P S D"]) -> Float[Tensor, "B P D"]:
        """Return one vector per codon."""
        if self.kind == "full":
            return torch.einsum("bpsd,sde->bpe", slots, self.weight) + self.bias
        out = (slots * self.weight).sum(2) + self.bias
        if self.kind == "low_rank":
            out = out + torch.einsum("bpsd,sdr,sre->bpe", slots, self.down, self.up)
        return out
