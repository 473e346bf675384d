"""Reading: plain or gzip by content, from a path or from standard input."""

import io
import json
import os
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from biolect.errors import CheckpointError, InputError

BLOCK_BYTES = 1 << 18
"""Bytes read at once: small enough that several passes over a block stay in the cache."""

_GZIP = b"\x1f\x8b"
_MARK = b"\xef\xbb\xbf"
_OTHER_PACKING = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip"}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")

_Readable = io.BufferedIOBase | io.RawIOBase


class _Whole(io.RawIOBase):
    """Raw bytes of a file, unpacked if it is gzip. Every read fills its buffer unless the file ends."""

    def __init__(self, source: _Readable, name: str) -> None:
        self._source, self.name, self._rest = source, name, b""
        beginning = _fill(source, BLOCK_BYTES)
        self._pieces = self._unpacked(beginning) if beginning.startswith(_GZIP) else self._plain(beginning)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed and self._source is not getattr(sys.stdin, "buffer", None):
            self._source.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        view, filled = memoryview(buffer).cast("B"), 0
        while filled < len(view) and (piece := self._rest or next(self._pieces, b"")):
            taken, self._rest = piece[: len(view) - filled], piece[len(view) - filled :]
            view[filled : filled + len(taken)] = taken
            filled += len(taken)
        return filled

    def _plain(self, block: bytes) -> Iterator[bytes]:
        while block:
            yield block
            block = self._source.read(BLOCK_BYTES)

    def _unpacked(self, packed: bytes) -> Iterator[bytes]:
        """Yield what gzip streams hold, one after the other, in pieces; zeros after them are padding."""
        while packed:
            inflate = zlib.decompressobj(31)
            while not inflate.eof:
                if not packed:
                    raise InputError(f"'{self.name}' ends before its gzip stream does. The file is cut short: fetch or copy it again.")
                try:
                    piece = inflate.decompress(packed, BLOCK_BYTES)
                except zlib.error as error:
                    raise InputError(f"'{self.name}' is a damaged gzip file ({error}). Fetch or copy it again.") from None
                if piece:
                    yield piece
                packed = inflate.unconsumed_tail or (b"" if inflate.eof else self._source.read(BLOCK_BYTES))
            packed = inflate.unused_data.lstrip(b"\0") or _fill(self._source, BLOCK_BYTES).lstrip(b"\0")


def _fill(source: _Readable, size: int) -> bytes:
    """Read until `size` bytes are there or the source ends; pipes give less at a time."""
    parts: list[bytes] = []
    while size and (part := source.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def open_input(path: str | Path, *, text: bool = True) -> io.BufferedReader:
    """Open a file for reading, unpacked if it is gzip, whatever its name says.

    A UTF-8 mark at the start is skipped. `peek` shows up to 256 KiB of what comes, also on pipes.

    Args:
        path: `-` is standard input.
        text: Refuse binary files.

    Raises:
        InputError: If the path is missing, a folder, not readable, packed in another way, or binary.
            Reading on raises it where a gzip stream is cut short or damaged.
    """
    name = str(path)
    if name == "-":
        source = cast(_Readable, sys.stdin.buffer)
    else:
        try:
            source = open(path, "rb", buffering=0)
        except FileNotFoundError:
            raise InputError(f"There is no file '{name}'. Check the path, which is relative to {os.getcwd()}.") from None
        except IsADirectoryError:
            raise InputError(f"'{name}' is a folder; a file is expected. Name the files in it, for example {name.rstrip('/')}/*.") from None
        except OSError as error:
            raise InputError(f"'{name}' cannot be opened: {error.strerror}.") from None
    stream: io.BufferedReader = io.BufferedReader(_Whole(source, name), BLOCK_BYTES)
    try:
        head = stream.peek(1)
        if head.startswith(_MARK):
            stream.read(len(_MARK))
        if text:
            check_text(head, name)
    except BaseException:
        stream.close()
        raise
    return stream


def read_json(path: Path, advice: str = "Copy the folder again, whole.") -> dict[str, Any]:
    """Return plain data by name, as it was written. Raises CheckpointError if the file is damaged or missing, with advice."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"'{path}' is damaged or missing: {error}. {advice}") from None


def check_text(head: bytes, name: str) -> None:
    """Raise InputError if a file that begins so is packed in another way, or is no text."""
    for magic, packing in _OTHER_PACKING.items():
        if head.startswith(magic):
            raise InputError(f"'{name}' is packed with {packing}, which is not read. Unpack it, or pack it with gzip.")
    if head.startswith(_UTF16):
        raise InputError(f"'{name}' is UTF-16 text, which is not read. Save it as UTF-8.")
    place = head.find(b"\0")
    if place >= 0:
        raise InputError(f"'{name}' is a binary file (a zero byte at offset {place}); text is expected. Is it the right file?")
