"""Features of flat files in one form, whichever parser read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from biolect.bio.coordinates import Span
from biolect.errors import CoordinateError


class Feature(NamedTuple):
    """A feature of a record.

    Attributes:
        spans: Pieces in reading order.
        is_partial: Whether the 5' end and the 3' end lie beyond the spans.
        qualifiers: First value of each; an empty text for flags.
        exceptions: All values of /transl_except.
    """

    kind: str
    spans: tuple[Span, ...]
    is_partial: tuple[bool, bool]
    qualifiers: Mapping[str, str]
    exceptions: tuple[str, ...] = ()


class _Piece(NamedTuple):
    """A span, and whether it is open before its lowest and after its highest index."""

    span: Span
    before: bool
    after: bool


def locate(location: Any, length: int, *, is_circular: bool) -> tuple[tuple[Span, ...], tuple[bool, bool]]:  # noqa: ANN401 -- gb-io has no stubs
    """Return the spans of a gb-io location in reading order, and whether its 5' and 3' ends are open.

    Args:
        length: Of the record. Nucleotides.

    Raises:
        CoordinateError: If a piece lies outside the record, on another record, or nowhere definite.
    """
    return _ends(_around(_pieces(location), length, is_circular), length)


def locate_biopython(location: Any, length: int, *, is_circular: bool) -> tuple[tuple[Span, ...], tuple[bool, bool]]:  # noqa: ANN401 -- as above
    """Return the same for a Biopython location. Raises CoordinateError like `locate`."""
    if location is None:
        raise CoordinateError("its location cannot be read")
    pieces: list[_Piece] = []
    for part in location.parts:
        if part.ref:
            raise CoordinateError(f"it lies in part on another record, {part.ref}")
        kinds = type(part.start).__name__, type(part.end).__name__
        if {"UnknownPosition", "OneOfPosition", "WithinPosition"} & set(kinds):
            raise CoordinateError(f"its place {part} is not definite")
        span = Span(int(part.start), int(part.end), -1 if part.strand == -1 else 1)
        pieces.append(_Piece(span, kinds[0] == "BeforePosition", kinds[1] == "AfterPosition"))
    return _ends(_around(pieces, length, is_circular), length)


def _pieces(location: Any) -> list[_Piece]:  # noqa: ANN401 -- as above
    kind = type(location).__name__
    if kind == "Range":
        return [_Piece(Span(location.start, location.end), location.before, location.after)]
    if kind == "Complement":
        return [piece._replace(span=piece.span._replace(strand=-piece.span.strand)) for piece in reversed(_pieces(location.location))]
    if kind in ("Join", "Order"):
        return [piece for part in location.locations for piece in _pieces(part)]
    if kind == "External" and location.location is not None:
        raise CoordinateError(f"it lies in part on another record, {location.accession}")
    if kind == "External":
        return _reparse(str(location.accession))
    raise CoordinateError(f"its place {location} is not definite")


def _reparse(text: str) -> list[_Piece]:
    """Read a location that gb-io left as text, such as one that ends in `<12`, with Biopython."""
    from Bio.SeqFeature import Location, LocationParserError

    try:
        location = Location.fromstring(text)
    except (LocationParserError, ValueError, AssertionError) as error:
        raise CoordinateError(f"its location {text} cannot be read") from error
    spans, (start, stop) = locate_biopython(location, 1 << 60, is_circular=False)
    pieces = [_Piece(span, False, False) for span in spans]
    for index, is_open, at_first in ((0, start, True), (-1, stop, False)):
        side = "before" if (pieces[index].span.strand > 0) == at_first else "after"
        pieces[index] = pieces[index]._replace(**{side: is_open or getattr(pieces[index], side)})
    return pieces


def _around(pieces: list[_Piece], length: int, is_circular: bool) -> list[_Piece]:
    """Split pieces written as high..low, which lead around the origin of a circle."""
    split: list[_Piece] = []
    for piece in pieces:
        start, stop, strand = piece.span
        if start < stop:
            split.append(piece)
        elif not is_circular:
            raise CoordinateError(f"its piece {start + 1}..{stop} runs backwards, which only a circular record allows")
        else:
            halves = [_Piece(Span(start, length, strand), piece.before, False), _Piece(Span(0, stop, strand), False, piece.after)]
            split.extend(halves if strand > 0 else halves[::-1])
    return split


def _ends(pieces: list[_Piece], length: int) -> tuple[tuple[Span, ...], tuple[bool, bool]]:
    spans = tuple(piece.span for piece in pieces)
    for start, stop, _ in spans:
        if start < 0 or stop > length:
            raise CoordinateError(f"its piece {start + 1}..{stop} (1-based) lies outside the record, which has {length} nucleotides")
    first, last = pieces[0], pieces[-1]
    opens = first.before if first.span.strand > 0 else first.after
    closes = last.after if last.span.strand > 0 else last.before
    return spans, (opens, closes)
