"""Where the pieces of a gene lie in its locus, and which shared gene coordinate each letter has."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from biolect.bio.coordinates import Run, Span

# Pieces closer than this are one exon of a gene whose ribosome slips: no intron is so short.
_SLIP_NUCLEOTIDES = 5

Interval = tuple[int, int]
"""Start and stop in a locus. 0-based, half-open, 5' to 3'."""


class Layout(NamedTuple):
    """The pieces of one gene as intervals of its locus.

    Attributes:
        spans: The locus on the record, in reading order.
        exons: Intervals of the transcript.
        coding: Intervals of the coding sequence; they overlap where the ribosome slips back.
    """

    spans: tuple[Span, ...]
    exons: tuple[Interval, ...]
    coding: tuple[Interval, ...]

    @property
    def num_nucleotides(self) -> int:
        """Length of the locus."""
        return sum(span.length for span in self.spans)

    def genomic_runs(self, shift: int, exons: bool) -> tuple[Run, ...]:
        """Return places in the locus, counted so that index `shift` is 1, of the exons or of the whole locus."""
        return tuple(Run(a + 1 - shift, 1, b - a) for a, b in (self.exons if exons else ((0, self.num_nucleotides),)))


class _Stretch(NamedTuple):
    """Part of a locus that is read without a jump: from `first` on, in the direction of `strand`."""

    first: int
    strand: int
    length: int
    offset: int

    def distance(self, span: Span, circle: int) -> int:
        """Return the nucleotides from the begin of the stretch to that of a span; modulo `circle` unless 0."""
        distance = span.start - self.first if self.strand > 0 else self.first - (span.stop - 1)
        return distance % circle if circle and distance < 0 else distance


def lay_out(coding: Sequence[Span], exons: Sequence[Span], *, circle: int = 0, turns: bool = False, slips: bool = False) -> Layout:
    """Place exons and coding pieces on the locus that they span.

    Args:
        exons: May be empty; exons that do not hold every coding piece are not used.
        circle: Length of a circular record, 0 for a linear one.
        turns: A trans-spliced gene: going backwards begins a new stretch, not a way around the circle.
        slips: The ribosome slips: the few nucleotides that it skips belong to the transcript.
    """
    if len(coding) == 1 and not exons:
        # Nearly all bacterial genes; the same as below, but quick.
        whole = ((0, coding[0].length),)
        return Layout(tuple(coding), whole, whole)
    around = 0 if turns else circle
    for pieces in (exons, coding):
        stretches = _stretches(pieces, around)
        offsets = [_offset(stretches, span, circle) for span in coding]
        if pieces and None not in offsets:
            break
    placed = tuple((o, o + span.length) for o, span in zip(offsets, coding, strict=True) if o is not None)
    located = [(o, o + span.length) for span in pieces if (o := _offset(stretches, span, circle)) is not None]
    spans = tuple(span for stretch in stretches for span in _spans(stretch, circle))
    return Layout(spans, _merge(located, _SLIP_NUCLEOTIDES if slips else 0), placed)


def holds(exons: Sequence[Span], coding: Sequence[Span]) -> bool:
    """Return whether a transcript can encode these pieces: each lies in an exon, and their introns are its introns."""
    places: list[int] = []
    for span in coding:
        inside = [i for i, exon in enumerate(exons) if exon.strand == span.strand and exon.start <= span.start and span.stop <= exon.stop]
        if not inside:
            return False
        places.append(inside[0])
    for (left, here), (right, there) in pairwise(zip(coding, places, strict=True)):
        follows = there == here + 1 and left.borders[1] == exons[here].borders[1] and right.borders[0] == exons[there].borders[0]
        if here != there and not follows:
            return False
    return True


def _stretches(pieces: Iterable[Span], circle: int) -> list[_Stretch]:
    stretches: list[_Stretch] = []
    for span in pieces:
        last = stretches[-1] if stretches and stretches[-1].strand == span.strand else None
        distance = last.distance(span, circle) if last else -1
        if last and distance >= 0 and (not circle or distance + span.length <= circle):
            stretches[-1] = last._replace(length=max(last.length, distance + span.length))
        else:
            offset = stretches[-1].offset + stretches[-1].length if stretches else 0
            stretches.append(_Stretch(span.start if span.strand > 0 else span.stop - 1, span.strand, span.length, offset))
    return stretches


def _offset(stretches: Iterable[_Stretch], span: Span, circle: int) -> int | None:
    """Return where in the locus a span begins, None if no stretch holds it whole."""
    for stretch in stretches:
        distance = stretch.distance(span, circle)
        if stretch.strand == span.strand and 0 <= distance <= stretch.length - span.length:
            return stretch.offset + distance
    return None


def _spans(stretch: _Stretch, circle: int) -> tuple[Span, ...]:
    """Return a stretch as spans of the record: one, or two around the origin of a circle."""
    first, strand, length, _ = stretch
    if strand > 0:
        beyond = max(0, first + length - circle) if circle else 0
        return (Span(first, first + length - beyond, 1), *((Span(0, beyond, 1),) if beyond else ()))
    beyond = max(0, length - first - 1)
    return (Span(first + 1 - length + beyond, first + 1, -1), *((Span(circle - beyond, circle, -1),) if beyond else ()))


def _merge(intervals: Iterable[Interval], bridge: int) -> tuple[Interval, ...]:
    """Return sorted intervals, joined where they touch, overlap, or lie at most `bridge` apart."""
    merged: list[Interval] = []
    for start, stop in sorted(intervals):
        if merged and start <= merged[-1][1] + bridge:
            merged[-1] = (merged[-1][0], max(merged[-1][1], stop))
        else:
            merged.append((start, stop))
    return tuple(merged)


def spliced_runs(layout: Layout, first: int, *, exons: bool) -> tuple[Run, ...]:
    """Return shared gene coordinates of the exons, or of the whole locus.

    Args:
        first: Coordinate of the first coding nucleotide; 1 where the first codon is whole.
    """
    intervals = _read_intervals(layout, first)
    runs: list[Run] = []
    for start, stop in layout.exons if exons else ((0, layout.num_nucleotides),):
        place = start
        for a, b, origin in intervals:
            low, high = max(a, place), min(b, stop)
            if low < high:
                _extend(runs, low - place)
                _extend(runs, high - low, origin + low - a)
                place = high
        _extend(runs, stop - place)
    return tuple(runs)


def _read_intervals(layout: Layout, first: int) -> list[tuple[int, int, int]]:
    """Return locus intervals that are read, each once, with the coordinate of their first letter."""
    begin, end = min(a for a, _ in layout.coding), max(b for _, b in layout.coding)
    leader = [(a, min(b, begin)) for a, b in layout.exons if a < begin]
    coordinate = first - sum(b - a for a, b in leader)
    intervals: list[tuple[int, int, int]] = []
    for a, b in leader:
        intervals.append((a, b, coordinate))
        coordinate += b - a
    reached = begin
    for a, b in layout.coding:
        fresh = max(a, reached)
        if fresh < b:
            intervals.append((fresh, b, coordinate + fresh - a))
            reached = b
        coordinate += b - a
    for a, b in ((max(a, end), b) for a, b in layout.exons if b > end):
        intervals.append((a, b, coordinate))
        coordinate += b - a
    return intervals


def _extend(runs: list[Run], length: int, origin: int | None = None) -> None:
    """Append letters that are read from `origin` on, or, without one, that stand where the last letter stands."""
    if not length:
        return
    last = runs[-1] if runs else Run(0, 1, 0)
    ends = last.origin + last.stride * (last.length - 1)
    fresh = Run(ends, 0, length) if origin is None else Run(origin, 1, length)
    if runs and fresh.stride == last.stride and fresh.origin == ends + last.stride:
        runs[-1] = last._replace(length=last.length + length)
    else:
        runs.append(fresh)
